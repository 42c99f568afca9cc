//! What an operator sets for dispatch.

use crate::{
    fleet::{Zone, Zones},
    policy::PolicyKind,
    units::Rate,
};

/// When requests are offloaded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Offload {
    /// Never; the other nodes are only copies.
    Never,
    /// When the policy says so: for the node that everybody asks.
    #[default]
    Share,
    /// When this node is busy or lacks the bytes: for a node that is one among many, to which a
    /// client came because it was sent there, or knew where to go.
    WhenBusy,
}

/// How requests are offloaded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Way {
    /// By redirect alone.
    Redirect,
    /// By relay alone.
    Relay,
    /// By redirect, and by relay where a redirect cannot work.
    #[default]
    Suited,
}

/// What is set for one dispatcher.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The policy.
    pub policy: PolicyKind,
    /// When to offload.
    pub offload: Offload,
    /// How.
    pub way: Way,
    /// No node is given more flows than it can carry at this rate each.
    pub min_flow_rate: Rate,
    /// Where this node stands.
    pub zone: Option<Zone>,
    /// Where clients are.
    pub zones: Zones,
}

impl Settings {
    /// The least rate of a flow unless the operator says otherwise: 2 Mbit/s, at which a gigabit
    /// carries 500 flows, and nobody gives up.
    pub const MIN_FLOW_RATE_BYTES_PER_S: f64 = 262_144.0;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: PolicyKind::default(),
            offload: Offload::default(),
            way: Way::default(),
            min_flow_rate: Rate::from_bytes_per_s(Self::MIN_FLOW_RATE_BYTES_PER_S),
            zone: None,
            zones: Zones::default(),
        }
    }
}
