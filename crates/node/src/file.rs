//! A file about to be served: its bytes, and the version they are promised to be.
//!
//! The header fields of a file are a pure function of its version, so they are byte for byte the
//! same on every node. It must never claim a strong validator for bytes that were not hashed.

use overspill_core::catalog::{Content, Revision};
use overspill_http1::{
    conditional::{ETag, Validators},
    date::{IMF_FIXDATE_BYTES, UnixSeconds, write_imf_fixdate},
    negotiate::Coding,
};
use overspill_net::FileBody;
use overspill_store::tree::FileFacts;

use crate::rules::{MostLinks, Origins, Ruling};

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
    pub(crate) fn field_lines(&self, dress: Dress, now: UnixSeconds) -> FieldLines {
        let modified = self.validators().settled_last_modified(now);
        let sha256 = self
            .content
            .as_ref()
            .map(|(content, _)| content.sha256.to_base64());
        let digest_line = |before: &str, after: &str| {
            let line = |digest: &String| format!("{before}{digest}{after}\r\n");
            sha256.as_ref().map(line).unwrap_or_default()
        };
        let description = dress.description();
        let repr_digest = digest_line("Repr-Digest: sha-256=:", ":");
        let revalidation = self.revalidation(&dress, modified);
        let mut whole = [&*revalidation, &description, &repr_digest].concat();
        push_line(&mut whole, "Content-Type", &dress.content_type);
        push_line(&mut whole, "Content-Length", &self.size.to_string());
        FieldLines {
            description,
            legacy_digest: digest_line("Digest: SHA-256=", ""),
            repr_digest,
            revalidation,
            whole,
            settled: modified.is_some(),
            links: dress.coding.is_none().then_some(dress.ruling.links),
            content_type: dress.content_type,
            origins: dress.ruling.origins,
        }
    }

    fn revalidation(&self, dress: &Dress, modified: Option<UnixSeconds>) -> String {
        let mut lines = format!("ETag: {}\r\n", self.etag);
        if let Some(modified) = modified {
            let mut date = [0; IMF_FIXDATE_BYTES];
            write_imf_fixdate(modified, &mut date);
            push_line(&mut lines, "Last-Modified", &String::from_utf8_lossy(&date));
        }
        if let Some(cache_control) = &dress.ruling.cache_control {
            push_line(&mut lines, "Cache-Control", cache_control);
        }
        let vary = match (dress.varies, dress.ruling.origins.varies()) {
            (true, true) => "Accept-Encoding, Origin",
            (true, false) => "Accept-Encoding",
            (false, true) => "Origin",
            (false, false) => return lines,
        };
        push_line(&mut lines, "Vary", vary);
        lines
    }
}

/// How a version is presented, beyond what it is.
#[derive(Clone, Debug)]
pub(crate) struct Dress {
    pub(crate) content_type: String,
    pub(crate) ruling: Ruling,
    /// The coding of the bytes, if they are a compressed form.
    pub(crate) coding: Option<Coding>,
    /// Whether other clients may be sent another form.
    pub(crate) varies: bool,
}

impl Dress {
    /// What every answer but a 304 says.
    fn description(&self) -> String {
        let mut lines = "Accept-Ranges: bytes\r\nX-Content-Type-Options: nosniff\r\n".to_owned();
        if let Some(coding) = self.coding {
            push_line(&mut lines, "Content-Encoding", coding.name());
        }
        lines.push_str(&self.ruling.lines);
        lines
    }
}

fn push_line(lines: &mut String, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        lines.push_str(part);
    }
}

/// Prepared header fields of one version.
#[derive(Clone, Debug)]
pub(crate) struct FieldLines {
    /// The media type; where there are several ranges, that of each.
    pub content_type: String,
    /// What every answer but a 304 says beside.
    pub description: String,
    /// The line `Digest`, for those who ask for it; empty while there is no root.
    pub legacy_digest: String,
    /// The line `Repr-Digest`, for all but those who refuse it; empty while there is no root.
    pub repr_digest: String,
    /// What a 304 repeats of the 200 (RFC 9110 section 15.4.5), and every other answer that is
    /// about the file too: validators, and whatever else caches go by.
    pub revalidation: String,
    /// All of the above for a 200 to a client without wishes, up to its length: the usual answer is
    /// one copy.
    pub whole: String,
    /// Whether they will be the same a second later.
    pub settled: bool,
    /// Most mirrors that a redirect names. `None` for a compressed form: of that, a redirect says
    /// nothing, for who has decoded it would compare the digest with other bytes.
    pub(crate) links: Option<MostLinks>,
    /// The other origins that may read it.
    pub(crate) origins: Origins,
}
