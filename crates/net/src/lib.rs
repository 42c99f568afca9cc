//! Sockets: the tokio shell around the pure cores.
//!
//! It accepts connections, runs the sans-IO HTTP/1.1 of `http1` on them, moves bytes (one write for
//! small bodies, sendfile for large ones), hands what is not a plain file request to hyper, and
//! makes requests to other nodes. It must never decide what a request means; that is the part of the
//! [`Service`] it is given.

mod accept;
mod admission;
pub mod client;
mod clock;
mod connection;
mod disk;
mod evidence;
mod flows;
mod handover;
mod listener;
mod live;
mod observe;
mod pool;
mod relay;
mod seats;
mod service;
mod shared;
mod streamed;
mod sweeper;
mod tally;
pub mod tls;
mod transmit;
mod transport;

pub use self::{
    admission::{
        CLIENTS_MAX, ClientLimits, ConnectionPermit, Gate, GateTotals, Pace, Refusal, RetryAfter,
    },
    clock::{Clock, Now},
    evidence::{MAX_CLIENT_SAMPLES, SendingSample},
    flows::{Flow, FlowTable, FlowTotals, Label, SeenFlow, Shard},
    handover::HandedOver,
    listener::{BindError, Binding, Bound, ServeLimits, Serving, any_address, bind},
    observe::{Asked, AskedVersion, Exchange, Outcome},
    relay::{
        AheadMemory, Choice, Guide, Loading, Relay, Relayer, Reservation, Source, StripeGuide,
        Striped,
    },
    seats::Seats,
    service::{
        Answer, Body, ByteStream, Client, Decision, FileBody, Framing, Part, Parts, Reply,
        Security, Service, StreamItem,
    },
    streamed::Streamed,
    tally::{Answers, DecisionKind, Distribution, Ending, Endings, Tallied},
};
