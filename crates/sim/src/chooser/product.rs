//! The product's policies, as rules of the simulator.
//!
//! The policy is the one that ships; only the candidates are made here, of whatever a rule may see of
//! the nodes, so that it can be asked with exact knowledge and with old. The way to the client costs
//! nothing here. It must never write a policy again.

use fastrand::Rng;
use overspill_core::{
    policy::{Candidate, CostTerms, Place, Policy, PolicyKind},
    units::Rate,
};

use super::{Chooser, Nodes};

/// A policy of the product.
#[derive(Debug)]
pub struct ByPolicy {
    policy: Box<dyn Policy>,
    candidates: Vec<Candidate>,
}

impl ByPolicy {
    /// A fresh instance of a policy.
    pub fn new(kind: PolicyKind) -> Self {
        Self {
            policy: kind.build(),
            candidates: Vec::new(),
        }
    }
}

impl Chooser for ByPolicy {
    fn choose(&mut self, size: f64, nodes: &dyn Nodes, random: &mut Rng) -> usize {
        self.candidates.clear();
        let all = (0..nodes.count()).map(|at| candidate(size, nodes, at));
        self.candidates.extend(all);
        self.policy.choose(&self.candidates, random)
    }
}

fn candidate(size: f64, nodes: &dyn Nodes, at: usize) -> Candidate {
    let capacity = Rate::from_bytes_per_s(nodes.capacity(at));
    let terms = CostTerms {
        net_s: 0.0,
        send_s: capacity.seconds_for(size),
        share_s: capacity.seconds_for(2.0 * nodes.work_before(at, size)),
        client_s: 0.0,
        penalty: 1.0,
        bias: 1.0,
    };
    Candidate {
        place: Place::Member(at),
        flows: nodes.flows(at) as u64,
        capacity,
        cost_s: terms.total_s(),
    }
}
