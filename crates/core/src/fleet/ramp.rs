//! Slow start: a member that is new gets little at first, and more over a minute.
//!
//! Its cache is cold, and nobody knows yet what it does with real flows. A fleet whose dispatcher is
//! itself as new has no old members to spare the new ones, so its founders do not ramp; and so a
//! server that was restarted has its whole fleet back at once. It must never slow an old member down.

use std::time::{Duration, Instant};

/// How long slow start takes, and how long a fleet is being founded.
pub const SLOW_START: Duration = Duration::from_secs(60);
/// The share of its capacity with which a member begins.
const LEAST_SHARE: f64 = 0.1;

/// The slow start of one member; by default none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ramp {
    began: Option<Instant>,
}

impl Ramp {
    /// For a member that became ready now, in a fleet founded then.
    pub(super) fn begin(now: Instant, founded: Instant) -> Self {
        let is_founder = now.saturating_duration_since(founded) < SLOW_START;
        Self {
            began: (!is_founder).then_some(now),
        }
    }

    /// For a member that was ejected until now.
    pub(super) fn after_ejection(now: Instant) -> Self {
        Self { began: Some(now) }
    }

    /// The share of its capacity that the member is believed to have.
    pub(super) fn share(self, now: Instant) -> f64 {
        let Some(began) = self.began else { return 1.0 };
        let age = now.saturating_duration_since(began).as_secs_f64();
        (age / SLOW_START.as_secs_f64()).clamp(LEAST_SHARE, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_ramp_and_founders_do_not() {
        let founded = Instant::now();
        let later = founded + SLOW_START;
        assert_eq!(Ramp::default().share(later), 1.0);
        assert_eq!(Ramp::begin(founded, founded).share(founded), 1.0);
        let ramp = Ramp::begin(later, founded);
        assert_eq!(ramp.share(later), LEAST_SHARE);
        assert!((ramp.share(later + SLOW_START / 2) - 0.5).abs() < 1e-9);
        assert_eq!(ramp.share(later + SLOW_START * 2), 1.0);
        assert_eq!(Ramp::after_ejection(founded).share(founded), LEAST_SHARE);
    }
}
