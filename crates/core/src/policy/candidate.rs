//! What a policy sees of a node: plain values, so a policy can be tested without a fleet.

use crate::units::Rate;

/// Which node a candidate is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The node that is deciding.
    Here,
    /// The member in this slot of [`crate::fleet::Fleet::members`].
    Member(usize),
}

/// A node that may serve a flow, and what that would cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Which node.
    pub place: Place,
    /// Flows on it, with the dispatches that are on their way to it.
    pub flows: u64,
    /// Egress capacity, after slow start.
    pub capacity: Rate,
    /// The marginal cost of this flow there, in seconds: see [`super::CostTerms::total_s`].
    pub cost_s: f64,
}

impl Candidate {
    /// Whether this is the node that is deciding.
    pub fn is_here(&self) -> bool {
        self.place == Place::Here
    }
}
