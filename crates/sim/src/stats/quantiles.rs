//! Quantiles of positive numbers, by a histogram of logarithmic bins.
//!
//! 128 bins an octave: a quantile is within 0.3 % of the exact one, whatever its size, in a hundred
//! kilobytes. It must never be given a number outside 2^-32..2^64; such a one counts at the border.

/// Counts by size.
#[derive(Clone, Debug)]
pub struct Quantiles {
    counts: Vec<u64>,
    total: u64,
}

const BINS_PER_OCTAVE: f64 = 128.0;
const LEAST_OCTAVE: f64 = -32.0;
const OCTAVES: usize = 96;
const BINS: usize = OCTAVES * BINS_PER_OCTAVE as usize;

impl Quantiles {
    /// Nothing observed.
    pub fn new() -> Self {
        Self {
            counts: vec![0; BINS],
            total: 0,
        }
    }

    /// Takes in one number.
    pub fn observe(&mut self, value: f64) {
        let bin = (value.log2() - LEAST_OCTAVE) * BINS_PER_OCTAVE;
        // The cast saturates: what is below the first bin, zero too, counts there.
        self.counts[(bin as usize).min(BINS - 1)] += 1;
        self.total += 1;
    }

    /// How many numbers were observed.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The number that `ratio` of all do not exceed: 0.99 for the 99th percentile. 0 of none.
    pub fn quantile(&self, ratio: f64) -> f64 {
        let rank = (ratio * self.total as f64).ceil().max(1.0) as u64;
        let mut below = 0;
        let reaches = |count: &u64| {
            below += count;
            below >= rank
        };
        let bin = self.counts.iter().position(reaches);
        bin.map_or(0.0, |bin| {
            ((bin as f64 + 0.5) / BINS_PER_OCTAVE + LEAST_OCTAVE).exp2()
        })
    }

    /// The share of numbers greater than `value`, to the resolution of a bin.
    pub fn share_above(&self, value: f64) -> f64 {
        let bin = (value.log2() - LEAST_OCTAVE) * BINS_PER_OCTAVE;
        let above: u64 = self.counts.iter().skip(bin.round() as usize).sum();
        above as f64 / self.total.max(1) as f64
    }
}

impl Default for Quantiles {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_their_resolution() {
        let mut quantiles = Quantiles::new();
        (1..=10_000).for_each(|value| quantiles.observe(f64::from(value) * 1e-3));
        for (ratio, exact) in [(0.0, 0.001), (0.5, 5.0), (0.99, 9.9), (1.0, 10.0)] {
            let ours = quantiles.quantile(ratio);
            assert!((ours / exact - 1.0).abs() < 3e-3, "{ratio}: {ours}");
        }
        assert!((quantiles.share_above(9.0) - 0.1).abs() < 5e-3);
        assert_eq!(quantiles.total(), 10_000);
    }

    #[test]
    fn what_cannot_be_told_apart_counts_at_the_border() {
        let mut quantiles = Quantiles::new();
        assert_eq!(quantiles.quantile(0.5), 0.0);
        quantiles.observe(0.0);
        quantiles.observe(f64::INFINITY);
        assert!(quantiles.quantile(0.5) < 1e-9 && quantiles.quantile(1.0) > 1e19);
    }
}
