//! Preconditions by table: each row a request against one version of a file.

use super::Precondition::{Failed, NotModified, Proceed};
use super::*;
use crate::request::{Limits, Parsed, parse};

/// Sun, 06 Nov 1994 08:49:37 GMT.
const MODIFIED: UnixSeconds = UnixSeconds(784_111_777);

const STRONG: Validators<'_> = Validators {
    etag: Some(ETag {
        strength: Strength::Strong,
        opaque: b"v1",
    }),
    last_modified: Some(MODIFIED),
};

const WEAK: Validators<'_> = Validators {
    etag: Some(ETag {
        strength: Strength::Weak,
        opaque: b"v1",
    }),
    last_modified: Some(MODIFIED),
};

const BARE: Validators<'_> = Validators {
    etag: None,
    last_modified: None,
};

/// Field lines with dates one second `BEFORE`, `AT` and `AFTER` the modification.
fn with_dates(lines: &str) -> String {
    lines
        .replace("BEFORE", "Sun, 06 Nov 1994 08:49:36 GMT")
        .replace("AFTER", "Sun, 06 Nov 1994 08:49:38 GMT")
        .replace("AT", "Sun, 06 Nov 1994 08:49:37 GMT")
}

fn with_request<T>(method: &str, lines: &str, look: impl FnOnce(&Request<'_>) -> T) -> T {
    let head = format!(
        "{method} / HTTP/1.1\r\nHost: h\r\n{}\r\n",
        with_dates(lines)
    );
    match parse(head.as_bytes(), &Limits::default()) {
        Ok(Parsed::Request { request, .. }) => look(&request),
        other => panic!("{head:?} gave {other:?}"),
    }
}

fn judge(method: &str, lines: &str, validators: &Validators<'_>) -> Precondition {
    with_request(method, lines, |request| evaluate(request, validators))
}

#[test]
fn one_entity_tag() {
    let tag = |strength, opaque: &'static str| ETag {
        strength,
        opaque: opaque.as_bytes(),
    };
    let cases: &[(&str, Option<ETag<'_>>)] = &[
        ("\"v1\"", Some(tag(Strength::Strong, "v1"))),
        ("W/\"v1\"", Some(tag(Strength::Weak, "v1"))),
        ("\"\"", Some(tag(Strength::Strong, ""))),
        ("\"a,b\\\"", Some(tag(Strength::Strong, "a,b\\"))),
        ("\"\u{e9}\"", Some(tag(Strength::Strong, "\u{e9}"))),
        ("w/\"v1\"", None),
        ("W/ \"v1\"", None),
        ("W/v1", None),
        ("v1", None),
        ("\"v1", None),
        ("\"v 1\"", None),
        ("\"v1\"x", None),
        ("\"v1\", \"v2\"", None),
        ("*", None),
        ("", None),
    ];
    for (field, expected) in cases {
        assert_eq!(&ETag::parse(field.as_bytes()), expected, "{field:?}");
    }
}

/// The example table of RFC 9110 section 8.8.3.2.
#[test]
fn strong_and_weak_comparison() {
    let cases = [
        ("W/\"1\"", "W/\"1\"", false, true),
        ("W/\"1\"", "W/\"2\"", false, false),
        ("W/\"1\"", "\"1\"", false, true),
        ("\"1\"", "\"1\"", true, true),
    ];
    for (left, right, strongly, weakly) in cases {
        let left = ETag::parse(left.as_bytes()).expect("a tag");
        let right = ETag::parse(right.as_bytes()).expect("a tag");
        assert_eq!(left.strongly_matches(right), strongly, "{left:?} {right:?}");
        assert_eq!(right.strongly_matches(left), strongly, "{left:?} {right:?}");
        assert_eq!(left.weakly_matches(right), weakly, "{left:?} {right:?}");
        assert_eq!(right.weakly_matches(left), weakly, "{left:?} {right:?}");
    }
}

#[test]
fn lists_of_entity_tags() {
    let cases: &[(&str, Precondition)] = &[
        ("If-None-Match: \"v1\"\r\n", NotModified),
        ("If-None-Match: \"v0\"\r\n", Proceed),
        ("If-None-Match: \"v0\", \"v1\"\r\n", NotModified),
        ("If-None-Match: \"v0\",\"v1\"\r\n", NotModified),
        ("If-None-Match: ,, \"v0\" \t, W/\"v1\" ,\r\n", NotModified),
        (
            "If-None-Match: \"v0\"\r\nIf-None-Match: \"v1\"\r\n",
            NotModified,
        ),
        // A comma, and what looks like a second tag, inside one tag.
        ("If-None-Match: \"a,v1,b\"\r\n", Proceed),
        ("If-None-Match: \"a,\" \"v1\"\r\n", Proceed),
        ("If-None-Match: \"a\\\", \"v1\"\r\n", NotModified),
        // What follows a malformed tag is not trusted.
        ("If-None-Match: v0, \"v1\"\r\n", Proceed),
        ("If-None-Match: \"v1\"x\r\n", Proceed),
        ("If-None-Match: v1\r\n", Proceed),
        ("If-None-Match:\r\n", Proceed),
        ("If-None-Match: *\r\n", NotModified),
        ("If-None-Match: *, \"v0\"\r\n", Proceed),
        ("If-None-Match: \"v0\"\r\nIf-None-Match: *\r\n", Proceed),
        ("If-None-Match: \"*\"\r\n", Proceed),
    ];
    for &(lines, expected) in cases {
        assert_eq!(judge("GET", lines, &STRONG), expected, "{lines:?}");
    }
}

/// Field lines, then the outcome for a strong tag, a weak tag, and no validators at all.
type Alone = (&'static str, [Precondition; 3]);

fn check_alone(cases: &[Alone]) {
    for &(lines, [strong, weak, bare]) in cases {
        assert_eq!(judge("GET", lines, &STRONG), strong, "{lines:?}");
        assert_eq!(judge("HEAD", lines, &STRONG), strong, "HEAD {lines:?}");
        assert_eq!(judge("GET", lines, &WEAK), weak, "weak {lines:?}");
        assert_eq!(judge("GET", lines, &BARE), bare, "bare {lines:?}");
    }
}

#[test]
fn entity_tag_preconditions_alone() {
    check_alone(&[
        ("", [Proceed, Proceed, Proceed]),
        ("If-Match: \"v1\"\r\n", [Proceed, Failed, Failed]),
        ("If-Match: W/\"v1\"\r\n", [Failed, Failed, Failed]),
        ("If-Match: \"v0\", \"v1\"\r\n", [Proceed, Failed, Failed]),
        ("If-Match: \"v0\"\r\n", [Failed, Failed, Failed]),
        ("If-Match: v1\r\n", [Failed, Failed, Failed]),
        ("If-Match:\r\n", [Failed, Failed, Failed]),
        ("If-Match: *\r\n", [Proceed, Proceed, Proceed]),
        (
            "If-None-Match: \"v1\"\r\n",
            [NotModified, NotModified, Proceed],
        ),
        (
            "If-None-Match: W/\"v1\"\r\n",
            [NotModified, NotModified, Proceed],
        ),
        (
            "If-None-Match: *\r\n",
            [NotModified, NotModified, NotModified],
        ),
    ]);
}

#[test]
fn date_preconditions_alone() {
    let current = [NotModified, NotModified, Proceed];
    check_alone(&[
        ("If-Unmodified-Since: BEFORE\r\n", [Failed, Failed, Proceed]),
        ("If-Unmodified-Since: AT\r\n", [Proceed; 3]),
        ("If-Unmodified-Since: AFTER\r\n", [Proceed; 3]),
        ("If-Unmodified-Since: yesterday\r\n", [Proceed; 3]),
        ("If-Modified-Since: BEFORE\r\n", [Proceed; 3]),
        ("If-Modified-Since: AT\r\n", current),
        ("If-Modified-Since: AFTER\r\n", current),
        ("If-Modified-Since: yesterday\r\n", [Proceed; 3]),
        (
            "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n",
            current,
        ),
        ("If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", current),
    ]);
}

#[test]
fn order_of_preconditions() {
    let cases: &[(&str, Precondition)] = &[
        // An If-Match that holds silences If-Unmodified-Since, and so does one that fails.
        (
            "If-Match: \"v1\"\r\nIf-Unmodified-Since: BEFORE\r\n",
            Proceed,
        ),
        ("If-Match: \"v0\"\r\nIf-Unmodified-Since: AFTER\r\n", Failed),
        // dufs and SWS v2 answer 304 here, by the date (section 13.1.3 forbids it).
        (
            "If-None-Match: \"v0\"\r\nIf-Modified-Since: AT\r\n",
            Proceed,
        ),
        ("If-None-Match: v1\r\nIf-Modified-Since: AT\r\n", Proceed),
        ("If-None-Match:\r\nIf-Modified-Since: AT\r\n", Proceed),
        (
            "If-None-Match: \"v1\"\r\nIf-Modified-Since: BEFORE\r\n",
            NotModified,
        ),
        // The first pair comes before the second.
        ("If-None-Match: \"v1\"\r\nIf-Match: \"v0\"\r\n", Failed),
        (
            "If-Modified-Since: AT\r\nIf-Unmodified-Since: BEFORE\r\n",
            Failed,
        ),
        ("If-Match: \"v1\"\r\nIf-None-Match: \"v1\"\r\n", NotModified),
        ("If-Match: *\r\nIf-Modified-Since: AT\r\n", NotModified),
        (
            "If-Unmodified-Since: AT\r\nIf-None-Match: \"v0\"\r\n",
            Proceed,
        ),
    ];
    for &(lines, expected) in cases {
        assert_eq!(judge("GET", lines, &STRONG), expected, "{lines:?}");
    }
}

#[test]
fn methods_that_do_not_read() {
    let cases: &[(&str, &str, Precondition)] = &[
        ("PUT", "If-None-Match: *\r\n", Failed),
        ("PUT", "If-None-Match: \"v1\"\r\n", Failed),
        ("PUT", "If-Match: \"v1\"\r\n", Proceed),
        ("PUT", "If-Match: \"v0\"\r\n", Failed),
        ("PUT", "If-Modified-Since: AT\r\n", Proceed),
        ("PUT", "If-Unmodified-Since: BEFORE\r\n", Failed),
        ("OPTIONS", "If-None-Match: *\r\n", Proceed),
        ("OPTIONS", "If-Match: \"v0\"\r\n", Proceed),
    ];
    for &(method, lines, expected) in cases {
        assert_eq!(
            judge(method, lines, &STRONG),
            expected,
            "{method} {lines:?}"
        );
    }
}

#[test]
fn if_range() {
    let at = |seconds: u64| UnixSeconds(MODIFIED.0 + seconds);
    let cases: &[(&str, &Validators<'_>, UnixSeconds, bool)] = &[
        ("", &STRONG, at(9), true),
        ("", &BARE, at(9), true),
        ("If-Range: \"v1\"\r\n", &STRONG, at(0), true),
        ("If-Range: \"v0\"\r\n", &STRONG, at(9), false),
        ("If-Range: W/\"v1\"\r\n", &STRONG, at(9), false),
        ("If-Range: \"v1\"\r\n", &WEAK, at(9), false),
        ("If-Range: W/\"v1\"\r\n", &WEAK, at(9), false),
        ("If-Range: \"v1\"\r\n", &BARE, at(9), false),
        ("If-Range: \"v0\", \"v1\"\r\n", &STRONG, at(9), false),
        ("If-Range: *\r\n", &STRONG, at(9), false),
        ("If-Range: v1\r\n", &STRONG, at(9), false),
        ("If-Range:\r\n", &STRONG, at(9), false),
        ("If-Range:\r\n", &BARE, at(9), false),
        ("If-Range: AT\r\n", &STRONG, at(9), true),
        ("If-Range: AT\r\n", &STRONG, at(1), true),
        ("If-Range: AT\r\n", &STRONG, at(0), false),
        ("If-Range: AT\r\n", &STRONG, UnixSeconds(0), false),
        ("If-Range: BEFORE\r\n", &STRONG, at(9), false),
        ("If-Range: AFTER\r\n", &STRONG, at(9), false),
        ("If-Range: AT\r\n", &BARE, at(9), false),
        ("If-Range: yesterday\r\n", &BARE, at(9), false),
    ];
    for &(lines, validators, now, expected) in cases {
        let lines = format!("Range: bytes=0-1\r\n{lines}");
        let holds = with_request("GET", &lines, |request| {
            range_condition_holds(request, validators, now)
        });
        assert_eq!(holds, expected, "{lines:?} {validators:?} {now:?}");
    }
}

#[test]
fn the_modification_time_is_shown_once_its_second_is_over() {
    assert_eq!(
        STRONG.settled_last_modified(UnixSeconds(MODIFIED.0 - 1)),
        None
    );
    assert_eq!(STRONG.settled_last_modified(MODIFIED), None);
    assert_eq!(
        STRONG.settled_last_modified(UnixSeconds(MODIFIED.0 + 1)),
        Some(MODIFIED)
    );
    assert_eq!(BARE.settled_last_modified(UnixSeconds(u64::MAX)), None);
}
