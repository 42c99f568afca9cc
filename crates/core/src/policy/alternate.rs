//! First four to the server, next four to mirrors, then turn about.
//!
//! The textbook rule of load-balanced file distribution, kept as a baseline for comparison. It looks
//! at nothing and must never be the default.

use super::Policy;
use crate::dispatch::Candidate;

/// Requests each side gets before the turns begin.
const OPENING: u64 = 4;

/// See the module.
#[derive(Debug, Default)]
pub struct Alternate {
    requests: u64,
    mirror_turns: usize,
}

impl Policy for Alternate {
    fn rank(
        &mut self,
        _bytes: u64,
        candidates: &[Candidate],
        _random: &mut fastrand::Rng,
        ranking: &mut Vec<usize>,
    ) {
        let request = self.requests;
        self.requests += 1;
        let server_first = match request {
            0..OPENING => true,
            _ if request < 2 * OPENING => false,
            _ => request.is_multiple_of(2),
        };
        let mirrors = candidates.len() - 1;
        let turn = self.mirror_turns;
        let in_turn = (0..mirrors).map(|at| 1 + (turn + at) % mirrors);
        if server_first {
            ranking.push(0);
            ranking.extend(in_turn);
        } else {
            self.mirror_turns = self.mirror_turns.wrapping_add(1);
            ranking.extend(in_turn);
            ranking.push(0);
        }
    }
}
