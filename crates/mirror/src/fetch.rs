//! Fetching one object: from where the plan says, checked byte by byte as it arrives.
//!
//! The request names the content (`If-Match`), so bytes of another version are refused by the source
//! itself; the store checks the hash all the same. What was received before a cut is kept and
//! continued. It must never decide whom to ask: that is the plan's part.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use overspill_net::client::{ClientError, HttpClient, Reply};
use overspill_store::objects::{ObjectError, ObjectStore, Received, Receiving};
use overspill_wire::paths::DIRECT;
use thiserror::Error;

use crate::{metrics::SyncCounts, replica::Missing, session::ServerUrl};

/// Where an object is to be fetched from.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    server: ServerUrl,
}

/// Why an object was not fetched.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    /// The connection; try again.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Our own disk.
    #[error(transparent)]
    Store(#[from] ObjectError),
    /// The bytes are those of the root, but another digest in the catalog is not theirs.
    #[error("the catalog has a SHA-256 or CRC-32 that is not that of the bytes")]
    Digests,
    /// The source no longer has this version; a newer revision will say what there is instead.
    #[error("the source no longer has this version")]
    Superseded,
    /// The source answered something else.
    #[error("the source answered {0}")]
    Unexpected(StatusCode),
}

impl Plan {
    /// Today the answer is always the server; mirrors will come to fetch from each other.
    pub(crate) fn new(server: ServerUrl) -> Self {
        Self { server }
    }

    fn url(&self, missing: &Missing) -> String {
        format!("{}{}?{DIRECT}", self.server.as_str(), missing.path.to_url())
    }
}

/// Fetches an object into the store's receiving area and verifies it.
pub(crate) async fn fetch(
    client: &HttpClient,
    plan: &Plan,
    store: &ObjectStore,
    missing: &Missing,
    counts: &SyncCounts,
) -> Result<Received, FetchError> {
    let mut receiving = store.receive(missing.root, missing.size)?;
    if receiving.offset() < receiving.size() {
        let mut reply = request(client, plan, missing, &receiving).await?;
        while let Some(part) = reply.next_part().await? {
            counts.bytes.fetch_add(part.len() as u64, Relaxed);
            receiving.write(&part)?;
        }
    }
    vouch(receiving.finish()?, missing)
}

/// Clients are told every digest of the catalog, so each one has to be that of the bytes.
fn vouch(received: Received, missing: &Missing) -> Result<Received, FetchError> {
    if missing
        .content
        .is_some_and(|told| told != received.content())
    {
        return Err(FetchError::Digests);
    }
    Ok(received)
}

async fn request(
    client: &HttpClient,
    plan: &Plan,
    missing: &Missing,
    receiving: &Receiving,
) -> Result<Reply, FetchError> {
    let url = plan.url(missing);
    let offset = receiving.offset();
    let mut request = Request::get(&url).header(header::IF_MATCH, missing.root.etag());
    if offset > 0 {
        request = request.header(header::RANGE, format!("bytes={offset}-"));
    }
    let request = request
        .body(Full::new(Bytes::new()))
        .map_err(|_| ClientError::BadUrl(url))?;
    let reply = client.send(request).await?;
    let expected_range = format!(
        "bytes {offset}-{}/{}",
        missing.size.saturating_sub(1),
        missing.size
    );
    match reply.status() {
        StatusCode::OK if offset == 0 => Ok(reply),
        StatusCode::PARTIAL_CONTENT if reply.field("content-range") == Some(&expected_range) => {
            Ok(reply)
        }
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::PRECONDITION_FAILED => {
            Err(FetchError::Superseded)
        }
        status => Err(FetchError::Unexpected(status)),
    }
}

#[cfg(test)]
mod tests {
    use overspill_core::{
        catalog::{Content, Entry, Kind, Revision},
        path::CatalogPath,
    };
    use overspill_store::hash::ContentHasher;

    use super::*;

    /// An object that arrived whole, and what the catalog of a faulty server says of it.
    fn received(change: fn(&mut Content)) -> Result<Received, FetchError> {
        let dir = tempfile::tempdir().unwrap();
        let store = ObjectStore::open(dir.path()).unwrap();
        let mut hasher = ContentHasher::new();
        hasher.update(b"bytes");
        let (mut told, size) = hasher.finish();
        let mut receiving = store.receive(told.root, size).unwrap();
        receiving.write(b"bytes").unwrap();
        change(&mut told);
        let entry = Entry {
            kind: Kind::File,
            size,
            mtime_ns: 0,
            mode: 0o644,
            revision: Revision(1),
            content: Some(told),
            stamp: None,
        };
        let path = CatalogPath::parse(b"file").unwrap();
        let missing = Missing::new(&path, &entry, told.root);
        vouch(receiving.finish().unwrap(), &missing)
    }

    #[test]
    fn every_digest_of_the_catalog_is_checked_on_receipt() {
        assert!(received(|_| {}).is_ok());
        for lie in [
            |content: &mut Content| content.crc32 ^= 1,
            |content: &mut Content| content.sha256.0[31] ^= 1,
        ] {
            assert!(matches!(received(lie), Err(FetchError::Digests)));
        }
    }
}
