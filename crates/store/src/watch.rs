//! inotify: hints that something in the tree may have changed.
//!
//! A hint may be late, doubled, or missing: the queue overflows, network file systems say nothing,
//! and a folder reached by two names reports under one of them. So nothing here may ever be taken
//! for the state of the tree; a periodic scan is the truth, and hints make it fast.

use std::{
    collections::HashSet,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use notify::{
    ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};
use overspill_core::path::CatalogPath;
use thiserror::Error;

use crate::tree::absolute;

/// What may have happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Hint {
    /// The listing of this folder changed: a name, a size, a time.
    Dirty(CatalogPath),
    /// This path was closed after writing or was moved here: the writer is done with it, and the
    /// folder that holds it is dirty. A folder that was moved here is told this way, too.
    Settled(CatalogPath),
    /// Hints were lost. Look at everything.
    Rescan,
}

/// Watches single folders of a tree.
///
/// Dropping it ends the hints, some perhaps still under way.
#[derive(Debug)]
pub struct TreeWatcher {
    inotify: RecommendedWatcher,
    tree_path: PathBuf,
    folders: Folders,
}

/// Why hints will be missing. The server works without; changes are then found by the scan.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The folder is there and cannot be watched.
    #[error("cannot watch {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What inotify said.
        source: notify::Error,
    },
    /// No further folder can be watched.
    #[error(
        "cannot watch {}: the limit fs.inotify.max_user_watches is reached; raise it with \
         sysctl fs.inotify.max_user_watches=1048576",
        path.display()
    )]
    LimitReached {
        /// The first folder without a watch.
        path: PathBuf,
    },
    /// There is no inotify for us at all.
    #[error(
        "cannot start inotify; if too many files are open, raise fs.inotify.max_user_instances \
         with sysctl"
    )]
    Unavailable(#[source] notify::Error),
}

impl TreeWatcher {
    /// Starts without any folder. `tree_path` is absolute and without symlinks, as
    /// [`Tree::absolute`](crate::tree::Tree::absolute) of the root.
    ///
    /// `sink` runs on the watcher's thread. It must not block, for hints queue up behind it, nor
    /// panic, nor call this watcher, which would wait for itself.
    pub fn start(
        tree_path: &Path,
        sink: impl Fn(Hint) + Send + 'static,
    ) -> Result<Self, WatchError> {
        let folders = Folders::default();
        let hints = Hints {
            tree_path: tree_path.to_owned(),
            folders: folders.clone(),
        };
        let inotify = notify::recommended_watcher(move |event| hints.of(event, &sink))
            .map_err(WatchError::Unavailable)?;
        Ok(Self {
            inotify,
            tree_path: tree_path.to_owned(),
            folders,
        })
    }

    /// Watches one folder, not what lies below it. One that has vanished is not an error.
    ///
    /// List the folder after this, not before, or a change in between is lost.
    pub fn watch(&mut self, folder: &CatalogPath) -> Result<(), WatchError> {
        let path = absolute(&self.tree_path, folder);
        // Known before it is watched, so that not even the first event lacks its folder.
        self.folders.lock().insert(folder.clone());
        let result = self.inotify.watch(&path, RecursiveMode::NonRecursive);
        let Err(error) = result else {
            return Ok(());
        };
        self.folders.lock().remove(folder);
        watch_error(&path, error).map_or(Ok(()), Err)
    }

    /// Stops watching a folder. One that was never watched, or is gone, is not an error.
    pub fn unwatch(&mut self, folder: &CatalogPath) {
        if !self.folders.lock().remove(folder) {
            return;
        }
        let path = absolute(&self.tree_path, folder);
        if let Err(error) = self.inotify.unwatch(&path) {
            // inotify forgets a deleted folder by itself.
            tracing::trace!(%error, %folder, "the watch was gone already");
        }
    }
}

/// The folders that are watched, shared with the thread that maps events to them.
#[derive(Clone, Debug, Default)]
struct Folders(Arc<Mutex<HashSet<CatalogPath, foldhash::fast::RandomState>>>);

impl Folders {
    fn lock(&self) -> MutexGuard<'_, HashSet<CatalogPath, foldhash::fast::RandomState>> {
        // A set is whole after any panic: insert and remove are all that is done to it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The nearest watched folder at or above `folder`; the root if there is none.
    fn nearest(&self, folder: CatalogPath) -> CatalogPath {
        let folders = self.lock();
        let mut nearest = folder;
        while !folders.contains(&nearest) {
            let Some(parent) = nearest.parent() else {
                break;
            };
            nearest = parent;
        }
        nearest
    }
}

/// Turns events of inotify into hints.
struct Hints {
    tree_path: PathBuf,
    folders: Folders,
}

impl Hints {
    fn of(&self, event: notify::Result<Event>, sink: &impl Fn(Hint)) {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(%error, "inotify failed; scanning again");
                return sink(Hint::Rescan);
            }
        };
        if event.need_rescan() {
            tracing::warn!("inotify lost events; scanning again");
            return sink(Hint::Rescan);
        }
        let Some(hint) = meaning(event.kind) else {
            return;
        };
        for path in event.paths.iter().filter_map(|path| self.relative(path)) {
            sink(match hint {
                Meaning::Dirty => Hint::Dirty(self.folder_of(&path)),
                Meaning::Settled => Hint::Settled(path),
            });
        }
    }

    /// `None` for a path outside of the tree, which an event about the root's own name may have.
    fn relative(&self, path: &Path) -> Option<CatalogPath> {
        let below = path.strip_prefix(&self.tree_path).ok()?;
        CatalogPath::parse(below.as_os_str().as_bytes()).ok()
    }

    /// An event about the root itself has no folder above to be listed, but the root.
    fn folder_of(&self, path: &CatalogPath) -> CatalogPath {
        self.folders
            .nearest(path.parent().unwrap_or_else(CatalogPath::root))
    }
}

#[derive(Clone, Copy)]
enum Meaning {
    Dirty,
    Settled,
}

/// What an event means to us; `None` if nothing.
///
/// Opening and closing after reading must mean nothing: our own serving causes those.
fn meaning(kind: EventKind) -> Option<Meaning> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Some(Meaning::Settled),
        // Comes after a `From` and a `To` of its own.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) | EventKind::Access(_) => None,
        _ => Some(Meaning::Dirty),
    }
}

/// `None` if the folder has vanished, which whoever lists it finds out anyway.
fn watch_error(path: &Path, error: notify::Error) -> Option<WatchError> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let path = path.to_owned();
    match &error.kind {
        ErrorKind::MaxFilesWatch => Some(WatchError::LimitReached { path }),
        ErrorKind::PathNotFound => None,
        ErrorKind::Io(io) if matches!(io.kind(), NotFound | NotADirectory) => None,
        _ => Some(WatchError::Folder {
            path,
            source: error,
        }),
    }
}

#[cfg(test)]
mod tests;
