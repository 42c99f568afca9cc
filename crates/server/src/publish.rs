//! Publishing: the live tree on one side, the catalog and its journal on the other.
//!
//! One thread owns the draft of the next revision. It learns of changes from inotify (hints) and from
//! scans (the truth), has files hashed by low-priority workers once they are still, and publishes
//! batches by swapping a snapshot. Readers never wait for it. It must never publish a root for bytes
//! that were not hashed between two equal looks at the file.

mod draft;
mod hashing;
mod publisher;
mod settling;
mod walk;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use overspill_core::{
    catalog::{Catalog, Change, InstanceId, Journal, Revision, Since},
    path::CatalogPath,
};
use overspill_wire::fleet::ListingState;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::publisher::Loss;
pub(crate) use self::publisher::{PublishConfig, Publisher, random_instance};

/// What has been published: the snapshot everyone reads, the journal, and the bell.
#[derive(Debug)]
pub(crate) struct Published {
    catalog: arc_swap::ArcSwap<Catalog>,
    journal: Mutex<Journal>,
    revision: watch::Sender<Revision>,
    restored: AtomicBool,
    scanned: CancellationToken,
    problems: Mutex<BTreeMap<Subject, String>>,
}

/// What a problem is about; a later one about the same replaces it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Subject {
    /// The folder as a whole: a scan that lost too much.
    Loss,
    /// One path.
    Path(CatalogPath),
    /// inotify.
    Watching,
}

/// Problems with paths that are logged one by one.
const MAX_LOGGED: usize = 10;
/// Most problems remembered for the status page.
const MAX_PROBLEMS: usize = 1000;

impl Published {
    pub(crate) fn new(instance: InstanceId) -> Self {
        Self {
            catalog: arc_swap::ArcSwap::from_pointee(Catalog::new(instance)),
            journal: Mutex::new(Journal::default()),
            revision: watch::Sender::new(Revision::ZERO),
            restored: AtomicBool::new(false),
            scanned: CancellationToken::new(),
            problems: Mutex::default(),
        }
    }

    /// The current snapshot.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// The changes after `revision`, with the snapshot they lead to; `None` if out of reach.
    pub(crate) fn since(
        &self,
        instance: InstanceId,
        revision: Revision,
    ) -> Option<(Arc<Catalog>, Vec<Change>)> {
        // The journal's lock is also what keeps it and the snapshot together.
        let journal = lock(&self.journal);
        let catalog = self.catalog();
        if catalog.instance() != instance {
            return None;
        }
        match journal.since(revision, &catalog) {
            Since::Changes(changes) => Some((catalog, changes)),
            Since::OutOfReach => None,
        }
    }

    /// Rings at each new revision.
    pub(crate) fn revisions(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    /// Whether the catalog is that of the index, if there was one; before, nobody may follow it.
    pub(crate) fn is_restored(&self) -> bool {
        self.restored.load(Relaxed)
    }

    /// Whether the catalog names everything there is. A file in a hundred may be in the writing.
    pub(crate) fn listing(&self) -> ListingState {
        let totals = self.catalog.load().totals();
        if self.is_scanned() && totals.unhashed * 100 <= totals.files {
            ListingState::Whole
        } else {
            ListingState::Partial
        }
    }

    /// Waits until the tree has been seen whole since the start. Cancel-safe: it only waits.
    pub(crate) async fn scanned(&self) {
        self.scanned.cancelled().await;
    }

    /// Whether it has.
    pub(crate) fn is_scanned(&self) -> bool {
        self.scanned.is_cancelled()
    }

    /// What needs a person's attention.
    pub(crate) fn problems(&self) -> Vec<String> {
        lock(&self.problems).values().cloned().collect()
    }

    /// Starts over from a catalog read from the index.
    fn restore(&self, catalog: Catalog) {
        let mut journal = lock(&self.journal);
        *journal = Journal::starting_at(catalog.revision());
        self.restored.store(true, Relaxed);
        self.swap(catalog);
    }

    /// Publishes a batch: journal and snapshot together, then the bell.
    pub(crate) fn publish(&self, catalog: Catalog, paths: impl IntoIterator<Item = CatalogPath>) {
        let mut journal = lock(&self.journal);
        journal.push(catalog.revision(), paths);
        self.swap(catalog);
    }

    fn swap(&self, catalog: Catalog) {
        let revision = catalog.revision();
        self.catalog.store(Arc::new(catalog));
        self.revision.send_replace(revision);
    }

    fn mark_scanned(&self) {
        self.scanned.cancel();
    }

    /// Notes a problem, logging it the first time. A tree may have thousands of the same kind; the
    /// log gets the first few and is told where the others are.
    fn complain(&self, subject: Subject, text: String) {
        let mut problems = lock(&self.problems);
        if problems.get(&subject) == Some(&text) {
            return;
        }
        let known = problems.len();
        match subject {
            Subject::Loss => tracing::error!(event = "tree-loss", "{text}"),
            Subject::Watching => tracing::warn!(event = "watch-limited", "{text}"),
            Subject::Path(_) if known < MAX_LOGGED => {
                tracing::warn!(event = "tree-problem", "{text}");
            }
            Subject::Path(_) if known == MAX_LOGGED => tracing::warn!(
                event = "tree-problems",
                "there are more problems with paths; `overspill status` lists them"
            ),
            Subject::Path(_) => {}
        }
        if known < MAX_PROBLEMS || problems.contains_key(&subject) {
            problems.insert(subject, text);
        }
    }

    /// A problem is over.
    fn settle(&self, subject: &Subject) {
        lock(&self.problems).remove(subject);
    }
}

/// Locks a mutex that is only held for operations on plain data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
