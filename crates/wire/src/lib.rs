//! What nodes say to each other, and its JSON.
//!
//! The types here are for the wire only: each converts to or from a type of `core`, which checks it.
//! No type of `core` is serialized, so the wire can change without the core and the core without the
//! wire. Nothing here sends or receives.

pub mod admin;
pub mod auth;
pub mod events;
pub mod explain;
pub mod feed;
pub mod fleet;
pub mod listing;
pub mod live;
pub mod order;
pub mod paths;
pub mod sources;
pub mod status;
pub mod view;

use thiserror::Error;

/// A message that does not say what it should. The sender's fault; not worth a retry.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("bad {field}: {reason}")]
pub struct WireError {
    /// The field or part at fault.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl WireError {
    /// Names the field at fault and what is wrong with it.
    pub fn new(field: &'static str, reason: impl ToString) -> Self {
        Self {
            field,
            reason: reason.to_string(),
        }
    }
}

/// Version of the control protocol; both sides must speak the same.
pub const PROTOCOL: u32 = 1;
