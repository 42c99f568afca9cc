//! Flows in flight, by how many bytes each still has to send.
//!
//! Bucket `k` holds the flows with `2^k <= remaining < 2^(k+1)` bytes. Running sums over the
//! buckets answer "how much work do the flows already there put before a new one of B bytes under
//! processor sharing", `sum_j min(r_j, B)`, in O(1). It must never hold more than [`BUCKETS`].

/// Number of buckets: remaining sizes up to 2^48 bytes (256 TiB) are told apart.
pub const BUCKETS: usize = 48;

/// One bucket, as a report carries it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bucket {
    /// Number of flows.
    pub flows: u64,
    /// Sum of their remaining bytes.
    pub bytes: u64,
}

/// A log2 histogram of remaining bytes with prefix sums.
///
/// Invariant: `below[k]` is the sum over buckets `0..k`. Flows and bytes stand side by side, so that
/// a candidate costs one or two lines of the processor's cache.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoadHistogram {
    below: [Bucket; BUCKETS + 1],
}

impl LoadHistogram {
    /// No flow at all.
    pub const fn empty() -> Self {
        let none = Bucket { flows: 0, bytes: 0 };
        Self {
            below: [none; BUCKETS + 1],
        }
    }

    /// Builds the histogram from its buckets; those beyond [`BUCKETS`] are ignored. Sums saturate,
    /// because the figures come from another node, which may lie.
    pub fn from_buckets(buckets: impl IntoIterator<Item = (usize, Bucket)>) -> Self {
        let mut added = [Bucket::default(); BUCKETS];
        for (at, bucket) in buckets {
            if at < BUCKETS {
                added[at] = bucket;
            }
        }
        let mut histogram = Self::empty();
        histogram.add_buckets(&added);
        histogram
    }

    /// Counts one flow with `remaining_bytes` to go; a finished one (0 bytes) counts as one byte.
    pub fn add(&mut self, remaining_bytes: u64) {
        let flow = Bucket {
            flows: 1,
            bytes: remaining_bytes,
        };
        for below in &mut self.below[bucket_of(remaining_bytes) + 1..] {
            *below = below.plus(flow);
        }
    }

    /// The non-empty buckets with their indexes.
    pub fn buckets(&self) -> impl Iterator<Item = (usize, Bucket)> {
        (0..BUCKETS)
            .map(|at| (at, self.bucket(at)))
            .filter(|(_, bucket)| bucket.flows > 0)
    }

    /// Flows in flight.
    pub fn flows(&self) -> u64 {
        self.below[BUCKETS].flows
    }

    /// Bytes still to send.
    pub fn bytes(&self) -> u64 {
        self.below[BUCKETS].bytes
    }

    /// `sum_j min(r_j, bytes)`: whole flows below the size's own bucket, `bytes` of each above it.
    ///
    /// Exact but for the flows within a factor of two of `bytes`, whose sum is bounded by both.
    pub fn sum_min(&self, bytes: u64) -> f64 {
        let own_at = bucket_of(bytes);
        let own = self.bucket(own_at);
        let own_work = (own.bytes as f64).min(own.flows as f64 * bytes as f64);
        let longer = self.flows() - self.below[own_at + 1].flows;
        self.below[own_at].bytes as f64 + own_work + longer as f64 * bytes as f64
    }

    fn bucket(&self, at: usize) -> Bucket {
        Bucket {
            flows: self.below[at + 1].flows - self.below[at].flows,
            bytes: self.below[at + 1].bytes - self.below[at].bytes,
        }
    }

    /// Adds to each bucket, in one pass.
    fn add_buckets(&mut self, added: &[Bucket; BUCKETS]) {
        let mut sum = Bucket::default();
        for (below, &bucket) in self.below[1..].iter_mut().zip(added) {
            sum = sum.plus(bucket);
            *below = below.plus(sum);
        }
    }
}

impl Bucket {
    fn plus(self, other: Self) -> Self {
        Self {
            flows: self.flows.saturating_add(other.flows),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

impl Extend<u64> for LoadHistogram {
    /// Counts a flow for each number of remaining bytes; for many at once, cheaper than one by one.
    fn extend<T: IntoIterator<Item = u64>>(&mut self, flows: T) {
        let mut added = [Bucket::default(); BUCKETS];
        for bytes in flows {
            let bucket = &mut added[bucket_of(bytes)];
            *bucket = bucket.plus(Bucket { flows: 1, bytes });
        }
        self.add_buckets(&added);
    }
}

impl Default for LoadHistogram {
    fn default() -> Self {
        Self::empty()
    }
}

fn bucket_of(bytes: u64) -> usize {
    (bytes.max(1).ilog2() as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn flows_count_whole_below_and_capped_above() {
        let mut histogram = LoadHistogram::empty();
        for remaining in [100, 1 << 20, 1 << 30] {
            histogram.add(remaining);
        }
        assert_eq!(histogram.flows(), 3);
        assert_eq!(histogram.bytes(), 100 + (1 << 20) + (1 << 30));
        assert_eq!(histogram.sum_min(10), 30.0);
        assert_eq!(histogram.sum_min(1 << 10), 100.0 + 2048.0);
        assert_eq!(histogram.sum_min(1 << 40), histogram.bytes() as f64);
    }

    proptest! {
        #[test]
        fn sum_min_is_within_a_factor_of_two_of_the_truth(
            flows in proptest::collection::vec(1_u64..1 << 44, 0..50),
            bytes in 1_u64..1 << 44,
        ) {
            let mut histogram = LoadHistogram::empty();
            flows.iter().for_each(|&flow| histogram.add(flow));
            let exact: f64 = flows.iter().map(|&flow| flow.min(bytes) as f64).sum();
            let ours = histogram.sum_min(bytes);
            prop_assert!(ours >= exact * 0.999 && ours <= exact * 2.0 + 1.0, "{ours} {exact}");
        }

        #[test]
        fn buckets_rebuild_the_histogram(flows in proptest::collection::vec(0_u64..1 << 50, 0..50)) {
            let mut histogram = LoadHistogram::empty();
            flows.iter().for_each(|&flow| histogram.add(flow));
            prop_assert_eq!(LoadHistogram::from_buckets(histogram.buckets()), histogram.clone());
            let (some, others) = flows.split_at(flows.len() / 2);
            let mut extended = LoadHistogram::empty();
            extended.extend(some.iter().copied());
            extended.extend(others.iter().copied());
            prop_assert_eq!(extended, histogram);
        }
    }
}
