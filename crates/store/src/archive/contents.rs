//! What goes into an archive, in the order it goes in.
//!
//! A view of one state of the catalog, which is a value: it stays as it is while the archive is
//! sent, however long that takes, and costs nothing to keep. It must never hold a list of its own:
//! a million items would be megabytes for each download.

use std::sync::Arc;

use overspill_core::{
    catalog::{Catalog, Child, Entry, Kind, Revision, Selection},
    path::CatalogPath,
};

/// A folder with all below it, or the files below it that are selected.
#[derive(Clone, Debug)]
pub struct Contents {
    catalog: Arc<Catalog>,
    folder: CatalogPath,
    selection: Option<Selection>,
    /// Bytes of each path that are not part of the name within the archive.
    skipped_bytes: usize,
}

/// One path with its entry, as an archive holds it.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it is in the tree.
    pub path: CatalogPath,
    /// What the catalog says of it.
    pub entry: Arc<Entry>,
    skipped_bytes: usize,
}

impl Contents {
    /// Everything at and below `folder` with the folder's own name before it, so that unpacking makes
    /// one folder; the root of the tree has no name, and its children stand at the top. With a
    /// selection, only the files it matches.
    pub fn new(catalog: Arc<Catalog>, folder: CatalogPath, selection: Option<Selection>) -> Self {
        let skipped_bytes = folder.as_bytes().len() - folder.name().len();
        Self {
            catalog,
            folder,
            selection,
            skipped_bytes,
        }
    }

    /// The folder the archive is of.
    pub fn folder(&self) -> &CatalogPath {
        &self.folder
    }

    /// The state of the catalog that this is a view of.
    pub fn revision(&self) -> Revision {
        self.catalog.revision()
    }

    /// The items behind the one at `cursor`, or all of them, in path order: a folder comes before
    /// what is in it.
    pub fn after(&self, cursor: Option<&CatalogPath>) -> impl Iterator<Item = Item> {
        let itself = match cursor {
            Some(_) => None,
            None => self.catalog.entry(&self.folder),
        };
        // Behind the folder itself comes all below it, not what sorts between `a` and `a/`.
        let below = cursor.filter(|cursor| **cursor != self.folder);
        let itself = itself.map(|entry| (&self.folder, entry));
        itself
            .into_iter()
            .chain(self.catalog.below(&self.folder, below))
            .filter(|child| self.holds(*child))
            .map(|(path, entry)| self.item(path, entry))
    }

    fn holds(&self, (path, entry): Child<'_>) -> bool {
        self.selection
            .as_ref()
            .is_none_or(|selection| selection.matches(path, entry))
    }

    fn item(&self, path: &CatalogPath, entry: &Arc<Entry>) -> Item {
        Item {
            path: path.clone(),
            entry: Arc::clone(entry),
            skipped_bytes: self.skipped_bytes,
        }
    }
}

impl Item {
    /// Its name within the archive: bytes, without a slash at either end.
    pub fn name(&self) -> &[u8] {
        &self.path.as_bytes()[self.skipped_bytes..]
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.entry.kind == Kind::Folder
    }

    /// Bytes of its content; a folder has none.
    pub fn size(&self) -> u64 {
        match self.entry.kind {
            Kind::File => self.entry.size,
            Kind::Folder => 0,
        }
    }

    /// The CRC-32 of its content, unless it is hot.
    pub fn crc32(&self) -> Option<u32> {
        if self.size() == 0 {
            return Some(0);
        }
        self.entry.content.map(|content| content.crc32)
    }

    /// Bytes of the name as archives write it, with a slash behind that of a folder.
    pub(super) fn name_bytes(&self) -> usize {
        self.name().len() + usize::from(self.is_folder())
    }

    /// Writes the name as archives have it.
    pub(super) fn push_name(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name());
        if self.is_folder() {
            out.push(b'/');
        }
    }

    /// Permission bits. Set-user-id and its like are left out: unpacked by root, who owns what an
    /// archive without owners holds, they would hand root's rights to everybody.
    pub(super) fn permissions(&self) -> u32 {
        self.entry.mode & 0o777
    }

    /// Whole seconds since 1970 at which it was modified.
    pub(super) fn mtime_s(&self) -> i64 {
        self.entry.mtime_ns.div_euclid(1_000_000_000)
    }
}
