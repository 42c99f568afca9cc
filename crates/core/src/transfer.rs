//! How one file is pulled from many sources: which bytes, from whom, and when to stop.
//!
//! [`Scheduler`] is the state machine: it is told what the network does (`handle`), and says what to
//! do next (`poll`). [`Pieces`] knows what is there, `sources` what is known of those who have it,
//! `concurrency` how many connections pay. Nothing here sends, waits or writes; it must never let a
//! piece count that was not verified, nor hand out more than its limits allow.

mod concurrency;
mod pieces;
mod scheduler;
mod sources;

use std::time::Duration;

pub use self::{
    pieces::{Pieces, Verdict},
    scheduler::{Action, Blame, End, Event, News, Order, Reason, Scheduler},
    sources::{SOURCES_MAX, Tally},
};

/// The unit of transfer and verification, 1 MiB. Metalinks may have another.
pub const PIECE_BYTES: u64 = 1 << 20;

/// A source, as whoever drives the scheduler numbers it. Below [`SOURCES_MAX`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SourceId(pub u32);

/// The host of a source. Several sources may be one host, which has one limit on connections.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostId(pub u32);

/// A request, numbered in the order they begin; never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(pub u64);

/// How far a transfer may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes asked for and not yet verified, or verified and not yet written, at most. One piece is
    /// allowed in any case.
    pub budget_bytes: u64,
    /// Connections at once, at most; the trial of a source that was slow comes on top.
    pub connections_max: u32,
    /// The same for one host.
    pub per_host_max: u32,
    /// Give up when no group of 64 KiB came from anybody for this long.
    pub stall: Duration,
    /// A source that failed so often in a row without sending anything is left.
    pub tries_max: u32,
}

impl Default for Limits {
    /// 64 MiB, 16 connections, 4 to a host, 60 s, 10 tries.
    fn default() -> Self {
        Self {
            budget_bytes: 64 << 20,
            connections_max: 16,
            per_host_max: 4,
            stall: Duration::from_secs(60),
            tries_max: 10,
        }
    }
}

#[cfg(test)]
mod tests;
