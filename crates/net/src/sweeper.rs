//! Closing connections that do nothing, or next to nothing.
//!
//! A timer per read would cost a good part of a small request, so connections only count the bytes
//! that move, and once a second a sweep of the core's connections shuts down those that have been
//! silent for too long in their phase, or too slow for a whole window. A body may take as long
//! as it takes: only silence and a rate that nobody could want are ever punished, and only a client
//! that has something to take is judged.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use overspill_sys::{TcpInfo, tcp_info};
use rustix::net::Shutdown;
use slab::Slab;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::{
    evidence::{Look, Sums, Watched},
    flows::Shard,
    listener::Seat,
};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Between requests, or before the first.
    Idle,
    /// In the middle of a request head or a handshake.
    Reading,
    /// Sending a response, or waiting for its end.
    Sending,
    /// Hyper has a request in flight; whose turn it is only hyper knows.
    Exchanging,
}

/// Why a connection was shut down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Overdue {
    /// Nothing moved for too long.
    Silent,
    /// Too little moved.
    Slow,
}

/// Whose doing it is that nothing is on its way to a client in the middle of a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Resting {
    /// Ours: the disk is slow, or a rate is kept.
    Ours,
    /// Perhaps the client's, which keeps a window of its own closed.
    Unknown,
}

/// How long each phase may be silent, and how slow it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) idle: Duration,
    pub(crate) reading: Duration,
    pub(crate) sending: Duration,
    /// Bytes per second below which a reader of a body is too slow.
    pub(crate) body_bytes_per_s: u64,
    /// How long a rate is measured before it is judged.
    pub(crate) window: Duration,
}

/// Bytes per second below which a sender of a head is too slow: a head of a few hundred bytes takes
/// one window at most.
const HEAD_BYTES_PER_S: u64 = 16;

/// A socket, and its connection's notes for the sweeper.
///
/// There is one for each idle connection, so times are whole milliseconds of the core's life and
/// everything stands in one allocation.
#[derive(Debug)]
pub(crate) struct Activity {
    pub(crate) stream: TcpStream,
    /// Bytes that moved either way since the connection began, and changes of phase.
    moved: Cell<u64>,
    /// What the sweep saw of `moved` last.
    seen: Cell<u64>,
    /// What the client had acknowledged when it was last asked for.
    acked_bytes: Cell<u64>,
    window: Cell<Window>,
    /// When bytes moved last.
    silent_since: Cell<Tick>,
    phase: Cell<Phase>,
    ended: Cell<Option<Overdue>>,
    /// Not waited for when the node ends.
    is_excused: Cell<bool>,
}

/// The start of the span over which a rate is measured.
#[derive(Clone, Copy, Debug)]
struct Window {
    bytes: u64,
    since: Tick,
    phase: Phase,
}

/// Milliseconds since the core began; wraps after 49 days, which no silence lasts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Tick(u32);

/// The connections of one core.
#[derive(Debug)]
pub(crate) struct Sweeper {
    began: Instant,
    connections: RefCell<Slab<Rc<Activity>>>,
    sweeps: Cell<u64>,
    watched: RefCell<Watched>,
}

/// A connection's registration; ends with it.
#[derive(Debug)]
pub(crate) struct Registered {
    sweeper: Rc<Sweeper>,
    slot: usize,
    pub(crate) activity: Rc<Activity>,
    /// Given back with the registration.
    _seat: Seat,
}

impl Tick {
    fn elapsed(self, now: Self) -> Duration {
        Duration::from_millis(u64::from(now.0.wrapping_sub(self.0)))
    }
}

impl Activity {
    fn new(stream: TcpStream, now: Tick) -> Self {
        Self {
            stream,
            moved: Cell::new(0),
            seen: Cell::new(0),
            acked_bytes: Cell::new(0),
            window: Cell::new(Window {
                bytes: 0,
                since: now,
                phase: Phase::Idle,
            }),
            silent_since: Cell::new(now),
            phase: Cell::new(Phase::Idle),
            ended: Cell::new(None),
            is_excused: Cell::new(false),
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        // A change of phase is no byte, but it is no silence either. To stay is neither: else each
        // byte of a head that comes byte by byte would count twice.
        if self.phase.replace(phase) != phase {
            self.moved(1);
        }
    }

    /// Counts bytes that have moved. Cheap: the sweep makes times and rates of it.
    pub(crate) fn moved(&self, bytes: u64) {
        self.moved.set(self.moved.get().wrapping_add(bytes));
    }

    /// Nobody will wait for this connection when the node ends.
    pub(crate) fn excuse(&self) {
        self.is_excused.set(true);
    }

    /// Why the sweeper ended this connection, if it did.
    pub(crate) fn ended(&self) -> Option<Overdue> {
        self.ended.get()
    }

    /// Judges the connection; `looked` is what the kernel says of one that is sending.
    fn overdue(&self, now: Tick, patience: &Patience, looked: Option<&TcpInfo>) -> Option<Overdue> {
        let moved = self.moved.get();
        if self.seen.replace(moved) != moved {
            self.silent_since.set(now);
        }
        match self.phase.get() {
            Phase::Idle => {
                // Nobody is judged by a rate over the time between two requests.
                self.restart_window(now, moved);
                self.silent(now, patience.idle)
            }
            Phase::Reading => self
                .silent(now, patience.reading)
                .or_else(|| self.slow(now, patience.window, moved, HEAD_BYTES_PER_S)),
            Phase::Sending => self.overdue_reader(now, patience, looked, Resting::Ours),
            Phase::Exchanging => self.overdue_reader(now, patience, looked, Resting::Unknown),
        }
    }

    fn silent(&self, now: Tick, allowed: Duration) -> Option<Overdue> {
        let silent_for = self.silent_since.get().elapsed(now);
        (silent_for >= allowed).then_some(Overdue::Silent)
    }

    /// Judges a client by what it has acknowledged, not by what the kernel took for it: a full send
    /// buffer of a slow client stands still for minutes while the client reads all the time.
    fn overdue_reader(
        &self,
        now: Tick,
        patience: &Patience,
        looked: Option<&TcpInfo>,
        resting: Resting,
    ) -> Option<Overdue> {
        let info = looked.copied().unwrap_or_default();
        if !info.is_waiting_for_client() {
            // It has taken all there is.
            if resting == Resting::Ours {
                self.silent_since.set(now);
            }
            self.restart_window(now, info.acked_bytes);
        } else if self.acked_bytes.replace(info.acked_bytes) != info.acked_bytes {
            self.silent_since.set(now);
        }
        self.silent(now, patience.sending).or_else(|| {
            let least = patience.body_bytes_per_s;
            self.slow(now, patience.window, info.acked_bytes, least)
        })
    }

    /// Whether fewer than `least` bytes per second moved over the last whole window.
    fn slow(
        &self,
        now: Tick,
        whole: Duration,
        bytes: u64,
        least_bytes_per_s: u64,
    ) -> Option<Overdue> {
        let window = self.window.get();
        if window.phase != self.phase.get() {
            self.restart_window(now, bytes);
            return None;
        }
        let lasted = window.since.elapsed(now);
        if lasted < whole {
            return None;
        }
        self.restart_window(now, bytes);
        let least = least_bytes_per_s.saturating_mul(lasted.as_secs());
        (bytes.wrapping_sub(window.bytes) < least).then_some(Overdue::Slow)
    }

    fn restart_window(&self, now: Tick, bytes: u64) {
        self.window.set(Window {
            phase: self.phase.get(),
            since: now,
            bytes,
        });
    }

    /// Ends the connection: its task sees end of file or an error and finishes.
    fn shut_down(&self) {
        // Fails only if the client has gone already, which is what we want.
        let _ = rustix::net::shutdown(&self.stream, Shutdown::Both);
    }

    /// From here on, however the connection ends, it ends in a reset: nobody takes that for the end of
    /// a body which the end of the connection is to mark.
    pub(crate) fn reset_at_end(&self) {
        // Fails only if the client has gone already.
        let _ = self.stream.set_zero_linger();
    }

    /// The body is complete after all: the connection ends as usual.
    pub(crate) fn end_as_usual(&self) {
        // Fails only if the client has gone already.
        let _ = SockRef::from(&self.stream).set_linger(None);
    }

    /// What the kernel knows of the connection, if it is sending.
    fn look_if_sending(&self) -> Option<TcpInfo> {
        match self.phase.get() {
            Phase::Idle | Phase::Reading => None,
            Phase::Sending | Phase::Exchanging => self.tcp_info(),
        }
    }

    /// What the kernel knows of the connection.
    pub(crate) fn tcp_info(&self) -> Option<TcpInfo> {
        tcp_info(&self.stream).ok()
    }

    /// The same, and when that was.
    pub(crate) fn look(&self, now: Instant) -> Option<Look> {
        self.tcp_info().map(|info| Look { at: now, info })
    }
}

impl Sweeper {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            connections: RefCell::default(),
            sweeps: Cell::new(0),
            watched: RefCell::default(),
        }
    }

    fn tick(&self, now: Instant) -> Tick {
        Tick(now.saturating_duration_since(self.began).as_millis() as u32)
    }

    /// Enters a connection.
    pub(crate) fn register(self: &Rc<Self>, stream: TcpStream, seat: Seat) -> Registered {
        let activity = Rc::new(Activity::new(stream, self.tick(Instant::now())));
        let slot = self.connections.borrow_mut().insert(Rc::clone(&activity));
        Registered {
            sweeper: Rc::clone(self),
            slot,
            activity,
            _seat: seat,
        }
    }

    /// Shuts down what is overdue, and leaves word with `shard` of what is sending.
    pub(crate) fn sweep(&self, now: Instant, patience: &Patience, shard: &Shard) {
        let sweep = self.sweeps.get() + 1;
        self.sweeps.set(sweep);
        let (tick, mut sums) = (self.tick(now), Sums::new(now, sweep));
        let mut watched = self.watched.borrow_mut();
        for (slot, activity) in self.connections.borrow().iter() {
            let looked = activity.look_if_sending();
            if let Some(info) = looked {
                watched.look(slot, activity, info, &mut sums, shard);
            }
            if let Some(overdue) = activity.overdue(tick, patience, looked.as_ref()) {
                activity.ended.set(Some(overdue));
                activity.shut_down();
            }
        }
        watched.finish(&sums, shard);
    }

    /// Shuts down every connection that is between requests.
    pub(crate) fn close_idle(&self) {
        for (_, activity) in self.connections.borrow().iter() {
            if activity.phase.get() == Phase::Idle {
                activity.shut_down();
            }
        }
    }

    /// How many connections an ending node waits for.
    pub(crate) fn waited_for(&self) -> usize {
        let connections = self.connections.borrow();
        let waited_for = connections
            .iter()
            .filter(|(_, activity)| !activity.is_excused.get());
        waited_for.count()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.sweeper.watched.borrow_mut().forget(self.slot);
        self.sweeper.connections.borrow_mut().try_remove(self.slot);
    }
}
