//! Making the replica complete: several fetches at once, commits in groups, patience with the disk.
//!
//! It runs whether or not the server is there: without it, fetches fail and wait. When the disk is
//! full it stops asking for more, and looks from time to time whether there is room again. It must
//! never busy-wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use overspill_core::{fleet::Condition, root::Root};
use overspill_net::client::HttpClient;
use overspill_store::objects::{ObjectError, Received};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use crate::{
    fetch::{FetchError, Plan, fetch},
    metrics::SyncCounts,
    replica::{Missing, Replica},
};

/// Fetches running at once.
pub(crate) const PARALLEL_FETCHES: usize = 8;
/// Objects committed together at most.
const GROUP_OBJECTS: usize = 512;
/// Pause before an object is tried again after a failure: doubled by chance, not by count, because
/// what fails for one object mostly fails for all.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Pause before an object is tried again that the server says it has no more.
const SUPERSEDED_PAUSE: Duration = Duration::from_secs(5);
/// How often a full disk is looked at again.
const FULL_DISK_PAUSE: Duration = Duration::from_secs(2);
/// Room kept free beyond the next object.
const RESERVE_BYTES: u64 = 16 << 20;
/// Longest sleep without looking: paused objects come due without a bell.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What the fetchers share.
pub(crate) struct Syncer {
    pub(crate) replica: Arc<Replica>,
    pub(crate) client: HttpClient,
    pub(crate) plan: Plan,
    pub(crate) counts: SyncCounts,
    disk: AtomicU8,
    room: Notify,
}

const ROOM: u8 = 0;
const FULL: u8 = 1;

impl Syncer {
    pub(crate) fn new(replica: Arc<Replica>, client: HttpClient, plan: Plan) -> Self {
        Self {
            replica,
            client,
            plan,
            counts: SyncCounts::default(),
            disk: AtomicU8::new(ROOM),
            room: Notify::new(),
        }
    }

    /// The condition to report.
    pub(crate) fn condition(&self) -> Condition {
        if self.is_full() {
            Condition::DiskFull
        } else {
            Condition::Normal
        }
    }

    /// Fetches for ever; to be run [`PARALLEL_FETCHES`] times.
    pub(crate) async fn fetch_forever(&self, received: mpsc::Sender<Received>) {
        loop {
            // Listening begins before the look, or room made in between would go unheard.
            let room = self.room.notified();
            if self.is_full() {
                room.await;
            }
            let Some(missing) = self.replica.claim(Instant::now()) else {
                // Woken by the bell or by the clock; either way the queue is looked at again.
                let _ = timeout(LOOK_EVERY, self.replica.wanted.notified()).await;
                continue;
            };
            // There may be more where this came from: wake the next fetcher.
            self.replica.wanted.notify_one();
            let (store, counts) = (&self.replica.store, &self.counts);
            match fetch(&self.client, &self.plan, store, &missing, counts).await {
                Ok(object) => {
                    counts.objects.fetch_add(1, Relaxed);
                    if received.send(object).await.is_err() {
                        return;
                    }
                }
                Err(error) => self.failed(&missing, &error),
            }
        }
    }

    fn failed(&self, missing: &Missing, error: &FetchError) {
        self.counts.failures.fetch_add(1, Relaxed);
        let (path, root) = (&missing.path, &missing.root);
        let pause = match error {
            FetchError::Store(ObjectError::DiskFull { .. }) => {
                self.disk_is_full();
                FULL_DISK_PAUSE
            }
            FetchError::Digests => {
                tracing::warn!(
                    event = "object-refused", %path, %root, %error,
                    "a fetched object is not kept; it is fetched again"
                );
                RETRY_PAUSE
            }
            FetchError::Store(ObjectError::Mismatch { .. }) => {
                tracing::warn!(
                    event = "object-refused", %path, %root, %error,
                    "a fetched object is not what the catalog promises; it is fetched again"
                );
                RETRY_PAUSE
            }
            FetchError::Superseded => {
                self.replica.find_again(missing);
                SUPERSEDED_PAUSE
            }
            FetchError::Store(_) | FetchError::Client(_) | FetchError::Unexpected(_) => {
                tracing::debug!(%path, %root, %error, "fetch failed");
                RETRY_PAUSE.mul_f64(1.0 + fastrand::f64())
            }
        };
        self.replica.give_back(missing, pause);
    }

    /// Commits received objects for ever, in groups: one sync for many small files.
    pub(crate) async fn commit_forever(&self, mut received: mpsc::Receiver<Received>) {
        let mut group = Vec::new();
        while received.recv_many(&mut group, GROUP_OBJECTS).await > 0 {
            let roots: Vec<Root> = group.iter().map(Received::root).collect();
            let objects = std::mem::take(&mut group);
            let (replica, committing) = (Arc::clone(&self.replica), roots.clone());
            let committed = tokio::task::spawn_blocking(move || {
                replica.store.commit(objects)?;
                replica.held(&committing);
                replica.sync_index_when_complete();
                Ok::<_, ObjectError>(())
            });
            match committed.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    if matches!(error, ObjectError::DiskFull { .. }) {
                        self.disk_is_full();
                    } else {
                        tracing::warn!(
                            event = "commit-failed", %error,
                            "fetched objects cannot be stored; they are fetched again; check the \
                             disk of the store"
                        );
                    }
                    self.replica.unclaim(&roots, FULL_DISK_PAUSE);
                }
                Err(error) => {
                    tracing::error!(
                        event = "thread-panicked", thread = "commit", %error,
                        "storing fetched objects has panicked; they are fetched again"
                    );
                    self.replica.unclaim(&roots, FULL_DISK_PAUSE);
                }
            }
        }
    }

    /// Looks for ever whether a full disk has room again.
    pub(crate) async fn watch_disk_forever(&self) {
        loop {
            sleep(FULL_DISK_PAUSE).await;
            if !self.is_full() {
                continue;
            }
            let wanted = self.replica.smallest_missing().unwrap_or(0) + RESERVE_BYTES;
            if self
                .replica
                .store
                .free_bytes()
                .is_ok_and(|free| free >= wanted)
            {
                tracing::info!(
                    event = "disk-room",
                    "there is room on the disk again; fetching goes on"
                );
                self.disk.store(ROOM, Relaxed);
                self.room.notify_waiters();
                self.replica.changed.notify_one();
            }
        }
    }

    fn disk_is_full(&self) {
        if self.disk.swap(FULL, Relaxed) == ROOM {
            tracing::error!(
                event = "disk-full",
                "the disk of the store is full: fetching stops, serving goes on; free some space, \
                 and fetching resumes by itself"
            );
            self.replica.changed.notify_one();
        }
    }

    fn is_full(&self) -> bool {
        self.disk.load(Relaxed) == FULL
    }
}
