//! The failure detector of one member: an open stream and fresh reports, or not.
//!
//! Deliberately simple. A dropped TCP stream is known within milliseconds, and against silence three
//! missed reports do as well as an accrual detector at this cadence. It must never decide what to do
//! about a verdict; that is the member's part.

use std::time::{Duration, Instant};

use super::MemberState;

/// Silence after which a member gets no new work: three reports of one second.
pub const SUSPECT_AFTER: Duration = Duration::from_secs(3);
/// Silence after which a member is taken for dead.
pub const DOWN_AFTER: Duration = Duration::from_secs(10);
/// Silence after which a member is forgotten.
pub const GONE_AFTER: Duration = Duration::from_secs(600);

/// How alive a member looks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Liveness {
    /// Its stream is open and it reports.
    Alive,
    /// Its stream dropped, or it has missed reports.
    Suspect,
    /// Silent for [`DOWN_AFTER`].
    Down,
    /// Silent for [`GONE_AFTER`].
    Gone,
}

/// What is known of a member's signs of life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detector {
    pub(super) heard: Instant,
    pub(super) stream: Stream,
    pub(super) from: HeardFrom,
}

/// Who says how a member is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HeardFrom {
    /// The member.
    Itself,
    /// Whoever pushes the fleet's view: that is how this node's server sees it.
    Others(MemberState),
}

/// Whether the member's event stream is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stream {
    Closed,
    Open,
}

impl Detector {
    pub(super) fn liveness(&self, now: Instant) -> Liveness {
        let silence = now.saturating_duration_since(self.heard);
        if silence >= GONE_AFTER {
            Liveness::Gone
        } else if silence >= DOWN_AFTER {
            Liveness::Down
        } else if silence >= SUSPECT_AFTER || self.stream == Stream::Closed {
            Liveness::Suspect
        } else {
            Liveness::Alive
        }
    }
}
