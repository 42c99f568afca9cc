//! The fleet as JSON, for `overspill status`, programs and people: `GET /-/api/fleet`.
//!
//! Public and read-only: it must never hold a secret.

use serde::{Deserialize, Serialize};

/// A node's view of itself and, on a server, of its members.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FleetStatus {
    /// The answering node.
    pub node: NodeStatus,
    /// The server's instance id.
    pub instance: String,
    /// The catalog this node serves.
    pub catalog: CatalogStatus,
    /// The policy that orders candidates; absent on a mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Decisions since start; absent on a mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisions: Option<DecisionCounts>,
    /// The members, empty on a mirror.
    pub members: Vec<MemberStatus>,
    /// On a mirror, the other nodes as its server told of them; empty on the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<MemberStatus>,
    /// What needs a person's attention, in plain words.
    pub problems: Vec<String>,
}

/// One node's own figures.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct NodeStatus {
    /// `server` or `mirror`.
    pub role: String,
    /// `server`, or the member's name.
    pub name: String,
    /// Where it stands, if anybody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Software version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Flows in flight.
    pub flows: u64,
    /// Bytes per second sent in the last second.
    pub egress_bytes_per_s: u64,
    /// Egress capacity in bytes per second.
    pub capacity_bytes_per_s: u64,
    /// Flows finished since start.
    pub flows_served: u64,
    /// Body bytes sent since start.
    pub bytes_served: u64,
    /// A mirror's connection to its server: `connected` or `away`; absent on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// A catalog in figures.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CatalogStatus {
    /// Its revision.
    pub revision: u64,
    /// Files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Sum of the files' sizes.
    pub bytes: u64,
    /// Files not hashed yet, or still being written.
    pub unhashed: u64,
    /// Everything up to this revision is held and verified here.
    pub complete: u64,
    /// Objects still to fetch (on a mirror).
    pub missing_objects: u64,
    /// Bytes still to fetch (on a mirror).
    pub missing_bytes: u64,
    /// Files whose bytes on the server's disk are damaged; on a mirror, objects that were since start
    /// and have been fetched again.
    #[serde(default)]
    pub damaged: u64,
    /// Resident memory of the process in bytes, for capacity planning.
    pub resident_bytes: u64,
}

/// How often which decision was taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct DecisionCounts {
    /// Served by the server itself after weighing.
    pub serve: u64,
    /// Redirected to a mirror.
    pub redirect: u64,
    /// Relayed from a mirror.
    #[serde(default)]
    pub relay: u64,
    /// Windows of striped bodies that were asked from a node beside the first.
    #[serde(default)]
    pub stripe: u64,
    /// How often a body under way went on from another node, because the one that fed it failed.
    #[serde(default)]
    pub switch: u64,
    /// Put into the queue, because nobody able had a slot free.
    #[serde(default)]
    pub wait: u64,
    /// Refused, because that would have lasted too long.
    #[serde(default)]
    pub reject: u64,
    /// Clients that came back because a mirror failed them.
    pub avoided: u64,
}

/// One member as the server sees it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct MemberStatus {
    /// Its name.
    pub name: String,
    /// Where clients reach it.
    pub url: String,
    /// Its state, as in LEXICON.
    pub state: String,
    /// When it came into that state, in milliseconds since 1970.
    #[serde(default)]
    pub since_unix_ms: u64,
    /// Whether it fails too often to be given flows: `ejected` or `probation`; absent if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<String>,
    /// Where it stands, if anybody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What it says is wrong with it, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Software version.
    pub version: String,
    /// Revisions it is behind.
    pub lag_revisions: u64,
    /// Objects it has still to fetch.
    #[serde(default)]
    pub missing_objects: u64,
    /// Bytes it has still to fetch.
    pub missing_bytes: u64,
    /// Flows on it, dispatches on their way included.
    pub flows: u64,
    /// Bytes per second it sent in the last second.
    pub egress_bytes_per_s: u64,
    /// Its capacity in bytes per second.
    pub capacity_bytes_per_s: u64,
    /// Flows it has finished since it started.
    pub flows_served: u64,
    /// Body bytes it has sent since it started.
    pub bytes_served: u64,
    /// Flows that ended early since it started, by whoever's fault.
    #[serde(default)]
    pub flows_cut: u64,
    /// Requests that it failed since it started.
    #[serde(default)]
    pub errors: u64,
    /// Share of its processors in use, 0 to 1.
    #[serde(default)]
    pub cpu_ratio: f64,
    /// Share of time that its disk was waited for, 0 to 1.
    #[serde(default)]
    pub disk_ratio: f64,
    /// Share of recent dispatches that failed, 0 to 1.
    pub error_ratio: f64,
}
