//! Which fields are picked, and what becomes of one that is repeated.

use super::{Lines, MAX_LINES, Name, Picked};
use crate::request::ParseError;

fn pick<'b>(headers: &[(&'b str, &'b str)]) -> Result<Picked<'b>, ParseError> {
    let headers: Vec<_> = headers
        .iter()
        .map(|&(name, value)| httparse::Header {
            name,
            value: value.as_bytes(),
        })
        .collect();
    Picked::pick(&headers)
}

#[test]
fn each_name_is_found_in_any_case_and_no_other_is() {
    let names = [
        ("Accept", Name::Accept),
        ("Accept-Encoding", Name::AcceptEncoding),
        ("Connection", Name::Connection),
        ("Content-Length", Name::ContentLength),
        ("Expect", Name::Expect),
        ("Host", Name::Host),
        ("If-Match", Name::IfMatch),
        ("If-Modified-Since", Name::IfModifiedSince),
        ("If-None-Match", Name::IfNoneMatch),
        ("If-Range", Name::IfRange),
        ("If-Unmodified-Since", Name::IfUnmodifiedSince),
        ("Range", Name::Range),
        ("Referer", Name::Referer),
        ("Transfer-Encoding", Name::TransferEncoding),
        ("Upgrade", Name::Upgrade),
        ("User-Agent", Name::UserAgent),
        ("Want-Digest", Name::WantDigest),
        ("Want-Repr-Digest", Name::WantReprDigest),
    ];
    for (text, name) in names {
        assert_eq!(Name::of(text), Some(name), "{text}");
        assert_eq!(Name::of(&text.to_ascii_lowercase()), Some(name), "{text}");
        assert_eq!(Name::of(&text.to_ascii_uppercase()), Some(name), "{text}");
        assert_eq!(Name::of(&format!("{text}x")), None, "{text}");
    }
    for text in [
        "",
        "Hosts",
        "Accept-Language",
        "Cookie",
        "If_Match",
        "Sec-Fetch-Dest",
    ] {
        assert_eq!(Name::of(text), None, "{text}");
    }
}

#[test]
fn each_field_lands_in_its_place() {
    let picked = pick(&[
        ("accept", "1"),
        ("accept-encoding", "2"),
        ("if-match", "3"),
        ("if-modified-since", "4"),
        ("if-none-match", "5"),
        ("if-range", "6"),
        ("if-unmodified-since", "7"),
        ("range", "8"),
        ("referer", "9"),
        ("user-agent", "10"),
        ("want-digest", "11"),
        ("want-repr-digest", "12"),
    ]);
    let fields = picked.expect("no field is repeated").fields;
    let first = |lines: Lines<'static>| lines.iter().next();
    assert_eq!(first(fields.accept), Some(&b"1"[..]));
    assert_eq!(first(fields.accept_encoding), Some(&b"2"[..]));
    assert_eq!(first(fields.if_match), Some(&b"3"[..]));
    assert_eq!(fields.if_modified_since, Some(&b"4"[..]));
    assert_eq!(first(fields.if_none_match), Some(&b"5"[..]));
    assert_eq!(fields.if_range, Some(&b"6"[..]));
    assert_eq!(fields.if_unmodified_since, Some(&b"7"[..]));
    assert_eq!(fields.range, Some(&b"8"[..]));
    assert_eq!(fields.referer, Some(&b"9"[..]));
    assert_eq!(fields.user_agent, Some(&b"10"[..]));
    assert_eq!(first(fields.want_digest), Some(&b"11"[..]));
    assert_eq!(first(fields.want_repr_digest), Some(&b"12"[..]));
}

#[test]
fn a_repeated_singleton_is_refused() {
    let names = [
        "Content-Length",
        "Host",
        "Referer",
        "Transfer-Encoding",
        "User-Agent",
    ];
    for name in names {
        let found = pick(&[(name, "1"), ("X", "y"), (name, "1")]).map(drop);
        assert_eq!(found, Err(ParseError::RepeatedField(name)));
    }
}

/// RFC 9110 sections 13.1.3 and 13.1.4: a date that appears to be a list of dates is ignored.
#[test]
fn what_must_be_ignored_when_malformed_is_so_when_repeated() {
    for name in [
        "If-Modified-Since",
        "If-Range",
        "If-Unmodified-Since",
        "Range",
    ] {
        for count in 2..5 {
            let fields = pick(&vec![(name, "x"); count]).expect("not refused").fields;
            let spoiled = [
                fields.if_modified_since,
                fields.if_range,
                fields.if_unmodified_since,
                fields.range,
            ];
            let found: Vec<_> = spoiled.into_iter().flatten().collect();
            assert_eq!(found, [b""], "{name} {count}");
        }
    }
}

#[test]
fn lines_of_a_list_keep_their_order() {
    let picked = pick(&[("Accept", "a"), ("accept", ""), ("ACCEPT", "b")]).expect("few lines");
    let lines: Vec<_> = picked.fields.accept.iter().collect();
    assert_eq!(lines, [&b"a"[..], b"", b"b"]);
    assert!(picked.fields.if_match.is_empty());

    let mut full = Lines::default();
    for _ in 0..MAX_LINES {
        assert_eq!(full.push(b"x", "X"), Ok(()));
    }
    assert_eq!(full.push(b"x", "X"), Err(ParseError::TooManyLines("X")));
}
