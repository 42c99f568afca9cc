//! Project chores, run as `cargo xtask CHORE`: what is too particular for cargo and too precise for
//! a shell script. Nothing here is shipped, and nothing shipped may depend on it.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

mod bench;
mod faults;
mod lab;
mod tidy;

/// Chores of the Overspill project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Measure the release build on this machine.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Break origins behind ours and other relays, and see what plain clients have in the end.
    Faults(faults::Args),
    /// Try the release build on hosts of its own: namespaces joined by slow links, with faults.
    Lab(lab::Args),
    /// Check the rules of the house that neither rustc, clippy nor rustfmt knows.
    Tidy,
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().chore {
        Chore::Bench(bench) => Ok(bench::run(&bench, &checkout_root()?)),
        Chore::Faults(args) => Ok(faults::run(&args, &checkout_root()?)),
        Chore::Lab(args) => Ok(lab::run(&args, &checkout_root()?)),
        Chore::Tidy => report_findings(),
    }
}

/// Prints one line per finding; any finding makes the chore fail.
fn report_findings() -> Result<ExitCode> {
    let findings = tidy::run(&checkout_root()?)?;
    let mut output = io::stdout().lock();
    for finding in &findings {
        writeln!(output, "{finding}")?;
    }
    Ok(if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The folder of the workspace, wherever cargo was started from.
fn checkout_root() -> Result<PathBuf> {
    // Asked at run time first: with a target folder shared between checkouts, the binary may have
    // been compiled in another one.
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package
        .parent()
        .map(Path::to_owned)
        .context("the package xtask lies in no workspace")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// They measure for minutes, so that documentation is held only against the command line.
    #[test]
    fn the_chores_that_the_documentation_names_exist() {
        let root = checkout_root().unwrap();
        let pages = fs::read_dir(root.join("docs")).unwrap();
        let mut pages: Vec<_> = pages.map(|page| page.unwrap().path()).collect();
        pages.retain(|page| page.extension().is_some_and(|name| name == "md"));
        pages.push(root.join("README.md"));
        let mut chores = 0;
        for page in pages {
            let text = fs::read_to_string(&page).unwrap();
            for line in text.lines().filter(|line| line.starts_with("cargo xtask ")) {
                let bare = line.split(['#', '>']).next().unwrap_or_default();
                let words = bare.split_whitespace().skip(1);
                let parsed = Arguments::try_parse_from(words);
                assert!(parsed.is_ok(), "{}: {line}: {parsed:?}", page.display());
                chores += 1;
            }
        }
        assert!(chores >= 4, "only {chores} chores were found");
    }
}
