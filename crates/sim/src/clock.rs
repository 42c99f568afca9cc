//! Virtual time as the product's core takes it.
//!
//! The core asks for an [`Instant`], which only a clock can make. One is read when a run begins and
//! never again; the core compares instants with each other only, so what follows is a function of
//! virtual time. It must never be asked what time it is.

use std::time::{Duration, Instant};

use crate::time::Time;

/// Makes instants of virtual times.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose virtual time begins now.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The instant of a virtual time, to the nanosecond.
    pub fn at(&self, time: Time) -> Instant {
        self.start + Duration::from_secs_f64(time.as_secs())
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_as_far_apart_as_times() {
        let clock = Clock::new();
        let [early, late] = [1.5, 61.5].map(|seconds| clock.at(Time::from_secs(seconds)));
        assert_eq!(late - early, Duration::from_secs(60));
    }
}
