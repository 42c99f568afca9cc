//! The fleet: which mirrors there are, how they are, what they hold and what was sent their way.
//!
//! [`Fleet`] is a state machine. The shell feeds it [`Input`]s with the time, takes
//! [`Transition`]s out, and asks it for candidates through [`crate::dispatch::decide`]. It must
//! never wait, send or read a clock: see `LIFECYCLE.md` beside this file for the member states.

mod detector;
mod member;
mod report;
mod scheme;

use std::{collections::VecDeque, time::Instant};

use thiserror::Error;

pub use self::{
    detector::{DOWN_AFTER, GONE_AFTER, Liveness, SUSPECT_AFTER},
    member::{Exclusion, Member, MemberId, MemberIdError, MemberState, Transition},
    report::{Condition, Held, Report},
    scheme::Scheme,
};
use crate::{dispatch::DispatchId, load::LoadHistogram, units::Rate};

/// All mirrors known to a dispatcher, and the dispatcher's own load as candidate zero.
#[derive(Debug, Default)]
pub struct Fleet {
    members: Vec<Member>,
    transitions: VecDeque<Transition>,
    server: ServerLoad,
    dispatched: u64,
}

/// The dispatcher's own load: the last merged picture plus what it has taken on since.
#[derive(Clone, Debug)]
pub struct ServerLoad {
    /// Flows in flight by remaining bytes.
    pub load: LoadHistogram,
    /// Egress capacity.
    pub capacity: Rate,
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
    /// A client came back saying that this member failed it (`?avoid=`).
    Failed(&'a MemberId),
    /// Time passed.
    Tick,
}

/// Why an input was refused.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FleetError {
    /// The fleet is at [`Fleet::MAX_MEMBERS`].
    #[error("the fleet is full ({} members)", Fleet::MAX_MEMBERS)]
    Full,
    /// No member of that name; it should join (again).
    #[error("{0} is not a member; it has to join first")]
    Unknown(MemberId),
}

impl Fleet {
    /// Most members of one fleet.
    pub const MAX_MEMBERS: usize = 1024;

    /// A fleet of nobody but the dispatcher.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what happened. `now` never goes backwards.
    pub fn handle(&mut self, now: Instant, input: &Input<'_>) -> Result<(), FleetError> {
        match input {
            Input::Joined(hello) => self.join(now, hello)?,
            Input::StreamOpened(id) => self.member_mut(id)?.stream_opened(),
            Input::StreamClosed(id) => self.member_mut(id)?.stream_closed(),
            Input::Reported(id, report) => self.member_mut(id)?.reported(now, report),
            Input::Failed(id) => self.member_mut(id)?.failed(now),
            Input::Tick => {}
        }
        self.settle(now);
        Ok(())
    }

    /// The next state change to act on, oldest first.
    pub fn poll_output(&mut self) -> Option<Transition> {
        self.transitions.pop_front()
    }

    /// All members, in the order in which they first joined.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member called `id`.
    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        self.members.iter().find(|member| member.id() == id)
    }

    /// The dispatcher's own load.
    pub fn server(&self) -> &ServerLoad {
        &self.server
    }

    /// Replaces the picture of the dispatcher's own load with a fresh one.
    pub fn server_measured(&mut self, load: LoadHistogram, capacity: Rate) {
        self.server = ServerLoad { load, capacity };
    }

    /// Counts a flow the dispatcher decided to send itself, until the next measurement.
    pub fn server_takes(&mut self, bytes: u64) {
        self.server.load.add(bytes);
    }

    /// Counts a redirect to the member in `slot` at once, and names it.
    pub fn member_takes(&mut self, now: Instant, slot: usize, bytes: u64) -> Option<DispatchId> {
        let member = self.members.get_mut(slot)?;
        self.dispatched += 1;
        let id = DispatchId(self.dispatched);
        member.dispatched(now, id, bytes);
        Some(id)
    }

    fn join(&mut self, now: Instant, hello: &Hello) -> Result<(), FleetError> {
        if let Ok(member) = self.member_mut(&hello.member) {
            member.rejoined(now, hello);
            return Ok(());
        }
        if self.members.len() >= Self::MAX_MEMBERS {
            return Err(FleetError::Full);
        }
        self.members.push(Member::new(now, hello));
        Ok(())
    }

    /// Lets time act: states follow liveness, unacknowledged dispatches expire, the gone leave.
    fn settle(&mut self, now: Instant) {
        for member in &mut self.members {
            member.expire_dispatches(now);
            self.transitions.extend(member.settle(now));
        }
        self.members
            .retain(|member| member.state() != MemberState::Gone);
        debug_assert!(self.members.len() <= Self::MAX_MEMBERS);
    }

    fn member_mut(&mut self, id: &MemberId) -> Result<&mut Member, FleetError> {
        self.members
            .iter_mut()
            .find(|member| member.id() == id)
            .ok_or_else(|| FleetError::Unknown(id.clone()))
    }
}

impl Default for ServerLoad {
    fn default() -> Self {
        Self {
            load: LoadHistogram::empty(),
            capacity: Rate::GIGABIT,
        }
    }
}

#[cfg(test)]
mod tests;
