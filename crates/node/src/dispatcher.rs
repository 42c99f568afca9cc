//! Dispatch in a running node: the lock around the state machine, and the time, chance and measured
//! load that it asks for.
//!
//! The decision itself is `core::dispatch::Dispatcher::decide`. The lock is held for one decision,
//! about a microsecond; requests too small to be offloaded never take it. It must never be held while
//! anything is waited for.

mod events;
mod tickets;
mod waiting;

use std::{
    collections::HashMap,
    iter,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use overspill_core::{
    dispatch::{
        Decided, Decision, DispatchId, Dispatcher, Explanation, Flow, Holding, MIN_OFFLOAD_BYTES,
        Manner, Output, Settings, Turn, WaiterId,
    },
    fleet::{Evidence, Fleet, FleetError, HereLoad, Input, MemberId, Orders},
    load::ClientSample,
    policy::PolicyKind,
    secret::FleetToken,
};
use overspill_wire::status::DecisionCounts;
use tokio::sync::oneshot;

use self::tickets::TicketOffice;
pub use self::waiting::{Verdict, Waiting};
use crate::{
    identity::Meter,
    role::{Ask, Holder, Route},
};

/// A node's dispatcher, shared by its serving threads and its control plane.
#[derive(Debug)]
pub struct SharedDispatcher {
    state: Mutex<State>,
    meter: Arc<Meter>,
    tickets: TicketOffice,
    serve: AtomicU64,
    redirect: AtomicU64,
    relay: AtomicU64,
    stripe: AtomicU64,
    switch: AtomicU64,
    wait: AtomicU64,
    reject: AtomicU64,
    avoided: AtomicU64,
}

#[derive(Debug)]
struct State {
    dispatcher: Dispatcher,
    measured: Option<Instant>,
    waiting: HashMap<WaiterId, oneshot::Sender<Verdict>>,
}

/// How old the picture of the node's own flows may be; what it takes on in between is added.
const MEASURE_EVERY: Duration = Duration::from_millis(100);

impl SharedDispatcher {
    /// A dispatcher of a fleet founded now. `seed` is for near ties and jitter.
    pub fn new(
        token: &FleetToken,
        meter: Arc<Meter>,
        settings: Settings,
        orders: Orders,
        seed: u64,
    ) -> Self {
        let state = State {
            dispatcher: Dispatcher::new(Instant::now(), settings, orders, seed),
            measured: None,
            waiting: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
            meter,
            tickets: TicketOffice::new(token),
            serve: AtomicU64::new(0),
            redirect: AtomicU64::new(0),
            relay: AtomicU64::new(0),
            stripe: AtomicU64::new(0),
            switch: AtomicU64::new(0),
            wait: AtomicU64::new(0),
            reject: AtomicU64::new(0),
            avoided: AtomicU64::new(0),
        }
    }

    /// Chooses who sends a body.
    pub fn route(self: &Arc<Self>, ask: &Ask<'_>) -> Route {
        let stays = ask.bytes < MIN_OFFLOAD_BYTES && ask.holding == Holding::Here;
        if stays {
            return Route::Here;
        }
        let now = Instant::now();
        let mut guard = self.state();
        guard.measure(now, &self.meter);
        let flow = Flow {
            manner: manner(ask),
            ..flow(ask)
        };
        match guard.dispatcher.decide(now, &flow) {
            Decision::Serve => {
                self.serve.fetch_add(1, Relaxed);
                Route::Here
            }
            Decision::Redirect { slot, dispatch } => {
                self.redirect.fetch_add(1, Relaxed);
                let links = guard.links(slot, dispatch, ask.links);
                let (member, url, ticket) = self.promise(guard, slot, dispatch, ask);
                Route::Redirect {
                    member,
                    url,
                    links,
                    ticket,
                }
            }
            Decision::Relay { slot, dispatch } => {
                self.relay.fetch_add(1, Relaxed);
                let (member, url, ticket) = self.promise(guard, slot, dispatch, ask);
                Route::Relay {
                    member,
                    url,
                    ticket,
                }
            }
            Decision::Wait(waiter) => {
                self.wait.fetch_add(1, Relaxed);
                let (told, verdict) = oneshot::channel();
                guard.waiting.insert(waiter, told);
                drop(guard);
                Route::Wait(Waiting::new(Arc::clone(self), waiter, verdict))
            }
            Decision::Reject { retry_after_s } => {
                self.reject.fetch_add(1, Relaxed);
                Route::Reject { retry_after_s }
            }
            Decision::Nowhere => Route::Nowhere,
        }
    }

    /// Chooses who goes on with a body that is under way, after somebody failed it, or who feeds a
    /// window of it.
    pub fn go_on(&self, ask: &Ask<'_>) -> Route {
        let now = Instant::now();
        let mut guard = self.state();
        guard.measure(now, &self.meter);
        match guard.dispatcher.go_on(now, &flow(ask)) {
            Decision::Serve => {
                self.count_under_way(ask);
                Route::Here
            }
            Decision::Relay { slot, dispatch } => {
                self.count_under_way(ask);
                let (member, url, ticket) = self.promise(guard, slot, dispatch, ask);
                Route::Relay {
                    member,
                    url,
                    ticket,
                }
            }
            // Not of a body that is under way.
            Decision::Redirect { .. }
            | Decision::Wait(_)
            | Decision::Reject { .. }
            | Decision::Nowhere => Route::Nowhere,
        }
    }

    fn count_under_way(&self, ask: &Ask<'_>) {
        let counter = match ask.turn {
            Turn::Striped => &self.stripe,
            _ => &self.switch,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// The member in `slot`: its name, its URL, and a ticket for it.
    fn promise(
        &self,
        state: MutexGuard<'_, State>,
        slot: usize,
        dispatch: DispatchId,
        ask: &Ask<'_>,
    ) -> (MemberId, String, String) {
        let member = &state.dispatcher.fleet().members()[slot];
        let (member, url) = (member.id().clone(), member.url().to_owned());
        // Signing takes longer than deciding did.
        drop(state);
        (member, url, self.tickets.seal(dispatch, ask))
    }

    /// How a flow that was relayed from `member` has gone.
    pub fn weigh(&self, member: &MemberId, evidence: Evidence) {
        // Who has left the fleet in the meantime is nobody's concern.
        let _ = self.handle(&Input::Weighed(member, evidence));
    }

    /// A client came back because `member` failed it.
    pub fn returned_from(&self, member: &MemberId, ask: &Ask<'_>) {
        self.avoided.fetch_add(1, Relaxed);
        let mut state = self.state();
        let dispatcher = &mut state.dispatcher;
        dispatcher.returned_from(Instant::now(), &flow(ask), member);
    }

    /// Lets the fleet take in what happened, and does what follows from it.
    pub fn handle(&self, input: &Input<'_>) -> Result<(), FleetError> {
        let mut state = self.state();
        let result = state.dispatcher.handle(Instant::now(), input);
        state.act();
        result
    }

    /// Lets time pass; to be called about ten times a second.
    pub fn tick(&self) {
        let now = Instant::now();
        let mut state = self.state();
        state.measure(now, &self.meter);
        // A tick concerns everybody, so nobody can be unknown.
        let _ = state.dispatcher.handle(now, &Input::Tick);
        state.act();
    }

    /// Takes in what this node saw of its own clients.
    pub fn see_own_clients(&self, clients: &[ClientSample]) {
        let mut state = self.state();
        state.dispatcher.see_own_clients(Instant::now(), clients);
    }

    /// Looks at the fleet.
    pub fn inspect<T>(&self, look: impl FnOnce(&Fleet) -> T) -> T {
        look(self.state().dispatcher.fleet())
    }

    /// Looks at the state machine itself.
    pub fn look<T>(&self, look: impl FnOnce(&Dispatcher) -> T) -> T {
        look(&self.state().dispatcher)
    }

    /// What would be decided about a body, and why, in terms of the fleet as it is then.
    pub fn explain<T>(
        &self,
        ask: &Ask<'_>,
        tell: impl FnOnce(&Explanation, &Dispatcher) -> T,
    ) -> T {
        let now = Instant::now();
        let mut state = self.state();
        state.measure(now, &self.meter);
        let explanation = state.dispatcher.explain(now, &flow(ask));
        tell(&explanation, &state.dispatcher)
    }

    /// The last decisions, newest first, at most `limit`.
    pub fn decisions(&self, limit: usize) -> Vec<Decided> {
        let state = self.state();
        let decided = state.dispatcher.journal().newest_first();
        decided.take(limit).cloned().collect()
    }

    /// The policy in force.
    pub fn policy(&self) -> PolicyKind {
        self.state().dispatcher.settings().policy
    }

    /// Changes the policy from now on.
    pub fn set_policy(&self, policy: PolicyKind) {
        self.state().dispatcher.set_policy(policy);
    }

    /// Decides by other settings from now on; by what was learned and is under way as before.
    pub fn change_settings(&self, settings: Settings) {
        self.state().dispatcher.change_settings(settings);
    }

    /// Decisions since start.
    pub fn counts(&self) -> DecisionCounts {
        DecisionCounts {
            serve: self.serve.load(Relaxed),
            redirect: self.redirect.load(Relaxed),
            relay: self.relay.load(Relaxed),
            stripe: self.stripe.load(Relaxed),
            switch: self.switch.load(Relaxed),
            wait: self.wait.load(Relaxed),
            reject: self.reject.load(Relaxed),
            avoided: self.avoided.load(Relaxed),
        }
    }

    /// Forgets who waits no longer.
    fn leave(&self, waiter: WaiterId) {
        let mut state = self.state();
        if state.waiting.remove(&waiter).is_some() {
            state.dispatcher.leave(waiter);
        }
    }

    /// A panic inside would have been a bug in the core; its figures would still be figures.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn measure(&mut self, now: Instant, meter: &Meter) {
        let is_old = |at| now.saturating_duration_since(at) >= MEASURE_EVERY;
        if !self.measured.is_none_or(is_old) {
            return;
        }
        self.measured = Some(now);
        let reading = meter.read(now);
        self.dispatcher.measured(
            now,
            HereLoad {
                load: reading.load,
                flows_limited_by_client: reading.flows_limited_by_client,
                egress_bytes_per_s: reading.egress_bytes_per_s,
                capacity: reading.capacity,
                footing: reading.footing,
                pressure: reading.pressure,
            },
        );
    }

    /// The members to be named in a redirect to `chosen`, that one first.
    fn links(&self, chosen: usize, dispatch: DispatchId, most: usize) -> Vec<Holder> {
        if most == 0 {
            return Vec::new();
        }
        let members = self.dispatcher.fleet().members();
        let others = self.dispatcher.runners_up(chosen, dispatch);
        let slots = iter::once(chosen).chain(others).take(most);
        slots.map(|slot| Holder::of(&members[slot])).collect()
    }

    fn act(&mut self) {
        while let Some(output) = self.dispatcher.poll_output() {
            let (waiter, verdict) = match output {
                Output::Fleet(event) => {
                    events::log(&event);
                    continue;
                }
                Output::Unreachable(client, member) => {
                    events::log_unreachable(client, &member);
                    continue;
                }
                Output::Released(waiter) => (waiter, Verdict::Turn),
                Output::Refused(waiter, retry_after_s) => {
                    (waiter, Verdict::Refused { retry_after_s })
                }
            };
            if let Some(told) = self.waiting.remove(&waiter) {
                // Who has gone in the meantime does not want to know.
                let _ = told.send(verdict);
            }
        }
    }
}

fn flow<'a>(ask: &Ask<'a>) -> Flow<'a> {
    Flow {
        revision: ask.revision,
        root: ask.root,
        bytes: ask.bytes,
        part: ask.part,
        holding: ask.holding,
        client: ask.client,
        avoid: ask.avoid,
        scheme: ask.scheme,
        turn: ask.turn,
        manner: ask.manner,
    }
}

/// How the client may be led elsewhere: not by a redirect if a mirror could not send it back.
fn manner(ask: &Ask<'_>) -> Manner {
    match ask.manner {
        Manner::AsSet if !TicketOffice::can_return(ask.host) => Manner::NotByRedirect,
        manner => manner,
    }
}
