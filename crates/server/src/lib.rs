//! The server: publishes a tree, runs the fleet, dispatches.
//!
//! Three parts that meet only in shared snapshots: [`publish`] turns the live tree into a catalog,
//! [`control`] runs the fleet of mirrors, and [`role`] answers requests over both. It must never
//! write to the published tree.

mod admin;
mod check;
mod control;
mod damage;
mod feed;
mod metrics;
mod orders;
mod publish;
mod role;
mod run;
mod scrub;
mod secret_file;
mod token;

pub use self::{
    admin::{ADMIN_TOKEN_FILE, AdminTokenError},
    publish::Loss,
    run::{Config, Running, StartError, is_published, start},
    token::{TokenFileError, read_token},
};
