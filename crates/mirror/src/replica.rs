//! What the mirror has and what it lacks.
//!
//! The catalog says what there should be, the object store what there is; this module keeps the
//! difference up to date with both. It does no network. Everything is derived again at start from
//! the index and the store, so nothing here needs to survive a crash. It must never count an object
//! as held before the store has committed it.

mod state;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use overspill_core::{
    catalog::{Catalog, Change, Entry, InstanceId, Revision},
    root::Root,
};
use overspill_store::{
    index::{Durability, Index, IndexBatch, IndexError, Reset},
    objects::ObjectStore,
};
use overspill_wire::fleet::ListingState;
use tokio::sync::Notify;

use self::state::{Claim, Object, Presence, State};
pub(crate) use self::state::{Missing, Retell};

/// A mirror's catalog, its objects, and what is missing between the two.
pub(crate) struct Replica {
    pub(crate) store: ObjectStore,
    index: Index,
    catalog: ArcSwap<Catalog>,
    state: Mutex<State>,
    /// How far the index on disk is behind the catalog in memory. Also the lock that lets one change
    /// of the catalog happen after the other.
    indexed: Mutex<Indexed>,
    may_collect: AtomicBool,
    /// Rings when something new is missing.
    pub(crate) wanted: Notify,
    /// Rings when something has become held, or stopped being so.
    pub(crate) changed: Notify,
}

/// How well the index on disk remembers the catalog.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Indexed {
    /// All of it, whatever happens.
    Durably,
    /// All of it, unless the machine or the process dies within the second.
    Eventually,
    /// The disk failed, and the index may have gaps: it has to be written whole.
    Not,
}

/// How far the replica has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Progress {
    /// The catalog's revision.
    pub(crate) catalog: Revision,
    /// Everything up to here is held.
    pub(crate) complete: Revision,
    /// Objects still to fetch.
    pub(crate) missing_objects: u64,
    /// Their bytes.
    pub(crate) missing_bytes: u64,
}

/// How long an object nobody refers to is kept: clients may be on their way with a ticket, and a
/// file that was moved may come back.
const GRACE: Duration = Duration::from_secs(600);
/// How far the search for a free object looks into the queue.
const MAX_SEARCH: usize = 1024;

impl Replica {
    /// Takes up where the index and the store were left.
    pub(crate) fn open(store: ObjectStore, index: Index) -> Result<Self, IndexError> {
        let catalog = index.load()?.unwrap_or_else(|| Catalog::new(InstanceId(0)));
        let present = store.present().unwrap_or_else(|error| {
            tracing::warn!(
                event = "store-unreadable", %error,
                "cannot list the store; everything is fetched again; check its disk"
            );
            Vec::new()
        });
        let mut state = State::default();
        state
            .objects
            .extend(present.into_iter().map(|root| (root, Object::UNUSED)));
        for (path, entry) in catalog.iter() {
            state.refer(path, entry);
        }
        let is_wanted = |root: &Root| {
            let presence = state.objects.get(root).map(|object| object.presence);
            matches!(presence, Some(Presence::Missing(_)))
        };
        if let Err(error) = store.clean_tmp(is_wanted) {
            tracing::warn!(
                event = "store-not-cleaned", %error,
                "cannot remove what was half received before; it takes room in the store's tmp \
                 folder"
            );
        }
        let now = Instant::now();
        let unreferenced = state
            .objects
            .iter()
            .filter(|(_, object)| object.references == 0);
        state.garbage = unreferenced.map(|(root, _)| (*root, now)).collect();
        let catalog = ArcSwap::from_pointee(catalog);
        let (wanted, changed) = (Notify::new(), Notify::new());
        Ok(Self {
            store,
            index,
            catalog,
            state: Mutex::new(state),
            indexed: Mutex::new(Indexed::Durably),
            may_collect: AtomicBool::new(false),
            wanted,
            changed,
        })
    }

    /// The catalog.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        let catalog = self.catalog.load().revision();
        let state = self.state();
        Progress {
            catalog,
            complete: state.complete(catalog),
            missing_objects: state.missing.len() as u64,
            missing_bytes: state.missing_bytes,
        }
    }

    /// Moves to `revision` by the changes that lead there; all their paths flip together.
    ///
    /// `base` is the catalog the changes were asked for. If it is no longer the current one, someone
    /// else was faster, and nothing happens.
    pub(crate) fn advance(&self, base: &Catalog, revision: Revision, changes: &[Change]) {
        let mut indexed = self.indexed.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.catalog();
        if !is_same(&old, base) {
            return;
        }
        let mut new = (*old).clone();
        new.apply(
            revision,
            changes
                .iter()
                .map(|change| (&change.path, change.entry.as_ref())),
        );
        self.remember(&mut indexed, &new, changes, Reset::Keep);
        {
            let mut state = self.state();
            for change in changes {
                if let Some(entry) = &change.entry {
                    state.refer(&change.path, entry);
                }
                if let Some(entry) = old.entry(&change.path) {
                    state.unrefer(entry);
                }
            }
        }
        self.swap(new);
    }

    /// Starts over from a snapshot. Objects that are wanted again stay as they are.
    pub(crate) fn replace(&self, base: &Catalog, new: Catalog, changes: &[Change]) {
        let mut indexed = self.indexed.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.catalog();
        if !is_same(&old, base) {
            return;
        }
        self.remember(&mut indexed, &new, changes, Reset::Clear);
        {
            let mut state = self.state();
            for (path, entry) in new.iter() {
                state.refer(path, entry);
            }
            for (_, entry) in old.iter() {
                state.unrefer(entry);
            }
        }
        self.swap(new);
    }

    /// The next object to fetch, claimed for the caller.
    pub(crate) fn claim(&self, now: Instant) -> Option<Missing> {
        let mut state = self.state();
        let free = state
            .missing
            .values_mut()
            .take(MAX_SEARCH)
            .find(|missing| {
                missing.claim == Claim::Free && missing.not_before.is_none_or(|at| at <= now)
            })?;
        free.claim = Claim::Taken;
        Some(free.clone())
    }

    /// Gives a claimed object back, not to be tried again for a while.
    pub(crate) fn give_back(&self, missing: &Missing, pause: Duration) {
        if let Some(kept) = self
            .state()
            .missing
            .get_mut(&(missing.revision, missing.root))
        {
            kept.claim = Claim::Free;
            kept.not_before = Some(Instant::now() + pause);
        }
    }

    /// Gives back claimed objects that could not be committed.
    pub(crate) fn unclaim(&self, roots: &[Root], pause: Duration) {
        let claimed: Vec<Missing> = {
            let state = self.state();
            let revision = |root: &Root| match state.objects.get(root)?.presence {
                Presence::Missing(revision) => Some(revision),
                Presence::Held => None,
            };
            let keys = roots
                .iter()
                .filter_map(|root| Some((revision(root)?, *root)));
            keys.filter_map(|key| state.missing.get(&key).cloned())
                .collect()
        };
        claimed
            .iter()
            .for_each(|missing| self.give_back(missing, pause));
    }

    /// Size of the smallest object still to fetch.
    pub(crate) fn smallest_missing(&self) -> Option<u64> {
        self.state()
            .missing
            .values()
            .map(|missing| missing.size)
            .min()
    }

    /// The source no longer has the object under the path it was asked for; another path may still
    /// need it.
    pub(crate) fn find_again(&self, missing: &Missing) {
        let catalog = self.catalog();
        let mut needing = catalog
            .iter()
            .filter(|(_, entry)| entry.root() == Some(missing.root));
        let Some((path, _)) = needing.find(|(path, _)| **path != missing.path) else {
            return;
        };
        if let Some(kept) = self
            .state()
            .missing
            .get_mut(&(missing.revision, missing.root))
        {
            kept.path = path.clone();
        }
    }

    /// Objects that the store has committed.
    pub(crate) fn held(&self, roots: &[Root]) {
        let mut state = self.state();
        roots.iter().for_each(|root| state.hold(*root));
        drop(state);
        self.changed.notify_one();
    }

    /// How many objects are held, needed or not.
    pub(crate) fn held_objects(&self) -> usize {
        let state = self.state();
        state.objects.len().saturating_sub(state.missing.len())
    }

    /// Whether the object counts as held.
    pub(crate) fn is_held(&self, root: &Root) -> bool {
        self.state().is_held(root)
    }

    /// Whether there is any use for the object: it is needed, or it is here.
    pub(crate) fn knows(&self, root: &Root) -> bool {
        self.state().objects.contains_key(root)
    }

    /// Objects that count as held and are not among `present`, which is sorted.
    pub(crate) fn held_but_not_in(&self, present: &[Root]) -> Vec<Root> {
        let state = self.state();
        let held = state
            .objects
            .iter()
            .filter(|(_, object)| object.presence == Presence::Held);
        held.map(|(root, _)| *root)
            .filter(|root| present.binary_search(root).is_err())
            .collect()
    }

    /// Objects turned out to be gone or bad: they are wanted again.
    pub(crate) fn lost(&self, roots: &[Root]) {
        let catalog = self.catalog();
        let lost: HashSet<&Root> = roots.iter().collect();
        let wanting = |entry: &Entry| entry.root().filter(|root| lost.contains(root));
        let mut state = self.state();
        for (path, entry) in catalog.iter() {
            if let Some(root) = wanting(entry) {
                state.want(path, entry, root);
            }
        }
        state.retell = Retell::Everything;
        for root in roots {
            // Whoever is still held after that is needed by nobody.
            if state.is_held(root) {
                state.objects.remove(root);
                state.garbage.remove(root);
            }
        }
        drop(state);
        self.wanted.notify_one();
        self.changed.notify_one();
    }

    /// Roots that became held since the last call; what a report adds to those told before.
    pub(crate) fn take_news(&self, most: usize) -> Vec<Root> {
        let mut state = self.state();
        let count = state.news.len().min(most);
        state.news.drain(..count).collect()
    }

    /// Whether something was lost since the last call.
    pub(crate) fn take_retell(&self) -> Retell {
        std::mem::take(&mut self.state().retell)
    }

    /// Every root held beyond the complete revision, at most so many.
    pub(crate) fn held_beyond_complete(&self, most: usize) -> Vec<Root> {
        let catalog = self.catalog();
        let mut state = self.state();
        state.news.clear();
        let complete = state.complete(catalog.revision());
        if complete == catalog.revision() {
            return Vec::new();
        }
        let beyond = catalog
            .iter()
            .filter(|(_, entry)| entry.revision > complete);
        let roots = beyond.filter_map(|(_, entry)| entry.root());
        roots
            .filter(|root| state.is_held(root))
            .take(most)
            .collect()
    }

    /// Notes whether the server has seen and hashed its whole tree.
    pub(crate) fn listed(&self, listing: ListingState) {
        self.may_collect
            .store(listing == ListingState::Whole, Relaxed);
    }

    /// Deletes objects that nobody has referred to for the time of grace. Never while the server is
    /// still finding out what there is: what it does not name yet is not gone.
    pub(crate) fn collect_garbage(&self, now: Instant) {
        if !self.may_collect.load(Relaxed) {
            return;
        }
        let due: Vec<Root> = {
            let state = self.state();
            let is_due = |since: &Instant| now.saturating_duration_since(*since) >= GRACE;
            state
                .garbage
                .iter()
                .filter(|(_, since)| is_due(since))
                .map(|(root, _)| *root)
                .collect()
        };
        for root in due {
            // Under the lock, so that nobody begins to refer to it in between.
            let mut state = self.state();
            if state.garbage.remove(&root).is_none() {
                continue;
            }
            state.objects.remove(&root);
            if let Err(error) = self.store.remove(&root) {
                tracing::warn!(
                    event = "object-not-removed", %root, %error,
                    "cannot remove an object that nobody needs; it takes room in the store"
                );
            }
        }
    }

    /// Whether a restart would find everything that is here now.
    pub(crate) fn is_durable(&self) -> bool {
        // Asked by a serving thread, which must not wait for a disk: who is writing is not durable.
        self.indexed
            .try_lock()
            .is_ok_and(|indexed| *indexed == Indexed::Durably)
    }

    /// Brings the index up to date if everything is here: from then on a restart needs no server.
    pub(crate) fn sync_index_when_complete(&self) {
        if self.progress().missing_objects == 0 {
            self.sync_index();
        }
    }

    /// Brings the index up to date, if it is not. Batches are not synced one by one, since what a
    /// crash loses is only asked for again; but the server may be gone by then.
    pub(crate) fn sync_index(&self) {
        let mut indexed = self.indexed.lock().unwrap_or_else(PoisonError::into_inner);
        let catalog = self.catalog();
        let result = match *indexed {
            Indexed::Durably => return,
            Indexed::Eventually => self.commit(&catalog, &[], Reset::Keep, Durability::Immediate),
            Indexed::Not => {
                let whole = catalog.iter().map(|(path, entry)| Change {
                    revision: entry.revision,
                    path: path.clone(),
                    entry: Some(Arc::clone(entry)),
                });
                let whole: Vec<Change> = whole.collect();
                self.commit(&catalog, &whole, Reset::Clear, Durability::Immediate)
            }
        };
        *indexed = noted(*indexed, Indexed::Durably, result);
    }

    /// Remembers a batch. A disk that fails is no reason not to follow the server: the catalog goes
    /// on in memory, and the index is written whole when the disk takes it again.
    fn remember(&self, indexed: &mut Indexed, new: &Catalog, changes: &[Change], reset: Reset) {
        if *indexed != Indexed::Not || reset == Reset::Clear {
            let result = self.commit(new, changes, reset, Durability::Eventual);
            *indexed = noted(*indexed, Indexed::Eventually, result);
        }
    }

    fn commit(
        &self,
        catalog: &Catalog,
        changes: &[Change],
        reset: Reset,
        durability: Durability,
    ) -> Result<(), IndexError> {
        self.index.commit(IndexBatch {
            instance: catalog.instance(),
            revision: catalog.revision(),
            changes,
            reset,
            objects_added: &[],
            objects_removed: &[],
            durability,
        })
    }

    fn swap(&self, new: Catalog) {
        self.catalog.store(Arc::new(new));
        self.wanted.notify_one();
        self.changed.notify_one();
    }

    /// Held for operations on plain data only.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether two catalogs are the same revision of the same instance.
fn is_same(one: &Catalog, other: &Catalog) -> bool {
    (one.instance(), one.revision()) == (other.instance(), other.revision())
}

/// What follows from a commit; a failure is told once, and not each second.
fn noted(before: Indexed, after: Indexed, result: Result<(), IndexError>) -> Indexed {
    match result {
        Ok(()) => after,
        Err(error) => {
            if before != Indexed::Not {
                tracing::warn!(
                    event = "index-write-failed", %error,
                    "cannot write the index: serving goes on, it is tried again each second; free \
                     some space in the store"
                );
            }
            Indexed::Not
        }
    }
}

#[cfg(test)]
mod tests;
