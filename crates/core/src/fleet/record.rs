//! What a member's reports say of how its flows go.
//!
//! Three kinds of outcome, kept apart because they prove different things: flows and errors the
//! member counted itself, flows that ended early by whoever's fault, and clients that never arrived.
//! Only the first are evidence by themselves; the second are by comparison with other members (a
//! client that goes away says nothing, a member whose clients all go away does); the third only make
//! a member dearer, since a client that does not follow redirects must not eject anybody.

use std::time::{Duration, Instant};

use super::{
    Evidence, Report,
    ejection::{Ejector, Verdict},
};
use crate::load::DecayingRatio;

/// The decaying record of one member.
#[derive(Debug)]
pub(super) struct Record {
    /// Failed: cut. Succeeded: finished.
    cuts: DecayingRatio,
    /// Failed: never arrived.
    arrivals: DecayingRatio,
    /// Since when flows that want bytes get none.
    standstill: Option<Instant>,
    /// Bytes per second of each flow that wants more, if there are enough to tell.
    flow_rate: Option<f64>,
}

/// Time constant with which outcomes are forgotten.
const DECAY: Duration = Duration::from_secs(30);
/// Most outcomes of one report that are taken for evidence.
const MAX_OUTCOMES_PER_REPORT: u64 = 64;
/// Egress below which nothing moves.
const STANDSTILL_BYTES_PER_S: f64 = 4096.0;
/// A standstill of so long is a failure, and each second more is another.
const STALLED_AFTER: Duration = Duration::from_secs(3);
/// Wanting flows before their mean rate says anything.
const FLOWS_TO_COMPARE: u64 = 4;
/// How much a client that never arrived weighs beside a failed flow.
const LOST_WEIGHT: f64 = 0.25;

impl Record {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            cuts: DecayingRatio::new(DECAY, now),
            arrivals: DecayingRatio::new(DECAY, now),
            standstill: None,
            flow_rate: None,
        }
    }

    /// A client arrived.
    pub(super) fn arrived(&mut self, now: Instant) {
        self.arrivals.succeeded(now);
    }

    /// A client never arrived.
    pub(super) fn lost(&mut self, now: Instant) {
        self.arrivals.failed(now);
    }

    /// Takes in what has changed from the last report to this one; the gravest of what it asks for.
    pub(super) fn account(
        &mut self,
        now: Instant,
        last: Option<&Report>,
        report: &Report,
        ejector: &mut Ejector,
    ) -> Verdict {
        self.compare_flows(report);
        let since = |count: fn(&Report) -> u64| {
            let before = last.map_or_else(|| count(report), count);
            count(report)
                .saturating_sub(before)
                .min(MAX_OUTCOMES_PER_REPORT)
        };
        let (finished, cut) = (since(|r| r.flows_served), since(|r| r.flows_cut));
        for _ in 0..finished {
            ejector.weigh(now, Evidence::Success);
            self.cuts.succeeded(now);
        }
        for _ in 0..cut {
            self.cuts.failed(now);
        }
        let failures = since(|r| r.errors) + u64::from(self.is_stalled(now, report));
        let verdicts = (0..failures).map(|_| ejector.weigh(now, Evidence::Failure));
        verdicts.last().unwrap_or(Verdict::Keep)
    }

    /// The error rate that makes a member dearer.
    pub(super) fn error_ratio(&self, now: Instant, ejector: &Ejector) -> f64 {
        ejector.error_ratio(now) + LOST_WEIGHT * self.arrivals.ratio(now)
    }

    /// Share of flows that ended early; `None` while there are too few to tell.
    pub(super) fn cut_ratio(&self, now: Instant) -> Option<f64> {
        let enough = self.cuts.outcomes(now) >= 8.0;
        enough.then(|| self.cuts.ratio(now))
    }

    /// Bytes per second of each flow that wants more; `None` while there are too few to tell.
    pub(super) fn flow_rate(&self) -> Option<f64> {
        self.flow_rate
    }

    fn compare_flows(&mut self, report: &Report) {
        let wanting = report
            .load
            .flows()
            .saturating_sub(report.flows_limited_by_client);
        let enough = wanting >= FLOWS_TO_COMPARE;
        self.flow_rate = enough.then(|| report.egress_bytes_per_s / wanting as f64);
    }

    /// Whether flows that want bytes have got none for too long.
    fn is_stalled(&mut self, now: Instant, report: &Report) -> bool {
        let wanting = report.load.flows() > report.flows_limited_by_client;
        if !wanting || report.egress_bytes_per_s >= STANDSTILL_BYTES_PER_S {
            self.standstill = None;
            return false;
        }
        let since = *self.standstill.get_or_insert(now);
        let is_stalled = now.saturating_duration_since(since) >= STALLED_AFTER;
        if is_stalled {
            self.standstill = Some(since + Duration::from_secs(1));
        }
        is_stalled
    }
}
