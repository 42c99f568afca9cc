//! The flows in flight and what has been sent, one shard per core.
//!
//! A core writes only its own shard, so the serving path takes no contended lock; whoever wants the
//! sum (a report, a decision, the status page) merges the shards. It must never be updated for a
//! byte that was not accepted by the kernel.

use std::{
    cell::Cell,
    cmp::Ordering,
    collections::BinaryHeap,
    net::IpAddr,
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
    service::Decision,
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
    in_flight: Mutex<Slab<Arc<InFlight>>>,
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

/// One body while it is being sent, for whoever looks from outside.
#[derive(Debug)]
struct InFlight {
    planned_bytes: u64,
    remaining: AtomicU64,
    label: Option<Label>,
}

/// What a flow is, for people who look at what is being sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Label {
    /// The path as the request's URL wrote it, without its query, where tickets stand; at most
    /// [`Label::MAX_PATH_BYTES`] of it.
    pub path: Box<[u8]>,
    /// Who gets it.
    pub client: IpAddr,
    /// The member it comes from through this node, if it is relayed.
    pub member: Option<Arc<str>>,
    /// When it began.
    pub began: Instant,
}

/// A flow that has a label, as it was when somebody looked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeenFlow {
    /// What it is.
    pub label: Label,
    /// Bytes of the body; 0 if nobody knows yet.
    pub planned_bytes: u64,
    /// Bytes that the kernel has not yet accepted.
    pub remaining_bytes: u64,
}

/// One body being sent; counts as cut unless it is finished before it is dropped.
#[derive(Debug)]
pub struct Flow {
    shard: Arc<Shard>,
    slot: usize,
    in_flight: Arc<InFlight>,
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

    /// How many cores it is for.
    pub fn cores(&self) -> usize {
        self.shards.len()
    }

    /// The shard of a core.
    pub fn shard(&self, core: usize) -> Arc<Shard> {
        Arc::clone(&self.shards[core % self.shards.len()])
    }

    /// The remaining bytes of all flows in flight.
    pub fn load(&self) -> LoadHistogram {
        let mut load = LoadHistogram::empty();
        for shard in &self.shards {
            let in_flight = shard.in_flight();
            load.extend(
                in_flight
                    .iter()
                    .map(|(_, flow)| flow.remaining.load(Relaxed)),
            );
        }
        load
    }

    /// Flows in flight.
    pub fn in_flight(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.in_flight().len() as u64)
            .sum()
    }

    /// The largest flows in flight, at most `most`, largest first.
    ///
    /// Each core's flows are looked through while it cannot begin or end any: about a microsecond for
    /// a hundred of them. For people who look once a second, not for decisions.
    pub fn largest(&self, most: usize) -> Vec<SeenFlow> {
        let mut largest: BinaryHeap<Ranked> = BinaryHeap::with_capacity(most + 1);
        for shard in &self.shards {
            let in_flight = shard.in_flight();
            for (_, flow) in in_flight.iter().filter(|(_, flow)| flow.label.is_some()) {
                largest.push(Ranked(Arc::clone(flow)));
                if largest.len() > most {
                    largest.pop();
                }
            }
        }
        let sorted = largest.into_sorted_vec().into_iter();
        sorted.filter_map(|Ranked(flow)| flow.seen()).collect()
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
        self.enter(bytes, None)
    }

    /// Begins a flow of `bytes` that is shown to people.
    pub fn begin_labelled(self: &Arc<Self>, bytes: u64, label: Label) -> Flow {
        self.enter(bytes, Some(label))
    }

    fn enter(self: &Arc<Self>, bytes: u64, label: Option<Label>) -> Flow {
        let in_flight = Arc::new(InFlight {
            planned_bytes: bytes,
            remaining: AtomicU64::new(bytes),
            label,
        });
        let slot = self.in_flight().insert(Arc::clone(&in_flight));
        Flow {
            shard: Arc::clone(self),
            slot,
            in_flight,
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
    fn in_flight(&self) -> std::sync::MutexGuard<'_, Slab<Arc<InFlight>>> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    fn seen(&self) -> Option<SeenFlow> {
        Some(SeenFlow {
            label: self.label.clone()?,
            planned_bytes: self.planned_bytes,
            remaining_bytes: self.remaining.load(Relaxed),
        })
    }
}

impl Label {
    /// Longest path that is kept of a flow.
    pub const MAX_PATH_BYTES: usize = 512;

    /// The label of a flow that begins now.
    pub fn new(path: &[u8], client: IpAddr, decision: &Decision) -> Self {
        Self {
            path: path[..path.len().min(Self::MAX_PATH_BYTES)].into(),
            client,
            member: match decision {
                Decision::Relay(member) => Some(Arc::clone(member)),
                _ => None,
            },
            began: Instant::now(),
        }
    }
}

/// Flows in the order of their sizes, largest first.
struct Ranked(Arc<InFlight>);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.planned_bytes.cmp(&self.0.planned_bytes)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

impl Flow {
    /// Counts bytes the kernel has accepted.
    pub fn sent(&self, bytes: u64) {
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some(Instant::now()));
        }
        let remaining = &self.in_flight.remaining;
        remaining.store(remaining.load(Relaxed).saturating_sub(bytes), Relaxed);
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
        self.in_flight.remaining.load(Relaxed) == 0
    }

    /// The body is complete.
    pub fn finish(self) {
        self.in_flight.remaining.store(0, Relaxed);
        add(&self.shard.finished, 1);
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.shard.in_flight().try_remove(self.slot);
        if self.in_flight.remaining.load(Relaxed) > 0 {
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
    #[test]
    fn the_largest_flows_are_shown_first_and_those_without_a_label_not() {
        let table = FlowTable::new(2);
        let client = IpAddr::from([192, 0, 2, 1]);
        let relay = Decision::Relay(Arc::from("m-1"));
        let label = |path: &str| Label::new(path.as_bytes(), client, &relay);
        let flows: Vec<Flow> = (1..=9)
            .map(|at| {
                let shard = table.shard(at % 2);
                shard.begin_labelled(at as u64 * 100, label(&format!("/{at}")))
            })
            .collect();
        let _hidden = table.shard(0).begin(10_000);
        flows[7].sent(750);
        let shown = table.largest(3);
        let sizes: Vec<_> = shown.iter().map(|one| one.planned_bytes).collect();
        assert_eq!(sizes, [900, 800, 700]);
        assert_eq!(
            (shown[1].remaining_bytes, &*shown[1].label.path),
            (50, &b"/8"[..])
        );
        assert_eq!(shown[1].label.member.as_deref(), Some("m-1"));
        let long = Label::new(&[b'x'; 5000], client, &Decision::Serve);
        assert_eq!(long.path.len(), Label::MAX_PATH_BYTES);
        drop(flows);
        assert_eq!(table.largest(3), []);
    }
}
