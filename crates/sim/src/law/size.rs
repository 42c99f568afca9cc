//! How long flows are.
//!
//! Draws are by inverse distribution function, except the cut lognormal, which draws again until
//! the size lies within the cut (rejection).

use fastrand::Rng;

use crate::random::{exponential, normal};

/// A law of sizes. Sizes are bytes, or seconds of work where a node's capacity is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SizeLaw {
    /// Pareto of index `alpha`, bounded to `min..=max`.
    BoundedPareto {
        /// Index of the tail; neither 1 nor 2, where the moments have other forms.
        alpha: f64,
        /// Least size.
        min: f64,
        /// Greatest size.
        max: f64,
    },
    /// Always the same.
    Deterministic(f64),
    /// Exponential of this mean.
    Exponential(f64),
    /// One of two exponentials: with C^2 = 10, say, ten times as variable as one.
    Hyperexponential([Part; 2]),
    /// Lognormal, cut to `min..=max`.
    Lognormal {
        /// Median before the cut.
        median: f64,
        /// Standard deviation of the logarithm, before the cut.
        sigma: f64,
        /// Least size.
        min: f64,
        /// Greatest size.
        max: f64,
    },
    /// One of two fixed sizes.
    Bimodal([Part; 2]),
}

/// One of two alternatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// How often; the two sum to 1.
    pub share: f64,
    /// Mean size.
    pub mean: f64,
}

impl SizeLaw {
    /// The hyperexponential of mean 1, squared coefficient of variation `scv` >= 1 and balanced
    /// means: both parts bring the same load.
    pub fn balanced_hyperexponential(scv: f64) -> Self {
        let short = 0.5 * (1.0 + ((scv - 1.0) / (scv + 1.0)).sqrt());
        Self::Hyperexponential([short, 1.0 - short].map(|share| Part {
            share,
            mean: 0.5 / share,
        }))
    }

    /// The bounded Pareto of mean 1 whose greatest size is `spread` times its least.
    pub fn unit_bounded_pareto(alpha: f64, spread: f64) -> Self {
        let at = |min: f64| Self::BoundedPareto {
            alpha,
            min,
            max: min * spread,
        };
        at(1.0 / at(1.0).mean())
    }

    /// Sizes of published files: from notes to disk images, 22.4 MB on average, half below 1 MB.
    pub fn published_files() -> Self {
        Self::Lognormal {
            median: 1e6,
            sigma: 2.5,
            min: 1e3,
            max: 1e11,
        }
    }

    /// One size.
    pub fn draw(&self, random: &mut Rng) -> f64 {
        match *self {
            Self::Bimodal(parts) => pick(parts, random).mean,
            Self::BoundedPareto { alpha, min, max } => {
                let kept = 1.0 - (min / max).powf(alpha);
                min * (1.0 - random.f64() * kept).powf(-1.0 / alpha)
            }
            Self::Deterministic(size) => size,
            Self::Exponential(mean) => mean * exponential(random),
            Self::Hyperexponential(parts) => pick(parts, random).mean * exponential(random),
            Self::Lognormal {
                median,
                sigma,
                min,
                max,
            } => draw_within(min, max, || median * (sigma * normal(random)).exp()),
        }
    }

    /// E\[X\].
    pub fn mean(&self) -> f64 {
        self.moment(1)
    }

    /// E\[X^2\].
    pub fn second_moment(&self) -> f64 {
        self.moment(2)
    }

    fn moment(&self, order: i32) -> f64 {
        let factorial = f64::from(order);
        let power = |part: Part| part.share * part.mean.powi(order);
        match *self {
            Self::Bimodal(parts) => parts.map(power).iter().sum(),
            Self::BoundedPareto { alpha, min, max } => {
                let ratio = min / max;
                let k = f64::from(order);
                alpha * min.powi(order) * (1.0 - ratio.powf(alpha - k))
                    / ((alpha - k) * (1.0 - ratio.powf(alpha)))
            }
            Self::Deterministic(size) => size.powi(order),
            Self::Exponential(mean) => factorial * mean.powi(order),
            Self::Hyperexponential(parts) => factorial * parts.map(power).iter().sum::<f64>(),
            Self::Lognormal {
                median,
                sigma,
                min,
                max,
            } => {
                let cut = [min, max].map(|size| (size / median).ln() / sigma);
                median.powi(order) * cut_lognormal_moment(sigma * f64::from(order), cut)
            }
        }
    }
}

fn pick(parts: [Part; 2], random: &mut Rng) -> Part {
    if random.f64() < parts[0].share {
        parts[0]
    } else {
        parts[1]
    }
}

/// Draws until the size is within the cut; gives up on a cut that leaves nothing to draw.
fn draw_within(min: f64, max: f64, mut draw: impl FnMut() -> f64) -> f64 {
    (0..DRAWS_MAX)
        .map(|_| draw())
        .find(|size| (min..=max).contains(size))
        .expect("the cut leaves more than a billionth of the law")
}

const DRAWS_MAX: u64 = 1_000_000_000;

/// E\[exp(k Z)\] of a standard normal Z given `from <= Z <= to`, by Simpson's rule.
fn cut_lognormal_moment(k: f64, [from, to]: [f64; 2]) -> f64 {
    let above = simpson(from, to, |z| (k * z - z * z / 2.0).exp());
    above / simpson(from, to, |z| (-z * z / 2.0).exp())
}

fn simpson(from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
    let step = (to - from) / f64::from(SIMPSON_STEPS);
    let weighted = |at: u32| {
        let weight = match at {
            0 | SIMPSON_STEPS => 1.0,
            _ if at % 2 == 1 => 4.0,
            _ => 2.0,
        };
        weight * f(from + f64::from(at) * step)
    };
    (0..=SIMPSON_STEPS).map(weighted).sum::<f64>() * step / 3.0
}

/// Even; over ten standard deviations the error is below 10^-12.
const SIMPSON_STEPS: u32 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Seed, Stream};

    #[test]
    fn draws_have_the_moments_the_law_claims() {
        let parts = [(0.99, 1.0), (0.01, 50.0)].map(|(share, mean)| Part { share, mean });
        // Mean and second moment; one that has no short form is checked by its draws alone.
        let laws = [
            (SizeLaw::Deterministic(3.0), 3.0, 9.0),
            (SizeLaw::Exponential(2.0), 2.0, 8.0),
            (SizeLaw::balanced_hyperexponential(10.0), 1.0, 11.0),
            (SizeLaw::Bimodal(parts), 1.49, 25.99),
            (SizeLaw::unit_bounded_pareto(2.5, 100.0), 1.0, f64::NAN),
            (
                SizeLaw::Lognormal {
                    median: 1.0,
                    sigma: 0.5,
                    min: 1e-6,
                    max: 1e6,
                },
                0.125_f64.exp(),
                0.5_f64.exp(),
            ),
        ];
        for (law, mean, second) in laws {
            assert!((law.mean() / mean - 1.0).abs() < 1e-9, "{law:?}");
            let error = law.second_moment() / second - 1.0;
            assert!(second.is_nan() || error.abs() < 1e-9, "{law:?}");
            let mut random = Seed(3).stream(Stream::Sizes);
            let draws = 400_000;
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..draws {
                let size = law.draw(&mut random);
                sum += size;
                squares += size * size;
            }
            let of = |total: f64, moment: f64| total / f64::from(draws) / moment - 1.0;
            assert!(of(sum, law.mean()).abs() < 0.02, "{law:?}");
            assert!(of(squares, law.second_moment()).abs() < 0.05, "{law:?}");
        }
    }

    #[test]
    fn published_files_are_of_22_megabytes_on_average() {
        let law = SizeLaw::published_files();
        assert!((law.mean() / 22.4e6 - 1.0).abs() < 0.01, "{}", law.mean());
        let mut random = Seed(1).stream(Stream::Sizes);
        assert!((0..10_000).all(|_| (1e3..=1e11).contains(&law.draw(&mut random))));
    }
}
