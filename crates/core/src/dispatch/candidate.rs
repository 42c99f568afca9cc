//! Candidates: the nodes that may serve a flow now, and what each would cost.
//!
//! Filtering happens here and nowhere else; a policy sees only nodes that are able. It must never
//! look at a member's details but through `Member`, whose hot figures are dense.

use std::time::{Duration, Instant};

use super::{Flow, Holding, Settings, admission::Admission, network, unreachable::Unreachable};
use crate::{
    fleet::{Exclusion, Fleet, Member, MemberId, Zone},
    load::{ClientRates, MemberRate},
    policy::{Candidate, CostTerms, Place},
    units::Rate,
};

/// Round-trip time assumed while nothing is measured: between a LAN and a continent, and long
/// enough that small answers stay with the node that was asked.
const PRIOR_RTT: Duration = Duration::from_millis(2);
/// Round trips a redirect adds: the redirect itself, the new connection, the request on it.
const REDIRECT_ROUND_TRIPS: f64 = 3.0;
/// Bytes of the first flight: ten segments (RFC 6928).
const INITIAL_WINDOW_BYTES: f64 = 14_600.0;
/// A near node may cost this much more than the cheapest of all before a flow goes far.
const SPILL_FACTOR: f64 = 2.0;

/// Buffers reused from one decision to the next, so that deciding allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// This node first, if it is one; members in the order of their slots.
    pub(super) candidates: Vec<Candidate>,
    /// Whether a node that could serve has no slot free.
    pub(super) somebody_is_full: bool,
    near: Vec<bool>,
}

/// Everything that making candidates looks at.
pub(super) struct Collector<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) flow: &'a Flow<'a>,
    pub(super) settings: &'a Settings,
    pub(super) admission: &'a Admission,
    /// The factor on this node's cost.
    pub(super) bias: f64,
    /// Whether this node serves what it can, whatever it costs elsewhere.
    pub(super) stays: Stays,
    pub(super) unreachable: &'a Unreachable,
    pub(super) rates: &'a ClientRates,
    pub(super) now: Instant,
}

/// Whether the deciding node compares itself with others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stays {
    /// It serves what it can.
    Yes,
    /// It is a candidate among others.
    No,
}

/// What is known of the way between a node and a client.
#[derive(Clone, Copy, Debug)]
struct Way {
    round_trip: Duration,
    rate: Option<Rate>,
}

impl Collector<'_> {
    /// Collects who is able to serve the flow, near ones only if that is good enough.
    pub(super) fn collect(&self, scratch: &mut Scratch) {
        scratch.candidates.clear();
        scratch.near.clear();
        scratch.somebody_is_full = false;
        let client_zone = self.client_zone();
        let round_trips = slow_start_round_trips(self.flow.bytes as f64);
        let stays = self.collect_here(scratch, client_zone);
        if stays == Stays::Yes {
            return;
        }
        let may_be_unreachable = self.unreachable_members().next().is_some();
        for (slot, member) in self.fleet.members().iter().enumerate() {
            match self.exclusion_in(member, may_be_unreachable) {
                None => {}
                Some(excluded) => {
                    scratch.somebody_is_full |= excluded == Exclusion::Full;
                    continue;
                }
            }
            let terms = self.member_terms(member, round_trips, Way::UNKNOWN);
            scratch.candidates.push(Candidate {
                place: Place::Member(slot),
                flows: member.load().flows(),
                capacity: member.capacity(),
                cost_s: terms.total_s(),
            });
            if client_zone.is_some() {
                scratch.near.push(member.zone() == client_zone);
            }
        }
        self.correct_by_seen(scratch, round_trips);
        if client_zone.is_some() {
            keep_near(scratch);
        }
    }

    /// Enters this node, if it can serve. Says whether it does so in any case.
    fn collect_here(&self, scratch: &mut Scratch, client_zone: Option<&Zone>) -> Stays {
        match self.here_exclusion() {
            Some(excluded) => {
                scratch.somebody_is_full |= excluded == Exclusion::Full;
                Stays::No
            }
            None => {
                let here = self.fleet.here();
                scratch.candidates.push(Candidate {
                    place: Place::Here,
                    flows: here.load.flows(),
                    capacity: here.capacity,
                    cost_s: self.here_terms().total_s(),
                });
                if client_zone.is_some() {
                    scratch
                        .near
                        .push(self.settings.zone.as_ref() == client_zone);
                }
                self.stays
            }
        }
    }

    /// Why this node cannot serve; `None` if it can.
    pub(super) fn here_exclusion(&self) -> Option<Exclusion> {
        let here = self.fleet.here();
        if self.flow.holding == Holding::Elsewhere {
            return Some(Exclusion::LacksContent);
        }
        let has_slot = self
            .admission
            .has_slot(here.capacity, here.wanting_flows(), self.flow);
        (!has_slot).then_some(Exclusion::Full)
    }

    /// Why a member may not serve this flow to this client; `None` if it may.
    pub(super) fn exclusion(&self, member: &Member) -> Option<Exclusion> {
        self.exclusion_in(member, true)
    }

    fn exclusion_in(&self, member: &Member, may_be_unreachable: bool) -> Option<Exclusion> {
        let flow = self.flow;
        if let Some(excluded) = member.exclusion(flow.revision, &flow.root) {
            return Some(excluded);
        }
        if !flow.avoid.is_empty() && flow.avoid.contains(member.id()) {
            Some(Exclusion::Avoided)
        } else if !flow.scheme.may_lead_to(member.scheme()) {
            Some(Exclusion::Scheme)
        } else if !member.is_of_family(flow.client) {
            Some(Exclusion::Family)
        } else if may_be_unreachable && self.unreachable_members().any(|id| id == member.id()) {
            Some(Exclusion::Unreachable)
        } else {
            let has_slot = self
                .admission
                .has_slot(member.capacity(), member.wanting_flows(), flow);
            (!has_slot).then_some(Exclusion::Full)
        }
    }

    /// What the flow would cost on this node.
    pub(super) fn here_terms(&self) -> CostTerms {
        let here = self.fleet.here();
        let way = self.way(super::HERE_KEY);
        let round_trips = slow_start_round_trips(self.flow.bytes as f64);
        CostTerms {
            net_s: way.seconds(round_trips, here.capacity),
            send_s: here.capacity.seconds_for(self.flow.bytes as f64),
            share_s: here
                .capacity
                .seconds_for(2.0 * here.load.sum_min(self.flow.bytes)),
            client_s: way.client_s(self.flow.bytes),
            penalty: 1.0,
            bias: self.bias,
        }
    }

    /// What the flow would cost on a member.
    pub(super) fn terms(&self, member: &Member) -> CostTerms {
        let round_trips = slow_start_round_trips(self.flow.bytes as f64);
        self.member_terms(member, round_trips, self.way(member.key()))
    }

    fn member_terms(&self, member: &Member, round_trips: f64, way: Way) -> CostTerms {
        let (bytes, capacity) = (self.flow.bytes, member.capacity());
        let redirect_s = way.round_trip.as_secs_f64() * REDIRECT_ROUND_TRIPS;
        CostTerms {
            net_s: redirect_s + way.seconds(round_trips, capacity),
            send_s: capacity.seconds_for(bytes as f64),
            share_s: capacity.seconds_for(2.0 * member.load().sum_min(bytes)),
            client_s: way.client_s(bytes),
            penalty: member.penalty(),
            bias: 1.0,
        }
    }

    /// Costs again those nodes to which the way is known: a handful among perhaps a thousand.
    fn correct_by_seen(&self, scratch: &mut Scratch, round_trips: f64) {
        for seen in self.rates.about(network(self.flow)) {
            let members = self.fleet.members();
            let Ok(slot) = members.binary_search_by_key(&seen.member, Member::key) else {
                continue;
            };
            let order = |candidate: &Candidate| match candidate.place {
                Place::Here => 0,
                Place::Member(slot) => slot + 1,
            };
            let candidates = &mut scratch.candidates;
            if let Ok(at) = candidates.binary_search_by_key(&(slot + 1), order) {
                let terms = self.member_terms(&members[slot], round_trips, Way::of(seen));
                candidates[at].cost_s = terms.total_s();
            }
        }
    }

    fn way(&self, node: u32) -> Way {
        let seen = self.rates.about(network(self.flow)).iter();
        seen.clone()
            .find(|seen| seen.member == node)
            .map_or(Way::UNKNOWN, Way::of)
    }

    pub(super) fn client_zone(&self) -> Option<&Zone> {
        self.settings.zones.of(self.flow.client)
    }

    fn unreachable_members(&self) -> impl Iterator<Item = &MemberId> {
        self.unreachable.of(self.now, network(self.flow))
    }
}

impl Way {
    const UNKNOWN: Self = Self {
        round_trip: PRIOR_RTT,
        rate: None,
    };

    fn of(seen: &MemberRate) -> Self {
        Self {
            round_trip: seen.rtt,
            rate: seen.rate,
        }
    }

    /// Seconds of slow start: so many round trips, but not more than fill the link.
    fn seconds(self, round_trips: f64, capacity: Rate) -> f64 {
        let rtt_s = self.round_trip.as_secs_f64();
        let link_bytes = capacity.bytes_per_s() * rtt_s;
        // The logarithm of the smaller is the smaller logarithm; most flows are short of the link.
        let filled = if link_bytes < MANY_WINDOWS_BYTES {
            slow_start_round_trips(link_bytes)
        } else {
            f64::INFINITY
        };
        rtt_s * round_trips.min(filled)
    }

    fn client_s(self, bytes: u64) -> f64 {
        self.rate.map_or(0.0, |rate| rate.seconds_for(bytes as f64))
    }
}

/// Beyond this the bound by the link does not matter: a dozen round trips.
const MANY_WINDOWS_BYTES: f64 = 64e6;

/// Round trips until the window covers so many bytes: doubling from ten segments.
fn slow_start_round_trips(bytes: f64) -> f64 {
    (1.0 + bytes / INITIAL_WINDOW_BYTES).log2()
}

/// Leaves only near candidates, unless the cheapest of all is cheaper by more than the spill factor.
fn keep_near(scratch: &mut Scratch) {
    let Scratch {
        candidates, near, ..
    } = scratch;
    let cheapest = |near_only: bool| {
        let costs = candidates.iter().zip(near.iter());
        costs
            .filter(|(_, near)| !near_only || **near)
            .map(|(candidate, _)| candidate.cost_s)
            .fold(f64::INFINITY, f64::min)
    };
    let nearest = cheapest(true);
    if nearest.is_finite() && nearest <= cheapest(false) * SPILL_FACTOR {
        let mut is_near = near.iter();
        candidates.retain(|_| is_near.next().copied().unwrap_or(false));
    }
}
