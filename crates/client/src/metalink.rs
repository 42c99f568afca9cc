//! Metalink 4 (RFC 5854): one file, its size, its hashes, and where it can be had.
//!
//! Read strictly: what contradicts the RFC is refused, what it does not know is skipped. It must
//! never name a local file by anything but one clean segment.

mod parse;

use std::{ffi::OsString, sync::Arc};

use http::Method;
use overspill_core::{path::CatalogPath, root::Sha256, transfer::PIECE_BYTES};
use overspill_net::client::HttpClient;
use thiserror::Error;

use crate::{
    ask::{AskError, ask},
    pull::{Digest, Fleet, Holder, Plan, Proof, foreign_holder},
    url::{HttpUrl, UrlError},
};

/// A file as a metalink describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Metalink {
    name: String,
    size_bytes: u64,
    sha256: Option<Sha256>,
    pieces: Option<PieceSums>,
    urls: Vec<HttpUrl>,
}

/// The SHA-256 of each piece.
#[derive(Clone, Debug, Eq, PartialEq)]
struct PieceSums {
    bytes: u64,
    sums: Arc<[[u8; 32]]>,
}

/// Why a text is no metalink that we can use.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum MetalinkError {
    /// It describes none, or more than one.
    #[error("the metalink describes {0} files; one is supported")]
    Files(usize),
    /// A value that is not what it should be.
    #[error("the metalink's {element} is not valid: {value:?}")]
    Invalid {
        /// Where it stands.
        element: &'static str,
        /// It.
        value: String,
    },
    /// Something that has to be there is not.
    #[error("the metalink has no {0}")]
    Missing(&'static str),
    /// More than anybody needs.
    #[error("the metalink is too large: it has more than {most} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much would be fine.
        most: usize,
    },
    /// No XML, or not as it should be.
    #[error("the metalink is not well-formed XML: {0}")]
    Xml(String),
}

/// Longest metalink that is read, in bytes.
pub const METALINK_BYTES_MAX: usize = 16 << 20;

impl Metalink {
    /// Reads one.
    ///
    /// # Errors
    /// When it is not well-formed, describes no file or several, lacks the size or a URL we can ask,
    /// or when its pieces do not fit its size.
    pub fn parse(text: &[u8]) -> Result<Self, MetalinkError> {
        if text.len() > METALINK_BYTES_MAX {
            let (what, most) = ("bytes", METALINK_BYTES_MAX);
            return Err(MetalinkError::TooLarge { what, most });
        }
        parse::parse(text)
    }

    /// Fetches one and reads it.
    ///
    /// # Errors
    /// [`AskError::Foreign`] when what came is no metalink that we can use.
    pub async fn fetch(client: &HttpClient, url: &HttpUrl) -> Result<Self, AskError> {
        let arrival = ask(client, &Method::GET, url).await?;
        let text = arrival.reply.collect(METALINK_BYTES_MAX).await?;
        Self::parse(&text).map_err(|error| AskError::Foreign {
            url: url.clone(),
            expected: "metalink that can be used",
            reason: error.to_string(),
        })
    }

    /// The name of the file: one segment.
    pub fn name(&self) -> OsString {
        OsString::from(&self.name)
    }

    /// The URL that is asked first.
    ///
    /// # Panics
    /// Never: a metalink without a URL is refused when it is read.
    pub fn url(&self) -> &HttpUrl {
        &self.urls[0]
    }

    /// The size and the digest of the whole, if it tells one.
    pub(crate) fn whole(&self) -> (u64, Option<Digest>) {
        (self.size_bytes, self.sha256.map(Digest::Sha256))
    }

    /// How it is pulled. Where nothing proves the bytes, from the first URL alone.
    pub(crate) fn plan(&self) -> Plan {
        let digest = self.sha256.map(Digest::Sha256);
        let (proof, piece_bytes) = match &self.pieces {
            Some(pieces) => {
                let sums = Arc::clone(&pieces.sums);
                (Proof::Sha256(sums), pieces.bytes)
            }
            None => (Proof::None, PIECE_BYTES),
        };
        let is_proved = self.pieces.is_some() || digest.is_some();
        let most = if is_proved { self.urls.len() } else { 1 };
        let urls = self.urls.iter().take(most).enumerate();
        let holder = |(at, url): (usize, &HttpUrl)| Holder {
            is_origin: at == 0,
            ..foreign_holder(url, None)
        };
        Plan {
            url: self.urls[0].clone(),
            size_bytes: self.size_bytes,
            piece_bytes,
            root: None,
            // The sum of the whole names the version as well as a tag does.
            tag: self.sha256.map(|sum| format!("\"sha-256:{sum}\"")),
            proof,
            digest: if self.pieces.is_some() { None } else { digest },
            holders: urls.map(holder).collect(),
            fleet: Fleet::Metalink,
        }
    }
}

/// A name that is one segment of a path, as RFC 5854 section 4.1.2.1 asks of readers.
fn clean_name(name: &str) -> Result<String, MetalinkError> {
    let invalid = || MetalinkError::Invalid {
        element: "file name",
        value: name.to_owned(),
    };
    let path = CatalogPath::parse(name.as_bytes()).map_err(|_| invalid())?;
    let is_one = !name.is_empty() && !path.as_bytes().contains(&b'/');
    is_one.then(|| name.to_owned()).ok_or_else(invalid)
}

fn http_url(text: &str) -> Result<HttpUrl, UrlError> {
    HttpUrl::parse(text)
}

#[cfg(test)]
mod tests;
