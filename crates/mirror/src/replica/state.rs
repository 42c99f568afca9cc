//! Which objects are needed, which are here, and which are unused: the bookkeeping of a replica.
//!
//! Plain data behind the replica's lock. It must never touch the disk.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use overspill_core::{
    catalog::{Content, Entry, Revision},
    path::CatalogPath,
    root::Root,
};

#[derive(Default)]
pub(super) struct State {
    pub(super) objects: HashMap<Root, Object, foldhash::fast::RandomState>,
    /// In order of revision, so that the complete revision grows while they are fetched.
    pub(super) missing: BTreeMap<(Revision, Root), Missing>,
    pub(super) missing_bytes: u64,
    /// Unreferenced objects and since when.
    pub(super) garbage: HashMap<Root, Instant, foldhash::fast::RandomState>,
    /// Held since the last report, beyond the complete revision it told.
    pub(super) news: Vec<Root>,
    /// Whether what was told before is still true.
    pub(super) retell: Retell,
}

/// What the next report has to say about what is held.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Retell {
    /// All of it, because something told before is not true any more.
    Everything,
    /// Only what is new.
    #[default]
    News,
}

#[derive(Clone, Copy)]
pub(super) struct Object {
    /// Paths of the catalog that need it.
    pub(super) references: u32,
    pub(super) presence: Presence,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Presence {
    Held,
    /// Queued under this revision.
    Missing(Revision),
}

/// An object to fetch.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    pub(crate) revision: Revision,
    pub(crate) root: Root,
    pub(crate) size: u64,
    /// What the catalog says of the bytes; the root is the first of it.
    pub(crate) content: Option<Content>,
    /// One of the paths it is wanted for.
    pub(crate) path: CatalogPath,
    /// Not to be tried before this.
    pub(super) not_before: Option<Instant>,
    pub(super) claim: Claim,
}

impl Missing {
    /// What `entry` at `path` lacks; free to be fetched.
    pub(crate) fn new(path: &CatalogPath, entry: &Entry, root: Root) -> Self {
        Self {
            revision: entry.revision,
            root,
            size: entry.size,
            content: entry.content,
            path: path.clone(),
            not_before: None,
            claim: Claim::Free,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Claim {
    Free,
    Taken,
}

impl Object {
    /// Held, and needed by nobody (yet).
    pub(super) const UNUSED: Self = Self {
        references: 0,
        presence: Presence::Held,
    };
}

impl State {
    pub(super) fn refer(&mut self, path: &CatalogPath, entry: &Entry) {
        let Some(root) = entry.root() else { return };
        match self.objects.get_mut(&root) {
            Some(object) => {
                object.references += 1;
                let is_missing = matches!(object.presence, Presence::Missing(_));
                self.garbage.remove(&root);
                if is_missing {
                    self.want(path, entry, root);
                }
            }
            None => {
                let presence = Presence::Missing(entry.revision);
                self.objects.insert(
                    root,
                    Object {
                        references: 1,
                        presence,
                    },
                );
                self.want(path, entry, root);
            }
        }
    }

    pub(super) fn unrefer(&mut self, entry: &Entry) {
        let Some(root) = entry.root() else { return };
        let Some(object) = self.objects.get_mut(&root) else {
            return;
        };
        object.references = object.references.saturating_sub(1);
        if object.references > 0 {
            return;
        }
        match object.presence {
            Presence::Held => {
                self.garbage.insert(root, Instant::now());
            }
            Presence::Missing(revision) => {
                self.objects.remove(&root);
                self.forget_missing(&(revision, root));
            }
        }
    }

    /// Queues an object under the lowest revision of the entries that need it: up to there, and no
    /// further, everything is here.
    pub(super) fn want(&mut self, path: &CatalogPath, entry: &Entry, root: Root) {
        let revision = entry.revision;
        let before = self.objects.get(&root).map(|object| object.presence);
        if let Some(Presence::Missing(queued)) = before
            && self.missing.contains_key(&(queued, root))
        {
            if queued <= revision {
                return;
            }
            self.forget_missing(&(queued, root));
        }
        if let Some(object) = self.objects.get_mut(&root) {
            object.presence = Presence::Missing(revision);
        }
        let size = entry.size;
        let missing = Missing::new(path, entry, root);
        if self.missing.insert((revision, root), missing).is_none() {
            self.missing_bytes += size;
        }
    }

    pub(super) fn hold(&mut self, root: Root) {
        let object = self.objects.entry(root).or_insert(Object::UNUSED);
        let before = std::mem::replace(&mut object.presence, Presence::Held);
        if object.references == 0 {
            // Its paths went away while it was fetched.
            self.garbage.insert(root, Instant::now());
        }
        if let Presence::Missing(revision) = before {
            self.forget_missing(&(revision, root));
            self.news.push(root);
        }
    }

    pub(super) fn forget_missing(&mut self, key: &(Revision, Root)) {
        if let Some(missing) = self.missing.remove(key) {
            self.missing_bytes -= missing.size;
        }
    }

    /// Everything before the oldest missing object's batch is here.
    pub(super) fn complete(&self, catalog: Revision) -> Revision {
        match self.missing.keys().next() {
            Some((oldest, _)) => Revision(oldest.0.saturating_sub(1)).min(catalog),
            None => catalog,
        }
    }

    pub(super) fn is_held(&self, root: &Root) -> bool {
        self.objects
            .get(root)
            .is_some_and(|object| object.presence == Presence::Held)
    }
}
