//! First four to the server, next four to mirrors, then turn about.
//!
//! The textbook rule of load-balanced file distribution, kept as a baseline for comparison. It looks
//! at nothing and must never be the default.

use super::{Candidate, Policy};

/// Requests each side gets before the turns begin.
const OPENING: u64 = 4;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Alternate {
    requests: u64,
    mirror_turns: usize,
}

impl Policy for Alternate {
    fn choose(&mut self, candidates: &[Candidate], _: &mut fastrand::Rng) -> usize {
        let request = self.requests;
        self.requests += 1;
        let is_servers_turn = match request {
            0..OPENING => true,
            _ if request < 2 * OPENING => false,
            _ => request.is_multiple_of(2),
        };
        let first_mirror = usize::from(candidates[0].is_here());
        let mirrors = candidates.len() - first_mirror;
        if mirrors == 0 || (is_servers_turn && first_mirror == 1) {
            return 0;
        }
        let turn = self.mirror_turns;
        self.mirror_turns = turn.wrapping_add(1);
        first_mirror + turn % mirrors
    }

    fn fork(&self) -> Box<dyn Policy> {
        Box::new(self.clone())
    }
}
