//! Relay: bodies whose bytes come from other nodes.
//!
//! Only the rules: what is asked for, what is accepted, when somebody else is asked. It must never
//! read a socket or a clock.

mod answer;
mod continuation;
mod stripe;

pub use self::{
    answer::{AnswerHead, Fault},
    continuation::{Continuation, Cut, Feeder, Input, MAX_SWITCHES, STALLED_AFTER, Span, Step},
    stripe::{
        FLOW_AHEAD_BYTES, Lanes, MAX_LANES, MAX_WINDOW_BYTES, MIN_STRIPED_BYTES, MIN_WINDOW_BYTES,
        NODE_AHEAD_BYTES, Plan, Stripe, Verdict, WindowId,
    },
};
