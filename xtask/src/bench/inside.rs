//! Benchmarks that live in a package, because they call what has no command of its own: they print
//! their table themselves.
//!
//! This must never measure another profile than the one that ships.

use std::{env, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use super::{machine, note, print, release};

/// Runs the benchmark `name` of `package`.
pub(super) fn run(root: &Path, package: &str, name: &str) -> Result<()> {
    note("building the benchmark with the release profile");
    print(&machine::describe()?)?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["bench", "--quiet", "--locked", "--package", package])
        .args(["--bench", name, "--target-dir"])
        .arg(release::target_folder()?)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the benchmark {name} of {package} failed");
    Ok(())
}
