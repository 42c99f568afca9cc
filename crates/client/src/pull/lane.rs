//! One request to one source: its head judged, its bytes checked piece by piece.
//!
//! It ends at the first thing that is not as it should be, and says what. It must never mix bytes
//! of two versions: what is not exactly the range that was asked for is not read at all.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use overspill_core::transfer::{Blame, RequestId, SourceId};
use overspill_net::client::HttpClient;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Holder,
    partials::Partial,
    proof::{Check, Proof},
    sink::Piece,
};
use crate::{
    answer::{Head, Part, RangeRefusal, judge_part},
    error::Fault,
    follow::{Arrival, Lost, LostReason, follow},
};

/// What a lane is to bring.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) request: RequestId,
    pub(super) source: SourceId,
    pub(super) holder: Holder,
    pub(super) size_bytes: u64,
    pub(super) piece_bytes: u64,
    pub(super) pieces: Range<u32>,
    pub(super) proof: Proof,
    pub(super) partial: Option<Partial>,
    pub(super) reins: Arc<Reins>,
    pub(super) notes: mpsc::Sender<Note>,
}

/// How a lane is steered while it runs, and how it tells how far it is.
#[derive(Debug)]
pub(super) struct Reins {
    /// The first piece that is not wanted.
    pub(super) end: AtomicU32,
    /// Bytes that came from the network.
    pub(super) received_bytes: AtomicU64,
    /// Nothing more is wanted.
    pub(super) stop: CancellationToken,
}

/// What a lane tells.
#[derive(Debug)]
pub(super) enum Note {
    /// The answer is the one that was wanted.
    Began {
        request: RequestId,
        resumed_bytes: u64,
    },
    /// It is over; nothing more of it comes.
    Ended {
        request: RequestId,
        source: SourceId,
        end: LaneEnd,
        partial: Option<Partial>,
    },
    /// A piece is right.
    Piece(Piece),
    /// A piece is wrong; the end follows.
    Wrong {
        source: SourceId,
        blame: Blame,
        offset: u64,
        bytes: u64,
    },
}

/// How a lane ended.
#[derive(Debug)]
pub(super) enum LaneEnd {
    /// It broke, in a way that may pass.
    Broken(Fault),
    /// The host asks for a pause.
    Busy {
        fault: Fault,
        retry_after: Option<Duration>,
    },
    /// All that is wanted came.
    Complete,
    /// It was told to stop.
    Left,
    /// It sends the whole file where a range was asked for.
    NoRanges,
    /// It will not have the file.
    Refused(Fault),
    /// It has another version.
    Stale(Fault),
    /// It sent wrong bytes.
    Wrong,
}

/// The piece that is coming.
struct Coming {
    piece: u32,
    span: Range<u64>,
    bytes: Vec<u8>,
    check: Check,
    /// Who sent a part of it before this lane.
    begun_by: Option<SourceId>,
}

impl Lane {
    /// Runs to its end, and tells it.
    pub(super) async fn run(self, client: HttpClient) {
        let mut coming = None;
        let stop = self.reins.stop.clone();
        let end = tokio::select! {
            // What is dropped is a request whose bytes nobody counted yet.
            end = self.bring(&client, &mut coming) => end,
            () = stop.cancelled() => LaneEnd::Left,
        };
        let partial = coming.and_then(|coming| coming.into_partial(self.source));
        let note = Note::Ended {
            request: self.request,
            source: self.source,
            end,
            partial,
        };
        // Without an engine nobody needs to know.
        let _ = self.notes.send(note).await;
    }

    async fn bring(&self, client: &HttpClient, coming: &mut Option<Coming>) -> LaneEnd {
        *coming = self.first_coming();
        let begun_bytes = coming.as_ref().map_or(0, |it| it.bytes.len() as u64);
        let start = u64::from(self.pieces.start) * self.piece_bytes + begun_bytes;
        let end = self.span(self.pieces.end - 1).end;
        let mut arrival = match self.ask(client, start..end).await {
            Ok(arrival) => arrival,
            Err(end) => return end,
        };
        let (request, resumed_bytes) = (self.request, begun_bytes);
        self.tell(Note::Began {
            request,
            resumed_bytes,
        })
        .await;
        loop {
            let part = match arrival.reply.next_part().await {
                Ok(Some(part)) => part,
                Ok(None) => return LaneEnd::Broken(self.short(&arrival, coming, end)),
                Err(error) => return LaneEnd::Broken(Fault::Client(error)),
            };
            self.reins
                .received_bytes
                .fetch_add(part.len() as u64, Ordering::Relaxed);
            if let Some(end) = self.feed(part, coming).await {
                return end;
            }
        }
    }

    /// Asks for a span, and judges the head of the answer.
    async fn ask(&self, client: &HttpClient, span: Range<u64>) -> Result<Arrival, LaneEnd> {
        let fields = self.fields(&span);
        let arrival = follow(client, &Method::GET, self.holder.url.clone(), &fields).await;
        let arrival = arrival.map_err(lost)?;
        let head = Head::read(arrival.reply.status(), arrival.reply.head().headers());
        let wanted = Part {
            tag: self.holder.tag.as_deref(),
            span,
            size_bytes: self.size_bytes,
        };
        match judge_part(&wanted, &head) {
            Ok(()) => Ok(arrival),
            Err(refusal) => Err(refused(refusal, &wanted, &head, arrival.reply.authority())),
        }
    }

    fn fields(&self, span: &Range<u64>) -> HeaderMap {
        let mut fields = HeaderMap::new();
        let range = format!("bytes={}-{}", span.start, span.end - 1);
        if let Ok(range) = HeaderValue::from_str(&range) {
            fields.insert(header::RANGE, range);
        }
        if let Some(Ok(tag)) = self.holder.tag.as_deref().map(HeaderValue::from_str) {
            // A strong tag of ours is a promise about the bytes: 412 says that they are gone. Others
            // are asked in the form that every server knows.
            let condition = match self.holder.member {
                Some(_) => header::IF_MATCH,
                None => header::IF_RANGE,
            };
            fields.insert(condition, tag);
        }
        fields
    }

    /// Takes bytes as they came; `Some` when the lane is over.
    async fn feed(&self, mut part: Bytes, coming: &mut Option<Coming>) -> Option<LaneEnd> {
        while !part.is_empty() {
            let Some(piece) = coming else {
                return Some(LaneEnd::Complete);
            };
            let taken = part.split_to(part.len().min(piece.missing()));
            let checked = piece.check.update(&taken);
            piece.bytes.extend_from_slice(&taken);
            if let Err(wrong) = checked {
                return Some(self.wrong(coming, wrong.good_bytes).await);
            }
            if piece.missing() == 0
                && let Some(end) = self.complete_piece(coming).await
            {
                return Some(end);
            }
        }
        None
    }

    async fn complete_piece(&self, coming: &mut Option<Coming>) -> Option<LaneEnd> {
        let piece = coming.take()?;
        if piece.check.finish().is_err() {
            let offset = piece.span.start;
            let bytes = piece.bytes.len() as u64;
            self.tell_wrong(piece.begun_by, offset, bytes).await;
            return Some(LaneEnd::Wrong);
        }
        let next = piece.piece + 1;
        self.tell(Note::Piece(Piece {
            request: self.request,
            piece: piece.piece,
            offset: piece.span.start,
            bytes: piece.bytes,
        }))
        .await;
        if next >= self.reins.end.load(Ordering::Acquire) {
            return Some(LaneEnd::Complete);
        }
        *coming = self.coming(next);
        None
    }

    /// A group is wrong: what came before it is right, and kept.
    async fn wrong(&self, coming: &mut Option<Coming>, good_bytes: u64) -> LaneEnd {
        let Some(piece) = coming else {
            return LaneEnd::Wrong;
        };
        let good = usize::try_from(good_bytes)
            .unwrap_or(0)
            .min(piece.bytes.len());
        let lost = (piece.bytes.len() - good) as u64;
        let offset = piece.span.start + good_bytes;
        let begun_by = piece.begun_by.take();
        piece.bytes.truncate(good);
        self.tell_wrong(begun_by, offset, lost).await;
        LaneEnd::Wrong
    }

    async fn tell_wrong(&self, begun_by: Option<SourceId>, offset: u64, bytes: u64) {
        let blame = match begun_by {
            Some(other) if other != self.source => Blame::Nobody,
            _ => Blame::Source,
        };
        let source = self.source;
        self.tell(Note::Wrong {
            source,
            blame,
            offset,
            bytes,
        })
        .await;
    }

    async fn tell(&self, note: Note) {
        // Without an engine nobody needs to know; the lane is about to be dropped.
        let _ = self.notes.send(note).await;
    }

    /// The first piece, with what there is of it already.
    fn first_coming(&self) -> Option<Coming> {
        let mut coming = self.coming(self.pieces.start)?;
        let Some(partial) = &self.partial else {
            return Some(coming);
        };
        let is_usable = partial.piece == coming.piece && partial.bytes.len() < coming.missing();
        if is_usable && coming.check.update(&partial.bytes).is_ok() {
            coming.bytes.extend_from_slice(&partial.bytes);
            coming.begun_by = partial.from;
            return Some(coming);
        }
        self.coming(self.pieces.start)
    }

    fn coming(&self, piece: u32) -> Option<Coming> {
        let span = self.span(piece);
        let length = usize::try_from(span.end - span.start).ok()?;
        Some(Coming {
            piece,
            check: self.proof.check(piece, span.clone())?,
            span,
            bytes: Vec::with_capacity(length),
            begun_by: None,
        })
    }

    fn span(&self, piece: u32) -> Range<u64> {
        let start = u64::from(piece) * self.piece_bytes;
        start..(start + self.piece_bytes).min(self.size_bytes)
    }

    fn short(&self, arrival: &Arrival, coming: &Option<Coming>, end: u64) -> Fault {
        let at = coming
            .as_ref()
            .map_or(end, |it| it.span.start + it.bytes.len() as u64);
        Fault::Short {
            authority: arrival.reply.authority().to_owned(),
            expected_bytes: end,
            actual_bytes: at,
        }
    }
}

impl Coming {
    fn missing(&self) -> usize {
        let length = usize::try_from(self.span.end - self.span.start).unwrap_or(usize::MAX);
        length.saturating_sub(self.bytes.len())
    }

    fn into_partial(mut self, source: SourceId) -> Option<Partial> {
        let kept = usize::try_from(self.check.kept_bytes()).unwrap_or(0);
        self.bytes.truncate(kept);
        let is_proved = matches!(self.check, Check::Outboard { .. });
        let from = match (is_proved, self.begun_by) {
            (true, _) => None,
            // Of several nobody can be blamed; a number that nobody has says so.
            (false, Some(other)) if other != source => Some(SEVERAL),
            (false, _) => Some(source),
        };
        (kept > 0).then_some(Partial {
            piece: self.piece,
            bytes: self.bytes,
            from,
        })
    }
}

fn lost(lost: Lost) -> LaneEnd {
    match lost.reason {
        LostReason::Client(error) if error.is_lasting() => LaneEnd::Refused(Fault::Client(error)),
        LostReason::Client(error) => LaneEnd::Broken(Fault::Client(error)),
        LostReason::Location(authority) => LaneEnd::Refused(Fault::Location { authority }),
        LostReason::TooMany => LaneEnd::Refused(Fault::Location {
            authority: "somebody".to_owned(),
        }),
        LostReason::Url(error) => LaneEnd::Refused(Fault::Location {
            authority: error.to_string(),
        }),
    }
}

fn refused(refusal: RangeRefusal, wanted: &Part<'_>, head: &Head, authority: &str) -> LaneEnd {
    let authority = authority.to_owned();
    let offset = wanted.span.start;
    let range = |authority, reason| Fault::Range {
        authority,
        offset,
        reason,
    };
    let retry_after = head.retry_after;
    let status = |authority| Fault::Status {
        authority,
        status: head.status,
        retry_after,
    };
    match refusal {
        RangeRefusal::Broken(reason) => LaneEnd::Broken(range(authority, reason)),
        RangeRefusal::Busy => LaneEnd::Busy {
            fault: status(authority),
            retry_after,
        },
        RangeRefusal::NoRanges => LaneEnd::NoRanges,
        RangeRefusal::Refused => LaneEnd::Refused(status(authority)),
        RangeRefusal::Stale(reason) => LaneEnd::Stale(range(authority, reason)),
        RangeRefusal::Transient => LaneEnd::Broken(status(authority)),
    }
}

/// Stands for more than one source.
const SEVERAL: SourceId = SourceId(u32::MAX);
