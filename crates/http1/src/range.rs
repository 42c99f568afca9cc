//! The `Range` field resolved against a length (RFC 9110 section 14).
//!
//! Whatever cannot be understood is ignored, never guessed at: the answer is then the whole
//! representation, which is always correct. It must never amplify: no answer is larger than the
//! representation, whatever the client lists. What becomes of several ranges is in [`set`].

mod set;

use crate::list;

pub use self::set::RangeSet;

/// A range of byte positions, `start` included and `end` excluded; never empty.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ByteRange {
    /// Position of the first byte.
    pub start: u64,
    /// Position after the last byte; above `start`.
    pub end: u64,
}

impl ByteRange {
    /// The bytes from `start` up to and without `end`, or `None` if there are none.
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if start < end {
            Some(Self { start, end })
        } else {
            None
        }
    }

    /// How many bytes the range covers.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(self) -> u64 {
        self.end - self.start
    }
}

/// What a `Range` field asks for once the length is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ranges {
    /// The field is malformed, in another unit, or refused as abusive: serve 200.
    Whole,
    /// One run of bytes: serve 206.
    Single(ByteRange),
    /// Several runs of bytes: serve 206 as [`crate::multipart`].
    Several(RangeSet),
    /// Well-formed, but no byte of it exists: serve 416.
    Unsatisfiable,
}

/// The most ranges that are looked at; real clients ask for a handful.
pub const MAX_RANGES: usize = 64;

/// Resolves a `Range` field value against a representation of `length` bytes.
///
/// - A suffix longer than the representation selects all of it, as [`Ranges::Single`].
/// - A last position at or past the end is clamped; numbers past `u64::MAX` saturate.
/// - Several ranges are joined where that is no longer than keeping them apart; one run left is
///   [`Ranges::Single`]. What is left apart keeps the order of the request: see [`RangeSet`].
/// - More than [`MAX_RANGES`], sets that only an attacker or a broken client asks for, and sets
///   whose multipart body would be as long as the representation are [`Ranges::Whole`].
/// - `first > last` anywhere makes the whole field malformed (section 14.1.1).
/// - On an empty representation a first position is unsatisfiable. A suffix is satisfiable
///   (section 14.1.2) but selects nothing that `Content-Range` could name: [`Ranges::Whole`].
///
/// `content_type` is that of the representation: each part of a multipart body repeats it, so it
/// counts into the body's length.
pub fn resolve(field: &[u8], length: u64, content_type: &str) -> Ranges {
    let Some(set) = byte_range_set(field) else {
        return Ranges::Whole;
    };
    let mut spans = [Span::default(); MAX_RANGES];
    let (mut listed, mut kept) = (0, 0);
    for spec in list::elements(set) {
        let Some(spec) = Spec::parse(spec) else {
            return Ranges::Whole;
        };
        listed += 1;
        if listed > MAX_RANGES {
            return Ranges::Whole;
        }
        if let Some(span) = spec.select(length) {
            spans[kept] = span;
            kept += 1;
        }
    }
    match (listed, &mut spans[..kept]) {
        (0, _) => Ranges::Whole,
        (_, []) => Ranges::Unsatisfiable,
        (_, [only]) => ByteRange::new(only.start, only.end).map_or(Ranges::Whole, Ranges::Single),
        (_, spans) => set::combine(spans, length, content_type),
    }
}

/// What follows `bytes=`; the unit is case-insensitive (RFC 9110 section 14.1).
fn byte_range_set(field: &[u8]) -> Option<&[u8]> {
    let (unit, set) = field.split_at_checked(b"bytes=".len())?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

/// A [`ByteRange`] that may be empty, as a suffix of an empty representation is.
#[derive(Clone, Copy, Default, Eq, Ord, PartialEq, PartialOrd)]
struct Span {
    start: u64,
    end: u64,
    /// Where in the request it was listed; known only among several.
    place: u8,
}

impl Span {
    const fn new(start: u64, end: u64) -> Self {
        Self {
            start,
            end,
            place: 0,
        }
    }
}

/// One member of the set as the client wrote it, before the length is known.
#[derive(Clone, Copy)]
enum Spec {
    From { first: u64 },
    Closed { first: u64, last: u64 },
    Suffix { bytes: u64 },
}

impl Spec {
    /// Reads `first-`, `first-last` or `-suffix`; `None` if malformed or `first > last`.
    fn parse(spec: &[u8]) -> Option<Self> {
        let dash = spec.iter().position(|&byte| byte == b'-')?;
        match (&spec[..dash], &spec[dash + 1..]) {
            (b"", suffix) => Some(Self::Suffix {
                bytes: saturating_decimal(suffix)?,
            }),
            (first, b"") => Some(Self::From {
                first: saturating_decimal(first)?,
            }),
            (first, last) => {
                let (first, last) = (saturating_decimal(first)?, saturating_decimal(last)?);
                (first <= last).then_some(Self::Closed { first, last })
            }
        }
    }

    /// The bytes this selects, or `None` if it is unsatisfiable.
    fn select(self, length: u64) -> Option<Span> {
        match self {
            Self::Suffix { bytes: 0 } => None,
            Self::Suffix { bytes } => Some(Span::new(length.saturating_sub(bytes), length)),
            Self::From { first } => (first < length).then(|| Span::new(first, length)),
            Self::Closed { first, last } => {
                let end = last.saturating_add(1).min(length);
                (first < length).then(|| Span::new(first, end))
            }
        }
    }
}

/// Reads decimal digits; a number too large to hold is as good as the largest.
fn saturating_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0, |value: u64, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        Some(value.saturating_mul(10).saturating_add(digit))
    })
}

#[cfg(test)]
mod tests;
