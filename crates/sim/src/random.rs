//! Chance from a seed, one stream for each use.
//!
//! Two policies are compared on the same arrivals and sizes only if neither can use up the other's
//! numbers: so arrivals, sizes and choices each draw from a stream of their own (common random
//! numbers). Nothing here must ever draw from the system.

use std::f64::consts::TAU;

use fastrand::Rng;

/// What all chance of a run follows from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seed(pub u64);

/// What a stream of random numbers is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stream {
    /// When flows come.
    Arrivals,
    /// Whom a policy picks.
    Choices,
    /// What the nodes go through on their own.
    Nodes,
    /// How long flows are.
    Sizes,
}

impl Seed {
    /// The stream for one use.
    pub fn stream(self, stream: Stream) -> Rng {
        let use_number = match stream {
            Stream::Arrivals => 1,
            Stream::Choices => 2,
            Stream::Nodes => 3,
            Stream::Sizes => 4,
        };
        Rng::with_seed(mix(self.0 ^ mix(use_number)))
    }

    /// The seed of the run numbered `number`, unlike those of its neighbours.
    pub fn nth(self, number: u64) -> Self {
        Self(mix(self.0.wrapping_add(mix(number.wrapping_add(1)))))
    }
}

/// A number in (0, 1]: its logarithm is finite.
pub fn unit(random: &mut Rng) -> f64 {
    1.0 - random.f64()
}

/// Exponential with mean 1.
pub fn exponential(random: &mut Rng) -> f64 {
    -unit(random).ln()
}

/// Normal with mean 0 and variance 1, after Box and Muller; the second number is thrown away, so
/// that each draw uses two of the stream's numbers, whatever came before.
pub fn normal(random: &mut Rng) -> f64 {
    let radius = (-2.0 * unit(random).ln()).sqrt();
    radius * (TAU * random.f64()).cos()
}

/// The finalizer of SplitMix64: neighbouring inputs give unrelated outputs.
fn mix(input: u64) -> u64 {
    let mut state = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_follows_from_its_seed_and_use_alone() {
        let first = |seed: u64, stream| Seed(seed).stream(stream).u64(..);
        assert_eq!(first(7, Stream::Sizes), first(7, Stream::Sizes));
        assert_ne!(first(7, Stream::Sizes), first(7, Stream::Arrivals));
        assert_ne!(first(7, Stream::Sizes), first(8, Stream::Sizes));
        assert_ne!(Seed(7).nth(0), Seed(7).nth(1));
    }

    #[test]
    fn laws_have_their_moments() {
        let mut random = Seed(1).stream(Stream::Sizes);
        let draws = 200_000;
        let moments = |draw: fn(&mut Rng) -> f64, random: &mut Rng| {
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..draws {
                let x = draw(random);
                sum += x;
                squares += x * x;
            }
            let mean = sum / f64::from(draws);
            (mean, squares / f64::from(draws) - mean * mean)
        };
        let (mean, variance) = moments(exponential, &mut random);
        assert!((mean - 1.0).abs() < 0.01 && (variance - 1.0).abs() < 0.03);
        let (mean, variance) = moments(normal, &mut random);
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02);
    }
}
