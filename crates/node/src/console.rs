//! The console: a page at `/-/` on every node, and what it shows.
//!
//! Once a second whoever keeps the node's time calls [`Console::sample`]: the second goes into a ring
//! of ten minutes, and if anybody watches, a frame is made once for all of them. It must never make a
//! request wait, show more of a client than its network, or change anything: orders go another way.

mod assets;
mod demand;
mod elsewhere;
mod frame;
mod history;
mod routes;
mod viewer;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use overspill_core::limit::{Prefix, PrefixBits};
use overspill_net::FlowTable;
use overspill_wire::live::{LiveSnapshot, MemberHistory};
use tokio::sync::watch as channel;

pub use self::elsewhere::orders_elsewhere;
use self::{
    demand::Demand,
    frame::{Frame, Maker},
    history::Ring,
    viewer::{Told, Viewer},
};
pub(crate) use self::{demand::DemandCounter, routes::routes};
use crate::role::Role;

/// What the console of a node knows.
#[derive(Debug)]
pub struct Console {
    demand: Demand,
    state: Mutex<State>,
    told: channel::Sender<Told>,
    viewers: Mutex<Viewers>,
}

/// Open streams, by the network they go to.
#[derive(Debug, Default)]
struct Viewers {
    all: usize,
    by_network: HashMap<Prefix, usize>,
}

impl Viewers {
    /// Takes a place for one more, if there is one for this network.
    fn enter(&mut self, network: Prefix) -> Option<()> {
        let here = self.by_network.get(&network).copied().unwrap_or(0);
        (self.all < VIEWERS_MAX && here < VIEWERS_OF_NETWORK_MAX).then(|| {
            self.all += 1;
            self.by_network.insert(network, here + 1);
        })
    }

    fn leave(&mut self, network: Prefix) {
        self.all = self.all.saturating_sub(1);
        if let Some(here) = self.by_network.get_mut(&network) {
            *here -= 1;
            if *here == 0 {
                self.by_network.remove(&network);
            }
        }
    }
}

#[derive(Debug)]
struct State {
    ring: Ring,
    maker: Maker,
}

/// Most streams at a time. Each costs what it is sent: below 1 KiB a second for each busy member.
pub(crate) const VIEWERS_MAX: usize = 64;
/// Most streams to one network, so that nobody takes all of them.
pub(crate) const VIEWERS_OF_NETWORK_MAX: usize = 16;

impl Console {
    /// The console of a node whose flows these are.
    pub fn new(flows: Arc<FlowTable>, now: Instant) -> Self {
        Self {
            demand: Demand::new(flows.cores(), now),
            state: Mutex::new(State {
                ring: Ring::default(),
                maker: Maker::new(flows),
            }),
            told: channel::Sender::new(Told::Nothing),
            viewers: Mutex::default(),
        }
    }

    /// Takes one more second in; to be called about once a second, and not by a serving thread.
    pub fn sample<R: Role>(&self, role: &R, now: Instant) {
        self.demand.turn(now);
        let status = role.status();
        let second = frame::second(&status, now);
        let mut state = self.state();
        let members = frame::known_members(&status);
        state.ring.push(second, members);
        if self.viewers().all > 0 {
            let frame = state.maker.make(role, &self.demand, status, now);
            self.tell(Told::Frame(Arc::new(frame)));
        }
    }

    /// Ends all streams: the node is about to stop.
    pub fn close(&self) {
        self.tell(Told::Closed);
    }

    /// Counts what is asked of one core.
    pub(crate) fn demand_of(&self, core: usize) -> DemandCounter {
        self.demand.counter(core)
    }

    /// The last minutes of a member, if it is known.
    pub(crate) fn member_history(&self, name: &str) -> Option<MemberHistory> {
        self.state().ring.of_member(name)
    }

    /// Begins a stream; `None` if there are [`VIEWERS_MAX`] already, or
    /// [`VIEWERS_OF_NETWORK_MAX`] to the client's network.
    pub(crate) fn open_stream<R: Role>(
        self: &Arc<Self>,
        role: &R,
        client: IpAddr,
    ) -> Option<Viewer> {
        let network = Prefix::of(client, PrefixBits::default());
        self.viewers().enter(network)?;
        // From here on it is given back when it is dropped.
        let viewer = Viewer::new(Arc::clone(self), network, self.told.subscribe());
        self.begin(role);
        Some(viewer)
    }

    /// Sees to it that there is a frame to begin with that is no older than a second or so.
    fn begin<R: Role>(&self, role: &R) {
        let now = Instant::now();
        let mut state = self.state();
        if state.maker.is_stale(now) {
            let frame = state.maker.make(role, &self.demand, role.status(), now);
            self.tell(Told::Frame(Arc::new(frame)));
        }
    }

    /// Everything as of `frame`, with the minutes before.
    fn snapshot(&self, frame: &Frame) -> LiveSnapshot {
        frame.snapshot(self.state().ring.of_node())
    }

    /// Tells all streams; what has been closed stays so.
    fn tell(&self, told: Told) {
        self.told.send_if_modified(|last| {
            let is_open = !matches!(last, Told::Closed);
            if is_open {
                *last = told;
            }
            is_open
        });
    }

    /// Held for a few additions that cannot panic.
    fn viewers(&self) -> MutexGuard<'_, Viewers> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic inside would have been a bug; what is shown would still be figures.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
