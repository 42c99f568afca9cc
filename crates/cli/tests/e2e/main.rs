//! End to end: the real binary, real files, real clients.
//!
//! Every promise of the README that one machine can show has its test here. Nodes are child
//! processes on free ports of the loopback, each test has a folder of its own, and nothing outlives
//! its test. No test may sleep: it waits for a condition, and fails by naming it.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where it is wrong; the lint's own exception covers only #[test]"
)]

mod access;
mod agent_check;
mod archives;
mod asking;
mod bad_input;
mod browser;
mod carrier;
mod checksums;
mod clients;
mod commands;
mod configuration;
mod console;
mod crash;
mod disk;
mod doctor;
mod events;
mod explain;
mod fleet;
mod get_many;
mod hosts;
mod http;
mod http2;
mod interop;
mod keyboard;
mod limits;
mod live;
mod metrics;
mod multi;
mod operate;
mod protocol;
mod real_tree;
mod relay;
mod reload;
mod replicas;
mod restart;
mod rotation;
mod rules;
mod secure;
mod shares;
mod shell;
mod siblings;
mod signals;
mod sources;
mod stage;
mod striping;
mod tickets;
mod tls;
mod tools;
mod top;
mod torn;
