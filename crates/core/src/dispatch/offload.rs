//! Whether this node sends away more than its cost alone would say.
//!
//! On at three quarters of its means for two seconds, or at once when its slots run out; off at
//! little more than half for ten. The hysteresis only moves a bias: no flow is ever moved, so nothing
//! can flap. Shutting this node out altogether while it is busy was measured and lost: its link then
//! runs at half while it is out, and a fleet of few nodes needs all of them.

use std::time::{Duration, Instant};

/// Share of the means in use above which offloading begins.
const ON_ABOVE: f64 = 0.75;
/// For how long it has to last.
const ON_AFTER: Duration = Duration::from_secs(2);
/// Share of the slots in use above which it begins at once.
const ON_AT_ONCE_ABOVE: f64 = 0.8;
/// Share of both below which it ends.
const OFF_BELOW: f64 = 0.55;
/// For how long that has to last.
const OFF_AFTER: Duration = Duration::from_secs(10);

/// The factor on the deciding node's own cost: it also has to dispatch.
pub const SERVER_BIAS: f64 = 1.25;
/// The factor while it is busy.
pub const OFFLOAD_BIAS: f64 = 2.0;

/// The switch.
#[derive(Clone, Debug, Default)]
pub(super) struct OffloadSwitch {
    is_on: bool,
    /// Since when the figures have been such as to turn it over.
    since: Option<Instant>,
}

impl OffloadSwitch {
    /// Takes in the share of the means in use, and of the slots.
    pub(super) fn observe(&mut self, now: Instant, utilization: f64, slots_taken: f64) {
        let (turns_over, after) = if self.is_on {
            (utilization.max(slots_taken) <= OFF_BELOW, OFF_AFTER)
        } else {
            (utilization >= ON_ABOVE, ON_AFTER)
        };
        let at_once = !self.is_on && slots_taken >= ON_AT_ONCE_ABOVE;
        if !turns_over && !at_once {
            self.since = None;
            return;
        }
        let since = *self.since.get_or_insert(now);
        if at_once || now.saturating_duration_since(since) >= after {
            self.is_on = !self.is_on;
            self.since = None;
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) fn bias(&self) -> f64 {
        if self.is_on {
            OFFLOAD_BIAS
        } else {
            SERVER_BIAS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_has_hysteresis() {
        let start = Instant::now();
        let mut switch = OffloadSwitch::default();
        let mut observe = |ms: u64, utilization, slots| {
            switch.observe(start + Duration::from_millis(ms), utilization, slots);
            switch.is_on()
        };
        assert!(!observe(0, 0.8, 0.0));
        assert!(!observe(1900, 0.9, 0.0));
        assert!(!observe(1950, 0.7, 0.0), "a dip begins it anew");
        assert!(!observe(2000, 0.8, 0.0));
        assert!(observe(4000, 0.8, 0.0));
        assert!(observe(5000, 0.6, 0.0), "between the thresholds it stays");
        assert!(observe(6000, 0.5, 0.0));
        assert!(observe(15_900, 0.5, 0.0));
        assert!(!observe(16_000, 0.5, 0.0));
        assert!(observe(16_100, 0.1, 0.8), "slots run out: at once");
        assert!(observe(30_000, 0.1, 0.6), "and it stays while few are free");
    }
}
