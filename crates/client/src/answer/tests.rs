//! Answers and what they mean, one row each.

use super::*;

const TAG: &str = "\"v1\"";

fn head(status: u16, fields: &[(&'static str, &str)]) -> Head {
    let fields = fields
        .iter()
        .map(|&(name, value)| {
            let name = header::HeaderName::from_static(name);
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    Head::read(StatusCode::from_u16(status).unwrap(), &fields)
}

fn version(tag: Option<&str>, size_bytes: Option<u64>) -> Version {
    Version {
        tag: tag.map(str::to_owned),
        size_bytes,
    }
}

/// 40 of 100 bytes are there.
fn wanted() -> Wanted {
    Wanted {
        version: version(Some(TAG), Some(100)),
        offset: 40,
    }
}

#[test]
fn whole_files() {
    for (fields, expected) in [
        (
            &[("etag", TAG), ("content-length", "100")][..],
            Ok(Answer::Whole(version(Some(TAG), Some(100)))),
        ),
        (
            &[("etag", "\"v2\""), ("content-length", "7")],
            Ok(Answer::Whole(version(Some("\"v2\""), Some(7)))),
        ),
        (
            &[("etag", "W/\"v1\""), ("content-length", "7")],
            Ok(Answer::Whole(version(None, Some(7)))),
        ),
        (&[], Ok(Answer::Whole(version(None, None)))),
        (
            &[("etag", TAG), ("content-length", "99")],
            Err(Refusal::Length {
                expected: 100,
                actual: 99,
            }),
        ),
    ] {
        assert_eq!(judge(&wanted(), &head(200, fields)), expected, "{fields:?}");
    }
}

/// The answer to a continuation with this range, tag and length.
fn continued(range: &str, tag: Option<&str>, length: &str) -> Result<Answer, Refusal> {
    let mut fields = vec![("content-range", range), ("content-length", length)];
    fields.extend(tag.map(|tag| ("etag", tag)));
    judge(&wanted(), &head(206, &fields))
}

#[test]
fn a_continuation_must_fit_exactly() {
    assert_eq!(
        continued("bytes 40-99/100", Some(TAG), "60"),
        Ok(Answer::Rest(version(Some(TAG), Some(100))))
    );
    let other_total = Refusal::Length {
        expected: 100,
        actual: 101,
    };
    let no_range = "no usable Content-Range";
    for (range, length, refusal) in [
        (
            "bytes 39-99/100",
            "61",
            Refusal::Range("another first byte"),
        ),
        (
            "bytes 41-99/100",
            "59",
            Refusal::Range("another first byte"),
        ),
        (
            "bytes 40-98/100",
            "59",
            Refusal::Range("it stops before the end"),
        ),
        (
            "bytes 40-99/100",
            "59",
            Refusal::Range("its length contradicts its range"),
        ),
        ("bytes 40-100/101", "61", other_total),
        ("bytes 40-99/*", "60", Refusal::Range(no_range)),
        ("bytes 99-40/100", "60", Refusal::Range(no_range)),
        ("bytes */100", "60", Refusal::Range(no_range)),
        ("lines 40-99/100", "60", Refusal::Range(no_range)),
    ] {
        let answer = continued(range, Some(TAG), length);
        assert_eq!(answer, Err(refusal), "{range} {length}");
    }
}

#[test]
fn a_continuation_must_carry_the_same_strong_tag() {
    for tag in [Some("\"v2\""), Some("W/\"v1\""), Some("v1"), None] {
        let answer = continued("bytes 40-99/100", tag, "60");
        assert_eq!(answer, Err(Refusal::Range("another entity tag")), "{tag:?}");
    }
}

#[test]
fn a_version_differs_from_all_but_its_own_tag() {
    for (ours, theirs, differs) in [
        (Some(TAG), Some(TAG), false),
        (Some(TAG), Some("\"v2\""), true),
        (Some(TAG), None, true),
        (None, Some(TAG), false),
        (None, None, false),
    ] {
        let (ours, theirs) = (version(ours, Some(1)), version(theirs, Some(1)));
        assert_eq!(ours.differs_from(&theirs), differs, "{ours:?} {theirs:?}");
    }
}

#[test]
fn a_range_nobody_asked_for_is_refused() {
    let fields = [("content-range", "bytes 0-99/100"), ("etag", TAG)];
    let nothing = Wanted::default();
    assert_eq!(
        judge(&nothing, &head(206, &fields)),
        Err(Refusal::Range("another entity tag"))
    );
    let from_start = Wanted {
        offset: 0,
        ..wanted()
    };
    assert_eq!(
        judge(&from_start, &head(206, &fields)),
        Err(Refusal::Range("another first byte"))
    );
}

#[test]
fn past_the_end_is_complete_only_at_the_very_end() {
    for (offset, known, fields, expected) in [
        (
            100,
            Some(100),
            &[("content-range", "bytes */100")][..],
            Ok(Answer::Complete),
        ),
        (
            100,
            None,
            &[("content-range", "bytes */100")],
            Ok(Answer::Complete),
        ),
        (
            100,
            Some(200),
            &[("content-range", "bytes */100")],
            Err(Refusal::PastEnd),
        ),
        (
            40,
            Some(100),
            &[("content-range", "bytes */30")],
            Err(Refusal::PastEnd),
        ),
        (100, Some(100), &[], Err(Refusal::PastEnd)),
    ] {
        let wanted = Wanted {
            version: version(Some(TAG), known),
            offset,
        };
        assert_eq!(judge(&wanted, &head(416, fields)), expected);
    }
}

#[test]
fn other_statuses() {
    for (refusal, statuses) in [
        (Refusal::Forbidden, &[401, 403][..]),
        (Refusal::Missing, &[404, 410]),
        (Refusal::Transient, &[408, 429, 500, 502, 503, 504, 507]),
        (Refusal::Rejected, &[201, 204, 300, 304, 400, 405, 412, 414]),
    ] {
        for &status in statuses {
            assert_eq!(
                judge(&wanted(), &head(status, &[])),
                Err(refusal),
                "{status}"
            );
        }
    }
}

#[test]
fn retry_after_counts_in_seconds_only() {
    for (text, expected) in [
        ("3", Some(Duration::from_secs(3))),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
    ] {
        assert_eq!(head(503, &[("retry-after", text)]).retry_after, expected);
    }
}

#[test]
fn a_range_is_asked_for_only_with_a_strong_tag_to_hold_it_to() {
    let fields = wanted().fields();
    assert_eq!(fields[header::RANGE], "bytes=40-");
    assert_eq!(fields[header::IF_RANGE], TAG);
    for (tag, offset) in [(None, 40), (Some(TAG), 0), (None, 0)] {
        let version = version(tag, Some(100));
        assert!(
            Wanted { version, offset }.fields().is_empty(),
            "{tag:?} {offset}"
        );
    }
}

#[test]
fn only_our_tags_hold_a_root() {
    let root = Root([7; 32]);
    assert_eq!(version(Some(&root.etag()), None).root(), Some(root));
    assert_eq!(version(Some(TAG), None).root(), None);
    assert_eq!(version(None, None).root(), None);
}
