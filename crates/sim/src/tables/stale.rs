//! R3, a stale bulletin board: what old information is worth, and what one's own dispatches add.
//!
//! Load 0.9, exponential service, first come first served. The board tells the numbers of flows as
//! they were when it was last written. Expected are the figures of an independent simulation.

use super::{Scale, each_cell};
use crate::{
    board::Own,
    chooser::{Chooser, Drawn, Least, Sampled, Score, Uniform},
    experiment::{self, Knowledge, Setup},
    farm::Farm,
    law::{ArrivalLaw, SizeLaw},
    random::Seed,
    sheet::{Figure, Sheet, Verdict},
    station::FcfsQueue,
};

const LOAD: f64 = 0.9;
const TOLERANCE: f64 = 0.05;
const FLOWS: u64 = 5_000_000;
const FLOWS_OF_HERDS: u64 = 60_000_000;

/// Where a whole period's flows go to one queue of a hundred, the queues take hundreds of periods to
/// settle, and a smaller run says nothing.
const HERD_SCALE: f64 = 0.5;

/// How often the board is written, in service times.
const EVERY_S: [f64; 5] = [0.1, 1.0, 5.0, 10.0, 50.0];

/// A column of the table.
struct Column {
    queues: usize,
    rule: Rule,
    own: Own,
    expected: [f64; 5],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rule {
    All,
    Drawn(usize),
    Random,
}

const COLUMNS: [Column; 9] = [
    column(100, Rule::Random, Own::Ignored, [10.0; 5]),
    column(
        100,
        Rule::Drawn(2),
        Own::Ignored,
        [2.66, 2.96, 4.00, 5.09, 12.5],
    ),
    column(
        100,
        Rule::Drawn(3),
        Own::Ignored,
        [2.12, 2.59, 4.34, 6.29, 21.1],
    ),
    column(
        100,
        Rule::All,
        Own::Ignored,
        [1.56, 4.00, 12.1, 24.0, 359.0],
    ),
    column(
        100,
        Rule::Drawn(2),
        Own::Counted,
        [2.66, 2.81, 3.30, 3.68, 4.63],
    ),
    column(100, Rule::All, Own::Counted, [1.19, 1.84, 2.63, 3.08, 4.13]),
    column(
        10,
        Rule::Drawn(2),
        Own::Ignored,
        [3.02, 3.30, 4.39, 5.64, 14.2],
    ),
    column(10, Rule::All, Own::Ignored, [2.05, 4.15, 14.0, 25.8, 123.0]),
    column(10, Rule::All, Own::Counted, [1.99, 2.37, 3.06, 3.46, 4.47]),
];

const fn column(queues: usize, rule: Rule, own: Own, expected: [f64; 5]) -> Column {
    Column {
        queues,
        rule,
        own,
        expected,
    }
}

pub(super) fn fill(sheet: &mut Sheet, seed: Seed, scale: Scale) {
    let rows = |column| {
        EVERY_S
            .iter()
            .enumerate()
            .map(move |(row, _)| (column, row))
    };
    let cells: Vec<(&Column, usize)> = COLUMNS.iter().flat_map(rows).collect();
    let figures = each_cell(&cells, |(column, row)| figure(column, *row, seed, scale));
    claim_shape(sheet, &figures);
    for ((column, row), figure) in cells.iter().zip(figures) {
        if column.herds(EVERY_S[*row]) && !scale.reaches(HERD_SCALE) {
            sheet.note(format!(
                "{}: not judged below {HERD_SCALE} of full size",
                figure.what
            ));
        } else {
            sheet.figure(figure);
        }
    }
}

fn figure(column: &Column, row: usize, seed: Seed, scale: Scale) -> Figure {
    let setup = Setup {
        arrivals: ArrivalLaw::Poisson {
            rate: LOAD * column.queues as f64,
        },
        sizes: SizeLaw::Exponential(1.0),
        rate_max: f64::INFINITY,
        knowledge: Knowledge::Board {
            every_s: EVERY_S[row],
            own: column.own,
        },
        flows: scale.flows(column.full_flows(EVERY_S[row], scale)),
        seed,
    };
    let farm = Farm::new((0..column.queues).map(|_| FcfsQueue::new(1)).collect());
    let summary = experiment::run(farm, &setup, column.rule.chooser().as_mut());
    Figure {
        what: format!("{}, board every {}", column.name(), EVERY_S[row]),
        ours: summary.time_s.mean(),
        half_width: summary.time_s.half_width_95(),
        expected: column.expected[row],
        tolerance: TOLERANCE,
    }
}

/// The findings that the figures stand for; they hold whatever the last digit.
fn claim_shape(sheet: &mut Sheet, figures: &[Figure]) {
    let at = |column: usize, row: usize| figures[column * EVERY_S.len() + row].ours;
    let mut less = |what: &str, less: f64, more: f64| {
        let seen = format!("{less:.2} < {more:.2}");
        sheet.claim(what, seen, Verdict::of(less < more));
    };
    less("a board of 0.1 favours all over 2", at(3, 0), at(1, 0));
    less("a board of 1 favours 2 over all", at(1, 1), at(3, 1));
    less(
        "on a board of 5 all are worse than chance",
        at(0, 2),
        at(3, 2),
    );
    less(
        "with own dispatches 50 is better than 5 without",
        at(5, 4),
        at(3, 2),
    );
    less(
        "with own dispatches all beat 2 at any age",
        at(5, 4),
        at(4, 4),
    );
}

impl Column {
    fn herds(&self, every_s: f64) -> bool {
        self.queues == 100 && self.rule == Rule::All && self.own == Own::Ignored && every_s >= 5.0
    }

    fn full_flows(&self, every_s: f64, scale: Scale) -> u64 {
        if self.herds(every_s) && scale.reaches(HERD_SCALE) {
            FLOWS_OF_HERDS
        } else {
            FLOWS
        }
    }

    fn name(&self) -> String {
        let rule = match self.rule {
            Rule::All => "all".to_owned(),
            Rule::Drawn(choices) => format!("{choices} choices"),
            Rule::Random => "random".to_owned(),
        };
        let own = match self.own {
            Own::Counted => " + own",
            Own::Ignored => "",
        };
        format!("{} queues, {rule}{own}", self.queues)
    }
}

impl Rule {
    fn chooser(self) -> Box<dyn Chooser> {
        match self {
            Self::All => Box::new(Least(Score::Flows)),
            Self::Drawn(choices) => Box::new(Sampled::new(choices, Drawn::WithoutReplacement)),
            Self::Random => Box::new(Uniform),
        }
    }
}
