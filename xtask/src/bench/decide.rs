//! `cargo xtask bench decide`: what one decision of the dispatcher costs.
//!
//! The measuring is done by a benchmark of `core`, without a lock or a socket. This must never
//! measure another profile than the one that ships.

use std::{env, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use super::{machine, note, print, release};

/// Runs it; the table is printed by the benchmark.
pub(super) fn run(root: &Path) -> Result<()> {
    note("building the benchmark with the release profile");
    print(&machine::describe()?)?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args([
            "bench",
            "--quiet",
            "--locked",
            "--package",
            "overspill-core",
        ])
        .args(["--bench", "decide", "--target-dir"])
        .arg(release::target_folder()?)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the benchmark of decisions failed");
    Ok(())
}
