//! What the kernel says of the machine: processors, stalls, links.
//!
//! Small files below `/proc` and `/sys`, read once a second. Where one is missing, as in some
//! containers and kernels, its figure is 0 and a debug line says so once. It must never be read on
//! a serving thread.

use std::{fs, path::Path};

use overspill_core::{load::Prior, units::Rate};
use rustix::thread::{CpuSet, sched_getaffinity};

/// Reads the figures of this machine.
#[derive(Debug)]
pub(crate) struct Machine {
    last: Option<CpuTime>,
    /// Files that are missing have been told of.
    told: Told,
}

/// Shares of time, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// The processors that this process may use were busy, not counting what gives way to others:
    /// hashing does, and is no reason to send work elsewhere.
    pub(crate) cpu_busy: f64,
    /// Something waited for a processor, over the last ten seconds.
    pub(crate) cpu_waiting: f64,
    /// Something waited for a disk, over the last ten seconds.
    pub(crate) disk_waiting: f64,
}

/// Ticks since the machine was started.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct CpuTime {
    busy: u64,
    all: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    No,
    Yes,
}

const STAT: &str = "/proc/stat";
const CPU_PRESSURE: &str = "/proc/pressure/cpu";
const DISK_PRESSURE: &str = "/proc/pressure/io";
const LINKS: &str = "/sys/class/net";

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            last: None,
            told: Told::No,
        }
    }

    /// What was in use since the last call; nothing at the first.
    pub(crate) fn usage(&mut self) -> Usage {
        let stat = self.read(STAT);
        let time = stat.map(|stat| CpuTime::of(&stat, affinity().as_ref()));
        let cpu_busy = match (self.last, time) {
            (Some(last), Some(time)) => time.busy_ratio_since(&last),
            _ => 0.0,
        };
        self.last = time;
        let [cpu, disk] = [CPU_PRESSURE, DISK_PRESSURE].map(|path| self.read(path));
        self.told = Told::Yes;
        Usage {
            cpu_busy,
            cpu_waiting: cpu.map_or(0.0, |text| stalled_ratio(&text)),
            disk_waiting: disk.map_or(0.0, |text| stalled_ratio(&text)),
        }
    }

    fn read(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(path);
        if let (Err(error), Told::No) = (&text, self.told) {
            tracing::debug!(path, %error, "not measured");
        }
        text.ok()
    }
}

impl CpuTime {
    /// Sums the lines of the processors in `ours`, or of all: proc_stat(5).
    fn of(stat: &str, ours: Option<&CpuSet>) -> Self {
        let is_ours =
            |cpu: usize| ours.is_none_or(|ours| cpu < CpuSet::MAX_CPU && ours.is_set(cpu));
        let mut sum = Self::default();
        for line in stat.lines() {
            let mut fields = line.split_ascii_whitespace();
            let name = fields.next().and_then(|name| name.strip_prefix("cpu"));
            let Some(Ok(cpu)) = name.map(str::parse) else {
                continue;
            };
            if is_ours(cpu) {
                sum.add(fields.map(|field| field.parse().unwrap_or(0)));
            }
        }
        sum
    }

    /// Adds a line's columns: user, nice, system, idle, iowait, irq, softirq, steal.
    fn add(&mut self, columns: impl Iterator<Item = u64>) {
        // Those that follow are counted in user and nice already.
        for (at, ticks) in columns.take(8).enumerate() {
            self.all = self.all.saturating_add(ticks);
            if !matches!(at, 1 | 3 | 4) {
                self.busy = self.busy.saturating_add(ticks);
            }
        }
    }

    fn busy_ratio_since(&self, last: &Self) -> f64 {
        let all = self.all.saturating_sub(last.all);
        let busy = self.busy.saturating_sub(last.busy);
        if all == 0 {
            0.0
        } else {
            busy as f64 / all as f64
        }
    }
}

/// The processors that this process may use; `None` if the kernel does not say.
fn affinity() -> Option<CpuSet> {
    sched_getaffinity(None).ok()
}

/// The share of the last ten seconds in which some task was stalled: `some avg10=1.25 ...` in per
/// cent, Documentation/accounting/psi.rst of Linux.
fn stalled_ratio(text: &str) -> f64 {
    let some = text.lines().find_map(|line| line.strip_prefix("some "));
    let mut fields = some.unwrap_or_default().split_ascii_whitespace();
    let per_cent = fields.find_map(|field| field.strip_prefix("avg10=")?.parse::<f64>().ok());
    per_cent.unwrap_or(0.0) / 100.0
}

/// What is believed of a node's capacity before anything was sent: what the operator told, or the
/// speed of its fastest link, or a gigabit.
pub fn capacity_prior(told: Option<Rate>) -> Prior {
    match told {
        Some(rate) => Prior::Told(rate),
        None => Prior::Assumed(link_rate(Path::new(LINKS)).unwrap_or(Rate::GIGABIT)),
    }
}

/// The highest speed of the links that are up and have a device behind them: virtual links claim
/// ten gigabits, whatever lies behind them.
fn link_rate(links: &Path) -> Option<Rate> {
    let names = fs::read_dir(links).ok()?.flatten();
    let real = names.filter(|link| link.path().join("device").exists());
    let speeds = real.filter_map(|link| speed_mbit_per_s(&link.path()));
    let mbit_per_s = speeds.max()?;
    Some(Rate::from_bytes_per_s(mbit_per_s as f64 * 1e6 / 8.0))
}

/// `None` for a link that is down, or does not say: -1, or an error.
fn speed_mbit_per_s(link: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(link.join(name)).ok();
    if read("operstate")?.trim() != "up" {
        return None;
    }
    let speed: u64 = read("speed")?.trim().parse().ok()?;
    (speed > 0).then_some(speed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT_BEFORE: &str = "cpu  30 50 10 400 10 0 0 0 0 0\n\
        cpu0 20 25 5 200 5 0 0 0 0 0\ncpu1 10 25 5 200 5 0 0 0 0 0\nintr 1 2 3\n";
    const STAT_AFTER: &str = "cpu  60 90 30 500 20 5 5 0 99 0\n\
        cpu0 30 25 15 270 5 5 5 0 99 0\ncpu1 30 65 15 230 15 0 0 0 0 0\nintr 4 5 6\n";

    #[test]
    fn processors_are_busy_with_what_does_not_give_way() {
        let busy = |ours: Option<&CpuSet>| {
            let [before, after] = [STAT_BEFORE, STAT_AFTER].map(|stat| CpuTime::of(stat, ours));
            after.busy_ratio_since(&before)
        };
        let mut first = CpuSet::new();
        first.set(0);
        let mut second = CpuSet::new();
        second.set(1);
        // Of 100 ticks each: 10 + 10 + 5 + 5, and 20 + 10 beside 40 that gave way.
        assert_eq!(busy(Some(&first)), 0.3);
        assert_eq!(busy(Some(&second)), 0.3 / 1.1);
        assert_eq!(busy(None), 60.0 / 210.0);
        assert_eq!(busy(Some(&CpuSet::new())), 0.0);
    }

    #[test]
    fn stalls_are_read_and_what_cannot_be_read_is_none() {
        let text = "some avg10=12.50 avg60=1.00 avg300=0.00 total=1\n\
            full avg10=99.00 avg60=0.00 avg300=0.00 total=0\n";
        for (text, expected) in [
            (text, 0.125),
            ("full avg10=99.00\n", 0.0),
            ("some avg10=much\n", 0.0),
            ("", 0.0),
        ] {
            assert_eq!(stalled_ratio(text), expected, "{text}");
        }
    }

    #[test]
    fn the_fastest_real_link_that_is_up_counts() {
        type Link = (&'static str, &'static str, &'static str);
        let cases: [(&[Link], Option<f64>); 7] = [
            (&[], None),
            (&[("lo", "up", "99999")], None),
            (&[("eth0", "up", "-1")], None),
            (
                &[("eth0", "up", "1000"), ("eth1", "down", "10000")],
                Some(125e6),
            ),
            (
                &[("eth0", "up", "1000"), ("eth1", "up", "2500")],
                Some(312.5e6),
            ),
            (
                &[("eth0", "up", "1000"), ("veth7", "up", "10000")],
                Some(125e6),
            ),
            (&[("veth7", "up", "10000")], None),
        ];
        for (links, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            for (name, state, speed) in links {
                let link = folder.path().join(name);
                fs::create_dir(&link).unwrap();
                fs::write(link.join("operstate"), format!("{state}\n")).unwrap();
                fs::write(link.join("speed"), format!("{speed}\n")).unwrap();
                if name.starts_with("eth") {
                    fs::create_dir(link.join("device")).unwrap();
                }
            }
            let rate = link_rate(folder.path()).map(Rate::bytes_per_s);
            assert_eq!(rate, expected, "{links:?}");
        }
    }

    #[test]
    fn what_the_operator_told_needs_no_link() {
        let told = Rate::from_bytes_per_s(7e6);
        assert_eq!(capacity_prior(Some(told)), Prior::Told(told));
        assert!(matches!(capacity_prior(None), Prior::Assumed(_)));
    }

    #[test]
    fn this_machine_has_figures() {
        let mut machine = Machine::new();
        let first = machine.usage();
        assert_eq!(first.cpu_busy, 0.0, "nothing to compare with");
        assert!(machine.last.is_some_and(|time| time.all > 0));
        let later = (0..10_000_000).find_map(|_| {
            let usage = machine.usage();
            (usage.cpu_busy > 0.0).then_some(usage)
        });
        let later = later.expect("this test itself keeps a processor busy");
        assert!(later.cpu_busy <= 1.0 && later.cpu_waiting <= 1.0 && later.disk_waiting <= 1.0);
    }
}
