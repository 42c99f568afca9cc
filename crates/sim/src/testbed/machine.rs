//! The machine a replica lives on, and the neighbours it shares it with.
//!
//! Neighbours come and go: while they are busy the replica has its own tenth and nothing more, while
//! they are quiet a random part of the rest too.

use fastrand::Rng;

use crate::random::exponential;

/// What machines are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// Cores a replica is sure to get.
    pub sure_cores: f64,
    /// Cores it gets at most from what its neighbours leave.
    pub spare_cores_max: f64,
    /// Share of the time the neighbours are busy.
    pub busy_ratio: f64,
    /// How long they are busy, on average.
    pub busy_s: f64,
}

/// How the neighbours are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Neighbours {
    Busy,
    Quiet,
}

impl Neighbours {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Busy => Self::Quiet,
            Self::Quiet => Self::Busy,
        }
    }
}

impl Machine {
    pub(super) fn start(&self, random: &mut Rng) -> Neighbours {
        if random.f64() < self.busy_ratio {
            Neighbours::Busy
        } else {
            Neighbours::Quiet
        }
    }

    /// Cores the replica has until its neighbours change.
    pub(super) fn cores(&self, neighbours: Neighbours, random: &mut Rng) -> f64 {
        let spare = random.f64() * self.spare_cores_max;
        match neighbours {
            Neighbours::Busy => self.sure_cores,
            Neighbours::Quiet => self.sure_cores + spare,
        }
    }

    /// How long the neighbours stay as they are, in seconds.
    pub(super) fn stay_s(&self, neighbours: Neighbours, random: &mut Rng) -> f64 {
        let mean_s = match neighbours {
            Neighbours::Busy => self.busy_s,
            Neighbours::Quiet => self.busy_s * (1.0 - self.busy_ratio) / self.busy_ratio,
        };
        mean_s * exponential(random)
    }
}
