//! Least marginal cost, in seconds: what this flow takes plus what it takes from the flows already
//! there.
//!
//! Under processor sharing a new flow of B bytes finishes, absent later arrivals, after
//! `(B + sum_j min(r_j, B)) / c`, and delays the others by `sum_j min(r_j, B) / c` together. Their
//! sum, `(B + 2 sum_j min(r_j, B)) / c`, is the exact increase of total flow time. Small files see it
//! as least connections, large ones as least bytes; either alone loses badly on mixed sizes. Every
//! term is in seconds, because weighted sums of unlike units lose to each of their terms (Prequal,
//! NSDI 2024, appendix A). It must never mix in a number that is not a time.

use super::Policy;
use crate::dispatch::Candidate;

/// See the module.
#[derive(Debug, Default)]
pub struct MarginalCost {
    costs: Vec<f64>,
}

/// Candidates within this factor of the best are equals; chance decides among them. It keeps many
/// decisions on one report from falling on one node, and keeps the second best measured.
const NEAR_TIE: f64 = 1.05;

/// The dispatcher's own cost is multiplied by this: it also has to dispatch.
pub(super) const SERVER_BIAS: f64 = 1.25;

/// The cost of sending `bytes` from `candidate`, in seconds.
pub(super) fn cost_s(bytes: u64, candidate: &Candidate) -> f64 {
    let work = candidate
        .capacity
        .seconds_for(bytes as f64 + 2.0 * candidate.work_before_bytes);
    let bias = if candidate.is_server() {
        SERVER_BIAS
    } else {
        1.0
    };
    (candidate.net_s + work * candidate.penalty) * bias
}

impl Policy for MarginalCost {
    fn rank(
        &mut self,
        bytes: u64,
        candidates: &[Candidate],
        random: &mut fastrand::Rng,
        ranking: &mut Vec<usize>,
    ) {
        let costs = &mut self.costs;
        costs.clear();
        costs.extend(candidates.iter().map(|candidate| cost_s(bytes, candidate)));
        ranking.extend(0..candidates.len());
        ranking.sort_unstable_by(|&a, &b| costs[a].total_cmp(&costs[b]));
        let best = ranking.first().map_or(0.0, |&first| costs[first]);
        let equals = ranking
            .iter()
            .take_while(|&&at| costs[at] <= best * NEAR_TIE)
            .count();
        if equals > 1 {
            ranking.swap(0, random.usize(0..equals));
        }
    }
}
