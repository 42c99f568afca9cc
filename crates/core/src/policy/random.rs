//! Any candidate, whatever its load or capacity.
//!
//! Unstable on unequal nodes at half load and less, so it must never be the default; kept as the
//! baseline that every other policy has to beat.

use super::{Candidate, Policy};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Random;

impl Policy for Random {
    fn choose(&mut self, candidates: &[Candidate], random: &mut fastrand::Rng) -> usize {
        random.usize(0..candidates.len())
    }

    fn fork(&self) -> Box<dyn Policy> {
        Box::new(*self)
    }
}
