//! Closing connections that do nothing.
//!
//! A timer per read would cost a good part of a small request, so connections only note when they
//! last got somewhere, and once a second a sweep of the core's connections shuts down those that
//! have been silent for too long in their phase. Only silence is ever punished: a body may take as
//! long as it takes.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use rustix::net::Shutdown;
use slab::Slab;
use tokio::net::TcpStream;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Between requests, or before the first.
    Idle,
    /// In the middle of a request head.
    Reading,
    /// Sending a response, or waiting for its end.
    Sending,
}

/// How long each phase may be silent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    pub(crate) idle: Duration,
    pub(crate) reading: Duration,
    pub(crate) sending: Duration,
}

/// A connection's notes for the sweeper.
#[derive(Debug)]
pub(crate) struct Activity {
    stream: Rc<TcpStream>,
    phase: Cell<Phase>,
    progressed: Cell<bool>,
    silent_since: Cell<Instant>,
}

/// The connections of one core.
#[derive(Debug, Default)]
pub(crate) struct Sweeper {
    connections: RefCell<Slab<Rc<Activity>>>,
}

/// A connection's registration; ends with it.
#[derive(Debug)]
pub(crate) struct Registered {
    sweeper: Rc<Sweeper>,
    slot: usize,
    pub(crate) activity: Rc<Activity>,
}

impl Activity {
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.progressed.set(true);
    }

    /// Notes that bytes have moved. Cheap: the sweep turns it into a time.
    pub(crate) fn progressed(&self) {
        self.progressed.set(true);
    }

    fn is_overdue(&self, now: Instant, silence: &Silence) -> bool {
        if self.progressed.replace(false) {
            self.silent_since.set(now);
        }
        let allowed = match self.phase.get() {
            Phase::Idle => silence.idle,
            Phase::Reading => silence.reading,
            Phase::Sending => silence.sending,
        };
        now.saturating_duration_since(self.silent_since.get()) >= allowed
    }

    /// Ends the connection: its task sees end of file or an error and finishes.
    fn shut_down(&self) {
        // Fails only if the client has gone already, which is what we want.
        let _ = rustix::net::shutdown(&*self.stream, Shutdown::Both);
    }
}

impl Sweeper {
    /// Enters a connection.
    pub(crate) fn register(self: &Rc<Self>, stream: Rc<TcpStream>, now: Instant) -> Registered {
        let activity = Rc::new(Activity {
            stream,
            phase: Cell::new(Phase::Idle),
            progressed: Cell::new(false),
            silent_since: Cell::new(now),
        });
        let slot = self.connections.borrow_mut().insert(Rc::clone(&activity));
        Registered {
            sweeper: Rc::clone(self),
            slot,
            activity,
        }
    }

    /// Shuts down what is overdue.
    pub(crate) fn sweep(&self, now: Instant, silence: &Silence) {
        for (_, activity) in self.connections.borrow().iter() {
            if activity.is_overdue(now, silence) {
                activity.shut_down();
            }
        }
    }

    /// Shuts down every connection that is between requests.
    pub(crate) fn close_idle(&self) {
        for (_, activity) in self.connections.borrow().iter() {
            if activity.phase.get() == Phase::Idle {
                activity.shut_down();
            }
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.connections.borrow().len()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.sweeper.connections.borrow_mut().try_remove(self.slot);
    }
}
