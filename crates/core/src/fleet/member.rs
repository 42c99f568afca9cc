//! One mirror as the dispatcher knows it.
//!
//! Its state follows from facts (see `LIFECYCLE.md`); nobody sets it. It must never be believed to
//! hold what it has not said it verified.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::{
    Condition, Evidence, Exclusion, Held, Hello, Liveness, MemberCounts, MemberId, MemberState,
    Reach, Reason, Report, Scheme, Standing, Zone, believed,
    detector::{Detector, HeardFrom, Stream},
    ejection::{Ejector, Verdict},
    ledger::Ledger,
    ramp::Ramp,
    record::Record,
};
use crate::{
    catalog::Revision,
    dispatch::DispatchId,
    load::{LoadHistogram, Pace},
    root::Root,
    units::Rate,
};

/// One mirror of the fleet.
///
/// What every decision reads comes first and is dense, what only inputs touch is boxed: with a
/// thousand members a decision is bound by the processor's cache.
#[derive(Debug)]
pub struct Member {
    key: u32,
    state: MemberState,
    standing: Standing,
    scheme: Scheme,
    family: Family,
    reach: Reach,
    condition: Condition,
    /// Everything up to this revision is held.
    complete: Revision,
    /// Egress capacity, after slow start, and what a byte costs at it.
    pace: Pace,
    /// Factor on its cost for recent failures.
    penalty: f64,
    /// Flows on it: what `load` says, nearer at hand.
    flows: u64,
    flows_limited_by_client: u64,
    /// The reported flows and the dispatches not yet acknowledged.
    load: Box<LoadHistogram>,
    life: Box<Life>,
}

/// The rest of what is known of a member.
#[derive(Debug)]
struct Life {
    hello: Hello,
    detector: Detector,
    joined: Instant,
    /// When it came into its state.
    since: Instant,
    report: Option<Report>,
    held: HashSet<Root, foldhash::fast::RandomState>,
    ledger: Ledger,
    ejector: Ejector,
    record: Record,
    ramp: Ramp,
    /// See [`Fleet::compare_capacities`](super::Fleet).
    typical: Option<Rate>,
    /// The highest egress lately.
    shown_bytes_per_s: f64,
    is_drained: bool,
    dispatched: u64,
    lost: u64,
}

/// By which addresses a member is reached, as far as its URL says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    /// By a name: by whatever it resolves to.
    Any,
    /// By an IPv4 address only.
    Ipv4,
    /// By an IPv6 address only.
    Ipv6,
}

impl Member {
    pub(super) fn new(now: Instant, hello: &Hello, key: u32) -> Self {
        Self {
            key,
            state: MemberState::Joining,
            standing: Standing::Trusted,
            scheme: Scheme::of_url(&hello.url),
            family: Family::of_url(&hello.url),
            reach: hello.reach,
            condition: Condition::Normal,
            complete: Revision::ZERO,
            pace: Pace::of(Rate::GIGABIT),
            penalty: 1.0,
            flows: 0,
            flows_limited_by_client: 0,
            load: Box::default(),
            life: Box::new(Life {
                hello: hello.clone(),
                detector: Detector {
                    heard: now,
                    stream: Stream::Closed,
                    from: HeardFrom::Itself,
                },
                joined: now,
                since: now,
                report: None,
                held: HashSet::default(),
                ledger: Ledger::default(),
                ejector: Ejector::new(now),
                record: Record::new(now),
                ramp: Ramp::default(),
                typical: None,
                shown_bytes_per_s: 0.0,
                is_drained: false,
                dispatched: 0,
                lost: 0,
            }),
        }
    }

    /// Names it in tables, for as long as it is a member; members are in the order of their keys.
    pub fn key(&self) -> u32 {
        self.key
    }

    /// Whether it could be given any flow at all.
    pub fn is_able(&self) -> bool {
        self.state == MemberState::Ready && self.standing == Standing::Trusted
    }

    /// The member's lasting name.
    pub fn id(&self) -> &MemberId {
        &self.life.hello.member
    }

    /// Where clients reach it; no slash at the end.
    pub fn url(&self) -> &str {
        &self.life.hello.url
    }

    /// By which scheme clients reach it.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Where it stands, if anybody said.
    pub fn zone(&self) -> Option<&Zone> {
        self.life.hello.zone.as_ref()
    }

    /// How it introduced itself.
    pub fn hello(&self) -> &Hello {
        &self.life.hello
    }

    /// Its state.
    pub fn state(&self) -> MemberState {
        self.state
    }

    /// Whether it is trusted with flows.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Its last report, if any since it joined.
    pub fn report(&self) -> Option<&Report> {
        self.life.report.as_ref()
    }

    /// When it joined.
    pub fn joined(&self) -> Instant {
        self.life.joined
    }

    /// When it came into the state it is in.
    pub fn in_state_since(&self) -> Instant {
        self.life.since
    }

    /// Flows on it: reported ones and dispatches on their way.
    pub fn load(&self) -> &LoadHistogram {
        &self.load
    }

    /// How many flows these are.
    pub fn flows(&self) -> u64 {
        self.flows
    }

    /// Dispatches on their way to it.
    pub fn pending(&self) -> usize {
        self.life.ledger.len()
    }

    /// Whether the client of this dispatch is still expected.
    pub fn expects(&self, dispatch: DispatchId) -> bool {
        self.life.ledger.is_pending(dispatch)
    }

    /// Its egress capacity, less while it is new; a gigabit before the first report.
    pub fn capacity(&self) -> Rate {
        self.pace.capacity()
    }

    /// The same, with what a byte costs at it.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Its egress capacity as it told, whatever its age.
    pub fn told_capacity(&self) -> Rate {
        let report = self.life.report.as_ref();
        report.map_or(Rate::GIGABIT, |report| report.capacity)
    }

    /// The factor by which its failures make it dearer; 1 for none.
    pub fn penalty(&self) -> f64 {
        self.penalty
    }

    /// Share of recent flows that failed, 0 to 1.
    pub fn error_ratio(&self, now: Instant) -> f64 {
        self.life.ejector.error_ratio(now)
    }

    /// What became of the flows that were sent its way, for people.
    pub fn counts(&self) -> MemberCounts {
        MemberCounts {
            dispatched: self.life.dispatched,
            lost: self.life.lost,
            ..self.life.ejector.ever()
        }
    }

    /// Whether it has proved to hold this version.
    pub fn holds(&self, revision: Revision, root: &Root) -> bool {
        revision <= self.complete || self.life.held.contains(root)
    }

    /// Flows that want more than they get: all but those which their clients slow down.
    pub fn wanting_flows(&self) -> u64 {
        self.flows.saturating_sub(self.flows_limited_by_client)
    }

    /// Why it is no candidate for a version of a file; `None` if it is one.
    pub fn exclusion(&self, revision: Revision, root: &Root) -> Option<Exclusion> {
        if self.state != MemberState::Ready {
            Some(Exclusion::NotReady(self.state))
        } else if let Some(excluded) = self.distrust() {
            Some(excluded)
        } else if self.condition == Condition::Overloaded {
            Some(Exclusion::Full)
        } else if !self.holds(revision, root) {
            Some(Exclusion::LacksContent)
        } else {
            None
        }
    }

    /// Whether its address is an IPv4 one, so that who has come by IPv6 cannot be expected to reach
    /// it. Who has come by IPv4 may well have IPv6 too.
    pub fn is_ipv4_only(&self) -> bool {
        self.family == Family::Ipv4
    }

    /// Whether its address is an IPv6 one. Who has come by IPv4 may well have IPv6 too, and may not.
    pub fn is_ipv6_only(&self) -> bool {
        self.family == Family::Ipv6
    }

    /// Who can reach it.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    fn distrust(&self) -> Option<Exclusion> {
        match self.standing {
            Standing::Trusted => None,
            Standing::Ejected(_) => Some(Exclusion::Ejected),
            Standing::Probation => (self.flows > 0).then_some(Exclusion::Probation),
        }
    }

    pub(super) fn rejoined(&mut self, now: Instant, hello: &Hello) {
        let mut new = Self::new(now, hello, self.key);
        new.life.ejector = self.life.ejector.clone();
        new.life.is_drained = self.life.is_drained;
        new.life.dispatched = self.life.dispatched;
        new.life.lost = self.life.lost;
        new.life.since = self.life.since;
        new.state = self.state;
        new.standing = self.standing;
        *self = new;
    }

    pub(super) fn stream(&mut self, stream: Stream) {
        self.life.detector.stream = stream;
    }

    /// What the operator wants of it.
    pub(super) fn drain(&mut self, is_drained: bool) {
        self.life.is_drained = is_drained;
    }

    /// Takes a report in; what it says of failures.
    pub(super) fn reported(&mut self, now: Instant, report: &Report) -> Verdict {
        let life = &mut *self.life;
        let last = life.report.as_ref();
        let is_stale = last.is_some_and(|last| report.seq <= last.seq);
        if report.epoch != life.hello.epoch || is_stale {
            return Verdict::Keep;
        }
        life.detector.heard = now;
        for id in &report.acknowledged {
            if life.ledger.acknowledge(*id) {
                life.record.arrived(now);
            }
        }
        hold(&mut life.held, &report.held);
        let verdict = life.record.account(now, last, report, &mut life.ejector);
        let shown = report.egress_bytes_per_s;
        life.shown_bytes_per_s = shown.max(life.shown_bytes_per_s * SHOWN_FADES);
        life.report = Some(Report {
            acknowledged: Vec::new(),
            clients: Vec::new(),
            held: Held::Add(Vec::new()),
            ..report.clone()
        });
        self.complete = report.complete;
        self.condition = report.condition;
        self.flows_limited_by_client = report.flows_limited_by_client;
        self.recount();
        self.refresh(now);
        verdict
    }

    /// Takes in what another node says of this member.
    pub(super) fn viewed(&mut self, now: Instant, state: MemberState, report: Option<&Report>) {
        self.life.detector.from = HeardFrom::Others(state);
        // Whoever arrived is in what the view tells; acknowledgements go to the server alone.
        if let Some(then) = now.checked_sub(VIEW_AGE) {
            self.life.ledger.forget_before(then);
        }
        if let Some(report) = report {
            self.end_probation(now, report);
            self.life.report = Some(report.clone());
            self.life.detector.heard = now;
            self.complete = report.complete;
            self.condition = report.condition;
            self.flows_limited_by_client = report.flows_limited_by_client;
        }
        self.recount();
        self.refresh(now);
    }

    /// Flows that went well end a probation here, too. Nothing else in a view is evidence: what it
    /// says of failures its server has weighed already.
    fn end_probation(&mut self, now: Instant, report: &Report) {
        let life = &mut *self.life;
        let last = life.report.as_ref().map(|last| last.flows_served);
        let goes_well = last.is_some_and(|served| report.flows_served > served);
        if goes_well && life.ejector.standing() == Standing::Probation {
            life.ejector.weigh(now, Evidence::Success);
        }
    }

    pub(super) fn weigh(&mut self, now: Instant, evidence: Evidence) -> Verdict {
        let verdict = self.life.ejector.weigh(now, evidence);
        self.refresh(now);
        verdict
    }

    pub(super) fn eject(&mut self, now: Instant, random: &mut fastrand::Rng) -> Duration {
        let length = self.life.ejector.eject(now, random);
        self.refresh(now);
        length
    }

    /// See [`Ejector::spare`].
    pub(super) fn spare(&mut self, now: Instant) -> bool {
        self.life.ejector.spare(now)
    }

    /// Lets it be compared with what is typical of the fleet.
    pub(super) fn compare_with(&mut self, now: Instant, typical: Option<Rate>) {
        self.life.typical = typical;
        self.refresh(now);
    }

    /// This member's record of the last seconds, for comparison with the others'.
    pub(super) fn record(&self) -> &Record {
        &self.life.record
    }

    pub(super) fn dispatched(&mut self, now: Instant, id: DispatchId, bytes: u64) {
        let given_up = self.life.ledger.enter(now, id, bytes);
        self.lose(now, given_up);
        self.life.dispatched += 1;
        self.load.add(bytes);
        self.flows = self.load.flows();
    }

    /// Lets time act: dispatches expire, ejections end, slow start goes on.
    pub(super) fn age(&mut self, now: Instant) {
        let expired = self.life.ledger.expire(now);
        self.lose(now, expired);
        if expired > 0 {
            self.recount();
        }
        self.life.ejector.settle(now);
        self.refresh(now);
    }

    /// So many clients have not arrived.
    fn lose(&mut self, now: Instant, clients: usize) {
        for _ in 0..clients {
            self.life.record.lost(now);
        }
        self.life.lost += clients as u64;
    }

    /// The state that follows from the facts. Entering `Ready` as a newcomer begins slow start.
    pub(super) fn settle(&mut self, now: Instant, founded: Instant) -> MemberState {
        let state = self.next_state(now);
        let is_new = matches!(self.state, MemberState::Joining | MemberState::Down);
        if state == MemberState::Ready && is_new {
            self.life.ramp = Ramp::begin(now, founded);
            self.refresh(now);
        }
        if state != self.state {
            self.life.since = now;
        }
        std::mem::replace(&mut self.state, state)
    }

    /// After an ejection a member is new again, whatever its age.
    pub(super) fn restart_ramp(&mut self, now: Instant) {
        self.life.ramp = Ramp::after_ejection(now);
        self.refresh(now);
    }

    fn next_state(&self, now: Instant) -> MemberState {
        let life = &self.life;
        if let HeardFrom::Others(state) = life.detector.from {
            let is_silent = life.detector.stream == Stream::Closed;
            return if is_silent {
                MemberState::Suspect
            } else {
                state
            };
        }
        let wants_none = life.is_drained || self.condition == Condition::Draining;
        match life.detector.liveness(now) {
            Liveness::Gone => MemberState::Gone,
            Liveness::Down => MemberState::Down,
            _ if life.report.is_none() => MemberState::Joining,
            Liveness::Suspect => MemberState::Suspect,
            Liveness::Alive if wants_none => MemberState::Draining,
            Liveness::Alive => MemberState::Ready,
        }
    }

    /// Why it is in the state in which [`Member::settle`] left it at `now`.
    pub(super) fn reason(&self, now: Instant) -> Reason {
        let life = &self.life;
        if let HeardFrom::Others(_) = life.detector.from {
            return Reason::SeenByServer;
        }
        match self.state {
            MemberState::Suspect if life.detector.stream == Stream::Closed => Reason::StreamClosed,
            MemberState::Draining if life.is_drained => Reason::Ordered,
            MemberState::Draining => Reason::Draining,
            MemberState::Joining => Reason::Joined,
            MemberState::Ready => Reason::Reports,
            MemberState::Down | MemberState::Gone | MemberState::Suspect => {
                Reason::Silent(now.saturating_duration_since(life.detector.heard))
            }
        }
    }

    /// Brings the figures that decisions read up to date.
    fn refresh(&mut self, now: Instant) {
        let life = &self.life;
        let told = life.report.as_ref().map_or(Rate::GIGABIT, |report| {
            let shown = life.shown_bytes_per_s;
            believed(report.capacity, report.footing, life.typical, shown)
        });
        let capacity = Rate::from_bytes_per_s(told.bytes_per_s() * life.ramp.share(now));
        if capacity != self.pace.capacity() {
            self.pace = Pace::of(capacity);
        }
        self.penalty = 1.0 + ERROR_PENALTY * life.record.error_ratio(now, &life.ejector);
        self.standing = life.ejector.standing();
    }

    fn recount(&mut self) {
        let reported = self.life.report.as_ref().map(|report| &report.load);
        *self.load = reported.cloned().unwrap_or_default();
        self.load.extend(self.life.ledger.bytes());
        self.flows = self.load.flows();
    }
}

/// What is left, after one report, of what a member has shown.
const SHOWN_FADES: f64 = 0.98;
/// How old the figures of a view may be.
const VIEW_AGE: Duration = Duration::from_secs(2);
/// How much a member that always fails is dearer than one that never does: 1 + 4.
const ERROR_PENALTY: f64 = 4.0;

fn hold(held: &mut HashSet<Root, foldhash::fast::RandomState>, told: &Held) {
    let roots = match told {
        Held::Add(roots) => roots,
        Held::Replace(roots) => {
            held.clear();
            roots
        }
    };
    let room = Held::MAX_PER_MEMBER.saturating_sub(held.len());
    held.extend(roots.iter().take(room));
}

impl Family {
    fn of_url(url: &str) -> Self {
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
        if authority.starts_with('[') {
            return Self::Ipv6;
        }
        let host = authority.split(':').next().unwrap_or_default();
        match host.parse::<core::net::Ipv4Addr>() {
            Ok(_) => Self::Ipv4,
            Err(_) => Self::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_of_a_url_is_read() {
        for (url, family) in [
            ("http://10.0.0.1:80", Family::Ipv4),
            ("https://[2001:db8::1]:80", Family::Ipv6),
            ("http://m.example", Family::Any),
            ("", Family::Any),
        ] {
            assert_eq!(Family::of_url(url), family, "{url}");
        }
    }
}
