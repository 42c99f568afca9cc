//! The process, under the names that every dashboard for Prometheus knows.
//!
//! From `/proc`; a figure that cannot be had is left out rather than called 0.

use std::fs;

use rustix::{
    param::clock_ticks_per_second,
    process::{Resource, getrlimit},
};

use super::{
    family::{Family, Unit},
    sheet::Sheet,
};
use crate::process::resident_bytes;

const CPU: Family = Family::counter(
    "process_cpu_seconds",
    Unit::Seconds,
    "Processor time of the process, of its own and in the kernel",
);
const MAX_FDS: Family = Family::gauge(
    "process_max_fds",
    Unit::None,
    "File descriptors that the process may have",
);
const OPEN_FDS: Family = Family::gauge(
    "process_open_fds",
    Unit::None,
    "File descriptors that the process has",
);
const RESIDENT: Family = Family::gauge(
    "process_resident_memory_bytes",
    Unit::Bytes,
    "Memory of the process that is in RAM",
);
const START: Family = Family::gauge(
    "process_start_time_seconds",
    Unit::Seconds,
    "When the process was started, in seconds since 1970",
);

pub(super) fn add(sheet: &mut Sheet) {
    let stat = fs::read_to_string("/proc/self/stat").ok();
    let stat = stat.as_deref().and_then(Stat::parse);
    if let Some(stat) = stat {
        sheet.one(CPU, stat.cpu_s());
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        sheet.one(MAX_FDS, most);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder being read.
        sheet.one(OPEN_FDS, open.count().saturating_sub(1));
    }
    sheet.one(RESIDENT, resident_bytes());
    let booted = fs::read_to_string("/proc/stat").ok();
    if let (Some(stat), Some(booted)) = (stat, booted.as_deref().and_then(boot_unix_s)) {
        sheet.one(START, booted + stat.started_s());
    }
}

/// What is used of `/proc/self/stat`, in ticks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stat {
    user: u64,
    system: u64,
    /// Since the machine was started.
    started: u64,
}

impl Stat {
    /// Reads the fields after the name, which may hold spaces and parentheses: proc_pid_stat(5).
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        // The state, which comes first, has number 3 there.
        let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3)?.parse().ok();
        Some(Self {
            user: field(14)?,
            system: field(15)?,
            started: field(22)?,
        })
    }

    fn cpu_s(&self) -> f64 {
        (self.user + self.system) as f64 / clock_ticks_per_second() as f64
    }

    fn started_s(&self) -> f64 {
        self.started as f64 / clock_ticks_per_second() as f64
    }
}

/// When the machine was started: the line `btime` of `/proc/stat`.
fn boot_unix_s(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood_whatever_the_name_of_the_process() {
        let text = "42 (a) b( c) S 1 42 42 0 -1 4194560 9 0 0 0 17 5 0 0 20 0 3 0 123456 1 2\n";
        let stat = Stat {
            user: 17,
            system: 5,
            started: 123_456,
        };
        assert_eq!(Stat::parse(text), Some(stat));
        for nonsense in ["", "42 (name", "42 (name) S 1", "42 (name) S a b c"] {
            assert_eq!(Stat::parse(nonsense), None, "{nonsense}");
        }
        assert_eq!(boot_unix_s("cpu 1 2\nbtime 1700000000\n"), Some(1.7e9));
        assert_eq!(boot_unix_s("cpu 1 2\n"), None);
    }

    #[test]
    fn this_process_has_all_of_them() {
        let mut sheet = Sheet::new(crate::metrics::Format::OpenMetrics);
        add(&mut sheet);
        let text = sheet.finish();
        for family in [CPU, MAX_FDS, OPEN_FDS, RESIDENT, START] {
            let sample = format!("\n{} ", family.sample_name());
            assert!(text.contains(&sample), "{sample} in {text}");
        }
    }
}
