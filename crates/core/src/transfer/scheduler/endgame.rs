//! When every piece is held by somebody: taking work from the last, within bounds.
//!
//! An idle source takes the back half of the run that would be ready last; where only single pieces
//! are left, it races for one. Races waste bytes: they have to be worth it, and their cost is capped.

use std::time::{Duration, Instant};

use super::{Action, Purpose, Request, Scheduler};
use crate::transfer::SourceId;

impl Scheduler {
    /// Something for an idle source to do when no piece is free.
    pub(super) fn help_out(&mut self, now: Instant) -> Option<Action> {
        if self.pieces.free_run(self.window_end(), 1).is_some() {
            // There are some; it is the budget that is spent.
            return None;
        }
        let thief = self.sources.fastest(&self.limits)?;
        self.steal(now, thief).or_else(|| self.race(now, thief))
    }

    /// Takes the back half of the run that will be ready last.
    fn steal(&mut self, now: Instant, thief: SourceId) -> Option<Action> {
        let victim = self.latest(|request| self.stealable(now, request) > 0)?;
        let (source, piece_bytes) = (self.sources.find(thief)?, self.pieces.piece_bytes());
        let eta = self.eta(victim).unwrap_or(Duration::MAX);
        let rate = source
            .rate
            .or_else(|| self.sources.median_rate())
            .or_else(|| victim.rate());
        let untouched = u64::from(self.stealable(now, victim));
        // No more than what makes both ready at the same time.
        let share = match (rate, victim.rate()) {
            (Some(ours), Some(theirs)) if ours + theirs > 0.0 => {
                (victim.pieces_left() as f64 * ours / (ours + theirs)) as u64
            }
            _ => untouched,
        };
        let taken = untouched.div_ceil(2).min(share.max(1));
        let time = source
            .eta(taken * piece_bytes)
            .unwrap_or_else(|| source.rtt());
        if time >= eta {
            return None;
        }
        let (id, old_end) = (victim.id, victim.end);
        let end = old_end - u32::try_from(taken).ok()?;
        let shortened = self.requests.iter_mut().find(|request| request.id == id)?;
        shortened.end = end;
        self.pieces.release(end..old_end);
        let start = self.start(now, thief, end..old_end, Purpose::Fetch);
        self.actions.push_back(start);
        Some(Action::Shorten { request: id, end })
    }

    /// Pieces that may be taken from a request: none of a young one, nor any it has begun.
    fn stealable(&self, now: Instant, request: &Request) -> u32 {
        let rtt = self
            .sources
            .find(request.source)
            .map_or(AGE_MIN, |source| source.rtt());
        if request.purpose != Purpose::Fetch || request.age(now) <= AGE_MIN.max(2 * rtt) {
            return 0;
        }
        let first = request.first_untouched(self.pieces.piece_bytes());
        request.end.saturating_sub(first)
    }

    /// Asks for the piece that will be ready last a second time, if that is far faster.
    fn race(&mut self, now: Instant, thief: SourceId) -> Option<Action> {
        let is_lonely = |request: &Request| {
            request.pieces_left() == 1 && self.pieces.holders(request.next) == 1
        };
        let last = self.latest(is_lonely)?;
        let (source, piece_bytes) = (self.sources.find(thief)?, self.pieces.piece_bytes());
        let old_rtt = self
            .sources
            .find(last.source)
            .map_or(AGE_MIN, |old| old.rtt());
        if last.age(now) <= AGE_MIN.max(2 * old_rtt) || !self.may_waste(piece_bytes) {
            return None;
        }
        let time = source.eta(piece_bytes)?;
        if self.eta(last).unwrap_or(Duration::MAX) <= time * 2 + source.rtt() {
            return None;
        }
        let piece = last.next;
        Some(self.start(now, thief, piece..piece + 1, Purpose::Duplicate))
    }

    /// Whether one more race fits into what may be wasted.
    fn may_waste(&self, bytes: u64) -> bool {
        let races = self
            .requests
            .iter()
            .filter(|it| it.purpose == Purpose::Duplicate);
        let at_stake = (races.count() as u64 + 1) * bytes;
        let allowed = (self.pieces.size_bytes() / WASTE_DIVISOR).max(WASTE_BYTES_MIN);
        self.progress.wasted_bytes + at_stake <= allowed
    }

    /// Of the requests that qualify, the one that will be ready last.
    fn latest(&self, qualifies: impl Fn(&Request) -> bool) -> Option<&Request> {
        let qualified = self.requests.iter().filter(|request| qualifies(request));
        qualified.max_by_key(|request| self.eta(request).unwrap_or(Duration::MAX))
    }

    fn eta(&self, request: &Request) -> Option<Duration> {
        let rate = self
            .sources
            .find(request.source)
            .and_then(|source| source.rate);
        request.eta(self.pieces.piece_bytes(), rate)
    }
}

/// A younger request is left alone, or idle sources would pass the same pieces around.
const AGE_MIN: Duration = Duration::from_millis(300);
/// Races may waste a fiftieth of the file,
const WASTE_DIVISOR: u64 = 50;
/// and of a small one this much.
const WASTE_BYTES_MIN: u64 = 8 << 20;
