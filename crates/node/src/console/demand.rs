//! What is asked for most at this node, counted core by core.
//!
//! Every body of 64 KiB and more is counted, and one in [`SAMPLED_OF`] of the smaller ones, for as
//! many. So a small hot file costs an addition and a multiplication most of the time; counting costs a
//! hash, a lock that nobody else wants, and 30 to 70 ns in the table for a file that is in it, 0.3 us
//! for one that is not, beside the 15 us and more that such a body costs. It must never be asked to
//! decide anything.

use std::{
    cell::Cell,
    collections::HashMap,
    hash::BuildHasher,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use overspill_core::{
    dispatch::MIN_OFFLOAD_BYTES,
    load::{Asked, DemandTable, Demanded},
    path::CatalogPath,
    root::Root,
};

/// What the files are told by: their path, and the content they had.
type Subject = (CatalogPath, Option<Root>);

/// One core's counts.
#[derive(Debug)]
struct Windows {
    now: DemandTable<Subject>,
    before: DemandTable<Subject>,
}

/// The counts of all cores.
#[derive(Debug)]
pub(crate) struct Demand {
    shards: Box<[Arc<Mutex<Windows>>]>,
    turned: Mutex<Instant>,
}

/// Counts for one core.
#[derive(Debug)]
pub(crate) struct DemandCounter {
    shard: Arc<Mutex<Windows>>,
    hasher: foldhash::fast::RandomState,
    small: Cell<u64>,
}

/// Smaller bodies that one of them stands for.
const SAMPLED_OF: u64 = 16;
/// What is told is of the last one to two of these.
const WINDOW: Duration = Duration::from_secs(120);
/// The golden ratio as a fraction of 2^64: its multiples are spread evenly, whatever the rhythm in
/// which clients ask.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Demand {
    pub(crate) fn new(cores: usize, now: Instant) -> Self {
        let shard = || {
            Arc::new(Mutex::new(Windows {
                now: DemandTable::default(),
                before: DemandTable::default(),
            }))
        };
        Self {
            shards: (0..cores.max(1)).map(|_| shard()).collect(),
            turned: Mutex::new(now),
        }
    }

    /// The counter of a core.
    pub(crate) fn counter(&self, core: usize) -> DemandCounter {
        DemandCounter {
            shard: Arc::clone(&self.shards[core % self.shards.len()]),
            hasher: foldhash::fast::RandomState::default(),
            small: Cell::new(0),
        }
    }

    /// Lets old counts go; to be called about once a second.
    pub(crate) fn turn(&self, now: Instant) {
        let mut turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(*turned) < WINDOW {
            return;
        }
        *turned = now;
        for shard in &self.shards {
            let mut windows = lock(shard);
            windows.before = mem::take(&mut windows.now);
        }
    }

    /// Everything that is counted, by path.
    pub(crate) fn all(&self) -> HashMap<CatalogPath, Demanded<Option<Root>>> {
        let mut all: HashMap<CatalogPath, Demanded<Option<Root>>> = HashMap::new();
        for shard in &self.shards {
            let windows = lock(shard);
            for one in windows.before.iter().chain(windows.now.iter()) {
                let (path, root) = one.subject;
                let sum = all.entry(path.clone()).or_insert(Demanded {
                    subject: *root,
                    bytes: 0,
                    surplus_bytes: 0,
                    requests: 0,
                });
                sum.subject = *root;
                sum.bytes += one.bytes;
                sum.surplus_bytes += one.surplus_bytes;
                sum.requests += one.requests;
            }
        }
        all
    }
}

impl DemandCounter {
    /// Counts a request for a body of so many bytes of a file.
    pub(crate) fn count(&self, path: &CatalogPath, root: Option<Root>, bytes: u64) {
        let weight = match bytes {
            MIN_OFFLOAD_BYTES.. => 1,
            _ if self.is_sampled() => SAMPLED_OF,
            _ => return,
        };
        let subject = (path.clone(), root);
        let asked = Asked {
            bytes: bytes.saturating_mul(weight),
            requests: weight,
        };
        let hash = self.hasher.hash_one(&subject);
        lock(&self.shard).now.count(hash, &subject, asked);
    }

    fn is_sampled(&self) -> bool {
        let number = self.small.get().wrapping_add(1);
        self.small.set(number);
        number.wrapping_mul(GOLDEN) < u64::MAX / SAMPLED_OF
    }
}

/// Held for a search; nothing in it can panic.
fn lock(shard: &Mutex<Windows>) -> MutexGuard<'_, Windows> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> CatalogPath {
        CatalogPath::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn large_bodies_are_counted_exactly_and_small_ones_about() {
        let demand = Demand::new(2, Instant::now());
        let (a, b) = (demand.counter(0), demand.counter(1));
        let root = Some(Root([1; 32]));
        for counter in [&a, &b] {
            counter.count(&path("large"), root, 100_000);
        }
        // In turn with another file, at the very rhythm of the sample.
        for _ in 0..16_000 {
            a.count(&path("small"), None, 1000);
            for _ in 1..SAMPLED_OF {
                a.count(&path("other"), None, 10);
            }
        }
        let all = demand.all();
        let large = &all[&path("large")];
        assert_eq!(
            (large.bytes, large.requests, large.subject),
            (200_000, 2, root)
        );
        let small = &all[&path("small")];
        assert!((15_000..17_000).contains(&small.requests), "{small:?}");
        assert_eq!(small.bytes, small.requests * 1000);
    }

    #[test]
    fn old_counts_go() {
        let now = Instant::now();
        let demand = Demand::new(1, now);
        demand.counter(0).count(&path("a"), None, 100_000);
        for (turn, seen) in [(1, 1), (2, 0)] {
            demand.turn(now + WINDOW * turn);
            assert_eq!(demand.all().len(), seen, "{turn}");
        }
    }
}
