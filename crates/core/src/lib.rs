//! The pure core of Overspill: what a path, an entry, a member and a decision are.
//!
//! Everything here is a value or a state machine driven from outside. Time, randomness and secrets
//! come in as arguments; nothing here opens a file, owns a socket, reads a clock or spawns a thread.
//! That is what lets the simulator and the product run the same code.
//!
//! Start reading at [`dispatch::decide`], the function that chooses who serves a request, and
//! [`fleet::Fleet`], the state machine that knows the members.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "tests count their virtual time from some instant"
    )
)]

pub mod catalog;
pub mod dispatch;
pub mod fleet;
pub mod limit;
pub mod load;
pub mod path;
pub mod policy;
pub mod relay;
pub mod root;
pub mod secret;
pub mod transfer;
pub mod units;
