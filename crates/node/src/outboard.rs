//! Giving out outboards: `GET /-/outboard/ROOT?group=BYTES`.
//!
//! One that is stored goes out as it lies on the disk, or coarser if asked so; one that is missing is
//! made by the desk's own thread. It must never give out one that it has not held against its root,
//! nor make one while a request is being answered.

mod desk;

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use overspill_core::root::Root;
use overspill_store::outboard::GroupSize;
use serde::Deserialize;
use thiserror::Error;
use tokio::task::spawn_blocking;

pub use self::desk::OutboardDesk;
use self::desk::{Fate, Prepared};
use crate::role::Role;

/// `?group=BYTES`.
#[derive(Debug, Deserialize)]
pub(crate) struct OutboardQuery {
    group: Option<String>,
}

/// Why there is no outboard to give.
#[derive(Debug, Error)]
pub(crate) enum OutboardRefusal {
    #[error("no content of this root is on this node")]
    Absent,
    #[error("the content cannot be read as it should be; ask another node")]
    Failed,
    #[error("group: expected a power of two, 65536 or more")]
    Group,
    #[error("the outboard is being made; ask again in a moment")]
    Making,
    #[error("expected a root: 64 hexadecimal digits")]
    Root,
    #[error("contents of up to 1 MiB have no outboard: their root proves them")]
    Small,
}

/// Seconds after which a missing outboard is worth asking for again: 1 GiB takes about one to make.
const RETRY_MAKING_S: u32 = 2;
/// The same when it could not be made.
const RETRY_FAILED_S: u32 = 60;
/// Bytes read from a stored outboard at a time.
const READ_BYTES: usize = 256 << 10;

/// `GET /-/outboard/ROOT`.
pub(crate) async fn outboard<R: Role>(
    State(role): State<Arc<R>>,
    Path(root): Path<String>,
    Query(query): Query<OutboardQuery>,
    headers: HeaderMap,
) -> Result<Response, OutboardRefusal> {
    let root: Root = root.parse().map_err(|_| OutboardRefusal::Root)?;
    let group = match query.group {
        None => GroupSize::FINE,
        Some(text) => {
            let bytes = text.parse().map_err(|_| OutboardRefusal::Group)?;
            GroupSize::new(bytes).ok_or(OutboardRefusal::Group)?
        }
    };
    let desk = role.outboards().ok_or(OutboardRefusal::Absent)?;
    let prepared = match desk.prepare(root, group).await {
        Some(prepared) => prepared,
        None => {
            made(desk.make(root).await)?;
            // Gone again at once: the disk is full, or somebody tidies up.
            let prepared = desk.prepare(root, group).await;
            prepared.ok_or(OutboardRefusal::Making)?
        }
    };
    let etag = format!("\"ob-{root}-{}\"", group.bytes());
    Ok(reply(prepared, etag, &headers))
}

fn made(fate: Option<Fate>) -> Result<(), OutboardRefusal> {
    match fate {
        None => Err(OutboardRefusal::Making),
        Some(Fate::Absent) => Err(OutboardRefusal::Absent),
        Some(Fate::Failed) => Err(OutboardRefusal::Failed),
        Some(Fate::Made) => Ok(()),
        Some(Fate::Small) => Err(OutboardRefusal::Small),
    }
}

fn reply(prepared: Prepared, etag: String, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH);
    let is_known = known.is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut fields = vec![
        (header::CACHE_CONTROL, IMMUTABLE.to_owned()),
        (header::ETAG, etag),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, lines(fields)).into_response();
    }
    let (bytes, body) = match prepared {
        Prepared::Bytes(bytes) => (bytes.len() as u64, Body::from(bytes)),
        Prepared::File(file, bytes) => (bytes, body_of(file, bytes)),
    };
    fields.push((header::CONTENT_TYPE, "application/octet-stream".to_owned()));
    fields.push((header::CONTENT_LENGTH, bytes.to_string()));
    (lines(fields), body).into_response()
}

/// A root never means another outboard.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

fn lines(fields: Vec<(HeaderName, String)>) -> HeaderMap {
    let fields = fields.into_iter().filter_map(|(name, value)| {
        // Hexadecimal digits and words of our own always are a value.
        Some((name, HeaderValue::try_from(value).ok()?))
    });
    fields.collect()
}

/// The file's bytes, read by other threads as the client takes them.
fn body_of(file: File, size: u64) -> Body {
    let file = Arc::new(file);
    Body::from_stream(stream::try_unfold(0, move |offset| {
        let file = Arc::clone(&file);
        async move {
            if offset >= size {
                return Ok(None);
            }
            let part = spawn_blocking(move || read_part(&file, offset, size - offset)).await;
            let part = part.map_err(io::Error::other)??;
            let next = offset + part.len() as u64;
            Ok::<_, io::Error>(Some((part, next)))
        }
    }))
}

fn read_part(file: &File, offset: u64, left: u64) -> io::Result<Bytes> {
    let wanted = usize::try_from(left).map_or(READ_BYTES, |left| left.min(READ_BYTES));
    let mut part = vec![0; wanted];
    file.read_exact_at(&mut part, offset)?;
    Ok(part.into())
}

impl IntoResponse for OutboardRefusal {
    fn into_response(self) -> Response {
        let (status, retry_s) = match self {
            Self::Absent | Self::Small => (StatusCode::NOT_FOUND, None),
            Self::Failed => (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_FAILED_S)),
            Self::Group | Self::Root => (StatusCode::BAD_REQUEST, None),
            Self::Making => (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_MAKING_S)),
        };
        let mut response = (status, format!("{self}\n")).into_response();
        if let Some(seconds) = retry_s {
            let fields = response.headers_mut();
            fields.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
