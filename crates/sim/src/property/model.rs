//! What the dispatcher should believe, computed as plainly as possible.
//!
//! Lists that are searched from the front, states derived anew each time. It must never share code
//! with what it judges.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use overspill_core::{
    catalog::Revision,
    dispatch::{DispatchId, WaiterId},
    fleet::{Condition, Held, Hello, MemberId, MemberState, MemberView, Report},
    root::Root,
};

/// The model of a dispatcher.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) members: Vec<Believed>,
    pub(super) drained: BTreeSet<MemberId>,
    pub(super) removed: BTreeSet<MemberId>,
    /// Since when each waits.
    pub(super) waiting: BTreeMap<WaiterId, Instant>,
    /// Flows and bytes of the node that decides.
    pub(super) here: (u64, u64),
}

/// What should be believed of a member.
#[derive(Debug)]
pub(super) struct Believed {
    pub(super) hello: Hello,
    pub(super) state: MemberState,
    pub(super) trust: Trust,
    pub(super) report: Option<Report>,
    pub(super) held: BTreeSet<[u8; 32]>,
    pub(super) pending: Vec<Pending>,
    heard: Instant,
    stream_is_open: bool,
    is_drained: bool,
    /// What another node says its state is, if the member is known by hearsay.
    hearsay: Option<MemberState>,
}

/// A dispatch whose client is not known to have arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) id: DispatchId,
    pub(super) bytes: u64,
    pub(super) at: Instant,
}

/// What was said of a member's standing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trust {
    Ejected,
    Full,
    OneFlow,
}

const SUSPECT_AFTER: Duration = Duration::from_secs(3);
const DOWN_AFTER: Duration = Duration::from_secs(10);
const GONE_AFTER: Duration = Duration::from_secs(600);
const DISPATCH_TTL: Duration = Duration::from_secs(10);
const VIEW_AGE: Duration = Duration::from_secs(2);

impl Believed {
    fn new(now: Instant, hello: &Hello) -> Self {
        Self {
            hello: hello.clone(),
            state: MemberState::Joining,
            trust: Trust::Full,
            report: None,
            held: BTreeSet::new(),
            pending: Vec::new(),
            heard: now,
            stream_is_open: false,
            is_drained: false,
            hearsay: None,
        }
    }

    pub(super) fn id(&self) -> &MemberId {
        &self.hello.member
    }

    pub(super) fn holds(&self, revision: Revision, root: &Root) -> bool {
        let complete = self.report.as_ref().map(|report| report.complete);
        complete.is_some_and(|complete| revision <= complete) || self.held.contains(&root.0)
    }

    pub(super) fn condition(&self) -> Condition {
        let report = self.report.as_ref();
        report.map_or(Condition::Normal, |report| report.condition)
    }

    /// Flows and bytes: what it reported, and what is on its way.
    pub(super) fn load(&self) -> (u64, u64) {
        let reported = self.report.as_ref().map(|report| &report.load);
        let (flows, bytes) = reported.map_or((0, 0), |load| (load.flows(), load.bytes()));
        let on_its_way: u64 = self.pending.iter().map(|pending| pending.bytes).sum();
        (flows + self.pending.len() as u64, bytes + on_its_way)
    }

    fn settle(&mut self, now: Instant) {
        let silence = now - self.heard;
        self.state = if let Some(state) = self.hearsay {
            if self.stream_is_open {
                state
            } else {
                MemberState::Suspect
            }
        } else if silence >= GONE_AFTER {
            MemberState::Gone
        } else if silence >= DOWN_AFTER {
            MemberState::Down
        } else if self.report.is_none() {
            MemberState::Joining
        } else if silence >= SUSPECT_AFTER || !self.stream_is_open {
            MemberState::Suspect
        } else if self.is_drained || self.condition() == Condition::Draining {
            MemberState::Draining
        } else {
            MemberState::Ready
        };
    }

    fn rejoin(&mut self, now: Instant, hello: &Hello) {
        *self = Self {
            trust: self.trust,
            state: self.state,
            is_drained: self.is_drained,
            ..Self::new(now, hello)
        };
    }
}

impl Model {
    pub(super) fn find(&mut self, id: &MemberId) -> Option<&mut Believed> {
        self.members.iter_mut().find(|member| member.id() == id)
    }

    /// Whether the join is accepted.
    pub(super) fn joined(&mut self, now: Instant, hello: &Hello) -> bool {
        let id = &hello.member;
        if self.removed.contains(id) {
            return false;
        }
        match self.find(id) {
            Some(member) => member.rejoin(now, hello),
            None => self.members.push(Believed::new(now, hello)),
        }
        let is_drained = self.drained.contains(id);
        if let Some(member) = self.find(id) {
            member.is_drained = is_drained;
            member.settle(now);
        }
        true
    }

    /// Whether there is such a member.
    pub(super) fn stream(&mut self, now: Instant, id: &MemberId, is_open: IsOpen) -> bool {
        let member = self.find(id);
        let is_known = member.is_some();
        if let Some(member) = member {
            member.stream_is_open = is_open == IsOpen::Yes;
            member.settle(now);
        }
        is_known
    }

    /// Whether the report counts; `None` if there is no such member.
    pub(super) fn reported(
        &mut self,
        now: Instant,
        id: &MemberId,
        report: &Report,
    ) -> Option<bool> {
        let member = self.find(id)?;
        let last = member.report.as_ref().map(|last| last.seq);
        let counts = report.epoch == member.hello.epoch && last.is_none_or(|seq| report.seq > seq);
        if counts {
            member.heard = now;
            let arrived = |pending: &Pending| report.acknowledged.contains(&pending.id);
            member.pending.retain(|pending| !arrived(pending));
            if let Held::Replace(_) = report.held {
                member.held.clear();
            }
            let (Held::Add(roots) | Held::Replace(roots)) = &report.held;
            member.held.extend(roots.iter().map(|root| root.0));
            member.report = Some(report.clone());
        }
        member.settle(now);
        Some(counts)
    }

    pub(super) fn viewed(&mut self, now: Instant, view: &[MemberView]) {
        for seen in view {
            if self.find(&seen.hello.member).is_none() {
                self.members.push(Believed::new(now, &seen.hello));
            }
            let Some(member) = self.find(&seen.hello.member) else {
                continue;
            };
            if member.hello != seen.hello {
                member.rejoin(now, &seen.hello);
            }
            member.stream_is_open = true;
            member.hearsay = Some(seen.state);
            member
                .pending
                .retain(|pending| now - pending.at <= VIEW_AGE);
            if let Some(report) = &seen.report {
                member.report = Some(report.clone());
                member.heard = now;
            }
            member.settle(now);
        }
        let is_seen = |id: &MemberId| view.iter().any(|seen| seen.hello.member == *id);
        self.members.retain(|member| is_seen(member.id()));
    }

    /// Whether there is such a member.
    pub(super) fn drain(&mut self, now: Instant, id: &MemberId) -> bool {
        let Some(member) = self.find(id) else {
            return false;
        };
        member.is_drained = true;
        member.settle(now);
        self.drained.insert(id.clone());
        true
    }

    /// Whether there was anything to lift, or a member at least.
    pub(super) fn undrain(&mut self, now: Instant, id: &MemberId) -> bool {
        let had_orders = self.drained.remove(id) | self.removed.remove(id);
        let Some(member) = self.find(id) else {
            return had_orders;
        };
        member.is_drained = false;
        member.settle(now);
        true
    }

    /// Whether there was such a member.
    pub(super) fn remove(&mut self, id: &MemberId) -> bool {
        let is_known = self.find(id).is_some();
        if is_known {
            self.members.retain(|member| member.id() != id);
            self.drained.remove(id);
            self.removed.insert(id.clone());
        }
        is_known
    }

    /// How many left for good.
    pub(super) fn tick(&mut self, now: Instant) -> u64 {
        let before = self.members.len();
        for member in &mut self.members {
            let is_expected = |pending: &Pending| now - pending.at < DISPATCH_TTL;
            member.pending.retain(is_expected);
            member.settle(now);
        }
        self.members
            .retain(|member| member.state != MemberState::Gone);
        (before - self.members.len()) as u64
    }
}

/// Whether a stream is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum IsOpen {
    No,
    Yes,
}
