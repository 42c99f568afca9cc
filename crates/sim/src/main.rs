//! The command `overspill-sim`: runs tables and prints them.
//!
//! It must never print what does not follow from its arguments: no dates, no durations.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use overspill_sim::{
    random::Seed,
    sheet::Verdict,
    tables::{Scale, Table},
};

/// Simulates dispatch on a virtual clock, on the code that ships.
#[derive(Debug, Parser)]
#[command(name = "overspill-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the tables.
    List,
    /// Prints our figures beside published or exact ones, and a verdict; fails when they differ.
    Table {
        /// The tables; all of them when none is named.
        tables: Vec<Table>,
        /// What all chance follows from; the same seed prints the same bytes.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Size of the runs, as a multiple of that at which results are quoted.
        #[arg(long, default_value_t = Scale::FULL)]
        scale: Scale,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::List => list(),
        Command::Table {
            tables,
            seed,
            scale,
        } => print(&tables, Seed(seed), scale),
    }
}

fn list() -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    for table in Table::ALL {
        writeln!(out, "{}  {}", table.name(), table.title())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(tables: &[Table], seed: Seed, scale: Scale) -> anyhow::Result<ExitCode> {
    let tables = if tables.is_empty() {
        &Table::ALL
    } else {
        tables
    };
    let mut code = ExitCode::SUCCESS;
    let mut out = io::stdout().lock();
    for table in tables {
        let sheet = table.run(seed, scale);
        writeln!(out, "{sheet}")?;
        if sheet.verdict() == Verdict::Fails {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
