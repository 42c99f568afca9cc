//! The cheaper of two candidates, drawn in proportion to their capacities.
//!
//! The cure for herds when many dispatchers act on the same old reports (Mitzenmacher, TPDS 2001).
//! Uniform sampling would be unstable on unequal nodes, because both samples often fall among the
//! slow majority; so it must never sample but by capacity.

use super::{Candidate, Policy};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct TwoChoices;

impl Policy for TwoChoices {
    fn choose(&mut self, candidates: &[Candidate], random: &mut fastrand::Rng) -> usize {
        let one = draw(candidates, None, random);
        let other = draw(candidates, Some(one), random);
        if candidates[other].cost_s < candidates[one].cost_s {
            other
        } else {
            one
        }
    }

    fn fork(&self) -> Box<dyn Policy> {
        Box::new(*self)
    }
}

/// Draws a candidate by capacity; another than `besides`, if there is any.
fn draw(candidates: &[Candidate], besides: Option<usize>, random: &mut fastrand::Rng) -> usize {
    let capacity = |at: usize| candidates[at].capacity.bytes_per_s();
    let others = || (0..candidates.len()).filter(|&at| Some(at) != besides);
    let total: f64 = others().map(capacity).sum();
    let mut left = random.f64() * total;
    let mut drawn = besides.unwrap_or(0);
    for at in others() {
        drawn = at;
        left -= capacity(at);
        if left < 0.0 {
            break;
        }
    }
    drawn
}
