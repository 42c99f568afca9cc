//! A discrete-event simulator of dispatch: one virtual clock, many nodes, the product's own core.
//!
//! Everything is a function of a seed. Nothing here reads a clock, a file or the system's
//! randomness, and nothing iterates in the order of a hash, so the same seed prints the same bytes;
//! a result that cannot be reproduced must never be printed.
//!
//! From below: [`time`] and [`agenda`] are the clock and what is due on it, [`random`] and [`law`]
//! the chance, [`station`] what a node does to flows, [`chooser`] the rules that pick a node,
//! [`farm`] the nodes together, [`experiment`] one run with its [`stats`]; [`testbed`] is another kind
//! of run, with many clients that each choose for themselves. [`fleet`] runs the product's dispatcher
//! under load and faults, [`property`] under noise, against a model. On top stand the
//! [`tables`], which hold the simulator itself against published and exact results: only a
//! simulator that reproduces what is known may say something about what is not.

pub mod agenda;
pub mod board;
pub mod chooser;
pub mod clock;
pub mod experiment;
pub mod farm;
pub mod fleet;
pub mod formulas;
pub mod law;
mod parallel;
pub mod property;
pub mod random;
pub mod sheet;
pub mod station;
pub mod stats;
pub mod tables;
pub mod testbed;
pub mod time;
