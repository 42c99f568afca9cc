//! Pipes: where spliced bytes are between two sockets.
//!
//! A pipe is what one relayed flow may hold, so its size is the bound on that. It must never be kept
//! with bytes in it: they would be the start of somebody else's file.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// Bytes that one relayed flow may have on its way through this node: as many as the kernel takes
/// unsent for a connection.
const PIPE_BYTES: usize = 256 << 10;
/// Empty pipes kept by one core; two descriptors each.
const MAX_KEPT: usize = 32;

/// A pipe, and how much is in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

/// Empty pipes.
#[derive(Debug, Default)]
pub(super) struct Pipes(Vec<Pipe>);

impl Pipes {
    /// An empty pipe.
    pub(super) fn take(&mut self) -> io::Result<Pipe> {
        if let Some(pipe) = self.0.pop() {
            return Ok(pipe);
        }
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // An unprivileged user has so many pages for pipes; beyond that this one stays small.
        let _ = fcntl_setpipe_size(&writer, PIPE_BYTES);
        Ok(Pipe { reader, writer })
    }

    /// Keeps a pipe, which is empty.
    pub(super) fn give(&mut self, pipe: Pipe) {
        if self.0.len() < MAX_KEPT {
            self.0.push(pipe);
        }
    }
}

impl Pipe {
    /// The end that is read from.
    pub(crate) fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// The end that is written to.
    pub(crate) fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }
}
