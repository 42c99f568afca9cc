//! Reading files without holding up the serving thread.
//!
//! A page that is in memory is read where we are; one that is not is waited for on another thread of
//! a small pool, while this core serves others. The probe is `RWF_NOWAIT`, preadv2(2): it copies what
//! is in memory and never waits. It must never read more than it was asked for into a response.

use std::{
    io::{self, IoSliceMut},
    os::unix::fs::FileExt,
};

use overspill_http1::range::ByteRange;
use rustix::{
    fs::Advice,
    io::{Errno, ReadWriteFlags},
};
use tokio::task::spawn_blocking;

use crate::service::FileBody;

/// Threads of one core that may wait for a disk at the same time.
pub(crate) const MAX_WAITING_THREADS: usize = 16;
/// Bytes brought into memory in one go before they are sent by reference.
pub(crate) const WINDOW_BYTES: u64 = 2 << 20;
/// Distance of the places of a window that are probed: about what the kernel reads ahead by itself.
const PROBE_BYTES: u64 = 512 << 10;
/// Buffer for bringing pages into memory.
const READ_BYTES: usize = 256 << 10;

/// Sees to it that the start of `range`, up to a window, is in memory; says where the window ends.
///
/// Probes a few places only, so a page in between may be missing: then the serving thread waits for
/// it, as it would have without the probe. Errors are left to whoever sends the bytes.
pub(crate) async fn bring_in(file: &FileBody, range: ByteRange) -> u64 {
    let end = range.end.min(range.start.saturating_add(WINDOW_BYTES));
    if is_in_memory(file, range.start, end) {
        return end;
    }
    let file = file.clone();
    let read = spawn_blocking(move || read_window(&file, range.start, end, range.end));
    // A panic there has been printed, and sending goes on without it.
    let _ = read.await;
    end
}

/// Appends up to `wanted` bytes at `offset` to `buffer`; fewer only where the file ends.
pub(crate) async fn append(
    file: &FileBody,
    offset: u64,
    wanted: usize,
    mut buffer: Vec<u8>,
) -> io::Result<Vec<u8>> {
    let start = buffer.len();
    buffer.resize(start + wanted, 0);
    let read = read_in_memory(file, offset, &mut buffer[start..]);
    if read < wanted {
        let file = file.clone();
        let rest = spawn_blocking(move || {
            let rest = read_rest(&file, offset + read as u64, &mut buffer[start + read..]);
            rest.map(|bytes| (bytes, buffer))
        });
        let (bytes, mut filled) = rest.await.map_err(io::Error::other)??;
        filled.truncate(start + read + bytes);
        return Ok(filled);
    }
    Ok(buffer)
}

/// Copies what is in memory of the bytes at `offset`, from the first on; never waits.
pub(crate) fn read_in_memory(file: &FileBody, offset: u64, buffer: &mut [u8]) -> usize {
    let mut read = 0;
    while read < buffer.len() {
        let mut parts = [IoSliceMut::new(&mut buffer[read..])];
        match rustix::io::preadv2(
            file.file(),
            &mut parts,
            offset + read as u64,
            ReadWriteFlags::NOWAIT,
        ) {
            Ok(bytes) if bytes > 0 => read += bytes,
            // Not there, the end of the file, or not known: the slow way finds out.
            Ok(_) | Err(_) => break,
        }
    }
    read
}

fn read_rest(file: &FileBody, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<usize> {
    let wanted = buffer.len();
    while !buffer.is_empty() {
        match file.file().read_at(buffer, offset) {
            Ok(0) => break,
            Ok(bytes) => {
                offset += bytes as u64;
                buffer = &mut buffer[bytes..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(wanted - buffer.len())
}

fn is_in_memory(file: &FileBody, start: u64, end: u64) -> bool {
    let last = end.saturating_sub(1);
    let places = (start..last)
        .step_by(PROBE_BYTES as usize)
        .chain(std::iter::once(last));
    places.into_iter().all(|at| is_page_in_memory(file, at))
}

fn is_page_in_memory(file: &FileBody, at: u64) -> bool {
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let read = rustix::io::preadv2(file.file(), &mut parts, at, ReadWriteFlags::NOWAIT);
    // A file system without the probe says so; there the kernel is left to do as it likes.
    !matches!(read, Err(Errno::AGAIN))
}

/// Reads a window, and asks the kernel to begin with the next one while this one is sent.
fn read_window(file: &FileBody, start: u64, end: u64, file_end: u64) {
    let mut buffer = vec![0; READ_BYTES];
    let mut offset = start;
    while offset < end {
        let wanted = (end - offset).min(READ_BYTES as u64) as usize;
        match file.file().read_at(&mut buffer[..wanted], offset) {
            Ok(bytes) if bytes > 0 => offset += bytes as u64,
            Ok(_) | Err(_) => return,
        }
    }
    let next = file_end.saturating_sub(end).min(WINDOW_BYTES);
    if let Some(length) = std::num::NonZeroU64::new(next) {
        // Advice only.
        let _ = rustix::fs::fadvise(file.file(), end, Some(length), Advice::WillNeed);
    }
}
