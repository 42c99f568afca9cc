//! Reading stored objects again and again, slowly, to find what the disk has spoilt.
//!
//! A bad object is moved aside, no longer offered, and fetched again. It must never be faster than
//! its rate, and never touch an object that hashes right.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use overspill_core::{root::Root, units::Rate};
use overspill_store::{
    hash::{hash_open, lower_thread_priority},
    objects::{ObjectError, is_media_error},
};
use tokio_util::sync::CancellationToken;

use crate::replica::Replica;

/// Rest between two passes over the store.
const REST: Duration = Duration::from_secs(600);
/// Longest sleep without looking whether to stop.
const NAP: Duration = Duration::from_millis(250);

/// How the scrub is getting on.
#[derive(Debug, Default)]
pub(crate) struct ScrubCounts {
    pub(crate) checked: AtomicU64,
    pub(crate) bad: AtomicU64,
}

/// Scrubs until `shutdown`, reading at most at `rate`.
pub(crate) fn run(
    replica: &Arc<Replica>,
    rate: Rate,
    counts: &ScrubCounts,
    shutdown: &CancellationToken,
) {
    lower_thread_priority();
    loop {
        let mut roots = replica.store.present().unwrap_or_default();
        notice_gone(replica, &roots, counts);
        fastrand::shuffle(&mut roots);
        for root in roots {
            let begun = Instant::now();
            let bytes = check(replica, &root, counts);
            let due = begun + Duration::from_secs_f64(rate.seconds_for(bytes as f64));
            nap_until(due, shutdown);
            if shutdown.is_cancelled() {
                return;
            }
        }
        nap_until(Instant::now() + REST, shutdown);
        if shutdown.is_cancelled() {
            return;
        }
    }
}

/// Objects whose files have gone without anyone telling us.
fn notice_gone(replica: &Replica, present: &[Root], counts: &ScrubCounts) {
    // Those committed since the listing are not gone.
    let mut gone = replica.held_but_not_in(present);
    gone.retain(|root| !replica.store.contains(root));
    if !gone.is_empty() {
        counts.bad.fetch_add(gone.len() as u64, Relaxed);
        tracing::error!(
            objects = gone.len(),
            "stored objects are gone; they are fetched again"
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
    counts.checked.fetch_add(1, Relaxed);
    match hash_open(&file) {
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
    tracing::error!(%root, %reason, "a stored object is bad; it is set aside and fetched again");
    if let Err(error) = replica.store.quarantine(root) {
        tracing::error!(%root, %error, "cannot set it aside");
    }
    replica.lost(&[*root]);
    0
}

fn nap_until(due: Instant, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left.min(NAP));
    }
}
