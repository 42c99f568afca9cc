//! One mirror as the dispatcher knows it.
//!
//! Its state follows from facts (see `LIFECYCLE.md`); nobody sets it. It must never be believed to
//! hold what it has not said it verified.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use thiserror::Error;

use super::{
    Condition, Held, Hello, Liveness, Report, Scheme,
    detector::{Detector, Stream},
};
use crate::{
    catalog::Revision,
    dispatch::DispatchId,
    load::{DecayingRatio, LoadHistogram},
    root::Root,
    units::Rate,
};

/// A member's lasting name: 1 to 64 characters of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MemberId(Arc<str>);

/// Text that is no member name.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not a member name: expected 1 to 64 characters of a-z, 0-9 and -")]
pub struct MemberIdError;

/// Where a member is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MemberState {
    /// Joined, not yet heard of since.
    Joining,
    /// A candidate.
    Ready,
    /// Finishing what runs.
    Draining,
    /// Perhaps dead; no new work.
    Suspect,
    /// Silent for long.
    Down,
    /// About to be forgotten.
    Gone,
}

/// A change of a member's state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transition {
    /// Whose.
    pub member: MemberId,
    /// From which state.
    pub from: MemberState,
    /// To which state.
    pub to: MemberState,
}

/// Why a member is no candidate for a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exclusion {
    /// The client said that this member failed it.
    Avoided,
    /// It has not proved to hold this version.
    LacksContent,
    /// It is in this state.
    NotReady(MemberState),
    /// The client asked by https, and this member has none.
    Scheme,
}

/// One mirror of the fleet.
#[derive(Debug)]
pub struct Member {
    hello: Hello,
    state: MemberState,
    detector: Detector,
    joined: Instant,
    report: Option<Report>,
    held: HashSet<Root, foldhash::fast::RandomState>,
    pending: VecDeque<Dispatched>,
    /// The reported flows and the dispatches not yet acknowledged.
    load: LoadHistogram,
    outcomes: DecayingRatio,
}

#[derive(Clone, Copy, Debug)]
struct Dispatched {
    id: DispatchId,
    bytes: u64,
    at: Instant,
}

/// How long a client may take from the redirect to the mirror before the dispatch is written off.
const DISPATCH_TTL: Duration = Duration::from_secs(10);
/// Most unacknowledged dispatches remembered for one member; older ones are written off.
const MAX_PENDING: usize = 8192;
/// Time constant with which outcomes are forgotten.
const OUTCOME_DECAY: Duration = Duration::from_secs(30);

impl Member {
    pub(super) fn new(now: Instant, hello: &Hello) -> Self {
        Self {
            hello: hello.clone(),
            state: MemberState::Joining,
            detector: Detector {
                heard: now,
                stream: Stream::Closed,
            },
            joined: now,
            report: None,
            held: HashSet::default(),
            pending: VecDeque::new(),
            load: LoadHistogram::empty(),
            outcomes: DecayingRatio::new(OUTCOME_DECAY, now),
        }
    }

    /// The member's lasting name.
    pub fn id(&self) -> &MemberId {
        &self.hello.member
    }

    /// Where clients reach it; no slash at the end.
    pub fn url(&self) -> &str {
        &self.hello.url
    }

    /// By which scheme clients reach it.
    pub fn scheme(&self) -> Scheme {
        Scheme::of_url(&self.hello.url)
    }

    /// How it introduced itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Its state.
    pub fn state(&self) -> MemberState {
        self.state
    }

    /// Its last report, if any since it joined.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// When it joined.
    pub fn joined(&self) -> Instant {
        self.joined
    }

    /// Flows on it: reported ones and dispatches on their way.
    pub fn load(&self) -> &LoadHistogram {
        &self.load
    }

    /// Its egress capacity; a gigabit before the first report.
    pub fn capacity(&self) -> Rate {
        self.report
            .as_ref()
            .map_or(Rate::GIGABIT, |report| report.capacity)
    }

    /// Share of recent dispatches that failed, 0 to 1.
    pub fn error_ratio(&self, now: Instant) -> f64 {
        self.outcomes.ratio(now)
    }

    /// Whether it has proved to hold this version.
    pub fn holds(&self, revision: Revision, root: &Root) -> bool {
        let complete = self
            .report
            .as_ref()
            .map_or(Revision::ZERO, |report| report.complete);
        revision <= complete || self.held.contains(root)
    }

    /// Why it is no candidate for this version of a file; `None` if it is one.
    pub fn exclusion(
        &self,
        revision: Revision,
        root: &Root,
        avoid: &[MemberId],
    ) -> Option<Exclusion> {
        if self.state != MemberState::Ready {
            Some(Exclusion::NotReady(self.state))
        } else if avoid.contains(self.id()) {
            Some(Exclusion::Avoided)
        } else if !self.holds(revision, root) {
            Some(Exclusion::LacksContent)
        } else {
            None
        }
    }

    pub(super) fn rejoined(&mut self, now: Instant, hello: &Hello) {
        let outcomes = self.outcomes.clone();
        let state = self.state;
        *self = Self {
            outcomes,
            state,
            ..Self::new(now, hello)
        };
    }

    pub(super) fn stream_opened(&mut self) {
        self.detector.stream = Stream::Open;
    }

    pub(super) fn stream_closed(&mut self) {
        self.detector.stream = Stream::Closed;
    }

    pub(super) fn reported(&mut self, now: Instant, report: &Report) {
        let stale = self
            .report
            .as_ref()
            .is_some_and(|last| report.seq <= last.seq);
        if report.epoch != self.hello.epoch || stale {
            return;
        }
        self.detector.heard = now;
        self.acknowledge(now, &report.acknowledged);
        self.hold(&report.held);
        self.report = Some(Report {
            acknowledged: Vec::new(),
            held: Held::Add(Vec::new()),
            ..report.clone()
        });
        self.recount();
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.outcomes.failed(now);
    }

    pub(super) fn dispatched(&mut self, now: Instant, id: DispatchId, bytes: u64) {
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back(Dispatched { id, bytes, at: now });
        self.load.add(bytes);
    }

    /// Writes off dispatches whose client never arrived: a soft failure each.
    pub(super) fn expire_dispatches(&mut self, now: Instant) {
        let expired = self
            .pending
            .iter()
            .take_while(|pending| now.saturating_duration_since(pending.at) >= DISPATCH_TTL)
            .count();
        if expired > 0 {
            self.pending.drain(..expired);
            (0..expired).for_each(|_| self.outcomes.failed(now));
            self.recount();
        }
    }

    /// Names the state that follows from the facts; the change, if it is one.
    pub(super) fn settle(&mut self, now: Instant) -> Option<Transition> {
        let to = match self.detector.liveness(now) {
            Liveness::Gone => MemberState::Gone,
            Liveness::Down => MemberState::Down,
            _ if self.report.is_none() => MemberState::Joining,
            Liveness::Suspect => MemberState::Suspect,
            Liveness::Alive => match self.report.as_ref().map(|report| report.condition) {
                Some(Condition::Draining) => MemberState::Draining,
                _ => MemberState::Ready,
            },
        };
        let from = std::mem::replace(&mut self.state, to);
        (from != to).then(|| Transition {
            member: self.id().clone(),
            from,
            to,
        })
    }

    fn acknowledge(&mut self, now: Instant, acknowledged: &[DispatchId]) {
        for id in acknowledged {
            if let Some(at) = self.pending.iter().position(|pending| pending.id == *id) {
                self.pending.remove(at);
                self.outcomes.succeeded(now);
            }
        }
    }

    fn hold(&mut self, held: &Held) {
        let roots = match held {
            Held::Add(roots) => roots,
            Held::Replace(roots) => {
                self.held.clear();
                roots
            }
        };
        let room = Held::MAX_PER_MEMBER.saturating_sub(self.held.len());
        self.held.extend(roots.iter().take(room));
    }

    fn recount(&mut self) {
        self.load = self
            .report
            .as_ref()
            .map(|report| report.load.clone())
            .unwrap_or_default();
        for pending in &self.pending {
            self.load.add(pending.bytes);
        }
    }
}

impl MemberId {
    /// Longest name.
    pub const MAX_BYTES: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MemberId {
    type Err = MemberIdError;

    fn from_str(text: &str) -> Result<Self, MemberIdError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(plain) {
            return Err(MemberIdError);
        }
        Ok(Self(Arc::from(text)))
    }
}

impl MemberState {
    /// The state's name, as logs, metrics and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Gone => "gone",
        }
    }
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
