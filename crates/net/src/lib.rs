//! Sockets: the tokio shell around the pure cores.
//!
//! It accepts connections, runs the sans-IO HTTP/1.1 of `http1` on them, moves bytes (one write for
//! small bodies, sendfile for large ones), hands what is not a plain file request to hyper, and
//! makes requests to other nodes. It must never decide what a request means; that is the part of the
//! [`Service`] it is given.

pub mod client;
mod clock;
mod connection;
mod flows;
mod handover;
mod listener;
mod pool;
mod service;
mod sweeper;
mod transmit;

pub use self::{
    clock::{Clock, Now},
    flows::{Flow, FlowTable, FlowTotals, Shard},
    handover::{ClientAddress, HandedOver, RouterFuture, StreamedFile},
    listener::{BindError, Bound, ServeLimits, Serving, any_address, bind},
    service::{
        Answer, Body, ByteStream, FileBody, Framing, Part, Parts, Reply, Service, StreamItem,
    },
};
