//! One run of a fleet.
//!
//! The first tenth of the requests is not measured, because the fleet starts idle. Requests keep
//! coming until the last measured one is done, or long enough that what is left is told as
//! unfinished. It must never be a function of anything but its setup.

use std::collections::{BTreeMap, HashMap};

use fastrand::Rng;
use overspill_core::dispatch::{Turn, WaiterId};

use super::{
    Phase, Scenario, Setup, Summary,
    balancer::{self, Answer, Balancer, Told, WaitEnd},
    meter::{Measured, Meter},
    request::Request,
};
use crate::{
    agenda::Agenda,
    chooser::{Nodes, Score},
    farm::Farm,
    law::Arrivals,
    random::{Stream, exponential},
    station::{Flow, FlowId, SharingLink, Station},
    time::Time,
};

/// Measured requests come after a tenth as many that are not.
const WARM_UP_DIVISOR: u64 = 10;
/// At most so many times as many requests come as are measured.
const ARRIVALS_RATIO_MAX: u64 = 2;
/// What happens to the first mirror happens when this share of the measured requests has come.
const FAULT_AFTER: f64 = 0.4;
/// What a mirror keeps that loses capacity, and what one has that is slow.
const LOSS_KEEPS: f64 = 0.25;
const SLOW_HAS: f64 = 0.1;
/// How soon a broken connection is known.
const BREAK_KNOWN_S: f64 = 0.01;
/// How soon a client comes back, at least; as much again is chance.
const RETURN_S: f64 = 1.0;
const ABORT_RATIO: f64 = 0.1;
const ABORT_MEAN_S: f64 = 1.0;
const REPORT_LOSS_RATIO: f64 = 0.5;
const TICK_S: f64 = 0.1;
const REPORT_S: f64 = 1.0;

/// Runs `setup` on a fleet that is idle.
pub fn run(setup: &Setup) -> Summary {
    let mut run = Run::new(setup);
    while !run.is_over() {
        run.step();
    }
    run.finish()
}

#[derive(Clone, Debug)]
enum Event {
    Abort(FlowId),
    Arrival,
    Break(usize),
    Fault,
    Report(usize),
    Return(Request),
    Tick,
}

struct Run<'a> {
    setup: &'a Setup,
    farm: Farm<SharingLink>,
    nodes: Vec<Node>,
    balancer: Box<dyn Balancer>,
    agenda: Agenda<Event>,
    arrivals: Arrivals,
    sizes: Rng,
    /// What nodes and clients do on their own.
    chance: Rng,
    arrived: u64,
    /// Where each flow is.
    running: BTreeMap<FlowId, (usize, Request)>,
    waiting: HashMap<WaiterId, Request>,
    /// Measured requests that are neither done nor given up.
    open: u64,
    fastest: f64,
    now: Time,
    good_bytes: f64,
    summary: Summary,
}

#[derive(Debug, Default)]
struct Node {
    meter: Meter,
    last: Option<Measured>,
    reports: u32,
    is_dead: bool,
}

impl<'a> Run<'a> {
    fn new(setup: &'a Setup) -> Self {
        let server = setup.server.map(|server| server.capacity);
        let capacities: Vec<f64> = setup.mirrors.iter().map(|mirror| mirror.capacity).collect();
        let capacities: Vec<f64> = capacities.into_iter().chain(server).collect();
        let mut run = Self {
            setup,
            fastest: capacities.iter().copied().fold(0.0, f64::max),
            nodes: capacities.iter().map(|_| Node::default()).collect(),
            farm: Farm::new(capacities.into_iter().map(SharingLink::new).collect()),
            balancer: balancer::build(setup),
            agenda: Agenda::new(),
            arrivals: Arrivals::new(setup.arrivals, setup.seed.stream(Stream::Arrivals)),
            sizes: setup.seed.stream(Stream::Sizes),
            chance: setup.seed.stream(Stream::Nodes),
            arrived: 0,
            running: BTreeMap::new(),
            waiting: HashMap::new(),
            open: setup.requests,
            now: Time::ZERO,
            good_bytes: 0.0,
            summary: Summary::new(setup.requests),
        };
        run.schedule();
        run
    }

    fn schedule(&mut self) {
        self.agenda.insert(self.arrivals.next_at(), Event::Arrival);
        self.agenda.insert(Time::from_secs(TICK_S), Event::Tick);
        for at in 0..self.nodes.len() {
            let phase_s = match self.setup.reports.phase {
                Phase::Spread => REPORT_S * at as f64 / self.nodes.len() as f64,
                Phase::Together => 0.0,
            };
            let first = Time::from_secs(REPORT_S + phase_s);
            self.agenda.insert(first, Event::Report(at));
        }
        match self.setup.scenario {
            Scenario::Crash | Scenario::Loss => {
                let rate = self.setup.arrivals.rate_at(Time::ZERO);
                let at = Time::from_secs(FAULT_AFTER * self.setup.requests as f64 / rate);
                self.agenda.insert(at, Event::Fault);
            }
            Scenario::Slow => self.scale_first(Time::ZERO, SLOW_HAS),
            Scenario::Aborts | Scenario::FlashCrowd | Scenario::LostReports | Scenario::Steady => {}
        }
    }

    fn is_over(&self) -> bool {
        self.open == 0 || self.arrived > self.setup.requests * ARRIVALS_RATIO_MAX
    }

    fn finish(mut self) -> Summary {
        self.summary.unfinished = self.open;
        self.summary.goodput_bytes_per_s = self.good_bytes / self.now.as_secs();
        self.summary
    }

    /// Lets the next thing happen; departures come before what is due at the same time.
    fn step(&mut self) {
        let due = self.agenda.next_at();
        let departure = self.farm.next_departure();
        if departure.is_some_and(|end| due.is_none_or(|due| end <= due)) {
            self.depart();
        } else if let Some((now, event)) = self.agenda.take_next() {
            self.now = now;
            self.happen(now, event);
        }
    }

    fn happen(&mut self, now: Time, event: Event) {
        match event {
            Event::Abort(id) => self.abort(now, id),
            Event::Arrival => self.arrive(now),
            Event::Break(at) => self.balancer.lost(now, at),
            Event::Fault => self.fail_first(now),
            Event::Report(at) => self.report(now, at),
            Event::Return(request) => {
                self.summary.resumed += 1;
                self.ask(now, request);
            }
            Event::Tick => self.tick(now),
        }
    }

    fn arrive(&mut self, now: Time) {
        let size = self.setup.sizes.draw(&mut self.sizes).round().max(1.0);
        let request = Request::new(self.arrived, now, size);
        self.arrived += 1;
        self.agenda.insert(self.arrivals.next_at(), Event::Arrival);
        self.ask(now, request);
    }

    fn ask(&mut self, now: Time, request: Request) {
        match self.balancer.decide(now, &request, &self.farm) {
            Answer::Node(at) => self.start(now, at, request),
            Answer::Refused => self.refuse(&request),
            Answer::Wait(waiter) => {
                self.waiting.insert(waiter, request);
            }
        }
    }

    fn refuse(&mut self, request: &Request) {
        self.close(request);
        if self.is_measured(request) {
            self.summary.refused += 1;
        }
    }

    fn start(&mut self, now: Time, at: usize, request: Request) {
        if self.nodes[at].is_dead {
            return self.send_back(now, request.failed_by(at, request.left()));
        }
        if request.number.is_multiple_of(self.setup.regret_every) && self.is_measured(&request) {
            let regret = self.regret(now, at, request.left());
            self.summary.regret.observe(regret);
        }
        let id = FlowId(request.number);
        let flow = Flow {
            id,
            arrived: now,
            size: request.left(),
            rate_max: f64::INFINITY,
        };
        self.nodes[at].meter.started(flow.size);
        self.farm.start(at, now, flow);
        self.running.insert(id, (at, request));
        if self.setup.scenario == Scenario::Aborts && self.chance.f64() < ABORT_RATIO {
            let patience_s = ABORT_MEAN_S * exponential(&mut self.chance);
            self.agenda.insert(now + patience_s, Event::Abort(id));
        }
    }

    /// Marginal cost there, as a multiple of the least anywhere.
    fn regret(&self, now: Time, at: usize, size: f64) -> f64 {
        let truth = self.farm.truth(now);
        let cost = |at| Score::MarginalCost.of(size, &truth, at);
        let least = (0..truth.count()).map(cost).fold(f64::INFINITY, f64::min);
        cost(at) / least
    }

    fn depart(&mut self) {
        let Some((now, at, flow)) = self.farm.depart() else {
            return;
        };
        self.now = now;
        self.nodes[at].meter.served();
        if let Some((_, request)) = self.running.remove(&flow.id) {
            self.good_bytes += request.size;
            self.close(&request);
            if self.is_measured(&request) {
                self.summary.observe(now, &request, self.fastest);
            }
        }
    }

    fn abort(&mut self, now: Time, id: FlowId) {
        if let Some((_, request)) = self.cut(now, id) {
            self.close(&request);
            self.summary.aborted += u64::from(self.is_measured(&request));
        }
    }

    /// Ends a flow early: where it was, and what its client has now.
    fn cut(&mut self, now: Time, id: FlowId) -> Option<(usize, Request)> {
        let (at, request) = self.running.remove(&id)?;
        let (_, left) = self.farm.change(at, |link| link.abort(now, id))?;
        self.nodes[at].meter.cut(left);
        Some((at, request.failed_by(at, left)))
    }

    fn fail_first(&mut self, now: Time) {
        if self.setup.scenario == Scenario::Loss {
            return self.scale_first(now, LOSS_KEEPS);
        }
        let there = |(id, (at, _)): (&FlowId, &(usize, Request))| (*at == 0).then_some(*id);
        let flows: Vec<FlowId> = self.running.iter().filter_map(there).collect();
        for id in flows {
            if let Some((_, request)) = self.cut(now, id) {
                self.send_back(now, request);
            }
        }
        self.nodes[0].is_dead = true;
        self.scale_first(now, 0.0);
        self.agenda.insert(now + BREAK_KNOWN_S, Event::Break(0));
    }

    fn scale_first(&mut self, now: Time, factor: f64) {
        self.farm.change(0, |link| {
            let capacity = link.capacity() * factor;
            link.change_capacity(now, capacity);
        });
    }

    fn send_back(&mut self, now: Time, request: Request) {
        let after_s = RETURN_S * (1.0 + self.chance.f64());
        self.agenda.insert(now + after_s, Event::Return(request));
    }

    fn report(&mut self, now: Time, at: usize) {
        let node = &mut self.nodes[at];
        if node.is_dead {
            return;
        }
        let is_fresh = node.reports.is_multiple_of(self.setup.reports.every_s);
        if is_fresh {
            let link = &self.farm.stations()[at];
            node.last = Some(node.meter.measure(now, link));
        }
        node.reports += 1;
        let is_lost = self.setup.scenario == Scenario::LostReports
            && at < self.setup.mirrors.len()
            && self.chance.f64() < REPORT_LOSS_RATIO;
        if let Some(measured) = node.last.as_ref().filter(|_| !is_lost) {
            let told = if is_fresh {
                Told::Fresh
            } else {
                Told::Repeated
            };
            self.balancer.heard(now, at, told(measured));
        }
        self.agenda.insert(now + REPORT_S, Event::Report(at));
    }

    fn tick(&mut self, now: Time) {
        let server = self.setup.server.map(|_| self.setup.mirrors.len());
        let link = server.map(|at| &self.farm.stations()[at]);
        self.balancer.tick(now, link);
        while let Some(end) = self.balancer.poll() {
            match end {
                WaitEnd::Refused(waiter) => {
                    if let Some(request) = self.waiting.remove(&waiter) {
                        self.refuse(&request);
                    }
                }
                WaitEnd::Released(waiter) => {
                    if let Some(request) = self.waiting.remove(&waiter) {
                        let turn = Turn::Waited;
                        self.ask(now, Request { turn, ..request });
                    }
                }
            }
        }
        self.agenda.insert(now + TICK_S, Event::Tick);
    }

    fn close(&mut self, request: &Request) {
        self.open -= u64::from(self.is_measured(request));
    }

    fn is_measured(&self, request: &Request) -> bool {
        let first = self.setup.requests / WARM_UP_DIVISOR;
        (first..first + self.setup.requests).contains(&request.number)
    }
}
