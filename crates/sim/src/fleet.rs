//! A fleet under load: mirrors, perhaps their server, clients, faults, and a rule that dispatches.
//!
//! The rule may be the product's own [`overspill_core::dispatch::Dispatcher`], fed with reports as
//! mirrors send them, or anything else to compare it with, on the same arrivals and sizes. Links share
//! as TCP tends to; the way between nodes and clients takes no time. It must never let a rule see more
//! than its [`Sight`].

mod balancer;
mod dispatched;
mod meter;
mod plot;
mod request;
mod run;
mod study;
mod summary;

use overspill_core::{policy::PolicyKind, units::Rate};

pub use self::{
    plot::Plot,
    run::run,
    study::{Findings, Site, Study, StudyError},
    summary::Summary,
};
use crate::{
    board::Own,
    chooser::Score,
    law::{ArrivalLaw, SizeLaw},
    random::Seed,
};

/// What is asked of a fleet.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The mirrors.
    pub mirrors: Vec<Mirror>,
    /// The server, if it sends files too.
    pub server: Option<Server>,
    /// When requests come.
    pub arrivals: ArrivalLaw,
    /// How long files are.
    pub sizes: SizeLaw,
    /// How many requests are measured.
    pub requests: u64,
    /// How mirrors report.
    pub reports: Reports,
    /// What the product knows of the way to clients.
    pub ways: Ways,
    /// What goes wrong.
    pub scenario: Scenario,
    /// Who dispatches.
    pub rule: Rule,
    /// Regret is told of each so many-th request: looking at everything takes time.
    pub regret_every: u64,
    /// What all chance follows from.
    pub seed: Seed,
}

/// One mirror.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mirror {
    /// What it can send, bytes per second.
    pub capacity: f64,
    /// What it says that it can send.
    pub told: f64,
}

/// The server's own link, and whom it lets in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Server {
    /// What it can send, bytes per second.
    pub capacity: f64,
    /// No node is given more flows than it can carry at this rate each.
    pub min_flow_rate: Rate,
}

/// How mirrors report. A mirror that measures less often than once a second repeats itself in
/// between, since three seconds of silence would make it suspect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reports {
    /// Whole seconds from one measurement to the next.
    pub every_s: u32,
    /// Whether all report at the same moment.
    pub phase: Phase,
}

/// When in a second a mirror reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Each at a moment of its own.
    Spread,
    /// All together.
    Together,
}

/// What the product knows of the way to clients.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ways {
    /// Reports show it to take no time, as it does here.
    Measured,
    /// Nothing: it assumes what it always assumes.
    Unknown,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Scenario {
    /// One client in ten goes away, after a second on average.
    Aborts,
    /// The first mirror dies, with what it was sending.
    Crash,
    /// From half the load, within 5 s, to a fifth more than there is capacity; it stays.
    FlashCrowd,
    /// The first mirror loses three quarters of its capacity, and does not know.
    Loss,
    /// Half of the reports are lost.
    LostReports,
    /// The first mirror has a tenth of what it says, from the start.
    Slow,
    /// Nothing.
    #[default]
    Steady,
}

/// Who dispatches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// A rule of the literature.
    Baseline(Baseline, Sight),
    /// The product, from its reports and its own dispatches.
    Product(PolicyKind),
    /// A policy of the product, with candidates made of what it sees.
    Policy(PolicyKind, Sight),
    /// The product without any mirror.
    ServerAlone,
}

/// A rule of the literature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Baseline {
    /// The least by a score.
    Least(Score),
    /// Turns by capacity: static weights.
    StaticWeights,
    /// Of two drawn ones, the fewer flows for its capacity.
    TwoChoices,
}

/// What a rule sees of the nodes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sight {
    /// The last reports, perhaps with its own dispatches since.
    Board(Own),
    /// Everything, at once.
    Truth,
}

impl Mirror {
    /// A mirror that knows itself.
    pub fn honest(capacity: f64) -> Self {
        Self {
            capacity,
            told: capacity,
        }
    }
}

impl Reports {
    /// Measured each so many seconds, all at the same moment.
    pub fn together(every_s: u32) -> Self {
        Self {
            every_s,
            phase: Phase::Together,
        }
    }
}

impl Setup {
    /// What all nodes together can send at the start, bytes per second.
    pub fn capacity(&self) -> f64 {
        let mirrors = self.mirrors.iter().map(|mirror| mirror.capacity);
        let server = self.server.map_or(0.0, |server| server.capacity);
        mirrors.sum::<f64>() + server
    }

    /// Poisson arrivals that bring `load` of the capacity.
    pub fn poisson(&self, load: f64) -> ArrivalLaw {
        ArrivalLaw::Poisson {
            rate: load * self.capacity() / self.sizes.mean(),
        }
    }
}

/// The reference farm: eight mirrors of 4, 4, 2, 2, 1, 1, 1 and 1 Gbit/s.
pub fn reference_mirrors() -> Vec<Mirror> {
    [4.0, 4.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
        .map(|gigabits: f64| Mirror::honest(gigabits * Rate::GIGABIT.bytes_per_s()))
        .to_vec()
}

#[cfg(test)]
mod tests;
