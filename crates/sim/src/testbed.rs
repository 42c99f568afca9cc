//! Many clients that each choose among many replicas for themselves: the testbed of Prequal (NSDI
//! 2024, section 5), rebuilt.
//!
//! A replica has a tenth of a machine for sure, and what its neighbours on the machine leave of the
//! rest. A query is one thread: it goes at most as fast as one core. It ends within five seconds or
//! counts as an error. How the neighbours of the original behaved is not published, so only orders
//! and collapses can be compared, never milliseconds.

mod machine;
mod pool;
mod replica;
mod rule;

use std::{collections::BTreeMap, ops::Range};

use fastrand::Rng;

pub use self::{
    machine::Machine,
    rule::{Rule, RuleKind},
};
use self::{
    replica::Replica,
    rule::{Probe, Replicas},
};
use crate::{
    agenda::Agenda,
    farm::Farm,
    law::{ArrivalLaw, Arrivals},
    random::{Seed, Stream, normal},
    station::{Flow, FlowId, SharingLink, Station},
    stats::Quantiles,
    time::Time,
};

/// How many clients there are, and how many replicas.
const CLIENTS: usize = 100;
const REPLICAS: usize = 100;

/// Work of a query in core-seconds: normal with this mean and deviation, and never less than
/// [`WORK_S_MIN`]. The published quantiles below full load (p50 80 ms, p90 182, p99 265, p99.9 325)
/// are those of this law, run on a core of its own.
const WORK_S: f64 = 0.080;
const WORK_S_MIN: f64 = 0.001;

/// E\[max(N(1, 1), 0)\]: what cutting at zero makes of the mean.
const CUT_MEAN: f64 = 1.0833;

/// When a query has failed.
const DEADLINE_S: f64 = 5.0;

/// How often replicas tell what they did and what it cost them.
const WEIGH_EVERY_S: f64 = 1.0;

/// What is asked of the testbed.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Work per second as a share of what all replicas are sure to get.
    pub load: f64,
    /// What a query costs on the replicas of odd number, as a multiple of what it costs on the
    /// others.
    pub odd_cost: f64,
    /// What the machines are like.
    pub machine: Machine,
    /// By which rule clients choose.
    pub rule: RuleKind,
    /// Seconds before measuring, and while measuring.
    pub seconds: [f64; 2],
    /// What all chance follows from.
    pub seed: Seed,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Milliseconds from sending to the answer, or to the deadline.
    pub latency_ms: Quantiles,
    /// Queries that reached their deadline.
    pub errors: u64,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrival,
    Deadline(FlowId),
    /// The neighbours of this replica change.
    Neighbours(usize),
    Weigh,
}

/// A query under way.
#[derive(Clone, Copy, Debug)]
struct Query {
    client: usize,
    replica: usize,
    /// Queries in flight on the replica when it came, itself among them.
    in_flight: usize,
}

struct Testbed<'a> {
    setup: &'a Setup,
    agenda: Agenda<Event>,
    farm: Farm<SharingLink>,
    replicas: Vec<Replica>,
    clients: Vec<Box<dyn Rule>>,
    queries: BTreeMap<FlowId, Query>,
    arrivals: Arrivals,
    sizes: Rng,
    nodes: Rng,
    choices: Rng,
    arrived: u64,
    outcome: Outcome,
}

/// Runs the testbed, until every query that is measured has been answered or has failed.
pub fn run(setup: &Setup) -> Outcome {
    let mut testbed = Testbed::new(setup);
    let end = Time::from_secs(setup.measured().end + DEADLINE_S);
    while testbed.step() < end {}
    testbed.outcome
}

impl Setup {
    /// When the queries come that are measured, in seconds.
    fn measured(&self) -> Range<f64> {
        let [before, during] = self.seconds;
        before..before + during
    }

    /// Queries per second.
    fn rate(&self) -> f64 {
        let sure = self.machine.sure_cores * REPLICAS as f64;
        // Half of the replicas do `1 / odd_cost` of what the others do with the same cores.
        let effective = sure * (1.0 + 1.0 / self.odd_cost) / 2.0;
        self.load * effective / (WORK_S * CUT_MEAN)
    }
}

impl Outcome {
    /// Share of queries that reached their deadline.
    pub fn error_ratio(&self) -> f64 {
        self.errors as f64 / self.latency_ms.total().max(1) as f64
    }
}

impl<'a> Testbed<'a> {
    fn new(setup: &'a Setup) -> Self {
        let law = ArrivalLaw::Poisson { rate: setup.rate() };
        let mut choices = setup.seed.stream(Stream::Choices);
        let client = |_| setup.rule.build(REPLICAS, &mut choices);
        let clients = (0..CLIENTS).map(client).collect();
        let idle = (0..REPLICAS).map(|_| SharingLink::new(setup.machine.sure_cores));
        let mut testbed = Self {
            setup,
            agenda: Agenda::new(),
            farm: Farm::new(idle.collect()),
            replicas: Vec::with_capacity(REPLICAS),
            clients,
            queries: BTreeMap::new(),
            arrivals: Arrivals::new(law, setup.seed.stream(Stream::Arrivals)),
            sizes: setup.seed.stream(Stream::Sizes),
            nodes: setup.seed.stream(Stream::Nodes),
            choices,
            arrived: 0,
            outcome: Outcome::default(),
        };
        testbed.begin();
        testbed
    }

    fn begin(&mut self) {
        for at in 0..REPLICAS {
            let neighbours = self.setup.machine.start(&mut self.nodes);
            self.replicas.push(Replica::new(neighbours));
            self.neighbours_change(Time::ZERO, at);
        }
        let first = self.arrivals.next_at();
        self.agenda.insert(first, Event::Arrival);
        let weigh_at = Time::from_secs(WEIGH_EVERY_S);
        self.agenda.insert(weigh_at, Event::Weigh);
    }

    /// Lets the next thing happen, and says when that was.
    fn step(&mut self) -> Time {
        let due = self.agenda.next_at();
        let departure = self.farm.next_departure();
        if departure.is_some_and(|end| due.is_none_or(|due| end <= due)) {
            self.depart()
        } else {
            self.handle_due()
        }
    }

    fn handle_due(&mut self) -> Time {
        let Some((now, event)) = self.agenda.take_next() else {
            return Time::NEVER;
        };
        match event {
            Event::Arrival => self.arrive(now),
            Event::Deadline(id) => self.expire(now, id),
            Event::Neighbours(at) => self.neighbours_change(now, at),
            Event::Weigh => self.weigh(now),
        }
        now
    }

    fn arrive(&mut self, now: Time) {
        let id = FlowId(self.arrived);
        self.arrived += 1;
        let client = self.choices.usize(0..CLIENTS);
        let view = View {
            farm: &self.farm,
            replicas: &self.replicas,
        };
        let replica = self.clients[client].choose(now, &view, &mut self.choices);
        let work_s = (WORK_S * (1.0 + normal(&mut self.sizes))).max(WORK_S_MIN);
        let flow = Flow {
            id,
            arrived: now,
            size: work_s * self.cost(replica),
            rate_max: 1.0,
        };
        self.farm.start(replica, now, flow);
        let query = Query {
            client,
            replica,
            in_flight: self.farm.stations()[replica].flows(),
        };
        self.queries.insert(id, query);
        self.replicas[replica].started(flow.size);
        self.agenda.insert(now + DEADLINE_S, Event::Deadline(id));
        self.agenda.insert(self.arrivals.next_at(), Event::Arrival);
    }

    fn cost(&self, replica: usize) -> f64 {
        if replica.is_multiple_of(2) {
            1.0
        } else {
            self.setup.odd_cost
        }
    }

    fn depart(&mut self) -> Time {
        let Some((now, at, flow)) = self.farm.depart() else {
            return Time::NEVER;
        };
        if let Some(query) = self.queries.remove(&flow.id) {
            let latency_s = now - flow.arrived;
            self.replicas[at].answered(query.in_flight, latency_s);
            self.clients[query.client].ended(at);
            self.observe(&flow, latency_s);
        }
        now
    }

    fn expire(&mut self, now: Time, id: FlowId) {
        let Some(query) = self.queries.remove(&id) else {
            return; // answered in time
        };
        let at = query.replica;
        if let Some((flow, left)) = self.farm.change(at, |link| link.abort(now, id)) {
            self.replicas[at].aborted(left);
            self.clients[query.client].ended(at);
            self.observe(&flow, DEADLINE_S);
        }
    }

    fn observe(&mut self, flow: &Flow, latency_s: f64) {
        if self.setup.measured().contains(&flow.arrived.as_secs()) {
            self.outcome.latency_ms.observe(latency_s * 1e3);
            self.outcome.errors += u64::from(latency_s >= DEADLINE_S);
        }
    }

    fn neighbours_change(&mut self, now: Time, at: usize) {
        let neighbours = self.replicas[at].neighbours_change();
        let machine = &self.setup.machine;
        let cores = machine.cores(neighbours, &mut self.nodes);
        let stay_s = machine.stay_s(neighbours, &mut self.nodes);
        self.farm
            .change(at, |link| link.change_capacity(now, cores));
        self.agenda.insert(now + stay_s, Event::Neighbours(at));
    }

    fn weigh(&mut self, now: Time) {
        let links = self.farm.stations().iter();
        let weights: Vec<f64> = links
            .zip(&mut self.replicas)
            .map(|(link, replica)| replica.weigh(link.work_before(now, f64::INFINITY)))
            .collect();
        for client in &mut self.clients {
            client.weighed(&weights);
        }
        self.agenda.insert(now + WEIGH_EVERY_S, Event::Weigh);
    }
}

/// What a probe can see.
struct View<'a> {
    farm: &'a Farm<SharingLink>,
    replicas: &'a [Replica],
}

impl Replicas for View<'_> {
    fn count(&self) -> usize {
        self.replicas.len()
    }

    fn probe(&self, at: usize) -> Probe {
        let in_flight = self.farm.stations()[at].flows();
        Probe {
            in_flight,
            latency_s: self.replicas[at].latency_at(in_flight),
        }
    }
}

#[cfg(test)]
mod tests;
