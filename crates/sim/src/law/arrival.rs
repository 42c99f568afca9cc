//! When flows come.
//!
//! Rates that change smoothly are drawn by thinning (Lewis and Shedler): candidates come at the
//! greatest rate, and each is kept with the share that the rate has then.

use fastrand::Rng;

use crate::{random::exponential, time::Time};

/// A law of arrivals; rates are flows per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ArrivalLaw {
    /// A crowd on top of `base`: from `start_s` on the rate rises within `rise_s` to `base + crowd`
    /// and stays.
    FlashCrowd {
        /// Rate before.
        base: f64,
        /// What comes on top.
        crowd: f64,
        /// When it begins.
        start_s: f64,
        /// How long it takes to be complete.
        rise_s: f64,
    },
    /// Poisson whose rate jumps between two values; it stays at each for an exponential time.
    Mmpp2 {
        /// The two rates.
        rates: [f64; 2],
        /// Mean stay at each, in seconds.
        stays_s: [f64; 2],
    },
    /// Independent of each other and of time.
    Poisson {
        /// The rate.
        rate: f64,
    },
    /// Steps: the rate is multiplied by `factor` each `step_s`, `steps` times.
    Ramp {
        /// Rate of the first step.
        rate: f64,
        /// Ratio of one step to the one before, at least 1.
        factor: f64,
        /// Length of a step.
        step_s: f64,
        /// Number of rises; the last rate stays.
        steps: u32,
    },
}

/// The arrivals of one run.
#[derive(Debug)]
pub struct Arrivals {
    law: ArrivalLaw,
    random: Rng,
    now: Time,
    /// Of the two rates of [`ArrivalLaw::Mmpp2`], the present one.
    phase: usize,
}

impl ArrivalLaw {
    /// The rate at a time; for [`Self::Mmpp2`], whose rate is chance, the mean.
    pub fn rate_at(&self, at: Time) -> f64 {
        match *self {
            Self::FlashCrowd {
                base,
                crowd,
                start_s,
                rise_s,
            } => base + crowd * ((at.as_secs() - start_s) / rise_s).clamp(0.0, 1.0),
            Self::Mmpp2 { rates, stays_s } => {
                let flows = rates[0] * stays_s[0] + rates[1] * stays_s[1];
                flows / (stays_s[0] + stays_s[1])
            }
            Self::Poisson { rate } => rate,
            Self::Ramp {
                rate,
                factor,
                step_s,
                steps,
            } => {
                let step = (at.as_secs() / step_s).floor().min(f64::from(steps));
                rate * factor.powf(step)
            }
        }
    }

    fn rate_max(&self) -> f64 {
        self.rate_at(Time::from_secs(f64::INFINITY))
    }
}

impl Arrivals {
    /// The arrivals by `law` from the start of the run, by chance of their own.
    pub fn new(law: ArrivalLaw, random: Rng) -> Self {
        Self {
            law,
            random,
            now: Time::ZERO,
            phase: 0,
        }
    }

    /// When the next flow comes.
    pub fn next_at(&mut self) -> Time {
        self.now = match self.law {
            ArrivalLaw::Mmpp2 { rates, stays_s } => self.next_of_two(rates, stays_s),
            ArrivalLaw::Poisson { rate } => self.after(rate),
            ArrivalLaw::FlashCrowd { .. } | ArrivalLaw::Ramp { .. } => self.next_by_thinning(),
        };
        self.now
    }

    fn after(&mut self, rate: f64) -> Time {
        self.now + exponential(&mut self.random) / rate
    }

    fn next_of_two(&mut self, rates: [f64; 2], stays_s: [f64; 2]) -> Time {
        loop {
            let (rate, leave) = (rates[self.phase], 1.0 / stays_s[self.phase]);
            let at = self.after(rate + leave);
            if self.random.f64() * (rate + leave) < rate {
                return at;
            }
            self.phase = 1 - self.phase;
            self.now = at;
        }
    }

    fn next_by_thinning(&mut self) -> Time {
        let rate_max = self.law.rate_max();
        loop {
            let at = self.after(rate_max);
            if self.random.f64() * rate_max < self.law.rate_at(at) {
                return at;
            }
            self.now = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Seed, Stream};

    fn arrivals_within(law: ArrivalLaw, windows_s: &[(f64, f64)]) -> Vec<f64> {
        let mut arrivals = Arrivals::new(law, Seed(5).stream(Stream::Arrivals));
        let mut counts = vec![0.0; windows_s.len()];
        let end = windows_s
            .iter()
            .fold(0.0, |end: f64, window| end.max(window.1));
        loop {
            let at = arrivals.next_at().as_secs();
            if at >= end {
                return counts;
            }
            for (count, (from, to)) in counts.iter_mut().zip(windows_s) {
                *count += f64::from(u8::from((*from..*to).contains(&at))) / (to - from);
            }
        }
    }

    #[test]
    fn rates_are_those_of_the_law_in_every_window() {
        let crowd = ArrivalLaw::FlashCrowd {
            base: 10.0,
            crowd: 40.0,
            start_s: 500.0,
            rise_s: 500.0,
        };
        let ramp = ArrivalLaw::Ramp {
            rate: 10.0,
            factor: 2.0,
            step_s: 500.0,
            steps: 2,
        };
        let bursts = ArrivalLaw::Mmpp2 {
            rates: [10.0, 50.0],
            stays_s: [9.0, 1.0],
        };
        let windows = [(0.0, 500.0), (500.0, 1000.0), (1000.0, 2000.0)];
        for (law, windows, expected) in [
            (
                ArrivalLaw::Poisson { rate: 20.0 },
                &windows,
                [20.0, 20.0, 20.0],
            ),
            (crowd, &windows, [10.0, 30.0, 50.0]),
            (ramp, &windows, [10.0, 20.0, 40.0]),
        ] {
            let rates = arrivals_within(law, windows);
            for (rate, expected) in rates.iter().zip(expected) {
                assert!((rate / expected - 1.0).abs() < 0.05, "{law:?}: {rates:?}");
            }
        }
        let rates = arrivals_within(bursts, &[(0.0, 20_000.0)]);
        assert_eq!(bursts.rate_at(Time::ZERO), 14.0);
        assert!((rates[0] / 14.0 - 1.0).abs() < 0.05, "{rates:?}");
    }

    #[test]
    fn two_rates_are_burstier_than_one() {
        let windows: Vec<(f64, f64)> = (0..400)
            .map(|at| (f64::from(at), f64::from(at + 1)))
            .collect();
        let dispersion = |law| {
            let counts = arrivals_within(law, &windows);
            let mean = counts.iter().sum::<f64>() / counts.len() as f64;
            let variance = counts
                .iter()
                .map(|count| (count - mean).powi(2))
                .sum::<f64>();
            variance / counts.len() as f64 / mean
        };
        let bursts = ArrivalLaw::Mmpp2 {
            rates: [10.0, 50.0],
            stays_s: [9.0, 1.0],
        };
        assert!(dispersion(ArrivalLaw::Poisson { rate: 14.0 }) < 1.3);
        assert!(dispersion(bursts) > 3.0);
    }
}
