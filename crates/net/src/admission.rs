//! Who may connect, ask, and be sent how much: the client limits, shared by all cores.
//!
//! The rules are `core::limit`; here are the locks around them. Without any limit there is no
//! [`Gate`] at all, so an unlimited node pays nothing. It must never wait: it says how long to wait.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use overspill_core::{
    limit::{
        Admitted, Allowance, Bucket, ClientTable, PerClient, Prefix, PrefixBits, Reservation,
        TooManyConnections,
    },
    units::Rate,
};
use thiserror::Error;

/// What clients may take. The default limits nothing.
///
/// A client is a prefix of addresses: everybody behind one IPv4 address, and a whole IPv6 /64.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientLimits {
    /// Connections one client may have open; `None`, the default, is any number.
    pub connections: Option<NonZeroU32>,
    /// Requests per second of one client, with a burst of a second's worth; default any number.
    pub requests_per_s: Option<NonZeroU32>,
    /// Bytes of bodies per second to one client, over all its connections; default unlimited.
    pub bytes_per_s: Option<Rate>,
    /// Leading bits of an IPv4 address that make a client; `None` is 32.
    pub ipv4_prefix_bits: Option<u8>,
    /// Leading bits of an IPv6 address that make a client; `None` is 64.
    pub ipv6_prefix_bits: Option<u8>,
    /// Bytes of bodies per second to all clients together; default unlimited.
    pub total_bytes_per_s: Option<Rate>,
}

/// The limits at work: one for all cores.
#[derive(Debug)]
pub struct Gate {
    /// `None` when only the total is limited.
    clients: Option<Clients>,
    total: Option<Mutex<(Allowance, Bucket)>>,
    refused_connections: AtomicU64,
    refused_requests: AtomicU64,
    uncounted_connections: AtomicU64,
}

/// What the gate has turned away, since the start of the process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GateTotals {
    /// Connections beyond a client's cap.
    pub refused_connections: u64,
    /// Requests beyond a client's rate.
    pub refused_requests: u64,
    /// Connections let in uncounted, because the table was full of busy clients.
    pub uncounted_connections: u64,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// The client has as many as it may.
    #[error(transparent)]
    Connections(#[from] TooManyConnections),
}

/// A request came too early.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("too many requests from this client; try again in {} s", self.seconds())]
pub struct RetryAfter(pub Duration);

/// How a body goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// Send so many bytes, then ask again. They are spent: what a socket does not take now goes out
    /// later without asking.
    Go(u64),
    /// Ask again after so long; asking earlier does no harm.
    Wait(Duration),
}

/// One open connection of a client; its place is free again when this is dropped.
///
/// It holds at most one reservation for bytes, so it paces one body at a time: it belongs to a
/// connection, or to its only body in flight.
#[derive(Debug)]
pub struct ConnectionPermit {
    gate: Arc<Gate>,
    /// `None` for a connection that is not counted.
    client: Option<Prefix>,
    reserved: Cell<Option<Reserved>>,
}

/// The clients, over several tables so that cores seldom meet at one lock.
#[derive(Debug)]
struct Clients {
    bits: PrefixBits,
    hash: RandomState,
    shards: Box<[Mutex<ClientTable>]>,
}

/// Bytes that were promised for later.
#[derive(Clone, Copy, Debug)]
struct Reserved {
    bytes: u64,
    ready_at: Instant,
    by: Stage,
}

/// The two lines a body stands in, one after the other.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Client,
    Total,
}

/// Most clients remembered at a time: about 10 MiB when all of them are idle and in debt.
pub const CLIENTS_MAX: usize = 65_536;
/// Tables they are spread over. A power of two, and more than the cores of most machines.
const SHARDS: usize = 64;

impl ClientLimits {
    /// What counts as one client.
    fn prefix_bits(&self) -> PrefixBits {
        let default = PrefixBits::default();
        PrefixBits {
            ipv4: self.ipv4_prefix_bits.unwrap_or(default.ipv4),
            ipv6: self.ipv6_prefix_bits.unwrap_or(default.ipv6),
        }
    }

    /// The limits of each client, if there are any.
    fn per_client(&self) -> Option<PerClient> {
        let limits = PerClient {
            connections: self.connections.map(NonZeroU32::get),
            requests: self
                .requests_per_s
                .map(|per_s| Allowance::of_requests(per_s.get())),
            bytes: self.bytes_per_s.map(Allowance::of_bytes),
        };
        let any =
            limits.connections.is_some() || limits.requests.is_some() || limits.bytes.is_some();
        any.then_some(limits)
    }
}

impl Gate {
    /// The gate for these limits; `None` when they limit nothing.
    pub fn new(limits: &ClientLimits, now: Instant) -> Option<Arc<Self>> {
        Self::with_clients_max(limits, CLIENTS_MAX, now)
    }

    fn with_clients_max(
        limits: &ClientLimits,
        clients_max: usize,
        now: Instant,
    ) -> Option<Arc<Self>> {
        let clients = limits
            .per_client()
            .map(|each| Clients::new(each, limits.prefix_bits(), clients_max));
        let total = limits
            .total_bytes_per_s
            .map(|rate| Mutex::new((Allowance::of_bytes(rate), Bucket::full(now))));
        if clients.is_none() && total.is_none() {
            return None;
        }
        Some(Arc::new(Self {
            clients,
            total,
            refused_connections: AtomicU64::new(0),
            refused_requests: AtomicU64::new(0),
            uncounted_connections: AtomicU64::new(0),
        }))
    }

    /// Goes on with other figures, if `limits` limit the same things: the connections that are open
    /// are held to them too. `false` if they do not; then nothing has changed.
    pub fn adjust(&self, limits: &ClientLimits) -> bool {
        let clients = match (&self.clients, limits.per_client()) {
            (None, None) => None,
            (Some(clients), Some(each)) if clients.bits == limits.prefix_bits() => {
                Some((clients, each))
            }
            _ => return false,
        };
        match (&self.total, limits.total_bytes_per_s) {
            (None, None) => {}
            (Some(total), Some(rate)) => locked(total).0 = Allowance::of_bytes(rate),
            _ => return false,
        }
        if let Some((clients, each)) = clients {
            for shard in &clients.shards {
                locked(shard).set_limits(each);
            }
        }
        true
    }

    /// A connection from `ip` opens.
    pub fn connect(
        self: &Arc<Self>,
        ip: IpAddr,
        now: Instant,
    ) -> Result<ConnectionPermit, Refusal> {
        let client = match &self.clients {
            None => None,
            Some(clients) => self.count(clients, Prefix::of(ip, clients.bits), now)?,
        };
        Ok(ConnectionPermit {
            gate: Arc::clone(self),
            client,
            reserved: Cell::new(None),
        })
    }

    /// What was turned away so far.
    pub fn totals(&self) -> GateTotals {
        GateTotals {
            refused_connections: self.refused_connections.load(Relaxed),
            refused_requests: self.refused_requests.load(Relaxed),
            uncounted_connections: self.uncounted_connections.load(Relaxed),
        }
    }

    /// Clients remembered at the moment, at most [`CLIENTS_MAX`].
    pub fn clients(&self) -> usize {
        let shards = self.clients.iter().flat_map(|clients| &clients.shards);
        shards.map(|shard| locked(shard).len()).sum()
    }

    fn count(
        &self,
        clients: &Clients,
        client: Prefix,
        now: Instant,
    ) -> Result<Option<Prefix>, Refusal> {
        match clients.table(client).connect(client, now) {
            Ok(Admitted::Counted) => Ok(Some(client)),
            Ok(Admitted::Uncounted) => {
                self.uncounted_connections.fetch_add(1, Relaxed);
                Ok(None)
            }
            Err(too_many) => {
                self.refused_connections.fetch_add(1, Relaxed);
                Err(too_many.into())
            }
        }
    }
}

impl RetryAfter {
    /// Whole seconds for the field `Retry-After`, rounded up, at least 1.
    pub fn seconds(self) -> u64 {
        let rest = u64::from(self.0.subsec_nanos() > 0);
        self.0.as_secs().saturating_add(rest).max(1)
    }
}

impl ConnectionPermit {
    /// A request has arrived on this connection: may it be answered now?
    pub fn request(&self, now: Instant) -> Result<(), RetryAfter> {
        let Some((mut table, client)) = self.table() else {
            return Ok(());
        };
        table.request(client, now).map_err(|wait| {
            self.gate.refused_requests.fetch_add(1, Relaxed);
            RetryAfter(wait.0)
        })
    }

    /// How a body of which `wanted_bytes` are left goes on.
    ///
    /// The bytes are reserved with the client's rate first and, once that is due, with the total:
    /// each line is first come, first served, so the flows of a client share its rate and all flows
    /// share the total in equal parts, and nobody who waits is overtaken. The total is kept exactly.
    /// A client's rate is kept on average; while the total makes its flows wait, what they have
    /// reserved, at most a quantum each, may come out closer together.
    pub fn pace(&self, now: Instant, wanted_bytes: u64) -> Pace {
        let reserved = self.reserved.take();
        let mut reserved = reserved.unwrap_or_else(|| self.reserve_of_client(now, wanted_bytes));
        if reserved.ready_at <= now && matches!(reserved.by, Stage::Client) {
            reserved = self.reserve_of_total(now, reserved.bytes.min(wanted_bytes));
        }
        if reserved.ready_at <= now {
            // A reservation larger than what is left was made for another body; the rest lapses.
            return Pace::Go(reserved.bytes.min(wanted_bytes));
        }
        self.reserved.set(Some(reserved));
        Pace::Wait(reserved.ready_at - now)
    }

    fn reserve_of_client(&self, now: Instant, wanted_bytes: u64) -> Reserved {
        let reservation = match self.table() {
            Some((mut table, client)) => table.reserve(client, now, wanted_bytes),
            None => Reservation::at_once(wanted_bytes),
        };
        Reserved::new(reservation, now, Stage::Client)
    }

    fn reserve_of_total(&self, now: Instant, wanted_bytes: u64) -> Reserved {
        let reservation = match &self.gate.total {
            Some(total) => {
                let (allowance, bucket) = &mut *locked(total);
                bucket.reserve(allowance, now, wanted_bytes)
            }
            None => Reservation::at_once(wanted_bytes),
        };
        Reserved::new(reservation, now, Stage::Total)
    }

    /// The table this connection is counted in, locked, and the client.
    fn table(&self) -> Option<(MutexGuard<'_, ClientTable>, Prefix)> {
        let clients = self.gate.clients.as_ref()?;
        let client = self.client?;
        Some((clients.table(client), client))
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        if let Some((mut table, client)) = self.table() {
            table.disconnect(client, Instant::now());
        }
    }
}

impl Reserved {
    fn new(reservation: Reservation, now: Instant, by: Stage) -> Self {
        Self {
            bytes: reservation.tokens,
            // Beyond what the clock can show is as good as at once: it does not happen.
            ready_at: now.checked_add(reservation.wait).unwrap_or(now),
            by,
        }
    }
}

impl Clients {
    fn new(each: PerClient, bits: PrefixBits, clients_max: usize) -> Self {
        let hash = RandomState::new();
        let shards = (0..SHARDS).map(|shard| {
            let seed = hash.hash_one(shard);
            Mutex::new(ClientTable::new(each, clients_max / SHARDS, seed))
        });
        Self {
            bits,
            shards: shards.collect(),
            hash,
        }
    }

    /// The table that `client` is in, locked.
    fn table(&self, client: Prefix) -> MutexGuard<'_, ClientTable> {
        let shard = self.hash.hash_one(client) as usize % SHARDS;
        locked(&self.shards[shard])
    }
}

/// A panic elsewhere leaves counts behind that are no worse than none.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
