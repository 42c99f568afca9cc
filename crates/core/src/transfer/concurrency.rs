//! How many connections pay: one more is tried, and kept if all of them together got faster.
//!
//! A fixed number is wrong somewhere: too few leave a link idle, too many slow it down. What counts
//! is the sum, never the rate of the new connection: it may only have taken from the others.

use std::time::{Duration, Instant};

/// The number of connections to have.
#[derive(Clone, Debug)]
pub(super) struct Concurrency {
    target: u32,
    max: u32,
    phase: Phase,
    /// Bytes count from here on.
    from: Instant,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The last one more did not pay.
    Holding { until: Instant },
    /// To know what the connections there are bring.
    Measuring,
    /// One more than those that brought `before` bytes a second.
    Trying { before: f64 },
}

impl Concurrency {
    pub(super) fn new(max: u32, now: Instant) -> Self {
        Self {
            target: START.min(max).max(1),
            max: max.max(1),
            phase: Phase::Measuring,
            from: now + SETTLE,
            bytes: 0,
        }
    }

    /// How many there should be.
    pub(super) fn target(&self) -> u32 {
        self.target
    }

    pub(super) fn received(&mut self, now: Instant, bytes: u64) {
        if now > self.from {
            self.bytes += bytes;
        }
    }

    /// Looks whether it is time to decide; `running` connections are there.
    pub(super) fn tick(&mut self, now: Instant, running: u32) {
        if let Phase::Holding { until } = self.phase {
            if now >= until {
                self.measure(now, Phase::Measuring);
            }
            return;
        }
        if running < self.target {
            // Nobody there to ask, or nothing to ask for: what is measured says nothing.
            self.measure(now, Phase::Measuring);
            return;
        }
        let elapsed = now.saturating_duration_since(self.from);
        if elapsed < MEASURE {
            return;
        }
        let rate = self.bytes as f64 / elapsed.as_secs_f64();
        self.decide(now, rate);
    }

    fn decide(&mut self, now: Instant, rate: f64) {
        match self.phase {
            Phase::Trying { before } if rate < before * GAIN_MIN => {
                self.target -= 1;
                let until = now + HOLD;
                self.phase = Phase::Holding { until };
            }
            _ if self.target == self.max => {
                let until = now + HOLD;
                self.phase = Phase::Holding { until };
            }
            _ => {
                self.target += 1;
                self.measure(now, Phase::Trying { before: rate });
            }
        }
    }

    fn measure(&mut self, now: Instant, phase: Phase) {
        self.phase = phase;
        self.from = now + SETTLE;
        self.bytes = 0;
    }
}

/// Connections at the beginning: the two best sources.
const START: u32 = 2;
/// A new connection needs this long for its handshakes and TCP's slow start.
const SETTLE: Duration = Duration::from_millis(500);
const MEASURE: Duration = Duration::from_secs(1);
/// How long it stays as it is after one more did not pay.
const HOLD: Duration = Duration::from_secs(10);
/// What one more must bring: less is noise.
const GAIN_MIN: f64 = 1.05;

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(100);

    /// Runs for `seconds` on a link where `n` connections bring `rate(n)` bytes a second.
    fn run(concurrency: &mut Concurrency, now: &mut Instant, seconds: u32, rate: fn(u32) -> u64) {
        for _ in 0..seconds * 10 {
            *now += STEP;
            let running = concurrency.target();
            concurrency.received(*now, rate(running) / 10);
            concurrency.tick(*now, running);
        }
    }

    #[test]
    fn it_grows_while_the_sum_grows() {
        let mut now = Instant::now();
        let mut concurrency = Concurrency::new(16, now);
        run(&mut concurrency, &mut now, 12, |n| {
            u64::from(n.min(6)) << 20
        });
        assert!((6..=7).contains(&concurrency.target()));
        // The seventh is tried each ten seconds, and given up again.
        run(&mut concurrency, &mut now, 60, |n| {
            u64::from(n.min(6)) << 20
        });
        assert!((6..=7).contains(&concurrency.target()));
        run(&mut concurrency, &mut now, 60, |n| u64::from(n) << 20);
        assert_eq!(concurrency.target(), 16);
    }

    #[test]
    fn where_the_link_is_the_limit_two_stay() {
        let mut now = Instant::now();
        let mut concurrency = Concurrency::new(16, now);
        let mut seconds_at_two = 0;
        for _ in 0..60 {
            run(&mut concurrency, &mut now, 1, |_| 10 << 20);
            assert!(concurrency.target() <= 3);
            seconds_at_two += u32::from(concurrency.target() == 2);
        }
        assert!(seconds_at_two >= 45, "{seconds_at_two}");
    }

    #[test]
    fn what_too_few_bring_says_nothing() {
        let mut now = Instant::now();
        let mut concurrency = Concurrency::new(4, now);
        for _ in 0..100 {
            now += STEP;
            concurrency.received(now, 1 << 20);
            concurrency.tick(now, 1);
        }
        assert_eq!(concurrency.target(), 2);
        assert_eq!(Concurrency::new(1, now).target(), 1);
    }
}
