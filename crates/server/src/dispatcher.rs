//! Dispatch on the server: the fleet, the policy, and the lock around both.
//!
//! The decision itself is `core::dispatch::decide`; this is the shell that gives it the time, chance
//! and a fresh picture of the server's own load. The lock is held for one decision, about a
//! microsecond; requests too small to be offloaded never take it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use overspill_core::{
    dispatch::{self, Decision, Flow, MIN_OFFLOAD_BYTES, Scratch, Ticket},
    fleet::{Fleet, FleetError, Input, MemberId},
    policy::{Policy, PolicyKind},
    secret::{FleetToken, Key, Purpose},
};
use overspill_node::{Ask, Meter, Route};
use overspill_wire::status::DecisionCounts;

use crate::publish::lock;

/// When requests are offloaded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Offload {
    /// When that is cheaper, the way that suits the client best (today that is always a redirect).
    #[default]
    Auto,
    /// Never; the mirrors are only copies.
    Never,
    /// When that is cheaper, by redirect.
    Redirect,
}

/// The server's dispatcher.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    state: Mutex<State>,
    meter: Arc<Meter>,
    ticket_key: Key,
    offload: Offload,
    policy: PolicyKind,
    serve: AtomicU64,
    redirect: AtomicU64,
    avoided: AtomicU64,
}

#[derive(Debug)]
struct State {
    fleet: Fleet,
    policy: Box<dyn Policy>,
    scratch: Scratch,
    random: fastrand::Rng,
    measured: Option<Instant>,
}

/// How old the picture of the server's own flows may be; what it takes on in between is added.
const MEASURE_EVERY: Duration = Duration::from_millis(100);

impl Dispatcher {
    pub(crate) fn new(
        token: &FleetToken,
        meter: Arc<Meter>,
        policy: PolicyKind,
        offload: Offload,
        seed: u64,
    ) -> Self {
        let state = State {
            fleet: Fleet::new(),
            policy: policy.build(),
            scratch: Scratch::default(),
            random: fastrand::Rng::with_seed(seed),
            measured: None,
        };
        Self {
            state: Mutex::new(state),
            meter,
            ticket_key: token.derive(Purpose::Ticket, b""),
            offload,
            policy,
            serve: AtomicU64::new(0),
            redirect: AtomicU64::new(0),
            avoided: AtomicU64::new(0),
        }
    }

    /// Chooses who sends a body.
    pub(crate) fn route(&self, ask: &Ask<'_>) -> Route {
        let can_return = !ask.host.is_empty() && ask.host.len() < Ticket::MAX_ORIGIN_BYTES - 8;
        if ask.bytes < MIN_OFFLOAD_BYTES || self.offload == Offload::Never || !can_return {
            return Route::Here;
        }
        let flow = Flow {
            revision: ask.revision,
            root: ask.root,
            bytes: ask.bytes,
            avoid: ask.avoid,
            scheme: ask.scheme,
        };
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let now = Instant::now();
        state.measure(now, &self.meter);
        let State {
            fleet,
            policy,
            scratch,
            random,
            ..
        } = state;
        match dispatch::decide(fleet, policy.as_mut(), &flow, now, random, scratch) {
            Decision::Serve => {
                self.serve.fetch_add(1, Relaxed);
                Route::Here
            }
            Decision::Redirect { slot, dispatch } => {
                self.redirect.fetch_add(1, Relaxed);
                let member = &fleet.members()[slot];
                let (member, url) = (member.id().clone(), member.url().to_owned());
                drop(guard);
                let ticket = Ticket {
                    dispatch,
                    root: ask.root,
                    expires_s: unix_s() + Ticket::LIFETIME_S,
                    origin: format!("{}://{}", ask.scheme, String::from_utf8_lossy(ask.host)),
                };
                Route::Redirect {
                    member,
                    url,
                    ticket: ticket.seal(&self.ticket_key),
                }
            }
        }
    }

    /// A client came back because `member` failed it.
    pub(crate) fn returned_from(&self, member: &MemberId) {
        self.avoided.fetch_add(1, Relaxed);
        // A client may name anyone it likes; strangers are of no interest.
        let _ = self.handle(&Input::Failed(member));
    }

    /// Lets the fleet take in what happened, and logs what became of it.
    pub(crate) fn handle(&self, input: &Input<'_>) -> Result<(), FleetError> {
        let mut state = lock(&self.state);
        let result = state.fleet.handle(Instant::now(), input);
        while let Some(transition) = state.fleet.poll_output() {
            let (member, from, to) = (&transition.member, transition.from, transition.to);
            tracing::info!(%member, %from, %to, "member changed state");
        }
        result
    }

    /// Looks at the fleet.
    pub(crate) fn inspect<T>(&self, look: impl FnOnce(&Fleet) -> T) -> T {
        look(&lock(&self.state).fleet)
    }

    /// The policy in force.
    pub(crate) fn policy(&self) -> PolicyKind {
        self.policy
    }

    /// Decisions since start.
    pub(crate) fn counts(&self) -> DecisionCounts {
        DecisionCounts {
            serve: self.serve.load(Relaxed),
            redirect: self.redirect.load(Relaxed),
            avoided: self.avoided.load(Relaxed),
        }
    }
}

impl State {
    fn measure(&mut self, now: Instant, meter: &Meter) {
        let is_old = |at| now.saturating_duration_since(at) >= MEASURE_EVERY;
        if self.measured.is_none_or(is_old) {
            let reading = meter.read(now);
            self.fleet.server_measured(reading.load, reading.capacity);
            self.measured = Some(now);
        }
    }
}

fn unix_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
