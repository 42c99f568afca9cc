//! One download by a foreign or our own client: run it, watch it, compare what came.
//!
//! Success is what the bytes say, not the exit code alone. It must never outlive its handle: the
//! client is killed when the download is dropped.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    process::Command,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};

use super::{net::Host, stock::StockFile};

/// A client that people use.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    /// `curl -L`
    Curl,
    /// `curl -L --retry 3 -C -`, which tries again only after what curl calls transient.
    CurlRetry,
    /// The same with `--retry-all-errors`, without which curl gives up on a cut body.
    CurlResume,
    /// `overspill get`
    Get,
}

/// What is to be downloaded, by whom.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) kind: Kind,
    pub(super) host: &'a Host,
    pub(super) url: String,
    pub(super) file: &'a StockFile,
    /// Where to; nothing else is there.
    pub(super) to: PathBuf,
    /// For [`Kind::Get`].
    pub(super) overspill: &'a Path,
    /// When it is given up.
    pub(super) until: Instant,
}

/// How a download went. Times count from the start of the load.
#[derive(Clone, Debug)]
pub(super) struct Download {
    pub(super) kind: Kind,
    pub(super) started: Duration,
    pub(super) ended: Duration,
    pub(super) end: End,
    /// How much was there when; the first is the start, the last the end.
    pub(super) trail: Vec<(Duration, u64)>,
}

/// How a download ended.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum End {
    /// The client gave up by itself.
    Failed,
    /// Turned away with 503 or 429 and a Retry-After.
    Refused,
    /// All bytes, and they are right.
    Right,
    /// We gave up on it.
    Unfinished,
    /// The client said that all is well, and it is not.
    Wrong,
}

/// Between two looks at how much is there.
const STEP: Duration = Duration::from_millis(100);
/// What curl says at the end: the status, and the field if there is one.
const REPORT: &str = "%{http_code} %header{retry-after}";

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Curl, Self::CurlRetry, Self::CurlResume, Self::Get];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::CurlRetry => "curl --retry 3 -C -",
            Self::CurlResume => "curl --retry 3 --retry-all-errors -C -",
            Self::Get => "overspill get",
        }
    }

    fn command(self, request: &Request<'_>) -> std::process::Command {
        let program = match self {
            Self::Get => request.overspill,
            _ => Path::new("curl"),
        };
        let mut command = request.host.command(program);
        match self {
            Self::Get => command.args(["get", "--quiet"]),
            _ => command.args(["-q", "-sSfL", "--noproxy", "*", "-w", REPORT]),
        };
        if matches!(self, Self::CurlRetry | Self::CurlResume) {
            command.args(["--retry", "3", "-C", "-"]);
        }
        if self == Self::CurlResume {
            command.arg("--retry-all-errors");
        }
        command.args([OsStr::new("-o"), request.to.as_os_str()]);
        command.arg(&request.url);
        command
    }
}

impl Request<'_> {
    /// Downloads; `begun` is when the load began.
    pub(super) async fn run(self, begun: Instant) -> Result<Download> {
        let started = begun.elapsed();
        let mut trail = vec![(started, 0)];
        let output = timeout_at(self.until, self.watched(begun, &mut trail)).await;
        let ended = begun.elapsed();
        let end = match output {
            Ok(output) => self.judge(&output?),
            Err(_) => End::Unfinished,
        };
        let bytes = match end {
            End::Right => self.file.bytes,
            _ => self.bytes_there(),
        };
        trail.push((ended, bytes));
        self.clear();
        let kind = self.kind;
        Ok(Download {
            kind,
            started,
            ended,
            end,
            trail,
        })
    }

    async fn watched(&self, begun: Instant, trail: &mut Vec<(Duration, u64)>) -> Result<Output> {
        let mut command = Command::from(self.kind.command(self));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let child = command
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a client")?;
        let mut output = std::pin::pin!(child.wait_with_output());
        let mut steps = interval(STEP);
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                output = &mut output => return output.context("cannot wait for a client"),
                _ = steps.tick() => trail.push((begun.elapsed(), self.bytes_there())),
            }
        }
    }

    fn judge(&self, output: &Output) -> End {
        let said = String::from_utf8_lossy(&output.stdout);
        match (output.status.success(), is_refusal(&said)) {
            (true, _) if self.file.is_at(&self.to) => End::Right,
            (true, _) => End::Wrong,
            (false, true) => End::Refused,
            (false, false) => End::Failed,
        }
    }

    /// Whichever of the names has it: ours gives a file its name at the end.
    fn bytes_there(&self) -> u64 {
        let names = [self.to.clone(), self.to.with_added_extension("part")];
        let facts = names.iter().find_map(|name| fs::metadata(name).ok());
        facts.map_or(0, |facts| facts.len())
    }

    /// Removes whatever the client left.
    fn clear(&self) {
        let leftovers = ["part", "part.json"].map(|end| self.to.with_added_extension(end));
        for path in leftovers.iter().chain([&self.to]) {
            // Most are not there; what cannot be removed goes with the folder.
            let _ = fs::remove_file(path);
        }
    }
}

impl Download {
    /// How much had come at `time`, read off between the looks.
    fn bytes_at(&self, time: Duration) -> f64 {
        let after = self.trail.partition_point(|(at, _)| *at <= time);
        let Some(&(before_at, before)) = after.checked_sub(1).and_then(|at| self.trail.get(at))
        else {
            return 0.0;
        };
        let Some(&(after_at, after)) = self.trail.get(after) else {
            return before as f64;
        };
        let share = (time - before_at).as_secs_f64() / (after_at - before_at).as_secs_f64();
        before as f64 + (after as f64 - before as f64) * share
    }

    /// How much of it came from `start` to `end`; less than 0 if it had to be begun again.
    pub(super) fn bytes_within(&self, start: Duration, end: Duration) -> f64 {
        self.bytes_at(end) - self.bytes_at(start)
    }
}

/// Whether curl was told to come again later.
fn is_refusal(said: &str) -> bool {
    let mut words = said.split_whitespace();
    matches!(words.next(), Some("429" | "503")) && words.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_that_says_when_to_come_again_is_one() {
        for (said, expected) in [
            ("503 2", true),
            ("429 1", true),
            ("503 ", false),
            ("200 1", false),
            ("", false),
        ] {
            assert_eq!(is_refusal(said), expected, "{said}");
        }
    }

    #[test]
    fn bytes_are_read_off_between_the_looks() {
        let seconds = Duration::from_secs_f64;
        let download = Download {
            kind: Kind::Curl,
            started: seconds(1.0),
            ended: seconds(4.0),
            end: End::Right,
            // It was begun again in its third second.
            trail: [(1.0, 0), (2.0, 100), (3.0, 40), (4.0, 200)]
                .map(|(at, bytes)| (seconds(at), bytes))
                .to_vec(),
        };
        for (start, end, expected) in [
            (0.0, 9.0, 200.0),
            (0.0, 1.0, 0.0),
            (1.0, 1.5, 50.0),
            (2.0, 3.0, -60.0),
            (3.5, 5.0, 80.0),
            (4.0, 5.0, 0.0),
        ] {
            let bytes = download.bytes_within(seconds(start), seconds(end));
            assert!((bytes - expected).abs() < 1e-9, "{start} to {end}: {bytes}");
        }
    }
}
