//! The catalog feed: `GET /-/catalog?since=REVISION&instance=ID`.
//!
//! Answers with the changes since then, or with everything. Lines are made on a thread of their own
//! from an immutable snapshot and pass through a short queue, so a slow reader costs nothing but its
//! own connection. It must never end without the end line unless the connection broke.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use overspill_core::{
    catalog::{Catalog, Change, InstanceId, Revision},
    secret::Key,
};
use overspill_wire::feed::{ChangeLine, End, FeedKind, Header, Line};
use serde::Deserialize;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
    time::timeout,
};

use crate::publish::Published;

/// What a reader asks for.
#[derive(Debug, Deserialize)]
pub(crate) struct FeedQuery {
    since: Option<u64>,
    instance: Option<String>,
}

/// Bytes gathered before they are handed to the connection.
const PART_BYTES: usize = 64 << 10;
/// Parts waiting for a slow reader.
const QUEUED_PARTS: usize = 8;
/// Feeds made at once: each takes a thread while it lasts.
static FEEDS: Semaphore = Semaphore::const_new(32);
/// How long a reader may take no part before its feed is given up.
const READER_PATIENCE: Duration = Duration::from_secs(30);
/// Level of compression: mostly paths, for hashes do not compress.
const ZSTD_LEVEL: i32 = 1;

/// What the lines are made of.
enum Source {
    Changes(Vec<Change>),
    Snapshot(Arc<Catalog>),
}

/// Answers a feed request; `key` signs the end for a member.
pub(crate) fn answer(
    published: &Published,
    query: &FeedQuery,
    headers: &HeaderMap,
    key: Option<Key>,
) -> Response {
    let (header, source) = match plan(published, query) {
        Ok(planned) => planned,
        Err(refusal) => return *refusal,
    };
    let Ok(permit) = FEEDS.try_acquire() else {
        let text = "too many feeds at once; try again in a moment\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let compressed = accepts_zstd(headers);
    let (parts, queue) = mpsc::channel::<Bytes>(QUEUED_PARTS);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let sink = Parts {
            queue: parts,
            gathered: Vec::with_capacity(PART_BYTES),
        };
        // The only error is a reader that went away.
        let _ = match compressed {
            Compression::None => {
                write_feed(sink, &header, &source, key.as_ref()).and_then(Parts::end)
            }
            Compression::Zstd => zstd::Encoder::new(sink, ZSTD_LEVEL)
                .and_then(|encoder| write_feed(encoder, &header, &source, key.as_ref()))
                .and_then(zstd::Encoder::finish)
                .and_then(Parts::end),
        };
    });
    let body = Body::from_stream(stream::unfold(queue, |mut queue| async {
        let part = queue.recv().await?;
        Some((Ok::<_, io::Error>(part), queue))
    }));
    let mut response = ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response();
    let fields = response.headers_mut();
    fields.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    fields.insert(
        header::VARY,
        header::HeaderValue::from_static("Accept-Encoding"),
    );
    if compressed == Compression::Zstd {
        fields.insert(
            header::CONTENT_ENCODING,
            header::HeaderValue::from_static("zstd"),
        );
    }
    response
}

fn plan(published: &Published, query: &FeedQuery) -> Result<(Header, Source), Box<Response>> {
    let bad = |text: String| Box::new((StatusCode::BAD_REQUEST, text).into_response());
    let instance = query
        .instance
        .as_deref()
        .map(str::parse::<InstanceId>)
        .transpose();
    let instance = instance.map_err(|error| bad(format!("instance: {error}\n")))?;
    let changes = match (query.since, instance) {
        (Some(since), Some(instance)) => published.since(instance, Revision(since)),
        _ => None,
    };
    let (catalog, kind, source) = match changes {
        Some((catalog, changes)) => (catalog, FeedKind::Changes, Source::Changes(changes)),
        None => {
            let catalog = published.catalog();
            (
                Arc::clone(&catalog),
                FeedKind::Snapshot,
                Source::Snapshot(catalog),
            )
        }
    };
    let instance = catalog.instance().to_string();
    let revision = catalog.revision().0;
    Ok((
        Header {
            instance,
            revision,
            kind,
        },
        source,
    ))
}

#[derive(Clone, Copy, PartialEq)]
enum Compression {
    None,
    Zstd,
}

fn accepts_zstd(headers: &HeaderMap) -> Compression {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    let named = accepted.is_some_and(|list| list.split(',').any(|coding| coding.trim() == "zstd"));
    if named {
        Compression::Zstd
    } else {
        Compression::None
    }
}

fn write_feed<W: Write>(
    sink: W,
    header: &Header,
    source: &Source,
    key: Option<&Key>,
) -> io::Result<W> {
    let mut lines = Lines {
        sink,
        hasher: blake3::Hasher::new(),
        count: 0,
    };
    lines.put(header)?;
    match source {
        Source::Changes(changes) => {
            for change in changes {
                lines.change(ChangeLine::from(change))?;
            }
        }
        Source::Snapshot(catalog) => {
            for (path, entry) in catalog.iter() {
                lines.change(ChangeLine::new(path, entry.revision, Some(entry)))?;
            }
        }
    }
    lines.end(key)
}

struct Lines<W> {
    sink: W,
    hasher: blake3::Hasher,
    count: u64,
}

impl<W: Write> Lines<W> {
    fn change(&mut self, line: ChangeLine) -> io::Result<()> {
        self.count += 1;
        self.put(&Line::Change(line))
    }

    fn put(&mut self, line: &impl serde::Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.hasher.update(&text);
        self.sink.write_all(&text)
    }

    fn end(mut self, key: Option<&Key>) -> io::Result<W> {
        let hash = self.hasher.finalize();
        let tag = key.map(|key| key.sign(&[b"feed", hash.as_bytes()]).to_string());
        self.put(&Line::End(End {
            end: self.count,
            tag,
        }))?;
        Ok(self.sink)
    }
}

/// A writer that hands out parts through a bounded queue, waiting when it is full.
struct Parts {
    queue: mpsc::Sender<Bytes>,
    gathered: Vec<u8>,
}

impl Parts {
    fn end(mut self) -> io::Result<()> {
        self.flush()
    }
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PART_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let part = Bytes::from(std::mem::take(&mut self.gathered));
        let sent = Handle::current().block_on(timeout(READER_PATIENCE, self.queue.send(part)));
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
