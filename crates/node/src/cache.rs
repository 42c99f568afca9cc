//! The hot files of one core: open descriptors, prepared header fields, small bodies.
//!
//! Keyed by the path as clients write it, so the usual request is one look-up and one write. An entry
//! is looked at again when the last look is over [`FRESH_FOR`] ago. It must never hold a file whose
//! header fields are about to change, nor the body of a file that is being written.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use overspill_core::path::CatalogPath;
use overspill_http1::negotiate::Coding;
use overspill_net::FileBody;
use quick_cache::{Weighter, unsync::Cache};

use crate::{
    file::{FieldLines, FileVersion},
    rules::Rules,
};

/// How old the last look at a file may be.
pub(crate) const FRESH_FOR: Duration = Duration::from_millis(100);
/// Largest body kept in memory. Measured with `cargo xtask bench serve`: 64 KiB cost 24 us of CPU as
/// one write from memory and 19 us as a head and a sendfile; 1 KiB would cost a system call more.
pub(crate) const MAX_BODY_BYTES: u64 = 32 << 10;
/// Bytes of bodies and entries kept per core.
const MAX_CACHE_BYTES: u64 = 64 << 20;
/// What an entry without a body weighs, so that descriptors are bounded too: at most 4096 per core.
const ENTRY_BYTES: u64 = MAX_CACHE_BYTES / 4096;

/// A file ready to be served.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) path: CatalogPath,
    /// Where its bytes are in the catalog: a compressed form is a file of its own.
    pub(crate) content_path: CatalogPath,
    pub(crate) version: FileVersion,
    pub(crate) lines: FieldLines,
    pub(crate) source: Source,
    /// The rules its lines were made by.
    pub(crate) rules: Arc<Rules>,
    /// The codings in which it can be had.
    pub(crate) codings: Vec<Coding>,
}

/// Where a ready file's bytes are.
#[derive(Debug)]
pub(crate) enum Source {
    /// Not on this node, or not to be read.
    Elsewhere(Lack),
    File(FileBody),
    Memory(Bytes),
}

/// What is wrong with this node's own copy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lack {
    /// It is gone.
    Absent,
    /// It cannot be read.
    Unreadable,
}

/// The cache of one core.
#[derive(Debug)]
pub(crate) struct ReadyCache {
    entries: Cache<Box<[u8]>, Checked, ByWeight, foldhash::fast::RandomState>,
}

#[derive(Clone, Debug)]
struct Checked {
    ready: Rc<Ready>,
    at: Instant,
}

#[derive(Clone, Debug)]
struct ByWeight;

impl Weighter<Box<[u8]>, Checked> for ByWeight {
    fn weight(&self, key: &Box<[u8]>, checked: &Checked) -> u64 {
        let body = match &checked.ready.source {
            Source::Elsewhere(_) | Source::File(_) => 0,
            Source::Memory(bytes) => bytes.len() as u64,
        };
        ENTRY_BYTES + key.len() as u64 + body
    }
}

impl ReadyCache {
    pub(crate) fn new() -> Self {
        let hasher = foldhash::fast::RandomState::default();
        let entries = Cache::with(1024, MAX_CACHE_BYTES, ByWeight, hasher, Default::default());
        Self { entries }
    }

    /// The entry for a path as written, if it was looked at lately.
    pub(crate) fn fresh(&self, key: &[u8], now: Instant) -> Option<Rc<Ready>> {
        let checked = self.entries.get(key)?;
        (now.saturating_duration_since(checked.at) < FRESH_FOR).then(|| Rc::clone(&checked.ready))
    }

    /// The entry for a path as written, however old the last look.
    pub(crate) fn stale(&self, key: &[u8]) -> Option<Rc<Ready>> {
        self.entries
            .peek(key)
            .map(|checked| Rc::clone(&checked.ready))
    }

    /// Keeps `ready`, looked at `now`.
    pub(crate) fn keep(&mut self, key: &[u8], ready: &Rc<Ready>, now: Instant) {
        let checked = Checked {
            ready: Rc::clone(ready),
            at: now,
        };
        self.entries.insert(Box::from(key), checked);
    }
}
