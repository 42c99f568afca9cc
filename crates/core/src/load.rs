//! What a node's load is made of: remaining bytes by size, rates that decay, egress capacity.
//!
//! Numbers only. It must never read a clock: every time is an argument and only grows.

mod capacity;
mod ewma;
mod histogram;

pub use self::{
    capacity::CapacityEstimate,
    ewma::DecayingRatio,
    histogram::{BUCKETS, Bucket, LoadHistogram},
};
