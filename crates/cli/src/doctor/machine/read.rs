//! Readings of this machine.
//!
//! Best effort: what cannot be read is left out. Nothing here may write, nor judge.

use std::{
    fs::{self, File},
    io::{self, IoSliceMut, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use overspill_server::ADMIN_TOKEN_FILE;
use rustix::{
    fs::{Access, Mode, OFlags, ResolveFlags, access, openat2, statvfs},
    io::{Errno, ReadWriteFlags, preadv2},
    net::{AddressFamily, SocketType, socket, sockopt::set_socket_reuseport},
    process::{Resource, getrlimit},
};

use super::{FOLDERS_MAX, Folder, Kernel, Machine, Room, State};

/// How a redb file begins.
const INDEX_MAGIC: &[u8; 4] = b"redb";

/// Reads this machine, and the folders that were given.
pub(in crate::doctor) fn read(folder: Option<&Path>, state: Option<&Path>) -> Machine {
    let (wall, monotonic) = (SystemTime::now(), Instant::now());
    let mut machine = Machine {
        open_files_max: Some(getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)),
        watches_max: number("/proc/sys/fs/inotify/max_user_watches"),
        somaxconn: number("/proc/sys/net/core/somaxconn"),
        congestion: text("/proc/sys/net/ipv4/tcp_congestion_control")
            .zip(text("/proc/sys/net/ipv4/tcp_available_congestion_control")),
        kernel: kernel(folder.or(state)),
        folder: folder.map(|path| Folder {
            path: path.to_owned(),
            folders: count_folders(path).map_err(|error| error.to_string()),
        }),
        state: state.map(of_state),
        ..Machine::default()
    };
    let now = SystemTime::now();
    machine.unix_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    machine.clock_step_ms = step_ms(wall, now, monotonic);
    machine
}

/// How much more the clock on the wall advanced than the monotonic one.
fn step_ms(wall: SystemTime, now: SystemTime, since: Instant) -> i64 {
    let monotonic = since.elapsed().as_millis() as i64;
    let walled = match now.duration_since(wall) {
        Ok(forward) => forward.as_millis() as i64,
        Err(back) => -(back.duration().as_millis() as i64),
    };
    walled - monotonic
}

fn kernel(near: Option<&Path>) -> Kernel {
    let words = |errno: Errno| errno.to_string();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = openat2(
        rustix::fs::CWD,
        ".",
        flags,
        Mode::empty(),
        ResolveFlags::BENEATH,
    );
    let reuse_port = socket(AddressFamily::INET, SocketType::STREAM, None)
        .and_then(|socket| set_socket_reuseport(&socket, true));
    Kernel {
        openat2: opened.err().map(words),
        nowait: nowait(near).err().map(words),
        reuse_port: reuse_port.err().map(words),
    }
}

/// Whether a file near there can be read without waiting: any that is there, else our own program.
fn nowait(near: Option<&Path>) -> Result<(), Errno> {
    let file = near.and_then(first_file).or_else(|| {
        let program = std::env::current_exe().ok()?;
        File::open(program).ok()
    });
    let Some(file) = file else { return Ok(()) };
    let mut byte = [0];
    let read = preadv2(
        &file,
        &mut [IoSliceMut::new(&mut byte)],
        0,
        ReadWriteFlags::NOWAIT,
    );
    match read {
        // Not in memory: that is what it is asked for.
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn first_file(folder: &Path) -> Option<File> {
    let entries = fs::read_dir(folder).ok()?.take(100).flatten();
    let mut files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.find_map(|entry| File::open(entry.path()).ok())
}

fn number(path: &str) -> Option<u64> {
    text(path)?.parse().ok()
}

fn text(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// The folders of a tree, itself included. A folder below that cannot be read counts as one.
fn count_folders(root: &Path) -> io::Result<u64> {
    let mut folders = 1;
    let mut due = folders_in(root)?;
    while let Some(folder) = due.pop() {
        folders += 1;
        if folders >= FOLDERS_MAX {
            break;
        }
        due.extend(folders_in(&folder).unwrap_or_default());
    }
    Ok(folders)
}

fn folders_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.map(|entry| entry.path()).collect())
}

fn of_state(path: &Path) -> State {
    let mode_of = |name| {
        let facts = fs::metadata(path.join(name)).ok()?;
        Some((name, facts.permissions().mode()))
    };
    let written = access(path, Access::EXISTS | Access::READ_OK | Access::WRITE_OK);
    State {
        path: path.to_owned(),
        room: Some(room(path).map_err(|errno| errno.to_string())),
        write_error: written.err().map(|errno| errno.to_string()),
        token_modes: ["token", ADMIN_TOKEN_FILE]
            .into_iter()
            .filter_map(mode_of)
            .collect(),
        index: index(&path.join("index.redb")),
    }
}

fn room(path: &Path) -> Result<Room, Errno> {
    let disk = statvfs(path)?;
    Ok(Room {
        free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
        bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
        free_inodes: disk.f_favail,
        inodes: disk.f_files,
    })
}

/// A node may have it open, so only its beginning is looked at.
fn index(path: &Path) -> Option<Result<(), String>> {
    let mut magic = [0; INDEX_MAGIC.len()];
    let read = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Err(error),
        Ok(mut file) => file.read_exact(&mut magic),
    };
    Some(match read {
        Ok(()) if magic == *INDEX_MAGIC => Ok(()),
        Ok(()) => Err("it is no index".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}
