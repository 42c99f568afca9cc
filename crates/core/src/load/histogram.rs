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

/// A log2 histogram of remaining bytes with running sums.
///
/// Invariant: `sums[k]` holds the bytes of buckets `0..k` and the flows of buckets `k..`. What a
/// decision reads stands in two neighbours, one or two lines of the processor's cache: with a
/// thousand members that is what it costs. The sums are floats, whole numbers and exact below 2^53
/// (8 PiB), because decisions multiply them; a node that claims more is not believed to the byte.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadHistogram {
    sums: [Sums; BUCKETS + 1],
}

/// The running sums at one boundary between buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    bytes_below: f64,
    flows_from_here: f64,
}

impl LoadHistogram {
    /// No flow at all.
    pub const fn empty() -> Self {
        let none = Sums {
            bytes_below: 0.0,
            flows_from_here: 0.0,
        };
        Self {
            sums: [none; BUCKETS + 1],
        }
    }

    /// Builds the histogram from its buckets; those beyond [`BUCKETS`] are ignored.
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
        let (at_most, above) = self.sums.split_at_mut(bucket_of(remaining_bytes) + 1);
        for sums in at_most {
            sums.flows_from_here += 1.0;
        }
        for sums in above {
            sums.bytes_below += remaining_bytes as f64;
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
        self.sums[0].flows_from_here as u64
    }

    /// Bytes still to send.
    pub fn bytes(&self) -> u64 {
        self.sums[BUCKETS].bytes_below as u64
    }

    /// `sum_j min(r_j, bytes)`: whole flows below the size's own bucket, `bytes` of each above it.
    ///
    /// Exact but for the flows within a factor of two of `bytes`, whose sum is bounded by both.
    pub fn sum_min(&self, bytes: u64) -> f64 {
        let at = bucket_of(bytes);
        let (here, next, each) = (self.sums[at], self.sums[at + 1], bytes as f64);
        let own_bytes = next.bytes_below - here.bytes_below;
        let own_flows = here.flows_from_here - next.flows_from_here;
        here.bytes_below + own_bytes.min(own_flows * each) + next.flows_from_here * each
    }

    fn bucket(&self, at: usize) -> Bucket {
        let (here, next) = (self.sums[at], self.sums[at + 1]);
        Bucket {
            flows: (here.flows_from_here - next.flows_from_here) as u64,
            bytes: (next.bytes_below - here.bytes_below) as u64,
        }
    }

    /// Adds to each bucket, in one pass each way.
    fn add_buckets(&mut self, added: &[Bucket; BUCKETS]) {
        let mut bytes = 0.0;
        for (sums, bucket) in self.sums[1..].iter_mut().zip(added) {
            bytes += bucket.bytes as f64;
            sums.bytes_below += bytes;
        }
        let mut flows = 0.0;
        for (sums, bucket) in self.sums[..BUCKETS].iter_mut().zip(added).rev() {
            flows += bucket.flows as f64;
            sums.flows_from_here += flows;
        }
    }
}

impl Extend<u64> for LoadHistogram {
    /// Counts a flow for each number of remaining bytes; for many at once, cheaper than one by one.
    fn extend<T: IntoIterator<Item = u64>>(&mut self, flows: T) {
        let mut added = [Bucket::default(); BUCKETS];
        for bytes in flows {
            let bucket = &mut added[bucket_of(bytes)];
            bucket.flows = bucket.flows.saturating_add(1);
            bucket.bytes = bucket.bytes.saturating_add(bytes);
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
        fn buckets_rebuild_the_histogram(flows in proptest::collection::vec(0_u64..1 << 46, 0..50)) {
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
