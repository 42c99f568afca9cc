//! The fleet: which mirrors there are, how they are, what they hold and what was sent their way.
//!
//! [`Fleet`] is a state machine. The shell feeds it [`Input`]s with the time, takes
//! [`FleetEvent`]s out, and asks it for candidates through [`crate::dispatch::Dispatcher`]. It must
//! never wait, send or read a clock: see `LIFECYCLE.md` beside this file for the member states.

mod counts;
mod detector;
mod ejection;
mod id;
mod ledger;
mod member;
mod orders;
mod outliers;
mod ramp;
mod record;
mod report;
mod scheme;
mod state;
mod zone;

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use thiserror::Error;

pub use self::{
    counts::MemberCounts,
    detector::{DOWN_AFTER, GONE_AFTER, Liveness, SUSPECT_AFTER},
    ejection::{Evidence, Standing},
    id::{MemberId, MemberIdError},
    ledger::{DISPATCH_TTL, MAX_PENDING},
    member::Member,
    orders::Orders,
    ramp::SLOW_START,
    report::{Condition, Held, Report},
    scheme::Scheme,
    state::{Change, Exclusion, FleetEvent, MemberState, Reason},
    zone::{Zone, ZoneError, Zones},
};
use self::{detector::Stream, ejection::Verdict};
use crate::{
    dispatch::DispatchId,
    load::{Footing, LoadHistogram, Pressure},
    units::Rate,
};

/// All other nodes known to a dispatcher, and the load of its own.
#[derive(Debug)]
pub struct Fleet {
    members: Vec<Member>,
    slots: HashMap<MemberId, usize, foldhash::fast::RandomState>,
    events: VecDeque<FleetEvent>,
    orders: Orders,
    here: HereLoad,
    dispatched: u64,
    last_key: u32,
    founded: Instant,
    compared: Instant,
    /// The median of the capacities that were proved.
    typical: Option<Rate>,
    random: fastrand::Rng,
}

/// The deciding node's own load: the last merged picture, plus what it has taken on since.
#[derive(Clone, Debug)]
pub struct HereLoad {
    /// Flows in flight by remaining bytes.
    pub load: LoadHistogram,
    /// Of these, flows that are slow by their clients' doing.
    pub flows_limited_by_client: u64,
    /// Bytes per second sent in the last second.
    pub egress_bytes_per_s: f64,
    /// Egress capacity.
    pub capacity: Rate,
    /// What that estimate rests on.
    pub footing: Footing,
    /// What of its means is in use.
    pub pressure: Pressure,
}

/// A member that introduced itself and proved that it knows the token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hello {
    /// The member's lasting name.
    pub member: MemberId,
    /// Where clients reach it: scheme and authority, no path, no slash at the end.
    pub url: String,
    /// Start of the member's process, in its own count: another epoch is another process.
    pub epoch: u64,
    /// Software version, for people.
    pub version: String,
    /// Where it stands.
    pub zone: Option<Zone>,
    /// Who can reach it.
    pub reach: Reach,
}

/// Who can reach a member.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reach {
    /// The server alone.
    Private,
    /// Clients, too.
    #[default]
    Public,
}

/// A member as another node sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberView {
    /// How it introduced itself there.
    pub hello: Hello,
    /// Its state there.
    pub state: MemberState,
    /// Its last report there.
    pub report: Option<Report>,
}

/// What can happen to the fleet.
#[derive(Debug)]
pub enum Input<'a> {
    /// A member joined, or joined again.
    Joined(&'a Hello),
    /// A member's event stream opened.
    StreamOpened(&'a MemberId),
    /// A member's event stream dropped: the earliest sign of death there is.
    StreamClosed(&'a MemberId),
    /// A member reported.
    Reported(&'a MemberId, &'a Report),
    /// How a flow on this member went, or a check of it.
    Weighed(&'a MemberId, Evidence),
    /// The fleet as the server sees it: who is not in it, is not in the fleet.
    Viewed(&'a [MemberView]),
    /// The operator wants no new work for this member.
    Drain(&'a MemberId),
    /// The operator lifts what was ordered for this member.
    Undrain(&'a MemberId),
    /// The operator wants this member out, and not back.
    Remove(&'a MemberId),
    /// Time passed; expected about ten times a second.
    Tick,
}

/// Why an input was refused.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FleetError {
    /// The fleet is at [`Fleet::MAX_MEMBERS`].
    #[error("the fleet is full ({} members)", Fleet::MAX_MEMBERS)]
    Full,
    /// The operator removed it.
    #[error("{0} was removed from the fleet; `overspill undrain {0}` lets it join again")]
    Removed(MemberId),
    /// No member of that name; it should join (again).
    #[error("{0} is not a member; it has to join first")]
    Unknown(MemberId),
}

/// How often members are compared with each other.
const COMPARE_EVERY: Duration = Duration::from_secs(1);
/// Low bits of a dispatch's name that count; the high ones tell dispatchers apart, and the lives of
/// one dispatcher, so that an acknowledgement meant for another names nothing here.
const DISPATCH_COUNT_BITS: u32 = 40;
/// Most events nobody has taken out yet; older ones are dropped.
const MAX_EVENTS: usize = 4096;

impl Fleet {
    /// Most members of one fleet.
    pub const MAX_MEMBERS: usize = 1024;

    /// A fleet of nobody but the dispatcher, founded now. `seed` is for jitter.
    pub fn new(now: Instant, orders: Orders, seed: u64) -> Self {
        Self {
            members: Vec::new(),
            slots: HashMap::default(),
            events: VecDeque::new(),
            orders,
            here: HereLoad::default(),
            dispatched: seed << DISPATCH_COUNT_BITS,
            last_key: 0,
            founded: now,
            compared: now,
            typical: None,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Takes in what happened. `now` never goes backwards.
    pub fn handle(&mut self, now: Instant, input: &Input<'_>) -> Result<(), FleetError> {
        match *input {
            Input::Joined(hello) => self.join(now, hello)?,
            Input::StreamOpened(id) => self.update(now, id, |m| m.stream(Stream::Open))?,
            Input::StreamClosed(id) => self.update(now, id, |m| m.stream(Stream::Closed))?,
            Input::Reported(id, report) => self.report(now, id, report)?,
            Input::Weighed(id, evidence) => {
                let slot = self.slot(id)?;
                let before = self.members[slot].standing();
                let verdict = self.members[slot].weigh(now, evidence);
                self.act(now, slot, verdict);
                self.note_standing(now, slot, before);
            }
            Input::Viewed(view) => self.adopt(now, view),
            Input::Drain(id) => {
                self.update(now, id, |member| member.drain(true))?;
                self.orders.drain(id);
            }
            Input::Undrain(id) => {
                if !self.orders.lift(id) || self.slots.contains_key(id) {
                    self.update(now, id, |member| member.drain(false))?;
                }
            }
            Input::Remove(id) => {
                let slot = self.slot(id)?;
                self.orders.remove(id);
                self.members.remove(slot);
                self.index();
            }
            Input::Tick => self.tick(now),
        }
        Ok(())
    }

    /// The next change for people and logs, oldest first.
    pub fn poll_output(&mut self) -> Option<FleetEvent> {
        self.events.pop_front()
    }

    /// All members, in the order in which they first joined.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member called `id`.
    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        self.slots.get(id).map(|&slot| &self.members[slot])
    }

    /// What the operator has ordered; to be kept over restarts.
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// The deciding node's own load.
    pub fn here(&self) -> &HereLoad {
        &self.here
    }

    /// Replaces the picture of the deciding node's load with a fresh one.
    pub fn here_measured(&mut self, here: HereLoad) {
        let shown = here.egress_bytes_per_s;
        let capacity = believed(here.capacity, here.footing, self.typical, shown);
        self.here = HereLoad { capacity, ..here };
    }

    /// Counts a flow the deciding node will send itself, until the next measurement.
    pub(crate) fn here_takes(&mut self, bytes: u64) {
        self.here.load.add(bytes);
    }

    /// Counts a redirect to the member in `slot` at once, and names it.
    pub(crate) fn member_takes(
        &mut self,
        now: Instant,
        slot: usize,
        bytes: u64,
    ) -> Option<DispatchId> {
        let member = self.members.get_mut(slot)?;
        self.dispatched += 1;
        let id = DispatchId(self.dispatched);
        member.dispatched(now, id, bytes);
        Some(id)
    }

    fn join(&mut self, now: Instant, hello: &Hello) -> Result<(), FleetError> {
        let id = &hello.member;
        if self.orders.is_removed(id) {
            return Err(FleetError::Removed(id.clone()));
        }
        if let Ok(slot) = self.slot(id) {
            self.members[slot].rejoined(now, hello);
        } else {
            if self.members.len() >= Self::MAX_MEMBERS {
                return Err(FleetError::Full);
            }
            self.enter(now, hello);
        }
        let is_drained = self.orders.is_drained(id);
        self.update(now, id, |member| member.drain(is_drained))
    }

    fn enter(&mut self, now: Instant, hello: &Hello) {
        self.last_key += 1;
        self.slots.insert(hello.member.clone(), self.members.len());
        self.members.push(Member::new(now, hello, self.last_key));
    }

    fn report(&mut self, now: Instant, id: &MemberId, report: &Report) -> Result<(), FleetError> {
        let slot = self.slot(id)?;
        let before = self.members[slot].standing();
        let verdict = self.members[slot].reported(now, report);
        // Before the verdict: a suspect that reports is alive again, and counts for what the fleet can
        // do without.
        self.settle(now, slot);
        self.act(now, slot, verdict);
        self.note_standing(now, slot, before);
        Ok(())
    }

    /// Takes over what another node sees; what was dispatched from here stays counted.
    fn adopt(&mut self, now: Instant, view: &[MemberView]) {
        for seen in view.iter().take(Self::MAX_MEMBERS) {
            let slot = self.slot(&seen.hello.member).unwrap_or(self.members.len());
            if slot == self.members.len() {
                self.enter(now, &seen.hello);
            } else if *self.members[slot].hello() != seen.hello {
                self.members[slot].rejoined(now, &seen.hello);
            }
            let before = self.members[slot].standing();
            self.members[slot].stream(Stream::Open);
            self.members[slot].viewed(now, seen.state, seen.report.as_ref());
            self.note_standing(now, slot, before);
            self.settle(now, slot);
        }
        let is_seen = |id: &MemberId| view.iter().any(|seen| seen.hello.member == *id);
        self.members.retain(|member| is_seen(member.id()));
        self.index();
    }

    fn update(
        &mut self,
        now: Instant,
        id: &MemberId,
        change: impl FnOnce(&mut Member),
    ) -> Result<(), FleetError> {
        let slot = self.slot(id)?;
        change(&mut self.members[slot]);
        self.settle(now, slot);
        Ok(())
    }

    /// Lets time act on everybody: dispatches expire, states follow liveness, the gone leave.
    fn tick(&mut self, now: Instant) {
        for slot in 0..self.members.len() {
            let before = self.members[slot].standing();
            self.members[slot].age(now);
            self.note_standing(now, slot, before);
            self.settle(now, slot);
        }
        if now.saturating_duration_since(self.compared) >= COMPARE_EVERY {
            self.compared = now;
            self.compare_capacities(now);
            for slot in outliers::outliers(&self.members, now) {
                let verdict = self.members[slot].weigh(now, Evidence::Failure);
                self.act(now, slot, verdict);
            }
        }
        if self.members.iter().any(|m| m.state() == MemberState::Gone) {
            self.members.retain(|m| m.state() != MemberState::Gone);
            self.index();
        }
    }

    /// Who is only assumed to be fast is taken for one like those of which it was proved.
    fn compare_capacities(&mut self, now: Instant) {
        let here = (self.here.footing, self.here.capacity);
        let members = self.members.iter().filter_map(Member::report);
        let all = members.map(|report| (report.footing, report.capacity));
        let mut proved: Vec<f64> = all
            .chain([here])
            .filter(|(footing, _)| *footing == Footing::Proved)
            .map(|(_, capacity)| capacity.bytes_per_s())
            .collect();
        proved.sort_unstable_by(f64::total_cmp);
        self.typical = proved
            .get(proved.len() / 2)
            .map(|&median| Rate::from_bytes_per_s(median));
        for member in &mut self.members {
            member.compare_with(now, self.typical);
        }
    }

    fn settle(&mut self, now: Instant, slot: usize) {
        let member = &mut self.members[slot];
        let from = member.settle(now, self.founded);
        let to = member.state();
        if from != to {
            let reason = member.reason(now);
            self.tell(slot, Change::State { from, to, reason });
        }
    }

    /// Ejects a member for cause, if the fleet can do without it.
    fn act(&mut self, now: Instant, slot: usize, verdict: Verdict) {
        let may_eject = match verdict {
            Verdict::Keep => return,
            Verdict::EjectAtOnce => true,
            Verdict::Eject => self.can_do_without(slot),
        };
        if may_eject {
            let length = self.members[slot].eject(now, &mut self.random);
            self.tell(slot, Change::Ejected(length));
        } else if self.members[slot].spare(now) {
            self.tell(slot, Change::Spared);
        }
    }

    /// Whether at least half of the capacity is still trusted without this member.
    fn can_do_without(&self, slot: usize) -> bool {
        let (mut total, mut distrusted) = (self.here.capacity.bytes_per_s(), 0.0);
        for (at, member) in self.members.iter().enumerate() {
            let is_alive = matches!(member.state(), MemberState::Ready | MemberState::Draining);
            let capacity = member.told_capacity().bytes_per_s();
            if is_alive {
                total += capacity;
            }
            if is_alive && (at == slot || member.standing() != Standing::Trusted) {
                distrusted += capacity;
            }
        }
        distrusted <= total / 2.0
    }

    fn note_standing(&mut self, now: Instant, slot: usize, before: Standing) {
        match (before, self.members[slot].standing()) {
            (Standing::Ejected(_), Standing::Probation) => self.tell(slot, Change::Probation),
            (Standing::Probation, Standing::Trusted) => {
                self.members[slot].restart_ramp(now);
                self.tell(slot, Change::Trusted);
            }
            _ => {}
        }
    }

    fn tell(&mut self, slot: usize, change: Change) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(FleetEvent {
            member: self.members[slot].id().clone(),
            change,
        });
    }

    fn index(&mut self) {
        self.slots.clear();
        let ids = self.members.iter().map(|member| member.id().clone());
        self.slots.extend(ids.zip(0..));
    }

    fn slot(&self, id: &MemberId) -> Result<usize, FleetError> {
        let slot = self.slots.get(id).copied();
        slot.ok_or_else(|| FleetError::Unknown(id.clone()))
    }
}

/// What is believed of a capacity, in a fleet in which this one is typical, of a node that has shown
/// so much lately.
///
/// An assumption beside a proof is worse than two assumptions: the node whose link was found to be a
/// tenth of what everybody was taken for would get a tenth of the work of others like it.
fn believed(
    capacity: Rate,
    footing: Footing,
    typical: Option<Rate>,
    shown_bytes_per_s: f64,
) -> Rate {
    match (footing, typical) {
        (Footing::Told | Footing::Proved, _) | (Footing::Assumed, None) => capacity,
        (Footing::Assumed, Some(typical)) => {
            Rate::from_bytes_per_s(typical.bytes_per_s().max(shown_bytes_per_s))
        }
    }
}

impl Default for HereLoad {
    fn default() -> Self {
        Self {
            load: LoadHistogram::empty(),
            flows_limited_by_client: 0,
            egress_bytes_per_s: 0.0,
            capacity: Rate::GIGABIT,
            footing: Footing::Assumed,
            pressure: Pressure::default(),
        }
    }
}

impl HereLoad {
    /// Flows that want more than they get: all but those which their clients slow down.
    pub fn wanting_flows(&self) -> u64 {
        self.load
            .flows()
            .saturating_sub(self.flows_limited_by_client)
    }
}

#[cfg(test)]
mod tests;
