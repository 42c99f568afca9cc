//! Where a member is in its life, and what keeps it from being a candidate.

use std::{fmt, time::Duration};

use super::MemberId;

/// Where a member is in its life; drawn in `LIFECYCLE.md`.
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

/// Something people and logs want to know about a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FleetEvent {
    /// Whose.
    pub member: MemberId,
    /// What.
    pub change: Change,
}

/// What became of a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// Its state.
    State {
        /// From which.
        from: MemberState,
        /// To which.
        to: MemberState,
        /// Why.
        reason: Reason,
    },
    /// It failed too often and gets nothing for so long.
    Ejected(Duration),
    /// It would have been ejected, had that not taken more than half of the fleet's capacity.
    Spared,
    /// It is tried again, one flow at a time.
    Probation,
    /// It is trusted again.
    Trusted,
}

/// Why a member changed its state, as far as the deciding node can tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// It says itself that it drains.
    Draining,
    /// It has joined again and not reported yet.
    Joined,
    /// The operator wants no new work for it.
    Ordered,
    /// It reports, over an open stream.
    Reports,
    /// Another node's view of it changed, or that node is out of sight.
    SeenByServer,
    /// Nothing was heard of it for so long.
    Silent(Duration),
    /// Its event stream dropped.
    StreamClosed,
}

/// Why a member is no candidate for a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exclusion {
    /// The client said that this member failed it.
    Avoided,
    /// It failed too often.
    Ejected,
    /// The client came by IPv6, and this member's address is an IPv4 one.
    Family,
    /// As many flows as it can carry at the least rate.
    Full,
    /// It has not proved to hold this version.
    LacksContent,
    /// The client is not to be redirected, and nothing is relayed.
    NoRedirect,
    /// It is in this state.
    NotReady(MemberState),
    /// Only the server can reach it.
    Private,
    /// It is tried with one flow at a time, and that one is not over.
    Probation,
    /// The client asked by https, and this member has none.
    Scheme,
    /// This client has been sent there and did not arrive.
    Unreachable,
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

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Draining => "it is ending and takes no new work",
            Self::Joined => "it has joined again and not reported yet",
            Self::Ordered => "the operator has it drained",
            Self::Reports => "it reports",
            Self::SeenByServer => "the server says so",
            Self::Silent(length) => return write!(f, "no report for {} s", length.as_secs()),
            Self::StreamClosed => "its connection to the server broke",
        };
        f.write_str(text)
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Avoided => "the client asked to avoid it",
            Self::Ejected => "ejected for failing too often",
            Self::Family => "the client came by IPv6 and its address is IPv4",
            Self::Full => "no slot free",
            Self::LacksContent => "has not proved to hold this version",
            Self::NoRedirect => "the client is not to be redirected, and nothing is relayed",
            Self::NotReady(state) => return write!(f, "{state}"),
            Self::Private => "clients cannot reach it, and nothing is relayed",
            Self::Probation => "on probation, and its one flow is not over",
            Self::Scheme => "the client asked by https and it has none",
            Self::Unreachable => "this client was sent there and did not arrive",
        };
        f.write_str(text)
    }
}
