//! The token bucket: a rate that may be exceeded for a moment, by a burst.
//!
//! A bucket is one instant, the one at which it will be full again (the "theoretical arrival time"
//! of the generic cell rate algorithm, ITU-T I.371): sixteen bytes for each client, and no timer that
//! fills anything. What all buckets of a kind share stands in their [`Allowance`]. A bucket must never
//! give out more than `burst + rate * t` within any time `t`.

use std::time::{Duration, Instant};

use crate::units::Rate;

/// What a bucket gives: tokens per second, and how many at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    ns_per_token: f64,
    burst: u64,
    quantum: u64,
    /// How long an empty bucket takes to fill.
    fill: Duration,
}

/// How much has been taken lately. Always used with one and the same [`Allowance`].
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    full_at: Instant,
}

/// How long until it is worth asking again; [`Duration::MAX`] when it never will be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wait(pub Duration);

/// A place in the line: so many tokens, good after so long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reservation {
    /// The tokens, never more than were wanted; they are spent whether or not they get used.
    pub tokens: u64,
    /// From the time of asking.
    pub wait: Duration,
}

/// Most time a single reservation may stand for: what makes a paced body smooth and shares fair.
const QUANTUM_MS: u64 = 20;
/// Least bytes in a reservation: three segments of Ethernet, so that pacing does not mean tinygrams.
const QUANTUM_BYTES_MIN: u64 = 4 << 10;
/// Most bytes in a reservation, however fast: as much as one sendfile is given.
const QUANTUM_BYTES_MAX: u64 = 256 << 10;
/// How much of a rate of bytes may go at once after a rest.
const BURST_MS: u64 = 250;
/// Least burst in bytes: a listing or a small file arrives without delay at any rate.
const BURST_BYTES_MIN: u64 = 64 << 10;
/// The slowest rate there is, in tokens per second: one in eleven days.
const TOKENS_PER_S_MIN: f64 = 1e-6;

impl Allowance {
    /// So many tokens per second, `burst` of them at once, `quantum` in one reservation.
    ///
    /// Values without sense become the nearest that have one: `burst` is at least 1, `quantum` at
    /// least 1 and at most `burst`, the rate positive.
    pub fn new(tokens_per_s: f64, burst: u64, quantum: u64) -> Self {
        let ns_per_token = 1e9 / tokens_per_s.max(TOKENS_PER_S_MIN);
        let burst = burst.max(1);
        let mut allowance = Self {
            ns_per_token,
            burst,
            quantum: quantum.clamp(1, burst),
            fill: Duration::ZERO,
        };
        allowance.fill = allowance.cost(burst);
        allowance
    }

    /// So many bytes per second: a quarter of a second's worth at once, at least 64 KiB.
    pub fn of_bytes(rate: Rate) -> Self {
        let within = |ms: u64| (rate.bytes_per_s() * ms as f64 / 1e3) as u64;
        let quantum = within(QUANTUM_MS).clamp(QUANTUM_BYTES_MIN, QUANTUM_BYTES_MAX);
        Self::new(
            rate.bytes_per_s(),
            within(BURST_MS).max(BURST_BYTES_MIN),
            quantum,
        )
    }

    /// So many requests per second: a second's worth at once, as when a page loads its pictures.
    pub fn of_requests(per_s: u32) -> Self {
        Self::new(f64::from(per_s), u64::from(per_s), 1)
    }

    /// Most tokens that can be had at once.
    pub fn burst(&self) -> u64 {
        self.burst
    }

    /// Most tokens in one reservation.
    pub fn quantum(&self) -> u64 {
        self.quantum
    }

    /// The time that so many tokens stand for, rounded up to nanoseconds.
    fn cost(&self, tokens: u64) -> Duration {
        Duration::from_nanos((tokens as f64 * self.ns_per_token).ceil() as u64)
    }
}

impl Reservation {
    /// All of it, without waiting: what whoever is not limited gets.
    pub fn at_once(tokens: u64) -> Self {
        Self {
            tokens,
            wait: Duration::ZERO,
        }
    }
}

impl Bucket {
    /// A bucket at rest.
    pub fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// When nothing of what was taken will matter any more.
    pub fn full_at(&self) -> Instant {
        self.full_at
    }

    /// Takes `tokens` now, or none of them. More than the burst are never to be had.
    pub fn take(&mut self, allowance: &Allowance, now: Instant, tokens: u64) -> Result<(), Wait> {
        if tokens > allowance.burst {
            return Err(Wait(Duration::MAX));
        }
        let (debt, cost) = (self.debt(now), allowance.cost(tokens));
        let wait = (debt + cost).saturating_sub(allowance.fill);
        if wait > Duration::ZERO {
            return Err(Wait(wait));
        }
        self.spend(now, cost);
        Ok(())
    }

    /// Takes up to `wanted` tokens, at most a quantum, for as soon as they are to be had.
    ///
    /// They count from now on, so whoever asks next stands behind: flows that share a bucket get
    /// equal shares without knowing of each other, and nobody is woken to find nothing. A caller
    /// holds one reservation at a time and uses it when its wait is over; coming late, it shifts that
    /// quantum to the time at which it comes.
    pub fn reserve(&mut self, allowance: &Allowance, now: Instant, wanted: u64) -> Reservation {
        let tokens = wanted.min(allowance.quantum);
        let (debt, cost) = (self.debt(now), allowance.cost(tokens));
        self.spend(now, cost);
        Reservation {
            tokens,
            wait: (debt + cost).saturating_sub(allowance.fill),
        }
    }

    /// How long the bucket takes from `now` on to be full.
    fn debt(&self, now: Instant) -> Duration {
        self.full_at.saturating_duration_since(now)
    }

    fn spend(&mut self, now: Instant, cost: Duration) {
        let base = self.full_at.max(now);
        // A sum beyond what the clock can show lies centuries away.
        self.full_at = base.checked_add(cost).unwrap_or(base);
    }
}

#[cfg(test)]
mod tests;
