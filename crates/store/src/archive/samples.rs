//! Trees and their contents for the tests of archives; no file lies behind them.

use std::{ops::Range, sync::Arc};

use overspill_core::{
    catalog::{Catalog, Content, Entry, InstanceId, Kind, Revision, Selection, Stamp},
    path::CatalogPath,
    root::{Root, Sha256},
};

use super::{Contents, Item, Layout, Section};

/// 2026-01-31T12:00:00Z and a bit.
const MTIME_NS: i64 = 1_769_860_800_123_456_789;

/// A tree in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree(Vec<(CatalogPath, Entry)>);

impl Tree {
    /// Adds a folder.
    pub(super) fn folder(mut self, path: &[u8]) -> Self {
        self.0.push((parse(path), entry(Kind::Folder, 0)));
        self
    }

    /// Adds a file whose digests are known; beyond a mebibyte they are made up.
    pub(super) fn file(mut self, path: &[u8], size: u64) -> Self {
        let bytes = content(path, 0..size.min(1 << 20));
        let known = Content {
            root: Root(blake3::hash(&bytes).into()),
            sha256: Sha256([0; 32]),
            crc32: crc32fast::hash(&bytes),
        };
        let entry = Entry {
            content: Some(known),
            ..entry(Kind::File, size)
        };
        self.0.push((parse(path), entry));
        self
    }

    /// Adds a file that is still being written.
    pub(super) fn hot(mut self, path: &[u8], size: u64) -> Self {
        self.0.push((parse(path), entry(Kind::File, size)));
        self
    }

    /// Changes the entry added last.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Entry)) -> Self {
        self.0.last_mut().map(|(_, entry)| change(entry)).unwrap();
        self
    }

    pub(super) fn contents(self, folder: &[u8], query: &[u8]) -> Contents {
        let mut catalog = Catalog::new(InstanceId(1));
        let batch: Vec<_> = self
            .0
            .into_iter()
            .map(|(path, entry)| (path, Arc::new(entry)))
            .collect();
        let batch = batch.iter().map(|(path, entry)| (path, Some(entry)));
        catalog.apply(Revision(1), batch);
        let selection = Selection::from_query(query).unwrap();
        Contents::new(Arc::new(catalog), parse(folder), selection)
    }

    /// The one item of a tree of one entry.
    pub(super) fn item(self) -> Item {
        let contents = self.contents(b"", b"");
        contents.after(None).next().unwrap()
    }
}

fn parse(path: &[u8]) -> CatalogPath {
    CatalogPath::parse(path).unwrap()
}

fn entry(kind: Kind, size: u64) -> Entry {
    let stamp = Stamp {
        dev: 1,
        ino: 2,
        ctime_ns: 3,
    };
    Entry {
        kind,
        size,
        mtime_ns: MTIME_NS,
        mode: 0o644,
        revision: Revision(1),
        content: None,
        stamp: (kind == Kind::File).then_some(stamp),
    }
}

/// The bytes of the file at `path`.
pub(super) fn content(path: &[u8], range: Range<u64>) -> Vec<u8> {
    let salt = path
        .iter()
        .fold(7_u8, |salt, byte| salt.wrapping_mul(31) ^ byte);
    range.map(|at| (at as u8).wrapping_mul(13) ^ salt).collect()
}

/// The bytes of a range of the archive, as someone would send them.
pub(super) fn bytes(layout: &Arc<Layout>, range: Range<u64>) -> Vec<u8> {
    let mut sections = layout.sections(range);
    let mut out = Vec::new();
    while let Some(section) = sections.next_section() {
        match section {
            Section::Bytes(bytes) => out.extend(bytes),
            Section::Content { item, range } => {
                assert!(!range.is_empty(), "an empty part of {:?}", item.path);
                let bytes = content(item.path.as_bytes(), range);
                if layout.needs_checksums() && item.crc32().is_none() {
                    sections.note_crc32(crc32fast::hash(&bytes));
                }
                out.extend(bytes);
            }
        }
    }
    out
}
