//! The product's dispatcher as a balancer: the code that ships, on the simulator's clock.
//!
//! What a shell would do around it is here and nothing else: it makes reports of measurements, hands
//! over acknowledgements, ticks. It must never decide anything.

use overspill_core::{
    catalog::Revision,
    dispatch::{
        Decision, DispatchId, Dispatcher, Flow, Holding, Manner, Output, Part, Settings, Way,
    },
    fleet::{Hello, HereLoad, Input, MemberId, Orders, Reach, Report, Scheme},
    load::{ClientSample, Footing, Limit, Pressure},
    policy::PolicyKind,
    root::Root,
    units::Rate,
};

use super::{
    Setup, Ways,
    balancer::{Answer, Balancer, Told, WaitEnd},
    request::Request,
};
use crate::{
    clock::Clock,
    farm::Farm,
    station::{SharingLink, Station},
    time::Time,
};

/// The dispatcher, and what its mirrors would remember.
#[derive(Debug)]
pub(super) struct Dispatched {
    clock: Clock,
    dispatcher: Dispatcher,
    mirrors: Vec<Reporter>,
    server: Option<Rate>,
    /// Where the server is among the nodes: after the mirrors, whether they have joined or not.
    server_at: usize,
    ways: Ways,
    /// What the server was last measured to send.
    server_egress: f64,
}

/// What a mirror remembers to report.
#[derive(Debug)]
struct Reporter {
    id: MemberId,
    told: Rate,
    seq: u64,
    /// Clients that arrived since the last report that came through.
    arrived: Vec<DispatchId>,
}

/// Which mirrors join.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Joining {
    /// Every one.
    All,
    /// None.
    Nobody,
}

/// All files are of one batch, which every mirror holds.
const REVISION: Revision = Revision(1);
const EPOCH: u64 = 1;

impl Dispatched {
    pub(super) fn new(setup: &Setup, policy: PolicyKind, joining: Joining) -> Self {
        let clock = Clock::new();
        let rate = setup.server.map(|server| server.min_flow_rate);
        let settings = Settings {
            policy,
            min_flow_rate: rate.unwrap_or_else(|| Rate::from_bytes_per_s(1.0)),
            way: Way::Redirect,
            ..Settings::default()
        };
        let now = clock.at(Time::ZERO);
        let told = setup.mirrors.iter().map(|mirror| mirror.told);
        let told = told.filter(|_| joining == Joining::All);
        let mut dispatched = Self {
            clock,
            dispatcher: Dispatcher::new(now, settings, Orders::default(), setup.seed.0),
            mirrors: told.enumerate().map(Reporter::new).collect(),
            server: setup.server.map(|s| Rate::from_bytes_per_s(s.capacity)),
            server_at: setup.mirrors.len(),
            ways: setup.ways,
            server_egress: 0.0,
        };
        dispatched.join_all();
        dispatched.measure_here(Time::ZERO, None);
        dispatched
    }

    fn join_all(&mut self) {
        for at in 0..self.mirrors.len() {
            let id = self.mirrors[at].id.clone();
            let hello = Hello {
                member: id.clone(),
                url: format!("http://{id}.example"),
                epoch: EPOCH,
                version: String::new(),
                zone: None,
                reach: Reach::default(),
            };
            self.handle(Time::ZERO, &Input::Joined(&hello));
            self.handle(Time::ZERO, &Input::StreamOpened(&id));
            self.report(Time::ZERO, at, Vec::new(), |report| report);
        }
    }

    fn handle(&mut self, now: Time, input: &Input<'_>) {
        // A mirror that is taken for gone is refused until it joins again, which is as it should be.
        let _ = self.dispatcher.handle(self.clock.at(now), input);
    }

    fn report(
        &mut self,
        now: Time,
        at: usize,
        acknowledged: Vec<DispatchId>,
        fill: impl FnOnce(Report) -> Report,
    ) {
        let mirror = &mut self.mirrors[at];
        mirror.seq += 1;
        let report = fill(Report {
            complete: REVISION,
            catalog: REVISION,
            acknowledged,
            clients: self.ways.samples(),
            ..Report::idle(EPOCH, mirror.seq, mirror.told)
        });
        let id = mirror.id.clone();
        self.handle(now, &Input::Reported(&id, &report));
    }

    fn measure_here(&mut self, now: Time, link: Option<&SharingLink>) {
        let capacity = self.server.unwrap_or_else(|| Rate::from_bytes_per_s(1.0));
        let busy = self.server_egress / capacity.bytes_per_s();
        let here = HereLoad {
            load: link.map(|link| link.histogram(now)).unwrap_or_default(),
            flows_limited_by_client: 0,
            egress_bytes_per_s: self.server_egress,
            capacity,
            footing: Footing::Told,
            pressure: Pressure::new(busy, 0.0, 0.0),
        };
        self.dispatcher.measured(self.clock.at(now), here);
    }

    /// Which mirror stands in a slot: members are in the order in which they joined, and number from 1.
    fn mirror_in(&self, slot: usize) -> usize {
        self.dispatcher.fleet().members()[slot].key() as usize - 1
    }
}

impl Balancer for Dispatched {
    fn decide(&mut self, now: Time, request: &Request, _farm: &Farm<SharingLink>) -> Answer {
        let avoid = request.avoid.and_then(|at| self.mirrors.get(at));
        let avoid: Vec<MemberId> = avoid.map(|mirror| mirror.id.clone()).into_iter().collect();
        let flow = Flow {
            revision: REVISION,
            root: root_of(request),
            bytes: request.bytes_left(),
            part: part_of(request),
            holding: if self.server.is_some() {
                Holding::Here
            } else {
                Holding::Elsewhere
            },
            client: request.client(),
            avoid: &avoid,
            scheme: Scheme::Http,
            turn: request.turn,
            manner: Manner::AsSet,
        };
        let instant = self.clock.at(now);
        for failed in &avoid {
            self.dispatcher.returned_from(instant, &flow, failed);
        }
        match self.dispatcher.decide(instant, &flow) {
            // Relays: not under these settings.
            Decision::Nowhere | Decision::Reject { .. } | Decision::Relay { .. } => Answer::Refused,
            Decision::Redirect { slot, dispatch } => {
                let at = self.mirror_in(slot);
                self.mirrors[at].arrived.push(dispatch);
                Answer::Node(at)
            }
            Decision::Serve => Answer::Node(self.server_at),
            Decision::Wait(waiter) => Answer::Wait(waiter),
        }
    }

    fn heard(&mut self, now: Time, at: usize, report: Told<'_>) {
        let (Told::Fresh(measured) | Told::Repeated(measured)) = report;
        if at == self.server_at {
            self.server_egress = measured.egress_bytes_per_s;
        }
        if at >= self.mirrors.len() {
            return;
        }
        let arrived = match report {
            Told::Fresh(_) => std::mem::take(&mut self.mirrors[at].arrived),
            Told::Repeated(_) => Vec::new(),
        };
        let told = self.mirrors[at].told.bytes_per_s();
        self.report(now, at, arrived, |report| Report {
            load: measured.load.clone(),
            egress_bytes_per_s: measured.egress_bytes_per_s,
            pressure: Pressure::new(measured.egress_bytes_per_s / told, 0.0, 0.0),
            flows_served: measured.served,
            flows_cut: measured.cut,
            bytes_served: measured.bytes_sent as u64,
            ..report
        });
    }

    fn lost(&mut self, now: Time, at: usize) {
        if let Some(mirror) = self.mirrors.get(at) {
            let id = mirror.id.clone();
            self.handle(now, &Input::StreamClosed(&id));
        }
    }

    fn tick(&mut self, now: Time, server: Option<&SharingLink>) {
        if self.server.is_some() {
            self.measure_here(now, server);
        }
        self.handle(now, &Input::Tick);
    }

    fn poll(&mut self) -> Option<WaitEnd> {
        std::iter::from_fn(|| self.dispatcher.poll_output()).find_map(|output| match output {
            Output::Fleet(_) | Output::Unreachable(..) => None,
            Output::Refused(waiter, _) => Some(WaitEnd::Refused(waiter)),
            Output::Released(waiter) => Some(WaitEnd::Released(waiter)),
        })
    }
}

impl Reporter {
    fn new((at, told): (usize, f64)) -> Self {
        Self {
            id: format!("m-{at}").parse().expect("a member's name"),
            told: Rate::from_bytes_per_s(told),
            seq: 0,
            arrived: Vec::new(),
        }
    }
}

impl Ways {
    /// What a report tells of the clients' network.
    fn samples(self) -> Vec<ClientSample> {
        let sample = ClientSample {
            address: Request::new(0, Time::ZERO, 1.0).client(),
            bytes_per_s: 0.0,
            rtt: std::time::Duration::ZERO,
            limited_by: Limit::Here,
        };
        match self {
            Self::Measured => vec![sample],
            Self::Unknown => Vec::new(),
        }
    }
}

/// Each request is for a content of its own: that a client asks again says something only when the
/// scenario makes it.
fn root_of(request: &Request) -> Root {
    let mut root = [0; 32];
    root[..8].copy_from_slice(&request.number.to_be_bytes());
    Root(root)
}

fn part_of(request: &Request) -> Part {
    if request.received > 0.0 {
        Part::Rest(request.received as u64)
    } else {
        Part::Whole
    }
}
