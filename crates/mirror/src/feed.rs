//! Reading the catalog feed.
//!
//! Lines are checked one by one as they arrive, and the whole by the end line's count and signature.
//! Nothing of a feed may be used before its end was seen: what is not named in a cut snapshot would
//! read as deleted.

use std::io::{self, Write};

use http::Method;
use overspill_core::{
    catalog::{Catalog, Change, InstanceId, Revision},
    secret::Key,
};
use overspill_net::client::{ClientError, HttpClient};
use overspill_wire::{
    WireError,
    feed::{ChangeLine, FeedKind, Header, Line},
    paths,
};
use thiserror::Error;

use crate::session::{Session, SessionError};

/// A feed that was read to its end.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) instance: InstanceId,
    pub(crate) revision: Revision,
    pub(crate) kind: FeedKind,
    pub(crate) changes: Vec<Change>,
}

/// Why a feed is of no use. All worth another try.
#[derive(Debug, Error)]
pub(crate) enum FeedError {
    /// The connection.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It ended before its end line.
    #[error("the catalog feed was cut")]
    Cut,
    /// A line says what it should not.
    #[error("the catalog feed is broken: {0}")]
    Line(String),
    /// The request.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The signature is missing or wrong.
    #[error("the catalog feed is not signed by this session")]
    Unsigned,
}

/// Longest line: a path, three times as long when encoded, and room for the rest.
const MAX_LINE_BYTES: usize = 16 << 10;

impl Feed {
    /// Asks for what happened since the revision of `have`, and reads the answer.
    pub(crate) async fn read(
        client: &HttpClient,
        session: &Session,
        have: &Catalog,
    ) -> Result<Self, FeedError> {
        let (revision, instance) = (have.revision(), have.instance());
        let path = format!("{}?since={revision}&instance={instance}", paths::CATALOG);
        let mut reply = session.send(client, Method::GET, &path, Vec::new()).await?;
        let mut reader = match reply.field("content-encoding") {
            Some("zstd") => Decoder::Zstd(Box::new(zstd::stream::write::Decoder::new(
                Lines::default(),
            )?)),
            _ => Decoder::Plain(Box::default()),
        };
        while let Some(part) = reply.next_part().await? {
            reader.feed(&part)?;
        }
        reader.finish()?.into_feed(session.key())
    }

    /// The catalog a snapshot describes.
    pub(crate) fn to_catalog(&self) -> Catalog {
        let mut catalog = Catalog::new(self.instance);
        let entries = self
            .changes
            .iter()
            .map(|change| (&change.path, change.entry.as_ref()));
        catalog.apply(self.revision, entries);
        catalog
    }
}

enum Decoder {
    Plain(Box<Lines>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Lines>>),
}

impl Decoder {
    fn feed(&mut self, part: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(lines) => lines.write_all(part),
            Self::Zstd(decoder) => decoder.write_all(part),
        }
    }

    fn finish(self) -> Result<Lines, FeedError> {
        match self {
            Self::Plain(lines) => Ok(*lines),
            Self::Zstd(mut decoder) => {
                decoder.flush()?;
                Ok(decoder.into_inner())
            }
        }
    }
}

/// Splits bytes into lines and reads each.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
    hasher: blake3::Hasher,
    header: Option<Header>,
    changes: Vec<Change>,
    end: Option<(u64, Option<overspill_core::secret::Tag>)>,
}

impl Lines {
    fn line(&mut self, line: &[u8]) -> Result<(), WireError> {
        let unreadable = |error: serde_json::Error| WireError::new("line", error);
        if self.end.is_some() {
            return Err(WireError::new("line", "there is one behind the end"));
        }
        if self.header.is_none() {
            self.header = Some(serde_json::from_slice(line).map_err(unreadable)?);
        } else {
            match serde_json::from_slice(line).map_err(unreadable)? {
                Line::Change(change) => self.change(change)?,
                Line::End(end) => {
                    self.end = Some((end.end, end.tag()?));
                    return Ok(());
                }
            }
        }
        self.hasher.update(line);
        self.hasher.update(b"\n");
        Ok(())
    }

    fn change(&mut self, line: ChangeLine) -> Result<(), WireError> {
        self.changes.push(line.into_change()?);
        Ok(())
    }

    fn into_feed(self, key: &Key) -> Result<Feed, FeedError> {
        let (Some(header), Some((count, tag))) = (self.header, self.end) else {
            return Err(FeedError::Cut);
        };
        if count != self.changes.len() as u64 {
            return Err(FeedError::Cut);
        }
        let hash = self.hasher.finalize();
        if !tag.is_some_and(|tag| key.verify(&[b"feed", hash.as_bytes()], &tag)) {
            return Err(FeedError::Unsigned);
        }
        let revision = Revision(header.revision);
        if self.changes.iter().any(|change| change.revision > revision) {
            return Err(FeedError::Line("an entry is ahead of the feed".to_owned()));
        }
        let instance = header
            .instance()
            .map_err(|error| FeedError::Line(error.to_string()))?;
        Ok(Feed {
            instance,
            revision,
            kind: header.kind,
            changes: self.changes,
        })
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(&rest[..at]);
            let line = std::mem::take(&mut self.partial);
            self.line(&line).map_err(io::Error::other)?;
            self.partial = line;
            self.partial.clear();
            rest = &rest[at + 1..];
        }
        self.partial.extend_from_slice(rest);
        if self.partial.len() > MAX_LINE_BYTES {
            return Err(io::Error::other("a line is too long"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<io::Error> for FeedError {
    fn from(error: io::Error) -> Self {
        Self::Line(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use overspill_core::secret::{FleetToken, Purpose};
    use overspill_wire::feed::End;

    use super::*;

    const BODY: &str = "{\"instance\":\"0000000000000001\",\"revision\":7,\"kind\":\"snapshot\"}\n\
        {\"path\":\"/a\",\"rev\":7,\"kind\":\"folder\"}\n";

    fn key() -> Key {
        FleetToken::from_random([1; 32]).derive(Purpose::Control, b"")
    }

    fn end(count: u64, signed: &str) -> String {
        let hash = blake3::hash(signed.as_bytes());
        let tag = key().sign(&[b"feed", hash.as_bytes()]).to_string();
        serde_json::to_string(&End {
            end: count,
            tag: Some(tag),
        })
        .unwrap()
            + "\n"
    }

    fn read(text: &str, split: usize) -> Result<Feed, FeedError> {
        let mut lines = Lines::default();
        lines.write_all(&text.as_bytes()[..split])?;
        lines.write_all(&text.as_bytes()[split..])?;
        lines.into_feed(&key())
    }

    #[test]
    fn a_whole_feed_is_read_however_it_is_split() {
        let text = format!("{BODY}{}", end(1, BODY));
        for split in 0..text.len() {
            let feed = read(&text, split).unwrap();
            assert_eq!((feed.revision, feed.changes.len()), (Revision(7), 1));
        }
    }

    #[test]
    fn a_cut_or_changed_feed_is_of_no_use() {
        let whole = format!("{BODY}{}", end(1, BODY));
        let count = format!("{BODY}{}", end(2, BODY));
        let forged = whole.replace("/a", "/b");
        let unsigned = format!("{BODY}{{\"end\":1}}\n");
        let behind = format!("{whole}{whole}");
        assert!(matches!(read(BODY, 0), Err(FeedError::Cut)));
        assert!(matches!(
            read(&whole[..whole.len() - 5], 0),
            Err(FeedError::Cut)
        ));
        assert!(matches!(read(&count, 0), Err(FeedError::Cut)));
        assert!(matches!(read(&forged, 0), Err(FeedError::Unsigned)));
        assert!(matches!(read(&unsigned, 0), Err(FeedError::Unsigned)));
        assert!(matches!(read(&behind, 0), Err(FeedError::Line(_))));
        assert!(matches!(read("<html>\n", 0), Err(FeedError::Line(_))));
        assert!(matches!(
            read(&"x".repeat(MAX_LINE_BYTES + 1), 0),
            Err(FeedError::Line(_))
        ));
    }
}
