//! How long to keep trying: back-off between tries, and when to stop.
//!
//! A state machine over `now`; it must never sleep or read a clock itself.

use std::time::{Duration, Instant};

/// When to try again and when to give up.
#[derive(Clone, Copy, Debug)]
pub struct Persistence {
    /// Upper bound of the first pause; it doubles with each further try in vain.
    pub pause_first: Duration,
    /// Upper bound of any pause but one that the server asks for.
    pub pause_max: Duration,
    /// Give up when no byte came for this long.
    pub silence_max: Duration,
    /// Give up after so many tries in a row that brought the download no further.
    pub tries_max: u32,
}

/// One download's tries so far.
#[derive(Debug)]
pub(crate) struct Tries {
    persistence: Persistence,
    in_vain: u32,
    furthest_bytes: u64,
    last_byte: Instant,
}

impl Default for Persistence {
    /// 100 ms to 5 s between tries; 60 s without a byte, or 10 tries in vain, are enough.
    fn default() -> Self {
        Self {
            pause_first: Duration::from_millis(100),
            pause_max: Duration::from_secs(5),
            silence_max: Duration::from_secs(60),
            tries_max: 10,
        }
    }
}

impl Tries {
    pub(crate) fn new(persistence: Persistence, now: Instant) -> Self {
        Self {
            persistence,
            in_vain: 0,
            furthest_bytes: 0,
            last_byte: now,
        }
    }

    /// The version begins anew: what was reached before counts no more.
    pub(crate) fn begin_anew(&mut self) {
        self.furthest_bytes = 0;
    }

    /// Bytes came. Only those beyond the furthest yet are progress: a server that always cuts at
    /// the same byte and cannot resume would keep us for ever.
    pub(crate) fn received(&mut self, now: Instant, position_bytes: u64) {
        self.last_byte = now;
        if position_bytes > self.furthest_bytes {
            self.furthest_bytes = position_bytes;
            self.in_vain = 0;
        }
    }

    /// A try failed: how long to wait before the next one, or `None` to give up.
    ///
    /// The pause is drawn by `random`, from 0 to 1, out of all up to its bound (full jitter), so that a thousand clients cut off together do not come back together. A server that says
    /// when to come back is believed up to [`ASKED_PAUSE_MAX`].
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        asked: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        let doublings = self.in_vain.min(20);
        self.in_vain += 1;
        let silence = now.saturating_duration_since(self.last_byte);
        if self.in_vain >= self.persistence.tries_max || silence >= self.persistence.silence_max {
            return None;
        }
        let bound = self.persistence.pause_first * 2u32.pow(doublings);
        let drawn = bound.min(self.persistence.pause_max).mul_f64(random);
        Some(drawn.max(asked.unwrap_or_default().min(ASKED_PAUSE_MAX)))
    }

    /// Tries in a row that brought nothing.
    pub(crate) fn in_vain(&self) -> u32 {
        self.in_vain
    }
}

/// Longest pause a server can make us take: two fit into the default `silence_max`.
pub(crate) const ASKED_PAUSE_MAX: Duration = Duration::from_secs(25);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn tries(now: Instant) -> Tries {
        Tries::new(Persistence::default(), now)
    }

    #[test]
    fn pauses_double_up_to_their_cap_and_then_it_gives_up() {
        let now = Instant::now();
        let mut tries = tries(now);
        let pauses: Vec<_> = (0..10)
            .map(|_| tries.failed(now, None, 1.0).map(|pause| pause.as_millis()))
            .collect();
        let expected = [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000].map(Some);
        assert_eq!(pauses[..9], expected);
        assert_eq!(pauses[9], None);
        assert_eq!(tries.in_vain(), 10);
    }

    #[test]
    fn jitter_takes_all_of_the_pause() {
        let now = Instant::now();
        for (random, pause_ms) in [(0.0, 0), (0.5, 50), (1.0, 100)] {
            let pause = tries(now).failed(now, None, random);
            assert_eq!(pause, Some(Duration::from_millis(pause_ms)));
        }
    }

    #[test]
    fn only_bytes_beyond_the_furthest_reset_the_count() {
        let now = Instant::now();
        let mut tries = tries(now);
        tries.received(now, 100);
        tries.failed(now, None, 1.0);
        tries.failed(now, None, 1.0);
        tries.received(now, 100);
        assert_eq!(tries.in_vain(), 2);
        tries.received(now, 101);
        assert_eq!(tries.in_vain(), 0);
        tries.failed(now, None, 1.0);
        tries.begin_anew();
        tries.received(now, 1);
        assert_eq!(tries.in_vain(), 0);
    }

    #[test]
    fn silence_ends_it_and_any_byte_prolongs_it() {
        let now = Instant::now();
        let mut tries = tries(now);
        assert!(tries.failed(now + 59 * SECOND, None, 1.0).is_some());
        tries.received(now + 59 * SECOND, 0);
        assert!(tries.failed(now + 118 * SECOND, None, 1.0).is_some());
        assert!(tries.failed(now + 119 * SECOND, None, 1.0).is_none());
    }

    #[test]
    fn a_server_may_ask_for_a_longer_pause_within_reason() {
        let now = Instant::now();
        for (asked_s, pause) in [(3, 3 * SECOND), (3600, ASKED_PAUSE_MAX)] {
            let asked = Some(Duration::from_secs(asked_s));
            assert_eq!(tries(now).failed(now, asked, 1.0), Some(pause));
        }
    }
}
