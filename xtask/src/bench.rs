//! Benchmarks of the release build, each beside its rivals in the same run.
//!
//! They print what they measured and the target beside it. They must never pass or fail by a time:
//! seconds mean nothing on a shared machine, ratios within one run mean something.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Result;
use clap::Subcommand;
use comfy_table::{CellAlignment, Table, presets};

mod catalog;
mod cold;
pub(crate) mod contender;
mod fairness;
pub(crate) mod fetch;
mod idle;
mod inside;
mod latency;
mod load;
pub(crate) mod machine;
pub(crate) mod pace;
mod pair;
pub(crate) mod process;
mod redirect;
mod relay;
pub(crate) mod release;
mod sample;
mod secure;
mod serve;
mod tree;

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// A large catalog: time to the first file, to all hashed, memory per entry, restart.
    Catalog(catalog::Args),
    /// A download from a cold disk: what hot files on the same thread wait for it, beside nginx.
    Cold(cold::Args),
    /// The dispatcher: what a decision costs, by the size of the fleet.
    Decide,
    /// What small requests wait beside idle connections, slow readers and a fast client.
    Fairness(fairness::Args),
    /// The access log: what a line costs the thread that serves.
    Log,
    /// CPU time per GiB relayed and memory of slow flows, beside HAProxy with splice and nginx.
    Relay(relay::Args),
    /// CPU time per request and memory per connection, beside nginx, lighttpd and Caddy.
    Serve(serve::Args),
}

/// Runs a benchmark of the checkout at `root`. What keeps it from measuring is one line on stderr.
pub(crate) fn run(bench: &Bench, root: &Path) -> ExitCode {
    let measured = match bench {
        Bench::Catalog(args) => catalog::run(args, root),
        Bench::Cold(args) => cold::run(args, root),
        Bench::Decide => inside::run(root, "overspill-core", "decide"),
        Bench::Fairness(args) => fairness::run(args, root),
        Bench::Log => inside::run(root, "overspill-node", "access_log"),
        Bench::Relay(args) => relay::run(args, root),
        Bench::Serve(args) => serve::run(args, root),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Says on stderr what goes on, so that stdout holds nothing but results.
fn note(text: &str) {
    // Nobody may be reading; the measurement goes on all the same.
    let _ = writeln!(io::stderr().lock(), "bench: {text}");
}

/// Prints a result.
pub(crate) fn print(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout().lock(), "{text}")?)
}

/// An empty table in Markdown; columns as in [`table`].
pub(crate) fn markdown(header: &[&str], text_columns: usize) -> Table {
    let mut table = table(header, text_columns);
    table.load_style(presets::ASCII_MARKDOWN);
    for column in table.column_iter_mut() {
        column.set_padding((1, 1));
    }
    table
}

/// An empty table whose columns, but for the first `text_columns`, hold figures.
fn table(header: &[&str], text_columns: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index >= text_columns {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
