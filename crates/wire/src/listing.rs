//! A folder or a selection as JSON, as `?format=json` answers it and our client reads it.
//!
//! Pages are bounded; `next` is the cursor of the next page. It must stay readable by `jq` alone.

use overspill_core::{
    catalog::{Entry, Kind},
    path::{CatalogPath, encode_component},
    units::display_date,
};
use serde::{Deserialize, Serialize};

/// One page of a listing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Listing {
    /// The folder, as a URL path that ends in a slash.
    pub path: String,
    /// Revision of the catalog it was taken from.
    pub revision: u64,
    /// What is in it: in the byte order of paths, or with `sort` in that order, folders first.
    pub entries: Vec<Listed>,
    /// Value for `?cursor=` to get the next page; absent on the last. It says where the page ended, as
    /// a path or, in a sorted listing, with the sort key: so entries that change meanwhile neither
    /// hide others nor show them twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One entry of a listing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Listed {
    /// Name, or for a selection the path below the folder. Bytes that are no UTF-8 are replaced;
    /// `href` is exact.
    pub name: String,
    /// Where it is: a relative reference that resolves against the folder's URL.
    pub href: String,
    /// `file` or `folder`.
    pub kind: ListedKind,
    /// Size in bytes; absent for a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Modification time, ISO 8601, UTC, whole seconds.
    pub mtime: String,
    /// BLAKE3 root in hexadecimal; absent for folders and while a file is hot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// SHA-256 in hexadecimal; present when `root` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// CRC-32 in hexadecimal, as `unzip -v` prints it; present when `root` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<String>,
}

/// What a listed entry is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ListedKind {
    /// A file.
    File,
    /// A folder.
    Folder,
}

impl From<Kind> for ListedKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File => Self::File,
            Kind::Folder => Self::Folder,
        }
    }
}

impl From<ListedKind> for Kind {
    fn from(kind: ListedKind) -> Self {
        match kind {
            ListedKind::File => Self::File,
            ListedKind::Folder => Self::Folder,
        }
    }
}

/// A CRC-32 as eight hexadecimal digits.
pub(crate) fn crc32_text(crc32: u32) -> String {
    format!("{crc32:08x}")
}

impl Listed {
    /// Describes `entry` at `path` as seen from `folder`, which must hold it.
    pub fn new(folder: &CatalogPath, path: &CatalogPath, entry: &Entry) -> Self {
        let skip = if folder.is_root() {
            0
        } else {
            folder.as_bytes().len() + 1
        };
        let relative = &path.as_bytes()[skip..];
        let encoded: Vec<String> = relative
            .split(|&byte| byte == b'/')
            .map(encode_component)
            .collect();
        let slash = if entry.kind == Kind::Folder { "/" } else { "" };
        Self {
            name: String::from_utf8_lossy(relative).into_owned(),
            href: format!("{}{slash}", encoded.join("/")),
            kind: entry.kind.into(),
            size: (entry.kind == Kind::File).then_some(entry.size),
            mtime: display_date(entry.mtime_ns),
            root: entry.content.map(|content| content.root.to_string()),
            sha256: entry.content.map(|content| content.sha256.to_string()),
            crc32: entry.content.map(|content| crc32_text(content.crc32)),
        }
    }
}
