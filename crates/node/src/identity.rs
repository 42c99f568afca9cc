//! Who this node is, and how much it is doing.
//!
//! Figures for reports and the status page, measured in one place so that both always agree. It must
//! never be on the path of a request.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use overspill_core::{
    load::{
        CapacityEstimate, ClientSample, Footing, LoadHistogram, Pressure, Prior, Sample as Second,
    },
    units::Rate,
};
use overspill_net::{FlowTable, FlowTotals, SendingSample};
use overspill_wire::status::NodeStatus;

use crate::machine::Machine;

/// What a node is called.
#[derive(Clone, Debug)]
pub struct NodeIdentity {
    /// `server` or `mirror`.
    pub role: &'static str,
    /// `server`, or the member's name.
    pub name: String,
    /// Where it stands, if anybody said.
    pub zone: Option<String>,
    /// Software version.
    pub version: &'static str,
    /// When it started.
    pub started: Instant,
}

/// Measures a node's egress, capacity and pressure, from its flow table and the machine.
#[derive(Debug)]
pub struct Meter {
    flows: Arc<FlowTable>,
    state: Mutex<MeterState>,
}

#[derive(Debug)]
struct MeterState {
    capacity: CapacityEstimate,
    sampled: Instant,
    sampled_bytes: u64,
    egress_bytes_per_s: f64,
    sending: SendingSample,
    answered: u64,
    failed: u64,
    requests_per_s: f64,
    errors_per_s: f64,
    pressure: Pressure,
    machine: Machine,
}

impl MeterState {
    /// Whether nothing of this node's can be what holds flows back.
    fn has_room(&self, now: Instant) -> bool {
        // A link that is only assumed to be fast may be full all the time.
        self.capacity.footing(now) != Footing::Assumed
            && self.pressure.utilization() < ROOM_TO_SPARE_RATIO
            && !self.capacity.is_saturated(now)
    }

    /// Closes a sample of requests, from their sums since start.
    fn rate_requests(&mut self, answered: u64, failed: u64, elapsed_s: f64) {
        let rate = |sum: u64, before: u64| sum.saturating_sub(before) as f64 / elapsed_s;
        self.requests_per_s = rate(answered, self.answered);
        self.errors_per_s = rate(failed, self.failed);
        (self.answered, self.failed) = (answered, failed);
    }

    /// Flows that would not go faster if others ended. The kernel cannot tell our full link from a
    /// client's slow line, but while there is room here it is not ours.
    fn flows_limited_by_client(&self, now: Instant) -> u64 {
        let limited_here = match self.has_room(now) {
            true => 0,
            false => self.sending.flows_limited_here,
        };
        self.sending.flows.saturating_sub(limited_here)
    }
}

/// So many flows at once make no queue that matters.
const QUIET_FLOWS: u64 = 2;
/// Below this share in use, nothing of the node's holds a flow back.
const ROOM_TO_SPARE_RATIO: f64 = 0.5;

/// One look at a node's load.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Flows in flight by remaining bytes.
    pub load: LoadHistogram,
    /// Egress over the last full sample.
    pub egress_bytes_per_s: f64,
    /// Capacity estimate.
    pub capacity: Rate,
    /// What it rests on.
    pub footing: Footing,
    /// How near the node was to what it can do, as of the last sample.
    pub pressure: Pressure,
    /// Flows that this node did not hold back in the last second: their clients did, or the way.
    pub flows_limited_by_client: u64,
    /// Requests answered in the last second.
    pub requests_per_s: f64,
    /// Those that this node failed.
    pub errors_per_s: f64,
    /// Sums since start.
    pub totals: FlowTotals,
}

impl Meter {
    /// A meter over `flows`, with what is believed of the capacity so far.
    pub fn new(flows: Arc<FlowTable>, prior: Prior, now: Instant) -> Self {
        let state = MeterState {
            capacity: CapacityEstimate::new(prior),
            sampled: now,
            sampled_bytes: 0,
            egress_bytes_per_s: 0.0,
            sending: SendingSample::default(),
            answered: 0,
            failed: 0,
            requests_per_s: 0.0,
            errors_per_s: 0.0,
            pressure: Pressure::default(),
            machine: Machine::new(),
        };
        Self {
            flows,
            state: Mutex::new(state),
        }
    }

    /// Begins anew with what is believed of the capacity: the operator says otherwise than before.
    pub fn set_prior(&self, prior: Prior) {
        self.state().capacity = CapacityEstimate::new(prior);
    }

    /// Closes a sample; to be called about once a second, and not by a serving thread, for it reads
    /// some small files of the kernel's.
    pub fn sample(&self, now: Instant) {
        let (totals, sending) = (self.flows.totals(), self.flows.sending());
        let (bytes, answered) = (totals.bytes, self.flows.tallied().requests());
        let mut state = self.state();
        let elapsed_s = now.saturating_duration_since(state.sampled).as_secs_f64();
        if elapsed_s <= 0.0 {
            return;
        }
        let usage = state.machine.usage();
        let egress = bytes.saturating_sub(state.sampled_bytes) as f64 / elapsed_s;
        state.sampled = now;
        state.sampled_bytes = bytes;
        state.rate_requests(answered, totals.errors, elapsed_s);
        state.egress_bytes_per_s = egress;
        state.sending = sending;
        let second = Second {
            egress_bytes_per_s: egress,
            flows: sending.flows,
            flows_limited_here: sending.flows_limited_here,
            same_flows: sending.same_flows,
            cpu_busy: usage.cpu_busy,
        };
        state.capacity.observe(now, &second);
        let capacity = state.capacity.rate(now);
        self.flows.measure_by(capacity);
        let used = egress / capacity.bytes_per_s();
        let cpu = usage.cpu_busy.max(usage.cpu_waiting);
        state.pressure = Pressure::new(used, cpu, usage.disk_waiting);
    }

    /// The flows that are measured.
    pub fn flows(&self) -> &Arc<FlowTable> {
        &self.flows
    }

    /// Flows in flight by remaining bytes, now.
    pub fn load(&self) -> LoadHistogram {
        self.flows.load()
    }

    /// The load now, with everything else as of the last sample.
    pub fn read(&self, now: Instant) -> Reading {
        let load = self.flows.load();
        let totals = self.flows.totals();
        let state = self.state();
        Reading {
            load,
            egress_bytes_per_s: state.egress_bytes_per_s,
            capacity: state.capacity.rate(now),
            footing: state.capacity.footing(now),
            pressure: state.pressure,
            flows_limited_by_client: state.flows_limited_by_client(now),
            requests_per_s: state.requests_per_s,
            errors_per_s: state.errors_per_s,
            totals,
        }
    }

    /// What was learned of clients since the last call, which takes it away; nothing while this node
    /// has a queue of its own.
    ///
    /// A queue lengthens every round trip and shortens every rate that passes it, and says nothing of
    /// the way. A node that took its own crowd for distance would not be sent anybody, and so would
    /// never learn better.
    pub fn client_samples(&self) -> Vec<ClientSample> {
        let samples = self.flows.take_client_samples();
        match self.state().sending.flows {
            0..=QUIET_FLOWS => samples,
            _ => Vec::new(),
        }
    }

    /// The node in figures.
    pub fn node_status(&self, identity: &NodeIdentity, now: Instant) -> NodeStatus {
        let reading = self.read(now);
        NodeStatus {
            role: identity.role.to_owned(),
            name: identity.name.clone(),
            zone: identity.zone.clone(),
            version: identity.version.to_owned(),
            uptime_s: now.saturating_duration_since(identity.started).as_secs(),
            flows: reading.load.flows(),
            egress_bytes_per_s: reading.egress_bytes_per_s as u64,
            capacity_bytes_per_s: reading.capacity.bytes_per_s() as u64,
            flows_served: reading.totals.finished,
            bytes_served: reading.totals.bytes,
            server: None,
        }
    }

    /// Held for a few arithmetic operations that cannot panic.
    fn state(&self) -> std::sync::MutexGuard<'_, MeterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_of_sending_is_measured_against_the_capacity() {
        let flows = Arc::new(FlowTable::new(1));
        let (prior, began) = (Rate::from_bytes_per_s(1e6), Instant::now());
        let meter = Meter::new(Arc::clone(&flows), Prior::Told(prior), began);
        for (second, bytes, egress) in [(1, 250_000, 0.25), (2, 2_000_000, 1.0), (3, 0, 0.0)] {
            flows.shard(0).sent_at_once(bytes);
            let now = began + Duration::from_secs(second);
            meter.sample(now);
            let reading = meter.read(now);
            assert_eq!(reading.egress_bytes_per_s, bytes as f64);
            assert_eq!(reading.pressure.egress(), egress);
            assert!(reading.pressure.utilization() >= egress);
            assert_eq!(reading.capacity, prior);
            assert_eq!(
                reading.flows_limited_by_client, 0,
                "nothing was seen sending"
            );
        }
    }

    #[test]
    fn a_node_has_room_while_it_is_less_than_half_used() {
        let now = Instant::now();
        let flows = Arc::new(FlowTable::new(1));
        let meter = Meter::new(flows, Prior::Told(Rate::GIGABIT), now);
        for (pressure, has_room) in [
            (Pressure::default(), true),
            (Pressure::new(0.4, 0.2, 0.1), true),
            (Pressure::new(0.5, 0.2, 0.1), false),
            (Pressure::new(0.1, 0.2, 0.9), false),
        ] {
            meter.state().pressure = pressure;
            assert_eq!(meter.state().has_room(now), has_room, "{pressure:?}");
        }
    }
}
