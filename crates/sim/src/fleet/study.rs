//! Studies: every policy on one fleet, under one scenario, beside what to compare with.
//!
//! All rows face the same arrivals and sizes. A study tells what is; it has no expectation, and must
//! never be read as one.

use std::{fmt, fmt::Write as _, str::FromStr};

use overspill_core::{dispatch::Settings, policy::PolicyKind, units::Rate};

use super::{
    Baseline, Mirror, Phase, Plot, Reports, Rule, Scenario, Server, Setup, Sight, Summary, Ways,
    plot, reference_mirrors, run,
};
use crate::{
    board::Own,
    chooser::Score,
    law::{ArrivalLaw, SizeLaw},
    parallel::each_cell,
    random::{Seed, Stream},
    stats::Decade,
};

/// What is studied.
#[derive(Clone, Debug)]
pub struct Study {
    /// Which fleet.
    pub site: Site,
    /// What goes wrong.
    pub scenario: Scenario,
    /// Offered load, as a share of the capacity of all.
    pub load: f64,
    /// How many requests are measured.
    pub requests: u64,
    /// What all chance follows from.
    pub seed: Seed,
}

/// A fleet that can be studied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Site {
    /// A thousand mirrors of 0.1 to 10 Gbit/s behind a server of 10 Gbit/s.
    Crowd,
    /// The reference farm behind a server of 1 Gbit/s.
    Reference,
}

/// Text that is no scenario or site.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StudyError {
    text: String,
    known: String,
}

/// What became of a study.
#[derive(Debug)]
pub struct Findings {
    title: String,
    rows: Vec<(String, Summary)>,
}

/// Regret looks at every flow there is; told of each request it would take longer than all else.
const REGRET_EVERY: u64 = 101;
const CROWD_MIRRORS: usize = 1000;
/// How unequal: the logarithm of a mirror's capacity is uniform between the two, in Gbit/s.
const CROWD_GIGABITS: [f64; 2] = [0.1, 10.0];

/// Load before the crowd comes, and what it brings, as shares of what was asked for.
const CROWD_BASE: f64 = 0.5;
const CROWD_RISE: f64 = 0.7;
const CROWD_RISE_S: f64 = 5.0;

impl Study {
    /// Runs every row.
    pub fn run(&self) -> Findings {
        let setups = self
            .rows()
            .into_iter()
            .map(|(name, rule)| (name, self.setup(rule)));
        let setups: Vec<(String, Setup)> = setups.collect();
        let summaries = each_cell(&setups, |(_, setup)| run(setup));
        let names = setups.into_iter().map(|(name, _)| name);
        Findings {
            title: format!(
                "{}, {}: load {}, {} requests",
                self.site.title(),
                self.scenario.title(),
                self.load,
                self.requests
            ),
            rows: names.zip(summaries).collect(),
        }
    }

    fn rows(&self) -> Vec<(String, Rule)> {
        let oracle = Baseline::Least(Score::MarginalCost);
        let board = Sight::Board(Own::Ignored);
        let product = |kind: PolicyKind| (kind.name().to_owned(), Rule::Product(kind));
        let others = [
            ("oracle", Rule::Baseline(oracle, Sight::Truth)),
            (
                "static weights",
                Rule::Baseline(Baseline::StaticWeights, board),
            ),
            ("no mirrors", Rule::ServerAlone),
        ];
        let others = others.map(|(name, rule)| (name.to_owned(), rule));
        PolicyKind::ALL
            .map(product)
            .into_iter()
            .chain(others)
            .collect()
    }

    fn setup(&self, rule: Rule) -> Setup {
        let mut setup = Setup {
            mirrors: self.site.mirrors(self.seed),
            server: Some(Server {
                capacity: self.site.server_gigabits() * Rate::GIGABIT.bytes_per_s(),
                min_flow_rate: Rate::from_bytes_per_s(Settings::MIN_FLOW_RATE_BYTES_PER_S),
            }),
            arrivals: ArrivalLaw::Poisson { rate: 1.0 },
            sizes: SizeLaw::published_files(),
            requests: self.requests,
            reports: Reports {
                every_s: 1,
                phase: Phase::Spread,
            },
            ways: Ways::Unknown,
            scenario: self.scenario,
            rule,
            regret_every: REGRET_EVERY,
            seed: self.seed,
        };
        setup.arrivals = self.arrivals(setup.capacity() / setup.sizes.mean());
        setup
    }

    /// `full` is the rate that fills everything.
    fn arrivals(&self, full: f64) -> ArrivalLaw {
        let rate = self.load * full;
        match self.scenario {
            Scenario::FlashCrowd => {
                let base = CROWD_BASE * full;
                ArrivalLaw::FlashCrowd {
                    base,
                    crowd: CROWD_RISE * full,
                    start_s: 0.4 * self.requests as f64 / base,
                    rise_s: CROWD_RISE_S,
                }
            }
            _ => ArrivalLaw::Poisson { rate },
        }
    }
}

impl Site {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Reference, Self::Crowd];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crowd => "thousand",
            Self::Reference => "reference",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Crowd => "1000 mirrors of 0.1 to 10 Gbit/s, server of 10",
            Self::Reference => "mirrors of 4, 4, 2, 2, 1, 1, 1, 1 Gbit/s, server of 1",
        }
    }

    fn server_gigabits(self) -> f64 {
        match self {
            Self::Crowd => 10.0,
            Self::Reference => 1.0,
        }
    }

    fn mirrors(self, seed: Seed) -> Vec<Mirror> {
        if self == Self::Reference {
            return reference_mirrors();
        }
        let mut random = seed.nth(0).stream(Stream::Nodes);
        let [least, most] = CROWD_GIGABITS.map(f64::ln);
        let mut capacity = || {
            let gigabits = (least + (most - least) * random.f64()).exp();
            Mirror::honest(gigabits * Rate::GIGABIT.bytes_per_s())
        };
        (0..CROWD_MIRRORS).map(|_| capacity()).collect()
    }
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Steady,
        Self::Loss,
        Self::Crash,
        Self::LostReports,
        Self::Slow,
        Self::Aborts,
        Self::FlashCrowd,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aborts => "aborts",
            Self::Crash => "crash",
            Self::FlashCrowd => "flash-crowd",
            Self::Loss => "loss",
            Self::LostReports => "lost-reports",
            Self::Slow => "slow",
            Self::Steady => "steady",
        }
    }

    /// What happens.
    pub fn title(self) -> &'static str {
        match self {
            Self::Aborts => "one client in ten goes away",
            Self::Crash => "the first mirror dies",
            Self::FlashCrowd => "load rises from 0.5 to 1.2 within 5 s and stays",
            Self::Loss => "the first mirror loses 75 % of its capacity and does not know",
            Self::LostReports => "half of the reports are lost",
            Self::Slow => "the first mirror has a tenth of what it says",
            Self::Steady => "nothing goes wrong",
        }
    }
}

fn find<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> Result<T, StudyError> {
    let found = all.iter().find(|known| name(**known) == text);
    found.copied().ok_or_else(|| StudyError {
        text: text.to_owned(),
        known: all
            .iter()
            .map(|known| name(*known))
            .collect::<Vec<_>>()
            .join(", "),
    })
}

impl FromStr for Scenario {
    type Err = StudyError;

    fn from_str(text: &str) -> Result<Self, StudyError> {
        find(&Self::ALL, Self::name, text)
    }
}

impl FromStr for Site {
    type Err = StudyError;

    fn from_str(text: &str) -> Result<Self, StudyError> {
        find(&Self::ALL, Self::name, text)
    }
}

impl fmt::Display for StudyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not known; use one of {}", self.text, self.known)
    }
}

impl std::error::Error for StudyError {}

impl Findings {
    /// The p99 slowdowns by size, as a picture.
    pub fn plot(&self) -> Plot {
        Plot {
            title: self.title.clone(),
            lines: self
                .rows
                .iter()
                .map(|(name, s)| plot::Line::new(name, &s.decades))
                .collect(),
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        writeln!(
            f,
            "{:<18} {:>8} {:>8} {:>8} {:>8} {:>9} {:>7} {:>7} {:>8} {:>7} {:>7} {:>7} {:>8}",
            "slowdown:",
            "mean",
            "p50",
            "p99",
            "p99.9",
            "mean T s",
            "regret",
            "p99",
            "refused",
            "left",
            "resumed",
            "undone",
            "Gbit/s"
        )?;
        for (name, summary) in &self.rows {
            writeln!(f, "{name:<18} {}", row(summary))?;
        }
        writeln!(f, "slowdown by size, p50 / p99 / p99.9:")?;
        for (name, summary) in &self.rows {
            writeln!(f, "{name:<18}{}", decades(summary))?;
        }
        Ok(())
    }
}

fn row(summary: &Summary) -> String {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|ratio| summary.slowdowns.quantile(ratio));
    let [regret, regret_p99] = [0.5, 0.99].map(|ratio| summary.regret.quantile(ratio));
    format!(
        "{:>8.2} {p50:>8.2} {p99:>8.2} {p999:>8.2} {:>9.3} {regret:>7.2} {regret_p99:>7.2} {:>8} \
         {:>7} {:>7} {:>7} {:>8.2}",
        summary.slowdown.mean(),
        summary.time_s.mean(),
        summary.refused,
        summary.aborted,
        summary.resumed,
        summary.unfinished,
        summary.goodput_bytes_per_s / Rate::GIGABIT.bytes_per_s(),
    )
}

fn decades(summary: &Summary) -> String {
    let mut text = String::new();
    for (power, decade) in summary
        .decades
        .iter()
        .filter(|(_, d)| d.flows() >= DECADE_MIN)
    {
        let quantile = |ratio| Decade::quantile(decade, ratio);
        let _ = write!(
            text,
            "  1e{power}: {:.1}/{:.1}/{:.1}",
            quantile(0.5),
            quantile(0.99),
            quantile(0.999)
        );
    }
    text
}

/// Fewer flows of a size have no 99th percentile worth the name.
pub(super) const DECADE_MIN: u64 = 200;
