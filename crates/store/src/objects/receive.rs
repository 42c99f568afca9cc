//! Receiving one object: append, hash, and hold back until every byte is verified.
//!
//! The part file and the hash advance together, so a cut leaves a prefix that can be continued. It
//! must never give out a [`Received`] for bytes that do not hash to their root.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use overspill_core::{catalog::Content, root::Root};

use super::{Claim, ObjectError, ObjectStore, failure};
use crate::{hash::ContentHasher, outboard::Outboard};

/// An object on its way in. Dropping it keeps what has come, for a later try.
#[derive(Debug)]
pub struct Receiving {
    store_dir: PathBuf,
    part: PathBuf,
    file: File,
    hasher: ContentHasher,
    offset: u64,
    size: u64,
    claim: Claim,
}

/// A verified content that is not an object yet; see [`ObjectStore::commit`].
///
/// Dropping it keeps the bytes, but receiving them again reads and verifies them anew.
#[derive(Debug)]
pub struct Received {
    part: PathBuf,
    content: Content,
    outboard: Outboard,
    _claim: Claim,
}

impl ObjectStore {
    /// Begins or continues to receive an object of `size` bytes.
    ///
    /// Bytes left from an earlier try are read and hashed here, which takes a while for large
    /// ones; [`Receiving::offset`] then says where to go on. More bytes than `size` are the
    /// remains of something else and are dropped.
    pub fn receive(&self, root: Root, size: u64) -> Result<Receiving, ObjectError> {
        let claim = self.claims.claim(root).ok_or(ObjectError::Busy { root })?;
        let part = self.part_path(&root);
        let (file, hasher, offset) =
            open_part(&part, size).map_err(|error| self.failure(&part, error))?;
        Ok(Receiving {
            store_dir: self.dir.clone(),
            part,
            file,
            hasher,
            offset,
            size,
            claim,
        })
    }
}

impl Receiving {
    /// The object asked for.
    pub fn root(&self) -> Root {
        self.claim.root
    }

    /// Offset of the next byte wanted; the object's size when all are here.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Size of the object in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the bytes at [`Receiving::offset`].
    ///
    /// After an error, the offset says how many of them have been taken; none of
    /// [`ObjectError::TooLong`]. When the disk is full, the rest can be written once it no longer
    /// is.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        if bytes.len() as u64 > self.size - self.offset {
            return Err(ObjectError::TooLong {
                expected: self.size,
            });
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write_at(rest, self.offset) {
                Ok(0) => return Err(self.failure(io::ErrorKind::WriteZero.into())),
                Ok(written) => rest = self.advance(rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(error)),
            }
        }
        Ok(())
    }

    /// Verifies the whole.
    ///
    /// [`ObjectError::Short`] keeps the bytes for a later try, [`ObjectError::Mismatch`] deletes
    /// them, so that the next try begins clean.
    pub fn finish(self) -> Result<Received, ObjectError> {
        if self.offset < self.size {
            return Err(ObjectError::Short {
                expected: self.size,
                got: self.offset,
            });
        }
        let (content, outboard) = self.hasher.finish_with_outboard();
        if content.root != self.claim.root {
            fs::remove_file(&self.part)
                .map_err(|error| failure(&self.store_dir, &self.part, error))?;
            return Err(ObjectError::Mismatch {
                expected: self.claim.root,
                got: content.root,
            });
        }
        Ok(Received {
            part: self.part,
            content,
            outboard,
            _claim: self.claim,
        })
    }

    fn advance<'a>(&mut self, bytes: &'a [u8], written: usize) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(written);
        self.hasher.update(taken);
        self.offset += written as u64;
        rest
    }

    fn failure(&self, error: io::Error) -> ObjectError {
        failure(&self.store_dir, &self.part, error)
    }
}

impl Received {
    /// The object's name.
    pub fn root(&self) -> Root {
        self.content.root
    }

    /// All digests of the bytes received.
    pub fn content(&self) -> Content {
        self.content
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.outboard.size()
    }

    /// The tree of the bytes received.
    pub fn outboard(&self) -> &Outboard {
        &self.outboard
    }

    pub(super) fn part(&self) -> &Path {
        &self.part
    }
}

/// Opens the part file and hashes what is in it.
fn open_part(part: &Path, size: u64) -> io::Result<(File, ContentHasher, u64)> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(part)?;
    if file.metadata()?.len() > size {
        file.set_len(0)?;
    }
    let hasher = ContentHasher::of(&file)?;
    let offset = hasher.bytes();
    Ok((file, hasher, offset))
}
