//! The program that is measured: `overspill`, built with the release profile.
//!
//! It must never measure a stale build, so it always asks cargo.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::note;

/// Builds the checkout at `root` and returns the path of the program.
///
/// It goes into the target folder this chore was built into, however that was chosen.
pub(super) fn build(root: &Path) -> Result<PathBuf> {
    let target = target_folder()?;
    note("building overspill with the release profile");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--quiet", "--release", "--locked"])
        .args(["--package", "overspill-cli", "--target-dir"])
        .arg(&target)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "overspill does not build");
    let program = target.join("release/overspill");
    ensure!(program.is_file(), "cargo left no {}", program.display());
    Ok(program)
}

/// The folder above `debug/xtask`.
pub(super) fn target_folder() -> Result<PathBuf> {
    let chore = env::current_exe().context("cannot tell where this program lies")?;
    let target = chore.ancestors().nth(2).map(Path::to_owned);
    target.context("this program lies in no target folder")
}
