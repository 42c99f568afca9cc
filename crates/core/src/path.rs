//! Paths of the catalog: bytes, relative, normal.
//!
//! A [`CatalogPath`] is parsed once at the edge and is safe ever after: it never holds an empty
//! segment, `.` or `..`, never a NUL, never a leading or trailing slash. Names on disk are bytes,
//! not text, so no function here may demand UTF-8. It must never touch the file system.

use std::{borrow::Cow, fmt, sync::Arc};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use thiserror::Error;

/// A path relative to the root of the tree; empty for the root folder itself.
///
/// Ordered by bytes, so everything below a folder lies between `folder/` and `folder0` (`0` follows
/// `/` in ASCII), which is what listings and subtree walks rely on.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CatalogPath(Arc<[u8]>);

/// A path as a URL wrote it: the path itself, and whether it asked for a folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UrlPath {
    /// The decoded, checked path.
    pub path: CatalogPath,
    /// Whether the URL ended in a slash.
    pub form: UrlForm,
}

/// How a URL named a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UrlForm {
    /// No slash at the end: `/a/b`.
    File,
    /// A slash at the end: `/a/b/`, and the root `/`.
    Folder,
}

/// Why bytes are no catalog path. All of them are the sender's fault; none is worth a retry.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PathError {
    /// `%` not followed by two hexadecimal digits.
    #[error("the path has a % that is not followed by two hexadecimal digits")]
    BadEscape,
    /// A `.` or `..` segment, perhaps behind percent-encoding.
    #[error("the path has a . or .. segment; send the path without it")]
    DotSegment,
    /// Two slashes in a row.
    #[error("the path has an empty segment (two slashes in a row); send it with one")]
    EmptySegment,
    /// A `%2F`: a slash that is part of a name, which no file can have.
    #[error("the path has an encoded slash (%2F); no file name can contain one")]
    EncodedSlash,
    /// A NUL byte.
    #[error("the path has a NUL byte")]
    Nul,
    /// A URL path that does not begin with a slash.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// More than [`CatalogPath::MAX_BYTES`].
    #[error("the path is longer than {} bytes", CatalogPath::MAX_BYTES)]
    TooLong,
}

impl CatalogPath {
    /// Longest path accepted, as `PATH_MAX` of Linux.
    pub const MAX_BYTES: usize = 4096;

    /// The root folder of the tree.
    pub fn root() -> Self {
        Self(Arc::from(&[][..]))
    }

    /// Checks raw bytes, as read from a folder on disk or a control message.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.is_empty() {
            return Ok(Self::root());
        }
        check_segments(bytes)?;
        Ok(Self(Arc::from(bytes)))
    }

    /// Decodes and checks the path part of a URL, `/a%20b/c`, without its query.
    pub fn from_url(url_path: &[u8]) -> Result<UrlPath, PathError> {
        let rest = url_path.strip_prefix(b"/").ok_or(PathError::NotAbsolute)?;
        let (rest, form) = match rest.strip_suffix(b"/") {
            Some(rest) => (rest, UrlForm::Folder),
            None if rest.is_empty() => (rest, UrlForm::Folder),
            None => (rest, UrlForm::File),
        };
        if rest.is_empty() && url_path.len() > 1 {
            return Err(PathError::EmptySegment);
        }
        let path = Self::parse(&decode(rest)?)?;
        Ok(UrlPath { path, form })
    }

    /// The URL path that names the same without `.` and empty segments, or why there is none.
    ///
    /// For a URL that [`CatalogPath::from_url`] refuses: `/a//b/./` becomes `/a/b/`, encoded as
    /// [`CatalogPath::to_url`] does. It begins with exactly one slash, so as the target of a
    /// redirect it cannot name another host. A `..` segment stays refused: what it means depends on
    /// who takes it out, the client or one of those between (RFC 3986 section 5.2.4).
    pub fn canonical_url(url_path: &[u8]) -> Result<String, PathError> {
        let rest = url_path.strip_prefix(b"/").ok_or(PathError::NotAbsolute)?;
        let decoded = decode(rest)?;
        let is_redundant = |segment: &&[u8]| matches!(*segment, b"" | b".");
        let segments = decoded.split(|&byte| byte == b'/');
        let names_folder = segments
            .clone()
            .next_back()
            .is_none_or(|last| is_redundant(&last));
        let names: Vec<&[u8]> = segments.filter(|name| !is_redundant(name)).collect();
        let path = Self::parse(&names.join(&b'/'))?;
        let ending = if names_folder && !path.is_root() {
            "/"
        } else {
            ""
        };
        Ok(format!("{}{ending}", path.to_url()))
    }

    /// The path as a URL carries it: a leading slash, every byte that is not plain encoded.
    pub fn to_url(&self) -> String {
        format!("/{}", percent_encode(&self.0, PATH_ENCODED))
    }

    /// The raw bytes, without leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root folder.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last segment; empty for the root.
    pub fn name(&self) -> &[u8] {
        match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => &self.0[slash + 1..],
            None => &self.0,
        }
    }

    /// The folder that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Some(Self(Arc::from(&self.0[..end])))
    }

    /// This folder's child called `name`.
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        if name.contains(&b'/') {
            return Err(PathError::EncodedSlash);
        }
        if self.is_root() {
            return Self::parse(name);
        }
        Self::parse(&[&self.0, b"/".as_slice(), name].concat())
    }

    /// Whether this path lies strictly below `folder`.
    pub fn is_below(&self, folder: &Self) -> bool {
        folder.is_root() && !self.is_root()
            || self.0.len() > folder.0.len()
                && self.0.starts_with(&folder.0)
                && self.0[folder.0.len()] == b'/'
    }

    /// Whether any segment begins with a dot, which Unix hides.
    pub fn is_hidden(&self) -> bool {
        self.0
            .split(|&byte| byte == b'/')
            .any(|segment| segment.starts_with(b"."))
    }

    /// The path as text for people; bytes that are no UTF-8 are shown as replacement characters.
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl fmt::Debug for CatalogPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

impl fmt::Display for CatalogPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// Encodes one query value or name so that it can stand anywhere in a URL.
pub fn encode_component(bytes: &[u8]) -> String {
    percent_encode(bytes, COMPONENT_ENCODED).to_string()
}

/// Decodes one query value; `+` stands for a space, as HTML forms write it.
pub fn decode_component(bytes: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = bytes
        .iter()
        .map(|&byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    percent_decode(&spaced).collect()
}

fn check_segments(bytes: &[u8]) -> Result<(), PathError> {
    if bytes.len() > CatalogPath::MAX_BYTES {
        return Err(PathError::TooLong);
    }
    for segment in bytes.split(|&byte| byte == b'/') {
        match segment {
            b"" => return Err(PathError::EmptySegment),
            b"." | b".." => return Err(PathError::DotSegment),
            _ if segment.contains(&0) => return Err(PathError::Nul),
            _ => {}
        }
    }
    Ok(())
}

fn decode(encoded: &[u8]) -> Result<Cow<'_, [u8]>, PathError> {
    for (at, _) in encoded
        .iter()
        .enumerate()
        .filter(|&(_, &byte)| byte == b'%')
    {
        match encoded.get(at + 1..at + 3) {
            Some(b"2f" | b"2F") => return Err(PathError::EncodedSlash),
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            _ => return Err(PathError::BadEscape),
        }
    }
    Ok(percent_decode(encoded).into())
}

/// Bytes encoded in a path: all but RFC 3986 unreserved characters, the slash, and a few that no
/// parser of URLs gives a meaning to inside a path.
const PATH_ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b',')
    .remove(b'@')
    .remove(b'=')
    .remove(b':');

/// Bytes encoded in a query value: all but RFC 3986 unreserved characters.
const COMPONENT_ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests;
