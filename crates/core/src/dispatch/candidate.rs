//! Candidates: the nodes that may serve this file now, with their cost terms.
//!
//! Filtering happens here and nowhere else; a policy sees only nodes that are able. The numbers are
//! plain values, so a policy can be tested without a fleet.

use std::time::Instant;

use super::Flow;
use crate::{
    fleet::{Exclusion, Fleet, Member, ServerLoad},
    units::Rate,
};

/// Which node a candidate is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The mirror in this slot of [`Fleet::members`].
    Member(usize),
    /// The node that is deciding.
    Server,
}

/// A node that may serve this flow, and what that would cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Which node.
    pub place: Place,
    /// Egress capacity.
    pub capacity: Rate,
    /// `sum_j min(r_j, B)` over the flows already there.
    pub work_before_bytes: f64,
    /// Seconds for redirect, handshakes and slow start.
    pub net_s: f64,
    /// Factor on the work for recent failures; 1 for none.
    pub penalty: f64,
}

/// Round-trip time assumed while nothing is measured: between a LAN and a continent, and long
/// enough that small answers stay with the node that was asked.
const PRIOR_RTT_S: f64 = 0.002;
/// Round trips a redirect adds: the redirect itself, the new connection, the request on it.
const REDIRECT_ROUND_TRIPS: f64 = 3.0;
/// Bytes of the first flight: ten segments (RFC 6928).
const INITIAL_WINDOW_BYTES: f64 = 14_600.0;
/// How much a member that always fails is dearer than one that never does: 1 + 4.
const ERROR_PENALTY: f64 = 4.0;

impl Candidate {
    /// Whether this is the node that is deciding.
    pub fn is_server(&self) -> bool {
        self.place == Place::Server
    }

    fn server(server: &ServerLoad, bytes: u64) -> Self {
        Self {
            place: Place::Server,
            capacity: server.capacity,
            work_before_bytes: server.load.sum_min(bytes),
            net_s: PRIOR_RTT_S * slow_start_round_trips(bytes, server.capacity),
            penalty: 1.0,
        }
    }

    fn member(slot: usize, member: &Member, bytes: u64, now: Instant) -> Self {
        let capacity = member.capacity();
        let round_trips = REDIRECT_ROUND_TRIPS + slow_start_round_trips(bytes, capacity);
        Self {
            place: Place::Member(slot),
            capacity,
            work_before_bytes: member.load().sum_min(bytes),
            net_s: PRIOR_RTT_S * round_trips,
            penalty: 1.0 + ERROR_PENALTY * member.error_ratio(now),
        }
    }
}

/// Collects the server and every member that is able to serve `flow`, the server first.
pub(super) fn collect(
    fleet: &Fleet,
    flow: &Flow<'_>,
    now: Instant,
    candidates: &mut Vec<Candidate>,
) {
    candidates.push(Candidate::server(fleet.server(), flow.bytes));
    for (slot, member) in fleet.members().iter().enumerate() {
        if exclusion(member, flow).is_none() {
            candidates.push(Candidate::member(slot, member, flow.bytes, now));
        }
    }
}

/// Why a member may not serve this flow to this client; `None` if it may.
fn exclusion(member: &Member, flow: &Flow<'_>) -> Option<Exclusion> {
    let excluded = member.exclusion(flow.revision, &flow.root, flow.avoid);
    excluded.or_else(|| {
        let is_reachable = flow.scheme.may_lead_to(member.scheme());
        (!is_reachable).then_some(Exclusion::Scheme)
    })
}

/// Round trips until the window covers the body, or the link: doubling from ten segments.
fn slow_start_round_trips(bytes: u64, capacity: Rate) -> f64 {
    let link_bytes = capacity.bytes_per_s() * PRIOR_RTT_S;
    (1.0 + (bytes as f64).min(link_bytes) / INITIAL_WINDOW_BYTES).log2()
}
