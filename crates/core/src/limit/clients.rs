//! Who has taken what: a bounded table of clients.
//!
//! A client is in the table while it has a connection open, and after that only until its buckets
//! are full again: then forgetting it changes nothing, so there is no age to choose and no leak. When
//! the table is full, the idle client that is nearest to being forgotten makes room. It must never
//! forget a client with open connections: its count would begin at zero.
//!
//! Should all clients in a full table be busy, it fails **open**: a further client is admitted
//! without being counted. Refusing it would let whoever fills the table lock everybody else out,
//! while an uncounted client is still held by what bounds all of them together: the node's cap on
//! connections and its egress limit.

use std::{
    collections::{BTreeSet, HashMap, hash_map},
    time::Instant,
};

use foldhash::fast::FixedState;
use thiserror::Error;

use super::{
    bucket::{Allowance, Bucket, Reservation, Wait},
    prefix::Prefix,
};

/// What each client may take; `None` is as much as it likes.
#[derive(Clone, Copy, Debug, Default)]
pub struct PerClient {
    /// Connections open at the same time.
    pub connections: Option<u32>,
    /// Requests.
    pub requests: Option<Allowance>,
    /// Bytes sent to it, over all its connections.
    pub bytes: Option<Allowance>,
}

/// A bounded table of clients.
#[derive(Debug)]
pub struct ClientTable {
    limits: PerClient,
    clients_max: usize,
    entries: HashMap<Prefix, Entry, FixedState>,
    /// Clients without a connection, by when they can be forgotten. A bucket is only ever touched
    /// through a connection, so these times stand still.
    idle: BTreeSet<(Instant, Prefix)>,
}

/// How a connection was let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admitted {
    /// It counts, and has to be ended by [`ClientTable::disconnect`].
    Counted,
    /// The table is full of busy clients; nothing is known about this one and nothing to end.
    Uncounted,
}

/// A client has as many connections as it may.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("this client has {connections_max} connections open, which is the most it may have")]
pub struct TooManyConnections {
    /// The cap it has met.
    pub connections_max: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    requests: Bucket,
    bytes: Bucket,
    connections: u32,
}

/// How many idle clients a newcomer may clear away: more than come in, so that the table shrinks,
/// and few enough to cost nothing.
const FORGOTTEN_PER_CONNECT: usize = 2;

impl ClientTable {
    /// An empty table for at most `clients_max` clients, at least one.
    ///
    /// `seed` is random and secret, so that no client can choose addresses that collide.
    pub fn new(limits: PerClient, clients_max: usize, seed: u64) -> Self {
        Self {
            limits,
            clients_max: clients_max.max(1),
            entries: HashMap::with_hasher(FixedState::with_seed(seed)),
            idle: BTreeSet::new(),
        }
    }

    /// Other limits from now on; who has what stays known.
    pub fn set_limits(&mut self, limits: PerClient) {
        self.limits = limits;
    }

    /// Clients in the table.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is in the table.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A connection of `client` opens.
    pub fn connect(
        &mut self,
        client: Prefix,
        now: Instant,
    ) -> Result<Admitted, TooManyConnections> {
        self.forget(now);
        if let Some(entry) = self.entries.get_mut(&client) {
            if entry.connections == 0 {
                self.idle.remove(&(entry.full_at(), client));
            }
            entry.connect(self.limits.connections)?;
            return Ok(Admitted::Counted);
        }
        if self.entries.len() >= self.clients_max && !self.make_room() {
            return Ok(Admitted::Uncounted);
        }
        let mut entry = Entry::new(now);
        entry.connect(self.limits.connections)?;
        self.entries.insert(client, entry);
        Ok(Admitted::Counted)
    }

    /// A connection of `client` that was counted has closed.
    pub fn disconnect(&mut self, client: Prefix, now: Instant) {
        let hash_map::Entry::Occupied(mut slot) = self.entries.entry(client) else {
            debug_assert!(false, "clients with connections stay in the table");
            return;
        };
        let entry = slot.get_mut();
        debug_assert!(entry.connections > 0, "each connection closes once");
        entry.connections = entry.connections.saturating_sub(1);
        if entry.connections > 0 {
            return;
        }
        let full_at = entry.full_at();
        if full_at <= now {
            slot.remove();
        } else {
            self.idle.insert((full_at, client));
        }
    }

    /// A request arrives on a connection that was counted: may it be answered now?
    pub fn request(&mut self, client: Prefix, now: Instant) -> Result<(), Wait> {
        match (&self.limits.requests, self.entries.get_mut(&client)) {
            (Some(allowance), Some(entry)) => entry.requests.take(allowance, now, 1),
            _ => Ok(()),
        }
    }

    /// Bytes for a connection that was counted: how many of those wanted, and how soon.
    ///
    /// As [`Bucket::reserve`]; without a limit all of them at once.
    pub fn reserve(&mut self, client: Prefix, now: Instant, wanted_bytes: u64) -> Reservation {
        match (&self.limits.bytes, self.entries.get_mut(&client)) {
            (Some(allowance), Some(entry)) => entry.bytes.reserve(allowance, now, wanted_bytes),
            _ => Reservation::at_once(wanted_bytes),
        }
    }

    /// Forgets some of the clients that have come to rest.
    fn forget(&mut self, now: Instant) {
        for _ in 0..FORGOTTEN_PER_CONNECT {
            match self.idle.first() {
                Some((full_at, _)) if *full_at <= now => self.make_room(),
                _ => return,
            };
        }
    }

    /// Forgets the idle client that is nearest to being at rest; says whether there was one.
    fn make_room(&mut self) -> bool {
        let Some((_, client)) = self.idle.pop_first() else {
            return false;
        };
        self.entries.remove(&client);
        true
    }
}

impl Entry {
    fn new(now: Instant) -> Self {
        Self {
            requests: Bucket::full(now),
            bytes: Bucket::full(now),
            connections: 0,
        }
    }

    fn connect(&mut self, connections_max: Option<u32>) -> Result<(), TooManyConnections> {
        match connections_max {
            Some(connections_max) if self.connections >= connections_max => {
                Err(TooManyConnections { connections_max })
            }
            _ => {
                self.connections = self.connections.saturating_add(1);
                Ok(())
            }
        }
    }

    /// When both buckets are full.
    fn full_at(&self) -> Instant {
        self.requests.full_at().max(self.bytes.full_at())
    }
}

#[cfg(test)]
mod tests;
