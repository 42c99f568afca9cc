//! Outcomes as a table, verdicts as lines, all of it as JSON.
//!
//! It must never round a miss into a pass: verdicts come with the figure they were made from.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    download::{End, Kind},
    outcome::{Completion, Outcome},
    scenario::{Scenario, Verdict},
};
use crate::bench::markdown;

/// Everything that was run.
#[derive(Debug, Default)]
pub(super) struct Report {
    sections: Vec<Section>,
}

#[derive(Debug)]
struct Section {
    name: &'static str,
    about: &'static str,
    outcomes: Vec<Outcome>,
    verdicts: Vec<Verdict>,
    notes: Vec<String>,
}

/// From here on the machine may have been slower than the links.
const BUSY_RATIO_MAX: f64 = 0.85;
const TITLES: [&str; 12] = [
    "scenario",
    "contender",
    "sent by node, Mbit/s",
    "goodput, Mbit/s",
    "of links",
    "right",
    "p50, s",
    "p99, s",
    "failed",
    "refused",
    "wrong",
    "cpu",
];
/// Columns that hold words.
const TEXT_COLUMNS: usize = 3;

impl Report {
    /// Adds what came of a scenario.
    pub(super) fn add(&mut self, scenario: &dyn Scenario, outcomes: Vec<Outcome>, seconds: u32) {
        self.sections.push(Section {
            name: scenario.name(),
            about: scenario.about(),
            verdicts: scenario.judge(&outcomes),
            notes: scenario.notes(&outcomes, seconds),
            outcomes,
        });
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut table = markdown(&TITLES, TEXT_COLUMNS);
        for outcome in self.outcomes() {
            table.add_row(cells(outcome));
        }
        let mut text = format!("\n{table}\n\nfailed: gave up + not done in time\n");
        for section in &self.sections {
            let _ = write!(text, "\n{}: {}\n", section.name, section.about);
            for line in section.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
        let all = self.outcomes().count();
        let busy = self.outcomes();
        let busy = busy
            .filter(|outcome| outcome.busy_ratio > BUSY_RATIO_MAX)
            .count();
        if busy > 0 {
            let _ = writeln!(
                text,
                "\nIn {busy} of {all} rows the processors were busy, with whatever runs on this \
                 machine, to more than {BUSY_RATIO_MAX}: there the links may not be all that was \
                 measured."
            );
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let sections = self.sections.iter().map(|section| {
            json!({
                "scenario": section.name,
                "outcomes": section.outcomes.iter().map(outcome_json).collect::<Vec<_>>(),
                "verdicts": section.verdicts.iter().map(verdict_json).collect::<Vec<_>>(),
                "notes": section.notes,
            })
        });
        json!({ "scenarios": sections.collect::<Vec<_>>() })
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.sections.iter().flat_map(|section| &section.outcomes)
    }
}

impl Section {
    /// What is said below the table.
    fn lines(&self) -> impl Iterator<Item = String> {
        let verdicts = self.verdicts.iter().map(verdict);
        let sick = self.outcomes.iter().filter_map(sick);
        verdicts.chain(sick).chain(self.notes.iter().cloned())
    }
}

/// What the sick node still got after the fault, if there is one.
fn sick(outcome: &Outcome) -> Option<String> {
    let sick = outcome.sent_to_sick?;
    let (name, clients) = (outcome.contender.name(), sick.clients);
    Some(sick.last.map_or_else(
        || format!("sent to the sick mirror: {name} nobody"),
        |last| {
            let last_s = last.as_secs_f64();
            format!("sent to the sick mirror: {name} {clients}, the last after {last_s:.1} s")
        },
    ))
}

/// An outcome in a line, said while others are still run.
pub(super) fn line(outcome: &Outcome) -> String {
    let cells = cells(outcome);
    let figures = TITLES.iter().zip(&cells).skip(TEXT_COLUMNS - 1);
    let figures: Vec<_> = figures
        .map(|(title, cell)| format!("{title} {cell}"))
        .collect();
    figures.join("; ")
}

fn cells(outcome: &Outcome) -> [String; TITLES.len()] {
    let sent = outcome.sent_mbit_per_s.iter();
    let sent: Vec<_> = sent
        .map(|(name, rate)| format!("{name} {rate:.0}"))
        .collect();
    let (failed, late) = (outcome.ended(End::Failed), outcome.ended(End::Unfinished));
    [
        format!("{} {}", outcome.scenario, outcome.variant)
            .trim_end()
            .to_owned(),
        outcome.contender.name().to_owned(),
        sent.join(" "),
        format!("{:.1}", outcome.goodput_mbit_per_s),
        format!("{:.3}", outcome.share()),
        outcome.ended(End::Right).to_string(),
        seconds(outcome.median),
        seconds(outcome.p99),
        format!("{failed}+{late}"),
        outcome.ended(End::Refused).to_string(),
        outcome.ended(End::Wrong).to_string(),
        format!("{:.2}", outcome.busy_ratio),
    ]
}

fn seconds(completion: Option<Completion>) -> String {
    let Some(completion) = completion else {
        return "-".to_owned();
    };
    let mark = match completion {
        Completion::Exactly(_) => "",
        Completion::Longer(_) => "> ",
    };
    format!("{mark}{:.2}", completion.duration().as_secs_f64())
}

fn verdict(verdict: &Verdict) -> String {
    let word = if verdict.is_met { "PASS" } else { "MISS" };
    format!(
        "{word} {}: {} ({})",
        verdict.about, verdict.measured, verdict.target
    )
}

fn verdict_json(verdict: &Verdict) -> Value {
    json!({
        "about": verdict.about,
        "measured": verdict.measured,
        "target": verdict.target,
        "met": verdict.is_met,
    })
}

fn outcome_json(outcome: &Outcome) -> Value {
    let s = |completion: Option<Completion>| completion.map(|c| c.duration().as_secs_f64());
    let sick = outcome.sent_to_sick;
    json!({
        "variant": outcome.variant,
        "contender": outcome.contender.name(),
        "links_mbit_per_s": outcome.links_mbit_per_s,
        "goodput_mbit_per_s": outcome.goodput_mbit_per_s,
        "goodput_ratio": outcome.share(),
        "median_s": s(outcome.median),
        "p99_s": s(outcome.p99),
        "p99_is_lower_bound": matches!(outcome.p99, Some(Completion::Longer(_))),
        "clients": Kind::ALL.map(|kind| kind_json(outcome, kind)),
        "sent_mbit_per_s": outcome.sent_mbit_per_s,
        "busy_ratio": outcome.busy_ratio,
        "sent_to_sick": sick.map(|sick| sick.clients),
        "last_sent_to_sick_s": sick.and_then(|sick| sick.last).map(|last| last.as_secs_f64()),
    })
}

fn kind_json(outcome: &Outcome, kind: Kind) -> Value {
    let count = |end| outcome.ended_of(kind, end);
    json!({
        "client": kind.name(),
        "right": count(End::Right),
        "failed": count(End::Failed),
        "unfinished": count(End::Unfinished),
        "refused": count(End::Refused),
        "wrong": count(End::Wrong),
    })
}
