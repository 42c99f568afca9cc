//! Distributions in fixed buckets: how long, and how many times longer than need be.
//!
//! The bounds are powers of two, or a short list of ratios, so that finding a bucket is a few
//! instructions and cores can be summed. It must never allocate while it counts.

use std::{array, time::Duration};

use super::Counter;

/// Buckets of [`Latencies`] with a bound: from 64 us, doubling, to 33.6 s.
const LATENCY_BUCKETS: usize = 20;
/// Bits of the first bound in microseconds: 2^6 is 64.
const FIRST_BOUND_BITS: u32 = 6;
/// Bounds of [`Multiples`]. A node with spare capacity stays below 2, and from 8 on people notice.
const MULTIPLES: [f64; 14] = [
    1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0, 64.0, 128.0, 256.0,
];
/// Parts of one in which multiples are summed.
const PARTS: f64 = 1000.0;

/// A distribution as it is read: cumulative, like every one of Prometheus.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Upper bounds, inclusive and rising, each with the number of values up to it. The last bound is
    /// infinite.
    pub buckets: Vec<(f64, u64)>,
    /// Sum of the values.
    pub sum: f64,
}

impl Distribution {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |(_, count)| *count)
    }

    fn new(bounds: impl Iterator<Item = f64>, counts: &[u64], sum: f64) -> Self {
        let mut so_far = 0;
        let mut up_to = |(bound, count): (f64, &u64)| {
            so_far += count;
            (bound, so_far)
        };
        let bounds = bounds.chain([f64::INFINITY]);
        Self {
            buckets: bounds.zip(counts).map(&mut up_to).collect(),
            sum,
        }
    }
}

/// Durations.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    buckets: [Counter; LATENCY_BUCKETS + 1],
    sum_ns: Counter,
}

impl Latencies {
    /// Adds `duration`, so many times.
    pub(super) fn add(&self, duration: Duration, times: u64) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[latency_bucket(ns)].add(times);
        self.sum_ns.add(ns.saturating_mul(times));
    }

    /// The sum of several, in seconds.
    pub(super) fn merged<'a>(parts: impl Iterator<Item = &'a Self> + Clone) -> Distribution {
        let counts: [u64; LATENCY_BUCKETS + 1] =
            array::from_fn(|at| parts.clone().map(|part| part.buckets[at].sum()).sum());
        let sum_ns: u64 = parts.map(|part| part.sum_ns.sum()).sum();
        let bounds = (0..LATENCY_BUCKETS).map(|at| bound_us(at) as f64 / 1e6);
        Distribution::new(bounds, &counts, sum_ns as f64 / 1e9)
    }
}

/// Ratios, of which 1 is the best.
#[derive(Debug, Default)]
pub(super) struct Multiples {
    buckets: [Counter; MULTIPLES.len() + 1],
    sum_parts: Counter,
}

impl Multiples {
    pub(super) fn add(&self, multiple: f64) {
        self.buckets[MULTIPLES.partition_point(|bound| *bound < multiple)].add(1);
        // A cast saturates, and what is no number is 0.
        self.sum_parts.add((multiple * PARTS) as u64);
    }

    /// The sum of several.
    pub(super) fn merged<'a>(parts: impl Iterator<Item = &'a Self> + Clone) -> Distribution {
        let counts: [u64; MULTIPLES.len() + 1] =
            array::from_fn(|at| parts.clone().map(|part| part.buckets[at].sum()).sum());
        let sum: u64 = parts.map(|part| part.sum_parts.sum()).sum();
        Distribution::new(MULTIPLES.into_iter(), &counts, sum as f64 / PARTS)
    }
}

/// The bucket of a duration: the first whose bound is no smaller.
fn latency_bucket(ns: u64) -> usize {
    let us = ns.div_ceil(1000);
    // How many bits it takes to be below a power of two that is no smaller than `us`.
    let bits = u64::BITS - us.saturating_sub(1).leading_zeros();
    (bits.saturating_sub(FIRST_BOUND_BITS) as usize).min(LATENCY_BUCKETS)
}

fn bound_us(bucket: usize) -> u64 {
    1 << (bucket + FIRST_BOUND_BITS as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_holds_it() {
        for (ns, bucket) in [
            (0, 0),
            (1, 0),
            (64_000, 0),
            (64_001, 1),
            (128_000, 1),
            (128_001, 2),
            (1_000_000, 4),
            (33_554_432_000, 19),
            (33_554_432_001, 20),
            (u64::MAX, 20),
        ] {
            assert_eq!(latency_bucket(ns), bucket, "{ns}");
        }
        for bucket in 0..LATENCY_BUCKETS {
            let bound_ns = bound_us(bucket) * 1000;
            assert_eq!(latency_bucket(bound_ns), bucket);
            assert_eq!(latency_bucket(bound_ns + 1), bucket + 1);
        }
    }

    #[test]
    fn a_distribution_is_cumulative_and_ends_without_bound() {
        let (one, other) = (Latencies::default(), Latencies::default());
        one.add(Duration::from_micros(64), 2);
        other.add(Duration::from_micros(65), 1);
        other.add(Duration::from_secs(60), 1);
        let merged = Latencies::merged([&one, &other].into_iter());
        assert_eq!(merged.buckets[0], (0.000_064, 2));
        assert_eq!(merged.buckets[1], (0.000_128, 3));
        assert_eq!(merged.buckets[LATENCY_BUCKETS], (f64::INFINITY, 4));
        assert_eq!(merged.count(), 4);
        assert!((merged.sum - 60.000_193).abs() < 1e-9, "{}", merged.sum);
        assert!(merged.buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
    }

    #[test]
    fn a_ratio_is_in_the_first_bucket_that_holds_it() {
        let multiples = Multiples::default();
        for multiple in [0.5, 1.0, 1.1, 256.0, 1e9, f64::NAN] {
            multiples.add(multiple);
        }
        let merged = Multiples::merged([&multiples].into_iter());
        let up_to = |bound| merged.buckets.iter().find(|(up, _)| *up == bound);
        // What is no number is below every bound: it cannot be put anywhere better.
        assert_eq!(up_to(1.0), Some(&(1.0, 3)));
        assert_eq!(up_to(1.25), Some(&(1.25, 4)));
        assert_eq!(up_to(256.0), Some(&(256.0, 5)));
        assert_eq!(merged.count(), 6);
    }
}
