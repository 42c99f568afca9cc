//! Heads by table: what a sound one means, and why an unsound one is refused.

mod heads;
mod split;

use super::*;
use crate::status::Status;

/// Parses a complete head that is alone in its buffer.
fn request(head: &str) -> Result<Request<'_>, ParseError> {
    match parse(head.as_bytes(), &Limits::default())? {
        Parsed::Request {
            request,
            head_bytes,
        } => {
            assert_eq!(head_bytes, head.len(), "{head:?}");
            Ok(request)
        }
        other => panic!("{head:?} gave {other:?}"),
    }
}

/// Parses HTTP/1.1 with `Host: h` and these further field lines.
fn with_fields<T>(lines: &str, look: impl FnOnce(Result<Request<'_>, ParseError>) -> T) -> T {
    look(request(&format!(
        "GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n"
    )))
}

/// Parses these field lines after an HTTP/1.0 request line.
fn old_with_fields<T>(lines: &str, look: impl FnOnce(Result<Request<'_>, ParseError>) -> T) -> T {
    look(request(&format!("GET / HTTP/1.0\r\n{lines}\r\n")))
}

#[test]
fn request_lines() {
    type Line = (Method, &'static str, Version);
    let cases: &[(&str, Result<Line, ParseError>)] = &[
        ("GET / HTTP/1.1", Ok((Method::Get, "/", Version::Http11))),
        (
            "HEAD /a?b HTTP/1.0",
            Ok((Method::Head, "/a?b", Version::Http10)),
        ),
        (
            "OPTIONS * HTTP/1.1",
            Ok((Method::Options, "*", Version::Http11)),
        ),
        (
            "OPTIONS /a HTTP/1.1",
            Ok((Method::Options, "/a", Version::Http11)),
        ),
        ("get / HTTP/1.1", Ok((Method::Other, "/", Version::Http11))),
        (
            "PROPFIND / HTTP/1.1",
            Ok((Method::Other, "/", Version::Http11)),
        ),
        (
            "GET /gr\u{f6}\u{df}e HTTP/1.1",
            Ok((Method::Get, "/gr\u{f6}\u{df}e", Version::Http11)),
        ),
        (
            "GET //a/../b HTTP/1.1",
            Ok((Method::Get, "//a/../b", Version::Http11)),
        ),
        ("GET * HTTP/1.1", Err(ParseError::MalformedTarget)),
        ("GET a HTTP/1.1", Err(ParseError::MalformedTarget)),
        ("GET ?a HTTP/1.1", Err(ParseError::MalformedTarget)),
        ("GET /a#b HTTP/1.1", Err(ParseError::MalformedTarget)),
        ("GET ftp://h/a HTTP/1.1", Err(ParseError::MalformedTarget)),
        ("GET h:80 HTTP/1.1", Err(ParseError::MalformedTarget)),
        ("CONNECT h:80 HTTP/1.1", Err(ParseError::Connect)),
        ("GET  / HTTP/1.1", Err(ParseError::MalformedRequestLine)),
        ("GET /  HTTP/1.1", Err(ParseError::MalformedRequestLine)),
        ("GET\t/ HTTP/1.1", Err(ParseError::MalformedRequestLine)),
        (" GET / HTTP/1.1", Err(ParseError::MalformedRequestLine)),
        ("GET /a b HTTP/1.1", Err(ParseError::MalformedRequestLine)),
        ("GET /a\tb HTTP/1.1", Err(ParseError::MalformedRequestLine)),
        ("GET /a\0b HTTP/1.1", Err(ParseError::MalformedRequestLine)),
        (
            "GET /a\x7fb HTTP/1.1",
            Err(ParseError::MalformedRequestLine),
        ),
        ("G(T / HTTP/1.1", Err(ParseError::MalformedRequestLine)),
        ("GET / HTTP/1.1 ", Err(ParseError::MalformedLineEnd)),
        ("GET / HTTP/1.10", Err(ParseError::MalformedLineEnd)),
        ("GET / http/1.1", Err(ParseError::MalformedRequestLine)),
        ("GET / HTTP/x.1", Err(ParseError::MalformedRequestLine)),
        ("GET / HTTP/1,1", Err(ParseError::MalformedRequestLine)),
        ("GET / ", Err(ParseError::MalformedRequestLine)),
        ("GET ", Err(ParseError::MalformedRequestLine)),
        ("GET", Err(ParseError::MalformedRequestLine)),
        // HTTP/0.9: nginx still serves it.
        ("GET /", Err(ParseError::UnsupportedVersion)),
        ("GET / HTTP/0.9", Err(ParseError::UnsupportedVersion)),
        ("GET / HTTP/2.0", Err(ParseError::UnsupportedVersion)),
        ("GET / HTTP/9.9", Err(ParseError::UnsupportedVersion)),
    ];
    for (line, expected) in cases {
        let head = format!("{line}\r\nHost: h\r\n\r\n");
        let found = request(&head).map(|r| (r.method, r.target, r.version));
        let expected = expected.map(|(method, target, v)| (method, target.as_bytes(), v));
        assert_eq!(found, expected, "{line:?}");
    }
}

/// RFC 9110 section 2.5: as if it were the highest minor version that the recipient knows.
#[test]
fn a_later_minor_version_is_read_as_http_11() {
    for minor in 2..=9 {
        let head = format!("GET /a HTTP/1.{minor}\r\nHost: h\r\nRange: x\r\n\r\n");
        let as_http_11 = head.replace(&format!("1.{minor}"), "1.1");
        let (found, expected) = (request(&head), request(&as_http_11));
        assert_eq!(
            found.map(|r| (r.version, r.fields)),
            expected.map(|r| (r.version, r.fields))
        );
        assert!(found.is_ok());
        for (end, error) in [
            (" \r\nHost: h\r\n\r\n", ParseError::MalformedLineEnd),
            ("0\r\nHost: h\r\n\r\n", ParseError::MalformedLineEnd),
            ("\nHost: h\r\n\r\n", ParseError::BareLineFeed),
            ("\r\nHost: h\n\r\n", ParseError::BareLineFeed),
            ("\r\n\r\n", ParseError::MissingHost),
        ] {
            let head = format!("GET /a HTTP/1.{minor}{end}");
            assert_eq!(request(&head), Err(error), "{head:?}");
        }
    }
}

#[test]
fn target_that_is_not_utf_8_is_refused() {
    let head = b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(
        parse(head, &Limits::default()),
        Err(ParseError::MalformedRequestLine)
    );
}

#[test]
fn targets_and_the_host_they_name() {
    // Target, then host, target, path and query as they are understood.
    let cases: &[(&str, &str, &str, &str, Option<&str>)] = &[
        ("/", "h", "/", "/", None),
        ("/a/b.iso", "h", "/a/b.iso", "/a/b.iso", None),
        ("/a?", "h", "/a?", "/a", Some("")),
        ("/a?b=/c?d", "h", "/a?b=/c?d", "/a", Some("b=/c?d")),
        ("/a%3Fb", "h", "/a%3Fb", "/a%3Fb", None),
        ("http://o.example/a?b", "o.example", "/a?b", "/a", Some("b")),
        (
            "HTTPS://o.example:8443/a",
            "o.example:8443",
            "/a",
            "/a",
            None,
        ),
        ("http://[::1]:80/a", "[::1]:80", "/a", "/a", None),
        ("http://o.example", "o.example", "/", "/", None),
        ("http://o.example?b", "o.example", "?b", "/", Some("b")),
    ];
    for &(raw, host, target, path, query) in cases {
        let head = format!("GET {raw} HTTP/1.1\r\nHost: h\r\n\r\n");
        let request = request(&head).expect("sound head");
        assert_eq!(request.host, host.as_bytes(), "{raw:?}");
        assert_eq!(request.target, target.as_bytes(), "{raw:?}");
        assert_eq!(request.path(), path.as_bytes(), "{raw:?}");
        assert_eq!(request.query(), query.map(str::as_bytes), "{raw:?}");
    }
    for raw in [
        "http:///a",
        "http://",
        "http://?b",
        "http://u@h/a",
        "http://h:x/a",
    ] {
        let head = format!("GET {raw} HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(request(&head), Err(ParseError::InvalidHost), "{raw:?}");
    }
}

#[test]
fn host_is_required_single_and_sound() {
    let cases: &[(&str, &str, Result<&str, ParseError>)] = &[
        ("1.1", "Host: h\r\n", Ok("h")),
        ("1.1", "hOST:\th:80 \r\n", Ok("h:80")),
        ("1.1", "", Err(ParseError::MissingHost)),
        ("1.1", "Host:\r\n", Err(ParseError::InvalidHost)),
        ("1.1", "Host: a b\r\n", Err(ParseError::InvalidHost)),
        (
            "1.1",
            "Host: h\r\nHost: h\r\n",
            Err(ParseError::RepeatedField("Host")),
        ),
        (
            "1.1",
            "Host: h\r\nX: y\r\nhost: i\r\n",
            Err(ParseError::RepeatedField("Host")),
        ),
        ("1.0", "", Ok("")),
        ("1.0", "Host: h\r\n", Ok("h")),
        ("1.0", "Host:\r\n", Err(ParseError::InvalidHost)),
        (
            "1.0",
            "Host: h\r\nHost: h\r\n",
            Err(ParseError::RepeatedField("Host")),
        ),
    ];
    for (version, lines, expected) in cases {
        let head = format!("GET / HTTP/{version}\r\n{lines}\r\n");
        let found = request(&head).map(|request| request.host);
        assert_eq!(found, expected.map(str::as_bytes), "{head:?}");
    }
    let proxied = "GET http://o.example/ HTTP/1.1\r\n\r\n";
    assert_eq!(
        request(proxied),
        Err(ParseError::MissingHost),
        "absolute-form needs Host too"
    );
}

#[test]
fn field_lines_are_read_strictly() {
    let cases: &[(&str, ParseError)] = &[
        ("X: a\nY: b\r\n", ParseError::BareLineFeed),
        ("X: a\r\n\n", ParseError::BareLineFeed),
        ("X: a\r\n b\r\n", ParseError::MalformedFieldName),
        ("X: a\r\n\tb\r\n", ParseError::MalformedFieldName),
        (" X: a\r\n", ParseError::MalformedFieldName),
        ("X : a\r\n", ParseError::MalformedFieldName),
        ("X\t: a\r\n", ParseError::MalformedFieldName),
        (": a\r\n", ParseError::MalformedFieldName),
        ("X\r\n", ParseError::MalformedFieldName),
        ("X(): a\r\n", ParseError::MalformedFieldName),
        ("X\0: a\r\n", ParseError::MalformedFieldName),
        ("X\u{e9}: a\r\n", ParseError::MalformedFieldName),
        ("X: a\0b\r\n", ParseError::MalformedFieldValue),
        ("X: a\x01b\r\n", ParseError::MalformedFieldValue),
        ("X: a\x7fb\r\n", ParseError::MalformedFieldValue),
        ("X: a\rb\r\n", ParseError::MalformedFieldValue),
        ("X: a\r\r\n", ParseError::MalformedFieldValue),
        ("X: a\r\n\rX", ParseError::MalformedLineEnd),
    ];
    for &(lines, expected) in cases {
        with_fields(lines, |found| assert_eq!(found, Err(expected), "{lines:?}"));
    }
    with_fields("X:\r\nY: \u{e9}\t\"\r\nZ:z\r\n", |found| {
        assert!(found.is_ok(), "{found:?}")
    });
}

#[test]
fn body_is_delimited_in_one_way_or_refused() {
    use BodyLength::{Chunked, Known};
    let length = Err(ParseError::InvalidContentLength);
    let coding = Err(ParseError::InvalidTransferEncoding);
    let both = Err(ParseError::ConflictingFraming);
    let cases: &[(&str, Result<BodyLength, ParseError>)] = &[
        ("", Ok(BodyLength::None)),
        ("Content-Length: 0\r\n", Ok(BodyLength::None)),
        ("Content-Length: 007\r\n", Ok(Known(7))),
        (
            "content-length: 18446744073709551615\r\n",
            Ok(Known(u64::MAX)),
        ),
        ("Content-Length: 18446744073709551616\r\n", length),
        ("Content-Length:\r\n", length),
        ("Content-Length: +7\r\n", length),
        ("Content-Length: -7\r\n", length),
        ("Content-Length: 7 7\r\n", length),
        ("Content-Length: 0x7\r\n", length),
        ("Content-Length: 7, 7\r\n", length),
        (
            "Content-Length: 7\r\nContent-Length: 7\r\n",
            repeated("Content-Length"),
        ),
        (
            "Content-Length: 7\r\nContent-Length: 8\r\n",
            repeated("Content-Length"),
        ),
        ("Transfer-Encoding: chunked\r\n", Ok(Chunked)),
        ("transfer-encoding: Chunked\r\n", Ok(Chunked)),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            Err(ParseError::UnknownTransferCoding),
        ),
        ("Transfer-Encoding: chunked, gzip\r\n", coding),
        ("Transfer-Encoding: chunked, chunked\r\n", coding),
        ("Transfer-Encoding: chunked,\r\n", coding),
        ("Transfer-Encoding: xchunked\r\n", coding),
        ("Transfer-Encoding: chunked;q=1\r\n", coding),
        ("Transfer-Encoding: \"chunked\"\r\n", coding),
        ("Transfer-Encoding: identity\r\n", coding),
        ("Transfer-Encoding:\r\n", coding),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            repeated("Transfer-Encoding"),
        ),
        ("Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", both),
        ("Transfer-Encoding: chunked\r\nContent-Length: 7\r\n", both),
        ("Transfer-Encoding: identity\r\nContent-Length: 0\r\n", both),
    ];
    for (lines, expected) in cases {
        with_fields(lines, |found| {
            assert_eq!(&found.map(|request| request.body), expected, "{lines:?}");
        });
    }
    old_with_fields("Transfer-Encoding: chunked\r\n", |found| {
        assert_eq!(found.map(drop), coding.map(drop))
    });
    old_with_fields("Content-Length: 7\r\n", |found| {
        assert_eq!(found.map(|request| request.body), Ok(Known(7)));
    });
}

fn repeated<T>(name: &'static str) -> Result<T, ParseError> {
    Err(ParseError::RepeatedField(name))
}

#[test]
fn connection_persists_by_version_and_options() {
    use KeepAlive::{No, Yes};
    // Field lines, then what they mean for HTTP/1.1 and for HTTP/1.0.
    let cases: &[(&str, KeepAlive, KeepAlive)] = &[
        ("", Yes, No),
        ("Connection: close\r\n", No, No),
        ("Connection: Close\r\n", No, No),
        ("Connection: keep-alive\r\n", Yes, Yes),
        ("Connection: Keep-Alive\r\n", Yes, Yes),
        ("Connection: keep-alive, close\r\n", No, No),
        ("Connection: close\r\nConnection: keep-alive\r\n", No, No),
        ("Connection: foo,\tclose ,bar\r\n", No, No),
        ("Connection: closed\r\n", Yes, No),
        ("Connection:\r\n", Yes, No),
        ("Keep-Alive: timeout=5\r\n", Yes, No),
    ];
    for &(lines, new, old) in cases {
        with_fields(lines, |found| {
            assert_eq!(found.map(|r| r.keep_alive), Ok(new), "{lines:?}")
        });
        old_with_fields(lines, |found| {
            assert_eq!(found.map(|r| r.keep_alive), Ok(old), "{lines:?}");
        });
    }
}

#[test]
fn upgrade_counts_if_connection_names_it() {
    let offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n";
    with_fields(offer, |r| {
        assert_eq!(r.map(|r| r.fields.upgrade), Ok(Upgrade::Offered))
    });
    old_with_fields(offer, |r| {
        assert_eq!(r.map(|r| r.fields.upgrade), Ok(Upgrade::Absent))
    });
    for lines in ["Upgrade: h2c\r\n", "Connection: upgrade\r\n", ""] {
        with_fields(lines, |r| {
            assert_eq!(
                r.map(|r| r.fields.upgrade),
                Ok(Upgrade::Absent),
                "{lines:?}"
            );
        });
    }
}

#[test]
fn only_100_continue_may_be_expected() {
    use Expectation::Continue;
    let unknown = Err(ParseError::UnknownExpectation);
    let cases: &[(&str, Result<Expectation, ParseError>)] = &[
        ("", Ok(Expectation::None)),
        ("Expect: 100-continue\r\n", Ok(Continue)),
        ("Expect: 100-Continue\r\n", Ok(Continue)),
        ("Expect: 100-continue, 100-continue\r\n", Ok(Continue)),
        ("Expect:\r\n", Ok(Expectation::None)),
        ("Expect: 100-continue\r\nExpect:\r\n", Ok(Continue)),
        ("Expect: 200-ok\r\n", unknown),
        ("Expect: 100-continue, x=y\r\n", unknown),
    ];
    for (lines, expected) in cases {
        with_fields(lines, |r| {
            assert_eq!(&r.map(|r| r.expect_continue), expected, "{lines:?}")
        });
    }
    old_with_fields("Expect: 100-continue\r\n", |r| {
        assert_eq!(r.map(|r| r.expect_continue), Ok(Expectation::None));
    });
}

#[test]
fn a_few_empty_lines_come_before_a_request() {
    for count in 0..=4 {
        let head = format!("{}GET / HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n".repeat(count));
        assert!(request(&head).is_ok(), "{count}");
    }
    let cases: &[(&str, ParseError)] = &[
        (
            "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            ParseError::TooManyEmptyLines,
        ),
        (
            "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            ParseError::BareLineFeed,
        ),
        (
            "\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            ParseError::BareLineFeed,
        ),
        (
            "\r\rGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            ParseError::MalformedLineEnd,
        ),
        (
            " \r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            ParseError::MalformedRequestLine,
        ),
    ];
    for &(head, expected) in cases {
        assert_eq!(request(head), Err(expected), "{head:?}");
    }
}

#[test]
fn http2_preface_is_told_from_a_request() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04";
    assert_eq!(parse(preface, &Limits::default()), Ok(Parsed::Http2Preface));
    assert_eq!(
        parse(&preface[..23], &Limits::default()),
        Ok(Parsed::Partial)
    );
    assert_eq!(
        request("PRI * HTTP/2.0\r\n\r\nXX"),
        Err(ParseError::UnsupportedVersion)
    );
    assert_eq!(
        request("\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Err(ParseError::UnsupportedVersion)
    );
}

#[test]
fn limits_hold_to_the_byte() {
    let limits = Limits {
        head_bytes: 64,
        target_bytes: 10,
    };
    let judge = |head: &str| parse(head.as_bytes(), &limits).map(drop);

    assert_eq!(judge("GET /234567890 HTTP/1.1\r\nHost: h\r\n\r\n"), Ok(()));
    assert_eq!(judge("GET /2345678901"), Err(ParseError::TargetTooLong));
    assert_eq!(
        judge("GET /2345678901 HTTP/1.1\r\nHost h"),
        Err(ParseError::TargetTooLong)
    );
    assert_eq!(judge("GET /2345678901\n"), Err(ParseError::TargetTooLong));
    assert_eq!(judge("GET /234567890"), Ok(()));

    let pad = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n",
            "x".repeat(count)
        )
    };
    assert_eq!(pad(32).len(), limits.head_bytes);
    assert_eq!(judge(&pad(32)), Ok(()));
    assert_eq!(judge(&pad(33)), Err(ParseError::HeadTooLong));
    assert_eq!(judge(&pad(33)[..63]), Ok(()), "still partial");
    assert_eq!(judge(&pad(33)[..64]), Err(ParseError::HeadTooLong));
    assert_eq!(judge(&"M".repeat(64)), Err(ParseError::HeadTooLong));
}

#[test]
fn at_most_64_fields_and_4_lines_of_a_list() {
    let many = |count: usize| "X: y\r\n".repeat(count);
    with_fields(&many(MAX_HEADERS - 1), |found| assert!(found.is_ok()));
    with_fields(&many(MAX_HEADERS), |found| {
        assert_eq!(found, Err(ParseError::TooManyFields))
    });

    for name in ["Accept", "Accept-Encoding", "If-Match", "If-None-Match"] {
        let lines = |count: usize| format!("{name}: x\r\n").repeat(count);
        with_fields(&lines(MAX_LINES), |found| assert!(found.is_ok(), "{name}"));
        with_fields(&lines(MAX_LINES + 1), |found| {
            assert_eq!(found, Err(ParseError::TooManyLines(name)));
        });
    }
}

#[test]
fn each_error_has_its_status_and_a_one_line_message() {
    let cases: &[(ParseError, Status)] = &[
        (ParseError::BareLineFeed, Status::BadRequest),
        (ParseError::Connect, Status::NotImplemented),
        (ParseError::ConflictingFraming, Status::BadRequest),
        (ParseError::HeadTooLong, Status::RequestHeaderFieldsTooLarge),
        (ParseError::InvalidContentLength, Status::BadRequest),
        (ParseError::InvalidHost, Status::BadRequest),
        (ParseError::InvalidTransferEncoding, Status::BadRequest),
        (ParseError::MalformedFieldName, Status::BadRequest),
        (ParseError::MalformedFieldValue, Status::BadRequest),
        (ParseError::MalformedLineEnd, Status::BadRequest),
        (ParseError::MalformedRequestLine, Status::BadRequest),
        (ParseError::MalformedTarget, Status::BadRequest),
        (ParseError::MissingHost, Status::BadRequest),
        (ParseError::RepeatedField("Host"), Status::BadRequest),
        (ParseError::TargetTooLong, Status::UriTooLong),
        (ParseError::TooManyEmptyLines, Status::BadRequest),
        (
            ParseError::TooManyFields,
            Status::RequestHeaderFieldsTooLarge,
        ),
        (
            ParseError::TooManyLines("Accept"),
            Status::RequestHeaderFieldsTooLarge,
        ),
        (ParseError::UnknownExpectation, Status::ExpectationFailed),
        (ParseError::UnknownTransferCoding, Status::NotImplemented),
        (
            ParseError::UnsupportedVersion,
            Status::HttpVersionNotSupported,
        ),
    ];
    for (error, status) in cases {
        assert_eq!(error.status(), *status, "{error:?}");
        let message = error.to_string();
        assert_eq!(message.lines().count(), 1, "{error:?}");
        assert!(!message.ends_with('.'), "{error:?}");
    }
}
