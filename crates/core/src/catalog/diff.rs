//! The journal: which paths changed between two revisions, for mirrors that follow the feed.
//!
//! It keeps paths and not entries: whoever asks wants to know what is there now, and the snapshot
//! says so without keeping every version in between alive. It must never answer with a gap: `since`
//! either covers the whole span or says that it can't.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use super::{Catalog, Entry, Revision};
use crate::path::CatalogPath;

/// One path's change: its new entry, or `None` when it was deleted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The batch it belongs to.
    pub revision: Revision,
    /// The path.
    pub path: CatalogPath,
    /// The new entry; `None` is a tombstone.
    pub entry: Option<Arc<Entry>>,
}

/// The answer to "what happened after revision R".
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Since {
    /// Every path touched since, once, with what is there now.
    Changes(Vec<Change>),
    /// The journal no longer reaches back that far (or the revision is from the future): take the
    /// snapshot.
    OutOfReach,
}

/// A bounded history of touched paths.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    touched: VecDeque<(Revision, CatalogPath)>,
    /// Everything up to here has been forgotten, or was never there.
    floor: Revision,
    last: Revision,
}

impl Journal {
    /// Most changes kept: 24 MB of pointers, and a mirror that is further behind than a million
    /// changes is better off with the snapshot.
    pub const MAX_CHANGES: usize = 1_000_000;

    /// An empty journal that begins after `revision`.
    pub fn starting_at(revision: Revision) -> Self {
        Self {
            touched: VecDeque::new(),
            floor: revision,
            last: revision,
        }
    }

    /// Adds the paths of a batch, whose revision must be later than any before.
    pub fn push(&mut self, revision: Revision, paths: impl IntoIterator<Item = CatalogPath>) {
        debug_assert!(revision > self.last, "batches arrive in order");
        self.touched
            .extend(paths.into_iter().map(|path| (revision, path)));
        self.last = revision;
        while self.touched.len() > Self::MAX_CHANGES {
            self.forget_oldest_batch();
        }
    }

    /// What was touched after `revision`, as `catalog` has it, which must be the snapshot of the
    /// latest batch. A tombstone carries that batch's revision.
    pub fn since(&self, revision: Revision, catalog: &Catalog) -> Since {
        debug_assert_eq!(
            catalog.revision(),
            self.last,
            "journal and snapshot go together"
        );
        if revision < self.floor || revision > self.last {
            return Since::OutOfReach;
        }
        let from = self
            .touched
            .partition_point(|(touched, _)| *touched <= revision);
        let paths: HashSet<&CatalogPath> =
            self.touched.range(from..).map(|(_, path)| path).collect();
        let change = |path: &CatalogPath| {
            let entry = catalog.entry(path).cloned();
            let revision = entry.as_ref().map_or(self.last, |entry| entry.revision);
            Change {
                revision,
                path: path.clone(),
                entry,
            }
        };
        Since::Changes(paths.into_iter().map(change).collect())
    }

    fn forget_oldest_batch(&mut self) {
        let Some(oldest) = self.touched.front().map(|(revision, _)| *revision) else {
            return;
        };
        let end = self
            .touched
            .partition_point(|(revision, _)| *revision <= oldest);
        self.touched.drain(..end);
        self.floor = oldest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{InstanceId, Kind};

    struct Scene {
        catalog: Catalog,
        journal: Journal,
    }

    impl Scene {
        fn new() -> Self {
            let mut catalog = Catalog::new(InstanceId(1));
            catalog.apply(Revision(4), []);
            Self {
                catalog,
                journal: Journal::starting_at(Revision(4)),
            }
        }

        fn publish(&mut self, put: &[&str], gone: &[&str]) {
            let revision = self.catalog.revision().next();
            let path = |text: &&str| CatalogPath::parse(text.as_bytes()).unwrap();
            let entry = Arc::new(Entry {
                kind: Kind::File,
                size: 1,
                mtime_ns: 0,
                mode: 0,
                revision,
                content: None,
                stamp: None,
            });
            let (put, gone): (Vec<_>, Vec<_>) = (
                put.iter().map(path).collect(),
                gone.iter().map(path).collect(),
            );
            let changes = put.iter().map(|path| (path, Some(&entry)));
            self.catalog.apply(
                revision,
                changes.chain(gone.iter().map(|path| (path, None))),
            );
            self.journal.push(revision, put.into_iter().chain(gone));
        }

        fn since(&self, revision: u64) -> Option<Vec<String>> {
            match self.journal.since(Revision(revision), &self.catalog) {
                Since::Changes(changes) => {
                    let told = |change: &Change| {
                        let what = if change.entry.is_some() { "" } else { " gone" };
                        format!("{} {}{what}", change.revision, change.path)
                    };
                    let mut told: Vec<_> = changes.iter().map(told).collect();
                    told.sort();
                    Some(told)
                }
                Since::OutOfReach => None,
            }
        }
    }

    #[test]
    fn every_touched_path_is_told_once_as_it_is_now() {
        let mut scene = Scene::new();
        scene.publish(&["a", "b"], &[]);
        scene.publish(&["a"], &[]);
        scene.publish(&["c"], &["b"]);
        let named = |list: &[&str]| Some(list.iter().map(|&told| told.to_owned()).collect());
        assert_eq!(scene.since(4), named(&["6 a", "7 b gone", "7 c"]));
        assert_eq!(scene.since(6), named(&["7 b gone", "7 c"]));
        assert_eq!(scene.since(7), named(&[]));
    }

    #[test]
    fn out_of_reach_is_said() {
        let mut scene = Scene::new();
        scene.publish(&["a"], &[]);
        assert_eq!(scene.since(3), None, "before the journal began");
        assert_eq!(scene.since(9), None, "from the future");
    }

    #[test]
    fn whole_batches_are_forgotten() {
        let mut scene = Scene::new();
        let many = vec!["x"; Journal::MAX_CHANGES / 2];
        scene.publish(&many, &[]);
        scene.publish(&many, &[]);
        assert!(scene.since(4).is_some());
        scene.publish(&["y"], &[]);
        assert_eq!(scene.since(4), None);
        assert_eq!(scene.since(5).map(|told| told.len()), Some(2));
    }
}
