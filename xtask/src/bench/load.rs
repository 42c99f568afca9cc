//! Load on a server: wrk, one thread, connections kept alive.
//!
//! Its figures come from a script in a form made to be read by us. It must never count an answer
//! that was not a success without saying so.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::machine::{Pinning, Side};

/// The load generator.
#[derive(Clone, Debug)]
pub(super) struct Wrk {
    script: PathBuf,
    pinning: Pinning,
}

/// What to load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) address: SocketAddr,
    pub(super) path: &'a str,
    pub(super) connections: u32,
}

/// What one run brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Load {
    /// Answers that came whole.
    pub(super) requests: u64,
    /// Received, with heads and with answers cut by the end of the run.
    pub(super) bytes: u64,
    pub(super) duration_us: u64,
    /// Failed connections, cut answers, answers of status 400 and above.
    pub(super) errors: u64,
}

/// Whole bytes and microseconds; wrk's own report rounds to three digits.
const SCRIPT: &str = r#"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("measured %d %d %d %d\n", summary.requests, summary.bytes, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

impl Wrk {
    /// Puts the script into `folder`, which has to last as long as this.
    pub(super) fn new(folder: &Path, pinning: Pinning) -> Result<Self> {
        let script = folder.join("report.lua");
        fs::write(&script, SCRIPT)?;
        Ok(Self { script, pinning })
    }

    /// Loads `target` for some seconds.
    pub(super) fn run(&self, target: Target<'_>, seconds: u32) -> Result<Load> {
        let mut wrk = self.pinning.command(Side::Load, Path::new("wrk"));
        wrk.args(["--threads", "1", "--timeout", "30"])
            .args(["--connections", &target.connections.to_string()])
            .args(["--duration", &seconds.to_string()])
            .arg("--script")
            .arg(&self.script)
            .arg(format!("http://{}{}", target.address, target.path))
            .stdin(Stdio::null());
        let Output { status, stdout, .. } = wrk.output().context("cannot run wrk")?;
        ensure!(status.success(), "wrk failed: {status}");
        parse(&String::from_utf8_lossy(&stdout)).context("wrk reported nothing we can read")
    }
}

fn parse(report: &str) -> Option<Load> {
    let line = report
        .lines()
        .find_map(|line| line.strip_prefix("measured "))?;
    let mut figures = line.split(' ').map(str::parse);
    let mut next = || figures.next()?.ok();
    let (requests, bytes, duration_us, errors) = (next()?, next()?, next()?, next()?);
    (duration_us > 0).then_some(Load {
        requests,
        bytes,
        duration_us,
        errors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_script_is_found_in_the_report() {
        let report = |line: &str| format!("Running 1s test\n  554 requests in 1.01s\n{line}\n");
        let load = Load {
            requests: 554,
            bytes: 679_406,
            duration_us: 1_005_935,
            errors: 2,
        };
        for (line, expected) in [
            ("measured 554 679406 1005935 2", Some(load)),
            ("measured 554 679406 1005935", None),
            ("measured 554 679406 0 0", None),
            ("measured much", None),
            ("", None),
        ] {
            assert_eq!(parse(&report(line)), expected, "{line}");
        }
    }
}
