//! Configuration: one file, the environment and the command line, made into one set of options.
//!
//! The options that clap declares are the registry: keys, variables, defaults, types and texts all
//! come from there. It must never read a file that nobody named, and never put in force a part of
//! what was said.

mod command;
mod document;
mod nearest;
mod problem;
mod reference;
mod registry;
mod relations;
mod settle;
mod tables;
mod template;
mod value;

pub(crate) use self::{
    command::ConfigArgs,
    problem::{Problem, Source},
    registry::{Key, Reload, Role},
    settle::{Effective, Entry, Environment, Given, ServiceArgs, Settled},
};

#[cfg(test)]
mod tests;
