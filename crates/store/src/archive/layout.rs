//! Where everything in an archive is.
//!
//! One pass over the items adds up the length and the identity and leaves a mark every few dozen
//! items; from a mark, any offset is a short walk away. So a layout of a million items takes some
//! hundred kilobytes. It must never depend on anything but the catalog: two nodes with the same
//! entries must come to the same bytes and the same identity.

use std::{ops::Range, sync::Arc};

use overspill_core::path::CatalogPath;
use thiserror::Error;

use super::{
    contents::{Contents, Item},
    sections::Sections,
    tar, zip,
};

/// Most items of one archive. Planning passes over all of them on the thread that serves: measured,
/// 90 ms of processor time for as many.
pub const MAX_ITEMS: u64 = 1_000_000;
/// Longest archive, in bytes: no disk is larger, and sums below it cannot overflow.
const MAX_BYTES: u64 = 1 << 60;
/// Items between two marks. Measured at 256, finding an offset took 0.2 ms, which grows with it.
const STRIDE_ITEMS: u64 = 64;
/// Part of the identity: to be changed whenever the bytes made of the same entries change.
const VERSION: &[u8] = b"overspill archive 1\n";

/// A format that stores contents as they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Container {
    /// POSIX tar with PAX headers.
    Tar,
    /// ZIP with stored entries.
    Zip,
}

/// What tells one archive from another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Identity {
    /// Sixty-four hexadecimal digits; equal ones mean equal bytes, on every node.
    Exact(String),
    /// The same of an archive with hot files: equal ones mean the same files at the same times.
    Vague(String),
}

/// Why there is no archive of these contents. The messages are for whoever asked for it.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum LayoutError {
    /// More than [`MAX_ITEMS`].
    #[error(
        "the archive would have more than {MAX_ITEMS} files and folders; ask for a folder further \
         down or add a selection such as name=*.iso"
    )]
    TooMany,
    /// The sizes add up to more than any disk holds.
    #[error("the archive would be too long; ask for a folder further down or add a selection")]
    TooLong,
}

/// The plan of one archive: its length, its identity, and the way to any offset in it.
#[derive(Debug)]
pub struct Layout {
    pub(super) contents: Contents,
    pub(super) container: Container,
    pub(super) marks: Vec<Mark>,
    pub(super) sums: Sums,
    length: u64,
    identity: Identity,
}

/// A place from which to walk on.
#[derive(Debug)]
pub(super) struct Mark {
    /// The item before the first of the walk.
    pub(super) after: Option<CatalogPath>,
    /// Where the first item begins.
    pub(super) offset: u64,
    /// Where its header begins, from the start of the central directory.
    pub(super) central_offset: u64,
}

/// What the items add up to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) items: u64,
    /// Files whose CRC-32 is not known before they are read.
    pub(super) hot: u64,
    /// Where the last item ends.
    pub(super) bytes: u64,
    /// Bytes of the central directory, which a tar does not have.
    pub(super) central_bytes: u64,
}

impl Layout {
    /// Lays `contents` out.
    ///
    /// Passes over all of them, and touches nothing but memory.
    pub fn plan(contents: Contents, container: Container) -> Result<Self, LayoutError> {
        let mut sums = Sums::default();
        let mut marks = Vec::new();
        let mut fingerprint = Fingerprint::new(container);
        let mut after = None;
        for item in contents.after(None) {
            if sums.items.is_multiple_of(STRIDE_ITEMS) {
                marks.push(Mark {
                    after: after.take(),
                    offset: sums.bytes,
                    central_offset: sums.central_bytes,
                });
            }
            sums.add(&item, container)?;
            fingerprint.add(&item);
            after = Some(item.path);
        }
        let digest = fingerprint.finish();
        Ok(Self {
            length: sums.bytes + sums.central_bytes + end_bytes(container, sums),
            identity: match sums.hot {
                0 => Identity::Exact(digest),
                _ => Identity::Vague(digest),
            },
            contents,
            container,
            marks,
            sums,
        })
    }

    /// Bytes of the whole archive.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What tells it from other archives.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What is in it.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Whether each content has to be read before what follows it can be made: a ZIP of hot files.
    /// Such an archive can only be walked from its start, and by someone who reads.
    pub fn needs_checksums(&self) -> bool {
        self.container == Container::Zip && self.sums.hot > 0
    }

    /// The way from `range.start` to `range.end`, which must lie within the archive.
    pub fn sections(self: &Arc<Self>, range: Range<u64>) -> Sections {
        debug_assert!(range.end <= self.length, "{range:?} of {}", self.length);
        Sections::new(Arc::clone(self), range)
    }

    /// The last mark at or before an offset among the items.
    pub(super) fn mark_of_item(&self, offset: u64) -> Option<&Mark> {
        let behind = self.marks.partition_point(|mark| mark.offset <= offset);
        self.marks.get(behind.checked_sub(1)?)
    }

    /// The last mark at or before an offset in the central directory, counted from its start.
    pub(super) fn mark_of_header(&self, offset: u64) -> Option<&Mark> {
        let behind = self
            .marks
            .partition_point(|mark| mark.central_offset <= offset);
        self.marks.get(behind.checked_sub(1)?)
    }

    /// Writes what ends the archive.
    pub(super) fn push_end(&self, out: &mut Vec<u8>) {
        match self.container {
            Container::Tar => tar::push_zeros(tar::end_bytes(self.sums.bytes), out),
            Container::Zip => directory(self.sums).push_end(out),
        }
    }
}

impl Container {
    /// The name it goes by in URLs and entity tags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::Zip => "zip",
        }
    }

    pub(super) fn push_lead(self, item: &Item, out: &mut Vec<u8>) {
        match self {
            Self::Tar => tar::push_lead(item, out),
            Self::Zip => zip::push_lead(item, out),
        }
    }

    pub(super) fn push_tail(self, item: &Item, crc32: u32, out: &mut Vec<u8>) {
        match self {
            Self::Tar => tar::push_zeros(tar::tail_bytes(item), out),
            Self::Zip => zip::push_tail(item, crc32, out),
        }
    }

    /// Bytes of an item with all that is around its content.
    pub(super) fn item_bytes(self, item: &Item) -> u64 {
        item.size()
            + match self {
                Self::Tar => tar::lead_bytes(item) + tar::tail_bytes(item),
                Self::Zip => zip::lead_bytes(item) + zip::tail_bytes(item),
            }
    }

    fn central_bytes(self, item: &Item, offset: u64) -> u64 {
        match self {
            Self::Tar => 0,
            Self::Zip => zip::central_bytes(item, offset),
        }
    }
}

impl Sums {
    fn add(&mut self, item: &Item, container: Container) -> Result<(), LayoutError> {
        if self.items == MAX_ITEMS {
            return Err(LayoutError::TooMany);
        }
        // Before anything is rounded up: an entry may claim any size.
        if item.size() > MAX_BYTES - self.bytes.min(MAX_BYTES) {
            return Err(LayoutError::TooLong);
        }
        self.items += 1;
        self.hot += u64::from(item.crc32().is_none());
        self.central_bytes += container.central_bytes(item, self.bytes);
        self.bytes += container.item_bytes(item);
        Ok(())
    }
}

fn directory(sums: Sums) -> zip::Directory {
    zip::Directory {
        items: sums.items,
        offset: sums.bytes,
        bytes: sums.central_bytes,
    }
}

fn end_bytes(container: Container, sums: Sums) -> u64 {
    match container {
        Container::Tar => tar::end_bytes(sums.bytes),
        Container::Zip => directory(sums).end_bytes(),
    }
}

/// The hash of everything that the bytes of an archive depend on.
///
/// Items are gathered, because BLAKE3 is several times faster on long inputs.
struct Fingerprint {
    hasher: blake3::Hasher,
    gathered: Vec<u8>,
}

/// Bytes hashed together.
const GATHERED_BYTES: usize = 16 << 10;

impl Fingerprint {
    fn new(container: Container) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(VERSION).update(container.name().as_bytes());
        Self {
            hasher,
            gathered: Vec::with_capacity(2 * GATHERED_BYTES),
        }
    }

    /// Takes an item in: its content by the root, a hot one by what the file system says of it.
    fn add(&mut self, item: &Item) {
        let (out, name) = (&mut self.gathered, item.name());
        let is_hot = item.crc32().is_none();
        out.extend((name.len() as u64).to_le_bytes());
        out.extend(name);
        out.extend([item.is_folder(), is_hot].map(u8::from));
        out.extend(item.permissions().to_le_bytes());
        out.extend(item.mtime_s().to_le_bytes());
        out.extend(item.size().to_le_bytes());
        match (item.entry.root(), item.entry.stamp) {
            (Some(root), _) => out.extend(root.0),
            (None, Some(stamp)) if is_hot => {
                out.extend(stamp.dev.to_le_bytes());
                out.extend(stamp.ino.to_le_bytes());
                out.extend(stamp.ctime_ns.to_le_bytes());
                out.extend(item.entry.mtime_ns.to_le_bytes());
            }
            _ => {}
        }
        if self.gathered.len() >= GATHERED_BYTES {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
    }

    fn finish(mut self) -> String {
        self.hasher.update(&self.gathered);
        self.hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests;
