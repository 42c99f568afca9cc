//! The catalog feed: NDJSON, one header, one line per change, one end line with the count.
//!
//! A reader that does not meet the end line has an incomplete feed and must throw it away: nothing
//! may be deleted on the strength of a listing that was cut.

use std::sync::Arc;

use overspill_core::{
    catalog::{Change, Content, Entry, InstanceId, Revision},
    path::CatalogPath,
    secret::Tag,
};
use serde::{Deserialize, Serialize};

use crate::{
    WireError,
    listing::{ListedKind, crc32_text},
};

/// The first line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Header {
    /// The server's instance.
    pub instance: String,
    /// The revision the reader is at after the last line.
    pub revision: u64,
    /// Whether the lines are everything or only changes.
    pub kind: FeedKind,
}

/// What a feed holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedKind {
    /// Only what changed after the asked revision.
    Changes,
    /// Every entry; whatever is not named is gone.
    Snapshot,
}

/// Any later line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// One path.
    Change(ChangeLine),
    /// The last line.
    End(End),
}

/// The last line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct End {
    /// How many change lines came before.
    pub end: u64,
    /// For members: HMAC by the session key over the BLAKE3 hash of all lines before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// One path's change. Short names, because there may be a million of these.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ChangeLine {
    /// Path, percent-encoded with a leading slash.
    pub path: String,
    /// Revision.
    pub rev: u64,
    /// `None` for a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ListedKind>,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u64,
    /// Modification time, nanoseconds since 1970.
    #[serde(default)]
    pub mtime_ns: i64,
    /// Permission bits.
    #[serde(default)]
    pub mode: u32,
    /// BLAKE3 root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// CRC-32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<String>,
}

/// Exactly eight digits, so that a content has one spelling.
fn parse_crc32(text: &str) -> Result<u32, &'static str> {
    let is_hex = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u32::from_str_radix(text, 16).ok().filter(|_| is_hex);
    value.ok_or("not a CRC-32: expected 8 hexadecimal digits")
}

fn is_zero(size: &u64) -> bool {
    *size == 0
}

impl Header {
    /// The header's instance, checked.
    pub fn instance(&self) -> Result<InstanceId, WireError> {
        self.instance
            .parse()
            .map_err(|error| WireError::new("instance", error))
    }
}

impl End {
    /// The tag, checked; `None` if there is none.
    pub fn tag(&self) -> Result<Option<Tag>, WireError> {
        let parse = |text: &String| text.parse().map_err(|error| WireError::new("tag", error));
        self.tag.as_ref().map(parse).transpose()
    }
}

impl From<&Change> for ChangeLine {
    fn from(change: &Change) -> Self {
        Self::new(&change.path, change.revision, change.entry.as_deref())
    }
}

impl ChangeLine {
    /// The line for `path`, whose entry is `entry` since `revision`.
    pub fn new(path: &CatalogPath, revision: Revision, entry: Option<&Entry>) -> Self {
        let content = entry.and_then(|entry| entry.content);
        Self {
            path: path.to_url(),
            rev: revision.0,
            kind: entry.map(|entry| entry.kind.into()),
            size: entry.map_or(0, |entry| entry.size),
            mtime_ns: entry.map_or(0, |entry| entry.mtime_ns),
            mode: entry.map_or(0, |entry| entry.mode),
            root: content.map(|content| content.root.to_string()),
            sha256: content.map(|content| content.sha256.to_string()),
            crc32: content.map(|content| crc32_text(content.crc32)),
        }
    }

    /// Checks the line and turns it into a change.
    pub fn into_change(self) -> Result<Change, WireError> {
        let path = CatalogPath::from_url(self.path.as_bytes())
            .map_err(|error| WireError::new("path", error))?
            .path;
        if path.is_root() {
            return Err(WireError::new("path", "the root folder has no entry"));
        }
        let revision = Revision(self.rev);
        let content = self.content()?;
        let entry = self.kind.map(|kind| {
            Arc::new(Entry {
                kind: kind.into(),
                size: self.size,
                mtime_ns: self.mtime_ns,
                mode: self.mode & 0o7777,
                revision,
                content,
                stamp: None,
            })
        });
        Ok(Change {
            revision,
            path,
            entry,
        })
    }

    fn content(&self) -> Result<Option<Content>, WireError> {
        let (Some(root), Some(sha256), Some(crc32)) = (&self.root, &self.sha256, &self.crc32)
        else {
            return Ok(None);
        };
        Ok(Some(Content {
            root: root
                .parse()
                .map_err(|error| WireError::new("root", error))?,
            sha256: sha256
                .parse()
                .map_err(|error| WireError::new("sha256", error))?,
            crc32: parse_crc32(crc32).map_err(|error| WireError::new("crc32", error))?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use overspill_core::{
        catalog::Kind,
        root::{Root, Sha256},
    };

    use super::*;

    fn change(entry: Option<Entry>) -> Change {
        Change {
            revision: Revision(7),
            path: CatalogPath::parse(b"odd \xff name/x").unwrap(),
            entry: entry.map(Arc::new),
        }
    }

    #[test]
    fn changes_survive_the_wire() {
        let file = Entry {
            kind: Kind::File,
            size: 5,
            mtime_ns: -3,
            mode: 0o755,
            revision: Revision(7),
            content: Some(Content {
                root: Root([1; 32]),
                sha256: Sha256([2; 32]),
                crc32: 3,
            }),
            stamp: None,
        };
        let hot = Entry {
            content: None,
            ..file.clone()
        };
        let folder = Entry {
            kind: Kind::Folder,
            size: 0,
            content: None,
            ..file.clone()
        };
        for change in [
            change(Some(file)),
            change(Some(hot)),
            change(Some(folder)),
            change(None),
        ] {
            let text = serde_json::to_string(&Line::Change(ChangeLine::from(&change))).unwrap();
            let Ok(Line::Change(line)) = serde_json::from_str(&text) else {
                panic!("{text}")
            };
            assert_eq!(line.into_change(), Ok(change), "{text}");
        }
    }

    #[test]
    fn the_end_is_told_from_a_change() {
        let text = serde_json::to_string(&Line::End(End { end: 3, tag: None })).unwrap();
        assert_eq!(text, r#"{"end":3}"#);
        assert!(matches!(
            serde_json::from_str(&text),
            Ok(Line::End(End { end: 3, .. }))
        ));
    }

    #[test]
    fn bad_lines_are_refused() {
        for (line, field) in [
            (r#"{"path":"/a/../b","rev":1}"#, "path"),
            (r#"{"path":"/","rev":1}"#, "path"),
            (
                r#"{"path":"/a","rev":1,"kind":"file","root":"x","sha256":"y","crc32":"z"}"#,
                "root",
            ),
        ] {
            let line: ChangeLine = serde_json::from_str(line).unwrap();
            assert_eq!(line.into_change().unwrap_err().field, field);
        }
    }
}
