//! Events: what happens on a node, told to its operator.
//!
//! An event is a line of the log that has an id, `event = "member-state"`; [`EVENTS`] lists them all.
//! [`EventLog`] is the one way out for all lines: it limits how often one thing is told, and hands
//! them on, to an output or to the [`EventStore`] behind `GET /-/api/events`. Nothing here may be
//! called on the path of a request, nor let one subject crowd out the others.

mod log;
mod record;
mod registry;
mod repeats;
mod routes;
mod store;

pub use self::{
    log::EventLog,
    record::{Line, RESERVED_FIELDS},
    registry::{EVENTS, EventKind, LEFT_OUT, reference},
    routes::event_routes,
    store::EventStore,
};
