//! What lanes tell, and what it means for their sources.

use std::time::Instant;

use overspill_core::transfer::{Blame, End, Event, RequestId, SourceId};

use super::{Engine, Halt, Searching, Step};
use crate::{
    error::Fault,
    progress::Progress,
    pull::{
        Fleet,
        lane::{LaneEnd, Note},
        partials::Partial,
        sink::Piece,
    },
};

impl Engine<'_> {
    pub(super) fn note(&mut self, note: Note) -> Step {
        let now = Instant::now();
        match note {
            Note::Began {
                request,
                resumed_bytes,
            } => {
                let began = Event::Began {
                    request,
                    resumed_bytes,
                };
                self.scheduler.handle(now, began);
                Step::Go
            }
            Note::Piece(piece) => {
                self.count(now, piece.request);
                self.verified(now, piece);
                Step::Go
            }
            Note::Wrong {
                source,
                blame,
                offset,
                bytes,
            } => {
                self.wrong(source, blame, offset);
                let refuted = Event::Refuted {
                    source,
                    blame,
                    bytes,
                };
                self.scheduler.handle(now, refuted);
                Step::Go
            }
            Note::Ended {
                request,
                source,
                end,
                partial,
            } => {
                self.count(now, request);
                self.requests.remove(&request);
                self.keep(partial);
                self.ended(now, (request, source), end)
            }
        }
    }

    /// A piece is right: it counts at once, for nobody else need bring it. The state claims it once
    /// it is written; if that fails, so does the pull.
    fn verified(&mut self, now: Instant, piece: Piece) {
        let (request, number) = (piece.request, piece.piece);
        if !self.scheduler.pieces().is_verified(number) {
            self.store.take(piece);
        }
        let piece = number;
        self.scheduler
            .handle(now, Event::Verified { request, piece });
    }

    fn keep(&mut self, partial: Option<Partial>) {
        if let Some(partial) = partial
            && !self.scheduler.pieces().is_verified(partial.piece)
        {
            self.partials.keep(partial);
        }
    }

    fn wrong(&mut self, source: SourceId, blame: Blame, offset: u64) {
        let Some(holder) = self.plan.holders.get(source.0 as usize) else {
            return;
        };
        self.observer.observe(&Progress::PieceRefuted {
            offset,
            source: holder.name.clone(),
        });
        if let (Blame::Source, Some(member), Some(root), Fleet::Ours) =
            (blame, &holder.member, self.plan.root, self.plan.fleet)
        {
            let what = (root, offset);
            self.complaints
                .complain(&self.client, &self.plan.url, member, what);
        }
    }

    fn ended(
        &mut self,
        now: Instant,
        (request, source): (RequestId, SourceId),
        end: LaneEnd,
    ) -> Step {
        let is_only = self.plan.holders.len() == 1;
        let end = match end {
            LaneEnd::Complete => End::Complete,
            LaneEnd::Left | LaneEnd::Wrong => End::Left,
            LaneEnd::Broken(fault) => self.failed(fault, End::Broken),
            LaneEnd::Busy { fault, retry_after } => self.failed(fault, End::Busy { retry_after }),
            LaneEnd::Refused(fault) => self.failed(fault, End::Refused),
            LaneEnd::NoRanges if is_only && self.plan.fleet == Fleet::Foreign => {
                return Step::Stop(Halt::NoRanges);
            }
            LaneEnd::NoRanges => End::Refused,
            LaneEnd::Stale(fault) => {
                if let Some(halt) = self.stale(source) {
                    return Step::Stop(halt);
                }
                self.failed(fault, End::Refused)
            }
        };
        self.scheduler.handle(now, Event::Ended { request, end });
        Step::Go
    }

    fn failed(&mut self, fault: Fault, end: End) -> End {
        tracing::debug!(%fault, "request failed");
        self.last = Some(fault);
        end
    }

    /// A source has another version: the file changed, or the source is behind. The server knows.
    fn stale(&mut self, source: SourceId) -> Option<Halt> {
        let holder = self.plan.holders.get(source.0 as usize)?;
        match self.plan.fleet {
            Fleet::Foreign => return holder.is_origin.then_some(Halt::Changed),
            Fleet::Metalink => return None,
            Fleet::Ours => {}
        }
        if self.searching == Searching::No {
            self.searching = Searching::ToConfirm;
            self.ask_again();
        }
        None
    }
}
