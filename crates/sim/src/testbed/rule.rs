//! The rules by which the clients of the testbed choose.
//!
//! Each client has a rule of its own, with what that client knows: its own queries, the replicas'
//! weights, its probes. A rule must never see another client's queries but through a probe.

use std::fmt;

use fastrand::Rng;

use super::pool::Pool;
use crate::{chooser::least_of, time::Time};

/// One client's rule.
pub trait Rule: fmt::Debug {
    /// The replica for the next query.
    fn choose(&mut self, now: Time, replicas: &dyn Replicas, random: &mut Rng) -> usize;

    /// A query of this client was answered, or failed.
    fn ended(&mut self, _at: usize) {}

    /// The replicas told what they do per core-second.
    fn weighed(&mut self, _weights: &[f64]) {}
}

/// What a client can ask replicas.
pub trait Replicas {
    /// How many there are.
    fn count(&self) -> usize;

    /// Asks one.
    fn probe(&self, at: usize) -> Probe;
}

/// A replica's answer to a probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// Queries in flight, of all clients.
    pub in_flight: usize,
    /// What a query takes at about that number.
    pub latency_s: f64,
}

/// The rules there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleKind {
    /// The fewest of the client's own queries.
    LeastLoaded,
    /// Prequal: probes, hot-cold lexicographic.
    Prequal,
    /// Chance.
    Random,
    /// In turn.
    RoundRobin,
    /// Of two drawn ones, the fewer of the client's own queries.
    TwoChoices,
    /// In turn, as often as answers per core-second say.
    WeightedRoundRobin,
}

impl RuleKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::RoundRobin,
        Self::Random,
        Self::WeightedRoundRobin,
        Self::LeastLoaded,
        Self::TwoChoices,
        Self::Prequal,
    ];

    /// What it is called in the paper.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeastLoaded => "LeastLoaded",
            Self::Prequal => "Prequal",
            Self::Random => "Random",
            Self::RoundRobin => "RR",
            Self::TwoChoices => "LL-Po2C",
            Self::WeightedRoundRobin => "WRR",
        }
    }

    pub(super) fn build(self, replicas: usize, random: &mut Rng) -> Box<dyn Rule> {
        match self {
            Self::LeastLoaded => Box::new(OwnQueries::new(replicas, Looks::AtAll)),
            Self::Prequal => Box::new(Pool::new(replicas)),
            Self::Random => Box::new(Uniform),
            Self::RoundRobin => Box::new(Turns::new(replicas, Turning::Evenly, random)),
            Self::TwoChoices => Box::new(OwnQueries::new(replicas, Looks::AtTwo)),
            Self::WeightedRoundRobin => Box::new(Turns::new(replicas, Turning::ByWeight, random)),
        }
    }
}

#[derive(Debug)]
struct Uniform;

impl Rule for Uniform {
    fn choose(&mut self, _now: Time, replicas: &dyn Replicas, random: &mut Rng) -> usize {
        random.usize(0..replicas.count())
    }
}

/// Replicas in turn, each as often as its weight says: the next is the one whose turn is due first.
#[derive(Debug)]
struct Turns {
    turning: Turning,
    due: Vec<f64>,
    gaps: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turning {
    ByWeight,
    Evenly,
}

impl Turns {
    /// Clients start at different places, or they would all go to one replica together.
    fn new(replicas: usize, turning: Turning, random: &mut Rng) -> Self {
        Self {
            turning,
            due: (0..replicas).map(|_| random.f64()).collect(),
            gaps: vec![1.0; replicas],
        }
    }
}

impl Rule for Turns {
    fn choose(&mut self, _now: Time, replicas: &dyn Replicas, random: &mut Rng) -> usize {
        let at = least_of(0..replicas.count(), |at| self.due[at], random);
        self.due[at] += self.gaps[at];
        at
    }

    fn weighed(&mut self, weights: &[f64]) {
        if self.turning == Turning::Evenly {
            return;
        }
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        for (gap, weight) in self.gaps.iter_mut().zip(weights) {
            // What answers nothing is asked now and then, or it could never show that it recovered.
            *gap = mean / weight.max(mean * WEIGHT_RATIO_MIN);
        }
    }
}

/// Least weight, as a share of the mean.
const WEIGHT_RATIO_MIN: f64 = 0.01;

/// The fewest queries of this client, which is all it knows without asking.
#[derive(Debug)]
struct OwnQueries {
    looks: Looks,
    in_flight: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Looks {
    AtAll,
    AtTwo,
}

impl OwnQueries {
    fn new(replicas: usize, looks: Looks) -> Self {
        Self {
            looks,
            in_flight: vec![0; replicas],
        }
    }
}

impl Rule for OwnQueries {
    fn choose(&mut self, _now: Time, replicas: &dyn Replicas, random: &mut Rng) -> usize {
        let count = replicas.count();
        let load = |at: usize| f64::from(self.in_flight[at]);
        let at = match self.looks {
            Looks::AtAll => least_of(0..count, load, random),
            Looks::AtTwo => {
                let first = random.usize(0..count);
                // Any of the others.
                let second = (first + 1 + random.usize(0..count - 1)) % count;
                least_of([first, second].into_iter(), load, random)
            }
        };
        self.in_flight[at] += 1;
        at
    }

    fn ended(&mut self, at: usize) {
        self.in_flight[at] -= 1;
    }
}
