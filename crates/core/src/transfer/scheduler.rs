//! Who is asked for which pieces, and what happens when somebody is slow, wrong or gone.
//!
//! Driven from outside: [`Scheduler::handle`] is told what happened, [`Scheduler::poll`] says what
//! to do, until it says nothing more. It must hear [`Event::Tick`] some ten times a second. It never
//! holds more bytes than its budget, nor a piece for more than two.

mod endgame;
mod events;
mod request;

use std::{
    collections::VecDeque,
    ops::Range,
    time::{Duration, Instant},
};

use self::request::{Purpose, Request};
use super::{
    HostId, Limits, Pieces, RequestId, SourceId,
    concurrency::Concurrency,
    sources::{Sources, Standing, Tally},
};

/// In which order pieces are wanted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Order {
    /// As they come: each goes to its place in a file.
    #[default]
    Any,
    /// As they lie: they go to a stream. No piece is asked for that is further than the budget from
    /// the first that is not yet out.
    InOrder,
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// A source is known, or known again.
    Added {
        /// It.
        source: SourceId,
        /// Where it is.
        host: HostId,
    },
    /// The head of the answer came, and it is the one that was wanted.
    Began {
        /// The request.
        request: RequestId,
        /// Bytes of the first piece that were there and were not asked for.
        resumed_bytes: u64,
    },
    /// A request is over. Pieces of it that were not verified are free again.
    Ended {
        /// The request.
        request: RequestId,
        /// How.
        end: End,
    },
    /// Bytes came.
    Received {
        /// The request.
        request: RequestId,
        /// How many since the last time.
        bytes: u64,
    },
    /// The sources were asked for anew ([`Action::Refresh`]), and those found were added.
    Refreshed,
    /// A piece of a source was wrong. Its request has to be ended as well.
    Refuted {
        /// Who sent it, or the last of it.
        source: SourceId,
        /// Who is to blame.
        blame: Blame,
        /// Bytes that came for nothing.
        bytes: u64,
    },
    /// Time passed.
    Tick,
    /// A piece was verified, and is on its way to the disk or the stream.
    Verified {
        /// The request.
        request: RequestId,
        /// The piece.
        piece: u32,
    },
    /// All pieces before this one are out on the stream. Of no meaning but in order.
    Written {
        /// The first that is not.
        before: u32,
    },
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The source failed in a way that may pass.
    Broken,
    /// The host asks to be left alone, for so long if it says.
    Busy {
        /// What it asked for.
        retry_after: Option<Duration>,
    },
    /// All that was asked for came.
    Complete,
    /// Nothing that can be held against the source.
    Left,
    /// The source does not have the file, or not this version of it.
    Refused,
}

/// Who is to blame for a wrong piece.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// Several sent parts of it, and it is not known which of them was wrong.
    Nobody,
    /// The source.
    Source,
}

/// What to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// End a request; nothing more of it is wanted. It need not be told as ended.
    Cancel {
        /// The request.
        request: RequestId,
    },
    /// All pieces are verified. Always the last.
    Finish,
    /// Give up. Always the last.
    GiveUp(Reason),
    /// End all requests, ask for sources again, add those found, and say [`Event::Refreshed`].
    Refresh,
    /// A request shall not bring all it was asked for.
    Shorten {
        /// The request.
        request: RequestId,
        /// The first piece that is no longer wanted.
        end: u32,
    },
    /// Ask a source for pieces that lie together.
    Start {
        /// What to call the request.
        request: RequestId,
        /// Whom.
        source: SourceId,
        /// For what.
        pieces: Range<u32>,
    },
    /// Something to be told about a source.
    Tell {
        /// It.
        source: SourceId,
        /// What.
        news: News,
    },
}

/// What became of a source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// It sent wrong bytes.
    Banned,
    /// It failed too often, or does not have the file.
    Left,
    /// It is no longer slow.
    Restored,
    /// It was far slower than the others, or silent.
    Slow {
        /// How long it is left alone.
        pause: Duration,
    },
}

/// Why to give up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// All sources sent wrong bytes.
    AllBanned,
    /// No source is left.
    NoSource,
    /// Nothing came for too long.
    Stalled,
}

/// The state machine of one transfer.
#[derive(Clone, Debug)]
pub struct Scheduler {
    limits: Limits,
    order: Order,
    pieces: Pieces,
    sources: Sources,
    requests: Vec<Request>,
    concurrency: Concurrency,
    actions: VecDeque<Action>,
    next_request: u64,
    /// In order: all pieces before are out.
    written: u32,
    progress: Progress,
    ticked: Instant,
    phase: Phase,
}

/// Whether it gets anywhere.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// When the last group came, or sources were last asked for.
    nudged: Instant,
    /// When the last group came.
    last: Instant,
    /// Bytes since.
    bytes: u64,
    /// Bytes that came for nothing.
    wasted_bytes: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Over,
    Refreshing,
    Running,
}

impl Scheduler {
    /// For a file of which `pieces` says what is there already.
    pub fn new(pieces: Pieces, order: Order, limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            order,
            written: match order {
                Order::Any => 0,
                Order::InOrder => pieces.first_missing(),
            },
            pieces,
            sources: Sources::default(),
            requests: Vec::new(),
            concurrency: Concurrency::new(limits.connections_max, now),
            actions: VecDeque::new(),
            next_request: 0,
            progress: Progress {
                nudged: now,
                last: now,
                bytes: 0,
                wasted_bytes: 0,
            },
            ticked: now,
            phase: Phase::Running,
        }
    }

    /// What to do next; `None` when there is nothing but to wait for the next event.
    pub fn poll(&mut self, now: Instant) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        if self.phase != Phase::Running {
            return None;
        }
        if self.pieces.is_complete() {
            return Some(self.finish());
        }
        self.watch(now).or_else(|| self.start_one(now))
    }

    /// What is there.
    pub fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    /// What a source did.
    pub fn tally(&self, source: SourceId) -> Tally {
        let source = self.sources.find(source);
        source.map_or_else(Tally::default, |source| source.tally)
    }

    /// How many requests are under way.
    pub fn running(&self) -> usize {
        self.requests.len()
    }

    fn finish(&mut self) -> Action {
        self.phase = Phase::Over;
        for request in std::mem::take(&mut self.requests) {
            self.actions.push_back(Action::Cancel {
                request: request.id,
            });
        }
        self.actions.push_back(Action::Finish);
        self.actions.pop_front().unwrap_or(Action::Finish)
    }

    /// Asks for sources anew when nothing comes or nobody is left, and gives up when that is of no
    /// use.
    fn watch(&mut self, now: Instant) -> Option<Action> {
        let silence = now.saturating_duration_since(self.progress.last);
        if silence >= self.limits.stall {
            return Some(self.give_up(Reason::Stalled));
        }
        let since_nudge = now.saturating_duration_since(self.progress.nudged);
        let is_alone = self.requests.is_empty() && !self.sources.any_usable();
        if is_alone && self.progress.nudged > self.progress.last {
            let all_banned = self
                .sources
                .iter()
                .all(|it| it.standing == Standing::Banned);
            let found_none = self.sources.iter().next().is_none();
            let is_proved = all_banned && !found_none;
            return Some(self.give_up(if is_proved {
                Reason::AllBanned
            } else {
                Reason::NoSource
            }));
        }
        if is_alone || since_nudge >= NUDGE_AFTER {
            self.progress.nudged = now.max(self.progress.last + Duration::from_nanos(1));
            self.phase = Phase::Refreshing;
            self.leave_all();
            return Some(Action::Refresh);
        }
        None
    }

    fn give_up(&mut self, reason: Reason) -> Action {
        self.phase = Phase::Over;
        self.requests.clear();
        Action::GiveUp(reason)
    }

    fn leave_all(&mut self) {
        for request in std::mem::take(&mut self.requests) {
            self.forget(&request);
        }
    }

    /// One more request, if one is to be made.
    fn start_one(&mut self, now: Instant) -> Option<Action> {
        let trials = self
            .requests
            .iter()
            .filter(|it| it.purpose == Purpose::Trial);
        let running = self.requests.len() - trials.count();
        if running < self.concurrency.target() as usize
            && let Some(source) = self.sources.best(&self.limits)
        {
            if let Some(pieces) = self.next_run(source) {
                return Some(self.start(now, source, pieces, Purpose::Fetch));
            }
            if let Some(action) = self.help_out(now) {
                return Some(action);
            }
        }
        self.start_trial(now)
    }

    fn start(
        &mut self,
        now: Instant,
        source: SourceId,
        pieces: Range<u32>,
        purpose: Purpose,
    ) -> Action {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.pieces.hold(pieces.clone());
        if let Some(source) = self.sources.find_mut(source) {
            source.running += 1;
        }
        self.requests
            .push(Request::new(id, source, pieces.clone(), purpose, now));
        Action::Start {
            request: id,
            source,
            pieces,
        }
    }

    /// The next free pieces for a source: what it brings in two seconds, as far as the budget goes,
    /// and no more than its share of what is left.
    fn next_run(&mut self, source: SourceId) -> Option<Range<u32>> {
        let piece_bytes = self.pieces.piece_bytes();
        let lanes = u64::from(self.concurrency.target().max(1));
        let rate = self.sources.find(source)?.rate.unwrap_or(0.0);
        let wanted =
            ((rate * REQUEST_FOR.as_secs_f64()) as u64).clamp(REQUEST_BYTES_MIN, REQUEST_BYTES_MAX);
        let share = (self.limits.budget_bytes / lanes).max(piece_bytes);
        let left = u64::from(self.pieces.free()) * piece_bytes / lanes;
        let most = wanted
            .min(share)
            .min(left.max(piece_bytes))
            .max(piece_bytes)
            / piece_bytes;
        let room = self.room()?;
        let most = u32::try_from(most.min(room)).unwrap_or(u32::MAX);
        let before = self.window_end();
        self.pieces.free_run(before, most)
    }

    /// How many more pieces the budget allows; `None` for none.
    fn room(&self) -> Option<u64> {
        let piece_bytes = self.pieces.piece_bytes();
        let held: u64 = self.requests.iter().map(|it| it.pieces_left()).sum();
        let allowed = (self.limits.budget_bytes / piece_bytes).max(1);
        allowed.checked_sub(held).filter(|room| *room > 0)
    }

    /// The first piece that must not be asked for yet.
    fn window_end(&self) -> u32 {
        match self.order {
            Order::Any => u32::MAX,
            Order::InOrder => {
                let window = (self.limits.budget_bytes / self.pieces.piece_bytes()).max(1);
                self.written
                    .saturating_add(u32::try_from(window).unwrap_or(u32::MAX))
            }
        }
    }

    /// One piece for a source that was slow and has waited long enough.
    fn start_trial(&mut self, now: Instant) -> Option<Action> {
        if self.requests.iter().any(|it| it.purpose == Purpose::Trial) {
            return None;
        }
        let is_due = |standing| matches!(standing, Standing::Probation { until } if now >= until);
        let source = self.sources.iter().find(|it| is_due(it.standing))?.id;
        self.room()?;
        let before = self.window_end();
        let pieces = self.pieces.free_run(before, 1)?;
        self.sources.find_mut(source)?.standing = Standing::Trial;
        Some(self.start(now, source, pieces, Purpose::Trial))
    }

    /// A request is over: what it did not bring is free again.
    fn forget(&mut self, request: &Request) {
        self.pieces.release(request.next..request.end);
        if let Some(source) = self.sources.find_mut(request.source) {
            source.running = source.running.saturating_sub(1);
            if source.standing == Standing::Trial {
                source.standing = Standing::Good;
            }
        }
    }

    fn take(&mut self, id: RequestId) -> Option<Request> {
        let at = self.requests.iter().position(|request| request.id == id)?;
        Some(self.requests.swap_remove(at))
    }

    fn add_source(&mut self, source: SourceId, host: HostId) {
        self.sources.add(source, host);
    }
}

/// A request asks for what its source brings in this time,
const REQUEST_FOR: Duration = Duration::from_secs(2);
/// but for no less,
const REQUEST_BYTES_MIN: u64 = 1 << 20;
/// and no more.
const REQUEST_BYTES_MAX: u64 = 32 << 20;
/// So much is a sign of life: a group of the fine outboard.
const GROUP_BYTES: u64 = 64 << 10;
/// Ask for sources again after so long without one.
const NUDGE_AFTER: Duration = Duration::from_secs(15);
