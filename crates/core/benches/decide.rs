//! What one decision costs, by the size of the fleet: time, and allocations.
//!
//! A fleet whose members carry flows of many sizes is asked for bodies of many sizes by many clients;
//! between batches of a thousand everybody reports. Run it with
//! `cargo xtask bench decide`. It must never time the making of the questions.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark is what the clock is for"
)]

use std::{
    alloc::System,
    hint::black_box,
    io::Write,
    net::IpAddr,
    time::{Duration, Instant},
};

use overspill_core::{
    catalog::Revision,
    dispatch::{Decision, Dispatcher, Flow, Holding, Manner, Part, Settings, Turn},
    fleet::{Hello, HereLoad, Input, MemberId, Orders, Reach, Report, Scheme},
    policy::PolicyKind,
    root::Root,
    units::Rate,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Decisions of one batch; the median batch is told.
const BATCH: usize = 1000;
/// Batches.
const BATCHES: usize = 200;
/// Flows that each member carries.
const FLOWS_EACH: usize = 40;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "policy             members   ns/decision   allocations/decision   target"
    )?;
    for policy in PolicyKind::ALL {
        for (members, target) in [(10, "-"), (100, "< 1000 ns"), (1000, "< 5000 ns")] {
            let (nanos, allocations) = measure(policy, members);
            writeln!(
                out,
                "{:<18} {members:>7} {nanos:>13.0} {allocations:>22.3}   {target}",
                policy.name(),
            )?;
        }
    }
    Ok(())
}

/// Nanoseconds and allocations of one decision.
fn measure(policy: PolicyKind, members: usize) -> (f64, f64) {
    let mut fleet = Farm::new(policy, members);
    let mut batches = Vec::with_capacity(BATCHES);
    let mut allocations = 0;
    // Once for everything that grows to its size at first.
    fleet.batch();
    for _ in 0..BATCHES {
        fleet.report();
        let (elapsed, allocated) = fleet.batch();
        batches.push(elapsed);
        allocations += allocated;
    }
    batches.sort_unstable();
    let median = batches[BATCHES / 2];
    let decisions = (BATCH * BATCHES) as f64;
    (
        median.as_nanos() as f64 / BATCH as f64,
        allocations as f64 / decisions,
    )
}

struct Farm {
    dispatcher: Dispatcher,
    random: fastrand::Rng,
    names: Vec<MemberId>,
    now: Instant,
    seq: u64,
}

impl Farm {
    fn new(policy: PolicyKind, members: usize) -> Self {
        let now = Instant::now();
        let settings = Settings {
            policy,
            min_flow_rate: Rate::from_bytes_per_s(1.0),
            ..Settings::default()
        };
        let mut farm = Self {
            dispatcher: Dispatcher::new(now, settings, Orders::default(), 1),
            random: fastrand::Rng::with_seed(1),
            names: (0..members)
                .filter_map(|at| format!("m-{at}").parse().ok())
                .collect(),
            now,
            seq: 0,
        };
        for name in farm.names.clone() {
            let hello = Hello {
                member: name.clone(),
                url: format!("http://{name}.example"),
                epoch: 1,
                version: String::new(),
                zone: None,
                reach: Reach::default(),
            };
            farm.tell(&Input::Joined(&hello));
            farm.tell(&Input::StreamOpened(&name));
        }
        let here = HereLoad {
            capacity: Rate::GIGABIT,
            ..HereLoad::default()
        };
        farm.dispatcher.measured(now, here);
        farm.report();
        farm
    }

    fn tell(&mut self, input: &Input<'_>) {
        // The members are all known; a refusal would only make the fleet smaller.
        let _ = self.dispatcher.handle(self.now, input);
    }

    /// Everybody reports; what was dispatched before has arrived.
    fn report(&mut self) {
        self.seq += 1;
        self.now += Duration::from_secs(11);
        for name in self.names.clone() {
            let capacity = Rate::from_bytes_per_s(125e6 * self.random.f64().max(0.1));
            let mut report = Report::idle(1, self.seq, capacity);
            report.complete = Revision(1);
            report.egress_bytes_per_s = capacity.bytes_per_s();
            let sizes = (0..FLOWS_EACH).map(|_| 1 << self.random.u32(10..33));
            report.load.extend(sizes.collect::<Vec<u64>>());
            self.tell(&Input::Reported(&name, &report));
        }
        self.tell(&Input::Tick);
        while self.dispatcher.poll_output().is_some() {}
    }

    fn batch(&mut self) -> (Duration, usize) {
        let flows: Vec<Flow<'_>> = (0..BATCH).map(|_| flow(&mut self.random)).collect();
        let region = Region::new(ALLOCATOR);
        let begun = Instant::now();
        for flow in &flows {
            let decision = self.dispatcher.decide(self.now, black_box(flow));
            debug_assert!(!matches!(decision, Decision::Nowhere));
            black_box(decision);
        }
        (begun.elapsed(), region.change().allocations)
    }
}

fn flow(random: &mut fastrand::Rng) -> Flow<'static> {
    let mut root = [0; 32];
    random.fill(&mut root);
    Flow {
        revision: Revision(1),
        root: Root(root),
        bytes: 1 << random.u32(16..33),
        part: Part::Whole,
        holding: Holding::Here,
        client: IpAddr::from(random.u32(..).to_be_bytes()),
        avoid: &[],
        scheme: Scheme::Http,
        turn: Turn::First,
        manner: Manner::AsSet,
    }
}
