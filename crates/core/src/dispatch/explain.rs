//! Why a decision is as it is, in the terms it was made of.

use super::{By, candidate::Collector};
use crate::{
    fleet::{Exclusion, MemberId, Zone},
    policy::{Candidate, CostTerms, Place},
};

/// A decision that was not made, laid open.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Who would serve; `None` if nobody has a slot free.
    pub chosen: Option<Place>,
    /// What that is decided by.
    pub ground: Ground,
    /// Where the client is, if the operator said.
    pub client_zone: Option<Zone>,
    /// Everybody able.
    pub considered: Vec<Considered>,
    /// Everybody else.
    pub excluded: Vec<Excluded>,
}

/// What a decision is taken by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ground {
    /// The policy chooses among those who are weighed.
    Cost,
    /// Nobody able has a slot free.
    Full,
    /// Nobody who could be reached has it.
    Nowhere,
    /// The node that decides serves what it can.
    Stays,
    /// Below [`super::MIN_OFFLOAD_BYTES`] nobody is asked.
    TooSmall,
}

/// A node that is able.
#[derive(Clone, Debug, PartialEq)]
pub struct Considered {
    /// Which; `None` is the node that decides.
    pub member: Option<MemberId>,
    /// How the flow would get from there to its client; `None` for the node that decides.
    pub by: Option<By>,
    /// Where it stands.
    pub zone: Option<Zone>,
    /// Flows on it.
    pub flows: u64,
    /// Bytes per second it is believed to send.
    pub capacity_bytes_per_s: f64,
    /// Its cost, in parts.
    pub terms: CostTerms,
    /// Whether the policy may choose it: not if it is far and a near one is good enough, nor beside
    /// a node that serves whatever it can.
    pub is_weighed: bool,
}

impl Considered {
    /// Whether the client itself can get there, so that a list for it may name this node.
    pub fn is_open_to_client(&self) -> bool {
        self.by != Some(By::Relay)
    }
}

/// A node that is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Excluded {
    /// Which; `None` is the node that decides.
    pub member: Option<MemberId>,
    /// Why not.
    pub why: Exclusion,
}

pub(super) fn explain(
    collector: &Collector<'_>,
    weighed: &[Candidate],
    chosen: Option<Place>,
    ground: Ground,
) -> Explanation {
    let is_weighed = |place| weighed.iter().any(|candidate| candidate.place == place);
    let mut explanation = Explanation {
        chosen,
        ground,
        client_zone: collector.client_zone().cloned(),
        considered: Vec::new(),
        excluded: Vec::new(),
    };
    let here = collector.fleet.here();
    match collector.here_exclusion() {
        Some(why) => explanation.excluded.push(Excluded { member: None, why }),
        None => explanation.considered.push(Considered {
            member: None,
            by: None,
            zone: collector.settings.zone.clone(),
            flows: here.load.flows(),
            capacity_bytes_per_s: here.capacity.bytes_per_s(),
            terms: collector.here_terms(),
            is_weighed: is_weighed(Place::Here),
        }),
    }
    for (slot, member) in collector.fleet.members().iter().enumerate() {
        let id = Some(member.id().clone());
        match collector.by(member) {
            Err(why) => explanation.excluded.push(Excluded { member: id, why }),
            Ok(by) => explanation.considered.push(Considered {
                member: id,
                by: Some(by),
                zone: member.zone().cloned(),
                flows: member.load().flows(),
                capacity_bytes_per_s: member.capacity().bytes_per_s(),
                terms: collector.terms(by, member),
                is_weighed: is_weighed(Place::Member(slot)),
            }),
        }
    }
    explanation
}
