//! Plans by table, and heads byte for byte.

use proptest::prelude::*;

use super::*;
use crate::conditional::ETag;
use crate::request::{Limits, Parsed, parse};

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

fn plan_for(method: &str, lines: &str) -> Plan {
    let head = format!("{method} / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
    let parsed = parse(head.as_bytes(), &Limits::default());
    let Ok(Parsed::Request { request, .. }) = parsed else {
        panic!("{head:?} gave {parsed:?}")
    };
    let validators = Validators {
        etag: ETag::parse(b"\"v1\""),
        last_modified: None,
    };
    plan(
        &request,
        &Representation {
            content_type: "text/plain",
            length: 10,
            validators,
        },
        NOW,
    )
}

fn partial(start: u64, end: u64) -> Plan {
    Plan::Partial(ByteRange { start, end })
}

#[test]
fn plans_for_get() {
    let cases: &[(&str, Plan)] = &[
        ("", Plan::Full),
        ("Range: bytes=2-3\r\n", partial(2, 4)),
        ("Range: bytes=-20\r\n", partial(0, 10)),
        ("Range: bytes=10-\r\n", Plan::RangeNotSatisfiable),
        ("Range: bytes=5-2\r\n", Plan::Full),
        ("Range: lines=1-2\r\n", Plan::Full),
        ("Range: bytes=0-1\r\nRange: bytes=0-1\r\n", Plan::Full),
        ("Range: bytes=0-0,9-9\r\n", partial(0, 10)),
        ("Range: bytes=2-3\r\nIf-Range: \"v1\"\r\n", partial(2, 4)),
        ("Range: bytes=2-3\r\nIf-Range: \"v0\"\r\n", Plan::Full),
        (
            "Range: bytes=10-\r\nIf-Range: \"v1\"\r\n",
            Plan::RangeNotSatisfiable,
        ),
        ("Range: bytes=10-\r\nIf-Range: \"v0\"\r\n", Plan::Full),
        ("If-Range: \"v0\"\r\n", Plan::Full),
        (
            "Range: bytes=2-3\r\nIf-None-Match: \"v1\"\r\n",
            Plan::NotModified,
        ),
        (
            "Range: bytes=10-\r\nIf-None-Match: \"v1\"\r\n",
            Plan::NotModified,
        ),
        (
            "Range: bytes=2-3\r\nIf-None-Match: \"v0\"\r\n",
            partial(2, 4),
        ),
        ("Range: bytes=2-3\r\nIf-Match: \"v1\"\r\n", partial(2, 4)),
        (
            "Range: bytes=2-3\r\nIf-Match: \"v0\"\r\n",
            Plan::PreconditionFailed,
        ),
        (
            "Range: bytes=10-\r\nIf-Match: \"v0\"\r\n",
            Plan::PreconditionFailed,
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(&plan_for("GET", lines), expected, "{lines:?}");
    }
}

/// All measured servers but lighttpd and simple-http-server answer 206 to HEAD with Range.
#[test]
fn range_counts_for_get_only() {
    for method in ["HEAD", "OPTIONS", "POST"] {
        assert_eq!(
            plan_for(method, "Range: bytes=2-3\r\n"),
            Plan::Full,
            "{method}"
        );
        assert_eq!(
            plan_for(method, "Range: bytes=10-\r\n"),
            Plan::Full,
            "{method}"
        );
    }
    assert_eq!(
        plan_for("HEAD", "If-None-Match: \"v1\"\r\n"),
        Plan::NotModified
    );
}

#[test]
fn plans_have_their_status() {
    let cases = [
        (Plan::Full, 200),
        (partial(0, 1), 206),
        (Plan::NotModified, 304),
        (Plan::PreconditionFailed, 412),
        (Plan::RangeNotSatisfiable, 416),
    ];
    for (plan, code) in cases {
        assert_eq!(plan.status().code(), code, "{plan:?}");
    }
}

#[test]
fn a_whole_head() {
    let mut out = b"earlier ".to_vec();
    let mut head = HeadWriter::start(&mut out, Version::Http11, Status::PartialContent);
    head.date(b"Sun, 06 Nov 1994 08:49:37 GMT")
        .field("ETag", b"\"b3-00\"")
        .field_u64("Content-Length", 4)
        .content_range(ByteRange { start: 6, end: 10 }, 10)
        .raw_fields(b"Accept-Ranges: bytes\r\nX-Content-Type-Options: nosniff\r\n")
        .raw_fields(b"")
        .connection(KeepAlive::Yes);
    head.finish();
    let expected = "earlier HTTP/1.1 206 Partial Content\r\n\
        Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        ETag: \"b3-00\"\r\n\
        Content-Length: 4\r\n\
        Content-Range: bytes 6-9/10\r\n\
        Accept-Ranges: bytes\r\n\
        X-Content-Type-Options: nosniff\r\n\
        \r\n";
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

#[test]
fn an_unsatisfied_range_tells_the_length() {
    let mut out = Vec::new();
    let mut head = HeadWriter::start(&mut out, Version::Http11, Status::RangeNotSatisfiable);
    head.unsatisfied_range(u64::MAX);
    head.finish();
    let expected = "HTTP/1.1 416 Range Not Satisfiable\r\n\
        Content-Range: bytes */18446744073709551615\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

#[test]
fn connection_is_written_where_the_version_does_not_imply_it() {
    let cases = [
        (Version::Http11, KeepAlive::Yes, ""),
        (Version::Http11, KeepAlive::No, "Connection: close\r\n"),
        (
            Version::Http10,
            KeepAlive::Yes,
            "Connection: keep-alive\r\n",
        ),
        (Version::Http10, KeepAlive::No, "Connection: close\r\n"),
    ];
    for (version, keep_alive, line) in cases {
        let mut out = Vec::new();
        let mut head = HeadWriter::start(&mut out, version, Status::Ok);
        head.connection(keep_alive);
        head.finish();
        let expected = format!("HTTP/1.1 200 OK\r\n{line}\r\n");
        assert_eq!(
            String::from_utf8_lossy(&out),
            expected,
            "{version:?} {keep_alive:?}"
        );
    }
}

#[test]
fn a_line_break_in_a_value_becomes_a_space() {
    let mut out = b"\r\n".to_vec();
    push_value(&mut out, b"a\r\nSet-Cookie: b\0\tc");
    assert_eq!(
        out, b"\r\na  Set-Cookie: b \tc",
        "and what was there before stays"
    );
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "line break in Location"))]
fn a_field_cannot_split_the_response() {
    let mut out = Vec::new();
    let mut head = HeadWriter::start(&mut out, Version::Http11, Status::TemporaryRedirect);
    head.field("Location", b"http://m/a\r\nX: y");
    head.finish();
    assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 3);
}

#[test]
fn error_bodies_are_short_plain_text() {
    let cases = [
        (
            Status::NotFound,
            "no such file",
            "404 Not Found\nno such file\n",
        ),
        (Status::BadRequest, "", "400 Bad Request\n"),
        (Status::BadRequest, "one\ntwo", "400 Bad Request\none\n"),
    ];
    for (status, detail, expected) in cases {
        assert_eq!(error_body(status, detail), expected);
    }
}

proptest! {
    #[test]
    fn decimals_are_those_of_the_standard_library(
        value in prop_oneof![any::<u64>(), 0..1000_u64, Just(0), Just(u64::MAX)],
    ) {
        let mut out = Vec::new();
        push_decimal(&mut out, value);
        prop_assert_eq!(String::from_utf8_lossy(&out), value.to_string());
    }

    /// No value, whatever its bytes, makes more lines than the writer was asked for.
    #[test]
    fn values_never_end_their_line(value in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut out = Vec::new();
        push_value(&mut out, &value);
        prop_assert_eq!(out.len(), value.len());
        prop_assert!(!out.iter().any(|&byte| ends_line(byte)));
    }
}
