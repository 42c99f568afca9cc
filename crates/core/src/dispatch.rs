//! Dispatch: choosing who serves a request.
//!
//! [`Dispatcher::decide`] is the whole of it: collect the candidates, let the policy choose, and count
//! the flow on the chosen one at once. Around it stand what a client's earlier requests teach
//! (`recent`), how busy this node is (`offload`), and what to do when nobody has a slot free
//! (`admission`, `queue`). It must never send a client to a member that has not proved to hold exactly
//! this version, nor to one the client asked to avoid, nor from https to http; and it allocates
//! nothing per decision.

mod admission;
mod candidate;
mod explain;
mod flow;
mod journal;
mod offload;
mod queue;
mod recent;
mod settings;
mod ticket;
mod unreachable;

use core::net::IpAddr;
use std::{collections::VecDeque, time::Instant};

use self::{
    admission::Admission,
    candidate::{Collector, Scratch, Stays},
    offload::OffloadSwitch,
    queue::{FairQueue, Lane},
    recent::{Answer, Recent, Return},
    unreachable::Unreachable,
};
pub use self::{
    admission::{MAX_RETRY_AFTER_S, MAX_WAIT},
    candidate::MAX_RUNNERS_UP,
    explain::{Considered, Excluded, Explanation, Ground},
    flow::{By, Flow, Holding, Manner, Part, Turn},
    journal::{Choice, Decided, Journal},
    offload::{OFFLOAD_BIAS, SERVER_BIAS},
    queue::WaiterId,
    settings::{Offload, Settings, Way},
    ticket::{Ticket, TicketError},
};
use crate::{
    fleet::{Evidence, Fleet, FleetError, FleetEvent, HereLoad, Input, MemberId, Orders, Report},
    limit::{Prefix, PrefixBits},
    load::{ClientRates, ClientSample, MemberRate},
    policy::{Candidate, Place, Policy, PolicyKind},
    units::Rate,
};

/// The name of one dispatch, unique in a dispatcher's life; a mirror acknowledges it by this.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DispatchId(pub u64);

/// Who serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// The node that was asked.
    Serve,
    /// The member in this slot, through the node that was asked.
    Relay {
        /// As of a redirect.
        slot: usize,
        /// As of a redirect.
        dispatch: DispatchId,
    },
    /// The member in this slot.
    Redirect {
        /// Index into [`Fleet::members`], valid until the dispatcher handles its next input.
        slot: usize,
        /// The dispatch to put into the ticket.
        dispatch: DispatchId,
    },
    /// Nobody yet: the client waits for [`Output::Released`] or [`Output::Refused`].
    Wait(WaiterId),
    /// Nobody; the client may come back after so many seconds.
    Reject {
        /// For `Retry-After`.
        retry_after_s: u32,
    },
    /// Nobody who could be reached has it.
    Nowhere,
}

/// What a dispatcher wants done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// A change in the fleet, for logs.
    Fleet(FleetEvent),
    /// This client was sent to this member and did not arrive; it is kept from it for a while.
    Unreachable(IpAddr, MemberId),
    /// It is this waiter's turn: decide again, with [`Turn::Waited`].
    Released(WaiterId),
    /// This waiter has waited in vain.
    Refused(WaiterId, u32),
}

/// Below this many bytes a redirect costs the client and the node more than it saves, whatever the
/// load: the answer would fit the first flight of a fresh connection.
pub const MIN_OFFLOAD_BYTES: u64 = 64 << 10;

/// A client by itself: what keeps one from a mirror, such as a firewall of its own, need not keep its
/// neighbours.
fn single(flow: &Flow<'_>) -> Prefix {
    Prefix::of(flow.client, PrefixBits::default())
}

/// Clients of one network share what is known of the way to them.
fn network(flow: &Flow<'_>) -> Prefix {
    ClientRates::prefix_of(flow.client)
}

/// The state machine that decides who serves.
#[derive(Debug)]
pub struct Dispatcher {
    fleet: Fleet,
    policy: Box<dyn Policy>,
    settings: Settings,
    offload: OffloadSwitch,
    admission: Admission,
    queue: FairQueue,
    recent: Recent,
    unreachable: Unreachable,
    rates: ClientRates,
    journal: Journal,
    random: fastrand::Rng,
    scratch: Scratch,
    outputs: VecDeque<Output>,
}

impl Dispatcher {
    /// A dispatcher of a fleet founded now. `seed` is for near ties and jitter.
    pub fn new(now: Instant, settings: Settings, orders: Orders, seed: u64) -> Self {
        Self {
            fleet: Fleet::new(now, orders, seed),
            policy: settings.policy.build(),
            offload: OffloadSwitch::default(),
            admission: Admission::new(settings.min_flow_rate),
            settings,
            queue: FairQueue::default(),
            recent: Recent::default(),
            unreachable: Unreachable::default(),
            rates: ClientRates::new(seed),
            journal: Journal::default(),
            random: fastrand::Rng::with_seed(seed.wrapping_add(1)),
            scratch: Scratch::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Chooses who sends `flow`, and counts it on the chosen one at once.
    pub fn decide(&mut self, now: Instant, flow: &Flow<'_>) -> Decision {
        if flow.bytes < MIN_OFFLOAD_BYTES && flow.holding == Holding::Here {
            return Decision::Serve;
        }
        self.learn(now, flow);
        self.collect(now, flow);
        if self.scratch.candidates.is_empty() || self.has_to_queue(flow) {
            return self.decide_without_slot(now, flow);
        }
        let chosen = self.choose(now, flow);
        self.commit(now, flow, chosen)
    }

    /// The slots of the members that could serve the flow of the last decision as well, cheapest
    /// first, at most [`MAX_RUNNERS_UP`]. They passed the same filter as the one in `chosen`; nothing
    /// is counted on them. Valid right after a [`Decision::Redirect`] to `chosen`.
    pub fn runners_up(
        &self,
        chosen: usize,
        dispatch: DispatchId,
    ) -> impl Iterator<Item = usize> + use<> {
        self.scratch.runners_up(chosen, dispatch.0)
    }

    /// Chooses who goes on with a body that is under way; `flow` is what is left of it, and avoids
    /// whoever has failed it. Never redirects, refuses, or lets wait.
    pub fn go_on(&mut self, now: Instant, flow: &Flow<'_>) -> Decision {
        self.collect(now, flow);
        if self.scratch.candidates.is_empty() {
            return Decision::Nowhere;
        }
        let chosen = self.choose(now, flow);
        self.commit(now, flow, chosen)
    }

    /// What would be decided, and why; nothing is counted or learned.
    pub fn explain(&mut self, now: Instant, flow: &Flow<'_>) -> Explanation {
        self.collect(now, flow);
        let ground = self.ground(flow);
        let chosen = match ground {
            Ground::TooSmall => Some(Place::Here),
            Ground::Full | Ground::Nowhere => None,
            Ground::Cost | Ground::Stays => Some(self.foresee(now, flow).place),
        };
        let weighed = &self.scratch.candidates;
        explain::explain(&self.collector(now, flow), weighed, chosen, ground)
    }

    /// What is decided by, in the order of [`Dispatcher::decide`].
    fn ground(&self, flow: &Flow<'_>) -> Ground {
        let is_here = flow.holding == Holding::Here;
        let candidates = &self.scratch.candidates;
        if flow.bytes < MIN_OFFLOAD_BYTES && is_here {
            Ground::TooSmall
        } else if candidates.is_empty() && !self.scratch.somebody_is_full {
            Ground::Nowhere
        } else if candidates.is_empty() || self.has_to_queue(flow) {
            Ground::Full
        } else if self.stays() == Stays::Yes && candidates[0].is_here() {
            Ground::Stays
        } else {
            Ground::Cost
        }
    }

    /// What would be chosen next; turns are not taken, nor chances.
    fn foresee(&mut self, now: Instant, flow: &Flow<'_>) -> Candidate {
        let (policy, random) = (self.policy.fork(), self.random.clone());
        let chosen = self.choose(now, flow);
        (self.policy, self.random) = (policy, random);
        chosen
    }

    /// Takes in what happened to the fleet. `now` never goes backwards.
    pub fn handle(&mut self, now: Instant, input: &Input<'_>) -> Result<(), FleetError> {
        if let Input::Reported(id, report) = input {
            self.see_clients(now, id, &report.clients);
        }
        let result = self.fleet.handle(now, input);
        while let Some(event) = self.fleet.poll_output() {
            self.outputs.push_back(Output::Fleet(event));
        }
        if matches!(input, Input::Tick) {
            self.serve_queue(now);
        }
        result
    }

    /// Takes in a fresh picture of this node's load; expected about ten times a second.
    pub fn measured(&mut self, now: Instant, here: HereLoad) {
        let slots = self.admission.slots(here.capacity);
        let taken = here.wanting_flows() as f64 / slots;
        self.offload
            .observe(now, here.pressure.utilization(), taken);
        self.fleet.here_measured(here);
        self.admission.settle(now, taken);
    }

    /// Takes in what this node saw of its own clients.
    pub fn see_own_clients(&mut self, now: Instant, clients: &[ClientSample]) {
        for sample in clients {
            self.rates.observe(now, HERE_KEY, sample);
        }
    }

    /// A client says that `member` failed it (`?avoid=`). Believed only of a member it was sent to.
    pub fn returned_from(&mut self, now: Instant, flow: &Flow<'_>, member: &MemberId) {
        if self.recent.take_blame(now, flow, member) {
            let _ = self.handle(now, &Input::Weighed(member, Evidence::Failure));
        }
    }

    /// The next thing to do, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The fleet.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The last decisions.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What is set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether this node sends away what it would otherwise serve.
    pub fn is_offloading(&self) -> bool {
        self.offload.is_on()
    }

    /// Whether flows are let in at half the least rate, so that fewer are refused.
    pub fn is_browned_out(&self) -> bool {
        self.admission.is_browned_out()
    }

    /// Clients waiting for a slot.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Whether this node has no slot for a large flow.
    pub fn is_full(&self) -> bool {
        let here = self.fleet.here();
        here.wanting_flows() as f64 >= self.admission.slots(here.capacity)
    }

    /// Changes the policy from now on.
    pub fn set_policy(&mut self, policy: PolicyKind) {
        self.settings.policy = policy;
        self.policy = policy.build();
    }

    /// Decides by other settings from now on. Flows, members and what was learned stay.
    pub fn change_settings(&mut self, settings: Settings) {
        if settings.policy != self.settings.policy {
            self.set_policy(settings.policy);
        }
        self.admission.set_min_flow_rate(settings.min_flow_rate);
        self.settings = settings;
    }

    /// Forgets a client that is waiting no longer, because its connection is gone.
    pub fn leave(&mut self, waiter: WaiterId) {
        self.queue.leave(waiter);
    }

    fn collector<'a>(&'a self, now: Instant, flow: &'a Flow<'a>) -> Collector<'a> {
        let seen = self.rates.about(network(flow));
        Collector {
            fleet: &self.fleet,
            flow,
            settings: &self.settings,
            admission: &self.admission,
            bias: self.offload.bias(),
            stays: self.stays(),
            unreachable: &self.unreachable,
            seen,
            client_rate: fastest(seen),
            now,
        }
    }

    fn stays(&self) -> Stays {
        match self.settings.offload {
            Offload::Never => Stays::Yes,
            Offload::WhenBusy if !self.offload.is_on() => Stays::Yes,
            Offload::Share | Offload::WhenBusy => Stays::No,
        }
    }

    fn collect(&mut self, now: Instant, flow: &Flow<'_>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        self.collector(now, flow).collect(&mut scratch);
        self.scratch = scratch;
    }

    /// Where this client's file was served a moment ago, if that is still good; else the policy's choice.
    fn choose(&mut self, now: Instant, flow: &Flow<'_>) -> Candidate {
        let candidates = &self.scratch.candidates;
        let best = || {
            candidates
                .iter()
                .map(|c| c.cost_s)
                .fold(f64::INFINITY, f64::min)
        };
        let last = self.recent.last_answer(now, flow);
        let last = last.and_then(|answer| {
            candidates
                .iter()
                .find(|candidate| match (candidate.place, answer) {
                    (Place::Here, Answer::Here) => true,
                    (Place::Member(slot), Answer::Member(id)) => {
                        self.fleet.members()[slot].id() == id
                    }
                    _ => false,
                })
        });
        match last {
            Some(last) if last.cost_s <= best() * STAY_FACTOR => *last,
            _ => {
                let at = self.policy.choose(candidates, &mut self.random);
                candidates[at.min(candidates.len() - 1)]
            }
        }
    }

    fn commit(&mut self, now: Instant, flow: &Flow<'_>, chosen: Candidate) -> Decision {
        let considered = self.scratch.candidates.len();
        // Before the flow is counted: one more may be more than a node on probation is given.
        let by = self.by(now, flow, chosen.place);
        let member = match chosen.place {
            Place::Here => None,
            Place::Member(slot) => self
                .fleet
                .member_takes(now, slot, flow.bytes)
                .map(|id| (slot, id)),
        };
        let Some((slot, dispatch)) = member else {
            self.fleet.here_takes(flow.bytes);
            self.recent.note(now, flow, Answer::Here, None);
            self.journal
                .note(now, flow, Choice::Here, chosen.cost_s, considered);
            return Decision::Serve;
        };
        let id = self.fleet.members()[slot].id();
        // A client that is relayed to never goes there, so its return says nothing of the member.
        let expected = (by == By::Redirect).then_some(dispatch);
        self.recent.note(now, flow, Answer::Member(id), expected);
        let (choice, decision) = match by {
            By::Redirect => (
                Choice::Member(id.clone()),
                Decision::Redirect { slot, dispatch },
            ),
            By::Relay => {
                self.fleet.here_takes(flow.bytes);
                let choice = Choice::Relay(self.fleet.members()[slot].id().clone());
                (choice, Decision::Relay { slot, dispatch })
            }
        };
        self.journal
            .note(now, flow, choice, chosen.cost_s, considered);
        decision
    }

    /// How a flow gets to its client from where it was found able to.
    fn by(&self, now: Instant, flow: &Flow<'_>, place: Place) -> By {
        let member = match place {
            Place::Here => None,
            Place::Member(slot) => self.fleet.members().get(slot),
        };
        let by = member.map(|member| self.collector(now, flow).by(member));
        by.and_then(Result::ok).unwrap_or(By::Redirect)
    }

    /// What the return of a client says about where it was sent before.
    fn learn(&mut self, now: Instant, flow: &Flow<'_>) {
        if flow.turn == Turn::Waited {
            return;
        }
        match self.recent.consider_return(now, flow, &self.fleet) {
            Return::Nothing => {}
            Return::NeverArrived(member) => {
                self.unreachable.note(now, single(flow), member.clone());
                self.outputs
                    .push_back(Output::Unreachable(flow.client, member));
            }
            Return::CutShort(member) => {
                let _ = self.handle(now, &Input::Weighed(&member, Evidence::Failure));
            }
        }
    }

    /// Nobody overtakes those who wait, but who goes on with a download.
    fn has_to_queue(&self, flow: &Flow<'_>) -> bool {
        flow.turn == Turn::First && !self.queue.is_empty() && Lane::of(flow) != Lane::Resumed
    }

    /// Nobody able has a slot free: brown out, then wait, then refuse.
    fn decide_without_slot(&mut self, now: Instant, flow: &Flow<'_>) -> Decision {
        if !self.scratch.somebody_is_full && self.scratch.candidates.is_empty() {
            return Decision::Nowhere;
        }
        let queue_is_empty = self.queue.is_empty();
        if queue_is_empty && self.admission.brown_out() {
            self.collect(now, flow);
            if !self.scratch.candidates.is_empty() {
                let chosen = self.choose(now, flow);
                return self.commit(now, flow, chosen);
            }
        }
        let wait_s = self.wait_s(self.queue.len() + 1);
        if flow.turn == Turn::First
            && wait_s <= MAX_WAIT.as_secs_f64()
            && let Some(waiter) = self.queue.enter(now, flow)
        {
            return Decision::Wait(waiter);
        }
        let retry_after_s = admission::retry_after_s(wait_s, &mut self.random);
        self.journal.note(now, flow, Choice::Rejected, wait_s, 0);
        Decision::Reject { retry_after_s }
    }

    /// Lets in as many as there are free slots, in fair order, and sends away who waited too long.
    fn serve_queue(&mut self, now: Instant) {
        if self.queue.is_empty() {
            return;
        }
        for _ in 0..self.free_slots() {
            let Some(waiter) = self.queue.next() else {
                break;
            };
            self.outputs.push_back(Output::Released(waiter));
        }
        while let Some(waiter) = self.queue.expire(now) {
            let wait_s = self.wait_s(self.queue.len() + 1);
            let retry_after_s = admission::retry_after_s(wait_s, &mut self.random);
            self.outputs
                .push_back(Output::Refused(waiter, retry_after_s));
        }
    }

    fn free_slots(&self) -> usize {
        let free = |capacity: Rate, flows: u64| {
            (self.admission.open_slots(capacity) - flows as f64).max(0.0) as usize
        };
        let here = self.fleet.here();
        let ready = self
            .fleet
            .members()
            .iter()
            .filter(|member| member.is_able());
        free(here.capacity, here.wanting_flows())
            + ready
                .map(|member| free(member.capacity(), member.wanting_flows()))
                .sum::<usize>()
    }

    /// Seconds until so many more flows have ended: their mean rest over the capacity of all.
    fn wait_s(&self, flows_ahead: usize) -> f64 {
        let here = self.fleet.here();
        let ready = self
            .fleet
            .members()
            .iter()
            .filter(|member| member.is_able());
        let mut sums = (
            here.load.bytes() as f64,
            here.load.flows(),
            here.capacity.bytes_per_s(),
        );
        for member in ready {
            sums.0 += member.load().bytes() as f64;
            sums.1 += member.load().flows();
            sums.2 += member.capacity().bytes_per_s();
        }
        let (bytes, flows, capacity) = sums;
        flows_ahead as f64 * bytes / flows.max(1) as f64 / capacity
    }

    fn see_clients(&mut self, now: Instant, id: &MemberId, clients: &[ClientSample]) {
        let Some(key) = self.fleet.member(id).map(|member| member.key()) else {
            return;
        };
        for sample in clients.iter().take(Report::MAX_CLIENTS) {
            self.rates.observe(now, key, sample);
        }
    }
}

/// The highest rate of those that are known.
fn fastest(seen: &[MemberRate]) -> Option<Rate> {
    let rates = seen.iter().filter_map(|seen| seen.rate);
    rates.max_by(|a, b| a.bytes_per_s().total_cmp(&b.bytes_per_s()))
}

/// Where a client's file was served a moment ago it is served again, up to this factor of the least
/// cost: who fetches a file in pieces, as aria2 does, keeps its connections.
const STAY_FACTOR: f64 = 2.0;
/// The key of this node in the table of clients.
const HERE_KEY: u32 = 0;

#[cfg(test)]
mod tests;
