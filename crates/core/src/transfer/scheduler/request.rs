//! One request under way: what it still has to bring, and how fast it does.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use crate::transfer::{RequestId, SourceId, sources::Sample};

/// Pieces that lie together, asked for of one source on one connection.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) id: RequestId,
    pub(super) source: SourceId,
    pub(super) purpose: Purpose,
    pub(super) begun: Instant,
    /// The first piece asked for.
    pub(super) first: u32,
    /// The first that is not verified.
    pub(super) next: u32,
    /// The first that is not wanted.
    pub(super) end: u32,
    /// Bytes since the start of the first piece that are there.
    pub(super) position_bytes: u64,
    /// Up to when its bytes were counted; `None` before the answer began.
    pub(super) sampled: Option<Instant>,
    /// When the last byte came.
    pub(super) last_byte: Option<Instant>,
    /// Bytes since the last sample.
    pub(super) fresh_bytes: u64,
    /// Bytes a second, smoothed.
    rate: Option<f64>,
}

/// Why a request was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// To be faster with a piece that another has been asked for.
    Duplicate,
    /// To have its pieces.
    Fetch,
    /// To see whether its source is still slow.
    Trial,
}

impl Request {
    pub(super) fn new(
        id: RequestId,
        source: SourceId,
        pieces: Range<u32>,
        purpose: Purpose,
        now: Instant,
    ) -> Self {
        Self {
            id,
            source,
            purpose,
            begun: now,
            first: pieces.start,
            next: pieces.start,
            end: pieces.end,
            position_bytes: 0,
            sampled: None,
            last_byte: None,
            fresh_bytes: 0,
            rate: None,
        }
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.begun)
    }

    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_byte.unwrap_or(self.begun))
    }

    /// Whether bytes come of it; not of one that is yet to show it.
    pub(super) fn is_lively(&self, now: Instant) -> bool {
        self.last_byte.is_some() && self.silence(now) < SILENCE
    }

    /// Pieces it holds.
    pub(super) fn pieces_left(&self) -> u64 {
        u64::from(self.end.saturating_sub(self.next))
    }

    /// The first piece of which nothing came yet.
    pub(super) fn first_untouched(&self, piece_bytes: u64) -> u32 {
        let touched = u32::try_from(self.position_bytes.div_ceil(piece_bytes)).unwrap_or(u32::MAX);
        // The piece that it begins with is under way though nothing came of it.
        self.first.saturating_add(touched.max(1)).max(self.next)
    }

    /// When it will have brought everything, at its pace; `None` while nobody knows.
    pub(super) fn eta(&self, piece_bytes: u64, of_source: Option<f64>) -> Option<Duration> {
        let wanted = u64::from(self.end - self.first) * piece_bytes;
        let left = wanted.saturating_sub(self.position_bytes);
        let rate = self.rate.or(of_source)?;
        // A connection that brings nothing is as bad as one that brings a byte a second.
        Some(Duration::from_secs_f64(left as f64 / rate.max(1.0)))
    }

    /// The rate it has.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// What came since the last time, and in how long; `None` before the answer began.
    pub(super) fn sample(&mut self, now: Instant) -> Option<Sample> {
        let Some(since) = self.sampled else {
            // As long as an answer takes to begin, its source's rate is the best guess; later, none.
            if self.age(now) > HEAD_PATIENCE {
                self.rate = Some(0.0);
            }
            return None;
        };
        let elapsed = now.saturating_duration_since(since);
        if elapsed < SAMPLE_MIN {
            return None;
        }
        self.sampled = Some(now);
        let bytes = std::mem::take(&mut self.fresh_bytes);
        let sample = Sample { bytes, elapsed };
        self.rate = Some(sample.smooth(self.rate));
        Some(sample)
    }
}

/// An answer that has not begun by then is one that will be late.
const HEAD_PATIENCE: Duration = Duration::from_secs(2);
/// Shorter times make wild rates.
const SAMPLE_MIN: Duration = Duration::from_millis(1);
/// A connection that brings nothing for so long is left.
pub(super) const SILENCE: Duration = Duration::from_secs(5);
