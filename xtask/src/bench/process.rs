//! A server process under measurement, with every process it has started itself.
//!
//! It ends with its handle, however the benchmark ends. It must never signal a process that is not
//! its own child or a descendant of it.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::pace;

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// What a process and its descendants have used up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu: Duration,
    /// Resident memory now; pages that two processes share count twice.
    pub(crate) resident_bytes: u64,
    /// Highest resident memory so far.
    pub(crate) peak_bytes: u64,
}

/// What we read of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stat {
    parent: u32,
    cpu_ticks: u64,
}

/// How long a server may take to end in order.
const END_PATIENCE: Duration = Duration::from_secs(60);
/// The same when the benchmark is over or has failed.
const DROP_PATIENCE: Duration = Duration::from_secs(5);

impl Process {
    /// Starts `command` with its output in the file `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
        let errors = output.try_clone()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let log = log.to_owned();
        Ok(Self { child, log })
    }

    /// An error, with what the process said last, if it has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let last = said.lines().last().unwrap_or("it said nothing");
        bail!("the server ended by itself, {status}: {last}")
    }

    /// CPU time and resident memory, summed over the process and its descendants.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let mut sum = Usage::default();
        for process in family(self.child.id())? {
            let usage = usage_of(process).with_context(|| format!("process {process} is gone"))?;
            sum.cpu += usage.cpu;
            sum.resident_bytes += usage.resident_bytes;
            sum.peak_bytes += usage.peak_bytes;
        }
        Ok(sum)
    }

    /// CPU time alone, which is quicker to read.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut ticks = 0;
        for process in family(self.child.id())? {
            ticks += read_stat(process)?.cpu_ticks;
        }
        Ok(duration_of(ticks))
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM);
        self.wait(END_PATIENCE)
    }

    fn wait(&mut self, patience: Duration) -> Result<()> {
        pace::until("a server to end", pace::FINE, patience, || {
            Ok(self.child.try_wait()?.map(drop))
        })
    }

    fn signal(&mut self, signal: Signal) {
        // Once it has been waited for, its number may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            // Fails only if it has just ended, which is what we want.
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }

    /// Ends it at once, as a crash would, descendants first: orphans could not be found again.
    pub(crate) fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        for process in family(self.child.id()).unwrap_or_default() {
            if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
                let _ = kill_process(process, Signal::KILL);
            }
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        if self.wait(DROP_PATIENCE).is_err() {
            self.kill();
        }
    }
}

/// A process and all its descendants.
fn family(first: u32) -> Result<HashSet<u32>> {
    let mut parents = Vec::new();
    for item in fs::read_dir("/proc").context("cannot list /proc")? {
        let Ok(process) = item?.file_name().to_string_lossy().parse() else {
            continue;
        };
        // Others come and go while we look.
        if let Ok(stat) = read_stat(process) {
            parents.push((process, stat.parent));
        }
    }
    Ok(descendants(first, &parents))
}

/// `first` and whoever descends from it, by pairs of process and parent in any order.
fn descendants(first: u32, parents: &[(u32, u32)]) -> HashSet<u32> {
    let mut found = HashSet::from([first]);
    loop {
        let known = found.len();
        let children = parents.iter().filter(|(_, parent)| found.contains(parent));
        let children: Vec<_> = children.map(|(process, _)| *process).collect();
        found.extend(children);
        if found.len() == known {
            return found;
        }
    }
}

fn usage_of(process: u32) -> Result<Usage> {
    // `smaps_rollup` is exact; `VmRSS` of `status` is a cheap sum that lags by some pages.
    let memory = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    Ok(Usage {
        cpu: duration_of(read_stat(process)?.cpu_ticks),
        resident_bytes: field_bytes(&memory, "Rss:").context("no Rss in smaps_rollup")?,
        peak_bytes: field_bytes(&status, "VmHWM:").context("no VmHWM in status")?,
    })
}

fn read_stat(process: u32) -> Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    parse_stat(&text).with_context(|| format!("cannot make sense of /proc/{process}/stat"))
}

/// Fields 4, 14 and 15 of proc_pid_stat(5).
fn parse_stat(text: &str) -> Option<Stat> {
    // The second field is the program's name in parentheses, and may itself hold any of these.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let user: u64 = fields.nth(9)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Stat {
        parent,
        cpu_ticks: user + system,
    })
}

/// The value of a `Name:  123 kB` line, in bytes.
fn field_bytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn duration_of(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests;
