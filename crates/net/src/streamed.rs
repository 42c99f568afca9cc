//! A body of ours as a hyper body: read part by part, off the serving thread where the disk is slow.
//!
//! It keeps the promises of the plain path: a live file is looked at again before its last bytes, and
//! what does not add up ends in an error, which cuts the response.

use std::{
    fmt,
    future::Future,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use overspill_http1::range::ByteRange;

use crate::{
    disk,
    flows::{Flow, Label, Shard},
    observe::Outcome,
    relay::{Relay, Striped},
    service::{Body, FileBody, Part, StreamItem},
    transmit::TransmitError,
};

/// Bytes read at a time.
const PART_BYTES: u64 = 64 << 10;

/// Any [`Body`] for hyper.
#[derive(Debug)]
pub struct Streamed {
    /// What comes after the file at hand.
    source: Body,
    at_hand: Option<AtHand>,
    reading: Option<Reading>,
    flow: Option<Flow>,
    /// Bytes still promised; `None` if nobody knows how many.
    left_bytes: Option<u64>,
}

/// What is being sent.
#[derive(Debug)]
enum AtHand {
    File(FileBody, ByteRange),
    Relay(Box<Relay>),
    /// And the window of it that is at hand.
    Striped(Box<Striped>, Option<Box<Relay>>),
}

/// Bytes, and what is left at hand.
type ReadPart = io::Result<(Bytes, Option<AtHand>)>;

struct Reading(Pin<Box<dyn Future<Output = ReadPart>>>);

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

impl Streamed {
    /// `body`, counted as a flow of `shard`.
    pub fn new(body: Body, shard: &Arc<Shard>, label: Label) -> Self {
        let planned_bytes = body.planned_bytes();
        let flow = shard.begin_labelled(planned_bytes, label);
        let left_bytes = (!matches!(body, Body::Stream(_))).then_some(planned_bytes);
        let (source, at_hand) = match body {
            Body::File { file, range } => (Body::Empty, Some(AtHand::File(file, range))),
            Body::Relay(relay) => (Body::Empty, Some(AtHand::Relay(relay))),
            Body::Striped(striped) => (Body::Empty, Some(AtHand::Striped(striped, None))),
            source => (source, None),
        };
        Self {
            source,
            at_hand,
            reading: None,
            flow: Some(flow),
            left_bytes,
        }
    }

    /// The next bytes; `None` at the end.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let (bytes, rest) = ready!(reading.0.as_mut().poll(cx))?;
                self.reading = None;
                self.at_hand = rest;
                if bytes.is_empty() {
                    continue;
                }
                return Poll::Ready(Ok(Some(bytes)));
            }
            if let Some(at_hand) = self.at_hand.take() {
                self.reading = Some(Reading(Box::pin(at_hand.read())));
                continue;
            }
            return match &mut self.source {
                Body::Bytes(bytes) if !bytes.is_empty() => Poll::Ready(Ok(Some(mem::take(bytes)))),
                Body::Parts { parts, .. } => match parts.next_part()? {
                    Some(Part::Bytes(bytes)) => Poll::Ready(Ok(Some(bytes))),
                    Some(Part::File { file, range }) => {
                        self.at_hand = Some(AtHand::File(file, range));
                        continue;
                    }
                    Some(Part::Relay(relay)) => {
                        self.at_hand = Some(AtHand::Relay(relay));
                        continue;
                    }
                    None => Poll::Ready(Ok(None)),
                },
                Body::Stream(stream) => match ready!(stream.items.poll_recv(cx)) {
                    Some(StreamItem::Bytes(bytes)) => Poll::Ready(Ok(Some(bytes))),
                    Some(StreamItem::End) => Poll::Ready(Ok(None)),
                    None => Poll::Ready(Err(io::Error::other("the stream ended early"))),
                },
                Body::Bytes(_)
                | Body::Empty
                | Body::File { .. }
                | Body::Notice(_)
                | Body::Relay(_)
                | Body::Striped(_)
                | Body::Written(_) => Poll::Ready(Ok(None)),
            };
        }
    }

    /// Counts bytes on their way out; the last of them finish the flow.
    fn count(&mut self, bytes: u64) {
        if let Some(flow) = &self.flow {
            flow.sent(bytes);
        }
        if let Some(left_bytes) = &mut self.left_bytes {
            *left_bytes = left_bytes.saturating_sub(bytes);
            if *left_bytes == 0 {
                self.finish();
            }
        }
    }

    fn finish(&mut self) {
        if let Some(flow) = self.flow.take() {
            flow.finish();
        }
    }
}

impl AtHand {
    async fn read(self) -> ReadPart {
        match self {
            Self::File(file, range) => read_part(file, range).await,
            Self::Relay(mut relay) => match relay.pull().await.map_err(io::Error::other)? {
                Some(bytes) => Ok((bytes, Some(Self::Relay(relay)))),
                None => Ok((Bytes::new(), None)),
            },
            Self::Striped(mut striped, mut head) => {
                let pulled = striped.pull(&mut head).await.map_err(io::Error::other)?;
                Ok(match pulled {
                    Some(bytes) => (bytes, Some(Self::Striped(striped, head))),
                    None => (Bytes::new(), None),
                })
            }
        }
    }
}

/// Reads the start of `range`; gives back what is left of it.
async fn read_part(file: FileBody, range: ByteRange) -> ReadPart {
    let wanted = range.len().min(PART_BYTES);
    let bytes = disk::append(&file, range.start, wanted as usize, Vec::new()).await?;
    if (bytes.len() as u64) < wanted {
        return Err(changed());
    }
    let rest = ByteRange::new(range.start + wanted, range.end);
    if rest.is_none() {
        let must_rest_for = file.must_rest_for();
        if !must_rest_for.is_zero() {
            tokio::time::sleep(must_rest_for).await;
        }
        if !file.is_unchanged() {
            return Err(changed());
        }
    }
    let rest = rest.map(|rest| AtHand::File(file, rest));
    Ok((Bytes::from(bytes), rest))
}

fn changed() -> io::Error {
    io::Error::other(TransmitError::Changed)
}

/// How a body ended that ended by our own doing, if it is more than a disk's.
pub(crate) fn outcome_of(error: &io::Error) -> Option<Outcome> {
    let source = error.get_ref().and_then(|source| source.downcast_ref());
    match source {
        Some(TransmitError::Changed) => Some(Outcome::CutFileChanged),
        Some(TransmitError::Relay(_)) => Some(Outcome::CutNobodyLeft),
        _ => None,
    }
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let bytes = ready!(self.poll_bytes(cx))?;
        match bytes {
            Some(bytes) => {
                self.count(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            None if self.left_bytes.is_some_and(|left| left > 0) => {
                let error = "the response's parts are not as long as promised";
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
            None => {
                self.finish();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left_bytes == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left_bytes
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
