//! One path of the catalog, and the small identities around it.
//!
//! It must never hold anything about the network: an entry means the same on every node.

use std::{fmt, num::ParseIntError, str::FromStr};

use crate::root::{Root, Sha256};

/// The position of a batch in the server's history; grows by one with each published batch.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Revision(pub u64);

/// The random identity of one server's history. A rebuilt or restored server has another one, so
/// its revisions are never mistaken for the old ones.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct InstanceId(pub u64);

/// What a path is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A regular file, or a symlink to one inside the tree.
    File,
    /// A folder, or a symlink to one inside the tree.
    Folder,
}

/// The identity of a file's bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Content {
    /// BLAKE3 root.
    pub root: Root,
    /// SHA-256 of the same bytes, for everybody else's tools.
    pub sha256: Sha256,
    /// CRC-32 of the same bytes, as ZIP and gzip have it (IEEE 802.3). It stands before a file's
    /// bytes in a ZIP archive, so it has to be known before they are read again.
    pub crc32: u32,
}

/// What a file on the server's disk was when it was hashed. With size and mtime it decides whether
/// the bytes are still those: `ctime` catches rewrites that put the old mtime back.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Stamp {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Change time, nanoseconds since 1970.
    pub ctime_ns: i64,
}

/// One path of the catalog.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// File or folder.
    pub kind: Kind,
    /// Size in bytes; 0 for a folder.
    pub size: u64,
    /// Modification time, nanoseconds since 1970; negative before.
    pub mtime_ns: i64,
    /// Permission bits, as in `st_mode & 0o7777`.
    pub mode: u32,
    /// The batch that last changed this entry.
    pub revision: Revision,
    /// Identity of the bytes; `None` for folders and for files that are still being written or
    /// not hashed yet (hot), which only the server can serve.
    pub content: Option<Content>,
    /// The file on the server's disk; `None` on a mirror and for folders.
    pub stamp: Option<Stamp>,
}

impl Revision {
    /// Before the first batch.
    pub const ZERO: Self = Self(0);

    /// The revision of the next batch.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Entry {
    /// The content's root, if known.
    pub fn root(&self) -> Option<Root> {
        self.content.map(|content| content.root)
    }

    /// Whether `other` is the same version of the same thing, whatever batch it came with.
    pub fn same_version(&self, other: &Self) -> bool {
        Self {
            revision: other.revision,
            ..self.clone()
        } == *other
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for InstanceId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        u64::from_str_radix(text, 16).map(Self)
    }
}
