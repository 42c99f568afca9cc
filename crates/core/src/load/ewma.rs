//! A ratio of failures to outcomes that forgets with time.
//!
//! Both counts decay exponentially, so an old failure weighs less than a new success. After the
//! manner of linkerd's `ewma`: time is an argument and never goes backwards.

use std::time::{Duration, Instant};

/// Failures as a share of outcomes, both decaying with one time constant.
#[derive(Clone, Debug)]
pub struct DecayingRatio {
    failures: f64,
    outcomes: f64,
    decay: Duration,
    updated: Instant,
}

impl DecayingRatio {
    /// A ratio without any outcome yet, forgetting with time constant `decay`.
    pub fn new(decay: Duration, now: Instant) -> Self {
        Self {
            failures: 0.0,
            outcomes: 0.0,
            decay,
            updated: now,
        }
    }

    /// Counts a success.
    pub fn succeeded(&mut self, now: Instant) {
        self.age(now);
        self.outcomes += 1.0;
    }

    /// Counts a failure.
    pub fn failed(&mut self, now: Instant) {
        self.age(now);
        self.outcomes += 1.0;
        self.failures += 1.0;
    }

    /// The share of failures, 0 to 1.
    ///
    /// One imaginary success is added, so that a single failure after long silence does not read as
    /// "everything fails", and the ratio drifts to 0 as memory fades.
    pub fn ratio(&self, now: Instant) -> f64 {
        let factor = self.factor(now);
        self.failures * factor / (self.outcomes * factor + 1.0)
    }

    /// How many outcomes are remembered; old ones count for less than one.
    pub fn outcomes(&self, now: Instant) -> f64 {
        self.outcomes * self.factor(now)
    }

    fn age(&mut self, now: Instant) {
        let factor = self.factor(now);
        self.failures *= factor;
        self.outcomes *= factor;
        self.updated = self.updated.max(now);
    }

    fn factor(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.updated);
        (-elapsed.as_secs_f64() / self.decay.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECAY: Duration = Duration::from_secs(30);

    #[test]
    fn failures_weigh_in_and_fade() {
        let start = Instant::now();
        let mut ratio = DecayingRatio::new(DECAY, start);
        assert_eq!(ratio.ratio(start), 0.0);
        for _ in 0..9 {
            ratio.failed(start);
        }
        assert!((ratio.ratio(start) - 0.9).abs() < 1e-9);
        assert!(ratio.ratio(start + DECAY * 5) < 0.1);
        for _ in 0..10 {
            ratio.succeeded(start + DECAY);
        }
        assert!(ratio.ratio(start + DECAY) < 0.25);
    }

    #[test]
    fn a_clock_that_goes_backwards_changes_nothing() {
        let start = Instant::now() + DECAY;
        let mut ratio = DecayingRatio::new(DECAY, start);
        ratio.failed(start);
        let before = ratio.ratio(start);
        ratio.succeeded(start - DECAY);
        assert!(ratio.ratio(start) < before);
    }
}
