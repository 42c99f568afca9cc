//! What happened on a node lately, as JSON: `GET /-/api/events`.
//!
//! Public and read-only: it must never hold a secret, nor more of a client than its network.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Some of the last events of a node, oldest first.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct EventsReply {
    /// The events.
    pub events: Vec<EventEntry>,
    /// What to ask for next: `?after=NEXT`. When the node was started anew its numbers begin again,
    /// and asking after a number it has not reached gives everything it remembers.
    pub next: u64,
}

/// One event.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct EventEntry {
    /// Counts up from 1 since the node started.
    pub seq: u64,
    /// When, in UTC: RFC 3339 with milliseconds.
    pub at: String,
    /// `info`, `warn` or `error`.
    pub level: String,
    /// Its id; `docs/logs.md` lists them all.
    pub event: String,
    /// What happened, in words. They may change between versions; the id does not.
    pub text: String,
    /// What it is about, under the names of the lexicon.
    pub fields: Map<String, Value>,
}
