//! Complaints about wrong bytes, waiting to be looked into: `POST /-/api/complaint`.
//!
//! Anybody may complain, so a complaint costs little and proves nothing. The queue is short, holds
//! the same complaint once, and no network of clients fills it alone. It must never say whether a
//! complaint was taken: the answer to each that is understood is 202.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use axum::{
    body::Bytes,
    extract::{self, Extension},
    http::StatusCode,
};
use overspill_core::{fleet::MemberId, root::Root};
use overspill_net::Client;
use overspill_wire::{
    explain::network_of,
    sources::{Complaint, ComplaintMessage},
};
use tokio::sync::Notify;

use crate::{
    metrics::{Family, Unit},
    role::Role,
};

/// Complaints that wait to be looked into.
#[derive(Debug, Default)]
pub struct Complaints {
    state: Mutex<State>,
    bell: Notify,
    taken: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// What was taken lately, oldest first.
    known: VecDeque<(Instant, Subject)>,
}

#[derive(Debug)]
struct Waiting {
    network: String,
    complaint: Complaint,
}

/// What makes two complaints the same.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Subject {
    member: MemberId,
    root: Root,
    piece: u64,
}

/// Most complaints waiting.
const WAITING_MAX: usize = 64;
/// Most of them from one network of clients.
const PER_NETWORK_MAX: usize = 8;
/// Most subjects remembered.
const KNOWN_MAX: usize = 1024;
/// For how long the same is not looked into again.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// Wrong bytes within so many are one subject.
const PIECE_BYTES: u64 = 1 << 20;

/// The metric that counts them, by whom they are about.
pub const COMPLAINTS: Family = Family::counter(
    "overspill_complaints",
    Unit::None,
    "Complaints of clients that were looked into, by whom they are about: a member, or this node",
);

impl Complaints {
    /// Takes a complaint in, unless it is known or there is no room.
    pub fn take_in(&self, now: Instant, client: IpAddr, complaint: Complaint) {
        let network = network_of(client);
        let subject = Subject {
            member: complaint.member.clone(),
            root: complaint.root,
            piece: complaint.offset / PIECE_BYTES,
        };
        let mut state = self.state();
        state.forget(now);
        let theirs = state.waiting.iter().filter(|one| one.network == network);
        let has_room = state.waiting.len() < WAITING_MAX && theirs.count() < PER_NETWORK_MAX;
        if !has_room || state.known.iter().any(|(_, known)| *known == subject) {
            return;
        }
        if state.known.len() == KNOWN_MAX {
            state.known.pop_front();
        }
        state.known.push_back((now, subject));
        state.waiting.push_back(Waiting { network, complaint });
        drop(state);
        self.taken.fetch_add(1, Relaxed);
        self.bell.notify_one();
    }

    /// How many were taken in so far.
    pub fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// The oldest complaint, if there is one.
    pub fn next(&self) -> Option<Complaint> {
        let waiting = self.state().waiting.pop_front();
        waiting.map(|waiting| waiting.complaint)
    }

    /// The oldest complaint, waited for. Safe to cancel.
    pub async fn wait(&self) -> Complaint {
        loop {
            if let Some(complaint) = self.next() {
                return complaint;
            }
            self.bell.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Queues are whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, now: Instant) {
        let is_old = |at: Instant| now.saturating_duration_since(at) >= KNOWN_FOR;
        while self.known.front().is_some_and(|(at, _)| is_old(*at)) {
            self.known.pop_front();
        }
    }
}

/// `POST /-/api/complaint`.
pub(crate) async fn complain<R: Role>(
    extract::State(role): extract::State<Arc<R>>,
    Extension(client): Extension<Client>,
    body: Bytes,
) -> Result<StatusCode, (StatusCode, String)> {
    let bad = |error: &dyn std::fmt::Display| (StatusCode::BAD_REQUEST, format!("{error}\n"));
    let message: ComplaintMessage = serde_json::from_slice(&body).map_err(|error| bad(&error))?;
    let complaint = message.into_complaint().map_err(|error| bad(&error))?;
    role.complained(client.address.ip(), complaint);
    Ok(StatusCode::ACCEPTED)
}

#[cfg(test)]
mod tests {
    use overspill_core::path::CatalogPath;

    use super::*;

    fn complaint(offset: u64) -> Complaint {
        Complaint {
            member: "m-1".parse().unwrap(),
            path: CatalogPath::parse(b"file").unwrap(),
            root: Root([1; 32]),
            offset,
        }
    }

    fn client(network: u8) -> IpAddr {
        [192, 0, network, 1].into()
    }

    #[test]
    fn the_same_is_taken_once_in_a_while() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        complaints.take_in(now, client(1), complaint(5));
        complaints.take_in(now, client(2), complaint(PIECE_BYTES - 1));
        assert_eq!(complaints.next(), Some(complaint(5)));
        assert_eq!(complaints.next(), None);
        complaints.take_in(now + KNOWN_FOR / 2, client(1), complaint(5));
        assert_eq!(complaints.next(), None, "looked into a moment ago");
        complaints.take_in(now + KNOWN_FOR, client(1), complaint(5));
        assert_eq!(complaints.next(), Some(complaint(5)));
    }

    #[test]
    fn nobody_fills_the_queue_alone_and_it_has_an_end() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        let mut piece = 0;
        for network in 0..=100 {
            for _ in 0..PER_NETWORK_MAX * 2 {
                piece += 1;
                complaints.take_in(now, client(network), complaint(piece * PIECE_BYTES));
            }
            let waiting = complaints.state().waiting.len();
            let most = (usize::from(network) + 1) * PER_NETWORK_MAX;
            assert_eq!(waiting, most.min(WAITING_MAX));
        }
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        for piece in 0..2 * KNOWN_MAX as u64 {
            complaints.take_in(now, client(1), complaint(piece * PIECE_BYTES));
            assert!(complaints.next().is_some());
        }
        assert_eq!(complaints.state().known.len(), KNOWN_MAX);
    }
}
