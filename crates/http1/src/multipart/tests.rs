//! A body byte for byte, and that reading it back gives what was asked for.

use proptest::prelude::*;

use super::*;
use crate::range::{Ranges, resolve};

fn several(field: &str, length: u64, content_type: &str) -> RangeSet {
    match resolve(field.as_bytes(), length, content_type) {
        Ranges::Several(set) => set,
        other => panic!("{field:?} gave {other:?}"),
    }
}

/// The body as a client receives it.
fn assembled(multipart: &Multipart, file: &[u8]) -> Vec<u8> {
    let bytes = multipart.clone().map(|piece| match piece {
        Piece::Range(range) => file[range.start as usize..range.end as usize].to_vec(),
        Piece::Text(text) => text,
    });
    bytes.collect::<Vec<_>>().concat()
}

#[test]
fn a_whole_body() {
    let file = [b"first", &[b'.'; 990][..], b"last!"].concat();
    let set = several("bytes=-5,0-4", 1000, "text/plain");
    let multipart = Multipart::new(set, 1000, "text/plain", Boundary::from_bits(0xabc));
    let expected = "--00000000000000000000000000000abc\r\n\
        Content-Type: text/plain\r\n\
        Content-Range: bytes 995-999/1000\r\n\
        \r\n\
        last!\r\n\
        --00000000000000000000000000000abc\r\n\
        Content-Type: text/plain\r\n\
        Content-Range: bytes 0-4/1000\r\n\
        \r\n\
        first\r\n\
        --00000000000000000000000000000abc--\r\n";
    assert_eq!(
        String::from_utf8_lossy(&assembled(&multipart, &file)),
        expected
    );
    assert_eq!(multipart.bytes(), expected.len() as u64);
    assert_eq!(
        multipart.content_type(),
        "multipart/byteranges; boundary=00000000000000000000000000000abc"
    );
}

#[test]
fn the_end_is_the_end() {
    let set = several("bytes=0-0,-1", 10_000, "a/b");
    let mut multipart = Multipart::new(set, 10_000, "a/b", Boundary::from_bits(1));
    assert_eq!(multipart.by_ref().count(), 5);
    assert_eq!(multipart.next(), None);
    assert_eq!(multipart.next(), None);
}

#[test]
fn the_length_does_not_overflow() {
    let set = several("bytes=0-0,9223372036854775807-", u64::MAX, "a/b");
    let multipart = Multipart::new(set.clone(), u64::MAX, "a/b", Boundary::from_bits(1));
    assert!(multipart.bytes() > set.bytes());
    let nearly_all = "bytes=0-9223372036854775807,9223372036854776000-";
    assert_eq!(
        resolve(nearly_all.as_bytes(), u64::MAX, "a/b"),
        Ranges::Whole,
        "its body would be longer than the file, and than 64 bits can say"
    );
}

/// Takes a body apart as RFC 2046 says, trusting nothing but the boundary.
fn read_back(body: &[u8], boundary: &str) -> Vec<(u64, Vec<u8>)> {
    let delimiter = format!("\r\n--{boundary}");
    let with_line_break = [b"\r\n", body].concat();
    let mut rest = &with_line_break[delimiter.len()..];
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, delimiter.as_bytes()).expect("a delimiter after each part");
        let head_end = find(part, b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&part[..head_end]).expect("text");
        let (_, range) = head.split_once("Content-Range: bytes ").expect("a range");
        let (first, _) = range.split_once('-').expect("a first position");
        let first = first.parse().expect("a number");
        parts.push((first, part[head_end + 4..end].to_vec()));
        rest = &part[end + delimiter.len()..];
    }
    assert_eq!(rest, b"--\r\n");
    parts
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut windows = haystack.windows(needle.len());
    windows.position(|window| window == needle)
}

proptest! {
    #[test]
    fn what_is_read_back_is_what_was_asked_for(
        spans in prop::collection::vec((0..20_000_u64, 0..500_u64), 2..8),
        seed in any::<u8>(),
        bits in any::<u128>(),
    ) {
        let file: Vec<u8> = (0..20_000_usize).map(|at| (at / 7) as u8 ^ seed).collect();
        let specs: Vec<_> = spans.iter().map(|(at, more)| format!("{at}-{}", at + more)).collect();
        let field = format!("bytes={}", specs.join(","));
        let Ranges::Several(set) = resolve(field.as_bytes(), 20_000, "a/b") else {
            return Ok(());
        };
        let boundary = Boundary::from_bits(bits);
        let multipart = Multipart::new(set.clone(), 20_000, "a/b", boundary);
        let body = assembled(&multipart, &file);
        prop_assert_eq!(multipart.bytes(), body.len() as u64);
        prop_assert!(body.len() <= file.len());

        let parts = read_back(&body, &boundary.to_string());
        let firsts: Vec<_> = parts.iter().map(|(first, _)| *first).collect();
        let expected: Vec<_> = set.as_slice().iter().map(|range| range.start).collect();
        prop_assert_eq!(firsts, expected);
        for (at, more) in spans {
            let end = 20_000.min(at + more + 1) as usize;
            let asked = &file[at as usize..end];
            let in_one = parts.iter().any(|(first, bytes)| {
                let skip = (at.checked_sub(*first)).map(|skip| skip as usize);
                skip.is_some_and(|skip| bytes.get(skip..skip + asked.len()) == Some(asked))
            });
            prop_assert!(in_one, "{} of {}", at, field);
        }
    }
}
