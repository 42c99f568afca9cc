//! Content identity: BLAKE3, SHA-256 and CRC-32 of a file, in one pass over its bytes.
//!
//! Files are read, never mapped: a mapped file that somebody truncates kills the process. A hash is
//! given out only for bytes that held still; a file that moved underneath has none.

use std::{fs::File, io, ops::ControlFlow, os::unix::fs::FileExt};

use aws_lc_rs::digest;
use overspill_core::{catalog::Content, root::Sha256};
use rustix::{fs::Advice, process::setpriority_process, thread::gettid};
use thiserror::Error;

use crate::{
    outboard::{Outboard, OutboardBuilder},
    tree::LiveFile,
};

/// All digests of a stream of bytes.
#[derive(Clone)]
pub struct ContentHasher {
    blake3: OutboardBuilder,
    sha256: digest::Context,
    crc32: crc32fast::Hasher,
}

/// Why a live file has no hash now.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HashError {
    /// It was written to meanwhile. Try again when it has been still for a while.
    #[error("the file changed while it was hashed")]
    Changed,
    /// It could not be read.
    #[error("cannot read the file")]
    Io(#[from] io::Error),
}

impl ContentHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self {
            blake3: OutboardBuilder::new(),
            sha256: digest::Context::new(&digest::SHA256),
            crc32: crc32fast::Hasher::new(),
        }
    }

    /// Takes the next bytes. Slices of 16 KiB and more let BLAKE3 use the whole vector unit.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
        self.crc32.update(bytes);
    }

    /// Everything there is in an open file, from its start.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        read(file, u64::MAX)
    }

    /// How many bytes have been seen.
    pub fn bytes(&self) -> u64 {
        self.blake3.size()
    }

    /// The digests of everything seen, and how many bytes that was.
    pub fn finish(self) -> (Content, u64) {
        let (content, outboard) = self.finish_with_outboard();
        (content, outboard.size())
    }

    /// The digests of everything seen, and the tree of the first of them.
    pub fn finish_with_outboard(self) -> (Content, Outboard) {
        let mut sha256 = [0; digest::SHA256_OUTPUT_LEN];
        sha256.copy_from_slice(self.sha256.finish().as_ref());
        let (root, outboard) = self.blake3.finish();
        let content = Content {
            root,
            sha256: Sha256(sha256),
            crc32: self.crc32.finalize(),
        };
        (content, outboard)
    }
}

impl Default for ContentHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for ContentHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContentHasher")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

/// Hashes a live file, all of it, whatever was read from it before.
///
/// The content is that of [`LiveFile::facts`]: if the file is another by the end, or has another
/// number of bytes than it said, the error is [`HashError::Changed`]. A file that grows faster
/// than it is read does not keep us.
pub fn hash_live(file: &LiveFile) -> Result<(Content, Outboard), HashError> {
    let (content, outboard) = read(&file.file, file.facts.size)?.finish_with_outboard();
    if outboard.size() != file.facts.size || !file.is_unchanged() {
        return Err(HashError::Changed);
    }
    Ok((content, outboard))
}

/// Hashes an object, all of it, and counts its bytes.
pub fn hash_open(file: &File) -> io::Result<(Content, u64)> {
    ContentHasher::of(file).map(ContentHasher::finish)
}

/// The root and the tree of an open file, all of it; `None` if `go_on` said to stop.
///
/// `go_on` is asked after each quarter of a megabyte or less and told how many bytes were read, so
/// it may also slow the reading down.
pub fn outboard_of(
    file: &File,
    mut go_on: impl FnMut(usize) -> ControlFlow<()>,
) -> io::Result<Option<Outboard>> {
    let _ = rustix::fs::fadvise(file, 0, None, Advice::Sequential);
    let mut builder = OutboardBuilder::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read_at(&mut buffer, builder.size()) {
            Ok(0) => return Ok(Some(builder.finish().1)),
            Ok(bytes) => {
                builder.update(&buffer[..bytes]);
                if go_on(bytes).is_break() {
                    return Ok(None);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes the calling thread yield to every other: hashing must never slow down a request.
///
/// Best effort, and for good: without privilege a thread cannot raise its priority again. Only the
/// processor's priority is lowered; reads follow it on schedulers that look at it.
pub fn lower_thread_priority() {
    // To Linux a thread is a process of its own here, which POSIX did not intend.
    if let Err(error) = setpriority_process(Some(gettid()), NICEST) {
        tracing::debug!(%error, "cannot lower the priority of a hashing thread");
    }
}

/// Reads from the start to the end, or until more than `size_max` bytes have been seen.
fn read(file: &File, size_max: u64) -> io::Result<ContentHasher> {
    // A pipe refuses the advice, but no pipe gets here, and hashing goes on without it.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::Sequential);
    let mut hasher = ContentHasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    while hasher.bytes() <= size_max {
        match file.read_at(&mut buffer, hasher.bytes()) {
            Ok(0) => break,
            Ok(bytes) => hasher.update(&buffer[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hasher)
}

/// Fits the second-level cache, so all hashes read it from there; larger is not faster.
const BUFFER_BYTES: usize = 256 * 1024;
const NICEST: i32 = 19;

#[cfg(test)]
mod tests;
