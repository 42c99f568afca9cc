//! The `overspill` command: arguments in, exit code out.
//!
//! Each subcommand lives in a module of its own and decides its exit code there; this file only
//! dispatches. It must never print an error that does not say what to do about it.

mod asking;
mod config;
mod decisions;
mod demo;
mod doctor;
mod explain;
mod find;
mod get;
mod logging;
mod ls;
mod mirror;
mod operate;
mod selection;
mod serve;
mod service;
mod shell;
mod status;
mod terminal;
mod token;
mod top;
mod trust;

use std::process::ExitCode;

use clap::{Parser, Subcommand, error::ErrorKind};

/// Load-balanced file distribution: a server, mirrors that share its load, and any client
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Config(config::ConfigArgs),
    Decisions(decisions::Args),
    Demo(demo::Args),
    Doctor(doctor::Args),
    Drain(operate::DrainArgs),
    Explain(explain::Args),
    Find(find::Args),
    Get(get::Args),
    Ls(ls::Args),
    Mirror(config::Given<mirror::Args>),
    Policy(operate::PolicyArgs),
    Remove(operate::RemoveArgs),
    Serve(config::Given<serve::Args>),
    Shell(shell::Args),
    Status(status::Args),
    Top(top::Args),
    Undrain(operate::UndrainArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::complain(format_args!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match cli.command {
        Command::Config(args) => args.run(),
        Command::Decisions(args) => runtime.block_on(decisions::run(args)),
        Command::Demo(args) => runtime.block_on(demo::run(args)),
        Command::Doctor(args) => runtime.block_on(doctor::run(args)),
        Command::Drain(args) => runtime.block_on(args.run()),
        Command::Explain(args) => runtime.block_on(explain::run(args)),
        Command::Find(args) => runtime.block_on(find::run(args)),
        Command::Get(args) => runtime.block_on(get::run(args)),
        Command::Ls(args) => runtime.block_on(ls::run(args)),
        Command::Mirror(args) => runtime.block_on(mirror::run(args)),
        Command::Policy(args) => runtime.block_on(args.run()),
        Command::Remove(args) => runtime.block_on(args.run()),
        Command::Serve(args) => runtime.block_on(serve::run(args)),
        Command::Shell(args) => runtime.block_on(shell::run(args)),
        Command::Status(args) => runtime.block_on(status::run(args)),
        Command::Top(args) => runtime.block_on(top::run(args)),
        Command::Undrain(args) => runtime.block_on(args.run()),
    }
}

/// Help and version are no errors; anything else is exit code 1, which every command documents as
/// wrong usage (clap's own 2 means "not found" for `get`).
fn usage(error: &clap::Error) -> ExitCode {
    // Printing fails only when nobody reads.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
