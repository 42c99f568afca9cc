//! A file about to be served: its bytes, and the version they are promised to be.
//!
//! The header fields of a file are a pure function of its version, so they are byte for byte the
//! same on every node. It must never claim a strong validator for bytes that were not hashed.

use std::fmt::Write;

use overspill_core::{
    catalog::{Content, Revision},
    path::CatalogPath,
};
use overspill_http1::{
    conditional::{ETag, Validators},
    date::{IMF_FIXDATE_BYTES, UnixSeconds, write_imf_fixdate},
};
use overspill_net::FileBody;
use overspill_store::tree::FileFacts;

use crate::mime;

/// A file found on this node.
#[derive(Clone, Debug)]
pub struct FoundFile {
    /// Where its bytes come from.
    pub body: FileBody,
    /// Which version they are.
    pub version: FileVersion,
}

/// What clients are told about a version of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileVersion {
    /// Size in bytes.
    pub size: u64,
    /// Modification time, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Identity of the bytes and the batch that brought it; `None` while the file is hot.
    pub content: Option<(Content, Revision)>,
    /// The entity tag as it goes on the wire.
    pub etag: String,
}

impl FileVersion {
    /// A version whose bytes are known.
    pub fn known(size: u64, mtime_ns: i64, content: Content, revision: Revision) -> Self {
        Self {
            size,
            mtime_ns,
            content: Some((content, revision)),
            etag: content.root.etag(),
        }
    }

    /// A version known only by what the file system says; its tag is weak, so nobody resumes by it.
    pub fn hot(facts: &FileFacts) -> Self {
        let stamp = facts.stamp;
        let etag = format!(
            "W/\"{:x}-{:x}-{:x}-{:x}\"",
            facts.size, facts.mtime_ns, stamp.ctime_ns, stamp.ino
        );
        Self {
            size: facts.size,
            mtime_ns: facts.mtime_ns,
            content: None,
            etag,
        }
    }

    /// What preconditions are evaluated against.
    pub fn validators(&self) -> Validators<'_> {
        let seconds = u64::try_from(self.mtime_ns.div_euclid(1_000_000_000)).ok();
        Validators {
            etag: ETag::parse(self.etag.as_bytes()),
            last_modified: seconds.map(UnixSeconds),
        }
    }

    /// The field lines that describe this version, each with its CRLF.
    pub fn field_lines(&self, path: &CatalogPath, now: UnixSeconds) -> FieldLines {
        let mut revalidation = format!("ETag: {}\r\n", self.etag);
        let modified = self.validators().settled_last_modified(now);
        if let Some(modified) = modified {
            let mut date = [0; IMF_FIXDATE_BYTES];
            write_imf_fixdate(modified, &mut date);
            revalidation.push_str("Last-Modified: ");
            revalidation.push_str(&String::from_utf8_lossy(&date));
            revalidation.push_str("\r\n");
        }
        let mut all = revalidation.clone();
        // Writing to a String cannot fail.
        let _ = write!(all, "Content-Type: {}\r\n", mime::content_type(path));
        if let Some((content, _)) = &self.content {
            let _ = write!(
                all,
                "Repr-Digest: sha-256=:{}:\r\n",
                content.sha256.to_base64()
            );
        }
        all.push_str("Accept-Ranges: bytes\r\nX-Content-Type-Options: nosniff\r\n");
        FieldLines {
            all,
            revalidation,
            settled: modified.is_some(),
        }
    }
}

/// Prepared header fields of one version.
#[derive(Clone, Debug)]
pub struct FieldLines {
    /// For a response that carries or describes the file.
    pub all: String,
    /// For a 304.
    pub revalidation: String,
    /// Whether they will be the same a second later.
    pub settled: bool,
}
