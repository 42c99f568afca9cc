//! The journal: what changed between two revisions, for mirrors that follow the feed.
//!
//! It keeps the last [`Journal::MAX_CHANGES`] changes; whoever is further behind gets the snapshot
//! instead. It must never answer with a gap: `since` either covers the whole span or says it can't.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{Entry, Revision};
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
    /// The last change of every touched path, oldest batch first.
    Changes(Vec<Change>),
    /// The journal no longer reaches back that far (or the revision is from the future): take the
    /// snapshot.
    OutOfReach,
}

/// A bounded history of changes.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    changes: VecDeque<Change>,
    /// Everything up to here has been forgotten, or was never there.
    floor: Revision,
    last: Revision,
}

impl Journal {
    /// Most changes kept: about 32 MB of pointers, and a mirror that is further behind than a
    /// million changes is better off with the snapshot.
    pub const MAX_CHANGES: usize = 1_000_000;

    /// An empty journal that begins after `revision`.
    pub fn starting_at(revision: Revision) -> Self {
        Self {
            changes: VecDeque::new(),
            floor: revision,
            last: revision,
        }
    }

    /// The revision of the latest change, or where the journal began.
    pub fn last(&self) -> Revision {
        self.last
    }

    /// Adds a batch. All its changes carry the same revision, which must be later than any before.
    pub fn push(&mut self, batch: impl IntoIterator<Item = Change>) {
        for change in batch {
            debug_assert!(change.revision >= self.last, "batches arrive in order");
            self.last = change.revision;
            self.changes.push_back(change);
        }
        while self.changes.len() > Self::MAX_CHANGES {
            self.forget_oldest_batch();
        }
    }

    /// The changes after `revision`, only the latest of each path.
    pub fn since(&self, revision: Revision) -> Since {
        if revision < self.floor || revision > self.last {
            return Since::OutOfReach;
        }
        let from = self
            .changes
            .partition_point(|change| change.revision <= revision);
        let tail = || self.changes.range(from..);
        let latest: HashMap<&CatalogPath, usize> = tail()
            .enumerate()
            .map(|(at, change)| (&change.path, at))
            .collect();
        let changes = tail()
            .enumerate()
            .filter(|(at, change)| latest.get(&change.path) == Some(at))
            .map(|(_, change)| change.clone())
            .collect();
        Since::Changes(changes)
    }

    fn forget_oldest_batch(&mut self) {
        let Some(oldest) = self.changes.front().map(|change| change.revision) else {
            return;
        };
        while self
            .changes
            .front()
            .is_some_and(|change| change.revision == oldest)
        {
            self.changes.pop_front();
        }
        self.floor = oldest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(revision: u64, path: &str) -> Change {
        let path = CatalogPath::parse(path.as_bytes()).unwrap();
        Change {
            revision: Revision(revision),
            path,
            entry: None,
        }
    }

    fn paths(journal: &Journal, revision: u64) -> Option<Vec<(u64, String)>> {
        match journal.since(Revision(revision)) {
            Since::Changes(changes) => Some(
                changes
                    .iter()
                    .map(|c| (c.revision.0, c.path.to_string()))
                    .collect(),
            ),
            Since::OutOfReach => None,
        }
    }

    #[test]
    fn only_the_latest_change_of_a_path_is_told() {
        let mut journal = Journal::starting_at(Revision(4));
        journal.push([change(5, "a"), change(5, "b")]);
        journal.push([change(6, "a")]);
        journal.push([change(7, "c")]);
        let named = |list: &[(u64, &str)]| {
            Some(
                list.iter()
                    .map(|&(r, p)| (r, p.to_owned()))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(paths(&journal, 4), named(&[(5, "b"), (6, "a"), (7, "c")]));
        assert_eq!(paths(&journal, 6), named(&[(7, "c")]));
        assert_eq!(paths(&journal, 7), named(&[]));
    }

    #[test]
    fn out_of_reach_is_said() {
        let mut journal = Journal::starting_at(Revision(4));
        journal.push([change(5, "a")]);
        assert_eq!(paths(&journal, 3), None, "before the journal began");
        assert_eq!(paths(&journal, 9), None, "from the future");
    }

    #[test]
    fn whole_batches_are_forgotten() {
        let mut journal = Journal::starting_at(Revision(0));
        let batch = |r| (0..Journal::MAX_CHANGES / 2).map(move |_| change(r, "x"));
        journal.push(batch(1));
        journal.push(batch(2));
        assert!(paths(&journal, 0).is_some());
        journal.push([change(3, "y")]);
        assert_eq!(paths(&journal, 0), None);
        assert_eq!(paths(&journal, 1).map(|list| list.len()), Some(2));
    }
}
