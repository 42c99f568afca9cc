//! Virtual time, and floating-point numbers that have an order.
//!
//! Seconds as `f64`: the formulas the simulator is judged by are in seconds, and a run of 10^6 s
//! still resolves 10^-10 s. It must never be compared with a real clock.

use std::{
    cmp::Ordering,
    ops::{Add, Sub},
};

/// A number with the total order of IEEE 754, so that it can be a key.
#[derive(Clone, Copy, Debug)]
pub struct Ordered(pub f64);

/// A point in virtual time, in seconds since the start of the run.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Time(Ordered);

impl Time {
    /// The start of the run.
    pub const ZERO: Self = Self(Ordered(0.0));

    /// Later than everything that ever happens.
    pub const NEVER: Self = Self(Ordered(f64::INFINITY));

    /// The point `seconds` after the start.
    ///
    /// # Panics
    /// When `seconds` is not a number: no event can be due then.
    pub fn from_secs(seconds: f64) -> Self {
        assert!(!seconds.is_nan(), "a point in time is a number");
        Self(Ordered(seconds))
    }

    /// Seconds since the start.
    pub fn as_secs(self) -> f64 {
        self.0.0
    }
}

impl Add<f64> for Time {
    type Output = Self;

    fn add(self, seconds: f64) -> Self {
        Self::from_secs(self.as_secs() + seconds)
    }
}

impl Sub for Time {
    type Output = f64;

    fn sub(self, earlier: Self) -> f64 {
        self.as_secs() - earlier.as_secs()
    }
}

impl Eq for Ordered {}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_ordered_and_their_difference_is_seconds() {
        let start = Time::ZERO + 1.5;
        assert!(start > Time::ZERO && start < Time::from_secs(f64::INFINITY));
        assert_eq!((start + 2.0) - start, 2.0);
    }

    #[test]
    #[should_panic(expected = "a point in time is a number")]
    fn what_is_not_a_number_is_no_time() {
        let _ = Time::from_secs(f64::NAN);
    }
}
