//! The bytes of one entry in the index: fixed width, little endian, with a version.
//!
//! Our own encoding, not that of a library, because it outlives versions of both. There is one
//! encoding for each entry and nothing else decodes: garbage must never pass as an entry, and
//! never panic.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | version, 2 |
//! | 1 | 1 | kind: 0 file, 1 folder |
//! | 2 | 1 | what is present: 1 content, 2 stamp |
//! | 3 | 1 | 0 |
//! | 4 | 4 | mode |
//! | 8 | 8 | size |
//! | 16 | 8 | mtime, ns |
//! | 24 | 8 | revision |
//! | 32 | 32 | root, or zeros |
//! | 64 | 32 | sha-256, or zeros |
//! | 96 | 24 | stamp: dev, ino, ctime in ns; or zeros |
//! | 120 | 4 | crc-32, or zeros |
//!
//! Version 1 had no CRC-32. Its records are dropped, and the files hashed once more.

use overspill_core::{
    catalog::{Content, Entry, Kind, Revision, Stamp},
    path::{CatalogPath, PathError},
    root::{Root, Sha256},
};
use thiserror::Error;

/// Why a row of the index is no entry.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(super) enum RecordError {
    /// The entry is of a later revision than the catalog.
    #[error("a record of the index is ahead of its catalog")]
    Ahead,
    /// It has our version and is none of our records.
    #[error("a record of the index is damaged")]
    Damaged,
    /// The key is no path that an entry can have.
    #[error("a key of the index is no path: {0}")]
    Path(#[from] PathError),
    /// The root folder has no entry.
    #[error("a key of the index is empty")]
    RootFolder,
    /// Written by another version of this program.
    #[error("a record of the index has version {0}")]
    Version(u8),
}

/// An entry's record.
pub(super) fn encode(entry: &Entry) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    record[0] = VERSION;
    record[1] = match entry.kind {
        Kind::File => 0,
        Kind::Folder => 1,
    };
    record[4..8].copy_from_slice(&entry.mode.to_le_bytes());
    record[8..16].copy_from_slice(&entry.size.to_le_bytes());
    record[16..24].copy_from_slice(&entry.mtime_ns.to_le_bytes());
    record[24..32].copy_from_slice(&entry.revision.0.to_le_bytes());
    if let Some(content) = entry.content {
        record[2] |= HAS_CONTENT;
        record[32..64].copy_from_slice(&content.root.0);
        record[64..96].copy_from_slice(&content.sha256.0);
        record[120..124].copy_from_slice(&content.crc32.to_le_bytes());
    }
    if let Some(stamp) = entry.stamp {
        record[2] |= HAS_STAMP;
        record[96..104].copy_from_slice(&stamp.dev.to_le_bytes());
        record[104..112].copy_from_slice(&stamp.ino.to_le_bytes());
        record[112..120].copy_from_slice(&stamp.ctime_ns.to_le_bytes());
    }
    record
}

/// The entry of a record.
pub(super) fn decode(bytes: &[u8]) -> Result<Entry, RecordError> {
    match bytes.first() {
        Some(&VERSION) => {}
        Some(&version) => return Err(RecordError::Version(version)),
        None => return Err(RecordError::Damaged),
    }
    let record: &[u8; RECORD_BYTES] = bytes.try_into().map_err(|_| RecordError::Damaged)?;
    let entry = read(record);
    // One rule for every byte that no field above looks at, or that has few meanings.
    if encode(&entry) != *record {
        return Err(RecordError::Damaged);
    }
    Ok(entry)
}

/// A whole row: a path that can have an entry, and one that is not ahead of the catalog.
pub(super) fn decode_row(
    key: &[u8],
    bytes: &[u8],
    last: Revision,
) -> Result<(CatalogPath, Entry), RecordError> {
    let path = CatalogPath::parse(key)?;
    if path.is_root() {
        return Err(RecordError::RootFolder);
    }
    let entry = decode(bytes)?;
    if entry.revision > last {
        return Err(RecordError::Ahead);
    }
    Ok((path, entry))
}

/// Reads the fields, believing them.
fn read(record: &[u8; RECORD_BYTES]) -> Entry {
    let content = Content {
        root: Root(array(record, 32)),
        sha256: Sha256(array(record, 64)),
        crc32: u32::from_le_bytes(array(record, 120)),
    };
    let stamp = Stamp {
        dev: u64::from_le_bytes(array(record, 96)),
        ino: u64::from_le_bytes(array(record, 104)),
        ctime_ns: i64::from_le_bytes(array(record, 112)),
    };
    Entry {
        kind: if record[1] == 0 {
            Kind::File
        } else {
            Kind::Folder
        },
        size: u64::from_le_bytes(array(record, 8)),
        mtime_ns: i64::from_le_bytes(array(record, 16)),
        mode: u32::from_le_bytes(array(record, 4)),
        revision: Revision(u64::from_le_bytes(array(record, 24))),
        content: (record[2] & HAS_CONTENT != 0).then_some(content),
        stamp: (record[2] & HAS_STAMP != 0).then_some(stamp),
    }
}

/// The `N` bytes at `at`, which lie within the record for every constant above.
fn array<const N: usize>(record: &[u8; RECORD_BYTES], at: usize) -> [u8; N] {
    std::array::from_fn(|offset| record[at + offset])
}

const RECORD_BYTES: usize = 124;
const VERSION: u8 = 2;
const HAS_CONTENT: u8 = 1;
const HAS_STAMP: u8 = 2;

#[cfg(test)]
mod tests;
