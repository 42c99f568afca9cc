//! One folder of the live tree: its children, what they are, and what is wrong with the others.
//!
//! A million files are listed at each scan, so the loop here makes one system call for an entry
//! and one allocation, its path. It must never open an entry, and never turn an error into an
//! absence: what cannot be read is a [`Problem`], not a file that was deleted.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use overspill_core::path::{CatalogPath, PathError};
use rustix::{
    fs::{AtFlags, FileType, OFlags, RawDir, RawDirEntry, Stat, fstat, statat},
    io::Errno,
};
use thiserror::Error;

use super::{FileFacts, Hidden, OpenError, Tree};

/// The children of one folder.
#[derive(Debug)]
pub struct FolderListing {
    /// Everything that can be published, in byte order of the paths.
    pub children: Vec<(CatalogPath, Found)>,
    /// What should perhaps have been among the children and is not.
    pub problems: Vec<Problem>,
    /// Device and inode of the folder itself. A walk that meets the same pair among the folders
    /// above has followed a symlink in a circle.
    pub identity: (u64, u64),
}

/// A child that can be published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// A regular file.
    File {
        /// Size, times and identity of the file, not of a link to it.
        facts: FileFacts,
        /// How the name leads there.
        via: Via,
    },
    /// A folder.
    Folder {
        /// Times and identity of the folder, not of a link to it.
        facts: FileFacts,
        /// How the name leads there.
        via: Via,
    },
}

/// How a name leads to what was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Via {
    /// It is the thing itself.
    Direct,
    /// It is a symlink to it.
    Symlink,
}

/// Why a name was left out of a listing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The name fits no catalog path.
    #[error("{folder}/{}: {error}", String::from_utf8_lossy(name))]
    BadName {
        /// The folder that holds it.
        folder: CatalogPath,
        /// The name on disk.
        name: Vec<u8>,
        /// What is wrong with it.
        error: PathError,
    },
    /// A symlink to nothing. Common, and rarely of interest.
    #[error("{path}: the symlink leads nowhere")]
    Dangling {
        /// The symlink.
        path: CatalogPath,
    },
    /// A symlink that leaves the tree, is absolute, or never ends.
    #[error("{path}: the symlink leaves the tree (or never ends); make it relative and within")]
    Escapes {
        /// The symlink.
        path: CatalogPath,
    },
    /// The name of our own pages, made after the start.
    #[error("{path}: the name is reserved for /-/; rename it")]
    Reserved {
        /// The entry.
        path: CatalogPath,
    },
    /// The entry is there and cannot be looked at.
    #[error("{path}: {error}")]
    Unreadable {
        /// The entry.
        path: CatalogPath,
        /// What the kernel said.
        error: io::Error,
    },
}

impl Found {
    /// What the file system says about it.
    pub fn facts(&self) -> &FileFacts {
        match self {
            Self::File { facts, .. } | Self::Folder { facts, .. } => facts,
        }
    }
}

impl Problem {
    /// Writes the problem to the log. A dangling link is at debug level, all else a warning.
    ///
    /// A scan meets the same problem each time; whoever scans says it once.
    pub fn log(&self) {
        match self {
            Self::Dangling { path } => tracing::debug!(%path, "symlink leads nowhere"),
            problem => tracing::warn!(event = "tree-problem", "{problem}; it is left out"),
        }
    }
}

/// Reads the open folder `fd`, which lies at `folder`.
pub(super) fn read(
    tree: &Tree,
    folder: &CatalogPath,
    fd: BorrowedFd<'_>,
) -> Result<FolderListing, OpenError> {
    let stamp = FileFacts::from_stat(&fstat(fd)?).stamp;
    let mut reading = Reading {
        tree,
        folder,
        fd,
        listing: FolderListing {
            children: Vec::new(),
            problems: Vec::new(),
            identity: (stamp.dev, stamp.ino),
        },
    };
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        reading.add(&entry?);
    }
    let mut listing = reading.listing;
    listing
        .children
        .sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(listing)
}

struct Reading<'a> {
    tree: &'a Tree,
    folder: &'a CatalogPath,
    fd: BorrowedFd<'a>,
    listing: FolderListing,
}

impl Reading<'_> {
    fn add(&mut self, entry: &RawDirEntry<'_>) {
        let name = entry.file_name().to_bytes();
        if self.is_skipped(name) || is_special(entry.file_type()) {
            return;
        }
        match self.folder.join(name) {
            Ok(path) if path.as_bytes() == Tree::RESERVED => {
                self.report(Problem::Reserved { path })
            }
            Ok(path) => self.add_path(path, entry),
            Err(error) => self.report(Problem::BadName {
                folder: self.folder.clone(),
                name: name.to_owned(),
                error,
            }),
        }
    }

    fn is_skipped(&self, name: &[u8]) -> bool {
        matches!(name, b"." | b"..") || self.tree.hidden == Hidden::Hide && name.starts_with(b".")
    }

    fn add_path(&mut self, path: CatalogPath, entry: &RawDirEntry<'_>) {
        match self.look_at(&path, entry) {
            Ok(Some(found)) => self.listing.children.push((path, found)),
            Ok(None) => {}
            Err(error) => self.report(error.at(path)),
        }
    }

    /// `None` is something that is not published, or is gone again.
    fn look_at(
        &self,
        path: &CatalogPath,
        entry: &RawDirEntry<'_>,
    ) -> Result<Option<Found>, LookError> {
        if entry.file_type() == FileType::Symlink {
            return self.follow(path);
        }
        let stat = match statat(self.fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Deleted since it was listed: the listing is a moment's truth, and this is a later one.
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(LookError::Direct(errno)),
        };
        // Some file systems give no type in listings, and a name may have become a link since.
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return self.follow(path);
        }
        Ok(found(&stat, Via::Direct))
    }

    /// From the root of the tree, not from this folder: a link may well lead up and down again.
    fn follow(&self, path: &CatalogPath) -> Result<Option<Found>, LookError> {
        let target = self
            .tree
            .resolve(path.as_bytes(), OFlags::PATH)
            .map_err(LookError::Symlink)?;
        let stat = fstat(target.as_fd()).map_err(LookError::Direct)?;
        Ok(found(&stat, Via::Symlink))
    }

    fn report(&mut self, problem: Problem) {
        self.listing.problems.push(problem);
    }
}

enum LookError {
    Direct(Errno),
    Symlink(Errno),
}

impl LookError {
    fn at(self, path: CatalogPath) -> Problem {
        match self {
            Self::Symlink(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => {
                Problem::Dangling { path }
            }
            Self::Symlink(Errno::XDEV | Errno::LOOP) => Problem::Escapes { path },
            Self::Direct(errno) | Self::Symlink(errno) => Problem::Unreadable {
                path,
                error: errno.into(),
            },
        }
    }
}

fn found(stat: &Stat, via: Via) -> Option<Found> {
    let facts = FileFacts::from_stat(stat);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Some(Found::File { facts, via }),
        FileType::Directory => Some(Found::Folder { facts, via }),
        _ => None,
    }
}

/// Known from the listing alone to be none of ours; unknown types are looked at.
fn is_special(kind: FileType) -> bool {
    matches!(
        kind,
        FileType::BlockDevice | FileType::CharacterDevice | FileType::Fifo | FileType::Socket
    )
}

/// About a thousand names a system call; what glibc takes, too.
const BUFFER_BYTES: usize = 32 * 1024;
