//! The flows in flight and what has been sent, one shard per core.
//!
//! A core writes only its own shard, so the serving path takes no contended lock; whoever wants the
//! sum (a report, a decision, the status page) merges the shards. It must never be updated for a
//! byte that was not accepted by the kernel.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use overspill_core::{
    load::{ClientSample, LoadHistogram},
    units::Rate,
};
use slab::Slab;

use crate::{
    evidence::{ClientSamples, SendingSample},
    seats::Seats,
    tally::{Tallied, Tally},
};

/// The flows and counters of all cores.
#[derive(Debug)]
pub struct FlowTable {
    shards: Box<[Arc<Shard>]>,
    seats: Arc<Seats>,
}

/// One core's part of the table.
#[derive(Debug, Default)]
pub struct Shard {
    remaining: Mutex<Slab<Arc<AtomicU64>>>,
    bytes: AtomicU64,
    finished: AtomicU64,
    cut: AtomicU64,
    errors: AtomicU64,
    /// Written by the core's sweep, and at the end of larger bodies.
    evidence: Mutex<Evidence>,
    tally: Tally,
}

/// What the kernel said of a core's connections.
#[derive(Debug, Default)]
struct Evidence {
    sending: SendingSample,
    clients: ClientSamples,
}

/// Sums since the start of the process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FlowTotals {
    /// Body bytes accepted by the kernel.
    pub bytes: u64,
    /// Bodies sent to their end.
    pub finished: u64,
    /// Bodies that ended early, by whoever's fault.
    pub cut: u64,
    /// Requests that this node failed: server errors, but for having no room.
    pub errors: u64,
}

/// One body being sent; counts as cut unless it is finished before it is dropped.
#[derive(Debug)]
pub struct Flow {
    shard: Arc<Shard>,
    slot: usize,
    remaining: Arc<AtomicU64>,
    sent_bytes: Cell<u64>,
    first_byte: Cell<Option<Instant>>,
}

impl FlowTable {
    /// A table for so many cores, at least one.
    pub fn new(cores: usize) -> Self {
        Self {
            shards: (0..cores.max(1)).map(|_| Arc::default()).collect(),
            seats: Arc::default(),
        }
    }

    /// The shard of a core.
    pub fn shard(&self, core: usize) -> Arc<Shard> {
        Arc::clone(&self.shards[core % self.shards.len()])
    }

    /// The remaining bytes of all flows in flight.
    pub fn load(&self) -> LoadHistogram {
        let mut load = LoadHistogram::empty();
        for shard in &self.shards {
            let remaining = shard.remaining();
            load.extend(remaining.iter().map(|(_, flow)| flow.load(Relaxed)));
        }
        load
    }

    /// Flows in flight.
    pub fn in_flight(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.remaining().len() as u64)
            .sum()
    }

    /// What the last second brought the connections that were sending, over all cores.
    pub fn sending(&self) -> SendingSample {
        let shards = self.shards.iter();
        shards.fold(SendingSample::default(), |sum, shard| {
            sum.plus(&shard.evidence().sending)
        })
    }

    /// Takes what was learned of clients since the last time; of each core at most as much as
    /// [`MAX_CLIENT_SAMPLES`](crate::MAX_CLIENT_SAMPLES), the latest.
    pub fn take_client_samples(&self) -> Vec<ClientSample> {
        let shards = self.shards.iter();
        shards
            .flat_map(|shard| shard.evidence().clients.take())
            .collect()
    }

    /// What all cores have counted of their requests.
    pub fn tallied(&self) -> Tallied {
        let tallies: Vec<&Tally> = self.shards.iter().map(|shard| &shard.tally).collect();
        Tallied::of(&tallies)
    }

    /// The connections.
    pub fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    /// What flows are measured by: the time they would take alone.
    pub fn measure_by(&self, capacity: Rate) {
        for shard in &self.shards {
            shard.tally.set_capacity(capacity.bytes_per_s() as u64);
        }
    }

    /// Sums over all cores.
    pub fn totals(&self) -> FlowTotals {
        self.shards
            .iter()
            .fold(FlowTotals::default(), |sum, shard| FlowTotals {
                bytes: sum.bytes + shard.bytes.load(Relaxed),
                finished: sum.finished + shard.finished.load(Relaxed),
                cut: sum.cut + shard.cut.load(Relaxed),
                errors: sum.errors + shard.errors.load(Relaxed),
            })
    }
}

impl Shard {
    /// Begins a flow of `bytes`.
    pub fn begin(self: &Arc<Self>, bytes: u64) -> Flow {
        let remaining = Arc::new(AtomicU64::new(bytes));
        let slot = self.remaining().insert(Arc::clone(&remaining));
        Flow {
            shard: Arc::clone(self),
            slot,
            remaining,
            sent_bytes: Cell::new(0),
            first_byte: Cell::new(None),
        }
    }

    /// Counts a small body that went out in one piece and never was a flow.
    pub fn sent_at_once(&self, bytes: u64) {
        add(&self.bytes, bytes);
        add(&self.finished, 1);
    }

    /// What this core counts of its requests; for its own thread alone.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What the last second brought the connections of this core.
    pub(crate) fn set_sending(&self, sending: SendingSample) {
        self.evidence().sending = sending;
    }

    /// Something was learned of a client.
    pub(crate) fn learned(&self, sample: ClientSample) {
        self.evidence().clients.push(sample);
    }

    /// Held for a copy or a push; nothing in it can panic.
    fn evidence(&self) -> std::sync::MutexGuard<'_, Evidence> {
        self.evidence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request that this node failed.
    pub fn failed(&self) {
        add(&self.errors, 1);
    }

    /// The lock is held for a slab operation only and nothing in it can panic; should it ever have,
    /// the slab is still a slab.
    fn remaining(&self) -> std::sync::MutexGuard<'_, Slab<Arc<AtomicU64>>> {
        self.remaining
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flow {
    /// Counts bytes the kernel has accepted.
    pub fn sent(&self, bytes: u64) {
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some(Instant::now()));
        }
        let left = self.remaining.load(Relaxed).saturating_sub(bytes);
        self.remaining.store(left, Relaxed);
        self.sent_bytes.set(self.sent_bytes.get() + bytes);
        add(&self.shard.bytes, bytes);
    }

    /// Bytes of this flow that the kernel has accepted.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.get()
    }

    /// When the kernel accepted the first of them.
    pub(crate) fn first_byte(&self) -> Option<Instant> {
        self.first_byte.get()
    }

    /// Whether as many bytes have gone out as the flow began with.
    pub fn is_all_sent(&self) -> bool {
        self.remaining.load(Relaxed) == 0
    }

    /// The body is complete.
    pub fn finish(self) {
        self.remaining.store(0, Relaxed);
        add(&self.shard.finished, 1);
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.shard.remaining().try_remove(self.slot);
        if self.remaining.load(Relaxed) > 0 {
            add(&self.shard.cut, 1);
        }
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_are_seen_while_they_last_and_counted_after() {
        let table = FlowTable::new(2);
        let (a, b) = (table.shard(0).begin(100), table.shard(1).begin(1000));
        a.sent(40);
        assert_eq!((table.in_flight(), table.load().bytes()), (2, 1060));
        a.sent(60);
        a.finish();
        drop(b);
        table.shard(0).sent_at_once(5);
        assert_eq!((table.in_flight(), table.load().bytes()), (0, 0));
        assert_eq!(
            table.totals(),
            FlowTotals {
                bytes: 105,
                finished: 2,
                cut: 1,
                errors: 0
            }
        );
    }
}
