//! The live tree: the user's own folder, read-only and confined by the kernel.
//!
//! Every path is resolved by `openat2(RESOLVE_BENEATH)` from one folder descriptor, so neither a
//! symlink nor a rename under way leads out of the tree. Checking names in user space, as most file
//! servers do, always leaves a race. This module must never write, follow a link out of the tree,
//! or block on something that is no regular file.

mod listing;

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use overspill_core::{catalog::Stamp, path::CatalogPath};
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, statat,
    },
    io::Errno,
};
use thiserror::Error;

pub use self::listing::{FolderListing, Found, Problem, Via};

/// Whether paths with a segment that begins with a dot are published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hidden {
    /// They do not exist, neither in listings nor by name.
    Hide,
    /// They are like any other.
    Show,
}

/// What the file system says about a file or folder.
///
/// Two equal values mean that nobody has touched it in between, as far as the clock of the file
/// system can tell: two writes within one tick look like one, which is why a file must have been
/// still for a while before its hash is believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileFacts {
    /// Size in bytes.
    pub size: u64,
    /// Modification time, nanoseconds since 1970; negative before.
    pub mtime_ns: i64,
    /// Permission bits, as in `st_mode & 0o7777`.
    pub mode: u32,
    /// Device, inode and change time.
    pub stamp: Stamp,
}

/// A regular file of the tree, open for reading.
#[derive(Debug)]
pub struct LiveFile {
    /// The open file.
    pub file: File,
    /// What it was when it was opened.
    pub facts: FileFacts,
}

/// What was found at a path.
#[derive(Debug)]
pub enum Opened {
    /// A regular file.
    File(LiveFile),
    /// A folder.
    Folder(FileFacts),
}

/// The published folder.
///
/// It holds on to the folder it opened: if another one is moved or mounted over the path later,
/// this one is still served.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    path: PathBuf,
    absolute: PathBuf,
    hidden: Hidden,
}

/// Why a folder cannot be published. The messages are for the person who typed the path.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// There is nothing at the path.
    #[error("{} does not exist; create the folder or check the path for a typo", path.display())]
    Missing {
        /// As given.
        path: PathBuf,
    },
    /// The kernel, or the container around us, has no `openat2`.
    #[error(
        "cannot confine {} safely: openat2 is refused; it needs Linux 5.6 and a container runtime \
         that allows it",
        path.display()
    )]
    NotConfinable {
        /// As given.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is something else than a folder at the path.
    #[error("{} is not a folder; give the folder that holds it", path.display())]
    NotFolder {
        /// As given.
        path: PathBuf,
    },
    /// A top-level entry is called `-`, where our own pages live.
    #[error("{} cannot be published because /-/ is reserved; rename it", path.display())]
    Reserved {
        /// The entry.
        path: PathBuf,
    },
    /// The folder is there and cannot be read.
    #[error(
        "cannot read {}; give the user that runs this read and search permission",
        path.display()
    )]
    Unreadable {
        /// As given.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Why a path of the tree cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A symlink on the way leads out of the tree or round in circles.
    #[error("a symlink on the path leaves the tree or never ends")]
    Escapes,
    /// Permission denied.
    #[error("permission denied")]
    Forbidden,
    /// The disk, or something else that may pass.
    #[error("cannot open the path")]
    Io(#[source] io::Error),
    /// Nothing is there, or nothing that is published: a hidden path, a socket, a device.
    #[error("no such file or folder")]
    NotFound,
}

impl Tree {
    /// The name at the top of the tree that belongs to our own pages.
    pub const RESERVED: &[u8] = b"-";

    /// Opens the folder at `path`, following symlinks: this one path is the user's word.
    pub fn open(path: &Path, hidden: Hidden) -> Result<Self, TreeError> {
        let unreadable = |source| TreeError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => TreeError::Missing { path: path.into() },
            Errno::NOTDIR => TreeError::NotFolder { path: path.into() },
            errno => unreadable(errno.into()),
        })?;
        let absolute = path.canonicalize().map_err(unreadable)?;
        let path = path.to_owned();
        let tree = Self {
            root,
            path,
            absolute,
            hidden,
        };
        tree.check()?;
        Ok(tree)
    }

    /// Opens a file for reading, or looks at a folder.
    ///
    /// Never blocks on a pipe or device: what is neither a regular file nor a folder is not found.
    pub fn open_path(&self, path: &CatalogPath) -> Result<Opened, OpenError> {
        self.check_published(path)?;
        opened(self.resolve(path.as_bytes(), READ)?)
    }

    /// Like [`Tree::open_path`], but only if the kernel knows the whole path without asking a disk;
    /// `None` if it does not, or is not sure.
    pub fn open_path_in_memory(&self, path: &CatalogPath) -> Option<Result<Opened, OpenError>> {
        if let Err(error) = self.check_published(path) {
            return Some(Err(error));
        }
        let resolve = BENEATH | ResolveFlags::CACHED;
        match self.resolve_once(path.as_bytes(), READ, resolve) {
            Ok(fd) => Some(opened(fd)),
            Err(Errno::AGAIN) => None,
            Err(errno) => Some(Err(errno.into())),
        }
    }

    /// Lists one folder: a `stat` for each entry, none of them opened.
    ///
    /// An error means that the listing is incomplete and nothing may be concluded from it, least of
    /// all that something was deleted.
    pub fn list(&self, folder: &CatalogPath) -> Result<FolderListing, OpenError> {
        self.check_published(folder)?;
        let fd = self.resolve(folder.as_bytes(), READ | OFlags::DIRECTORY)?;
        listing::read(self, folder, fd.as_fd())
    }

    /// The path the user gave, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where `path` lies on disk, for the watcher. Opening it would bypass the confinement.
    pub fn absolute(&self, path: &CatalogPath) -> PathBuf {
        absolute(&self.absolute, path)
    }

    /// Finds out at start what would otherwise fail each request.
    fn check(&self) -> Result<(), TreeError> {
        self.resolve_once(b".", READ | OFlags::DIRECTORY, BENEATH)
            .map_err(|errno| TreeError::NotConfinable {
                path: self.path.clone(),
                source: errno.into(),
            })?;
        match statat(&self.root, Self::RESERVED, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(TreeError::Reserved {
                path: self.path.join("-"),
            }),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(TreeError::Unreadable {
                path: self.path.clone(),
                source: errno.into(),
            }),
        }
    }

    fn check_published(&self, path: &CatalogPath) -> Result<(), OpenError> {
        let top = path.as_bytes().split(|&byte| byte == b'/').next();
        let hidden = self.hidden == Hidden::Hide && path.is_hidden();
        if hidden || top == Some(Self::RESERVED) {
            return Err(OpenError::NotFound);
        }
        Ok(())
    }

    /// Resolves `path` beneath the root; the kernel refuses every way out.
    fn resolve(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut tries = 1;
        loop {
            match self.resolve_once(path, flags, BENEATH) {
                // EAGAIN: a rename elsewhere on the file system raced with a `..` on the way.
                Err(Errno::AGAIN | Errno::INTR) if tries < RESOLVE_TRIES => tries += 1,
                result => return result,
            }
        }
    }

    fn resolve_once(
        &self,
        path: &[u8],
        flags: OFlags,
        resolve: ResolveFlags,
    ) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        // The kernel knows no empty path; the root folder is itself.
        let path = if path.is_empty() { b"." } else { path };
        openat2(&self.root, path, flags, Mode::empty(), resolve)
    }
}

/// What an open descriptor is.
fn opened(fd: OwnedFd) -> Result<Opened, OpenError> {
    let stat = fstat(&fd)?;
    let facts = FileFacts::from_stat(&stat);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Opened::File(LiveFile {
            file: fd.into(),
            facts,
        })),
        FileType::Directory => Ok(Opened::Folder(facts)),
        _ => Err(OpenError::NotFound),
    }
}

impl LiveFile {
    /// Whether the file is still what it was when it was opened: same device, inode, size, and
    /// times. A file that cannot be asked counts as changed.
    pub fn is_unchanged(&self) -> bool {
        fstat(&self.file).is_ok_and(|stat| {
            let now = FileFacts::from_stat(&stat);
            (now.size, now.mtime_ns, now.stamp)
                == (self.facts.size, self.facts.mtime_ns, self.facts.stamp)
        })
    }
}

impl FileFacts {
    fn from_stat(stat: &Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            mode: stat.st_mode & 0o7777,
            stamp: Stamp {
                dev: stat.st_dev,
                ino: stat.st_ino,
                ctime_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
            },
        }
    }
}

impl From<Errno> for OpenError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::XDEV | Errno::LOOP => Self::Escapes,
            Errno::ACCESS | Errno::PERM => Self::Forbidden,
            // ENXIO and ENODEV: a socket, or a device without a driver.
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::NXIO | Errno::NODEV => {
                Self::NotFound
            }
            errno => Self::Io(errno.into()),
        }
    }
}

/// Where `path` lies below the folder `root`.
pub(crate) fn absolute(root: &Path, path: &CatalogPath) -> PathBuf {
    if path.is_root() {
        return root.to_owned();
    }
    root.join(OsStr::from_bytes(path.as_bytes()))
}

/// Saturates in the year 2262, which only a damaged inode claims to be from.
fn nanoseconds(seconds: i64, nanoseconds: u64) -> i64 {
    let nanoseconds = i64::try_from(nanoseconds).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// `NONBLOCK`: a pipe opens at once, and is then found to be none of ours. `NOCTTY`: nor does a
/// terminal become the one that controls us.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// How every path is confined.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// A tree with constant renames costs a few tries; more than this is a fault worth showing.
const RESOLVE_TRIES: u32 = 64;

#[cfg(test)]
mod tests;
