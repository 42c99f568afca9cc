//! What must hold for any bytes given to `overspill-http1`.
//!
//! Each function takes what a fuzzer made and panics when a promise is broken. It must never judge
//! by more than the promise: inputs have no expected outputs here.

use overspill_http1::conditional::{self, ETag, Validators};
use overspill_http1::date::{self, UnixSeconds};
use overspill_http1::multipart::{Boundary, Multipart, Piece};
use overspill_http1::negotiate::{Coding, Listing, Preferred};
use overspill_http1::range::{self, MAX_RANGES, RangeSet, Ranges};
use overspill_http1::request::{Limits, ParseError, Parsed, Request, parse};
use overspill_http1::response::{Plan, Representation, plan};
use overspill_http1::{digest, range::ByteRange};

/// A stream is decided at some byte and stays so; whatever is read has a meaning.
pub(crate) fn head(stream: &[u8]) {
    let limits = Limits {
        head_bytes: 4096,
        target_bytes: 512,
    };
    let decision = parse(stream, &limits);
    let Ok(Parsed::Partial) = decision else {
        stays_decided(stream, &limits, &decision);
        if let Ok(Parsed::Request {
            request,
            head_bytes,
        }) = decision
        {
            assert!(head_bytes <= stream.len());
            has_a_meaning(&request);
        }
        return;
    };
    assert!(stream.len() < limits.head_bytes, "a full buffer is decided");
}

fn stays_decided(stream: &[u8], limits: &Limits, decision: &Result<Parsed<'_>, ParseError>) {
    // Every prefix would take the square of the length; halves find the same faults in the end.
    let mut end = stream.len();
    while end > 0 {
        end /= 2;
        let earlier = parse(&stream[..end], limits);
        assert!(earlier == Ok(Parsed::Partial) || earlier == *decision);
    }
    let more = [stream, b"\r\n\r\n"].concat();
    assert_eq!(parse(&more, limits), *decision);
}

fn has_a_meaning(request: &Request<'_>) {
    assert!(matches!(request.path(), [b'/', ..] | b"*"));
    let fields = &request.fields;
    let _ = Listing::negotiate(fields.accept.iter());
    let preferred = Preferred::choose(fields.accept_encoding.iter(), Coding::ALL);
    assert!(preferred.iter().count() <= Coding::ALL.len());
    let _ = digest::legacy(fields.want_digest.iter());
    let _ = digest::repr_digest(fields.want_repr_digest.iter());
    let _ = fields.if_modified_since.and_then(date::parse);
    for etag in [ETag::parse(b"\"a\""), ETag::parse(b"W/\"a\""), None] {
        let validators = Validators {
            etag,
            last_modified: Some(UnixSeconds(784_111_777)),
        };
        let _ = conditional::evaluate(request, &validators);
        let representation = Representation {
            content_type: "text/plain",
            length: 1000,
            validators,
        };
        if let Plan::Partial(range) = plan(request, &representation, UnixSeconds(1_800_000_000)) {
            assert!(range.start < range.end && range.end <= 1000);
        }
    }
}

/// Ranges lie within the file, do not overlap and are no more than were asked for.
///
/// The first eight bytes are the length of the file, the rest is the field.
pub(crate) fn range(input: &[u8]) {
    let Some((length, field)) = input.split_first_chunk() else {
        return;
    };
    let length = u64::from_be_bytes(*length);
    match range::resolve(field, length, "text/plain") {
        Ranges::Single(range) => assert!(range.start < range.end && range.end <= length),
        Ranges::Several(set) => is_sound(&set, length),
        Ranges::Whole | Ranges::Unsatisfiable => {}
    }
}

fn is_sound(set: &RangeSet, length: u64) {
    let mut ranges = set.as_slice().to_vec();
    assert!((2..=MAX_RANGES).contains(&ranges.len()));
    ranges.sort_unstable_by_key(|range| range.start);
    assert!(
        ranges
            .iter()
            .all(|range| range.start < range.end && range.end <= length)
    );
    assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
    assert!(set.bytes() < length);
}

/// A body of several ranges is as long as it says, and reads back as what was asked for.
///
/// The input is that of [`range`]; the file is as long as the last two bytes of its length say.
pub(crate) fn multipart(input: &[u8]) {
    let Some((length, field)) = input.split_first_chunk::<8>() else {
        return;
    };
    let length = u64::from(u16::from_be_bytes([length[6], length[7]]));
    let Ranges::Several(set) = range::resolve(field, length, "a/b") else {
        return;
    };
    let expected = set.as_slice().to_vec();
    let body = Multipart::new(set, length, "a/b", Boundary::from_bits(length.into()));
    let (promised, mut sent) = (body.bytes(), 0);
    let mut ranges: Vec<ByteRange> = Vec::new();
    let mut text = String::new();
    for piece in body {
        match piece {
            Piece::Range(range) => {
                sent += range.len();
                ranges.push(range);
            }
            Piece::Text(bytes) => {
                sent += bytes.len() as u64;
                text.push_str(std::str::from_utf8(&bytes).expect("delimiters are text"));
            }
        }
    }
    assert_eq!((sent, &ranges), (promised, &expected));
    assert!(promised < length);
    for range in expected {
        let (first, last) = (range.start, range.end - 1);
        assert!(text.contains(&format!(
            "\r\nContent-Range: bytes {first}-{last}/{length}\r\n"
        )));
    }
}
