//! What a byte costs at a capacity, worked out ahead: decisions multiply, they do not divide.
//!
//! It must never be told apart from the capacity it was made of.

use std::time::Duration;

use crate::units::Rate;

/// Round-trip time assumed while nothing is measured: between a LAN and a continent, and long
/// enough that small answers stay with the node that was asked.
pub(crate) const PRIOR_RTT: Duration = Duration::from_millis(2);
/// Bytes of the first flight: ten segments (RFC 6928).
const INITIAL_WINDOW_BYTES: f64 = 14_600.0;

/// A capacity, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    capacity: Rate,
    seconds_per_byte: f64,
    /// Round trips of [`PRIOR_RTT`] in which slow start fills the link.
    usual_round_trips: f64,
}

impl Pace {
    /// The pace of this capacity.
    pub fn of(capacity: Rate) -> Self {
        Self {
            capacity,
            seconds_per_byte: 1.0 / capacity.bytes_per_s(),
            usual_round_trips: fill_round_trips(capacity, PRIOR_RTT),
        }
    }

    /// The capacity.
    pub fn capacity(&self) -> Rate {
        self.capacity
    }

    /// How long so many bytes take, in seconds.
    pub(crate) fn seconds_for(&self, bytes: f64) -> f64 {
        bytes * self.seconds_per_byte
    }

    /// Seconds of slow start for a body of `round_trips` (see [`slow_start_round_trips`]): it ends
    /// when the link is full.
    pub(crate) fn slow_start_s(&self, round_trips: f64, rtt: Duration) -> f64 {
        let filled = if rtt == PRIOR_RTT {
            self.usual_round_trips
        } else {
            fill_round_trips(self.capacity, rtt)
        };
        rtt.as_secs_f64() * round_trips.min(filled)
    }
}

/// Round trips until the window covers so many bytes: doubling from ten segments.
pub(crate) fn slow_start_round_trips(bytes: f64) -> f64 {
    (1.0 + bytes / INITIAL_WINDOW_BYTES).log2()
}

fn fill_round_trips(capacity: Rate, rtt: Duration) -> f64 {
    slow_start_round_trips(capacity.bytes_per_s() * rtt.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_start_ends_with_the_body_or_the_full_link() {
        let pace = Pace::of(Rate::GIGABIT);
        let seconds = |bytes, rtt| pace.slow_start_s(slow_start_round_trips(bytes), rtt);
        assert!(
            (seconds(14_600.0, PRIOR_RTT) - 0.002).abs() < 1e-12,
            "one round trip"
        );
        let longest = seconds(1e12, PRIOR_RTT);
        assert!((longest - 0.002 * (1.0 + 250_000.0 / 14_600.0_f64).log2()).abs() < 1e-12);
        let far = Duration::from_millis(200);
        assert!(
            seconds(1e12, far) > longest * 100.0,
            "a longer way fills later, too"
        );
        assert_eq!(pace.seconds_for(250e6), 2.0);
    }
}
