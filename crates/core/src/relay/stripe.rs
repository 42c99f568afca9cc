//! One body fed by several members at once, in windows that are sent in order.
//!
//! The span is cut into windows; each is a [`Continuation`](super::Continuation) of its own. The one
//! at the head of the line is passed on as it comes, those behind it are read ahead into memory. A
//! [`Stripe`] says which window may be asked for and whether one holds the others up. It must never
//! let more be read ahead than was planned, or hold the client's pace against a feeder.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::Span;

/// Most members that feed one body at once: beyond that a window is too small for its round trip.
pub const MAX_LANES: u8 = 8;
/// Shorter bodies are not striped: they are over before it pays.
pub const MIN_STRIPED_BYTES: u64 = 32 << 20;
/// What one body may have read ahead.
pub const FLOW_AHEAD_BYTES: u64 = 24 << 20;
/// What all bodies of a node together may have read ahead.
pub const NODE_AHEAD_BYTES: u64 = 256 << 20;
/// A window is no longer: half a second of a link of 64 Mbit/s, so that round trips do not count.
pub const MAX_WINDOW_BYTES: u64 = 4 << 20;
/// A window is no shorter; if there is no memory for such ones, the body is not striped.
pub const MIN_WINDOW_BYTES: u64 = 1 << 20;
/// Windows read ahead for each member: with two, one that is half as fast does not stop the others.
const AHEAD_PER_LANE: u64 = 2;
/// A feeder is judged once it was waited for so long: slow start is over by then.
const JUDGED_AFTER: Duration = Duration::from_secs(1);
/// A feeder at the head of the line holds the others up below this share of the fastest one's rate:
/// what is read ahead makes good for half, and asking elsewhere costs a round trip and slow start.
const SLOW_SHARE: f64 = 0.25;

/// How many members feed one body; at least 2 and at most [`MAX_LANES`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lanes(u8);

/// How a body is cut up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plan {
    lanes: usize,
    window_bytes: u64,
    windows_ahead: usize,
}

/// One window of a body; they count up from 0.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct WindowId(pub u64);

/// What a feeder's pace means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Let it be.
    GoOn,
    /// It holds everybody up: its rest is to be asked from somebody else.
    TooSlow,
}

/// The state machine of one striped body.
#[derive(Debug)]
pub struct Stripe {
    plan: Plan,
    /// What no window was cut from.
    uncut: Span,
    next: WindowId,
    /// The head of the line, once there is one.
    sending: Option<Window>,
    /// Those behind it, in order.
    ahead: VecDeque<Window>,
    /// Bytes a second of the fastest feeder of a window that is complete.
    fastest_bytes_per_s: f64,
}

#[derive(Debug)]
struct Window {
    id: WindowId,
    bytes: u64,
    came_bytes: u64,
    pace: Pace,
    /// Whether a feeder of it was given up for being slow; once is enough.
    is_judged: bool,
}

/// What one feeder has done for one window.
#[derive(Debug, Default)]
struct Pace {
    bytes: u64,
    /// For how long it was waited for; what the client takes to read is not in it.
    waited: Duration,
    waiting_since: Option<Instant>,
}

impl Lanes {
    /// So many; `None` below 2 or above [`MAX_LANES`].
    pub fn new(lanes: u8) -> Option<Self> {
        (2..=MAX_LANES).contains(&lanes).then_some(Self(lanes))
    }

    /// How many.
    pub fn count(self) -> usize {
        usize::from(self.0)
    }
}

impl Plan {
    /// For a body of `bytes`, on a node that has `free_bytes` of memory left for reading ahead.
    /// `None` if it is not to be striped.
    pub fn new(lanes: Lanes, bytes: u64, free_bytes: u64) -> Option<Self> {
        if bytes < MIN_STRIPED_BYTES {
            return None;
        }
        let windows_ahead = lanes.count() as u64 * AHEAD_PER_LANE;
        let most_bytes = FLOW_AHEAD_BYTES.min(free_bytes) / windows_ahead;
        let window_bytes = most_bytes.min(MAX_WINDOW_BYTES);
        (window_bytes >= MIN_WINDOW_BYTES).then_some(Self {
            lanes: lanes.count(),
            window_bytes,
            windows_ahead: windows_ahead as usize,
        })
    }

    /// Most bytes that are in memory at once; at most [`FLOW_AHEAD_BYTES`].
    pub fn ahead_bytes(&self) -> u64 {
        self.window_bytes * self.windows_ahead as u64
    }
}

impl Stripe {
    /// A body of the bytes of `span`, cut up by `plan`.
    pub fn new(span: Span, plan: Plan) -> Self {
        Self {
            plan,
            uncut: span,
            next: WindowId(0),
            sending: None,
            ahead: VecDeque::new(),
            fastest_bytes_per_s: 0.0,
        }
    }

    /// The next window to ask for; `None` while all lanes are taken, enough is read ahead, or all has
    /// been asked for.
    pub fn cut(&mut self) -> Option<(WindowId, Span)> {
        let has_room = self.held() < self.plan.windows_ahead && self.fetching() < self.plan.lanes;
        if self.uncut.is_empty() || !has_room {
            return None;
        }
        let bytes = self.uncut.len().min(self.plan.window_bytes);
        let end = self.uncut.start + bytes;
        let span = Span { end, ..self.uncut };
        self.uncut.start = end;
        let id = self.next;
        self.next = WindowId(id.0 + 1);
        self.ahead.push_back(Window::new(id, bytes));
        Some((id, span))
    }

    /// The window before has been sent, all of it: the next one moves to the head of the line. `None`
    /// if none was asked for.
    pub fn advance(&mut self) -> Option<WindowId> {
        debug_assert!(self.sending.as_ref().is_none_or(Window::is_complete));
        self.sending = self.ahead.pop_front();
        self.sending.as_ref().map(|window| window.id)
    }

    /// Somebody is asked for the rest of a window.
    pub fn asked(&mut self, id: WindowId) {
        if let Some(window) = self.window(id) {
            window.pace = Pace::default();
        }
    }

    /// The feeder of a window is waited for from now on. `now` never goes backwards.
    pub fn waiting(&mut self, id: WindowId, now: Instant) {
        if let Some(window) = self.window(id) {
            window.pace.waiting_since.get_or_insert(now);
        }
    }

    /// So many bytes of a window have come; what that says of its feeder.
    pub fn came(&mut self, id: WindowId, now: Instant, bytes: u64) -> Verdict {
        let Some(window) = self.window(id) else {
            return Verdict::GoOn;
        };
        window.take(now, bytes);
        let (is_complete, rate) = (window.is_complete(), window.pace.bytes_per_s());
        if is_complete {
            let fastest = self.fastest_bytes_per_s;
            self.fastest_bytes_per_s = rate.map_or(fastest, |rate| fastest.max(rate));
            return Verdict::GoOn;
        }
        self.judge(id)
    }

    /// Bytes that have come and are not at the head of the line, nor were they when they came.
    pub fn ahead_bytes(&self) -> u64 {
        self.ahead.iter().map(|window| window.came_bytes).sum()
    }

    /// Whether all has been asked for and come.
    pub fn is_complete(&self) -> bool {
        self.uncut.is_empty() && self.fetching() == 0
    }

    /// Judges the feeder of the window that everybody waits for.
    fn judge(&mut self, id: WindowId) -> Verdict {
        let ahead = self
            .ahead
            .iter()
            .filter_map(|window| window.pace.bytes_per_s());
        let fastest = ahead.fold(self.fastest_bytes_per_s, f64::max);
        let Some(head) = self.sending.as_mut().filter(|head| head.id == id) else {
            return Verdict::GoOn;
        };
        let is_slow = |rate: f64| rate < SLOW_SHARE * fastest;
        let is_known = head.pace.waited >= JUDGED_AFTER && !head.is_judged;
        if !is_known || !head.pace.bytes_per_s().is_some_and(is_slow) {
            return Verdict::GoOn;
        }
        head.is_judged = true;
        Verdict::TooSlow
    }

    /// Windows whose bytes are in memory or on their way there.
    fn held(&self) -> usize {
        // One that came while it was behind is still in memory while it is sent.
        self.ahead.len() + usize::from(self.sending.is_some())
    }

    fn fetching(&self) -> usize {
        let windows = self.sending.iter().chain(&self.ahead);
        windows.filter(|window| !window.is_complete()).count()
    }

    fn window(&mut self, id: WindowId) -> Option<&mut Window> {
        let mut windows = self.sending.iter_mut().chain(&mut self.ahead);
        windows.find(|window| window.id == id)
    }
}

impl Window {
    fn new(id: WindowId, bytes: u64) -> Self {
        Self {
            id,
            bytes,
            came_bytes: 0,
            pace: Pace::default(),
            is_judged: false,
        }
    }

    fn is_complete(&self) -> bool {
        self.came_bytes == self.bytes
    }

    fn take(&mut self, now: Instant, bytes: u64) {
        debug_assert!(
            bytes <= self.bytes - self.came_bytes,
            "more than was asked for"
        );
        self.came_bytes = self.bytes.min(self.came_bytes + bytes);
        self.pace.bytes += bytes;
        if let Some(since) = self.pace.waiting_since.take() {
            self.pace.waited += now.saturating_duration_since(since);
        }
    }
}

impl Pace {
    /// `None` while it was not waited for long enough to tell.
    fn bytes_per_s(&self) -> Option<f64> {
        const TELLING: Duration = Duration::from_millis(20);
        let seconds = self.waited.as_secs_f64();
        (self.waited >= TELLING).then(|| self.bytes as f64 / seconds)
    }
}

#[cfg(test)]
mod tests;
