//! Candidates: the nodes that may serve a flow now, and what each would cost.
//!
//! Filtering happens here and nowhere else; a policy sees only nodes that are able. It must never
//! look at a member's details but through `Member`, whose hot figures are dense.

use std::time::{Duration, Instant};

use super::{
    By, Flow, Holding, Manner, Settings, Turn, Way as SetWay,
    admission::{Admission, Allowance},
    single,
    unreachable::Unreachable,
};
use crate::{
    fleet::{Exclusion, Fleet, Member, MemberId, Reach, Zone},
    load::{MemberRate, PRIOR_RTT, Pace, slow_start_round_trips},
    policy::{Candidate, CostTerms, Place},
    units::Rate,
};

/// Round trips a redirect adds: the redirect itself, the new connection, the request on it.
const REDIRECT_ROUND_TRIPS: f64 = 3.0;
/// Round trips a relay adds: this node asks the member, on a connection that is there.
const RELAY_ROUND_TRIPS: f64 = 1.0;
/// The factor on this node's own cost in that of a relay that stands in for a redirect: above what it
/// is for serving by itself when it is at rest, or each tie would be a relay for nothing; below what
/// it is when the node offloads.
const STAND_IN_BIAS: f64 = 1.5;
const _: () = assert!(super::SERVER_BIAS < STAND_IN_BIAS && STAND_IN_BIAS < super::OFFLOAD_BIAS);
/// A near node may cost this much more than the cheapest of all before a flow goes far.
const SPILL_FACTOR: f64 = 2.0;

/// Most members that are named beside the chosen one: more would make one download many, for clients
/// that fetch from all of them at once.
pub const MAX_RUNNERS_UP: usize = 2;

/// Buffers reused from one decision to the next, so that deciding allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// This node first, if it is one; members in the order of their slots.
    pub(super) candidates: Vec<Candidate>,
    /// Whether a node that could serve has no slot free.
    pub(super) somebody_is_full: bool,
    near: Vec<bool>,
    /// The slots of those that would be relayed from: their names are of no use to the client.
    relayed: Vec<usize>,
}

impl Scratch {
    /// The slots of the cheapest members that a client can be sent to, beside the one in `chosen`,
    /// cheapest first. Who costs the
    /// same is taken by `turn`, so that it is not always the first of the fleet.
    pub(super) fn runners_up(
        &self,
        chosen: usize,
        turn: u64,
    ) -> impl Iterator<Item = usize> + use<> {
        let mut best: [Option<(usize, f64)>; MAX_RUNNERS_UP] = [None; MAX_RUNNERS_UP];
        let from = turn.checked_rem(self.candidates.len() as u64).unwrap_or(0);
        let (before, after) = self.candidates.split_at(from as usize);
        for candidate in after.iter().chain(before) {
            let Place::Member(slot) = candidate.place else {
                continue;
            };
            if self.relayed.contains(&slot) {
                continue;
            }
            let is_better = |known: &Option<(usize, f64)>| {
                known.is_none_or(|(_, cost_s)| candidate.cost_s < cost_s)
            };
            let at = best.iter().position(is_better).filter(|_| slot != chosen);
            if let Some(at) = at {
                best[at..].rotate_right(1);
                best[at] = Some((slot, candidate.cost_s));
            }
        }
        best.into_iter().flatten().map(|(slot, _)| slot)
    }
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
    /// What nodes have seen of this client's network.
    pub(super) seen: &'a [MemberRate],
    /// What this client has been able to take from any node: that much it can take from each.
    ///
    /// A rate for each node apart was tried and lost: a node that was seen with a client at a bad
    /// moment is never sent it again, and so never shows better. How far nodes are is in the round
    /// trips.
    pub(super) client_rate: Option<Rate>,
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

/// Whether flows go through this node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Relays {
    /// All that leave it.
    Always,
    /// None.
    Never,
    /// Those that no redirect would bring to their client.
    WhereNeeded,
}

/// The family of a client's address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    /// `None` for a client on this machine, which has both.
    fn of(flow: &Flow<'_>) -> Option<Self> {
        if flow.client.is_loopback() {
            return None;
        }
        Some(match flow.client.to_canonical().is_ipv6() {
            true => Self::Ipv6,
            false => Self::Ipv4,
        })
    }
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
        scratch.relayed.clear();
        scratch.somebody_is_full = false;
        let client_zone = self.client_zone();
        let round_trips = slow_start_round_trips(self.flow.bytes as f64);
        let stays = self.collect_here(scratch, client_zone);
        if stays == Stays::Yes {
            return;
        }
        let (sieve, unseen) = (self.sieve(), self.unseen_way());
        for (slot, member) in self.fleet.members().iter().enumerate() {
            let by = match sieve.by(member) {
                Ok(by) => by,
                Err(excluded) => {
                    scratch.somebody_is_full |= excluded == Exclusion::Full;
                    continue;
                }
            };
            if by == By::Relay {
                scratch.relayed.push(slot);
            }
            let terms = self.terms_by(by, member, round_trips, unseen);
            scratch.candidates.push(Candidate {
                place: Place::Member(slot),
                flows: member.flows(),
                capacity: member.capacity(),
                cost_s: terms.total_s(),
            });
            if client_zone.is_some() {
                scratch.near.push(member.zone() == client_zone);
            }
        }
        self.correct_by_seen(scratch, &sieve, round_trips);
        self.prefer_others(scratch);
        if client_zone.is_some() {
            keep_near(scratch);
        }
    }

    /// Leaves this node out if the client wants another's bytes, and there is one.
    fn prefer_others(&self, scratch: &mut Scratch) {
        let Scratch {
            candidates, near, ..
        } = scratch;
        let is_first = candidates.first().is_some_and(Candidate::is_here);
        if self.flow.manner == Manner::ByRelay && is_first && candidates.len() > 1 {
            candidates.remove(0);
            if !near.is_empty() {
                near.remove(0);
            }
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
        if self.flow.holding == Holding::Elsewhere {
            return Some(Exclusion::LacksContent);
        }
        (!self.here_has_slot()).then_some(Exclusion::Full)
    }

    fn here_has_slot(&self) -> bool {
        let here = self.fleet.here();
        let (capacity, flows) = (here.capacity, here.wanting_flows());
        self.flow.turn.has_slot() || self.admission.has_slot(capacity, flows, self.flow)
    }

    /// How this flow gets to this client from a member, or why it does not.
    pub(super) fn by(&self, member: &Member) -> Result<By, Exclusion> {
        self.sieve().by(member)
    }

    fn sieve(&self) -> Sieve<'_> {
        Sieve {
            flow: self.flow,
            allowance: self.admission.allowance(self.flow),
            family: Family::of(self.flow),
            relays: self.relays(),
            here_has_slot: self.here_has_slot(),
            unreachable: self.unreachable_members().next().map(|_| self),
        }
    }

    /// Whether, and how much, flows go through this node.
    fn relays(&self) -> Relays {
        match (self.flow.turn, self.settings.way, self.flow.manner) {
            (Turn::Striped | Turn::Underway, ..) | (_, SetWay::Relay, _) => Relays::Always,
            (_, SetWay::Redirect, _) => Relays::Never,
            (_, SetWay::Suited, Manner::ByRelay) => Relays::Always,
            (_, SetWay::Suited, Manner::AsSet | Manner::NotByRedirect) => Relays::WhereNeeded,
        }
    }

    /// What the flow would cost on this node.
    pub(super) fn here_terms(&self) -> CostTerms {
        let here = self.fleet.here();
        let way = self.way(super::HERE_KEY);
        let pace = Pace::of(here.capacity);
        let round_trips = slow_start_round_trips(self.flow.bytes as f64);
        CostTerms {
            net_s: pace.slow_start_s(round_trips, way.round_trip),
            send_s: pace.seconds_for(self.flow.bytes as f64),
            share_s: pace.seconds_for(2.0 * here.load.sum_min(self.flow.bytes)),
            client_s: way.client_s(self.flow.bytes),
            penalty: 1.0,
            bias: self.bias,
        }
    }

    /// What the flow would cost on a member.
    pub(super) fn terms(&self, by: By, member: &Member) -> CostTerms {
        let round_trips = slow_start_round_trips(self.flow.bytes as f64);
        self.terms_by(by, member, round_trips, self.way(member.key()))
    }

    fn terms_by(&self, by: By, member: &Member, round_trips: f64, way: Way) -> CostTerms {
        match by {
            By::Redirect => self.member_terms(member, round_trips, way),
            By::Relay => self.relay_terms(member, round_trips),
        }
    }

    /// What the flow would cost if it came from a member and went out here.
    ///
    /// Where relaying is what is set or asked for, this node's own sending is paid in any case and
    /// left out, as for a redirect. Where a relay only stands in for a redirect that cannot work, the
    /// bytes are sent twice and both count: then it is for a node that is busy with something else
    /// than sending, or has not got the bytes.
    fn relay_terms(&self, member: &Member, round_trips: f64) -> CostTerms {
        let to_client = self.way(super::HERE_KEY);
        let terms = self.member_terms(member, round_trips, to_client);
        let own_s = match self.relays() {
            Relays::WhereNeeded => {
                let here = self.here_terms();
                let bias = STAND_IN_BIAS;
                CostTerms { bias, ..here }.total_s()
            }
            Relays::Always | Relays::Never => 0.0,
        };
        let saved = REDIRECT_ROUND_TRIPS - RELAY_ROUND_TRIPS;
        CostTerms {
            net_s: own_s + terms.net_s - to_client.round_trip.as_secs_f64() * saved,
            ..terms
        }
    }

    fn member_terms(&self, member: &Member, round_trips: f64, way: Way) -> CostTerms {
        let (bytes, pace) = (self.flow.bytes, member.pace());
        let redirect_s = way.round_trip.as_secs_f64() * REDIRECT_ROUND_TRIPS;
        CostTerms {
            net_s: redirect_s + pace.slow_start_s(round_trips, way.round_trip),
            send_s: pace.seconds_for(bytes as f64),
            share_s: pace.seconds_for(2.0 * member.load().sum_min(bytes)),
            client_s: way.client_s(bytes),
            penalty: member.penalty(),
            bias: 1.0,
        }
    }

    /// Costs again those nodes to which the way is known: a handful among perhaps a thousand.
    fn correct_by_seen(&self, scratch: &mut Scratch, sieve: &Sieve<'_>, round_trips: f64) {
        for seen in self.seen {
            let members = self.fleet.members();
            let Ok(slot) = members.binary_search_by_key(&seen.member, Member::key) else {
                continue;
            };
            let order = |candidate: &Candidate| match candidate.place {
                Place::Here => 0,
                Place::Member(slot) => slot + 1,
            };
            let candidates = &mut scratch.candidates;
            if let Ok(at) = candidates.binary_search_by_key(&(slot + 1), order)
                && sieve.by(&members[slot]) == Ok(By::Redirect)
            {
                let terms = self.member_terms(&members[slot], round_trips, self.seen_way(seen));
                candidates[at].cost_s = terms.total_s();
            }
        }
    }

    fn way(&self, node: u32) -> Way {
        let seen = self.seen.iter().find(|seen| seen.member == node);
        seen.map_or_else(|| self.unseen_way(), |seen| self.seen_way(seen))
    }

    fn seen_way(&self, seen: &MemberRate) -> Way {
        Way {
            round_trip: seen.rtt,
            rate: self.client_rate,
        }
    }

    /// The way between this client and a node that has not seen it.
    fn unseen_way(&self) -> Way {
        Way {
            round_trip: PRIOR_RTT,
            rate: self.client_rate,
        }
    }

    pub(super) fn client_zone(&self) -> Option<&Zone> {
        self.settings.zones.of(self.flow.client)
    }

    fn unreachable_members(&self) -> impl Iterator<Item = &MemberId> {
        self.unreachable.of(self.now, single(self.flow))
    }
}

/// What keeps members out, with all that is the same for each of them worked out before.
struct Sieve<'a> {
    flow: &'a Flow<'a>,
    allowance: Allowance,
    /// `None` for a client on this machine, which has both.
    family: Option<Family>,
    relays: Relays,
    /// Whether this node could send one more flow, its own or not.
    here_has_slot: bool,
    /// Whom to ask for members this client cannot reach, if there are any.
    unreachable: Option<&'a Collector<'a>>,
}

impl Sieve<'_> {
    fn by(&self, member: &Member) -> Result<By, Exclusion> {
        let flow = self.flow;
        if let Some(excluded) = member.exclusion(flow.revision, &flow.root) {
            return Err(excluded);
        }
        if !flow.avoid.is_empty() && flow.avoid.contains(member.id()) {
            return Err(Exclusion::Avoided);
        }
        let by = match (self.relays, self.bar(member)) {
            (Relays::Always, _) | (Relays::WhereNeeded, Some(_)) => By::Relay,
            (Relays::Never | Relays::WhereNeeded, None) => By::Redirect,
            (Relays::Never, Some(bar)) => return Err(bar),
        };
        let (capacity, flows) = (member.capacity(), member.wanting_flows());
        let has_slot = flow.turn.has_slot()
            || self.allowance.has_slot(capacity, flows)
                && (by == By::Redirect || self.here_has_slot);
        if has_slot {
            Ok(by)
        } else {
            Err(Exclusion::Full)
        }
    }

    /// Why this client cannot be redirected to `member`; `None` if it can.
    fn bar(&self, member: &Member) -> Option<Exclusion> {
        let flow = self.flow;
        if flow.manner != Manner::AsSet {
            Some(Exclusion::NoRedirect)
        } else if member.reach() == Reach::Private {
            Some(Exclusion::Private)
        } else if !flow.scheme.may_lead_to(member.scheme()) {
            Some(Exclusion::Scheme)
        } else if self.is_of_another_family(member) {
            Some(Exclusion::Family)
        } else {
            self.cannot_reach(member).then_some(Exclusion::Unreachable)
        }
    }

    /// Whether this client's family of addresses is not the member's. Who has come by IPv4 may well
    /// have IPv6 too: that is put to the test where nothing is relayed.
    fn is_of_another_family(&self, member: &Member) -> bool {
        match self.family {
            Some(Family::Ipv6) => member.is_ipv4_only(),
            Some(Family::Ipv4) => member.is_ipv6_only() && self.relays != Relays::Never,
            None => false,
        }
    }

    fn cannot_reach(&self, member: &Member) -> bool {
        let mut unreachable = self.unreachable.map(Collector::unreachable_members);
        unreachable
            .as_mut()
            .is_some_and(|ids| ids.any(|id| id == member.id()))
    }
}

impl Way {
    fn client_s(self, bytes: u64) -> f64 {
        self.rate.map_or(0.0, |rate| rate.seconds_for(bytes as f64))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The node that decides, and a member of each cost.
    fn scratch(costs: &[f64]) -> Scratch {
        let places = (0..costs.len()).map(Place::Member);
        let nodes = [(Place::Here, 0.0)].into_iter();
        let nodes = nodes.chain(places.zip(costs.iter().copied()));
        Scratch {
            candidates: nodes
                .map(|(place, cost_s)| Candidate {
                    place,
                    flows: 0,
                    capacity: Rate::GIGABIT,
                    cost_s,
                })
                .collect(),
            ..Scratch::default()
        }
    }

    #[test]
    fn runners_up_are_the_cheapest_members_but_the_chosen_one() {
        for (costs, chosen, expected) in [
            (&[4.0, 1.0, 3.0, 2.0][..], 1, &[3, 2][..]),
            (&[4.0, 1.0, 3.0, 2.0], 3, &[1, 2]),
            (&[1.0, f64::INFINITY], 0, &[1]),
            (&[1.0], 0, &[]),
            (&[], 0, &[]),
        ] {
            for turn in 0..9 {
                let found: Vec<_> = scratch(costs).runners_up(chosen, turn).collect();
                assert_eq!(found, expected, "{costs:?} {chosen}");
            }
        }
    }

    #[test]
    fn equals_take_turns() {
        let scratch = scratch(&[1.0; 5]);
        let mut first: Vec<_> = (0..6)
            .filter_map(|turn| scratch.runners_up(0, turn).next())
            .collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first, [1, 2, 3, 4]);
    }
}
