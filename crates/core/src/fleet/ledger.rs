//! Dispatches whose clients have not arrived yet, as far as anybody knows.
//!
//! What was sent towards a member counts on it from the moment of the decision: that is what makes
//! reports of one second good enough (with "own dispatches" a bulletin board ten service times old
//! does as well as a fresh one with two choices). Names are given in rising order, so the ledger is
//! sorted and an acknowledgement is a binary search. It must never hold a dispatch for ever: a client
//! that does not come is written off.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::dispatch::DispatchId;

/// How long a client may take from the redirect to the mirror before the dispatch is written off.
pub const DISPATCH_TTL: Duration = Duration::from_secs(10);
/// Most unacknowledged dispatches remembered for one member; older ones are written off.
pub const MAX_PENDING: usize = 8192;

/// The dispatches on their way to one member, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: VecDeque<Entry>,
    pending: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: DispatchId,
    bytes: u64,
    at: Instant,
    is_pending: bool,
}

impl Ledger {
    /// Enters a dispatch, whose name is greater than any before. Says how many were written off to
    /// make room.
    pub(super) fn enter(&mut self, now: Instant, id: DispatchId, bytes: u64) -> usize {
        debug_assert!(self.entries.back().is_none_or(|last| last.id < id));
        let full = self.entries.len() >= MAX_PENDING;
        let lost = if full { self.entries.pop_front() } else { None };
        let lost = usize::from(lost.is_some_and(|entry| entry.is_pending));
        self.pending -= lost;
        self.pending += 1;
        self.entries.push_back(Entry {
            id,
            bytes,
            at: now,
            is_pending: true,
        });
        lost
    }

    /// Whether the client of this dispatch was not known to have arrived until now.
    pub(super) fn acknowledge(&mut self, id: DispatchId) -> bool {
        let Ok(at) = self.entries.binary_search_by_key(&id, |entry| entry.id) else {
            return false;
        };
        let was_pending = std::mem::replace(&mut self.entries[at].is_pending, false);
        self.pending -= usize::from(was_pending);
        self.forget_arrived();
        was_pending
    }

    /// Writes off what is older than [`DISPATCH_TTL`]; says how many.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let mut expired = 0;
        while let Some(oldest) = self.entries.front()
            && now.saturating_duration_since(oldest.at) >= DISPATCH_TTL
        {
            expired += usize::from(oldest.is_pending);
            self.entries.pop_front();
        }
        self.pending -= expired;
        self.forget_arrived();
        expired
    }

    /// Forgets what was entered before `then`, arrived or not.
    pub(super) fn forget_before(&mut self, then: Instant) {
        while self.entries.front().is_some_and(|entry| entry.at < then) {
            let entry = self.entries.pop_front();
            self.pending -= usize::from(entry.is_some_and(|entry| entry.is_pending));
        }
    }

    /// Whether the client of this dispatch is still expected.
    pub(super) fn is_pending(&self, id: DispatchId) -> bool {
        self.entries
            .binary_search_by_key(&id, |entry| entry.id)
            .is_ok_and(|at| self.entries[at].is_pending)
    }

    /// How many clients are expected.
    pub(super) fn len(&self) -> usize {
        self.pending
    }

    /// The bytes each expected client will ask for.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u64> {
        let pending = self.entries.iter().filter(|entry| entry.is_pending);
        pending.map(|entry| entry.bytes)
    }

    fn forget_arrived(&mut self) {
        while self.entries.front().is_some_and(|entry| !entry.is_pending) {
            self.entries.pop_front();
        }
        debug_assert!(self.pending <= self.entries.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(now: Instant, ids: &[u64]) -> Ledger {
        let mut ledger = Ledger::default();
        for &id in ids {
            ledger.enter(now, DispatchId(id), id * 10);
        }
        ledger
    }

    #[test]
    fn dispatches_are_acknowledged_once_in_any_order() {
        let now = Instant::now();
        let mut ledger = ledger(now, &[1, 4, 9]);
        assert!(ledger.acknowledge(DispatchId(4)));
        assert!(!ledger.acknowledge(DispatchId(4)), "again");
        assert!(!ledger.acknowledge(DispatchId(5)), "never was");
        assert_eq!(ledger.bytes().collect::<Vec<_>>(), [10, 90]);
        assert!(ledger.is_pending(DispatchId(9)) && !ledger.is_pending(DispatchId(4)));
        assert!(ledger.acknowledge(DispatchId(1)));
        assert_eq!((ledger.len(), ledger.entries.len()), (1, 1));
    }

    #[test]
    fn only_clients_that_did_not_come_expire() {
        let now = Instant::now();
        let mut ledger = ledger(now, &[1, 2, 3]);
        ledger.acknowledge(DispatchId(2));
        assert_eq!(ledger.expire(now + DISPATCH_TTL / 2), 0);
        assert_eq!(ledger.expire(now + DISPATCH_TTL), 2);
        assert_eq!(ledger.len(), 0);
    }

    #[test]
    fn a_full_ledger_writes_off_the_oldest() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let lost = |ledger: &mut Ledger, id| ledger.enter(now, DispatchId(id), 1);
        for id in 0..MAX_PENDING as u64 {
            assert_eq!(lost(&mut ledger, id), 0);
        }
        assert_eq!(lost(&mut ledger, u64::MAX), 1);
        assert_eq!(ledger.len(), MAX_PENDING);
    }
}
