//! Beginnings of pieces whose sources failed, so that the next one need not bring them again.
//!
//! Bounded; losing one costs bytes, never truth: a piece is checked as a whole, whoever began it.

use std::collections::BTreeMap;

use overspill_core::transfer::SourceId;

/// The beginning of a piece.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Partial {
    pub(super) piece: u32,
    pub(super) bytes: Vec<u8>,
    /// Whose fault it may be if they are wrong: `None` when they are proved.
    pub(super) from: Option<SourceId>,
}

/// Those kept, one for each piece.
#[derive(Debug, Default)]
pub(super) struct Partials {
    by_piece: BTreeMap<u32, Partial>,
    bytes: usize,
}

impl Partials {
    /// Keeps it, if it is longer than what is there and there is room.
    pub(super) fn keep(&mut self, partial: Partial) {
        if partial.bytes.is_empty() {
            return;
        }
        let known = self.take(partial.piece);
        let longest = match known {
            Some(known) if known.bytes.len() >= partial.bytes.len() => known,
            _ => partial,
        };
        if self.bytes + longest.bytes.len() <= BYTES_MAX {
            self.bytes += longest.bytes.len();
            self.by_piece.insert(longest.piece, longest);
        }
    }

    /// Takes out the one of this piece.
    pub(super) fn take(&mut self, piece: u32) -> Option<Partial> {
        let partial = self.by_piece.remove(&piece)?;
        self.bytes -= partial.bytes.len();
        Some(partial)
    }
}

/// As many as the transfer's own budget.
const BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn partial(piece: u32, length: usize) -> Partial {
        Partial {
            piece,
            bytes: vec![piece as u8; length],
            from: None,
        }
    }

    #[test]
    fn the_longest_of_a_piece_is_kept_within_bounds() {
        let mut partials = Partials::default();
        partials.keep(partial(1, 5));
        partials.keep(partial(1, 3));
        assert_eq!(partials.take(1), Some(partial(1, 5)));
        assert_eq!(partials.take(1), None);
        partials.keep(partial(2, 0));
        assert_eq!(partials.take(2), None);
        let half = BYTES_MAX / 2;
        (3..6).for_each(|piece| partials.keep(partial(piece, half)));
        assert!(partials.take(3).is_some() && partials.take(4).is_some());
        assert_eq!((partials.take(5), partials.bytes), (None, 0));
    }
}
