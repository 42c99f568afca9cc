//! This machine: is it fit for a node?
//!
//! Pure but for [`read`]: a reading in, a finding out.

mod read;

use std::{path::PathBuf, time::Duration};

use overspill_core::units::{counted, display_size};

pub(super) use self::read::read;
use super::finding::Finding;

/// What was read of this machine. What could not be read is `None`, and not judged.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    /// Seconds since 1970 by the clock on the wall.
    pub(super) unix_s: u64,
    /// How much more the clock on the wall advanced while reading than the monotonic one, in ms.
    pub(super) clock_step_ms: i64,
    /// Most open files of a process; a node raises its soft limit to this hard one.
    pub(super) open_files_max: Option<u64>,
    /// Most inotify watches of a user.
    pub(super) watches_max: Option<u64>,
    /// The longest queue of connections that nobody has accepted yet.
    pub(super) somaxconn: Option<u64>,
    /// Congestion controls: the one in use, and those there are.
    pub(super) congestion: Option<(String, String)>,
    /// What the kernel can do.
    pub(super) kernel: Kernel,
    /// The folder to publish.
    pub(super) folder: Option<Folder>,
    /// The folder of a node's own files.
    pub(super) state: Option<State>,
}

/// What a node asks of the kernel; an error in words for each that does not work.
#[derive(Clone, Debug, Default)]
pub(super) struct Kernel {
    /// `openat2`, which keeps opens within the tree.
    pub(super) openat2: Option<String>,
    /// `RWF_NOWAIT`, which tells whether a page is in memory.
    pub(super) nowait: Option<String>,
    /// `SO_REUSEPORT`, one listener for each core.
    pub(super) reuse_port: Option<String>,
}

/// A folder to publish.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// Where.
    pub(super) path: PathBuf,
    /// How many folders it holds, itself included, counted up to [`FOLDERS_MAX`]; or why it cannot
    /// be read.
    pub(super) folders: Result<u64, String>,
}

/// A node's own folder.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Where.
    pub(super) path: PathBuf,
    /// Room on its disk, or why it cannot be told.
    pub(super) room: Option<Result<Room, String>>,
    /// Whether we may write there; an error in words if not.
    pub(super) write_error: Option<String>,
    /// The token files that are there, each with its permission bits.
    pub(super) token_modes: Vec<(&'static str, u32)>,
    /// What is wrong with the index, if there is one.
    pub(super) index: Option<Result<(), String>>,
}

/// Room on a disk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    /// Bytes that we may still write.
    pub(super) free_bytes: u64,
    /// Bytes there are.
    pub(super) bytes: u64,
    /// Files that may still be made.
    pub(super) free_inodes: u64,
    /// Files there may be; 0 where the file system does not count them.
    pub(super) inodes: u64,
}

/// Most folders that are counted: beyond that a scan is what one has.
pub(super) const FOLDERS_MAX: u64 = 5_000_000;
/// A clock that shows less was never set: 1 January 2026.
const UNIX_S_MIN: u64 = 1_767_225_600;
/// A clock that is moved by more while we look is not under control.
const CLOCK_STEP_MS_MAX: i64 = 500;
/// Every connection, and every file in the cache, is a descriptor.
const OPEN_FILES_GOOD: u64 = 65_536;
const OPEN_FILES_MIN: u64 = 4_096;
/// Connections that may come at once before some are refused.
const SOMAXCONN_GOOD: u64 = 1_024;
/// With less a mirror stops fetching.
const FREE_BYTES_MIN: u64 = 64 << 20;
const FREE_BYTES_GOOD: u64 = 1 << 30;
/// Share of all files that may be made before it is warned.
const FREE_INODES_RATIO: u64 = 20;

/// Judges what was read.
pub(super) fn judge(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![clock(machine)];
    findings.extend(machine.open_files_max.map(open_files));
    findings.extend(kernel(&machine.kernel));
    findings.extend(machine.somaxconn.map(somaxconn));
    findings.extend(machine.congestion.as_ref().map(congestion));
    if let Some(folder) = &machine.folder {
        findings.push(watches(folder, machine.watches_max));
    }
    if let Some(state) = &machine.state {
        findings.extend(of_state(state));
    }
    findings
}

fn clock(machine: &Machine) -> Finding {
    let remedy = "have it kept by NTP: timedatectl set-ntp true";
    if machine.unix_s < UNIX_S_MIN {
        let since = humantime::format_rfc3339_seconds(
            std::time::UNIX_EPOCH + Duration::from_secs(machine.unix_s),
        );
        return Finding::fail("clock", format!("the clock says {since}"), remedy);
    }
    if machine.clock_step_ms.abs() > CLOCK_STEP_MS_MAX {
        let text = format!(
            "the clock was moved by {} ms meanwhile",
            machine.clock_step_ms
        );
        return Finding::warn("clock", text, remedy);
    }
    Finding::ok("clock", "it runs evenly")
}

fn open_files(most: u64) -> Finding {
    let text = format!("{most} open files for a process");
    let remedy = format!(
        "raise it: LimitNOFILE={OPEN_FILES_GOOD} in the systemd unit, or ulimit -Hn \
         {OPEN_FILES_GOOD} as root before the start"
    );
    match most {
        ..OPEN_FILES_MIN => Finding::fail("open-files", text, remedy),
        OPEN_FILES_MIN..OPEN_FILES_GOOD => Finding::warn("open-files", text, remedy),
        OPEN_FILES_GOOD.. => Finding::ok("open-files", text),
    }
}

fn kernel(kernel: &Kernel) -> Vec<Finding> {
    let newer = "run Linux 5.6 or newer, and let the container's seccomp profile pass it";
    let openat2 = match &kernel.openat2 {
        None => Finding::ok("openat2", "opens are kept within the tree by the kernel"),
        Some(error) => Finding::fail("openat2", format!("it does not work: {error}"), newer),
    };
    let nowait = match &kernel.nowait {
        None => Finding::ok("nowait", "reads that would wait for a disk can be told"),
        Some(error) => Finding::warn(
            "nowait",
            format!("RWF_NOWAIT does not work here: {error}"),
            "keep the files on ext4, XFS or Btrfs, or files that are not in memory slow others down",
        ),
    };
    let reuse_port = match &kernel.reuse_port {
        None => Finding::ok("reuse-port", "each core has a listener of its own"),
        Some(error) => Finding::fail("reuse-port", format!("it does not work: {error}"), newer),
    };
    vec![openat2, nowait, reuse_port]
}

fn somaxconn(most: u64) -> Finding {
    let text = format!("{most} connections may wait to be accepted");
    match most {
        SOMAXCONN_GOOD.. => Finding::ok("somaxconn", text),
        _ => Finding::warn("somaxconn", text, "sysctl -w net.core.somaxconn=4096"),
    }
}

/// A hint and no more: which one is better depends on the way to the clients.
fn congestion((used, all): &(String, String)) -> Finding {
    let text = match (
        used.as_str(),
        all.split_whitespace().any(|one| one == "bbr"),
    ) {
        ("bbr", _) => "bbr is in use".to_owned(),
        (used, true) => format!("{used} is in use; bbr is there, and may be better to far clients"),
        (used, false) => format!("{used} is in use; modprobe tcp_bbr would bring bbr"),
    };
    Finding::ok("congestion", text)
}

fn watches(folder: &Folder, most: Option<u64>) -> Finding {
    let path = folder.path.display();
    let folders = match &folder.folders {
        Ok(folders) => *folders,
        Err(error) => {
            let text = format!("{path} cannot be read: {error}");
            return Finding::fail(
                "inotify",
                text,
                "give the user of the server the right to read it",
            );
        }
    };
    let Some(most) = most else {
        return Finding::warn(
            "inotify",
            format!(
                "{path} has {}, and this kernel has no inotify",
                counted(folders, "folder")
            ),
            "changes are found by scanning; lower --scan-every",
        );
    };
    let text = format!(
        "{path} has {}, {most} watches are allowed",
        counted(folders, "folder")
    );
    let remedy = format!(
        "sysctl -w fs.inotify.max_user_watches={}",
        folders.saturating_mul(4).next_power_of_two()
    );
    if folders >= most {
        Finding::fail("inotify", text, remedy)
    } else if folders.saturating_mul(2) > most {
        Finding::warn("inotify", text, remedy)
    } else {
        Finding::ok("inotify", text)
    }
}

fn of_state(state: &State) -> Vec<Finding> {
    let path = state.path.display();
    let mut findings = Vec::new();
    findings.push(match &state.write_error {
        None => Finding::ok("state-writable", format!("{path} can be written")),
        Some(error) => Finding::fail(
            "state-writable",
            format!("{path} cannot be written: {error}"),
            format!("chown it to the user of the node, or mkdir -p {path}"),
        ),
    });
    match &state.room {
        Some(Ok(room)) => findings.extend([free_bytes(state, *room), free_inodes(state, *room)]),
        Some(Err(error)) => findings.push(Finding::fail(
            "disk-space",
            format!("the disk of {path} cannot be asked: {error}"),
            "check that it is mounted",
        )),
        None => {}
    }
    let modes = state.token_modes.iter();
    findings.extend(modes.map(|&(name, mode)| token(state, name, mode)));
    findings.extend(state.index.as_ref().map(|read| index(state, read)));
    findings
}

fn free_bytes(state: &State, room: Room) -> Finding {
    let text = format!(
        "{} of {} free at {}",
        display_size(room.free_bytes),
        display_size(room.bytes),
        state.path.display()
    );
    let remedy = "free some space, or give a folder on a larger disk";
    match room.free_bytes {
        ..FREE_BYTES_MIN => Finding::fail("disk-space", text, remedy),
        FREE_BYTES_MIN..FREE_BYTES_GOOD => Finding::warn("disk-space", text, remedy),
        FREE_BYTES_GOOD.. => Finding::ok("disk-space", text),
    }
}

fn free_inodes(state: &State, room: Room) -> Finding {
    let path = state.path.display();
    if room.inodes == 0 {
        return Finding::ok("disk-inodes", format!("{path} has no limit of files"));
    }
    let text = format!(
        "{} of {} files may still be made at {path}",
        room.free_inodes, room.inodes
    );
    let remedy = "delete small files, or make the file system anew with more inodes";
    if room.free_inodes == 0 {
        Finding::fail("disk-inodes", text, remedy)
    } else if room.free_inodes.saturating_mul(FREE_INODES_RATIO) < room.inodes {
        Finding::warn("disk-inodes", text, remedy)
    } else {
        Finding::ok("disk-inodes", text)
    }
}

fn token(state: &State, name: &'static str, mode: u32) -> Finding {
    let file = state.path.join(name);
    let file = file.display();
    match mode & 0o077 {
        0 => Finding::ok(name, format!("only its owner can read {file}")),
        _ => Finding::fail(
            name,
            format!("other users can read {file} (mode {:o})", mode & 0o7777),
            format!("chmod 600 {file}"),
        ),
    }
}

fn index(state: &State, read: &Result<(), String>) -> Finding {
    let file = state.path.join("index.redb");
    let file = file.display();
    match read {
        Ok(()) => Finding::ok("index", format!("{file} can be read")),
        Err(error) => Finding::warn(
            "index",
            format!("{file}: {error}"),
            format!("rm {file} while the node is down; it is made again"),
        ),
    }
}

#[cfg(test)]
mod tests;
