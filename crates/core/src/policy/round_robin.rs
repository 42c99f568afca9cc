//! Each candidate in turn, whatever its size or load.
//!
//! Unstable on unequal nodes well below full load, so it must never be the
//! default; kept because people expect it and as a baseline.

use super::{Candidate, Policy};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin {
    turn: usize,
}

impl Policy for RoundRobin {
    fn choose(&mut self, candidates: &[Candidate], _: &mut fastrand::Rng) -> usize {
        let turn = self.turn;
        self.turn = turn.wrapping_add(1);
        turn % candidates.len()
    }

    fn fork(&self) -> Box<dyn Policy> {
        Box::new(self.clone())
    }
}
