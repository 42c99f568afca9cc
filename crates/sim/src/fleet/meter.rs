//! What a node measures of itself, once a second.
//!
//! It must never know more than a node does: what its link could send it is told, and may be wrong.

use overspill_core::load::LoadHistogram;

use crate::{
    station::{SharingLink, Station},
    time::Time,
};

/// A node's own books.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Bytes of all flows that came, less what aborted ones left.
    taken: f64,
    sent: f64,
    measured: Option<Time>,
    pub(super) served: u64,
    pub(super) cut: u64,
}

/// What a node tells of itself.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) load: LoadHistogram,
    pub(super) egress_bytes_per_s: f64,
    pub(super) served: u64,
    pub(super) cut: u64,
    pub(super) bytes_sent: f64,
}

impl Meter {
    pub(super) fn started(&mut self, size: f64) {
        self.taken += size;
    }

    pub(super) fn served(&mut self) {
        self.served += 1;
    }

    pub(super) fn cut(&mut self, left: f64) {
        self.cut += 1;
        self.taken -= left;
    }

    pub(super) fn measure(&mut self, now: Time, link: &SharingLink) -> Measured {
        let sent = self.taken - link.work_before(now, f64::INFINITY);
        let seconds = self.measured.map_or(f64::INFINITY, |then| now - then);
        let egress_bytes_per_s = ((sent - self.sent) / seconds).max(0.0);
        self.sent = sent;
        self.measured = Some(now);
        Measured {
            load: link.histogram(now),
            egress_bytes_per_s,
            served: self.served,
            cut: self.cut,
            bytes_sent: sent,
        }
    }
}
