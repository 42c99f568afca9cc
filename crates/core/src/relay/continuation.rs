//! A body that survives whoever feeds it.
//!
//! The client was promised a span of a content in a head that is long gone; the bytes come from one
//! feeder after the other. [`Continuation`] counts them, judges the feeders, and says what to do next.
//! It must never ask for a byte that came already, let a body end short, or blame a feeder for a
//! client that does not read.

use std::time::{Duration, Instant};

use thiserror::Error;

use super::{AnswerHead, Fault};

/// A feeder that is waited for without a byte for so long is given up.
pub const STALLED_AFTER: Duration = Duration::from_secs(5);
/// How often one body may change its feeder; then it is cut. A fleet in which nine nodes in turn fail
/// one client has troubles that patience does not mend.
pub const MAX_SWITCHES: u32 = 8;

/// A span of a content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// Its first byte.
    pub start: u64,
    /// The byte after its last; at least `start`.
    pub end: u64,
    /// Bytes of the whole content; at least `end`.
    pub size: u64,
}

impl Span {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is all of the content.
    pub fn is_whole(&self) -> bool {
        (self.start, self.end) == (0, self.size)
    }

    /// As `Range` writes it (RFC 9110 section 14.2); meaningless if empty.
    pub fn to_range_field(&self) -> String {
        match self.end == self.size {
            true => format!("bytes={}-", self.start),
            false => format!("bytes={}-{}", self.start, self.end.saturating_sub(1)),
        }
    }
}

/// Who feeds a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Feeder {
    /// The node that answers, from its own file.
    Here,
    /// A member, over a connection.
    Member,
}

/// What can happen to a body.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Somebody was chosen and is asked for the rest.
    Asked(Feeder),
    /// There is nobody left to ask.
    Nobody,
    /// A member's answer has begun, to a request for this span, which holds at least what is left;
    /// to be compared with this entity tag.
    Head(&'a AnswerHead<'a>, &'a Span, &'a str),
    /// So many bytes have come from the feeder, at most [`Step::Read`].
    Came(u64),
    /// The feeder is waited for from now on, if it was not before.
    Waiting,
    /// The client is waited for: the feeder could not send if it would.
    Holding,
    /// The feeder has ended its side.
    Ended,
    /// The feeder has failed in some other way.
    Failed(Fault),
    /// Time has passed.
    Tick,
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Choose somebody for what is left of the span.
    Choose,
    /// Wait for the head of the member's answer.
    ReadHead,
    /// Take at most so many bytes from the feeder; never 0.
    Read(u64),
    /// All bytes have come.
    Finish,
    /// The body cannot be completed.
    Cut(Cut),
}

/// Why a body is cut.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Cut {
    /// Nobody is left who has the bytes and did not fail.
    #[error("nobody is left who could go on with it")]
    Nobody,
    /// [`MAX_SWITCHES`].
    #[error("{} nodes in turn have failed it", MAX_SWITCHES + 1)]
    TooManySwitches,
}

/// The state machine of one body.
#[derive(Clone, Debug)]
pub struct Continuation {
    /// What is left.
    rest: Span,
    state: State,
    switches: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Choosing,
    Asking {
        since: Instant,
    },
    Fed {
        by: Feeder,
        waiting_since: Option<Instant>,
    },
    Cut(Cut),
}

impl Continuation {
    /// A body of the bytes of `span`, none of which has come.
    pub fn new(span: Span) -> Self {
        Self {
            rest: span,
            state: State::Choosing,
            switches: 0,
        }
    }

    /// What has not come yet.
    pub fn rest(&self) -> Span {
        self.rest
    }

    /// How often another feeder had to be chosen.
    pub fn switches(&self) -> u32 {
        self.switches
    }

    /// What to do next.
    pub fn step(&self) -> Step {
        match self.state {
            State::Cut(cut) => Step::Cut(cut),
            _ if self.rest.is_empty() => Step::Finish,
            State::Choosing => Step::Choose,
            State::Asking { .. } => Step::ReadHead,
            State::Fed { .. } => Step::Read(self.rest.len()),
        }
    }

    /// When [`Input::Tick`] will find the feeder stalled; `None` while it is not waited for, or is
    /// this node's own disk.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Asking { since } => Some(since + STALLED_AFTER),
            State::Fed {
                by: Feeder::Member,
                waiting_since,
            } => waiting_since.map(|since| since + STALLED_AFTER),
            _ => None,
        }
    }

    /// Takes in what happened. `now` never goes backwards.
    ///
    /// # Errors
    /// Why the feeder has been given up, if that is what came of it; [`Continuation::step`] says how
    /// it goes on.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) -> Result<(), Fault> {
        match input {
            Input::Asked(Feeder::Member) => self.state = State::Asking { since: now },
            Input::Asked(by @ Feeder::Here) => {
                let waiting_since = None;
                self.state = State::Fed { by, waiting_since };
            }
            Input::Nobody => self.state = State::Cut(Cut::Nobody),
            Input::Head(head, asked, etag) => {
                if let Err(fault) = head.check(asked, etag) {
                    return self.give_up(fault);
                }
                self.state = State::Fed {
                    by: Feeder::Member,
                    waiting_since: None,
                };
            }
            Input::Came(bytes) => self.take(now, bytes),
            Input::Waiting => self.wait(|since| since.or(Some(now))),
            Input::Holding => self.wait(|_| None),
            Input::Ended if self.rest.is_empty() => {}
            Input::Ended => return self.give_up(Fault::Short),
            Input::Failed(_) if self.rest.is_empty() => {}
            Input::Failed(fault) => return self.give_up(fault),
            Input::Tick if self.deadline().is_some_and(|at| now >= at) => {
                return self.give_up(Fault::Stalled);
            }
            Input::Tick => {}
        }
        Ok(())
    }

    fn take(&mut self, now: Instant, bytes: u64) {
        debug_assert!(bytes <= self.rest.len(), "more than was to be read");
        self.rest.start += bytes.min(self.rest.len());
        self.wait(|since| since.map(|_| now));
    }

    fn wait(&mut self, change: impl FnOnce(Option<Instant>) -> Option<Instant>) {
        if let State::Fed { waiting_since, .. } = &mut self.state {
            *waiting_since = change(*waiting_since);
        }
    }

    fn give_up(&mut self, fault: Fault) -> Result<(), Fault> {
        if self.switches == MAX_SWITCHES {
            self.state = State::Cut(Cut::TooManySwitches);
        } else {
            self.switches += 1;
            self.state = State::Choosing;
        }
        Err(fault)
    }
}

#[cfg(test)]
mod tests;
