//! Holding spans of a content against its outboard, at once or as they arrive.
//!
//! It must never call a byte good before the whole of its group is.

use std::{ops::Range, sync::Arc};

use blake3::{Hasher, hazmat::HasherExt};
use overspill_core::root::Root;
use thiserror::Error;

use super::{GroupSize, Outboard};

/// Why a span was not verified.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum VerifyError {
    /// The first group of which some byte is wrong. What came before it is right.
    #[error("of the {bytes} bytes at {offset}, some are wrong")]
    Mismatch {
        /// Where the group begins.
        offset: u64,
        /// How many bytes it has.
        bytes: u64,
    },
    /// A span that does not begin and end where groups do, or reaches beyond the content.
    #[error("the span from {start} to {end} is not made of whole groups")]
    Unaligned {
        /// Its first byte.
        start: u64,
        /// The byte after its last.
        end: u64,
    },
}

impl Outboard {
    /// Verifies the bytes at `offset`, which are whole groups; the content's last may be short.
    ///
    /// The error names the first group that is wrong.
    pub fn verify(&self, offset: u64, bytes: &[u8]) -> Result<(), VerifyError> {
        let end = offset.saturating_add(bytes.len() as u64);
        self.check_span(offset, end)?;
        let mut start = offset;
        let mut rest = bytes;
        loop {
            let length = usize::try_from(self.group_end(start) - start).unwrap_or(usize::MAX);
            let (group, after) = rest.split_at(length.min(rest.len()));
            self.check_group(start, self.hasher_at(start).update(group))?;
            start += group.len() as u64;
            rest = after;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// The piece that `offset` lies in: whole groups, 1 MiB unless a group is larger; `None` beyond the
    /// content.
    pub fn piece_around(&self, offset: u64) -> Option<Range<u64>> {
        let bytes = self.group.max(GroupSize::PIECE).0;
        let start = offset / bytes * bytes;
        let end = start.saturating_add(bytes).min(self.size);
        (offset < self.size).then_some(start..end)
    }

    /// Verifies what arrives from `offset` on, which is the start of a group.
    pub fn verifier(self: &Arc<Self>, offset: u64) -> Result<SpanVerifier, VerifyError> {
        if !offset.is_multiple_of(self.group.0) || offset > self.size {
            return Err(VerifyError::Unaligned {
                start: offset,
                end: offset,
            });
        }
        if self.size == 0 {
            // No byte will ever come to prove it by.
            self.check_group(0, &Hasher::new())?;
        }
        Ok(SpanVerifier {
            hasher: self.hasher_at(offset),
            outboard: Arc::clone(self),
            group_start: offset,
        })
    }

    fn check_span(&self, start: u64, end: u64) -> Result<(), VerifyError> {
        let is_start = start.is_multiple_of(self.group.0);
        let is_end = end.is_multiple_of(self.group.0) || end == self.size;
        let is_something = start < end || self.size == 0;
        if is_start && is_end && is_something && end <= self.size {
            Ok(())
        } else {
            Err(VerifyError::Unaligned { start, end })
        }
    }

    /// Where the group that begins at `start` ends.
    fn group_end(&self, start: u64) -> u64 {
        start.saturating_add(self.group.0).min(self.size)
    }

    /// A hasher for the group that begins at `start`; at the end, where none does, one that is not
    /// used.
    fn hasher_at(&self, start: u64) -> Hasher {
        let mut hasher = Hasher::new();
        if start < self.size {
            hasher.set_input_offset(start);
        }
        hasher
    }

    /// `hasher` has seen all bytes of the group that begins at `start`.
    fn check_group(&self, start: u64, hasher: &Hasher) -> Result<(), VerifyError> {
        let is_right = if self.leaves.is_empty() {
            Root(hasher.finalize().into()) == self.root
        } else {
            let leaf = usize::try_from(start / self.group.0)
                .ok()
                .and_then(|at| self.leaves.get(at));
            leaf == Some(&hasher.finalize_non_root())
        };
        let mismatch = VerifyError::Mismatch {
            offset: start,
            bytes: hasher.count(),
        };
        is_right.then_some(()).ok_or(mismatch)
    }
}

/// A span being verified group by group while it arrives; keeps none of its bytes.
#[derive(Clone, Debug)]
pub struct SpanVerifier {
    outboard: Arc<Outboard>,
    hasher: Hasher,
    group_start: u64,
}

impl SpanVerifier {
    /// Takes the next bytes, and says how far everything is verified by now.
    ///
    /// An error names the group that is wrong; the verifier is of no further use then.
    pub fn update(&mut self, mut bytes: &[u8]) -> Result<u64, VerifyError> {
        while !bytes.is_empty() {
            let end = self.outboard.group_end(self.group_start);
            let room = end - self.group_start - self.hasher.count();
            if room == 0 {
                return Err(self.beyond(bytes.len()));
            }
            let taken = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            self.hasher.update(&bytes[..taken]);
            bytes = &bytes[taken..];
            if taken as u64 == room {
                self.outboard.check_group(self.group_start, &self.hasher)?;
                self.group_start = end;
                self.hasher = self.outboard.hasher_at(end);
            }
        }
        Ok(self.group_start)
    }

    /// Everything from the start of the span to here is verified.
    pub fn verified(&self) -> u64 {
        self.group_start
    }

    fn beyond(&self, bytes: usize) -> VerifyError {
        VerifyError::Unaligned {
            start: self.group_start,
            end: self.group_start.saturating_add(bytes as u64),
        }
    }
}
