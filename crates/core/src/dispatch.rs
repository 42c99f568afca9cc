//! Dispatch: choosing who serves a request.
//!
//! [`decide`] is the whole of it: collect the candidates, let the policy order them, take the first
//! and count the flow on it at once. It must never send a client to a member that has not proved to
//! hold exactly this version, nor to one the client asked to avoid, nor from https to http.

mod candidate;
mod ticket;

use std::time::Instant;

pub use self::{
    candidate::{Candidate, Place},
    ticket::{Ticket, TicketError},
};
use crate::{
    catalog::Revision,
    fleet::{Fleet, MemberId, Scheme},
    policy::Policy,
    root::Root,
};

/// The name of one dispatch, unique in a server's life; a mirror acknowledges it by this.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DispatchId(pub u64);

/// A response body someone has to send.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    /// The batch that last changed the entry.
    pub revision: Revision,
    /// The content.
    pub root: Root,
    /// Bytes of the body (of the range, if one was asked for).
    pub bytes: u64,
    /// Members that failed this client.
    pub avoid: &'a [MemberId],
    /// How the client asked; it is not led from https to http.
    pub scheme: Scheme,
}

/// Who serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Send the client to the member in this slot of [`Fleet::members`].
    Redirect {
        /// Index into [`Fleet::members`], valid until the fleet handles its next input.
        slot: usize,
        /// The dispatch to put into the ticket.
        dispatch: DispatchId,
    },
    /// The dispatcher itself.
    Serve,
}

/// Buffers reused from one decision to the next, so that deciding allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    candidates: Vec<Candidate>,
    ranking: Vec<usize>,
}

/// Below this many bytes a redirect costs the client and the server more than it saves, whatever
/// the load: the answer would fit the first flight of a fresh connection.
pub const MIN_OFFLOAD_BYTES: u64 = 64 << 10;

/// Chooses who sends `flow`, and counts it on the chosen one at once.
pub fn decide(
    fleet: &mut Fleet,
    policy: &mut dyn Policy,
    flow: &Flow<'_>,
    now: Instant,
    random: &mut fastrand::Rng,
    scratch: &mut Scratch,
) -> Decision {
    if flow.bytes < MIN_OFFLOAD_BYTES {
        return Decision::Serve;
    }
    scratch.candidates.clear();
    scratch.ranking.clear();
    candidate::collect(fleet, flow, now, &mut scratch.candidates);
    policy.rank(
        flow.bytes,
        &scratch.candidates,
        random,
        &mut scratch.ranking,
    );
    let chosen = scratch
        .ranking
        .first()
        .and_then(|&best| scratch.candidates.get(best));
    match chosen.map(|candidate| candidate.place) {
        Some(Place::Member(slot)) => match fleet.member_takes(now, slot, flow.bytes) {
            Some(dispatch) => Decision::Redirect { slot, dispatch },
            None => Decision::Serve,
        },
        Some(Place::Server) | None => {
            fleet.server_takes(flow.bytes);
            Decision::Serve
        }
    }
}

#[cfg(test)]
mod tests;
