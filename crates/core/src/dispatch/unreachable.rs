//! Pairs of clients and members that do not reach each other.
//!
//! Behind a firewall, or from a blocked range, a mirror that is well for everybody else is dead. The
//! table is small and short-lived, because it is made of guesses. It must never keep anybody from a
//! member for longer than [`AVOIDED_FOR`].

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{fleet::MemberId, limit::Prefix};

/// The pairs, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unreachable(VecDeque<Pair>);

/// One pair.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    client: Prefix,
    member: MemberId,
    at: Instant,
}

/// How long a pair is kept apart.
const AVOIDED_FOR: Duration = Duration::from_secs(300);
/// Most pairs; older ones are forgotten.
const MAX_PAIRS: usize = 256;

impl Unreachable {
    pub(super) fn note(&mut self, now: Instant, client: Prefix, member: MemberId) {
        self.0.retain(|pair| {
            now.saturating_duration_since(pair.at) < AVOIDED_FOR
                && !(pair.client == client && pair.member == member)
        });
        if self.0.len() >= MAX_PAIRS {
            self.0.pop_front();
        }
        self.0.push_back(Pair {
            client,
            member,
            at: now,
        });
    }

    /// The members that are to be kept from this client now.
    pub(super) fn of(
        &self,
        now: Instant,
        client: Prefix,
    ) -> impl Iterator<Item = &MemberId> + Clone {
        let pairs = self.0.iter();
        pairs
            .filter(move |pair| {
                pair.client == client && now.saturating_duration_since(pair.at) < AVOIDED_FOR
            })
            .map(|pair| &pair.member)
    }
}
