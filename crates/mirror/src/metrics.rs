//! The metrics that only a mirror has: how far its replica has come, and its disk.
//!
//! It must never walk the store or the catalog: a scrape takes no longer for a large one.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use overspill_core::fleet::Condition;
use overspill_node::metrics::{COMPLAINTS, Family, Sheet, Unit};

use crate::{link::Link, role::MirrorRole};

/// What was fetched, since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct SyncCounts {
    pub(crate) objects: AtomicU64,
    /// Those that came from the network; what an earlier life had of them is not counted again.
    pub(crate) bytes: AtomicU64,
    pub(crate) failures: AtomicU64,
}

const CONNECTED: Family = Family::gauge(
    "overspill_server_connected",
    Unit::None,
    "1 while the mirror is joined to its server and follows it",
);
const COMPLETE: Family = Family::gauge(
    "overspill_sync_complete_revision",
    Unit::None,
    "Everything up to this revision is held and verified",
);
const LAG: Family = Family::gauge(
    "overspill_sync_lag_revisions",
    Unit::None,
    "Revisions from the complete one to the newest that the mirror has heard of",
);
const MISSING_OBJECTS: Family = Family::gauge(
    "overspill_sync_missing_objects",
    Unit::None,
    "Objects still to fetch",
);
const MISSING_BYTES: Family = Family::gauge(
    "overspill_sync_missing_bytes",
    Unit::Bytes,
    "Bytes still to fetch",
);
const FETCHED_OBJECTS: Family = Family::counter(
    "overspill_sync_fetched_objects",
    Unit::None,
    "Objects that were fetched and verified",
);
const FETCHED_BYTES: Family = Family::counter(
    "overspill_sync_fetched_bytes",
    Unit::Bytes,
    "Bytes of objects that came from other nodes",
);
const FAILURES: Family = Family::counter(
    "overspill_sync_failures",
    Unit::None,
    "Fetches that failed; each is tried again",
);
const OBJECTS: Family = Family::gauge(
    "overspill_store_objects",
    Unit::None,
    "Objects that are held and verified",
);
const STORED_BYTES: Family = Family::gauge(
    "overspill_store_bytes",
    Unit::Bytes,
    "Sizes of the catalog's files less what is still to fetch; equal files are stored once and count \
     each",
);
const FREE_BYTES: Family = Family::gauge(
    "overspill_store_free_bytes",
    Unit::Bytes,
    "Room on the disk of the store",
);
const DISK_FULL: Family = Family::gauge(
    "overspill_store_disk_full",
    Unit::None,
    "1 while fetching has stopped because the disk is full",
);

/// Writes them.
pub(crate) fn add(role: &MirrorRole, sheet: &mut Sheet) {
    let (replica, progress) = (&role.replica, role.replica.progress());
    let known = match *role.link.borrow() {
        Link::Connected(revision) => revision.max(progress.catalog),
        _ => progress.catalog,
    };
    let is_connected = matches!(*role.link.borrow(), Link::Connected(_));
    sheet.one(CONNECTED, is_connected);
    sheet.one(COMPLETE, progress.complete.0);
    sheet.one(LAG, known.0.saturating_sub(progress.complete.0));
    sheet.one(MISSING_OBJECTS, progress.missing_objects);
    sheet.one(MISSING_BYTES, progress.missing_bytes);
    let fetched = &role.syncer.counts;
    sheet.one(FETCHED_OBJECTS, fetched.objects.load(Relaxed));
    sheet.one(FETCHED_BYTES, fetched.bytes.load(Relaxed));
    sheet.one(FAILURES, fetched.failures.load(Relaxed));
    sheet.one(OBJECTS, replica.held_objects());
    let all_bytes = replica.catalog().totals().bytes;
    sheet.one(
        STORED_BYTES,
        all_bytes.saturating_sub(progress.missing_bytes),
    );
    if let Ok(free_bytes) = replica.store.free_bytes() {
        sheet.one(FREE_BYTES, free_bytes);
    }
    let is_full = role.syncer.condition() == Condition::DiskFull;
    sheet.one(DISK_FULL, is_full);
    role.scrub.measure(sheet);
    sheet
        .family(COMPLAINTS)
        .add(&[("about", "node")], role.complaints.taken());
}
