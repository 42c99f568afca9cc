//! Reading stored objects again and again, slowly, to find what the disk has spoilt.
//!
//! A bad object is moved aside, no longer offered, and fetched again. When somebody complains of an
//! object, the piece in question is read at once. It must never be faster than its rate, and never
//! touch an object that hashes right.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use overspill_core::root::Root;
use overspill_node::{Complaints, LiveRate, metrics::ScrubCounts};
use overspill_store::{
    hash::{hash_open, lower_thread_priority},
    objects::{ObjectError, is_media_error},
    outboards::{PieceError, verify_piece},
};
use overspill_wire::sources::Complaint;
use tokio_util::sync::CancellationToken;

use crate::replica::Replica;

/// Rest between two passes over the store.
const REST: Duration = Duration::from_secs(600);
/// How old an outboard must be that nobody needs before it goes.
const SWEEP_GRACE: Duration = Duration::from_secs(600);
/// Longest sleep without looking whether to stop or somebody has complained, and least time between
/// two complaints.
const NAP: Duration = Duration::from_millis(250);

/// The scrub and what it works with.
pub(crate) struct Scrub {
    pub(crate) replica: Arc<Replica>,
    /// At which it reads, at most.
    pub(crate) rate: LiveRate,
    pub(crate) counts: Arc<ScrubCounts>,
    /// What others say of our objects.
    pub(crate) complaints: Arc<Complaints>,
    pub(crate) shutdown: CancellationToken,
}

impl Scrub {
    /// Scrubs until shutdown.
    pub(crate) fn run(&self) {
        lower_thread_priority();
        let mut complaints_due = Instant::now();
        while !self.shutdown.is_cancelled() {
            self.pass(&mut complaints_due);
            self.wait_until(Instant::now() + REST, &mut complaints_due);
        }
    }

    /// Reads every object once.
    fn pass(&self, complaints_due: &mut Instant) {
        let (replica, counts) = (&self.replica, &self.counts);
        counts.passes.fetch_add(1, Relaxed);
        let mut roots = replica.store.present().unwrap_or_default();
        notice_gone(replica, &roots, counts);
        let outboards = replica.store.outboards();
        if let Err(error) = outboards.sweep(SWEEP_GRACE, |root| replica.knows(root)) {
            tracing::debug!(%error, "cannot look for outboards that nobody needs");
        }
        fastrand::shuffle(&mut roots);
        for root in roots {
            let begun = Instant::now();
            let bytes = check(replica, &root, counts);
            self.wait_until(begun + self.time_for(bytes), complaints_due);
            if self.shutdown.is_cancelled() {
                return;
            }
        }
    }

    /// Waits, and looks into complaints meanwhile: one after the other, at the rate of all reading.
    fn wait_until(&self, due: Instant, complaints_due: &mut Instant) {
        while !self.shutdown.is_cancelled() {
            let now = Instant::now();
            if now >= *complaints_due
                && let Some(complaint) = self.complaints.next()
            {
                let bytes = look_into(&self.replica, &complaint, &self.counts);
                *complaints_due = now + self.time_for(bytes).max(NAP);
                continue;
            }
            let left = due.saturating_duration_since(now);
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left.min(NAP));
        }
    }

    fn time_for(&self, bytes: u64) -> Duration {
        Duration::from_secs_f64(self.rate.read().seconds_for(bytes as f64))
    }
}

/// Looks at the piece that somebody says is wrong; without an outboard, at the whole object. Says how
/// many bytes were read.
fn look_into(replica: &Replica, complaint: &Complaint, counts: &ScrubCounts) -> u64 {
    let root = &complaint.root;
    if !replica.is_held(root) {
        return 0;
    }
    let piece = replica.store.outboards().load(root).ok();
    let piece = piece.and_then(|outboard| {
        let piece = outboard.piece_around(complaint.offset)?;
        Some((outboard, piece))
    });
    let (Some((outboard, piece)), Ok(file)) = (piece, replica.store.open_object(root)) else {
        return check(replica, root, counts);
    };
    let bytes = piece.end - piece.start;
    match verify_piece(&file, &outboard, piece) {
        Ok(()) => {
            tracing::debug!(%root, "a complaint about an object is unfounded");
            bytes
        }
        Err(PieceError::Io(error)) if !is_spoilt(&error) => bytes,
        Err(error) => spoilt(replica, root, counts, &error.to_string()),
    }
}

/// Whether an error in reading an object means that the object is bad.
fn is_spoilt(error: &io::Error) -> bool {
    is_media_error(error) || error.kind() == io::ErrorKind::UnexpectedEof
}

/// Objects whose files have gone without anyone telling us.
fn notice_gone(replica: &Replica, present: &[Root], counts: &ScrubCounts) {
    // Those committed since the listing are not gone.
    let mut gone = replica.held_but_not_in(present);
    gone.retain(|root| !replica.store.contains(root));
    if !gone.is_empty() {
        counts.bad.fetch_add(gone.len() as u64, Relaxed);
        tracing::error!(
            event = "objects-gone",
            objects = gone.len(),
            "files of the store are gone, and are fetched again; let nobody else delete there"
        );
        replica.lost(&gone);
    }
}

/// Checks one object; says how many bytes were read.
fn check(replica: &Replica, root: &Root, counts: &ScrubCounts) -> u64 {
    let file = match replica.store.open_object(root) {
        Ok(file) => file,
        // Collected since the listing.
        Err(ObjectError::NotHeld { .. }) => return 0,
        Err(error) if error.is_loss() => return spoilt(replica, root, counts, &error.to_string()),
        // Out of descriptors or memory: not the object's fault, and the next pass will tell.
        Err(_) => return 0,
    };
    let hashed = hash_open(&file);
    counts.read(hashed.as_ref().map_or(0, |(_, bytes)| *bytes));
    match hashed {
        Ok((content, bytes)) if content.root == *root => bytes,
        Ok((content, _)) => spoilt(
            replica,
            root,
            counts,
            &format!("it hashes to {}", content.root),
        ),
        Err(error) if is_media_error(&error) => spoilt(replica, root, counts, &error.to_string()),
        Err(_) => 0,
    }
}

fn spoilt(replica: &Replica, root: &Root, counts: &ScrubCounts, reason: &str) -> u64 {
    counts.bad.fetch_add(1, Relaxed);
    tracing::error!(
        event = "object-damaged", %root, %reason,
        "a stored object is damaged; it is set aside and fetched again; check the disk"
    );
    if let Err(error) = replica.store.quarantine(root) {
        tracing::error!(
            event = "object-not-set-aside", %root, %error,
            "a damaged object cannot be set aside; it is not served"
        );
    }
    replica.lost(&[*root]);
    0
}
