//! What is known of each source: how fast it is, and whether it may be asked.
//!
//! A source is judged by comparison with the others, never by a fixed rate: where all are slow, the
//! link of the client is. One wrong piece is proof, and final; anything else passes.

use std::time::{Duration, Instant};

use super::{HostId, Limits, SourceId};

/// One source.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) id: SourceId,
    pub(super) host: HostId,
    pub(super) standing: Standing,
    /// Bytes a second of one of its connections, smoothed; `None` before any came.
    pub(super) rate: Option<f64>,
    pub(super) rtt: Option<Duration>,
    /// Requests under way.
    pub(super) running: u32,
    pub(super) tally: Tally,
    slow_since: Option<Instant>,
    probation: Duration,
    failures: u32,
}

/// What a source did so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Bytes that came from it.
    pub received_bytes: u64,
    /// Pieces of it that count.
    pub pieces: u64,
    /// Requests that failed, and pieces that were wrong.
    pub errors: u64,
    /// Bytes that came for nothing: wrong, twice, or left behind.
    pub wasted_bytes: u64,
}

/// Whether a source may be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Never again: it sent wrong bytes.
    Banned,
    /// Not unless it is found again.
    Gone,
    /// At any time.
    Good,
    /// After a while: it failed, or asked for it.
    Paused { until: Instant },
    /// It was slow; after a while it may bring one piece to show that it no longer is.
    Probation { until: Instant },
    /// It is showing it.
    Trial,
}

/// What one connection brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) bytes: u64,
    pub(super) elapsed: Duration,
}

/// Those known of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    all: Vec<Source>,
}

impl Source {
    fn new(id: SourceId, host: HostId) -> Self {
        Self {
            id,
            host,
            standing: Standing::Good,
            rate: None,
            rtt: None,
            running: 0,
            tally: Tally::default(),
            slow_since: None,
            probation: PROBATION_MIN,
            failures: 0,
        }
    }

    /// The round trip, or a guess at one.
    pub(super) fn rtt(&self) -> Duration {
        self.rtt.unwrap_or(RTT_UNKNOWN)
    }

    /// How long it would take it to bring so many bytes; `None` when nobody knows.
    pub(super) fn eta(&self, bytes: u64) -> Option<Duration> {
        let rate = self.rate.filter(|rate| *rate > 0.0)?;
        let seconds = (bytes as f64 / rate).min(ETA_MAX.as_secs_f64());
        Some(self.rtt() + Duration::from_secs_f64(seconds))
    }

    /// One of its connections was measured.
    pub(super) fn measured(&mut self, sample: &Sample) {
        self.rate = Some(sample.smooth(self.rate));
    }

    /// Whether it has been far slower than `median` for too long.
    pub(super) fn lags(&mut self, now: Instant, median: f64) -> bool {
        if self.running == 0 || self.rate.is_none_or(|rate| rate >= median * SLOW_RATIO) {
            self.slow_since = None;
            return false;
        }
        let since = *self.slow_since.get_or_insert(now);
        now.saturating_duration_since(since) >= SLOW_FOR
    }

    /// It brought something.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// A request failed: a pause that doubles, or the end after too many in a row.
    pub(super) fn failed(&mut self, now: Instant, asked: Option<Duration>, limits: &Limits) {
        self.tally.errors += 1;
        self.failures += 1;
        if matches!(self.standing, Standing::Banned | Standing::Gone) {
            return;
        }
        if self.failures >= limits.tries_max {
            self.standing = Standing::Gone;
            return;
        }
        let doubled = PAUSE_MIN * 2u32.pow((self.failures - 1).min(PAUSE_DOUBLINGS_MAX));
        let pause = asked.map_or(doubled, |asked| asked.clamp(doubled, ASKED_PAUSE_MAX));
        self.standing = Standing::Paused { until: now + pause };
    }

    /// It is slow: not to be asked for a while, each time twice as long. How long that is.
    pub(super) fn put_on_probation(&mut self, now: Instant) -> Duration {
        let pause = self.probation;
        self.standing = Standing::Probation { until: now + pause };
        self.probation = (pause * 2).min(PROBATION_MAX);
        self.slow_since = None;
        pause
    }

    fn wake(&mut self, now: Instant) {
        if let Standing::Paused { until } = self.standing
            && now >= until
        {
            self.standing = Standing::Good;
        }
    }
}

impl Sample {
    /// Bytes a second, smoothed with those of before.
    pub(super) fn smooth(&self, before: Option<f64>) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        let fresh = self.bytes as f64 / seconds;
        let weight = 1.0 - (-seconds / SMOOTH.as_secs_f64()).exp();
        before.map_or(fresh, |before| before + weight * (fresh - before))
    }
}

impl Sources {
    /// A source was found, or found again. One that was banned stays so.
    pub(super) fn add(&mut self, id: SourceId, host: HostId) {
        if let Some(source) = self.find_mut(id) {
            if source.standing == Standing::Gone {
                source.standing = Standing::Good;
                source.failures = 0;
            }
        } else if self.all.len() < SOURCES_MAX {
            self.all.push(Source::new(id, host));
        }
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Source> {
        self.all.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Source> {
        self.all.iter_mut()
    }

    pub(super) fn find(&self, id: SourceId) -> Option<&Source> {
        self.all.iter().find(|source| source.id == id)
    }

    pub(super) fn find_mut(&mut self, id: SourceId) -> Option<&mut Source> {
        self.all.iter_mut().find(|source| source.id == id)
    }

    /// Ends the pauses that are over.
    pub(super) fn wake(&mut self, now: Instant) {
        self.all.iter_mut().for_each(|source| source.wake(now));
    }

    /// A host asked to be left alone: all of its sources are.
    pub(super) fn pause_host(&mut self, now: Instant, host: HostId, asked: Duration) {
        let until = now + asked.min(ASKED_PAUSE_MAX);
        for source in &mut self.all {
            if source.host == host && source.standing == Standing::Good {
                source.standing = Standing::Paused { until };
            }
        }
    }

    /// Slow ones may be asked like any other.
    pub(super) fn end_probations(&mut self) {
        for source in &mut self.all {
            if matches!(source.standing, Standing::Probation { .. }) {
                source.standing = Standing::Good;
            }
        }
    }

    /// Whether anybody may be asked now or later.
    pub(super) fn any_usable(&self) -> bool {
        let usable =
            |source: &Source| !matches!(source.standing, Standing::Banned | Standing::Gone);
        self.all.iter().any(usable)
    }

    /// Whether anybody besides `id` may be asked now.
    pub(super) fn any_good_but(&self, id: SourceId) -> bool {
        let mut all = self.all.iter();
        all.any(|source| source.id != id && source.standing == Standing::Good)
    }

    /// The source to ask next: one with the fewest requests, then one that is not known yet, then
    /// the fastest, then the first told. So all get to show what they can before any is asked twice.
    pub(super) fn best(&self, limits: &Limits) -> Option<SourceId> {
        let mut best: Option<&Source> = None;
        for source in self
            .all
            .iter()
            .filter(|source| self.may_ask(source, limits))
        {
            if best.is_none_or(|best| is_better(source, best)) {
                best = Some(source);
            }
        }
        best.map(|source| source.id)
    }

    /// The fastest of those that could take one more request, idle ones first.
    pub(super) fn fastest(&self, limits: &Limits) -> Option<SourceId> {
        let key = |source: &&Source| (source.running, -source.rate.unwrap_or(0.0));
        let able = self
            .all
            .iter()
            .filter(|source| self.may_ask(source, limits));
        let fastest = able.min_by(|a, b| {
            key(a)
                .partial_cmp(&key(b))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        fastest.map(|source| source.id)
    }

    /// The middle of what those bring that are at work; `None` unless there are two to compare.
    pub(super) fn median_rate(&self) -> Option<f64> {
        let mut rates = [0.0; SOURCES_MAX];
        let mut count = 0;
        let is_at_work = |it: &&Source| it.running > 0 && it.standing == Standing::Good;
        let at_work = self.all.iter().filter(is_at_work);
        for rate in at_work.filter_map(|source| source.rate) {
            rates[count] = rate;
            count += 1;
        }
        let rates = &mut rates[..count];
        rates.sort_unstable_by(f64::total_cmp);
        match count {
            0 | 1 => None,
            odd if odd % 2 == 1 => Some(rates[odd / 2]),
            even => Some(f64::midpoint(rates[even / 2 - 1], rates[even / 2])),
        }
    }

    fn may_ask(&self, source: &Source, limits: &Limits) -> bool {
        source.standing == Standing::Good && self.running_at(source.host) < limits.per_host_max
    }

    fn running_at(&self, host: HostId) -> u32 {
        let same = self.all.iter().filter(|source| source.host == host);
        same.map(|source| source.running).sum()
    }
}

fn is_better(source: &Source, than: &Source) -> bool {
    match source.running.cmp(&than.running) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Equal => match (source.rate, than.rate) {
            (None, Some(_)) => true,
            (Some(rate), Some(other)) => rate > other,
            (_, None) => false,
        },
    }
}

/// Most sources of one file.
pub const SOURCES_MAX: usize = 32;
/// What a connection brings is smoothed over this long.
const SMOOTH: Duration = Duration::from_secs(1);
/// Slower than this share of the median is slow,
pub(super) const SLOW_RATIO: f64 = 0.25;
/// when it lasts this long.
const SLOW_FOR: Duration = Duration::from_secs(3);
const PROBATION_MIN: Duration = Duration::from_secs(10);
const PROBATION_MAX: Duration = Duration::from_secs(300);
/// Between two tries of one source.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Up to 3.2 s.
const PAUSE_DOUBLINGS_MAX: u32 = 5;
/// Longest pause a server can make us take: two fit into the time after which we give up.
const ASKED_PAUSE_MAX: Duration = Duration::from_secs(25);
/// Before one was measured.
const RTT_UNKNOWN: Duration = Duration::from_millis(100);
const ETA_MAX: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(count: u32) -> Sources {
        let mut sources = Sources::default();
        (0..count).for_each(|at| sources.add(SourceId(at), HostId(at)));
        sources
    }

    #[test]
    fn all_are_tried_before_any_is_asked_twice() {
        let limits = Limits::default();
        let mut sources = sources(3);
        let rates = [Some(5.0), None, Some(9.0)];
        for (source, rate) in sources.iter_mut().zip(rates) {
            source.rate = rate;
        }
        let mut order = Vec::new();
        for _ in 0..6 {
            let best = sources.best(&limits).unwrap();
            sources.find_mut(best).unwrap().running += 1;
            order.push(best.0);
        }
        assert_eq!(order, [1, 2, 0, 1, 2, 0]);
        assert_eq!(sources.fastest(&limits), Some(SourceId(2)));
    }

    #[test]
    fn a_host_has_one_limit_for_all_its_sources() {
        let limits = Limits::default();
        let mut sources = Sources::default();
        (0..3).for_each(|at| sources.add(SourceId(at), HostId(0)));
        for _ in 0..limits.per_host_max {
            let best = sources.best(&limits).unwrap();
            sources.find_mut(best).unwrap().running += 1;
        }
        assert_eq!(sources.best(&limits), None);
    }

    #[test]
    fn pauses_double_and_end_in_leaving() {
        let now = Instant::now();
        let limits = Limits::default();
        let mut sources = sources(1);
        let source = sources.find_mut(SourceId(0)).unwrap();
        let mut pauses_ms = Vec::new();
        for _ in 0..limits.tries_max {
            source.failed(now, None, &limits);
            if let Standing::Paused { until } = source.standing {
                pauses_ms.push((until - now).as_millis());
            }
        }
        assert_eq!(
            pauses_ms,
            [100, 200, 400, 800, 1600, 3200, 3200, 3200, 3200]
        );
        assert_eq!(source.standing, Standing::Gone);
        sources.add(SourceId(0), HostId(0));
        assert!(sources.any_usable());
    }

    #[test]
    fn a_host_that_asks_for_a_pause_is_believed_within_reason() {
        let now = Instant::now();
        let limits = Limits::default();
        for (asked_s, pause_s) in [(3, 3), (3600, 25)] {
            let mut sources = sources(1);
            let source = sources.find_mut(SourceId(0)).unwrap();
            source.failed(now, Some(Duration::from_secs(asked_s)), &limits);
            let until = now + Duration::from_secs(pause_s);
            assert_eq!(source.standing, Standing::Paused { until });
            sources.wake(until - Duration::from_millis(1));
            assert_eq!(sources.best(&limits), None);
            sources.wake(until);
            assert_eq!(sources.best(&limits), Some(SourceId(0)));
        }
    }

    #[test]
    fn slow_is_who_lags_behind_the_others_for_three_seconds() {
        let now = Instant::now();
        let mut source = Source::new(SourceId(0), HostId(0));
        source.running = 1;
        source.rate = Some(24.0);
        assert!(!source.lags(now, 100.0));
        assert!(!source.lags(now + Duration::from_millis(2999), 100.0));
        assert!(source.lags(now + SLOW_FOR, 100.0));
        source.rate = Some(25.0);
        assert!(!source.lags(now + SLOW_FOR, 100.0));
        source.rate = Some(24.0);
        assert!(!source.lags(now + SLOW_FOR, 100.0));
        let pauses: Vec<_> = (0..7)
            .map(|_| source.put_on_probation(now).as_secs())
            .collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
    }
}
