//! An `http://` or `https://` URL: parsed once, resolved against references, extended by parameters.
//!
//! It holds a [`Uri`] that is known to be absolute and HTTP, so that nothing below has to ask again.
//! It must never name a local file by anything but one clean segment.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    os::unix::ffi::OsStrExt,
    sync::Arc,
};

use http::Uri;
use overspill_core::path::{CatalogPath, PathError, encode_component};
use thiserror::Error;

/// An absolute `http://` or `https://` URL without user name and fragment. Cheap to clone.
#[derive(Clone, Eq, PartialEq)]
pub struct HttpUrl(Arc<Uri>);

/// Why a text is no URL we can ask.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum UrlError {
    /// A user name or password before the host.
    #[error("{0} holds a user name, which is not supported; leave out everything up to the @")]
    Credentials(String),
    /// A redirect from `https://` to `http://`: whoever listens on the way could read and change what
    /// was asked for in confidence.
    #[error(
        "a redirect to {0} leaves https and is not followed; ask for that URL if you mean it, and \
         tell the operator"
    )]
    Downgrade(String),
    /// Anything else.
    #[error("{0:?} is not an http:// or https:// URL; write for example http://host:8080/file")]
    Malformed(String),
}

/// Why a URL gives no name for a local file. The caller must name the file instead.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NameError {
    /// The URL ends in a slash.
    #[error("{0} names a folder, not a file")]
    Folder(HttpUrl),
    /// The last segment is no file name.
    #[error("{0} gives no usable file name: {1}")]
    Unusable(HttpUrl, PathError),
}

impl HttpUrl {
    /// Reads a URL as people write it: spaces and other bytes that URLs cannot hold are encoded.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let malformed = || UrlError::Malformed(text.to_owned());
        let uri: Uri = encode_strays(text.trim())
            .parse()
            .map_err(|_| malformed())?;
        let authority = uri.authority().ok_or_else(malformed)?;
        if authority.host().is_empty() {
            return Err(malformed());
        }
        let Some(scheme @ ("http" | "https")) = uri.scheme_str() else {
            return Err(malformed());
        };
        if authority.as_str().contains('@') {
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            // The password must not show up in a message.
            return Err(UrlError::Credentials(format!("{scheme}://...@{host}")));
        }
        Ok(Self(Arc::new(uri)))
    }

    /// Where a redirect with this `Location` leads.
    ///
    /// # Errors
    /// [`UrlError::Downgrade`] when it leads from `https://` to `http://`, whoever says so: a server
    /// that means it must be asked by `http://` in the first place.
    pub fn redirected(&self, location: &str) -> Result<Self, UrlError> {
        let target = self.resolve(location)?;
        if self.is_secure() && !target.is_secure() {
            // Without its query, which may hold a ticket.
            let bare = target.with_target(target.path(), None)?;
            return Err(UrlError::Downgrade(bare.to_string()));
        }
        Ok(target)
    }

    /// Where `reference` leads, seen from here (RFC 3986 section 5.2), as a `Location` writes it.
    pub fn resolve(&self, reference: &str) -> Result<Self, UrlError> {
        let reference = reference.trim();
        if has_scheme(reference) {
            return Self::parse(reference);
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme()));
        }
        let bare = reference.split('#').next().unwrap_or_default();
        let (path, query) = match bare.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (bare, None),
        };
        match (path, query) {
            ("", None) => Ok(self.clone()),
            ("", query) => self.with_target(self.0.path(), query),
            (path, query) => self.with_target(&merge(self.0.path(), path), query),
        }
    }

    /// This URL with `name=value` at the end of its query.
    ///
    /// An error only when it gets longer than a URL can be (64 KiB).
    pub fn with_parameter(&self, name: &str, value: &str) -> Result<Self, UrlError> {
        let pair = format!("{name}={}", encode_component(value.as_bytes()));
        match self.0.query() {
            None | Some("") => self.with_target(self.0.path(), Some(&pair)),
            Some(query) => self.with_target(self.0.path(), Some(&format!("{query}&{pair}"))),
        }
    }

    /// What `path` names, seen from here: names as they are, with `/` between them, `.` and `..`.
    ///
    /// Unlike [`HttpUrl::resolve`] it takes nothing for an escape or the beginning of a query.
    pub fn join(&self, path: &str) -> Result<Self, UrlError> {
        let encoded: Vec<_> = path
            .split('/')
            .map(|name| encode_component(name.as_bytes()))
            .collect();
        self.with_target(&merge(self.0.path(), &encoded.join("/")), None)
    }

    /// The same resource, named as a folder: with a slash at the end and without its query.
    pub fn as_folder(&self) -> Result<Self, UrlError> {
        let path = self.0.path();
        let slash = if path.ends_with('/') { "" } else { "/" };
        self.with_target(&format!("{path}{slash}"), None)
    }

    /// Whether it ends in a slash.
    pub fn is_folder(&self) -> bool {
        self.0.path().ends_with('/')
    }

    /// The name for a local copy: the last segment, percent-decoded.
    ///
    /// Never empty, never `.` or `..`, never with a slash or a NUL; it may be no UTF-8.
    pub fn file_name(&self) -> Result<OsString, NameError> {
        let path = self.0.path();
        let segment = path.rfind('/').map_or(path, |slash| &path[slash..]);
        if segment == "/" {
            return Err(NameError::Folder(self.clone()));
        }
        match CatalogPath::from_url(segment.as_bytes()) {
            Ok(url_path) => Ok(OsStr::from_bytes(url_path.path.name()).to_owned()),
            Err(error) => Err(NameError::Unusable(self.clone(), error)),
        }
    }

    /// Whether it names a Metalink by its suffix, `.meta4`.
    pub fn names_metalink(&self) -> bool {
        self.0.path().ends_with(".meta4")
    }

    /// A name for a local copy of the folder: that of its last segment, or of the host for the root.
    ///
    /// Never empty, never with a slash.
    pub fn folder_name(&self) -> OsString {
        let path = CatalogPath::from_url(self.0.path().as_bytes());
        let name = path.map(|url_path| url_path.path.name().to_owned());
        match name {
            Ok(name) if !name.is_empty() => OsStr::from_bytes(&name).to_owned(),
            _ => self.0.host().unwrap_or("tree").to_owned().into(),
        }
    }

    /// Whether it is asked over TLS.
    pub fn is_secure(&self) -> bool {
        self.scheme() == "https"
    }

    fn scheme(&self) -> &str {
        self.0.scheme_str().unwrap_or("http")
    }

    /// The path as the URL has it, still encoded.
    pub(crate) fn path(&self) -> &str {
        self.0.path()
    }

    /// For a request.
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    fn with_target(&self, path: &str, query: Option<&str>) -> Result<Self, UrlError> {
        let authority = self
            .0
            .authority()
            .map_or("", |authority| authority.as_str());
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        Self::parse(&format!("{}://{authority}{path}{query}", self.scheme()))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Encodes what no URL may hold, so that `http://host/a b.iso` means what it says.
fn encode_strays(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !STRAYS.contains(&byte) {
            encoded.push(byte as char);
        } else {
            encoded.push_str(&encode_component(&[byte]));
        }
    }
    encoded
}

fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Resolves a path against the path it was found at, and takes out `.` and `..`.
fn merge(base: &str, path: &str) -> String {
    let folder = base.rfind('/').map_or("/", |slash| &base[..=slash]);
    let whole = match path.strip_prefix('/') {
        Some(_) => path.to_owned(),
        None => format!("{folder}{path}"),
    };
    let mut segments: Vec<&str> = Vec::new();
    for segment in whole.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let ends_in_dots = whole.ends_with("/.") || whole.ends_with("/..");
    let slash = if ends_in_dots && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}", segments.join("/"))
}

/// Printable bytes that RFC 3986 has no place for.
const STRAYS: &[u8] = b"\"<>\\^`{|}";

#[cfg(test)]
mod tests;
