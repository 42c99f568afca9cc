//! The programs of a measurement, built with the release profile: `overspill`, and this one.
//!
//! It must never measure a stale build, so it always asks cargo.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use anyhow::{Context, Result, ensure};

use super::note;

/// Builds the checkout at `root` and returns the path of the program.
///
/// It goes into the target folder this chore was built into, however that was chosen.
pub(crate) fn build(root: &Path) -> Result<PathBuf> {
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

/// Runs this same command again, built with the release profile, if this is a debug build: load made
/// by unoptimised code would leave every server waiting. `None` if this is the release build.
pub(crate) fn again(root: &Path) -> Result<Option<ExitStatus>> {
    if !cfg!(debug_assertions) {
        return Ok(None);
    }
    note("building the load generator with the release profile");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["run", "--quiet", "--release", "--locked"])
        .args(["--package", "xtask", "--target-dir"])
        .arg(target_folder()?)
        .arg("--")
        .args(env::args_os().skip(1))
        .status()
        .context("cannot run cargo")?;
    Ok(Some(status))
}

/// The folder above `debug/xtask`.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let chore = env::current_exe().context("cannot tell where this program lies")?;
    let target = chore.ancestors().nth(2).map(Path::to_owned);
    target.context("this program lies in no target folder")
}
