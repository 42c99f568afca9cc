//! What the log is written to: a file that may be rotated or full, a pipe that nobody may be reading.
//!
//! But for a disk, it must never block for longer than [`PATIENCE`], so that the writer can be asked
//! to end: a pipe is asked first whether it takes anything, and given no more than it then must take.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    io::Errno,
};

use super::AccessLogTarget;

/// Where lines go.
#[derive(Debug)]
pub(super) struct Output {
    target: AccessLogTarget,
    /// `None` for a FIFO without a reader.
    open: Option<Open>,
}

/// Whether what is open now is what was open before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reopened {
    /// Another file, or another reader of a FIFO, that has seen nothing yet.
    Another,
    /// The same file, as far as it was written.
    Same,
}

#[derive(Debug)]
struct Open {
    file: File,
    kind: Kind,
}

/// How something takes bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// A regular file takes what it has room for.
    File { device: u64, inode: u64 },
    /// A pipe or terminal takes bytes when somebody reads them.
    Stream,
}

/// How long a write may wait for whoever reads a pipe.
pub(super) const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// What a pipe takes whole and at once if it takes anything: `PIPE_BUF` of pipe(7).
const PIPE_BYTES: usize = 4096;
/// Other users have no business with the addresses of clients.
const MODE: u32 = 0o640;

impl Output {
    /// Opens `target`; a FIFO that nobody reads counts as open and takes nothing.
    pub(super) fn open(target: AccessLogTarget) -> io::Result<Self> {
        let open = match open(&target) {
            Err(error) if is_unread(&error) => None,
            other => Some(other?),
        };
        Ok(Self { target, open })
    }

    /// Opens the target anew. On failure all stays as it was. The standard output is what it is.
    pub(super) fn reopen(&mut self) -> io::Result<Reopened> {
        if self.target == AccessLogTarget::Stdout {
            return Ok(Reopened::Same);
        }
        let new = open(&self.target)?;
        let same = self
            .open
            .as_ref()
            .is_some_and(|old| old.kind == new.kind && old.kind != Kind::Stream);
        self.open = Some(new);
        Ok(if same {
            Reopened::Same
        } else {
            Reopened::Another
        })
    }

    /// Writes some of `bytes`; how many. `WouldBlock` after [`PATIENCE`] without progress.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(open) = &mut self.open else {
            return Err(Errno::NXIO.into());
        };
        match open.kind {
            Kind::File { .. } => open.file.write(bytes),
            Kind::Stream => {
                let mut descriptors = [PollFd::new(&open.file, PollFlags::OUT)];
                if poll(&mut descriptors, Some(&PATIENCE))? == 0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                // A file of ours does not block. Whether the standard output does is not ours to
                // choose, since others share it; but so few bytes it has room for.
                let most = match self.target {
                    AccessLogTarget::File(_) => bytes.len(),
                    AccessLogTarget::Stdout => PIPE_BYTES,
                };
                open.file.write(&bytes[..bytes.len().min(most)])
            }
        }
    }

    /// Where it writes, for the log of events.
    pub(super) fn path(&self) -> std::path::PathBuf {
        self.target.path()
    }
}

fn open(target: &AccessLogTarget) -> io::Result<Open> {
    let file = match target {
        AccessLogTarget::File(path) => open_file(path)?,
        AccessLogTarget::Stdout => File::from(io::stdout().as_fd().try_clone_to_owned()?),
    };
    let metadata = file.metadata()?;
    let kind = if metadata.is_file() {
        Kind::File {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    } else {
        Kind::Stream
    };
    Ok(Open { file, kind })
}

/// Opens without waiting for a FIFO to be read, and without becoming anybody's terminal.
fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(MODE)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| explain(path, error))
}

/// A socket, too, is answered with ENXIO, and will never be read.
fn explain(path: &Path, error: io::Error) -> io::Error {
    let is_fifo = || {
        path.metadata()
            .is_ok_and(|found| found.file_type().is_fifo())
    };
    if is_unread(&error) && !is_fifo() {
        return io::Error::new(
            io::ErrorKind::Unsupported,
            "it is neither a file nor a FIFO",
        );
    }
    error
}

/// Whether this is a FIFO that nobody has open for reading.
fn is_unread(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NXIO.raw_os_error())
}
