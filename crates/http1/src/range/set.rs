//! Several ranges of one request: which sets are refused, what is joined, in which order they go.
//!
//! It must never give out a set that costs more bytes than the representation, nor two ranges that
//! share a byte: a short request must not make a long answer (RFC 9110 section 17.15).

use super::{ByteRange, Ranges, Span};
use crate::multipart;

/// Two or more ranges that do not overlap, each too far from the next to be worth joining.
///
/// They stand in the order of the request, as RFC 9110 section 15.3.7.2 wants it; a range that was
/// joined from several stands where the first of them was listed. At most [`super::MAX_RANGES`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RangeSet(Box<[ByteRange]>);

impl RangeSet {
    /// The ranges in the order in which they are sent.
    pub fn as_slice(&self) -> &[ByteRange] {
        &self.0
    }

    /// How many bytes of the representation the ranges cover, without what stands between parts.
    pub fn bytes(&self) -> u64 {
        // They do not overlap, so the sum is at most the length of the representation.
        self.0.iter().map(|range| range.len()).sum()
    }
}

/// Joins two or more `spans`, given in the order of the request; see [`super::resolve`].
pub(super) fn combine(spans: &mut [Span], length: u64, content_type: &str) -> Ranges {
    if is_scattered(spans) {
        return Ranges::Whole;
    }
    for (place, span) in (0..).zip(spans.iter_mut()) {
        span.place = place;
    }
    spans.sort_unstable();
    if overlap_count(spans) > MAX_OVERLAPS {
        return Ranges::Whole;
    }
    let joined = join(spans, multipart::max_part_head_bytes(length, content_type));
    joined.sort_unstable_by_key(|span| span.place);
    match joined {
        [only] => ByteRange::new(only.start, only.end).map_or(Ranges::Whole, Ranges::Single),
        several => apart(several, length, content_type),
    }
}

/// The set of these spans, unless its body would be as long as the representation.
fn apart(spans: &[Span], length: u64, content_type: &str) -> Ranges {
    let ranges = spans
        .iter()
        .filter_map(|span| ByteRange::new(span.start, span.end));
    let set = RangeSet(ranges.collect());
    if multipart::body_bytes(&set, length, content_type) >= length {
        Ranges::Whole
    } else {
        Ranges::Several(set)
    }
}

/// Whether there are many small ranges in no order: no client that reads a file asks so.
fn is_scattered(listed: &[Span]) -> bool {
    let is_small = |span: &&Span| span.end - span.start < SMALL_BYTES;
    !listed.is_sorted_by_key(|span| span.start)
        && listed.iter().filter(is_small).count() > MAX_SCATTERED
}

/// How many of the sorted spans share a byte with one before them.
fn overlap_count(sorted: &[Span]) -> usize {
    let mut end = 0;
    let overlaps = |span: &&Span| {
        let overlaps = span.start < end;
        end = end.max(span.end);
        overlaps
    };
    sorted.iter().filter(overlaps).count()
}

/// Joins sorted spans that overlap, touch, or leave a gap below `gap_bytes`; returns what is left.
fn join(sorted: &mut [Span], gap_bytes: u64) -> &mut [Span] {
    let mut last = 0;
    for at in 1..sorted.len() {
        let next = sorted[at];
        let run = &mut sorted[last];
        if next.start <= run.end || next.start - run.end < gap_bytes {
            run.end = run.end.max(next.end);
            run.place = run.place.min(next.place);
        } else {
            last += 1;
            sorted[last] = next;
        }
    }
    &mut sorted[..=last]
}

/// RFC 9110 section 14.2 calls "more than two overlapping ranges" a sign of an attack.
const MAX_OVERLAPS: usize = 2;

/// Below this a range is small: a disk, and most networks, move no less at a time.
const SMALL_BYTES: u64 = 1024;

/// How many small ranges may come in any order; a reader of a container's index asks for fewer.
const MAX_SCATTERED: usize = 8;
