//! R1, the supermarket model: 100 queues, exponential service, the shortest of a few drawn ones.
//!
//! Expected are the simulations of the paper and our own earlier one, which agree within 1 %; the
//! fixed point for infinitely many queues stands beside them. Drawn without replacement unless a
//! line says otherwise.

use super::{Scale, each_cell};
use crate::{
    chooser::{Chooser, Drawn, Sampled, Uniform},
    experiment::{self, Knowledge, Setup},
    farm::Farm,
    formulas::{mmk_time, supermarket_time},
    law::{ArrivalLaw, SizeLaw},
    random::Seed,
    sheet::{Figure, Sheet},
    station::FcfsQueue,
};

const QUEUES: usize = 100;

/// Load, then mean times: two choices, three, and two drawn with replacement.
const EXPECTED: [(f64, [f64; 3]); 6] = [
    (0.50, [1.2685, 1.1277, 1.2726]),
    (0.70, [1.6214, 1.3625, 1.6275]),
    (0.80, [1.9595, 1.5922, 1.9677]),
    (0.90, [2.6504, 2.0614, 2.6636]),
    (0.95, [3.4715, 2.6215, 3.484]),
    (0.99, [5.97, 4.45, 5.96]),
];

/// What the paper's own simulation gave for two and three choices.
const PAPER: [[f64; 2]; 6] = [
    [1.2673, 1.1277],
    [1.6202, 1.3634],
    [1.9585, 1.5940],
    [2.6454, 2.0614],
    [3.4610, 2.6137],
    [5.9275, 4.4080],
];

/// A single queue forgets how it began only after about `1 / (1 - load)^2` service times, which takes
/// a large run at 0.95, and more than any of ours at 0.99.
const SLOW_LOAD: f64 = 0.95;
const SLOW_SCALE: f64 = 0.5;

#[derive(Clone, Copy, Debug)]
enum Rule {
    Random,
    Two,
    Three,
    TwoWithReplacement,
}

struct Cell {
    load: f64,
    rule: Rule,
    expected: f64,
}

pub(super) fn fill(sheet: &mut Sheet, seed: Seed, scale: Scale) {
    let cells = cells(sheet, scale);
    let figures = each_cell(&cells, |cell| figure(cell, seed, scale));
    figures.into_iter().for_each(|figure| sheet.figure(figure));
    for ((load, _), [two, three]) in EXPECTED.iter().zip(PAPER) {
        sheet.note(format!(
            "load {load:.2}: infinitely many queues {:.4} and {:.4}, the paper's run {two} and {three}",
            supermarket_time(*load, 2),
            supermarket_time(*load, 3),
        ));
    }
}

fn cells(sheet: &mut Sheet, scale: Scale) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (load, [two, three, replaced]) in EXPECTED {
        let mut add = |rule, expected| {
            cells.push(Cell {
                load,
                rule,
                expected,
            });
        };
        if load < SLOW_LOAD || load < 0.99 && scale.reaches(SLOW_SCALE) {
            add(Rule::Random, mmk_time(1, load));
        } else {
            sheet.note(format!(
                "load {load:.2}, random: left out, too slow to settle"
            ));
        }
        add(Rule::Two, two);
        add(Rule::Three, three);
        add(Rule::TwoWithReplacement, replaced);
    }
    cells
}

fn figure(cell: &Cell, seed: Seed, scale: Scale) -> Figure {
    let setup = Setup {
        arrivals: ArrivalLaw::Poisson {
            rate: cell.load * QUEUES as f64,
        },
        sizes: SizeLaw::Exponential(1.0),
        rate_max: f64::INFINITY,
        knowledge: Knowledge::Fresh,
        flows: scale.flows(full_flows(cell.load)),
        seed,
    };
    let farm = Farm::new((0..QUEUES).map(|_| FcfsQueue::new(1)).collect());
    let (name, mut chooser) = cell.rule.chooser();
    let summary = experiment::run(farm, &setup, chooser.as_mut());
    Figure {
        what: format!("load {:.2}, {name}", cell.load),
        ours: summary.time_s.mean(),
        half_width: summary.time_s.half_width_95(),
        expected: cell.expected,
        tolerance: if cell.load < 0.99 { 0.01 } else { 0.02 },
    }
}

/// The busier, the longer a queue remembers, and the more flows its mean needs.
fn full_flows(load: f64) -> u64 {
    if load < 0.9 {
        3_000_000
    } else if load < 0.99 {
        10_000_000
    } else {
        30_000_000
    }
}

impl Rule {
    fn chooser(self) -> (&'static str, Box<dyn Chooser>) {
        use Drawn::{WithReplacement, WithoutReplacement};
        match self {
            Self::Random => ("random", Box::new(Uniform)),
            Self::Two => ("2 choices", Box::new(Sampled::new(2, WithoutReplacement))),
            Self::Three => ("3 choices", Box::new(Sampled::new(3, WithoutReplacement))),
            Self::TwoWithReplacement => (
                "2 choices with replacement",
                Box::new(Sampled::new(2, WithReplacement)),
            ),
        }
    }
}
