//! Options that say how requests are dispatched, and where nodes and clients are.

use overspill_core::{
    dispatch::{Offload, Settings, Way},
    fleet::{Zone, Zones},
    policy::PolicyKind,
    relay::{Lanes, MAX_LANES},
    units::Rate,
};
use overspill_node::Striping;

/// The options of both roles.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Dispatch")]
pub(crate) struct DispatchArgs {
    /// Name of the place where this node stands, such as a site or region
    ///
    /// Clients whose network is in the same zone ([zones] of the server's configuration file) are
    /// served by its nodes, unless they would cost more than twice as much as others.
    #[arg(long, value_name = "NAME")]
    pub(crate) zone: Option<Zone>,
    /// Give no node more downloads than it can carry at this rate each
    ///
    /// Further ones wait for up to 2 seconds, then get 503 with Retry-After. Downloads that their
    /// clients slow down do not count.
    #[arg(long, value_name = "RATE", default_value_t = Settings::default().min_flow_rate)]
    pub(crate) min_flow_rate: Rate,
    /// Relay large files from so many mirrors at once, from 2 to 8 [default: from one]
    ///
    /// One plain client then gets more than one mirror's rate, if this node's link allows. For
    /// bodies of at least 32 MiB that are relayed; costs up to 24 MiB of memory for each.
    #[arg(long, value_name = "N", value_parser = parse_lanes, conflicts_with = "check_relayed")]
    pub(crate) stripe: Option<Lanes>,
}

impl DispatchArgs {
    /// How large bodies are striped, if they are; to be asked once for each node.
    pub(crate) fn striping(&self) -> Option<Striping> {
        self.stripe.map(Striping::new)
    }

    /// What is set for a node that dispatches by `policy`, when and how it is said.
    pub(crate) fn settings(
        &self,
        policy: PolicyKind,
        (offload, way): (Offload, Way),
        zones: Zones,
    ) -> Settings {
        Settings {
            policy,
            offload,
            way,
            min_flow_rate: self.min_flow_rate,
            zone: self.zone.clone(),
            zones,
        }
    }
}

/// `--stripe`.
fn parse_lanes(text: &str) -> Result<Lanes, String> {
    let lanes = text.parse().ok().and_then(Lanes::new);
    lanes.ok_or_else(|| format!("say how many mirrors, from 2 to {MAX_LANES}"))
}
