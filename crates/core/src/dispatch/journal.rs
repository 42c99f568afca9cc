//! The last decisions, for people who ask why.
//!
//! A ring whose slots are reused: noting a decision allocates nothing once it is full. It must never
//! hold anything secret; a client's address is shown only to who may see the access log.

use core::net::IpAddr;
use std::time::Instant;

use super::{Flow, Part, Turn};
use crate::{fleet::MemberId, root::Root};

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// When.
    pub at: Instant,
    /// Counts up from 1.
    pub number: u64,
    /// For whom.
    pub client: IpAddr,
    /// The content.
    pub root: Root,
    /// Bytes of the body.
    pub bytes: u64,
    /// Which part of the content.
    pub part: Part,
    /// What.
    pub choice: Choice,
    /// Who fed the body before and failed, if it was under way.
    pub instead_of: Option<MemberId>,
    /// The cost of the chosen one, or the wait that was too long, in seconds.
    pub cost_s: f64,
    /// Among how many candidates.
    pub candidates: usize,
}

/// What was decided.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Choice {
    /// To serve.
    Here,
    /// To redirect there.
    Member(MemberId),
    /// To relay from there.
    Relay(MemberId),
    /// To refuse.
    Rejected,
}

/// The ring.
#[derive(Debug, Default)]
pub struct Journal {
    ring: Vec<Decided>,
    noted: u64,
}

impl Journal {
    /// How many decisions are remembered.
    pub const LENGTH: usize = 10_000;

    pub(super) fn note(
        &mut self,
        now: Instant,
        flow: &Flow<'_>,
        choice: Choice,
        cost_s: f64,
        candidates: usize,
    ) {
        self.noted += 1;
        let failed = flow.avoid.last().filter(|_| flow.turn == Turn::Underway);
        let decided = Decided {
            at: now,
            number: self.noted,
            client: flow.client,
            root: flow.root,
            bytes: flow.bytes,
            part: flow.part,
            choice,
            instead_of: failed.cloned(),
            cost_s,
            candidates,
        };
        if self.ring.len() < Self::LENGTH {
            // All of it at once, at the first decision.
            self.ring.reserve_exact(Self::LENGTH - self.ring.len());
            self.ring.push(decided);
        } else {
            let at = (self.noted as usize - 1) % Self::LENGTH;
            self.ring[at] = decided;
        }
    }

    /// The decisions, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Decided> {
        let newest = self.noted as usize % Self::LENGTH;
        let split = if self.ring.len() < Self::LENGTH {
            0
        } else {
            newest
        };
        let (newer, older) = self.ring.split_at(split);
        newer.iter().rev().chain(older.iter().rev())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::tests::flow;

    #[test]
    fn the_ring_keeps_the_last_and_reads_backwards() {
        let mut journal = Journal::default();
        let now = Instant::now();
        let numbers = |journal: &Journal| -> Vec<u64> {
            journal
                .newest_first()
                .map(|decided| decided.number)
                .collect()
        };
        for _ in 0..3 {
            journal.note(now, &flow(1, &[]), Choice::Here, 0.0, 1);
        }
        assert_eq!(numbers(&journal), [3, 2, 1]);
        for _ in 0..Journal::LENGTH {
            journal.note(now, &flow(1, &[]), Choice::Here, 0.0, 1);
        }
        let length = Journal::LENGTH as u64;
        let expected: Vec<u64> = (4..=length + 3).rev().collect();
        assert_eq!(numbers(&journal), expected);
    }
}
