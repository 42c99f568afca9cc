//! What a part is a part of: `NAME.part.json`.
//!
//! Advisory: without it, or with one that does not parse, the download begins at zero. It must
//! never be believed about bytes; the part's own length and the root say what is there.

use std::{fs, io, io::Read, path::Path};

use overspill_core::root::Root;
use serde::{Deserialize, Serialize};

use crate::{answer::Version, url::HttpUrl};

/// The state as JSON.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct State {
    /// Version of this format.
    pub(crate) v: u32,
    /// What the user asked for.
    pub(crate) url: String,
    /// The strong entity tag, quotes included.
    pub(crate) etag: String,
    /// Size in bytes, if the server told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
}

impl State {
    /// The state of a part of `version`; `None` without a strong tag, which nothing can continue.
    pub(crate) fn new(url: &HttpUrl, version: &Version) -> Option<Self> {
        Some(Self {
            v: FORMAT,
            url: url.to_string(),
            etag: version.tag.clone()?,
            size: version.size_bytes,
        })
    }

    /// What the server had.
    pub(crate) fn version(&self) -> Version {
        Version {
            tag: Some(self.etag.clone()),
            size_bytes: self.size,
        }
    }

    /// A tag of ours names the content wherever it is; anyone else's only at its URL.
    pub(super) fn holds_for(&self, url: &HttpUrl) -> bool {
        self.v == FORMAT
            && (self.url == url.to_string() || Root::from_etag(self.etag.as_bytes()).is_some())
    }

    pub(super) fn read(path: &Path) -> Option<Self> {
        let mut text = Vec::new();
        let file = fs::File::open(path).ok()?;
        file.take(STATE_BYTES_MAX).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let fresh = path.with_extension("json.new");
        fs::write(&fresh, serde_json::to_vec(self)?)?;
        fs::rename(&fresh, path)
    }
}

const FORMAT: u32 = 1;
/// A URL has at most 64 KiB; this leaves room for its escapes in JSON.
const STATE_BYTES_MAX: u64 = 256 * 1024;
