//! The watched folders: which watch reports for which path.
//!
//! A watch belongs to a folder, not to its name: one that is moved goes on reporting, and inotify
//! does not say from where. So a path must never be believed of a watch once its folder may have
//! left; the kernel is asked again what the path leads to.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use overspill_core::path::CatalogPath;
use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};

use crate::tree::absolute;

/// What inotify calls a watch descriptor. The kernel counts up, and gives none out again before
/// two thousand million others: one that has ended is not mistaken for a younger one.
pub(super) type WatchId = i32;

/// An inotify and what its watches stand for. The two maps are each other's inverse.
#[derive(Debug)]
pub(super) struct Folders {
    inotify: Arc<OwnedFd>,
    tree_path: PathBuf,
    paths: HashMap<WatchId, CatalogPath, foldhash::fast::RandomState>,
    /// Ordered, for all that lies below a folder to be found together.
    watches: BTreeMap<CatalogPath, WatchId>,
}

impl Folders {
    /// An inotify without watches for the tree at `tree_path`.
    pub(super) fn start(tree_path: &Path) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self {
            inotify: Arc::new(inotify),
            tree_path: tree_path.to_owned(),
            paths: HashMap::default(),
            watches: BTreeMap::new(),
        })
    }

    /// Where the events are to be read; never blocks.
    pub(super) fn inotify(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.inotify)
    }

    /// The path that a watch stands for; `None` once it is forgotten.
    pub(super) fn path(&self, watch: WatchId) -> Option<&CatalogPath> {
        self.paths.get(&watch)
    }

    /// The nearest watched folder at or above `folder`; the root if there is none.
    pub(super) fn nearest(&self, folder: CatalogPath) -> CatalogPath {
        let mut nearest = folder;
        while !self.watches.contains_key(&nearest) {
            let Some(parent) = nearest.parent() else {
                break;
            };
            nearest = parent;
        }
        nearest
    }

    /// Watches the folder that is now at this path.
    pub(super) fn watch(&mut self, folder: &CatalogPath) -> io::Result<()> {
        match self.add(folder) {
            Ok(watch) => self.enter(watch, folder),
            Err(errno @ (Errno::NOENT | Errno::NOTDIR)) => {
                self.forget_tree(folder);
                return Err(errno.into());
            }
            // A watch there may be is as good as before.
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// Notes which folder a watch stands for, now that the kernel has named it.
    pub(super) fn enter(&mut self, watch: WatchId, folder: &CatalogPath) {
        if self.watches.get(folder) == Some(&watch) {
            return;
        }
        // The same folder by another name: it was moved here, and what is below it as well.
        if let Some(left) = self.paths.remove(&watch) {
            self.watches.remove(&left);
            self.forget_tree(&left);
        }
        // Another folder by the same name.
        self.forget_tree(folder);
        self.paths.insert(watch, folder.clone());
        self.watches.insert(folder.clone(), watch);
    }

    /// Asks whether a folder that was moved away has left its path, and if so forgets it.
    ///
    /// By now it may be back, or another one be there and watched already: events are read after
    /// the fact, and a watch that is younger than the event must outlive it.
    pub(super) fn moved_away(&mut self, folder: &CatalogPath) {
        if self.watches.contains_key(folder)
            && let Ok(watch) = self.add(folder)
        {
            return self.enter(watch, folder);
        }
        self.forget_tree(folder);
    }

    /// Stops watching a folder, not what lies below it.
    pub(super) fn forget(&mut self, folder: &CatalogPath) {
        let Some(watch) = self.watches.remove(folder) else {
            return;
        };
        self.paths.remove(&watch);
        if let Err(error) = inotify::remove_watch(&self.inotify, watch) {
            // inotify forgets a deleted folder by itself.
            tracing::trace!(%error, %folder, "the watch was gone already");
        }
    }

    /// Notes that the kernel has ended a watch: the folder was deleted or unmounted.
    pub(super) fn ended(&mut self, watch: WatchId) {
        if let Some(folder) = self.paths.remove(&watch) {
            self.watches.remove(&folder);
        }
    }

    fn forget_tree(&mut self, top: &CatalogPath) {
        let behind = self.watches.range(top.clone()..);
        let tree: Vec<_> = behind
            .map(|(path, _)| path)
            .take_while(|path| path.as_bytes().starts_with(top.as_bytes()))
            // A sibling whose name only begins alike, `a-b` of `a`, is passed over.
            .filter(|path| *path == top || path.is_below(top))
            .cloned()
            .collect();
        for folder in &tree {
            self.forget(folder);
        }
    }

    fn add(&self, folder: &CatalogPath) -> Result<WatchId, Errno> {
        inotify::add_watch(&self.inotify, absolute(&self.tree_path, folder), MASK)
    }
}

/// What changes names, sizes and times, or ends a write. Nothing that reading causes: the kernel
/// makes an event for everything asked for, also for what would be thrown away here.
///
/// `DONT_FOLLOW`: a symlink shares the watch of the folder it leads to, and would take over its
/// events. `EXCL_UNLINK`: a file without a name changes no listing.
const MASK: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::DONT_FOLLOW)
    .union(WatchFlags::EXCL_UNLINK);
