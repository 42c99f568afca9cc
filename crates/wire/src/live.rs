//! The fleet as it goes: `GET /-/api/live`, an event stream, and `GET /-/api/history`.
//!
//! A stream begins with a [`LiveSnapshot`] (event `snapshot`) and goes on with one [`LiveSample`] a
//! second (event `sample`), each of which holds what has changed since the one before. A snapshot may
//! come again, when a reader was too slow; it replaces everything. Public and read-only: it must never
//! hold a secret, nor more of a client's address than its network.

use serde::{Deserialize, Serialize};

use crate::{
    explain::DecisionEntry,
    status::{CatalogStatus, DecisionCounts, FleetStatus, MemberStatus, NodeStatus},
};

/// Name of the event that carries a [`LiveSnapshot`].
pub const SNAPSHOT: &str = "snapshot";
/// Name of the event that carries a [`LiveSample`].
pub const SAMPLE: &str = "sample";

/// Everything there is to show.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LiveSnapshot {
    /// Counts samples up; the next sample has the next number.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// The node and its fleet.
    pub status: FleetStatus,
    /// The last minutes.
    pub history: History,
    /// What happens now.
    pub now: LiveNow,
}

/// What has changed within a second.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LiveSample {
    /// One more than of the sample before.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// The node's own figures.
    pub node: NodeStatus,
    /// The catalog.
    pub catalog: CatalogStatus,
    /// The policy in force, if the node dispatches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Decisions since start, if the node dispatches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisions: Option<DecisionCounts>,
    /// Members of which something has changed, newcomers among them.
    pub members: Vec<MemberStatus>,
    /// Members that are no longer in the fleet.
    pub gone: Vec<String>,
    /// What needs a person's attention.
    pub problems: Vec<String>,
    /// This second, as in the history.
    pub second: Second,
    /// What happens now.
    pub now: LiveNow,
}

/// What happens at the moment.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct LiveNow {
    /// The newest decisions since the sample before, newest first, capped; in a snapshot, the last.
    pub decided: Vec<DecisionEntry>,
    /// The largest flows in flight, capped.
    pub flows: Vec<FlowEntry>,
    /// The files most was asked for lately, most bytes first, capped.
    pub files: Vec<FileDemand>,
}

/// One body that is being sent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FlowEntry {
    /// What is sent, as a URL writes it.
    pub path: String,
    /// The network of the client.
    pub client: String,
    /// The member it comes from through this node; absent for this node's own bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Bytes of the body; 0 while nobody knows.
    pub bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// For how long.
    pub age_ms: u64,
}

/// What was asked of one file in the last minutes, whoever served it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FileDemand {
    /// The file, as a URL writes it.
    pub path: String,
    /// Bytes of the bodies asked for.
    pub bytes: u64,
    /// By how many bytes that may be too much.
    pub surplus_bytes: u64,
    /// Requests.
    pub requests: u64,
}

/// One second of a node.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Second {
    /// Its end, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Bytes per second that this node sent.
    pub egress_bytes_per_s: u64,
    /// Bytes per second that this node and all members it knows sent.
    pub fleet_bytes_per_s: u64,
    /// Flows in flight on all of them.
    pub flows: u64,
}

/// The last minutes, oldest first; the lists are as long as each other.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct History {
    /// The ends of the seconds, in milliseconds since 1970.
    pub at_unix_ms: Vec<u64>,
    /// See [`Second`].
    pub egress_bytes_per_s: Vec<u64>,
    /// See [`Second`].
    pub fleet_bytes_per_s: Vec<u64>,
    /// See [`Second`].
    pub flows: Vec<u64>,
}

/// The last minutes of one member: `GET /-/api/history?member=NAME`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MemberHistory {
    /// Its name.
    pub member: String,
    /// The ends of the seconds, in milliseconds since 1970.
    pub at_unix_ms: Vec<u64>,
    /// Bytes per second that it said it sent.
    pub egress_bytes_per_s: Vec<u64>,
}

impl History {
    /// Adds a second.
    pub fn push(&mut self, second: Second) {
        self.at_unix_ms.push(second.at_unix_ms);
        self.egress_bytes_per_s.push(second.egress_bytes_per_s);
        self.fleet_bytes_per_s.push(second.fleet_bytes_per_s);
        self.flows.push(second.flows);
    }
}
