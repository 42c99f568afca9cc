//! What came of a run of a fleet.
//!
//! It must never count a request twice, however often its client had to come back.

use super::request::Request;
use crate::{
    stats::{BatchMeans, Decades, Quantiles},
    time::Time,
};

/// What came of a run.
#[derive(Debug)]
pub struct Summary {
    /// Seconds from arrival to the last byte.
    pub time_s: BatchMeans,
    /// Those as a multiple of what the file would take alone on the fastest node.
    pub slowdown: BatchMeans,
    /// Slowdowns, by quantile.
    pub slowdowns: Quantiles,
    /// Slowdowns by decade of size.
    pub decades: Decades,
    /// Marginal cost of the chosen node, as a multiple of the least, both by the truth.
    pub regret: Quantiles,
    /// Clients that were told to come back later.
    pub refused: u64,
    /// Clients that went away.
    pub aborted: u64,
    /// Flows that broke off, and were taken up elsewhere.
    pub resumed: u64,
    /// Measured requests that were still running when the run was over.
    pub unfinished: u64,
    /// Bytes sent of flows that were completed, per second of the run.
    pub goodput_bytes_per_s: f64,
}

impl Summary {
    pub(super) fn new(requests: u64) -> Self {
        Self {
            time_s: BatchMeans::new(requests),
            slowdown: BatchMeans::new(requests),
            slowdowns: Quantiles::new(),
            decades: Decades::default(),
            regret: Quantiles::new(),
            refused: 0,
            aborted: 0,
            resumed: 0,
            unfinished: 0,
            goodput_bytes_per_s: 0.0,
        }
    }

    pub(super) fn observe(&mut self, now: Time, request: &Request, fastest: f64) {
        let time_s = now - request.arrived;
        let slowdown = time_s * fastest / request.size;
        self.time_s.observe(time_s);
        self.slowdown.observe(slowdown);
        self.slowdowns.observe(slowdown);
        self.decades.observe(request.size, slowdown);
    }
}
