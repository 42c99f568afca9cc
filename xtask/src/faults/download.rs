//! One download by a plain client, told nothing but the URL and where to put the file.
//!
//! What counts is what its user has in the end. It must never outlive its handle: the client is
//! killed when it is dropped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::tally::End;
use crate::bench::pace;

/// A client that people use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Client {
    /// `curl -f`: without it, any error page counts as a success.
    Curl,
    /// The same, which takes no more than so many bytes a second.
    CurlPaced(u32),
    /// `wget`, which tries again by itself, and asks for what is missing.
    Wget,
}

/// A file as it should come.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) path: &'static str,
    pub(super) bytes: u64,
    hash: blake3::Hash,
}

/// What is to be downloaded, and by whom.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) client: Client,
    pub(super) url: String,
    pub(super) expected: &'a Expected,
    /// Nothing is there.
    pub(super) to: PathBuf,
    /// Longest it may take; then its user gives up.
    pub(super) patience: Duration,
}

/// A client at work.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended and been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Client {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Curl | Self::CurlPaced(_) => "curl",
            Self::Wget => "wget",
        }
    }

    fn command(self, url: &str, to: &Path) -> Command {
        let mut command = Command::new(self.name());
        match self {
            Self::Curl => command.args(["-q", "-sf", "--noproxy", "*", "-o"]),
            Self::CurlPaced(rate) => command
                .args(["-q", "-sf", "--noproxy", "*", "--limit-rate"])
                .args([&rate.to_string(), "-o"]),
            Self::Wget => command.args(["--no-config", "--no-proxy", "-q", "-O"]),
        };
        command.arg(to).arg(url).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Expected {
    /// Writes a file of `bytes` random bytes into `tree`.
    pub(super) fn write(tree: &Path, path: &'static str, bytes: u64) -> Result<Self> {
        let mut content = vec![0; usize::try_from(bytes)?];
        fastrand::Rng::with_seed(bytes).fill(&mut content);
        fs::write(tree.join(&path[1..]), &content).context("cannot write a file")?;
        Ok(Self {
            path,
            bytes,
            hash: blake3::hash(&content),
        })
    }

    /// Whether the file at `path` has exactly these bytes.
    fn is_at(&self, path: &Path) -> bool {
        fs::read(path).is_ok_and(|content| blake3::hash(&content) == self.hash)
    }
}

impl Request<'_> {
    /// Downloads, and removes what came.
    pub(super) fn run(&self) -> Result<End> {
        let mut command = self.client.command(&self.url, &self.to);
        let name = self.client.name();
        let child = command.spawn();
        let mut running = Running(child.with_context(|| format!("cannot start {name}"))?);
        let begun = Instant::now();
        let status = pace::until(name, pace::FINE, self.patience * 2, || {
            let status = running.0.try_wait()?;
            let is_over = status.is_some() || begun.elapsed() >= self.patience;
            Ok(is_over.then_some(status))
        })?;
        drop(running);
        let end = match status {
            Some(status) if status.success() && self.expected.is_at(&self.to) => End::Right,
            Some(status) if status.success() => End::Wrong,
            Some(_) | None => End::Failed,
        };
        // Most that failed left nothing.
        let _ = fs::remove_file(&self.to);
        Ok(end)
    }
}
