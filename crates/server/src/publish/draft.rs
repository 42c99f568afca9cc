//! The next revision while it is being made.
//!
//! Changes go into a working copy of the catalog at once, so the walk compares with what it has just
//! found; they become visible together, when the draft is published. It must never publish an empty
//! batch.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use overspill_core::{
    catalog::{Catalog, Change, Entry, Kind},
    path::CatalogPath,
};
use overspill_store::index::{Durability, Index, IndexBatch, IndexError, Reset};

use super::{Published, random_instance};

/// A batch in the making.
pub(super) struct Draft {
    catalog: Catalog,
    changes: Vec<Change>,
    begun: Option<Instant>,
    index: Index,
    indexed: Indexed,
}

/// Whether the index remembers what was published.
#[derive(Clone, Copy, Debug)]
enum Indexed {
    /// All of it.
    Whole,
    /// The disk failed; it has to be written whole, not before this.
    Broken { retry: Instant },
}

/// A batch is published when it is this old, so that a single file is on its way at once ...
const BATCH_AGE: Duration = Duration::from_millis(20);
/// ... or this old while many files are being hashed, so that mirrors get fewer, larger batches.
const BUSY_BATCH_AGE: Duration = Duration::from_millis(300);
/// ... or when it has this many changes.
const BATCH_CHANGES: usize = 10_000;

/// Pause before a disk that failed is tried again: writing the index whole is work.
const RETRY_INDEX: Duration = Duration::from_secs(10);

/// How much hashing is going on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pace {
    Busy,
    Calm,
}

impl Draft {
    pub(super) fn new(catalog: Catalog, index: Index) -> Self {
        Self {
            catalog,
            changes: Vec::new(),
            begun: None,
            index,
            indexed: Indexed::Whole,
        }
    }

    /// The catalog with all changes so far.
    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Puts an entry; its revision is set here.
    pub(super) fn put(&mut self, path: &CatalogPath, mut entry: Entry) {
        entry.revision = self.next_revision();
        self.change(path, Some(Arc::new(entry)));
    }

    /// Removes an entry and, if it is a folder, everything below it.
    pub(super) fn remove(&mut self, path: &CatalogPath) {
        let Some(entry) = self.catalog.entry(path) else {
            return;
        };
        if entry.kind == Kind::Folder {
            self.remove_below(path);
        }
        self.change(path, None);
    }

    /// Removes everything below `folder`.
    pub(super) fn remove_below(&mut self, folder: &CatalogPath) {
        let below: Vec<_> = self
            .catalog
            .below(folder, None)
            .map(|(path, _)| path.clone())
            .collect();
        for path in below {
            self.change(&path, None);
        }
    }

    /// When the batch is to be published, if there is one.
    pub(super) fn due(&self, pace: Pace) -> Option<Instant> {
        let age = match pace {
            Pace::Busy => BUSY_BATCH_AGE,
            Pace::Calm => BATCH_AGE,
        };
        let begun = self.begun?;
        Some(if self.changes.len() >= BATCH_CHANGES {
            begun
        } else {
            begun + age
        })
    }

    /// Publishes the batch, if there is one.
    ///
    /// It is in the index, durably, before anyone hears of it: a server that comes back from a crash
    /// must never give a revision that mirrors have seen to another state of the tree.
    pub(super) fn publish(&mut self, published: &Published) {
        if self.begun.take().is_none() {
            return;
        }
        let changes = std::mem::take(&mut self.changes);
        self.remember(&changes);
        let paths = changes.into_iter().map(|change| change.path);
        published.publish(self.catalog.clone(), paths);
    }

    fn remember(&mut self, changes: &[Change]) {
        let result = match self.indexed {
            Indexed::Broken { retry } if Instant::now() < retry => return,
            Indexed::Broken { .. } => {
                let whole = self.catalog.iter().map(|(path, entry)| Change {
                    revision: entry.revision,
                    path: path.clone(),
                    entry: Some(Arc::clone(entry)),
                });
                let whole: Vec<Change> = whole.collect();
                self.commit(&whole, Reset::Clear)
            }
            Indexed::Whole => self.commit(changes, Reset::Keep),
        };
        self.indexed = match result {
            Ok(()) => Indexed::Whole,
            Err(error) => {
                tracing::warn!(
                    event = "index-write-failed", %error,
                    "cannot write the index: serving goes on, a restart may hash files again; free \
                     some space in the state folder"
                );
                // After a restart the index will know an older revision. Under another name this
                // one's revisions cannot be mistaken for those that will follow then.
                self.catalog = self.catalog.clone().of_instance(random_instance());
                Indexed::Broken {
                    retry: Instant::now() + RETRY_INDEX,
                }
            }
        };
    }

    fn commit(&self, changes: &[Change], reset: Reset) -> Result<(), IndexError> {
        self.index.commit(IndexBatch {
            instance: self.catalog.instance(),
            revision: self.catalog.revision(),
            changes,
            reset,
            objects_added: &[],
            objects_removed: &[],
            durability: Durability::Immediate,
        })
    }

    fn change(&mut self, path: &CatalogPath, entry: Option<Arc<Entry>>) {
        let revision = self.next_revision();
        self.begun.get_or_insert_with(Instant::now);
        self.catalog.apply(revision, [(path, entry.as_ref())]);
        self.changes.push(Change {
            revision,
            path: path.clone(),
            entry,
        });
    }

    fn next_revision(&self) -> overspill_core::catalog::Revision {
        match self.begun {
            Some(_) => self.catalog.revision(),
            None => self.catalog.revision().next(),
        }
    }
}
