//! The verdict on a stream does not depend on how it was cut into reads.
//!
//! A server that sees a fault only if it comes in one read with something else can be led past it.

use proptest::prelude::*;

use super::heads::HEADS;
use crate::request::{Limits, MAX_HEADERS, Parsed, parse};

/// Checks every prefix: undecided up to some byte, and from that byte on always decided the same.
/// Returns how many bytes the decision took, if there was one.
fn decided_after(stream: &[u8], limits: &Limits) -> Option<usize> {
    let is_decided = |end: &usize| parse(&stream[..*end], limits) != Ok(Parsed::Partial);
    let first = (0..=stream.len()).find(is_decided)?;
    let decision = parse(&stream[..first], limits);
    for end in first..=stream.len() {
        let later = parse(&stream[..end], limits);
        assert_eq!(
            later,
            decision,
            "{:?} at {end}",
            stream.escape_ascii().to_string()
        );
    }
    Some(first)
}

#[test]
fn heads_of_real_clients_need_their_last_byte_and_no_more() {
    for (client, head) in HEADS {
        let stream = [head.as_bytes(), b"\x16\x03\nGET / HTTP/1.1\r\n"].concat();
        assert_eq!(
            decided_after(&stream, &Limits::default()),
            Some(head.len()),
            "{client}"
        );
        let parsed = parse(&stream, &Limits::default()).expect("a sound head");
        let Parsed::Request { head_bytes, .. } = parsed else {
            panic!("{client}: {parsed:?}")
        };
        assert_eq!(head_bytes, head.len(), "{client}");
    }
}

#[test]
fn empty_lines_count_into_the_head() {
    for (client, head) in HEADS {
        let stream = format!("\r\n\r\n{head}");
        assert_eq!(
            decided_after(stream.as_bytes(), &Limits::default()),
            Some(stream.len())
        );
        let parsed = parse(stream.as_bytes(), &Limits::default()).expect("a sound head");
        let Parsed::Request {
            request,
            head_bytes,
        } = parsed
        else {
            panic!("{client}: {parsed:?}")
        };
        assert_eq!(head_bytes, stream.len(), "{client}");
        assert!(request.path().starts_with(b"/"), "{client}");
    }
}

#[test]
fn the_first_of_several_faults_wins() {
    let many_fields = "X: y\r\n".repeat(MAX_HEADERS + 1);
    let streams = [
        "GET /a\nHost: h\r\nX : y\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\nX : y\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nX : y\nY: z\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nX: \0\nY: z\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nX: y\nY: \0\r\n\r\n".to_owned(),
        "GET / HTTP/1.2\nX : y\r\n\r\n".to_owned(),
        "GET / HTTP/1.2\nHost: h\r\n\r\n".to_owned(),
        "GET / HTTP/1.2\rX\n".to_owned(),
        "GET / HTTP/1.2\r\nX : y\nY: z\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.2\r\n{many_fields}\r\n"),
        "GET / HTTP/2\nX".to_owned(),
        "GET / HTTP/2.0\nX".to_owned(),
        "GET / HTTP/2x\r\n".to_owned(),
        "GET /\r\nX".to_owned(),
        "GET /\rX\n".to_owned(),
        "GET /2345678901\n HTTP/1.1".to_owned(),
        "GET /2345678901\x01 HTTP/1.1".to_owned(),
        "GET /23456\x01678901 HTTP/1.1".to_owned(),
        "GET /234567\u{e9}\u{e9} HTTP/1.1".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSX".to_owned(),
        "PRI * HTTP/2.0\nX".to_owned(),
        "\r\n\r\n\r\n\r\n\r\n\n".to_owned(),
        "\r\n\r\n\r\n\r\n\rX".to_owned(),
        format!("GET / HTTP/1.1\r\n{many_fields}X : y\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{many_fields}\n\r\n"),
        format!("GET / HTTP/1.1\r\nA: b\n{many_fields}\r\n"),
    ];
    for stream in streams {
        let limits = Limits {
            target_bytes: 10,
            ..Limits::default()
        };
        let end = decided_after(stream.as_bytes(), &limits);
        assert!(end.is_some(), "{stream:?}");
        assert!(parse(stream.as_bytes(), &limits).is_err(), "{stream:?}");
    }
}

/// Pieces of heads, sound and not, that are likely to meet in interesting ways.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"GET",
        b"PRI",
        b"OPTIONS",
        b"CONNECT",
        b" ",
        b" ",
        b"/",
        b"/a?b",
        b"*",
        b"http://h/",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b" HTTP/1.7\r\n",
        b" HTTP/1.",
        b"HTTP/2.0",
        b"HTTP/",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"Host: h\r\n",
        b"Range: bytes=0-1\r\n",
        b"Want-Repr-Digest: sha-256=0\r\n",
        b"Want-Digest: SHA-256;q=1\r\n",
        b"Accept-Encoding: gzip\r\n",
        b"Content-Length: 1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: x\r\n",
        b"X",
        b":",
        b"\t",
        b"\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b"\0",
        b"\x7f",
        b"\xff",
        b"\xc3\xa9",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    prop_oneof![
        16 => prop::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn pieced_together_streams(
        pieces in prop::collection::vec(fragment(), 0..14),
        head_bytes in 8..160_usize,
        target_bytes in 1..60_usize,
    ) {
        decided_after(&pieces.concat(), &Limits { head_bytes, target_bytes });
    }

    #[test]
    fn damaged_heads_of_real_clients(
        which in 0..HEADS.len(),
        at in any::<prop::sample::Index>(),
        damage in prop::sample::select(b"\r\n\0 \t:#\xffa".to_vec()),
        head_bytes in 40..600_usize,
    ) {
        let mut stream = HEADS[which].1.as_bytes().to_vec();
        let at = at.index(stream.len());
        stream[at] = damage;
        decided_after(&stream, &Limits { head_bytes, target_bytes: 50 });
    }

    #[test]
    fn a_full_buffer_is_never_partial(
        pieces in prop::collection::vec(fragment(), 0..14),
        head_bytes in 0..40_usize,
    ) {
        let stream = pieces.concat();
        if stream.len() >= head_bytes {
            let parsed = parse(&stream, &Limits { head_bytes, target_bytes: 20 });
            prop_assert_ne!(parsed, Ok(Parsed::Partial));
        }
    }
}
