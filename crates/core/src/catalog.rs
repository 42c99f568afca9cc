//! The catalog: what the tree holds, path by path, at a revision.
//!
//! A [`Catalog`] is a value: cloning it is O(1) and shares structure, so a reader keeps the one it
//! took while the publisher builds the next. It must never do IO; `store` fills and persists it.

mod diff;
mod entry;
mod order;
mod query;

use std::{
    borrow::Borrow,
    fmt,
    ops::{Bound, RangeBounds},
    sync::Arc,
};

use immutable_chunkmap::map::MapS;

pub use self::{
    diff::{Change, Journal, Since},
    entry::{Content, Entry, InstanceId, Kind, Revision, Stamp},
    order::{Direction, Order, Place, PlaceError, SortKey, natural},
    query::{QueryError, Selection, pairs},
};
use crate::path::CatalogPath;

/// All entries of a tree at one revision.
///
/// Invariants: every change in it has a revision of at most [`Catalog::revision`]; the totals agree
/// with the entries.
#[derive(Clone)]
pub struct Catalog {
    instance: InstanceId,
    revision: Revision,
    entries: MapS<CatalogPath, Arc<Entry>>,
    totals: Totals,
}

/// Sums over a catalog.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Number of files.
    pub files: u64,
    /// Number of folders.
    pub folders: u64,
    /// Sum of the files' sizes.
    pub bytes: u64,
    /// Files whose root is not known (yet).
    pub unhashed: u64,
}

/// One child of a folder, as [`Catalog::children`] yields it.
pub type Child<'a> = (&'a CatalogPath, &'a Arc<Entry>);

impl Catalog {
    /// An empty catalog of the given instance at revision zero.
    pub fn new(instance: InstanceId) -> Self {
        Self {
            instance,
            revision: Revision::ZERO,
            entries: MapS::new(),
            totals: Totals::default(),
        }
    }

    /// The server instance whose revisions these are.
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// The same entries as those of another instance: its revisions are not to be compared with
    /// this one's.
    pub fn of_instance(self, instance: InstanceId) -> Self {
        Self { instance, ..self }
    }

    /// The revision of the last applied batch.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Sums over all entries.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Number of entries, folders included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at `path`. The root folder has none: it always exists.
    pub fn entry(&self, path: &CatalogPath) -> Option<&Arc<Entry>> {
        self.entries.get(path)
    }

    /// Whether `path` is a folder of this catalog.
    pub fn is_folder(&self, path: &CatalogPath) -> bool {
        path.is_root()
            || self
                .entry(path)
                .is_some_and(|entry| entry.kind == Kind::Folder)
    }

    /// Applies a batch that takes the catalog to `revision`; all its paths flip together.
    pub fn apply<'a>(
        &mut self,
        revision: Revision,
        batch: impl IntoIterator<Item = (&'a CatalogPath, Option<&'a Arc<Entry>>)>,
    ) {
        debug_assert!(revision >= self.revision, "revisions only grow");
        for (path, entry) in batch {
            let old = match entry {
                Some(entry) => {
                    debug_assert!(entry.revision <= revision, "an entry is never ahead");
                    self.totals.add(entry);
                    self.entries.insert_cow(path.clone(), Arc::clone(entry))
                }
                None => self.entries.remove_cow(path),
            };
            if let Some(old) = old {
                self.totals.subtract(&old);
            }
        }
        self.revision = revision;
    }

    /// All entries in path order.
    pub fn iter(&self) -> impl Iterator<Item = Child<'_>> {
        (&self.entries).into_iter()
    }

    /// Every entry strictly below `folder`, in path order, beginning after `cursor` if given.
    pub fn below<'a>(
        &'a self,
        folder: &CatalogPath,
        cursor: Option<&CatalogPath>,
    ) -> impl Iterator<Item = Child<'a>> + use<'a> {
        let mut keys = KeyRange::below(folder);
        if let Some(cursor) = cursor {
            keys.start = Bound::Excluded(cursor.as_bytes().to_vec());
        }
        self.range(keys)
    }

    /// The direct children of `folder`, in byte order of their names.
    ///
    /// Costs O(log n) for each child folder however much lies below it: the walk seeks past it.
    pub fn children<'a>(&'a self, folder: &CatalogPath) -> Children<'a> {
        let keys = KeyRange::below(folder);
        Children {
            catalog: self,
            prefix_bytes: folder.as_bytes().len() + usize::from(!folder.is_root()),
            range: Box::new(self.range(keys.clone())),
            keys,
        }
    }

    fn range(&self, keys: KeyRange) -> impl Iterator<Item = Child<'_>> + use<'_> {
        self.entries.range::<[u8], _>(keys)
    }
}

/// A range of raw path bytes, which need not be paths themselves.
#[derive(Clone, Debug)]
struct KeyRange {
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Everything strictly below `folder`.
    fn below(folder: &CatalogPath) -> Self {
        if folder.is_root() {
            return Self {
                start: Bound::Unbounded,
                end: Bound::Unbounded,
            };
        }
        let with = |last: u8| [folder.as_bytes(), &[last]].concat();
        Self {
            start: Bound::Included(with(b'/')),
            end: Bound::Excluded(with(b'/' + 1)),
        }
    }
}

impl RangeBounds<[u8]> for KeyRange {
    fn start_bound(&self) -> Bound<&[u8]> {
        self.start.as_ref().map(Vec::as_slice)
    }

    fn end_bound(&self) -> Bound<&[u8]> {
        self.end.as_ref().map(Vec::as_slice)
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("instance", &self.instance)
            .field("revision", &self.revision)
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}

impl Borrow<[u8]> for CatalogPath {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Totals {
    fn add(&mut self, entry: &Entry) {
        match entry.kind {
            Kind::File => {
                self.files += 1;
                self.bytes += entry.size;
                self.unhashed += u64::from(entry.content.is_none());
            }
            Kind::Folder => self.folders += 1,
        }
    }

    fn subtract(&mut self, entry: &Entry) {
        match entry.kind {
            Kind::File => {
                self.files -= 1;
                self.bytes -= entry.size;
                self.unhashed -= u64::from(entry.content.is_none());
            }
            Kind::Folder => self.folders -= 1,
        }
    }
}

/// Iterator over a folder's direct children; see [`Catalog::children`].
pub struct Children<'a> {
    catalog: &'a Catalog,
    prefix_bytes: usize,
    range: Box<dyn Iterator<Item = Child<'a>> + 'a>,
    keys: KeyRange,
}

impl<'a> Iterator for Children<'a> {
    type Item = Child<'a>;

    fn next(&mut self) -> Option<Child<'a>> {
        loop {
            let child = self.range.next()?;
            let key = child.0.as_bytes();
            let Some(slash) = key[self.prefix_bytes..]
                .iter()
                .position(|&byte| byte == b'/')
            else {
                return Some(child);
            };
            // Below a child folder: seek past all of it. (Siblings such as `sub-old` sort between
            // `sub` and `sub/`, so the seek waits until something nested is actually met.)
            let past = [&key[..self.prefix_bytes + slash], b"0".as_slice()].concat();
            self.keys.start = Bound::Included(past);
            self.range = Box::new(self.catalog.range(self.keys.clone()));
        }
    }
}

impl fmt::Debug for Children<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Children")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
