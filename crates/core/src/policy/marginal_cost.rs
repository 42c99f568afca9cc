//! Least marginal cost, in seconds: what this flow takes plus what it takes from the flows already
//! there.
//!
//! Under processor sharing a new flow of B bytes finishes, absent later arrivals, after
//! `(B + sum_j min(r_j, B)) / c`, and delays the others by `sum_j min(r_j, B) / c` together. Their
//! sum, `(B + 2 sum_j min(r_j, B)) / c`, is the exact increase of total flow time. Small files see it
//! as least connections, large ones as least bytes; either alone loses badly on mixed sizes. Every
//! term is in seconds, because weighted sums of unlike units lose to each of their terms (Prequal,
//! NSDI 2024, appendix A). It must never mix in a number that is not a time.

use super::{Candidate, Policy, least};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct MarginalCost;

/// What the marginal cost of one flow on one node is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostTerms {
    /// Redirect, handshakes and slow start.
    pub net_s: f64,
    /// The flow alone at the node's capacity: `B / c`.
    pub send_s: f64,
    /// What it shares with the flows already there, and takes from them: `2 sum_j min(r_j, B) / c`.
    pub share_s: f64,
    /// The flow at the rate this client has been seen to take: `B / r`; 0 when unknown.
    pub client_s: f64,
    /// Factor for recent failures; 1 for none, 5 when everything fails.
    pub penalty: f64,
    /// Factor on everything for the node that decides: it also has to dispatch.
    pub bias: f64,
}

/// Candidates within this factor of the best are equals; chance decides among them. It keeps many
/// decisions on one report from falling on one node, and keeps the second best measured.
const NEAR_TIE: f64 = 1.05;

impl CostTerms {
    /// `(net + max(send + share, client) * penalty) * bias`.
    ///
    /// The slower of node and client counts, not their sum: they work at the same time.
    pub fn total_s(&self) -> f64 {
        let work_s = (self.send_s + self.share_s).max(self.client_s);
        (self.net_s + work_s * self.penalty) * self.bias
    }
}

impl Policy for MarginalCost {
    fn choose(&mut self, candidates: &[Candidate], random: &mut fastrand::Rng) -> usize {
        least(candidates, |candidate| candidate.cost_s, NEAR_TIE, random)
    }

    fn fork(&self) -> Box<dyn Policy> {
        Box::new(*self)
    }
}
