//! `cargo xtask bench serve`: what a request costs our server, and what it costs others.
//!
//! The servers stand side by side and are loaded in turn, A B C A B C, so that whatever else the
//! machine does meets all of them. What is compared is CPU time, not throughput: the load generator
//! is as likely as the server to be the slower of the two. It must never compare across runs.

mod entrants;
mod report;
mod rows;
mod turns;

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Result, bail, ensure};

use self::{
    entrants::Entrants,
    report::Report,
    rows::{Group, ROWS, Row},
    turns::Loads,
};
use super::{
    contender::{Pair, Setting},
    idle,
    machine::{self, Pinning},
    note, pair, print, release, tree,
};

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds per row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of load per server and round
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Only these rows, such as 1k,redirect,handshake [default: all of them]
    #[arg(long, value_name = "ROW,...", value_delimiter = ',', value_parser = rows::parse_name)]
    only: Vec<&'static str>,
    /// Idle connections to weigh the memory of; 0 leaves it out
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(..=15_000))]
    idle_connections: u32,
}

/// Runs it and prints the tables.
pub(super) fn run(args: &Args, root: &Path) -> Result<()> {
    if let Some(status) = release::again(root)? {
        ensure!(status.success(), "the benchmark failed");
        return Ok(());
    }
    let rows: Vec<_> = ROWS.iter().filter(|row| args.wants(row.name)).collect();
    if !machine::is_installed("wrk") {
        bail!("wrk not found; install with: apt-get install wrk");
    }
    let overspill = &release::build(root)?;
    let folder = tempfile::Builder::new()
        .prefix("overspill-bench-")
        .tempdir()?;
    let (tree, work) = (&folder.path().join("tree"), &folder.path().join("work"));
    fs::create_dir(work)?;
    let pair: &Pair = &pair::write(work)?;
    make_tree(tree, &rows)?;
    let pinning = Pinning::detect();
    let setting = Setting {
        overspill,
        tree,
        work,
        pair,
        pinning,
    };
    print(&format!("{}; {}", machine::describe()?, pinning.describe()))?;
    compare(args, &setting, &rows)?;
    if args.idle_connections > 0 && args.wants(rows::IDLE) {
        idle::compare(args.idle_connections, &setting, rows::SMALL)?;
    }
    print(&format!("\n{}", machine::describe()?))
}

impl Args {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.contains(&name)
    }
}

/// The files that the rows ask for, and the small one that tells whether a server is up.
fn make_tree(tree: &Path, rows: &[&Row]) -> Result<()> {
    fs::create_dir(tree)?;
    let mut files: BTreeMap<_, _> = rows.iter().map(|row| (row.path, row.bytes)).collect();
    files.insert(rows::SMALL, 1 << 10);
    for (path, bytes) in &files {
        tree::write_file(&tree.join(&path[1..]), *bytes)?;
    }
    note("waiting until the files are old enough to be served like any other");
    let mut paths = files.keys();
    paths.try_for_each(|path| tree::wait_until_at_rest(&tree.join(&path[1..])))
}

/// Measures the rows, group by group, and prints one table.
fn compare(args: &Args, setting: &Setting<'_>, rows: &[&Row]) -> Result<()> {
    let loads = Loads::new(setting)?;
    let mut report = Report::new();
    for group in Group::ALL {
        let rows: Vec<_> = rows.iter().filter(|row| row.group() == group).collect();
        if rows.is_empty() {
            continue;
        }
        let entrants = Entrants::start(group, setting)?;
        for row in rows {
            note(&format!("loading with {}", row.label));
            let turns = loads.measure(row, &entrants, setting, args.rounds, args.seconds)?;
            report.add(row, &entrants, &turns);
        }
    }
    report.print(args.rounds, args.seconds)
}
