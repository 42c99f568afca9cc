//! The table: what each server costs, and our share of it.
//!
//! Ratios are taken round by round, of two turns that stood next to each other, and only then is
//! their median taken: so what slows a whole round down cancels out. It must never show a median
//! without its spread.

use anyhow::Result;
use comfy_table::Table;

use super::{
    entrants::{Entrant, Entrants, Presence},
    rows::{Row, Unit},
    turns::Turn,
};
use crate::bench::{
    markdown, print,
    sample::{Spread, figure},
};

/// All rows so far.
#[derive(Debug)]
pub(super) struct Report {
    table: Table,
}

const HEADER: [&str; 9] = [
    "load",
    "server",
    "CPU each",
    "min..max",
    "per CPU second",
    "ours / its",
    "min..max",
    "target",
    "errors",
];

impl Report {
    pub(super) fn new() -> Self {
        Self {
            table: markdown(&HEADER, 2),
        }
    }

    /// Adds a line for each entrant.
    pub(super) fn add(&mut self, row: &Row, entrants: &Entrants, turns: &[Vec<Turn>]) {
        let Some(ours) = turns.first() else { return };
        for (entrant, turns) in entrants.iter().zip(turns) {
            self.table.add_row(line(row, entrant, turns, ours));
        }
    }

    /// Prints the table and what it means.
    pub(super) fn print(&self, rounds: u32, seconds: u32) -> Result<()> {
        print(&format!(
            "\nCPU time of the server, user and system, one core each: medians of {rounds} rounds \
             of {seconds} s, the servers in turn\n\n{}\n\nours / its: our CPU time through that of \
             the server in the line, round by round; below 1 ours is cheaper",
            self.table
        ))
    }
}

fn line(row: &Row, entrant: &Entrant, turns: &[Turn], ours: &[Turn]) -> Vec<String> {
    let mut line = vec![row.label.to_owned(), entrant.contender.name().to_owned()];
    let costs = Spread::of(turns.iter().map(|turn| turn.cpu_us).collect());
    match (&entrant.presence, costs) {
        (Presence::Absent(reason), _) => line.push(reason.clone()),
        (_, None) => line.push("no turns".to_owned()),
        (_, Some(costs)) => {
            let ratio = ratio(entrant, turns, ours);
            let errors: u64 = turns.iter().map(|turn| turn.errors).sum();
            line.extend(row.unit.cost(costs));
            line.extend([
                ratio.map_or_else(dash, |ratio| figure(ratio.median)),
                ratio.map_or_else(dash, range),
                row.target(entrant.contender)
                    .map_or_else(dash, |most| format!("<= {most:.2}")),
                errors.to_string(),
            ]);
        }
    }
    line.resize_with(HEADER.len(), dash);
    line
}

/// Our cost through this one's, of each round; `None` for ourselves, or when one of the two is
/// missing.
fn ratio(entrant: &Entrant, turns: &[Turn], ours: &[Turn]) -> Option<Spread> {
    if entrant.contender == crate::bench::contender::Contender::Overspill {
        return None;
    }
    let rounds = ours.iter().zip(turns);
    Spread::of(rounds.map(|(ours, its)| ours.cpu_us / its.cpu_us).collect())
}

fn range(spread: Spread) -> String {
    format!("{}..{}", figure(spread.min), figure(spread.max))
}

fn dash() -> String {
    "-".to_owned()
}

impl Unit {
    /// The columns on cost: median, spread, and how many a second of CPU time is enough for.
    fn cost(self, spread: Spread) -> [String; 3] {
        let (scale, each) = match self {
            Self::Connection => (1.0, "us/connection"),
            Self::Gibibyte => (1e-3, "ms/GiB"),
            Self::Request => (1.0, "us/request"),
        };
        let scaled = Spread {
            min: spread.min * scale,
            median: spread.median * scale,
            max: spread.max * scale,
        };
        [
            format!("{} {each}", figure(scaled.median)),
            range(scaled),
            figure(1e6 / spread.median),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rows::ROWS, *};
    use crate::bench::contender::Contender;

    fn absent(contender: Contender) -> Entrant {
        Entrant {
            contender,
            presence: Presence::Absent("not available: it is not here".to_owned()),
        }
    }

    fn turns(costs: &[f64]) -> Vec<Turn> {
        let turn = |&cpu_us| Turn { cpu_us, errors: 1 };
        costs.iter().map(turn).collect()
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let (ours, its) = (turns(&[5.0, 10.0, 20.0]), turns(&[10.0, 40.0, 25.0]));
        let spread = ratio(&absent(Contender::Nginx), &its, &ours).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (0.25, 0.5, 0.8));
        assert_eq!(ratio(&absent(Contender::Overspill), &ours, &ours), None);
        assert_eq!(ratio(&absent(Contender::Nginx), &its, &[]), None);
    }

    #[test]
    fn costs_carry_their_unit() {
        let spread = Spread {
            min: 1000.0,
            median: 2000.0,
            max: 4000.0,
        };
        let columns = |unit: Unit| unit.cost(spread).join(" | ");
        assert_eq!(columns(Unit::Request), "2000 us/request | 1000..4000 | 500");
        assert_eq!(columns(Unit::Gibibyte), "2.00 ms/GiB | 1.00..4.00 | 500");
    }

    #[test]
    fn who_is_missing_has_a_line_that_says_why() {
        let line = line(&ROWS[0], &absent(Contender::Caddy), &[], &turns(&[1.0]));
        assert_eq!(
            line.join(" | "),
            "1 KiB, 64 connections | caddy | not available: it is not here | - | - | - | - | - | -"
        );
    }
}
