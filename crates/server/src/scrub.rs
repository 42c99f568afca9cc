//! Reading the live tree again and again, slowly, to find what the disk has spoilt.
//!
//! Bytes that differ from what was hashed, in a file whose facts have not changed since, are nobody's
//! work: the file is damaged, and this server sends it to nobody until somebody puts it back. It must
//! never be faster than its rate, never write to the tree, and never call damaged what was changed.

use std::{
    collections::HashSet,
    fs, io,
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use overspill_core::{
    catalog::{Catalog, Entry},
    path::CatalogPath,
    root::Root,
};
use overspill_node::{Complaints, LiveRate, metrics::ScrubCounts};
use overspill_store::{
    hash::{lower_thread_priority, outboard_of},
    objects::is_media_error,
    outboards::{Outboards, verify_piece},
    tree::{LiveFile, Opened, Tree},
};
use overspill_wire::{fleet::ListingState, sources::Complaint};
use tokio_util::sync::CancellationToken;

use crate::{damage::Damage, publish::Published, role::is_version};

/// The scrub and what it works with.
pub(crate) struct Scrub {
    pub(crate) tree: Arc<Tree>,
    pub(crate) published: Arc<Published>,
    pub(crate) damage: Arc<Damage>,
    pub(crate) counts: Arc<ScrubCounts>,
    pub(crate) outboards: Outboards,
    /// About files of this server's own.
    pub(crate) complaints: Arc<Complaints>,
    /// At which it reads, at most.
    pub(crate) rate: LiveRate,
    /// Where the place it has come to is kept.
    pub(crate) place: PathBuf,
    pub(crate) shutdown: CancellationToken,
}

/// What reading a file has shown.
#[derive(Debug)]
enum Finding {
    /// It reads as it was hashed.
    Sound,
    /// It does not, for this reason.
    Damaged(String),
    /// Nothing can be said: it is changing, gone, or there is no time left.
    Unclear,
}

/// Rest before the first pass: a server that has just started has better things to do.
const FIRST_REST: Duration = Duration::from_secs(60);
/// Rest between two passes over the tree.
const REST: Duration = Duration::from_secs(600);
/// How old an outboard must be that no entry refers to before it goes.
const SWEEP_GRACE: Duration = Duration::from_secs(600);
/// Files after which the place is written down.
const PLACE_EVERY: u32 = 256;
/// Longest sleep without looking whether to stop.
const NAP: Duration = Duration::from_millis(250);

impl Scrub {
    /// Starts the scrub on a thread of its own; it ends soon after shutdown.
    pub(crate) fn start(self) -> io::Result<thread::JoinHandle<()>> {
        thread::Builder::new()
            .name("scrub".to_owned())
            .spawn(move || self.run())
    }

    fn run(&self) {
        lower_thread_priority();
        let mut place = self.remembered_place();
        self.rest(FIRST_REST);
        while !self.shutdown.is_cancelled() {
            if self.published.listing() == ListingState::Whole {
                self.tidy();
            }
            self.pass(&mut place);
            if !self.shutdown.is_cancelled() {
                place = None;
            }
            self.remember(place.as_ref());
            self.rest(REST);
        }
    }

    /// Reads every file after `place` once.
    pub(crate) fn pass(&self, place: &mut Option<CatalogPath>) {
        self.counts.passes.fetch_add(1, Relaxed);
        let mut files = 0_u32;
        loop {
            self.hear_complaints();
            // Looked up again each time: a pass may take days, and the catalog goes on meanwhile.
            let catalog = self.published.catalog();
            let Some((path, entry)) = next_file(&catalog, place.as_ref()) else {
                return;
            };
            self.look_at(&path, &entry);
            if self.shutdown.is_cancelled() {
                return;
            }
            *place = Some(path);
            files = files.wrapping_add(1);
            if files.is_multiple_of(PLACE_EVERY) {
                self.remember(place.as_ref());
            }
        }
    }

    /// Reads a file, and marks it or takes its mark away.
    fn look_at(&self, path: &CatalogPath, entry: &Arc<Entry>) {
        let finding = self.read(path, entry);
        if !matches!(finding, Finding::Unclear) {
            self.counts.read(entry.size);
        }
        match finding {
            Finding::Sound => self.damage.clear(path),
            Finding::Damaged(reason) => {
                if self.damage.mark(path, entry) {
                    self.counts.bad.fetch_add(1, Relaxed);
                    tracing::error!(
                        event = "file-damaged", %path, %reason,
                        "a file is damaged on the disk; only mirrors serve it until it is put back"
                    );
                }
            }
            Finding::Unclear => {}
        }
    }

    fn read(&self, path: &CatalogPath, entry: &Arc<Entry>) -> Finding {
        let Some(root) = entry.root() else {
            return Finding::Unclear;
        };
        let Ok(Opened::File(live)) = self.tree.open_path(path) else {
            return Finding::Unclear;
        };
        if !is_version(entry, &live.facts) {
            return Finding::Unclear;
        }
        match self.judge(&live, &root) {
            // Read twice, so that nothing but the disk can be to blame.
            Finding::Damaged(_) => {}
            finding => return finding,
        }
        let finding = self.judge(&live, &root);
        let catalog = self.published.catalog();
        let is_same = catalog
            .entry(path)
            .is_some_and(|now| Arc::ptr_eq(now, entry));
        if is_same { finding } else { Finding::Unclear }
    }

    fn judge(&self, live: &LiveFile, root: &Root) -> Finding {
        let begun = Instant::now();
        let mut read = 0;
        let outboard = outboard_of(&live.file, |bytes| {
            read += bytes;
            self.wait_until(
                begun + Duration::from_secs_f64(self.rate.read().seconds_for(read as f64)),
            )
        });
        let reason = match outboard {
            Ok(None) => return Finding::Unclear,
            Ok(Some(outboard)) if outboard.root() == *root => return Finding::Sound,
            Ok(Some(outboard)) => format!("it hashes to {}", outboard.root()),
            Err(error) if is_media_error(&error) => error.to_string(),
            Err(_) => return Finding::Unclear,
        };
        if live.is_unchanged() {
            Finding::Damaged(reason)
        } else {
            Finding::Unclear
        }
    }

    /// Looks at files that somebody says are wrong: at the piece first, if there is an outboard, so
    /// that words alone do not keep the disk busy.
    fn hear_complaints(&self) {
        while let Some(complaint) = self.complaints.next() {
            let catalog = self.published.catalog();
            let entry = catalog.entry(&complaint.path);
            let entry = entry.filter(|entry| entry.root() == Some(complaint.root));
            if let Some(entry) = entry
                && !self.shutdown.is_cancelled()
                && !self.is_piece_sound(&complaint)
            {
                self.look_at(&complaint.path, entry);
            }
        }
    }

    /// Whether the piece is proved to be right; without an outboard, nothing is.
    fn is_piece_sound(&self, complaint: &Complaint) -> bool {
        let Ok(outboard) = self.outboards.load(&complaint.root) else {
            return false;
        };
        let Some(piece) = outboard.piece_around(complaint.offset) else {
            return true;
        };
        match self.tree.open_path(&complaint.path) {
            Ok(Opened::File(live)) => verify_piece(&live.file, &outboard, piece).is_ok(),
            _ => false,
        }
    }

    /// Removes outboards that no entry refers to, and forgets marks of versions that are no more.
    fn tidy(&self) {
        let catalog = self.published.catalog();
        self.damage.forget_old(&catalog);
        let roots = catalog.iter().filter_map(|(_, entry)| entry.root());
        let roots: HashSet<Root, foldhash::fast::RandomState> = roots.collect();
        match self
            .outboards
            .sweep(SWEEP_GRACE, |root| roots.contains(root))
        {
            Ok(removed) => tracing::debug!(removed, "outboards that nobody needs removed"),
            Err(error) => tracing::debug!(%error, "cannot look for outboards that nobody needs"),
        }
    }

    /// Waits, and looks into complaints meanwhile.
    fn rest(&self, length: Duration) {
        let due = Instant::now() + length;
        while Instant::now() < due && !self.shutdown.is_cancelled() {
            self.hear_complaints();
            thread::park_timeout(NAP);
        }
    }

    fn wait_until(&self, due: Instant) -> ControlFlow<()> {
        while !self.shutdown.is_cancelled() {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return ControlFlow::Continue(());
            }
            thread::park_timeout(left.min(NAP));
        }
        ControlFlow::Break(())
    }

    /// Where an earlier life has come to. What cannot be read only means beginning at the start.
    fn remembered_place(&self) -> Option<CatalogPath> {
        let bytes = fs::read(&self.place).ok()?;
        let path = CatalogPath::parse(&bytes).ok();
        path.filter(|path| !path.is_root())
    }

    fn remember(&self, place: Option<&CatalogPath>) {
        let bytes = place.map_or(&[][..], CatalogPath::as_bytes);
        if let Err(error) = fs::write(&self.place, bytes) {
            tracing::debug!(%error, "cannot write down how far the scrub has come");
        }
    }
}

/// The first file with known content after `place`.
fn next_file(catalog: &Catalog, place: Option<&CatalogPath>) -> Option<(CatalogPath, Arc<Entry>)> {
    let mut below = catalog.below(&CatalogPath::root(), place);
    let (path, entry) = below.find(|(_, entry)| entry.content.is_some())?;
    Some((path.clone(), Arc::clone(entry)))
}

#[cfg(test)]
mod tests;
