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
}

#[test]
fn a_repeated_singleton_is_refused() {
    let names = [
        "Content-Length",
        "Host",
        "If-Modified-Since",
        "If-Range",
        "If-Unmodified-Since",
        "Referer",
        "Transfer-Encoding",
        "User-Agent",
    ];
    for name in names {
        let found = pick(&[(name, "1"), ("X", "y"), (name, "1")]).map(drop);
        assert_eq!(found, Err(ParseError::RepeatedField(name)));
    }
}

#[test]
fn a_repeated_range_becomes_malformed_and_stays_so() {
    for count in 2..5 {
        let picked = pick(&vec![("Range", "bytes=0-1"); count]).expect("not refused");
        assert_eq!(picked.fields.range, Some(&b""[..]), "{count}");
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
