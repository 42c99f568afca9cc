//! What file servers in use get wrong, each through the public API.
//!
//! The rows were measured on nginx, Caddy, lighttpd, SWS, dufs, miniserve, copyparty and others;
//! each test tells what they do, and the table what we do.

use overspill_http1::conditional::{ETag, Validators};
use overspill_http1::date::UnixSeconds;
use overspill_http1::range::ByteRange;
use overspill_http1::request::{self, BodyLength, Limits, Parsed};
use overspill_http1::response::{Plan, Representation, plan};

/// Some time after any file here was modified.
const LATER: UnixSeconds = UnixSeconds(1_800_000_000);

/// Mon, 10 Nov 2025 10:00:00 GMT.
const MODIFIED: UnixSeconds = UnixSeconds(1_762_768_800);

/// A file of 1,000 bytes in its second version; the first had `"b3-01"` and the same date.
fn second_version() -> Representation<'static> {
    let validators = Validators {
        etag: ETag::parse(b"\"b3-02\""),
        last_modified: Some(MODIFIED),
    };
    Representation {
        content_type: "application/octet-stream",
        length: 1000,
        validators,
    }
}

/// What a GET or HEAD with these further field lines is answered.
fn answer(method: &str, lines: &str, now: UnixSeconds) -> Plan {
    let head = format!("{method} /f HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
    match request::parse(head.as_bytes(), &Limits::default()) {
        Ok(Parsed::Request { request, .. }) => plan(&request, &second_version(), now),
        other => panic!("{head:?} gave {other:?}"),
    }
}

/// The code a head is refused with, or 200 if it is read.
fn verdict(head: &[u8]) -> u16 {
    match request::parse(head, &Limits::default()) {
        Ok(Parsed::Request { .. }) => 200,
        Ok(other) => panic!("{:?} gave {other:?}", head.escape_ascii().to_string()),
        Err(error) => error.status().code(),
    }
}

const fn bytes(start: u64, end: u64) -> Plan {
    Plan::Partial(ByteRange { start, end })
}

/// Finding 4. Two versions of one size in one second: nginx, Caddy 2.6 and lighttpd answer 304 to
/// the old tag, and 206 to `If-Range` with it, so a resume mixes two versions. miniserve ignores
/// `If-Range`; dufs and SWS v2 answer 304 by the date although the tag differs.
#[test]
fn a_resume_never_mixes_two_versions() {
    let date = "Mon, 10 Nov 2025 10:00:00 GMT";
    let cases: &[(String, UnixSeconds, Plan)] = &[
        ("If-None-Match: \"b3-01\"\r\n".into(), LATER, Plan::Full),
        (
            format!("If-None-Match: \"b3-01\"\r\nIf-Modified-Since: {date}\r\n"),
            LATER,
            Plan::Full,
        ),
        (
            "If-None-Match: \"b3-02\"\r\n".into(),
            LATER,
            Plan::NotModified,
        ),
        (
            "Range: bytes=500-\r\nIf-Range: \"b3-01\"\r\n".into(),
            LATER,
            Plan::Full,
        ),
        (
            "Range: bytes=500-\r\nIf-Range: \"b3-02\"\r\n".into(),
            LATER,
            bytes(500, 1000),
        ),
        (
            "Range: bytes=500-\r\nIf-Range: W/\"b3-02\"\r\n".into(),
            LATER,
            Plan::Full,
        ),
        (
            "Range: bytes=500-\r\nIf-Match: \"b3-01\"\r\n".into(),
            LATER,
            Plan::PreconditionFailed,
        ),
        (
            format!("Range: bytes=500-\r\nIf-Range: {date}\r\n"),
            LATER,
            bytes(500, 1000),
        ),
        (
            format!("Range: bytes=500-\r\nIf-Range: {date}\r\n"),
            MODIFIED,
            Plan::Full,
        ),
    ];
    for (lines, now, expected) in cases {
        assert_eq!(
            answer("GET", lines, *now),
            *expected,
            "{lines:?} at {now:?}"
        );
    }
    // What made the last but one row safe: the date is not told while it is ambiguous.
    assert_eq!(
        second_version().validators.settled_last_modified(MODIFIED),
        None
    );
}

/// lighttpd ignores `If-Match` and `If-Unmodified-Since`, SWS v2 the former.
#[test]
fn a_lost_version_is_told() {
    let past = "Mon, 10 Nov 2025 09:59:59 GMT";
    assert_eq!(
        answer("GET", "If-Match: \"b3-01\"\r\n", LATER),
        Plan::PreconditionFailed
    );
    let since = format!("If-Unmodified-Since: {past}\r\n");
    assert_eq!(answer("GET", &since, LATER), Plan::PreconditionFailed);
}

/// A suffix longer than the file is 416 in dufs and copyparty; one bad part is 416 for all in dufs;
/// SWS and miniserve serve the first of several ranges as if it were all; HEAD with Range is 206
/// nearly everywhere (RFC 9110 section 14.2 knows Range for GET only).
#[test]
fn ranges() {
    let cases: &[(&str, &str, Plan)] = &[
        ("GET", "bytes=-2000", bytes(0, 1000)),
        ("GET", "bytes=0-99,2000-3000", bytes(0, 100)),
        ("GET", "bytes=0-499,500-999", bytes(0, 1000)),
        ("GET", "bytes=0-99999999999999999999", bytes(0, 1000)),
        ("GET", "bytes=1000-", Plan::RangeNotSatisfiable),
        ("HEAD", "bytes=0-0", Plan::Full),
        ("HEAD", "bytes=1000-", Plan::Full),
    ];
    for (method, range, expected) in cases {
        let lines = format!("Range: {range}\r\n");
        assert_eq!(&answer(method, &lines, LATER), expected, "{method} {range}");
    }
}

/// SWS and miniserve answer several ranges with the first; dufs with 416 if one of them is bad.
#[test]
fn several_ranges_are_several_parts() {
    for range in ["bytes=0-0,999-999", "bytes=0-0,2000-,-1"] {
        let Plan::Parts(set) = answer("GET", &format!("Range: {range}\r\n"), LATER) else {
            panic!("{range}");
        };
        let ends = [(0, 1), (999, 1000)].map(|(start, end)| ByteRange { start, end });
        assert_eq!(set.as_slice(), ends, "{range}");
    }
}

/// 200 one-byte ranges of 1,000 bytes: 28,956 bytes from Caddy, 17,918 from nginx 1.22.
#[test]
fn many_small_ranges_do_not_amplify() {
    let parts: Vec<_> = (0..200).map(|part| format!("{0}-{0}", part * 2)).collect();
    let lines = format!("Range: bytes={}\r\n", parts.join(","));
    assert_eq!(answer("GET", &lines, LATER), Plan::Full);
}

/// No `Host`, or two: 200 from SWS, dufs, miniserve and copyparty. `CL+TE`: Caddy answers twice.
/// obs-fold: accepted by Caddy and lighttpd. Bare LF: by nginx, Caddy, SWS, dufs and miniserve.
/// HTTP/0.9: still served by nginx.
#[test]
fn smuggling() {
    let smuggled = "5\r\nGET /admin HTTP/1.1\r\n\r\n";
    let cases: &[(String, u16)] = &[
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n".into(), 200),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n".into(), 400),
        (
            both_lengths("Content-Length: 5", "Transfer-Encoding: chunked", smuggled),
            400,
        ),
        (
            both_lengths("Transfer-Encoding: chunked", "Content-Length: 5", smuggled),
            400,
        ),
        (
            both_lengths("Content-Length: 5", "Content-Length: 6", smuggled),
            400,
        ),
        (
            both_lengths("Content-Length: 5", "Transfer-Encoding : chunked", smuggled),
            400,
        ),
        (
            both_lengths("Content-Length: 5", "Transfer-Encoding:\tchunked", smuggled),
            400,
        ),
        (
            both_lengths(
                "Transfer-Encoding: chunked",
                "Transfer-Encoding: x",
                smuggled,
            ),
            400,
        ),
        (
            both_lengths("Transfer-Encoding: \u{b}chunked", "X: y", smuggled),
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n folded\r\n\r\n".into(),
            400,
        ),
        ("GET / HTTP/1.1\nHost: h\n\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: h\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: h\r\n\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: h\0\r\n\r\n".into(), 400),
        ("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n".into(), 400),
        ("GET /\r\n".into(), 505),
    ];
    for (head, code) in cases {
        assert_eq!(verdict(head.as_bytes()), *code, "{head:?}");
    }
}

fn both_lengths(first: &str, second: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\n{first}\r\n{second}\r\n\r\n{body}")
}

/// A 20 kB target: 404 from hyper servers. 200 kB of fields: 200 from Caddy, 400 from nginx.
#[test]
fn overlong_heads() {
    let target = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(20_000));
    assert_eq!(verdict(target.as_bytes()), 414);
    let fields = format!(
        "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
        "X: y\r\n".repeat(33_000)
    );
    assert_eq!(verdict(fields.as_bytes()), 431);
    let field = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n",
        "y".repeat(200_000)
    );
    assert_eq!(verdict(field.as_bytes()), 431);
}

/// dufs and SWS answer 405 to a body on a file and then misread what follows. The head tells.
#[test]
fn a_body_is_announced() {
    let head = b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 28\r\n\r\nGET /admin HTTP/1.1\r\n";
    let parsed = request::parse(head, &Limits::default()).expect("a sound head");
    let Parsed::Request {
        request,
        head_bytes,
    } = parsed
    else {
        panic!("{parsed:?}")
    };
    assert_eq!(request.body, BodyLength::Known(28));
    assert_eq!(&head[head_bytes..head_bytes + 4], b"GET ");
}
