//! What the events do: book-keeping of bytes and pieces, and the judgement of sources.

use std::time::{Duration, Instant};

use super::{
    Action, Blame, End, Event, GROUP_BYTES, News, Phase, Progress, Purpose, Request, Scheduler,
    Standing, request::SILENCE,
};
use crate::transfer::{
    RequestId, SourceId,
    pieces::Verdict,
    sources::{SLOW_RATIO, Source},
};

impl Scheduler {
    /// Takes note of something that happened. `now` never goes back.
    ///
    /// Events of requests that are over are late and change nothing, but for
    /// [`Event::Verified`]: a piece that is there is there.
    pub fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Added { source, host } => self.add_source(source, host),
            Event::Began {
                request,
                resumed_bytes,
            } => self.began(now, request, resumed_bytes),
            Event::Ended { request, end } => self.ended(now, request, end),
            Event::Received { request, bytes } => self.received(now, request, bytes),
            Event::Refreshed => self.refreshed(),
            Event::Refuted {
                source,
                blame,
                bytes,
            } => self.refuted(source, blame, bytes),
            Event::Tick => self.tick(now),
            Event::Verified { request, piece } => self.verified(now, request, piece),
            Event::Written { before } => self.written = self.written.max(before),
        }
    }

    /// Everybody gets another chance: those at work brought nothing.
    fn refreshed(&mut self) {
        if self.phase == Phase::Refreshing {
            self.phase = Phase::Running;
            self.sources.end_probations();
        }
    }

    fn began(&mut self, now: Instant, id: RequestId, resumed_bytes: u64) {
        let Some(request) = self.requests.iter_mut().find(|it| it.id == id) else {
            return;
        };
        request.sampled = Some(now);
        request.position_bytes += resumed_bytes;
        let rtt = request.age(now);
        if let Some(source) = self.sources.find_mut(request.source) {
            // The least is the road; the rest is queues.
            source.rtt = Some(source.rtt.map_or(rtt, |known| known.min(rtt)));
        }
    }

    fn received(&mut self, now: Instant, id: RequestId, bytes: u64) {
        let Some(request) = self.requests.iter_mut().find(|it| it.id == id) else {
            return;
        };
        if bytes == 0 {
            return;
        }
        request.position_bytes += bytes;
        request.fresh_bytes += bytes;
        request.last_byte = Some(now);
        if let Some(source) = self.sources.find_mut(request.source) {
            source.tally.received_bytes += bytes;
            source.succeeded();
        }
        self.concurrency.received(now, bytes);
        self.progress.came(now, bytes);
    }

    fn verified(&mut self, now: Instant, id: RequestId, piece: u32) {
        let at = self.requests.iter().position(|it| it.id == id);
        let is_first = self.pieces.verify(piece) == Verdict::First;
        if is_first {
            self.progress.came(now, GROUP_BYTES);
            self.leave_race(id, piece);
        }
        let Some(request) = at.and_then(|_| self.requests.iter_mut().find(|it| it.id == id)) else {
            return;
        };
        request.next = request.next.max(piece + 1);
        let (source, purpose, took) = (request.source, request.purpose, request.age(now));
        if let Some(source) = self.sources.find_mut(source)
            && is_first
        {
            source.tally.pieces += 1;
        }
        if !is_first {
            self.wasted(source, self.pieces.bytes_of(&(piece..piece + 1)));
        }
        if purpose == Purpose::Trial {
            self.judge_trial(now, source, took);
        }
    }

    /// Whoever else was to bring just this piece need not any more.
    fn leave_race(&mut self, winner: RequestId, piece: u32) {
        let lost = |it: &Request| it.id != winner && it.next == piece && it.end == piece + 1;
        while let Some(at) = self.requests.iter().position(lost) {
            let request = self.requests.swap_remove(at);
            self.wasted(
                request.source,
                request.position_bytes % self.pieces.piece_bytes(),
            );
            self.forget(&request);
            self.actions.push_back(Action::Cancel {
                request: request.id,
            });
        }
    }

    fn wasted(&mut self, source: SourceId, bytes: u64) {
        self.progress.wasted_bytes += bytes;
        if let Some(source) = self.sources.find_mut(source) {
            source.tally.wasted_bytes += bytes;
        }
    }

    fn judge_trial(&mut self, now: Instant, source: SourceId, took: Duration) {
        let bytes = self.pieces.piece_bytes() as f64;
        let rate = bytes / took.as_secs_f64().max(f64::EPSILON);
        let others = self
            .sources
            .iter()
            .filter(|it| it.id != source && it.running > 0);
        let best = others.filter_map(|it| it.rate).fold(0.0, f64::max);
        let Some(source) = self.sources.find_mut(source) else {
            return;
        };
        if source.standing != Standing::Trial {
            return;
        }
        let news = if rate < best * SLOW_RATIO {
            let pause = source.put_on_probation(now);
            News::Slow { pause }
        } else {
            source.standing = Standing::Good;
            source.rate = Some(rate);
            News::Restored
        };
        let source = source.id;
        self.actions.push_back(Action::Tell { source, news });
    }

    fn refuted(&mut self, id: SourceId, blame: Blame, bytes: u64) {
        self.wasted(id, bytes);
        let Some(source) = self.sources.find_mut(id) else {
            return;
        };
        source.tally.errors += 1;
        if blame == Blame::Nobody || source.standing == Standing::Banned {
            return;
        }
        source.standing = Standing::Banned;
        self.cancel_of(id);
        self.actions.push_back(Action::Tell {
            source: id,
            news: News::Banned,
        });
    }

    fn cancel_of(&mut self, source: SourceId) {
        while let Some(at) = self.requests.iter().position(|it| it.source == source) {
            let request = self.requests.swap_remove(at);
            self.forget(&request);
            self.actions.push_back(Action::Cancel {
                request: request.id,
            });
        }
    }

    fn ended(&mut self, now: Instant, id: RequestId, end: End) {
        let Some(mut request) = self.take(id) else {
            return;
        };
        let limits = self.limits;
        self.forget(&request);
        let Some(source) = self.sources.find_mut(request.source) else {
            return;
        };
        request
            .sample(now)
            .inspect(|sample| source.measured(sample));
        let was = source.standing;
        match end {
            End::Complete | End::Left => return,
            End::Broken => source.failed(now, None, &limits),
            End::Busy { retry_after } => {
                source.failed(now, retry_after, &limits);
                let host = source.host;
                if let Some(asked) = retry_after {
                    self.sources.pause_host(now, host, asked);
                }
            }
            End::Refused => {
                source.tally.errors += 1;
                source.standing = Standing::Gone;
            }
        }
        let is_gone = |it: &Source| it.standing == Standing::Gone;
        if was != Standing::Gone && self.sources.find(request.source).is_some_and(is_gone) {
            self.actions.push_back(Action::Tell {
                source: request.source,
                news: News::Left,
            });
        }
    }

    fn tick(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.ticked);
        if elapsed.is_zero() {
            return;
        }
        self.ticked = now;
        self.sources.wake(now);
        for request in &mut self.requests {
            let sample = request.sample(now);
            if let Some(source) = self.sources.find_mut(request.source) {
                sample.inspect(|sample| source.measured(sample));
            }
        }
        let trials = self
            .requests
            .iter()
            .filter(|it| it.purpose == Purpose::Trial);
        let running = u32::try_from(self.requests.len() - trials.count()).unwrap_or(u32::MAX);
        self.concurrency.tick(now, running);
        self.leave_slow(now);
        self.leave_silent(now);
        self.end_probation_of_the_last();
    }

    /// Sources that are far slower than the others.
    fn leave_slow(&mut self, now: Instant) {
        let Some(median) = self.sources.median_rate() else {
            return;
        };
        let mut slow = None;
        for source in self.sources.iter_mut() {
            if source.standing == Standing::Good && source.lags(now, median) {
                slow = Some(source.id);
            }
        }
        if let Some(slow) = slow {
            self.leave(now, slow);
        }
    }

    /// A connection of which nothing comes, where another source could do better.
    fn leave_silent(&mut self, now: Instant) {
        let is_silent = |it: &Request| it.silence(now) >= SILENCE;
        let Some(at) = self.requests.iter().position(is_silent) else {
            return;
        };
        let (source, id) = (self.requests[at].source, self.requests[at].id);
        let mut lively = self.requests.iter().filter(|it| it.is_lively(now));
        if lively.any(|it| it.source == source) {
            // The source is well; this connection is not.
            if let Some(request) = self.take(id) {
                self.forget(&request);
                self.actions.push_back(Action::Cancel { request: id });
            }
            return;
        }
        let others_send = self.requests.iter().any(|it| it.is_lively(now));
        if others_send || self.sources.any_good_but(source) {
            self.leave(now, source);
        }
    }

    fn leave(&mut self, now: Instant, id: SourceId) {
        let Some(source) = self.sources.find_mut(id) else {
            return;
        };
        if matches!(source.standing, Standing::Banned | Standing::Gone) {
            self.cancel_of(id);
            return;
        }
        let pause = source.put_on_probation(now);
        self.cancel_of(id);
        self.actions.push_back(Action::Tell {
            source: id,
            news: News::Slow { pause },
        });
    }

    /// Where nobody else is left, a slow source is better than none.
    fn end_probation_of_the_last(&mut self) {
        let can_help = |standing| {
            matches!(
                standing,
                Standing::Good | Standing::Paused { .. } | Standing::Trial
            )
        };
        if self.sources.iter().any(|it| can_help(it.standing)) {
            return;
        }
        self.sources.end_probations();
    }
}

impl Progress {
    fn came(&mut self, now: Instant, bytes: u64) {
        self.bytes += bytes;
        if self.bytes >= GROUP_BYTES {
            self.bytes = 0;
            self.last = now;
            self.nudged = now;
        }
    }
}
