//! R6, the reference farm: what live load in the decision is worth, by policy and by age of reports.
//!
//! Eight mirrors of 4, 4, 2, 2, 1, 1, 1 and 1 Gbit/s. Rows named *product* are the product's dispatcher
//! itself, from reports and its own dispatches; its server has no part in it, and reports say that the
//! way to clients takes no time, so that its cost is the marginal cost alone. Expected are the figures
//! of an independent simulation, which come without intervals.

use overspill_core::policy::PolicyKind::{LeastConnections, MarginalCost};

use super::Scale;
use crate::{
    board::Own,
    chooser::Score,
    fleet::{self, Baseline, Reports, Rule, Scenario, Setup, Sight, Summary, Ways},
    law::{ArrivalLaw, SizeLaw},
    parallel::each_cell,
    random::Seed,
    sheet::{Figure, Sheet},
};

const TOLERANCE: f64 = 0.10;
/// Measured requests of one run.
const REQUESTS: u64 = 800_000;
/// Runs of each row: sizes are so uneven that a run by itself cannot say how sure it is.
pub(super) const RUNS: u64 = 4;
/// 97.5 % quantile of Student's t with `RUNS - 1` degrees of freedom.
const STUDENT_T: f64 = 3.182;
/// What is hardly stable, or hangs on the few largest files, takes so much of full size to settle, and
/// says nothing before.
const SLOW_SCALE: f64 = 0.5;
/// By how much each mirror's capacity is mis-estimated, up or down in turn.
const MISTAKE: f64 = 1.5;

/// How a group of rows is set.
#[derive(Clone, Copy, Debug)]
struct Group {
    name: &'static str,
    load: f64,
    every_s: u32,
    mistake: f64,
}

/// A rule, and the mean slowdown and its 99th percentile that are expected.
type Row = (Rule, f64, f64);

const FRESH: Sight = Sight::Truth;
const BOARD: Sight = Sight::Board(Own::Ignored);
const OWN: Sight = Sight::Board(Own::Counted);

const BYTES: Baseline = Baseline::Least(Score::Work);
const FINISH: Baseline = Baseline::Least(Score::EarliestFinish);

const GROUPS: [(Group, &[Row]); 7] = [
    (
        group("0.8, fresh", 0.8, 1, 1.0),
        &[
            (Rule::Baseline(Baseline::StaticWeights, BOARD), 9.14, 51.0),
            (Rule::Policy(LeastConnections, FRESH), 3.19, 8.0),
            (Rule::Baseline(BYTES, FRESH), 24.2, 240.0),
            (Rule::Baseline(FINISH, FRESH), 3.79, 8.0),
            (Rule::Policy(MarginalCost, FRESH), 3.25, 7.7),
            (Rule::Baseline(Baseline::TwoChoices, FRESH), 6.20, 22.0),
        ],
    ),
    (
        group("0.8, 1 s board", 0.8, 1, 1.0),
        &[
            (Rule::Policy(LeastConnections, BOARD), 10.8, 62.0),
            (Rule::Baseline(BYTES, BOARD), 33.5, 220.0),
            (Rule::Baseline(FINISH, BOARD), 12.1, 81.0),
            (Rule::Baseline(Baseline::TwoChoices, BOARD), 7.06, 27.0),
        ],
    ),
    (
        group("0.8, 1 s + own", 0.8, 1, 1.0),
        &[
            (Rule::Product(LeastConnections), 5.37, 16.0),
            (Rule::Baseline(BYTES, OWN), 25.1, 249.0),
            (Rule::Baseline(FINISH, OWN), 4.57, 8.8),
            (Rule::Product(MarginalCost), 3.99, 8.0),
            (Rule::Baseline(Baseline::TwoChoices, OWN), 7.56, 28.0),
        ],
    ),
    (
        group("0.8, 5 s board", 0.8, 5, 1.0),
        &[
            (Rule::Policy(LeastConnections, BOARD), 35.4, 221.0),
            (Rule::Baseline(BYTES, BOARD), 80.8, 500.0),
            (Rule::Baseline(FINISH, BOARD), 39.2, 310.0),
            (Rule::Baseline(Baseline::TwoChoices, BOARD), 8.86, 40.0),
        ],
    ),
    (
        group("0.8, 5 s + own", 0.8, 5, 1.0),
        &[
            (Rule::Product(LeastConnections), 7.10, 28.0),
            (Rule::Baseline(BYTES, OWN), 25.7, 239.0),
            (Rule::Baseline(FINISH, OWN), 4.81, 10.3),
            (Rule::Product(MarginalCost), 4.29, 11.2),
            (Rule::Baseline(Baseline::TwoChoices, OWN), 9.26, 42.0),
        ],
    ),
    (
        group("0.8, 5 s + own, mistaken", 0.8, 5, MISTAKE),
        &[
            (Rule::Product(LeastConnections), 28.6, 77.0),
            (Rule::Baseline(FINISH, OWN), 8.5, 20.0),
            (Rule::Product(MarginalCost), 6.84, 16.5),
        ],
    ),
    (
        group("0.95, fresh", 0.95, 1, 1.0),
        &[
            (Rule::Baseline(Baseline::StaticWeights, BOARD), 29.0, 143.0),
            (Rule::Policy(LeastConnections, FRESH), 7.18, 19.0),
            (Rule::Baseline(BYTES, FRESH), 205.0, 863.0),
            (Rule::Baseline(FINISH, FRESH), 7.57, 19.0),
            (Rule::Policy(MarginalCost, FRESH), 6.66, 17.9),
        ],
    ),
];

const fn group(name: &'static str, load: f64, every_s: u32, mistake: f64) -> Group {
    Group {
        name,
        load,
        every_s,
        mistake,
    }
}

pub(super) fn fill(sheet: &mut Sheet, seed: Seed, scale: Scale) {
    let rows = GROUPS.iter().flat_map(|(group, rows)| {
        let of_group = move |row: &'static Row| (*group, *row);
        rows.iter().map(of_group)
    });
    let is_told = |(group, row): &(Group, Row)| scale.reaches(SLOW_SCALE) || group.settles(row.0);
    let rows: Vec<(Group, Row)> = rows.filter(is_told).collect();
    if !scale.reaches(SLOW_SCALE) {
        sheet.note(format!(
            "load 0.95, by bytes, and mistaken without histogram: left out below {SLOW_SCALE} of full size"
        ));
    }
    let setups = rows
        .iter()
        .map(|(group, (rule, ..))| group.setup(*rule, seed, scale.flows(REQUESTS)));
    let outcomes = run_all(&setups.collect::<Vec<_>>());
    for ((group, (rule, mean, p99)), outcome) in rows.iter().zip(&outcomes) {
        let name = format!("{}, {}", group.name, name_of(*rule));
        for (what, ours, expected) in [("mean", &outcome.mean, mean), ("p99", &outcome.p99, p99)] {
            sheet.figure(Figure {
                what: format!("{name}, {what}"),
                ours: ours.value,
                half_width: ours.half_width,
                expected: *expected,
                tolerance: TOLERANCE,
            });
        }
    }
}

/// The reference farm, without a server, at a load.
pub(super) fn reference(rule: Rule, load: f64, seed: Seed, requests: u64) -> Setup {
    let mut setup = Setup {
        mirrors: fleet::reference_mirrors(),
        server: None,
        arrivals: ArrivalLaw::Poisson { rate: 1.0 },
        sizes: SizeLaw::published_files(),
        requests,
        reports: Reports::together(1),
        ways: Ways::Measured,
        scenario: Scenario::Steady,
        rule,
        regret_every: u64::MAX,
        seed,
    };
    setup.arrivals = setup.poisson(load);
    setup
}

impl Group {
    /// Whether a row of this group says something after a short run.
    fn settles(&self, rule: Rule) -> bool {
        let is_by_bytes = matches!(rule, Rule::Baseline(BYTES, _));
        let is_nearly_full = self.load > 0.9;
        let is_misled = self.mistake > 1.0 && rule == Rule::Product(LeastConnections);
        !(is_by_bytes || is_nearly_full || is_misled)
    }

    fn setup(&self, rule: Rule, seed: Seed, requests: u64) -> Setup {
        let mut setup = reference(rule, self.load, seed, requests);
        setup.reports = Reports::together(self.every_s);
        for (at, mirror) in setup.mirrors.iter_mut().enumerate() {
            mirror.told *= if at % 2 == 0 {
                self.mistake
            } else {
                1.0 / self.mistake
            };
        }
        setup
    }
}

/// A figure over several runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) half_width: f64,
}

/// What several runs of one setup came to.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) mean: Estimate,
    pub(super) p99: Estimate,
    /// The p99 of each run.
    pub(super) p99s: Vec<f64>,
    /// The p98 and the p99.5, over all runs: how steep it is there.
    pub(super) around: [f64; 2],
}

/// Runs each setup with [`RUNS`] seeds that follow from its own.
pub(super) fn run_all(setups: &[Setup]) -> Vec<Outcome> {
    let seeded = |setup: &Setup| {
        let setup = setup.clone();
        (0..RUNS).map(move |run| Setup {
            seed: setup.seed.nth(run),
            ..setup.clone()
        })
    };
    let cells: Vec<Setup> = setups.iter().flat_map(seeded).collect();
    let of = |summary: &Summary| {
        let quantiles = [0.98, 0.99, 0.995].map(|ratio| summary.slowdowns.quantile(ratio));
        (summary.slowdown.mean(), quantiles)
    };
    let figures = each_cell(&cells, |setup| of(&fleet::run(setup)));
    let outcome = |runs: &[(f64, [f64; 3])]| {
        let quantile = |at: usize| runs.iter().map(move |run| run.1[at]);
        Outcome {
            mean: Estimate::of(runs.iter().map(|run| run.0)),
            p99: Estimate::of(quantile(1)),
            p99s: quantile(1).collect(),
            around: [0, 2].map(|at| Estimate::of(quantile(at)).value),
        }
    };
    figures.chunks(RUNS as usize).map(outcome).collect()
}

impl Estimate {
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let runs = RUNS as f64;
        let mean = values.clone().sum::<f64>() / runs;
        let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
        let deviation = (squares / (runs - 1.0)).sqrt();
        Self {
            value: mean,
            half_width: STUDENT_T * deviation / runs.sqrt(),
        }
    }
}

fn name_of(rule: Rule) -> String {
    match rule {
        Rule::Baseline(Baseline::Least(Score::EarliestFinish), _) => "by finish".to_owned(),
        Rule::Baseline(Baseline::Least(Score::Work), _) => "by bytes".to_owned(),
        Rule::Baseline(Baseline::Least(score), _) => format!("by {score:?}"),
        Rule::Baseline(Baseline::StaticWeights, _) => "static weights".to_owned(),
        Rule::Baseline(Baseline::TwoChoices, _) => "2 choices".to_owned(),
        Rule::Policy(kind, _) => kind.name().to_owned(),
        Rule::Product(kind) => format!("product {}", kind.name()),
        Rule::ServerAlone => "server alone".to_owned(),
    }
}
