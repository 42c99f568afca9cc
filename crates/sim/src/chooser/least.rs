//! Rules that look at every node and take the one with the least score.

use fastrand::Rng;

use super::{Chooser, Nodes, least_of};

/// Takes the node with the least score, chance among equals.
#[derive(Clone, Copy, Debug)]
pub struct Least(pub Score);

/// What is least.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Score {
    /// When the new flow would end if none came after: `(B + sum_j min(r_j, B)) / c`.
    EarliestFinish,
    /// Flows: join the shortest queue; with capacities, `(n + 1) / c`.
    Flows,
    /// By how much all flows together would end later: `(B + 2 sum_j min(r_j, B)) / c`.
    MarginalCost,
    /// Work: `(W + B) / c`.
    Work,
}

impl Score {
    /// The score of a node for a flow of `size`; less is better.
    pub fn of(self, size: f64, nodes: &dyn Nodes, at: usize) -> f64 {
        let load = match self {
            Self::EarliestFinish => size + nodes.work_before(at, size),
            Self::Flows => nodes.flows(at) + 1.0,
            Self::MarginalCost => size + 2.0 * nodes.work_before(at, size),
            Self::Work => size + nodes.work_before(at, f64::INFINITY),
        };
        load / nodes.capacity(at)
    }
}

impl Chooser for Least {
    fn choose(&mut self, size: f64, nodes: &dyn Nodes, random: &mut Rng) -> usize {
        least_of(0..nodes.count(), |at| self.0.of(size, nodes, at), random)
    }
}
