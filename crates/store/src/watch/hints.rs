//! What events mean: a batch of them in, the hints they amount to out.
//!
//! A batch was complete before its first hint is told, so whoever looks on that hint sees all of
//! it, and no hint need be told twice. It must never hold a hint back for the next batch.

use std::collections::HashSet;

use overspill_core::path::CatalogPath;
use rustix::fs::inotify::{self, ReadFlags};

use super::{
    Hint,
    folders::{Folders, WatchId},
};

/// An event as the kernel reports it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'a> {
    pub(super) watch: WatchId,
    pub(super) what: ReadFlags,
    /// The entry of the watched folder; `None` if the event is about the folder itself.
    pub(super) name: Option<&'a [u8]>,
}

impl<'a> From<&'a inotify::Event<'_>> for Event<'a> {
    fn from(event: &'a inotify::Event<'_>) -> Self {
        Self {
            watch: event.wd(),
            what: event.events(),
            name: event.file_name().map(|name| name.to_bytes()),
        }
    }
}

/// The hints of one batch of events, each of them once, in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    hints: Vec<Hint>,
    /// A file that grows is a `MODIFY` for each write, and the kernel merges only neighbours.
    told: HashSet<Hint, foldhash::fast::RandomState>,
}

impl Batch {
    /// Adds what an event means, and tells `folders` what it means for the watches.
    pub(super) fn take(&mut self, event: Event<'_>, folders: &mut Folders) {
        if event.what.contains(ReadFlags::QUEUE_OVERFLOW) {
            tracing::warn!(
                event = "watch-overflow",
                "too many changes at once for inotify; the folder is scanned again"
            );
            return self.tell(Hint::Rescan);
        }
        if event.what.contains(ReadFlags::IGNORED) {
            return folders.ended(event.watch);
        }
        // Of a folder that is forgotten, events may still be under way; whatever made us forget
        // it has been told.
        let Some(folder) = folders.path(event.watch).cloned() else {
            return;
        };
        let hint = match event.name {
            Some(name) => of_entry(&folder, name, event.what, folders),
            None => of_folder(&folder, event.what, folders),
        };
        self.tell(hint);
    }

    /// Ends the batch.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Hint> {
        self.told.clear();
        self.hints.drain(..)
    }

    fn tell(&mut self, hint: Hint) {
        if self.told.insert(hint.clone()) {
            self.hints.push(hint);
        }
    }
}

fn of_entry(folder: &CatalogPath, name: &[u8], what: ReadFlags, folders: &mut Folders) -> Hint {
    let dirty = Hint::Dirty(folder.clone());
    // A path that is too long is not published, and whoever lists the folder says so.
    let Ok(path) = folder.join(name) else {
        return dirty;
    };
    if what.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO) {
        return Hint::Settled(path);
    }
    if what.contains(ReadFlags::MOVED_FROM | ReadFlags::ISDIR) {
        folders.moved_away(&path);
    }
    dirty
}

/// The folder above is dirty. Above the root there is none, but the root.
fn of_folder(folder: &CatalogPath, what: ReadFlags, folders: &mut Folders) -> Hint {
    let above = folder.parent();
    // Where the folder above is watched, its `MOVED_FROM` came first and nothing is left to do.
    // The root keeps its watch: the tree is served from the folder it was, whatever its name.
    if what.contains(ReadFlags::MOVE_SELF) && above.is_some() {
        folders.moved_away(folder);
    }
    Hint::Dirty(folders.nearest(above.unwrap_or_else(CatalogPath::root)))
}
