//! The machine a benchmark runs on, and which of its processors runs what.
//!
//! It must never treat one contender otherwise than another.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Who runs on which processor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pinning {
    /// Servers on the first processor, whoever loads them on the second.
    Apart,
    /// Wherever the kernel likes.
    Free,
}

/// The side of a measurement a process is on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    Load,
    Server,
}

impl Side {
    fn processor(self) -> usize {
        match self {
            Self::Server => 0,
            Self::Load => 1,
        }
    }
}

impl Pinning {
    /// Apart if the machine has two processors and `taskset`.
    pub(crate) fn detect() -> Self {
        if cores() >= 2 && is_installed("taskset") {
            Self::Apart
        } else {
            Self::Free
        }
    }

    /// A command that runs `program` on its side, with its own arguments still to be added.
    pub(crate) fn command(self, side: Side, program: &Path) -> Command {
        let program = find(program).unwrap_or_else(|| program.to_owned());
        if self == Self::Free {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        let processor = side.processor().to_string();
        command.args(["-c", &processor]).arg(program);
        command
    }

    /// Moves the calling thread to the processor of its side.
    pub(crate) fn bind_thread(self, side: Side) -> Result<()> {
        if self == Self::Free {
            return Ok(());
        }
        let mut processors = CpuSet::new();
        processors.set(side.processor());
        sched_setaffinity(None, &processors).context("cannot choose a processor")
    }

    /// Says so for people.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Apart => "servers on processor 0, load on processor 1",
            Self::Free => "nothing pinned (two processors and taskset are needed)",
        }
    }
}

/// One line on the machine and how busy it is with other things.
pub(crate) fn describe() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
    let load: Vec<_> = load.split(' ').take(3).collect();
    Ok(format!(
        "machine: {} cores, Linux {}, load average {}",
        cores(),
        rustix::system::uname().release().to_string_lossy(),
        load.join(" "),
    ))
}

/// Whether `program` can be run.
pub(crate) fn is_installed(program: &str) -> bool {
    find(Path::new(program)).is_some()
}

/// The file of `program`, on the search path or where administrators keep servers: a search path
/// other than root's often leaves those out.
fn find(program: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_load_are_kept_apart() {
        let line = |pinning: Pinning, side| {
            let command = pinning.command(side, Path::new("no-such-load"));
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words
                .map(|word| word.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            line(Pinning::Apart, Side::Server),
            "taskset -c 0 no-such-load"
        );
        assert_eq!(
            line(Pinning::Apart, Side::Load),
            "taskset -c 1 no-such-load"
        );
        assert_eq!(line(Pinning::Free, Side::Server), "no-such-load");
    }

    #[test]
    fn programs_are_found_by_name_only() {
        assert!(is_installed("sh"));
        assert!(!is_installed("overspill-has-no-such-program"));
    }
}
