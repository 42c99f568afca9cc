//! A mean with its confidence interval, by batch means.
//!
//! The run is cut into [`BATCHES`] equal batches, long enough to be nearly independent; their means
//! are then as good as independent observations. It must never be asked for an interval of a run
//! that ended early: the batches would not be equal.

/// Number of batches: fewer give a wide interval, more make them too short to be independent.
pub const BATCHES: usize = 30;

/// 97.5 % quantile of Student's t with `BATCHES - 1` degrees of freedom.
const STUDENT_T: f64 = 2.045;

/// The mean of a known number of observations.
#[derive(Clone, Debug)]
pub struct BatchMeans {
    batch_len: u64,
    seen: u64,
    sums: [f64; BATCHES],
}

impl BatchMeans {
    /// Expects `observations`; what a batch more or less makes uneven goes to the last one.
    pub fn new(observations: u64) -> Self {
        Self {
            batch_len: (observations / BATCHES as u64).max(1),
            seen: 0,
            sums: [0.0; BATCHES],
        }
    }

    /// Takes in one observation.
    pub fn observe(&mut self, value: f64) {
        let batch = (self.seen / self.batch_len).min(BATCHES as u64 - 1);
        self.sums[batch as usize] += value;
        self.seen += 1;
    }

    /// Number of observations.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The mean of all; 0 of none.
    pub fn mean(&self) -> f64 {
        self.sums.iter().sum::<f64>() / self.seen.max(1) as f64
    }

    /// Half the width of the 95 % confidence interval; infinite for less than [`BATCHES`]
    /// observations.
    pub fn half_width_95(&self) -> f64 {
        if self.seen < BATCHES as u64 {
            return f64::INFINITY;
        }
        let last_len = self.seen - self.batch_len * (BATCHES as u64 - 1);
        let mean_of = |batch: usize| {
            let len = if batch + 1 == BATCHES {
                last_len
            } else {
                self.batch_len
            };
            self.sums[batch] / len as f64
        };
        let mean = (0..BATCHES).map(mean_of).sum::<f64>() / BATCHES as f64;
        let squares: f64 = (0..BATCHES).map(|b| (mean_of(b) - mean).powi(2)).sum();
        let variance = squares / (BATCHES - 1) as f64;
        STUDENT_T * (variance / BATCHES as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Seed, Stream, exponential};

    #[test]
    fn the_interval_covers_the_truth_about_as_often_as_it_says() {
        let covered = (0..200)
            .filter(|&run| {
                let mut random = Seed(11).nth(run).stream(Stream::Sizes);
                let mut means = BatchMeans::new(3_000);
                (0..3_000).for_each(|_| means.observe(exponential(&mut random)));
                (means.mean() - 1.0).abs() <= means.half_width_95()
            })
            .count();
        assert!((180..=199).contains(&covered), "{covered} of 200");
    }

    #[test]
    fn too_few_observations_make_no_interval() {
        let mut means = BatchMeans::new(3);
        assert_eq!(means.mean(), 0.0);
        for value in [1.0, 2.0, 6.0] {
            means.observe(value);
        }
        assert_eq!((means.mean(), means.seen()), (3.0, 3));
        assert_eq!(means.half_width_95(), f64::INFINITY);
    }
}
