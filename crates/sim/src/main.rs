//! The command `overspill-sim`: runs tables and prints them.
//!
//! It must never print what does not follow from its arguments: no dates, no durations.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use overspill_sim::{
    fleet::{Scenario, Site, Study},
    property::{self, Tally},
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
    /// Every policy on a fleet, beside an oracle, static weights and a server alone.
    Fleet {
        /// Which fleets: reference, thousand; both when none is named.
        sites: Vec<Site>,
        /// What goes wrong: steady, loss, crash, lost-reports, slow, aborts, flash-crowd.
        #[arg(long, default_value = "steady")]
        scenario: Scenario,
        /// Offered load, as a share of the capacity of all.
        #[arg(long, default_value_t = 0.8)]
        load: f64,
        /// Requests that are measured.
        #[arg(long, default_value_t = 1_000_000)]
        requests: u64,
        /// What all chance follows from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Draws slowdown by size of the last fleet.
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Lists the tables.
    List,
    /// Runs whole fleets under noise, and says which promise broke, if one does.
    Property {
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// How many seeds.
        #[arg(long, default_value_t = 1)]
        seeds: u64,
        /// Steps of noise of each.
        #[arg(long, default_value_t = 3_000)]
        steps: u32,
    },
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
        Command::Fleet {
            sites,
            scenario,
            load,
            requests,
            seed,
            svg,
        } => {
            anyhow::ensure!(load > 0.0 && load < 2.0, "a load of {load}: use 0.1 to 1.5");
            let study = |site| Study {
                site,
                scenario,
                load,
                requests,
                seed: Seed(seed),
            };
            let sites = if sites.is_empty() {
                Site::ALL.to_vec()
            } else {
                sites
            };
            let studies: Vec<Study> = sites.into_iter().map(study).collect();
            compare(&studies, svg.as_deref())
        }
        Command::List => list(),
        Command::Property { seed, seeds, steps } => check(seed, seeds, steps),
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

fn compare(studies: &[Study], svg: Option<&Path>) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    for study in studies {
        let findings = study.run();
        writeln!(out, "{findings}")?;
        if let Some(path) = svg {
            let picture = findings.plot().to_string();
            fs::write(path, picture).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check(first: u64, seeds: u64, steps: u32) -> anyhow::Result<ExitCode> {
    let mut sum = Tally::default();
    for seed in first..first.saturating_add(seeds) {
        sum = sum.plus(property::run(seed, steps)?);
    }
    writeln!(
        io::stdout().lock(),
        "{seeds} fleets, {steps} steps each\n{sum}"
    )?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// They simulate for minutes, so that documentation is held only against the command line.
    #[test]
    fn the_commands_that_the_documentation_names_exist() {
        let start = "cargo run -p overspill-sim --release -- ";
        let mut commands = 0;
        for page in ["balancing", "simulation"] {
            let path = format!("{}/../../docs/{page}.md", env!("CARGO_MANIFEST_DIR"));
            let text = fs::read_to_string(path).unwrap();
            for command in text.lines().filter_map(|line| line.strip_prefix(start)) {
                let bare = command.split('#').next().unwrap_or_default();
                let words = ["overspill-sim"].into_iter().chain(bare.split_whitespace());
                let parsed = Cli::try_parse_from(words);
                assert!(parsed.is_ok(), "{page}: {command}: {parsed:?}");
                commands += 1;
            }
        }
        assert!(commands >= 5, "only {commands} commands were found");
    }
}
