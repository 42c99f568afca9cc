//! How fast a node can send.
//!
//! The highest egress seen is only a lower bound, and a node believed small gets little work and so
//! never shows more. So the prior (told by the operator, or a gigabit) stands until more has been
//! seen; a capacity told by the operator is also the cap. Lowering an estimate needs evidence of
//! saturation (TCP_INFO), which is not gathered yet, so it must never fall below the prior.

use std::time::{Duration, Instant};

use crate::units::Rate;

/// A node's egress capacity: the prior, or the highest egress of the last minute if that is more.
#[derive(Clone, Debug)]
pub struct CapacityEstimate {
    prior: Prior,
    peak: f64,
    peak_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Prior {
    /// The operator said so: neither more nor less.
    Told(Rate),
    /// Nobody said: a gigabit until more is seen.
    Assumed,
}

impl CapacityEstimate {
    /// How long a peak is remembered.
    pub const WINDOW: Duration = Duration::from_secs(60);

    /// Starts from what the operator said, if anything.
    pub fn new(told: Option<Rate>) -> Self {
        let prior = told.map_or(Prior::Assumed, Prior::Told);
        Self {
            prior,
            peak: 0.0,
            peak_at: None,
        }
    }

    /// Takes in the egress of the last second, in bytes per second.
    pub fn observe(&mut self, now: Instant, egress_bytes_per_s: f64) {
        if egress_bytes_per_s >= self.peak || self.expired(now) {
            self.peak = egress_bytes_per_s;
            self.peak_at = Some(now);
        }
    }

    /// The estimate.
    pub fn rate(&self, now: Instant) -> Rate {
        match self.prior {
            Prior::Told(rate) => rate,
            Prior::Assumed if self.expired(now) => Rate::GIGABIT,
            Prior::Assumed => Rate::from_bytes_per_s(self.peak.max(Rate::GIGABIT.bytes_per_s())),
        }
    }

    fn expired(&self, now: Instant) -> bool {
        self.peak_at
            .is_none_or(|at| now.saturating_duration_since(at) > Self::WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_told_stands() {
        let now = Instant::now();
        let told = Rate::from_bytes_per_s(1e6);
        let mut estimate = CapacityEstimate::new(Some(told));
        estimate.observe(now, 1e9);
        assert_eq!(estimate.rate(now), told);
    }

    #[test]
    fn an_assumed_capacity_grows_with_what_is_seen_and_never_shrinks_below_the_prior() {
        let now = Instant::now();
        let mut estimate = CapacityEstimate::new(None);
        estimate.observe(now, 1e3);
        assert_eq!(estimate.rate(now), Rate::GIGABIT);
        estimate.observe(now, 1e9);
        estimate.observe(now, 1e6);
        assert_eq!(estimate.rate(now).bytes_per_s(), 1e9);
        assert_eq!(
            estimate.rate(now + CapacityEstimate::WINDOW * 2),
            Rate::GIGABIT
        );
    }
}
