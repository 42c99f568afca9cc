//! The object store of a mirror: immutable contents under their roots.
//!
//! ```text
//! DIR/lock                 held as long as the store is open
//! DIR/objects/ab/ab12…     verified and synced, or not there
//! DIR/objects/ab/ab12….ob  the object's outboard, if it is large and there was room
//! DIR/tmp/ab12….part       being received; survives a crash and is resumed
//! DIR/quarantine/ab12…     was an object, and read back wrong
//! ```
//!
//! A name under `objects` must never exist for bytes that were not verified and synced, and no
//! path here is ever made from anything but a root, so none leads out of the store.

mod receive;

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use overspill_core::root::Root;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstatvfs, openat2, syncfs};
use thiserror::Error;

pub use self::receive::{Received, Receiving};
use crate::outboards::Outboards;

/// A folder full of objects, and the lock on it.
///
/// The lock goes when this is dropped or the process dies, however it dies.
#[derive(Debug)]
pub struct ObjectStore {
    dir: PathBuf,
    lock: File,
    claims: Claims,
    outboards: Outboards,
}

/// Why the store would not do something.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The object is being received already, or received and not committed.
    #[error("object {root} is being received already")]
    Busy {
        /// The object.
        root: Root,
    },
    /// No space, or no quota, is left.
    #[error("the disk of the store {} is full; free some space", dir.display())]
    DiskFull {
        /// The store.
        dir: PathBuf,
    },
    /// Another process has the store.
    #[error(
        "another mirror uses the store {}; give each mirror its own --store",
        dir.display()
    )]
    InUse {
        /// The store.
        dir: PathBuf,
    },
    /// Anything else the disk may say.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// All bytes came, and they are others than promised. They are deleted.
    #[error("expected object {expected} and received {got}")]
    Mismatch {
        /// The root asked for.
        expected: Root,
        /// The root of what came.
        got: Root,
    },
    /// The object is not in the store.
    #[error("object {root} is not in the store")]
    NotHeld {
        /// The object.
        root: Root,
    },
    /// Fewer bytes came than promised. They are kept, to be continued.
    #[error("received {got} of {expected} bytes")]
    Short {
        /// Size of the object in bytes.
        expected: u64,
        /// Bytes there are.
        got: u64,
    },
    /// More bytes came than promised. None of the write that had them is kept.
    #[error("received more than {expected} bytes")]
    TooLong {
        /// Size of the object in bytes.
        expected: u64,
    },
}

impl ObjectError {
    /// Whether the object itself is gone or unreadable, and not only out of reach for the moment.
    pub fn is_loss(&self) -> bool {
        match self {
            Self::NotHeld { .. } | Self::Mismatch { .. } => true,
            Self::Io { source, .. } => is_media_error(source),
            _ => false,
        }
    }
}

/// Whether the disk, and not the moment, is to blame.
pub fn is_media_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

impl ObjectStore {
    /// Opens the store at `dir`, making it if it is not there, for this process alone.
    pub fn open(dir: &Path) -> Result<Self, ObjectError> {
        fs::create_dir_all(dir).map_err(|error| failure(dir, dir, error))?;
        let lock = lock(dir)?;
        for name in [OBJECTS, TMP, QUARANTINE] {
            let folder = dir.join(name);
            fs::create_dir_all(&folder).map_err(|error| failure(dir, &folder, error))?;
        }
        // Or a power cut could take `objects` away, with everything that was synced below it.
        sync_folder(dir).map_err(|error| failure(dir, dir, error))?;
        Ok(Self {
            dir: dir.to_owned(),
            lock,
            claims: Claims::default(),
            outboards: Outboards::at(dir.join(OBJECTS)),
        })
    }

    /// The outboards beside the objects.
    pub fn outboards(&self) -> &Outboards {
        &self.outboards
    }

    /// Opens an object for reading. The file stays readable when the object is removed meanwhile.
    pub fn open_object(&self, root: &Root) -> Result<File, ObjectError> {
        let path = self.object_path(root);
        File::open(&path).map_err(|error| self.not_held_or(root, &path, error))
    }

    /// Like [`ObjectStore::open_object`], but only if the kernel can do it without asking a disk.
    pub fn open_object_in_memory(&self, root: &Root) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let path = self.object_path(root);
        let file = openat2(CWD, &path, flags, Mode::empty(), ResolveFlags::CACHED);
        file.ok().map(File::from)
    }

    /// Whether the object is there.
    pub fn contains(&self, root: &Root) -> bool {
        self.object_path(root).is_file()
    }

    /// The roots of all objects, ordered. Files of other names are passed over.
    ///
    /// An error means that the list is incomplete; nothing may be concluded from it.
    pub fn present(&self) -> io::Result<Vec<Root>> {
        let mut roots = Vec::new();
        for shard in fs::read_dir(self.dir.join(OBJECTS))? {
            let shard = shard?;
            if !shard.file_type()?.is_dir() {
                continue;
            }
            for object in fs::read_dir(shard.path())? {
                let object = object?;
                let root = object
                    .file_name()
                    .to_str()
                    .and_then(|name| name.parse().ok());
                // A valid name in the wrong shard is not where anybody would open it.
                roots.extend(root.filter(|root| self.object_path(root) == object.path()));
            }
        }
        roots.sort_unstable();
        Ok(roots)
    }

    /// Removes an object and its outboard. One that is not there is fine.
    pub fn remove(&self, root: &Root) -> Result<(), ObjectError> {
        if let Err(error) = self.outboards.remove(root) {
            tracing::debug!(%root, %error, "cannot remove an outboard");
        }
        let path = self.object_path(root);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failure(&path, error))
            }
            _ => Ok(()),
        }
    }

    /// Takes an object that reads back wrong out of service, and keeps it to be looked at.
    pub fn quarantine(&self, root: &Root) -> Result<(), ObjectError> {
        let from = self.object_path(root);
        let to = self.dir.join(QUARANTINE).join(root.to_string());
        fs::rename(&from, to).map_err(|error| self.not_held_or(root, &from, error))?;
        tracing::debug!(%root, "object quarantined");
        Ok(())
    }

    /// Bytes that we may still write; a reserve for the superuser does not count.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let disk = fstatvfs(&self.lock)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Makes verified contents into objects, durably: when this returns, they survive a power cut.
    ///
    /// After an error some may be objects and the others are not lost: receiving them again finds
    /// all their bytes. One `syncfs` takes the place of an `fdatasync` for each of several files,
    /// and another of an `fsync` for each of many folders, which for small files is the difference
    /// between thousands a second and tens.
    pub fn commit(&self, received: Vec<Received>) -> Result<(), ObjectError> {
        self.sync_contents(&received)?;
        let mut shards = BTreeSet::new();
        for content in &received {
            let path = self.object_path(&content.root());
            let shard = self.shard_path(&content.root());
            fs::create_dir_all(&shard).map_err(|error| self.failure(&shard, error))?;
            fs::rename(content.part(), &path).map_err(|error| self.failure(&path, error))?;
            shards.insert(shard);
            self.outboards.keep_if_possible(content.outboard());
        }
        self.sync_names(NameSync::of(shards))
    }

    /// Removes what was received in part and `keep` does not want. Returns how many there were.
    ///
    /// Never touches what is being received now.
    pub fn clean_tmp(&self, keep: impl Fn(&Root) -> bool) -> Result<usize, ObjectError> {
        let tmp = self.dir.join(TMP);
        let mut removed = 0;
        for entry in fs::read_dir(&tmp).map_err(|error| self.failure(&tmp, error))? {
            let name = entry
                .map_err(|error| self.failure(&tmp, error))?
                .file_name();
            let Some(root) = name.to_str().and_then(part_root) else {
                continue;
            };
            if keep(&root) {
                continue;
            }
            // Held while the file goes, so that nobody begins to receive it under our hands.
            let Some(_claim) = self.claims.claim(root) else {
                continue;
            };
            let part = tmp.join(name);
            fs::remove_file(&part).map_err(|error| self.failure(&part, error))?;
            removed += 1;
        }
        Ok(removed)
    }

    fn sync_contents(&self, received: &[Received]) -> Result<(), ObjectError> {
        match received {
            [] => Ok(()),
            [only] => File::open(only.part())
                .and_then(|file| file.sync_data())
                .map_err(|error| self.failure(only.part(), error)),
            _ => syncfs(&self.lock).map_err(|errno| self.failure(&self.dir, errno.into())),
        }
    }

    fn sync_names(&self, names: NameSync) -> Result<(), ObjectError> {
        match names {
            NameSync::FileSystem => {
                syncfs(&self.lock).map_err(|errno| self.failure(&self.dir, errno.into()))
            }
            NameSync::Shards(shards) if shards.is_empty() => Ok(()),
            NameSync::Shards(mut folders) => {
                // A shard may be new, and its own name is an entry of `objects`.
                folders.insert(self.dir.join(OBJECTS));
                folders.iter().try_for_each(|folder| {
                    sync_folder(folder).map_err(|error| self.failure(folder, error))
                })
            }
        }
    }

    fn shard_path(&self, root: &Root) -> PathBuf {
        self.dir.join(OBJECTS).join(format!("{:02x}", root.0[0]))
    }

    fn object_path(&self, root: &Root) -> PathBuf {
        self.shard_path(root).join(root.to_string())
    }

    fn part_path(&self, root: &Root) -> PathBuf {
        self.dir.join(TMP).join(format!("{root}{PART}"))
    }

    fn not_held_or(&self, root: &Root, path: &Path, error: io::Error) -> ObjectError {
        match error.kind() {
            io::ErrorKind::NotFound => ObjectError::NotHeld { root: *root },
            _ => self.failure(path, error),
        }
    }

    fn failure(&self, path: &Path, error: io::Error) -> ObjectError {
        failure(&self.dir, path, error)
    }
}

/// How the names of new objects are made durable.
#[derive(Debug, Eq, PartialEq)]
enum NameSync {
    /// All at once, whatever else is dirty on the disk included.
    FileSystem,
    /// Folder by folder.
    Shards(BTreeSet<PathBuf>),
}

impl NameSync {
    fn of(shards: BTreeSet<PathBuf>) -> Self {
        if shards.len() > SHARDS_SYNCED_ALONE_MAX {
            Self::FileSystem
        } else {
            Self::Shards(shards)
        }
    }
}

/// The objects that somebody is receiving or about to commit.
///
/// A receiver hashes what it writes, not what is in the file; two of them in one file could verify
/// one content and keep another.
#[derive(Clone, Debug, Default)]
struct Claims(Arc<Mutex<Roots>>);

type Roots = HashSet<Root, foldhash::fast::RandomState>;

/// The sole right to one part file, until dropped.
#[derive(Debug)]
struct Claim {
    root: Root,
    claims: Claims,
}

impl Claims {
    fn claim(&self, root: Root) -> Option<Claim> {
        self.lock().insert(root).then(|| Claim {
            root,
            claims: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Roots> {
        // A set is whole after any panic: insert and remove are all that is done to it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.lock().remove(&self.root);
    }
}

fn lock(dir: &Path) -> Result<File, ObjectError> {
    let path = dir.join(LOCK);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| failure(dir, &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ObjectError::InUse { dir: dir.into() }),
        Err(TryLockError::Error(error)) => Err(failure(dir, &path, error)),
    }
}

/// Makes the names in a folder durable; syncing a file does not cover its name.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn part_root(name: &str) -> Option<Root> {
    name.strip_suffix(PART)?.parse().ok()
}

fn failure(dir: &Path, path: &Path, error: io::Error) -> ObjectError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ObjectError::DiskFull { dir: dir.into() }
        }
        _ => ObjectError::Io {
            path: path.into(),
            source: error,
        },
    }
}

const LOCK: &str = "lock";
const OBJECTS: &str = "objects";
const PART: &str = ".part";
const QUARANTINE: &str = "quarantine";
/// Measured on ext4, median of a commit to as many shards, folder by folder against at once: 6
/// shards 4 ms and 5 ms, 8 shards 12 ms and 3 ms, 64 shards 78 ms and 6 ms. Up to 4, being spared
/// what others have dirtied on the disk is worth more.
const SHARDS_SYNCED_ALONE_MAX: usize = 4;
const TMP: &str = "tmp";

#[cfg(test)]
mod tests;
