//! Slowdown by decade of size.
//!
//! Small files are many and large ones few, so one mean over all hides what happens to the large.

use std::collections::BTreeMap;

use super::Quantiles;

/// Slowdowns, by the power of ten below the size.
#[derive(Clone, Debug, Default)]
pub struct Decades {
    decades: BTreeMap<i32, Decade>,
}

/// The slowdowns of one decade.
#[derive(Clone, Debug, Default)]
pub struct Decade {
    sum: f64,
    quantiles: Quantiles,
}

impl Decades {
    /// Takes in the slowdown of one flow.
    ///
    /// # Panics
    /// When the size is not positive: it has no decade.
    pub fn observe(&mut self, size: f64, slowdown: f64) {
        assert!(size > 0.0, "a flow has a size");
        // Sizes span a cut of at most 2^1023, so there are a few hundred decades at the very most.
        let decade = self.decades.entry(size.log10().floor() as i32).or_default();
        decade.sum += slowdown;
        decade.quantiles.observe(slowdown);
    }

    /// The decades that have flows, by their power of ten.
    pub fn iter(&self) -> impl Iterator<Item = (i32, &Decade)> {
        self.decades.iter().map(|(power, decade)| (*power, decade))
    }
}

impl Decade {
    /// Mean slowdown.
    pub fn mean(&self) -> f64 {
        self.sum / self.flows().max(1) as f64
    }

    /// How many flows.
    pub fn flows(&self) -> u64 {
        self.quantiles.total()
    }

    /// The slowdown that `ratio` of the flows do not exceed.
    pub fn quantile(&self, ratio: f64) -> f64 {
        self.quantiles.quantile(ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_counts_in_its_own_decade() {
        let mut decades = Decades::default();
        for (size, slowdown) in [(1.0, 2.0), (9.9, 4.0), (10.0, 1.0), (0.05, 8.0)] {
            decades.observe(size, slowdown);
        }
        let means: Vec<_> = decades
            .iter()
            .map(|(at, d)| (at, d.mean(), d.flows()))
            .collect();
        assert_eq!(means, [(-2, 8.0, 1), (0, 3.0, 2), (1, 1.0, 1)]);
        let (_, first) = decades.iter().next().unwrap();
        assert!((first.quantile(0.5) / 8.0 - 1.0).abs() < 0.01);
    }
}
