//! Each candidate in turn, whatever its size or load.
//!
//! Unstable on unequal nodes well below full load, so it must never be the
//! default; kept because people expect it and as a baseline.

use super::Policy;
use crate::dispatch::Candidate;

/// See the module.
#[derive(Debug, Default)]
pub struct RoundRobin {
    turn: usize,
}

impl Policy for RoundRobin {
    fn rank(
        &mut self,
        _bytes: u64,
        candidates: &[Candidate],
        _random: &mut fastrand::Rng,
        ranking: &mut Vec<usize>,
    ) {
        let first = self.turn;
        self.turn = self.turn.wrapping_add(1);
        ranking.extend((0..candidates.len()).map(|at| (first + at) % candidates.len()));
    }
}
