//! Bodies of type `multipart/byteranges` (RFC 9110 section 14.6, RFC 2046 section 5.1).
//!
//! The length of such a body is known before its first byte is read, so it is sent with a
//! `Content-Length` and streamed from the file. It must never hold the bytes of a range itself, nor
//! search them for the boundary: a boundary that nobody can foretell is in no file.

use std::fmt;

use crate::range::{ByteRange, RangeSet};

/// Length in bytes of every boundary.
pub const BOUNDARY_BYTES: usize = 32;

/// What separates the parts of one body: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Boundary(u128);

impl Boundary {
    /// The boundary made of these bits.
    ///
    /// The caller draws them so that nobody who can write a file can foretell them: from a generator
    /// with a secret seed, anew for each response.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A body of several ranges of one representation: an iterator over its pieces.
#[derive(Clone, Debug)]
pub struct Multipart {
    boundary: Boundary,
    content_type: String,
    length: u64,
    ranges: RangeSet,
    /// How many pieces have been taken; each range makes two, and the end makes one.
    taken: usize,
}

/// One piece of a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Piece {
    /// This range of the representation.
    Range(ByteRange),
    /// These bytes: a delimiter, with the head of the part that it begins.
    Text(Vec<u8>),
}

impl Multipart {
    /// The body that carries `ranges` of a representation of `length` bytes.
    ///
    /// `content_type` is that of the representation; it has no line break.
    pub fn new(ranges: RangeSet, length: u64, content_type: &str, boundary: Boundary) -> Self {
        Self {
            boundary,
            content_type: content_type.to_owned(),
            length,
            ranges,
            taken: 0,
        }
    }

    /// The value of `Content-Length`: bytes of all pieces together, taken or not.
    pub fn bytes(&self) -> u64 {
        body_bytes(&self.ranges, self.length, &self.content_type)
    }

    /// The value of `Content-Type`.
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    fn part_head(&self, range: ByteRange) -> Vec<u8> {
        // A delimiter begins with the line break that ends the part before it, if there is one.
        let line_break = if self.taken == 0 { "" } else { "\r\n" };
        let (boundary, content_type, length) = (self.boundary, &self.content_type, self.length);
        let (first, last) = (range.start, range.end - 1);
        format!(
            "{line_break}--{boundary}\r\n\
             Content-Type: {content_type}\r\n\
             Content-Range: bytes {first}-{last}/{length}\r\n\
             \r\n"
        )
        .into_bytes()
    }
}

impl Iterator for Multipart {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let ranges = self.ranges.as_slice();
        let piece = match (ranges.get(self.taken / 2), self.taken % 2) {
            (Some(&range), 0) => Piece::Text(self.part_head(range)),
            (Some(&range), _) => Piece::Range(range),
            (None, 0) => Piece::Text(format!("\r\n--{}--\r\n", self.boundary).into_bytes()),
            (None, _) => return None,
        };
        self.taken += 1;
        Some(piece)
    }
}

/// Bytes of the body that carries `ranges` of a representation of `length` bytes; saturates.
pub(crate) fn body_bytes(ranges: &RangeSet, length: u64, content_type: &str) -> u64 {
    let parts = ranges.as_slice().iter().map(|range| {
        let numbers = digits(range.start) + digits(range.end - 1) + digits(length);
        range
            .len()
            .saturating_add(numbers + fixed_bytes(content_type))
    });
    let delimited = parts.fold(0, u64::saturating_add);
    // The first delimiter has no line break before it.
    delimited.saturating_add(END_BYTES - LINE_BREAK_BYTES)
}

/// The most bytes that a delimiter and the head of a part can have.
pub(crate) fn max_part_head_bytes(length: u64, content_type: &str) -> u64 {
    3 * digits(length) + fixed_bytes(content_type)
}

/// Bytes of a delimiter and the head of a part, without the numbers.
const fn fixed_bytes(content_type: &str) -> u64 {
    const TEXT: &str = "\r\n--\r\nContent-Type: \r\nContent-Range: bytes -/\r\n\r\n";
    (TEXT.len() + BOUNDARY_BYTES + content_type.len()) as u64
}

fn digits(number: u64) -> u64 {
    number.checked_ilog10().map_or(1, |log| u64::from(log) + 1)
}

const LINE_BREAK_BYTES: u64 = 2;

/// Bytes of the delimiter after the last part.
const END_BYTES: u64 = ("\r\n----\r\n".len() + BOUNDARY_BYTES) as u64;

#[cfg(test)]
mod tests;
