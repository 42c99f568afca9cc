//! What shows that a piece is right: an outboard, a list of SHA-256 sums, or nothing.
//!
//! A check takes bytes as they come. It must never call a piece good of which a byte is missing.

use std::{ops::Range, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use overspill_store::outboard::{Outboard, SpanVerifier, VerifyError};

/// How the pieces of one file are proved.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// They are not.
    None,
    /// By the BLAKE3 tree, group by group.
    Outboard(Arc<Outboard>),
    /// By the SHA-256 of each.
    Sha256(Arc<[[u8; 32]]>),
}

/// A piece that is being checked.
pub(super) enum Check {
    None {
        span: Range<u64>,
        taken: u64,
    },
    Outboard {
        span: Range<u64>,
        verifier: Box<SpanVerifier>,
    },
    Sha256 {
        span: Range<u64>,
        taken: u64,
        context: Box<Context>,
        expected: [u8; 32],
    },
}

/// Wrong bytes: those of the piece before `good_bytes` are right, as far as that can be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Wrong {
    pub(super) good_bytes: u64,
}

impl Proof {
    /// Whether pieces can be proved at all.
    pub(super) fn proves(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// A check of the piece of this number and span.
    ///
    /// `None` when the proof has nothing on it, which the makers of plans exclude.
    pub(super) fn check(&self, piece: u32, span: Range<u64>) -> Option<Check> {
        Some(match self {
            Self::None => Check::None { span, taken: 0 },
            Self::Outboard(outboard) => Check::Outboard {
                verifier: Box::new(outboard.verifier(span.start).ok()?),
                span,
            },
            Self::Sha256(sums) => Check::Sha256 {
                span,
                taken: 0,
                context: Box::new(Context::new(&SHA256)),
                expected: *sums.get(piece as usize)?,
            },
        })
    }

    /// Checks a whole piece.
    pub(super) fn is_right(&self, piece: u32, span: Range<u64>, bytes: &[u8]) -> bool {
        let Some(mut check) = self.check(piece, span) else {
            return false;
        };
        check.update(bytes).is_ok() && check.finish().is_ok()
    }
}

impl Check {
    /// Takes the next bytes of the piece, no more than it has.
    pub(super) fn update(&mut self, bytes: &[u8]) -> Result<(), Wrong> {
        match self {
            Self::None { taken, .. } => *taken += bytes.len() as u64,
            Self::Outboard { span, verifier } => {
                verifier.update(bytes).map_err(|error| Wrong {
                    good_bytes: match error {
                        VerifyError::Mismatch { offset, .. } => offset.saturating_sub(span.start),
                        _ => 0,
                    },
                })?;
            }
            Self::Sha256 { taken, context, .. } => {
                *taken += bytes.len() as u64;
                context.update(bytes);
            }
        }
        Ok(())
    }

    /// How many bytes of the piece may be kept if no more come: proved ones, or those that may be
    /// right as far as anybody can tell.
    pub(super) fn kept_bytes(&self) -> u64 {
        match self {
            Self::None { taken, .. } | Self::Sha256 { taken, .. } => *taken,
            Self::Outboard { span, verifier } => verifier.verified().saturating_sub(span.start),
        }
    }

    /// Whether the piece is right, now that all of it came.
    pub(super) fn finish(self) -> Result<(), Wrong> {
        let wrong = Wrong { good_bytes: 0 };
        let is_right = match self {
            Self::None { span, taken } => taken == span.end - span.start,
            Self::Outboard { span, verifier } => verifier.verified() >= span.end,
            Self::Sha256 {
                span,
                taken,
                context,
                expected,
            } => taken == span.end - span.start && context.finish().as_ref() == expected,
        };
        is_right.then_some(()).ok_or(wrong)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::digest;
    use overspill_store::outboard::{GroupSize, OutboardBuilder};

    use super::*;

    const PIECE: u64 = 1 << 20;

    fn content() -> Vec<u8> {
        (0..2 * PIECE + 70_000)
            .map(|at| (at * 31 / 7) as u8)
            .collect()
    }

    fn spans(content: &[u8]) -> Vec<Range<u64>> {
        let size = content.len() as u64;
        let starts = (0..size).step_by(PIECE as usize);
        starts
            .map(|start| start..(start + PIECE).min(size))
            .collect()
    }

    fn proofs(content: &[u8]) -> [Proof; 3] {
        let mut builder = OutboardBuilder::new();
        builder.update(content);
        let (_, fine) = builder.finish();
        let coarse = fine.coarsen(GroupSize::PIECE);
        let sums = content.chunks(PIECE as usize).map(|piece| {
            let mut sum = [0; 32];
            sum.copy_from_slice(digest(&SHA256, piece).as_ref());
            sum
        });
        [
            Proof::Outboard(Arc::new(fine)),
            Proof::Outboard(Arc::new(coarse)),
            Proof::Sha256(sums.collect()),
        ]
    }

    fn slice<'a>(content: &'a [u8], span: &Range<u64>) -> &'a [u8] {
        &content[span.start as usize..span.end as usize]
    }

    #[test]
    fn right_pieces_are_right_however_they_are_cut() {
        let content = content();
        for proof in proofs(&content) {
            for (piece, span) in spans(&content).into_iter().enumerate() {
                for cut in [1 << 20, 65_537, 9_999] {
                    let mut check = proof.check(piece as u32, span.clone()).unwrap();
                    for part in slice(&content, &span).chunks(cut) {
                        check.update(part).unwrap();
                    }
                    check.finish().unwrap();
                }
            }
        }
    }

    #[test]
    fn a_flipped_bit_or_a_missing_byte_is_noticed() {
        let content = content();
        for proof in proofs(&content) {
            for (piece, span) in spans(&content).into_iter().enumerate() {
                let mut bytes = slice(&content, &span).to_vec();
                let short = &bytes[..bytes.len() - 1];
                assert!(!proof.is_right(piece as u32, span.clone(), short));
                let at = bytes.len() / 2;
                bytes[at] ^= 8;
                assert!(!proof.is_right(piece as u32, span.clone(), &bytes));
            }
        }
    }

    #[test]
    fn the_fine_outboard_tells_how_much_is_right() {
        let content = content();
        let [fine, ..] = proofs(&content);
        let mut bytes = content[..PIECE as usize].to_vec();
        bytes[200_000] ^= 1;
        let mut check = fine.check(0, 0..PIECE).unwrap();
        let wrong = check.update(&bytes).unwrap_err();
        assert_eq!(wrong.good_bytes, 3 * 65_536);
        let mut check = fine.check(0, 0..PIECE).unwrap();
        check.update(&content[..100_000]).unwrap();
        assert_eq!(check.kept_bytes(), 65_536);
    }
}
