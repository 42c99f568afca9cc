//! Content identity: BLAKE3, SHA-256 and CRC-32 of a file, in one pass over its bytes.
//!
//! Files are read, never mapped: a mapped file that somebody truncates kills the process. A hash is
//! given out only for bytes that held still; a file that moved underneath has none.

use std::{fs::File, io, os::unix::fs::FileExt};

use aws_lc_rs::digest;
use overspill_core::{
    catalog::Content,
    root::{Root, Sha256},
};
use rustix::{fs::Advice, process::setpriority_process, thread::gettid};
use thiserror::Error;

use crate::tree::LiveFile;

/// All digests of a stream of bytes.
#[derive(Clone)]
pub struct ContentHasher {
    blake3: blake3::Hasher,
    sha256: digest::Context,
    crc32: crc32fast::Hasher,
    bytes: u64,
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
            blake3: blake3::Hasher::new(),
            sha256: digest::Context::new(&digest::SHA256),
            crc32: crc32fast::Hasher::new(),
            bytes: 0,
        }
    }

    /// Takes the next bytes. Slices of 16 KiB and more let BLAKE3 use the whole vector unit.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
        self.crc32.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Everything there is in an open file, from its start.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        read(file, u64::MAX)
    }

    /// How many bytes have been seen.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digests of everything seen, and how many bytes that was.
    pub fn finish(self) -> (Content, u64) {
        let mut sha256 = [0; digest::SHA256_OUTPUT_LEN];
        sha256.copy_from_slice(self.sha256.finish().as_ref());
        let content = Content {
            root: Root(self.blake3.finalize().into()),
            sha256: Sha256(sha256),
            crc32: self.crc32.finalize(),
        };
        (content, self.bytes)
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
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// Hashes a live file, all of it, whatever was read from it before.
///
/// The content is that of [`LiveFile::facts`]: if the file is another by the end, or has another
/// number of bytes than it said, the error is [`HashError::Changed`]. A file that grows faster
/// than it is read does not keep us.
pub fn hash_live(file: &LiveFile) -> Result<Content, HashError> {
    let (content, bytes) = read(&file.file, file.facts.size)?.finish();
    if bytes != file.facts.size || !file.is_unchanged() {
        return Err(HashError::Changed);
    }
    Ok(content)
}

/// Hashes an object, all of it, and counts its bytes.
pub fn hash_open(file: &File) -> io::Result<(Content, u64)> {
    ContentHasher::of(file).map(ContentHasher::finish)
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
    while hasher.bytes <= size_max {
        match file.read_at(&mut buffer, hasher.bytes) {
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
