//! Policies: pure rules that order candidates.
//!
//! `dispatch` has already found who is able to serve; a policy only says in which order they are to
//! be asked, so failing over is "the next one". A new policy is one file here, one arm in
//! [`PolicyKind`], one row in the docs. A policy must never look at anything but its arguments and
//! its own few counters.

mod alternate;
mod marginal_cost;
mod round_robin;

use std::{fmt, str::FromStr};

use thiserror::Error;

pub use self::{alternate::Alternate, marginal_cost::MarginalCost, round_robin::RoundRobin};
use crate::dispatch::Candidate;

/// A rule that orders candidates.
pub trait Policy: fmt::Debug + Send {
    /// Fills `ranking` with indexes into `candidates`, best first, each at most once.
    ///
    /// `candidates` is never empty and its first one is always the server itself. Draws only from
    /// `random`; allocates nothing once `ranking` has grown.
    fn rank(
        &mut self,
        bytes: u64,
        candidates: &[Candidate],
        random: &mut fastrand::Rng,
        ranking: &mut Vec<usize>,
    );
}

/// The policies there are, by name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PolicyKind {
    /// First four to the server, next four to mirrors, then turn about.
    Alternate,
    /// Least marginal cost under processor sharing, in seconds.
    #[default]
    MarginalCost,
    /// Each candidate in turn.
    RoundRobin,
}

/// A name that is no policy.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0:?} is not a policy; use one of {names}", names = PolicyKind::names())]
pub struct PolicyError(String);

impl PolicyKind {
    /// Every policy, the default first.
    pub const ALL: [Self; 3] = [Self::MarginalCost, Self::RoundRobin, Self::Alternate];

    /// The policy's name on the command line and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alternate => "alternate",
            Self::MarginalCost => "marginal-cost",
            Self::RoundRobin => "round-robin",
        }
    }

    /// A fresh instance.
    pub fn build(self) -> Box<dyn Policy> {
        match self {
            Self::Alternate => Box::new(Alternate::default()),
            Self::MarginalCost => Box::new(MarginalCost::default()),
            Self::RoundRobin => Box::new(RoundRobin::default()),
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

#[cfg(test)]
mod tests;
