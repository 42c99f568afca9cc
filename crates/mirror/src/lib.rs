//! The mirror: joins a server, copies its tree, proves every byte, serves, reports.
//!
//! [`replica`] is what the mirror has and lacks; [`sync`] makes the one into the other; [`link`] is
//! its tie to the server; [`role`] answers requests. It must never serve bytes it has not verified,
//! and never forget what it has because its server is away.

mod drain;
mod feed;
mod fetch;
mod link;
mod metrics;
mod replica;
mod report;
mod role;
mod rules;
mod run;
mod scrub;
mod session;
mod sync;

pub use self::{
    link::{Link, Refusal},
    run::{Config, Running, StartError, start},
};
