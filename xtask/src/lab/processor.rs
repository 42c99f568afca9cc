//! How busy the machine's processors are: a lab whose processors are, measures those.
//!
//! It counts everything on the machine, whoever runs it; it must never be left out of a report.

use std::fs;

use anyhow::{Context, Result};

/// Ticks of all processors since the machine started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    /// As of now.
    pub(super) fn read() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        Self::parse(&text).context("cannot make sense of /proc/stat")
    }

    /// The share of all processors that was used since `earlier`, 0 to 1.
    pub(super) fn busy_ratio_since(self, earlier: Self) -> f64 {
        let all = self.all.saturating_sub(earlier.all).max(1);
        self.busy.saturating_sub(earlier.busy) as f64 / all as f64
    }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal.
    fn parse(text: &str) -> Option<Self> {
        let fields = text.lines().next()?.strip_prefix("cpu ")?;
        let fields: Option<Vec<u64>> = fields
            .split_ascii_whitespace()
            .take(8)
            .map(|field| field.parse().ok())
            .collect();
        let fields = fields.filter(|fields| fields.len() == 8)?;
        let all = fields.iter().sum();
        let idle = fields[3] + fields[4];
        Some(Self {
            busy: all - idle,
            all,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_for_disks_are_not_busy() {
        let before = Ticks::parse("cpu  10 0 10 80 0 0 0 0 0 0\n").unwrap();
        let after = Ticks::parse("cpu  20 1 14 140 20 2 2 1 0 0\ncpu0 1\n").unwrap();
        assert_eq!(after.busy_ratio_since(before), 0.2);
        assert_eq!(Ticks::parse("cpu 1 2 3\n"), None);
    }
}
