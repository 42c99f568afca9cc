//! Fewest flows for its capacity: `(n + 1) / c`.
//!
//! Near-optimal under processor sharing when sizes are alike and capacities known; blind to what a
//! flow still has to send. It must never be told apart from least marginal cost on equal sizes, but
//! for the network's share of it.

use super::{Candidate, Policy, least};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct LeastConnections;

impl Policy for LeastConnections {
    fn choose(&mut self, candidates: &[Candidate], random: &mut fastrand::Rng) -> usize {
        let share = |node: &Candidate| (node.flows + 1) as f64 / node.capacity.bytes_per_s();
        // Exact ties only, but for rounding: on equal nodes there are many.
        least(candidates, share, 1.0 + 1e-9, random)
    }

    fn fork(&self) -> Box<dyn Policy> {
        Box::new(*self)
    }
}
