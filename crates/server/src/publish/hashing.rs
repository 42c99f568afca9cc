//! The hashers: a few threads of low priority that read files and nothing else.
//!
//! They never touch the catalog; they answer what they were asked. The queue between is short, so
//! what waits to be hashed waits where it can still change its mind.

use std::{
    io,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use overspill_core::{
    catalog::{Content, Entry},
    path::CatalogPath,
};
use overspill_store::{
    hash::{HashError, hash_live, lower_thread_priority},
    outboards::Outboards,
    tree::{OpenError, Opened, Tree},
};

use super::lock;

/// A file to hash, as the catalog believes it to be.
pub(super) struct Task {
    pub(super) path: CatalogPath,
    pub(super) entry: Arc<Entry>,
}

/// What became of a task.
pub(super) struct Hashed {
    pub(super) path: CatalogPath,
    pub(super) entry: Arc<Entry>,
    pub(super) result: Result<Content, Unhashed>,
}

/// Why there is no hash.
pub(super) enum Unhashed {
    /// The file is not, or no longer, what the catalog believed.
    Changed,
    /// It cannot be read.
    Unreadable(io::Error),
}

/// The worker threads.
pub(super) struct Hashers {
    tasks: SyncSender<Task>,
    in_flight: usize,
}

/// Tasks handed out ahead, per worker.
const QUEUED_PER_WORKER: usize = 8;

impl Hashers {
    /// Starts `workers` threads that answer through `sink`. They end when this is dropped.
    pub(super) fn start(
        tree: &Arc<Tree>,
        outboards: &Outboards,
        workers: usize,
        sink: impl Fn(Hashed) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let (tasks, queue) = sync_channel(workers * QUEUED_PER_WORKER);
        let queue = Arc::new(Mutex::new(queue));
        for at in 0..workers {
            let (tree, queue, sink) = (Arc::clone(tree), Arc::clone(&queue), sink.clone());
            let outboards = outboards.clone();
            thread::Builder::new()
                .name(format!("hash-{at}"))
                .spawn(move || work(&tree, &outboards, &queue, &sink))?;
        }
        Ok(Self {
            tasks,
            in_flight: 0,
        })
    }

    /// Hands out a task, or gives it back when all hands are full.
    pub(super) fn try_hash(&mut self, task: Task) -> Result<(), Task> {
        match self.tasks.try_send(task) {
            Ok(()) => {
                self.in_flight += 1;
                Ok(())
            }
            Err(TrySendError::Full(task) | TrySendError::Disconnected(task)) => Err(task),
        }
    }

    /// Notes that an answer has arrived.
    pub(super) fn answered(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Tasks handed out and not answered.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }
}

fn work(tree: &Tree, outboards: &Outboards, queue: &Mutex<Receiver<Task>>, sink: &impl Fn(Hashed)) {
    lower_thread_priority();
    loop {
        let Ok(Task { path, entry }) = lock(queue).recv() else {
            return;
        };
        let result = hash(tree, outboards, &path, &entry);
        sink(Hashed {
            path,
            entry,
            result,
        });
    }
}

fn hash(
    tree: &Tree,
    outboards: &Outboards,
    path: &CatalogPath,
    entry: &Entry,
) -> Result<Content, Unhashed> {
    let live = match tree.open_path(path) {
        Ok(Opened::File(live)) => live,
        Ok(Opened::Folder(_)) | Err(OpenError::NotFound | OpenError::Escapes) => {
            return Err(Unhashed::Changed);
        }
        Err(OpenError::Forbidden) => {
            return Err(Unhashed::Unreadable(io::ErrorKind::PermissionDenied.into()));
        }
        Err(error) => return Err(Unhashed::Unreadable(io::Error::other(error))),
    };
    let facts = live.facts;
    if (facts.size, facts.mtime_ns, Some(facts.stamp)) != (entry.size, entry.mtime_ns, entry.stamp)
    {
        return Err(Unhashed::Changed);
    }
    let (content, outboard) = hash_live(&live).map_err(|error| match error {
        HashError::Io(source) => Unhashed::Unreadable(source),
        _ => Unhashed::Changed,
    })?;
    outboards.keep_if_possible(&outboard);
    Ok(content)
}
