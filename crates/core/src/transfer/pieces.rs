//! Which pieces of a file are there, on their way, or free to be asked for.
//!
//! A piece has at most two holders, and is verified once: the first to bring it wins. One byte a
//! piece; a file of 1 TiB costs 1 MiB.

use std::ops::Range;

/// The pieces of one file.
#[derive(Clone, Debug)]
pub struct Pieces {
    size_bytes: u64,
    piece_bytes: u64,
    states: Vec<State>,
    free: u32,
    verified_bytes: u64,
    /// No piece before this one is free.
    first_free: u32,
    /// All pieces before this one are verified.
    first_missing: u32,
}

/// Whether a verified piece was news.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is there already: these bytes were for nothing.
    Again,
    /// It is the first.
    First,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Free,
    Held,
    HeldTwice,
    Verified,
}

impl Pieces {
    /// None is there yet.
    ///
    /// # Panics
    /// When pieces have no bytes, or when there are more than 2^32 of them.
    pub fn new(size_bytes: u64, piece_bytes: u64) -> Self {
        assert!(piece_bytes > 0, "pieces without bytes");
        let count = size_bytes.div_ceil(piece_bytes);
        let count = u32::try_from(count).expect("no more pieces than 2^32");
        Self {
            size_bytes,
            piece_bytes,
            states: vec![State::Free; count as usize],
            free: count,
            verified_bytes: 0,
            first_free: 0,
            first_missing: 0,
        }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.states.len() as u32
    }

    /// How many nobody holds and nobody brought.
    pub fn free(&self) -> u32 {
        self.free
    }

    /// The length of all but the last, in bytes.
    pub fn piece_bytes(&self) -> u64 {
        self.piece_bytes
    }

    /// The length of the file in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How much of the file is verified, in bytes.
    pub fn verified_bytes(&self) -> u64 {
        self.verified_bytes
    }

    /// Whether all of it is.
    pub fn is_complete(&self) -> bool {
        self.first_missing == self.count()
    }

    /// Whether this piece is.
    pub fn is_verified(&self, piece: u32) -> bool {
        self.states.get(piece as usize) == Some(&State::Verified)
    }

    /// All pieces before this one are verified.
    pub fn first_missing(&self) -> u32 {
        self.first_missing
    }

    /// The bytes of the file that these pieces are; `end` is exclusive.
    pub fn span(&self, pieces: &Range<u32>) -> Range<u64> {
        let at = |piece: u32| (u64::from(piece) * self.piece_bytes).min(self.size_bytes);
        at(pieces.start)..at(pieces.end)
    }

    /// How many bytes these pieces have.
    pub fn bytes_of(&self, pieces: &Range<u32>) -> u64 {
        let span = self.span(pieces);
        span.end.saturating_sub(span.start)
    }

    /// One bit a piece, the first in the lowest bit of the first byte: 1 is verified.
    pub fn bitmap(&self) -> Vec<u8> {
        let byte = |states: &[State]| {
            let bits = states.iter().enumerate();
            bits.fold(0, |byte, (bit, state)| {
                byte | u8::from(*state == State::Verified) << bit
            })
        };
        self.states.chunks(8).map(byte).collect()
    }

    /// A piece is there.
    pub fn verify(&mut self, piece: u32) -> Verdict {
        let Some(state) = self.states.get_mut(piece as usize) else {
            debug_assert!(false, "no such piece");
            return Verdict::Again;
        };
        match std::mem::replace(state, State::Verified) {
            State::Verified => return Verdict::Again,
            State::Free => self.free -= 1,
            State::Held | State::HeldTwice => {}
        }
        self.verified_bytes += self.bytes_of(&(piece..piece + 1));
        while self.is_verified(self.first_missing) {
            self.first_missing += 1;
        }
        Verdict::First
    }

    /// How many hold this piece.
    pub(super) fn holders(&self, piece: u32) -> u32 {
        match self.states.get(piece as usize) {
            Some(State::Held) => 1,
            Some(State::HeldTwice) => 2,
            _ => 0,
        }
    }

    /// The first free pieces before `before` that lie together, `most` of them at most.
    pub(super) fn free_run(&mut self, before: u32, most: u32) -> Option<Range<u32>> {
        let is_free = |piece: u32| self.states.get(piece as usize) == Some(&State::Free);
        let mut start = self.first_free;
        while start < self.count() && !is_free(start) {
            start += 1;
        }
        let before = before.min(self.count());
        let last = start.saturating_add(most).min(before);
        let mut end = start;
        while end < last && is_free(end) {
            end += 1;
        }
        self.first_free = start;
        (start < end).then_some(start..end)
    }

    /// Somebody was asked for them.
    pub(super) fn hold(&mut self, pieces: Range<u32>) {
        for state in &mut self.states[pieces.start as usize..pieces.end as usize] {
            *state = match *state {
                State::Free => {
                    self.free -= 1;
                    State::Held
                }
                State::Held | State::HeldTwice => State::HeldTwice,
                State::Verified => State::Verified,
            };
        }
    }

    /// Somebody will not bring them after all.
    pub(super) fn release(&mut self, pieces: Range<u32>) {
        for piece in pieces {
            let state = &mut self.states[piece as usize];
            *state = match *state {
                State::HeldTwice => State::Held,
                State::Held => {
                    self.free += 1;
                    self.first_free = self.first_free.min(piece);
                    State::Free
                }
                other => other,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_piece_is_as_long_as_what_is_left() {
        let pieces = Pieces::new(25, 10);
        assert_eq!(pieces.count(), 3);
        assert_eq!(pieces.span(&(1..3)), 10..25);
        assert_eq!(pieces.bytes_of(&(2..3)), 5);
        assert!(Pieces::new(0, 10).is_complete());
    }

    #[test]
    fn runs_are_the_first_free_pieces_together() {
        let mut pieces = Pieces::new(100, 10);
        pieces.verify(2);
        assert_eq!(pieces.free_run(10, 9), Some(0..2));
        pieces.hold(0..2);
        assert_eq!(pieces.free_run(10, 3), Some(3..6));
        assert_eq!(pieces.free_run(4, 3), Some(3..4));
        assert_eq!(pieces.free_run(3, 3), None);
        pieces.release(1..2);
        assert_eq!(pieces.free_run(10, 9), Some(1..2));
        assert_eq!(pieces.free(), 8);
    }

    #[test]
    fn the_first_to_bring_a_piece_wins() {
        let mut pieces = Pieces::new(25, 10);
        pieces.hold(0..1);
        pieces.hold(0..1);
        assert_eq!(pieces.holders(0), 2);
        assert_eq!(pieces.verify(0), Verdict::First);
        assert_eq!(pieces.verify(0), Verdict::Again);
        pieces.release(0..1);
        assert_eq!((pieces.free(), pieces.verified_bytes()), (2, 10));
        assert_eq!(
            (pieces.verify(2), pieces.verify(1)),
            (Verdict::First, Verdict::First)
        );
        assert!(pieces.is_complete());
        assert_eq!((pieces.verified_bytes(), pieces.first_missing()), (25, 3));
    }

    #[test]
    fn the_bitmap_has_a_bit_for_each_piece() {
        let mut pieces = Pieces::new(10, 1);
        for piece in [0, 3, 9] {
            pieces.verify(piece);
        }
        assert_eq!(pieces.bitmap(), [0b1001, 0b10]);
    }
}
