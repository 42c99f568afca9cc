//! What a node's load is made of: remaining bytes by size, rates that decay, egress capacity,
//! pressure, what clients get from which node, and what they ask for most.
//!
//! Numbers only. It must never read a clock: every time is an argument and only grows.

mod capacity;
mod client_rates;
mod demand;
mod ewma;
mod histogram;
mod pace;
mod pressure;

pub(crate) use self::pace::{PRIOR_RTT, slow_start_round_trips};
pub use self::{
    capacity::{CapacityEstimate, Footing, Prior, SameFlows, Sample},
    client_rates::{ClientRates, ClientSample, Limit, MemberRate},
    demand::{Asked, DemandTable, Demanded},
    ewma::DecayingRatio,
    histogram::{BUCKETS, Bucket, LoadHistogram},
    pace::Pace,
    pressure::Pressure,
};
