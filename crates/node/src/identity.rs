//! Who this node is, and how much it is doing.
//!
//! Figures for reports and the status page, measured in one place so that both always agree. It must
//! never be on the path of a request.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use overspill_core::{
    load::{CapacityEstimate, LoadHistogram},
    units::Rate,
};
use overspill_net::{FlowTable, FlowTotals};
use overspill_wire::status::NodeStatus;

/// What a node is called.
#[derive(Clone, Debug)]
pub struct NodeIdentity {
    /// `server` or `mirror`.
    pub role: &'static str,
    /// `server`, or the member's name.
    pub name: String,
    /// Software version.
    pub version: &'static str,
    /// When it started.
    pub started: Instant,
}

/// Measures a node's egress and capacity from its flow table.
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
}

/// One look at a node's load.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Flows in flight by remaining bytes.
    pub load: LoadHistogram,
    /// Egress over the last full sample.
    pub egress_bytes_per_s: f64,
    /// Capacity estimate.
    pub capacity: Rate,
    /// Sums since start.
    pub totals: FlowTotals,
}

impl Meter {
    /// A meter over `flows`, with the capacity the operator told, if any.
    pub fn new(flows: Arc<FlowTable>, told: Option<Rate>, now: Instant) -> Self {
        let state = MeterState {
            capacity: CapacityEstimate::new(told),
            sampled: now,
            sampled_bytes: 0,
            egress_bytes_per_s: 0.0,
        };
        Self {
            flows,
            state: Mutex::new(state),
        }
    }

    /// Closes a sample; to be called about once a second.
    pub fn sample(&self, now: Instant) {
        let bytes = self.flows.totals().bytes;
        let mut state = self.state();
        let elapsed_s = now.saturating_duration_since(state.sampled).as_secs_f64();
        if elapsed_s <= 0.0 {
            return;
        }
        state.egress_bytes_per_s = bytes.saturating_sub(state.sampled_bytes) as f64 / elapsed_s;
        state.sampled = now;
        state.sampled_bytes = bytes;
        let egress = state.egress_bytes_per_s;
        state.capacity.observe(now, egress);
    }

    /// The load now, with egress and capacity as of the last sample.
    pub fn read(&self, now: Instant) -> Reading {
        let (egress_bytes_per_s, capacity) = {
            let state = self.state();
            (state.egress_bytes_per_s, state.capacity.rate(now))
        };
        Reading {
            load: self.flows.load(),
            egress_bytes_per_s,
            capacity,
            totals: self.flows.totals(),
        }
    }

    /// The node in figures.
    pub fn node_status(&self, identity: &NodeIdentity, now: Instant) -> NodeStatus {
        let reading = self.read(now);
        NodeStatus {
            role: identity.role.to_owned(),
            name: identity.name.clone(),
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
