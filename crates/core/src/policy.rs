//! Policies: pure rules that choose among candidates.
//!
//! `dispatch` has already found who is able to serve, and what it would cost in seconds; a policy
//! only picks. A new policy is one file here, one arm in [`PolicyKind`], one row in the docs. A
//! policy must never look at anything but its arguments and its own few counters, and never allocate.

mod alternate;
mod candidate;
mod least_connections;
mod marginal_cost;
mod random;
mod round_robin;
mod two_choices;

use std::{fmt, str::FromStr};

use thiserror::Error;

pub use self::{
    alternate::Alternate,
    candidate::{Candidate, Place},
    least_connections::LeastConnections,
    marginal_cost::{CostTerms, MarginalCost},
    random::Random,
    round_robin::RoundRobin,
    two_choices::TwoChoices,
};

/// A rule that chooses among candidates.
pub trait Policy: fmt::Debug + Send {
    /// The index of the candidate that is to serve.
    ///
    /// `candidates` is never empty; the node that decides comes first, if it is one of them. Draws
    /// only from `random`, allocates nothing.
    fn choose(&mut self, candidates: &[Candidate], random: &mut fastrand::Rng) -> usize;

    /// The same rule with counters of its own, to see what it would choose.
    fn fork(&self) -> Box<dyn Policy>;
}

/// The policies there are, by name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PolicyKind {
    /// First four to the server, next four to mirrors, then turn about.
    Alternate,
    /// Fewest flows for its capacity.
    LeastConnections,
    /// Least marginal cost under processor sharing, in seconds.
    #[default]
    MarginalCost,
    /// Any candidate.
    Random,
    /// Each candidate in turn.
    RoundRobin,
    /// The cheaper of two candidates drawn in proportion to their capacities.
    TwoChoices,
}

/// A name that is no policy.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0:?} is not a policy; use one of {names}", names = PolicyKind::names())]
pub struct PolicyError(String);

impl PolicyKind {
    /// Every policy, the default first.
    pub const ALL: [Self; 6] = [
        Self::MarginalCost,
        Self::LeastConnections,
        Self::TwoChoices,
        Self::RoundRobin,
        Self::Random,
        Self::Alternate,
    ];

    /// The policy's name on the command line and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alternate => "alternate",
            Self::LeastConnections => "least-connections",
            Self::MarginalCost => "marginal-cost",
            Self::Random => "random",
            Self::RoundRobin => "round-robin",
            Self::TwoChoices => "two-choices",
        }
    }

    /// A fresh instance.
    pub fn build(self) -> Box<dyn Policy> {
        match self {
            Self::Alternate => Box::new(Alternate::default()),
            Self::LeastConnections => Box::new(LeastConnections),
            Self::MarginalCost => Box::new(MarginalCost),
            Self::Random => Box::new(Random),
            Self::RoundRobin => Box::new(RoundRobin::default()),
            Self::TwoChoices => Box::new(TwoChoices),
        }
    }

    fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl FromStr for PolicyKind {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| PolicyError(text.to_owned()))
    }
}

/// The candidate of least `cost`; those within `factor` of the least are equals, and chance decides.
fn least(
    candidates: &[Candidate],
    cost: impl Fn(&Candidate) -> f64,
    factor: f64,
    random: &mut fastrand::Rng,
) -> usize {
    let best = candidates.iter().map(&cost).fold(f64::INFINITY, f64::min);
    let bound = best * factor;
    let (mut chosen, mut equals) = (0, 0_u32);
    for (at, candidate) in candidates.iter().enumerate() {
        if cost(candidate) <= bound {
            equals += 1;
            // Reservoir sampling: each of the equals so far is chosen with the same probability.
            if equals == 1 || random.u32(0..equals) == 0 {
                chosen = at;
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
