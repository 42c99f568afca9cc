//! Asking one node for a range of a file, and holding what it sends against what is known.
//!
//! It must never call bytes wrong that were not asked for, or were sent as those of another version.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use overspill_core::{path::CatalogPath, root::Root};
use overspill_net::client::{ClientError, HttpClient};
use overspill_store::outboard::{Outboard, VerifyError};
use overspill_wire::{
    paths::{COMPLAINT, DIRECT},
    sources::{Complaint, ComplaintMessage},
};

/// A range of a file, and what its bytes are known by.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) path: CatalogPath,
    pub(super) root: Root,
    pub(super) size: u64,
    pub(super) span: Range<u64>,
    pub(super) proof: Proof,
}

/// What tells right bytes from wrong ones.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// They themselves.
    Bytes(Bytes),
    /// The outboard of the file, of which the range is whole groups.
    Outboard(Arc<Outboard>),
    /// The root of the file, of which the range is all.
    Root,
}

/// What a check found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Finding {
    /// The bytes are right.
    Sound,
    /// Some are not, from about this offset on.
    Corrupt(u64),
    /// It did not send them.
    Failed(String),
    /// Nothing can be said.
    Unclear(String),
}

/// Asks one node for the sample.
pub(super) async fn check(client: &HttpClient, url: &str, sample: &Sample) -> Finding {
    match ask(client, url, sample).await {
        Ok(finding) => finding,
        // Whom we do not trust, clients may.
        Err(error) if error.is_lasting() => Finding::Unclear(error.to_string()),
        Err(error) => Finding::Failed(error.to_string()),
    }
}

async fn ask(client: &HttpClient, url: &str, sample: &Sample) -> Result<Finding, ClientError> {
    let url = format!("{url}{}?{DIRECT}", sample.path.to_url());
    let last = sample.span.end - 1;
    let request = Request::get(&url)
        .header(header::IF_MATCH, sample.root.etag())
        .header(header::RANGE, format!("bytes={}-{last}", sample.span.start))
        .body(Full::default())
        .map_err(|_| ClientError::BadUrl(url))?;
    let reply = client.send(request).await?;
    let range = format!("bytes {}-{last}/{}", sample.span.start, sample.size);
    match reply.status() {
        StatusCode::PARTIAL_CONTENT if reply.field("content-range") == Some(&range) => {}
        // It follows a newer catalog than the one that was drawn from, or is about to.
        status @ (StatusCode::NOT_FOUND
        | StatusCode::PRECONDITION_FAILED
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::TEMPORARY_REDIRECT) => {
            return Ok(Finding::Unclear(format!("it answered {status}")));
        }
        status => return Ok(Finding::Failed(format!("it answered {status}"))),
    }
    if reply.field("etag") != Some(&sample.root.etag()) {
        return Ok(Finding::Failed("it names another version".to_owned()));
    }
    let length = sample.span.end - sample.span.start;
    let body = reply.collect(usize::try_from(length).unwrap_or(usize::MAX));
    let body = body.await?;
    if (body.len() as u64) < length {
        return Ok(Finding::Failed("it sent less".to_owned()));
    }
    Ok(judge(&body, sample))
}

/// Holds all bytes of a sample against its proof.
fn judge(body: &[u8], sample: &Sample) -> Finding {
    let start = sample.span.start;
    let wrong = match &sample.proof {
        Proof::Bytes(bytes) => {
            let differ = body.iter().zip(bytes).position(|(a, b)| a != b);
            differ.map(|at| start + at as u64)
        }
        Proof::Outboard(outboard) => match outboard.verify(start, body) {
            Ok(()) => None,
            Err(VerifyError::Mismatch { offset, .. }) => Some(offset),
            Err(error) => return Finding::Unclear(error.to_string()),
        },
        Proof::Root => (Root(blake3::hash(body).into()) != sample.root).then_some(start),
    };
    wrong.map_or(Finding::Sound, Finding::Corrupt)
}

/// Tells a member that some of its bytes are wrong; it looks for itself.
pub(super) async fn tell(
    client: &HttpClient,
    url: &str,
    complaint: &Complaint,
) -> Result<(), ClientError> {
    let url = format!("{url}{COMPLAINT}");
    // Strings and numbers always serialize.
    let body = serde_json::to_vec(&ComplaintMessage::from(complaint)).unwrap_or_default();
    let request = Request::post(&url)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| ClientError::BadUrl(url))?;
    client.send(request).await.map(drop)
}

#[cfg(test)]
mod tests {
    use overspill_store::outboard::OutboardBuilder;

    use super::*;

    fn sample(bytes: &[u8], span: Range<u64>, proof: Proof) -> Sample {
        Sample {
            path: CatalogPath::parse(b"file").unwrap(),
            root: Root(blake3::hash(bytes).into()),
            size: bytes.len() as u64,
            span,
            proof,
        }
    }

    #[test]
    fn a_wrong_byte_is_found_by_every_proof() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        let mut builder = OutboardBuilder::new();
        builder.update(&bytes);
        let outboard = Arc::new(builder.finish().1);
        let span = 65536..131_072;
        let ours = Bytes::copy_from_slice(&bytes[65536..131_072]);
        for (proof, span, wrong_at) in [
            (Proof::Bytes(ours), span.clone(), 65538),
            (Proof::Outboard(outboard), span, 65536),
            (Proof::Root, 0..200_000, 0),
        ] {
            let sample = sample(&bytes, span.clone(), proof);
            let (start, end) = (span.start as usize, span.end as usize);
            let mut sent = bytes[start..end].to_vec();
            assert_eq!(judge(&sent, &sample), Finding::Sound);
            sent[2] ^= 1;
            assert_eq!(judge(&sent, &sample), Finding::Corrupt(wrong_at));
        }
    }
}
