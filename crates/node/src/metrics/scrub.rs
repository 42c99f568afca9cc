//! How the scrub of a node is getting on, whether it reads a tree or a store.
//!
//! Written by the scrub's one thread, read by whoever asks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{
    family::{Family, Unit},
    sheet::Sheet,
};

/// Sums since the start of the process.
#[derive(Debug, Default)]
pub struct ScrubCounts {
    /// Passes over everything that were begun.
    pub passes: AtomicU64,
    /// Files or objects that were read.
    pub checked: AtomicU64,
    /// Their bytes.
    pub read_bytes: AtomicU64,
    /// Those that read otherwise than they were hashed.
    pub bad: AtomicU64,
}

const PASSES: Family = Family::counter(
    "overspill_scrub_passes",
    Unit::None,
    "Passes of the scrub over all there is that were begun",
);
const CHECKED: Family = Family::counter(
    "overspill_scrub_checked",
    Unit::None,
    "Files (on a mirror, objects) that the scrub has read and held against their roots",
);
const READ_BYTES: Family = Family::counter(
    "overspill_scrub_read_bytes",
    Unit::Bytes,
    "Bytes that the scrub has read",
);
const BAD: Family = Family::counter(
    "overspill_scrub_bad",
    Unit::None,
    "Files that read otherwise than they were hashed; on a mirror, objects that did or were gone, \
     which were set aside and are fetched again",
);

impl ScrubCounts {
    /// Something of so many bytes was read.
    pub fn read(&self, bytes: u64) {
        self.checked.fetch_add(1, Relaxed);
        self.read_bytes.fetch_add(bytes, Relaxed);
    }

    /// Adds the metrics.
    pub fn measure(&self, sheet: &mut Sheet) {
        sheet.one(PASSES, self.passes.load(Relaxed));
        sheet.one(CHECKED, self.checked.load(Relaxed));
        sheet.one(READ_BYTES, self.read_bytes.load(Relaxed));
        sheet.one(BAD, self.bad.load(Relaxed));
    }
}
