//! Conditional requests (RFC 9110 section 13): each precondition, their order, and `If-Range`.
//!
//! `PAST` and `FUTURE` lie on either side of the file's own time. Every row whose answer does not
//! depend on `Range` is also asked by HEAD.

use crate::{
    case::{Case, Content},
    site::DATA,
};

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(rfc, fields, status) in ROWS.iter().chain(ORDER) {
        cases.push(case(rfc, fields, status));
        cases.push(case(rfc, fields, status).by("HEAD"));
    }
    for &(rfc, fields, status) in RANGES {
        cases.push(case(rfc, fields, status));
    }
    for &(rfc, target, fields, status) in ELSEWHERE {
        cases.push(Case::get(rfc, target, &dated(fields), status));
    }
    for &(rfc, method, fields) in OTHER_METHODS {
        let status = if method == "OPTIONS" { 200 } else { 405 };
        cases.push(Case::get(rfc, DATA, &dated(fields), status).by(method));
    }
    cases
}

fn dated(fields: &str) -> String {
    fields
        .replace("PAST", "Sat, 01 Jan 2000 00:00:00 GMT")
        .replace("FUTURE", "Fri, 31 Dec 2100 00:00:00 GMT")
}

fn case(rfc: &'static str, fields: &str, status: u16) -> Case {
    let case = Case::get(rfc, DATA, &dated(fields), status)
        .is("etag", "{etag}")
        .is("last-modified", "{modified}");
    match status {
        200 => case.body(Content::Whole).is("content-length", "10000"),
        206 => case
            .body(Content::Slice(0, 5))
            .is("content-range", "bytes 0-4/10000"),
        // Section 15.4.5: the fields of the 200 that caches go by, and no others.
        304 => case.absent(&["content-type", "content-range", "repr-digest"]),
        412 => case.body(Content::Nothing).is("accept-ranges", "bytes"),
        416 => case
            .body(Content::Nothing)
            .is("content-range", "bytes */10000"),
        _ => case,
    }
}

/// Section, field lines, status.
type Row = (&'static str, &'static str, u16);

const ROWS: &[Row] = &[
    ("9110 13.1.1", "If-Match: {etag}\r\n", 200),
    ("9110 13.1.1", "If-Match: *\r\n", 200),
    ("9110 13.1.1", "If-Match: \"x\", {etag}\r\n", 200),
    ("9110 13.1.1", "If-Match: {etag},\"x\"\r\n", 200),
    (
        "9110 13.1.1",
        "If-Match: \"x\"\r\nIf-Match: {etag}\r\n",
        200,
    ),
    ("9110 13.1.1", "If-Match: , ,{etag}\r\n", 200),
    ("9110 13.1.1", "If-Match: \"x\"\r\n", 412),
    ("9110 13.1.1", "If-Match: \"x\", \"y\"\r\n", 412),
    ("9110 13.1.1", "If-Match: W/{etag}\r\n", 412),
    ("9110 13.1.1", "If-Match: W/\"x\", W/{etag}\r\n", 412),
    ("9110 13.1.1", "If-Match: \"*\"\r\n", 412),
    ("9110 13.1.1", "If-Match: x\r\n", 412),
    ("9110 13.1.1", "If-Match:\r\n", 412),
    ("9110 13.1.1", "If-Match: \"x,y\"\r\n", 412),
    ("9110 13.1.2", "If-None-Match: {etag}\r\n", 304),
    ("9110 13.1.2", "If-None-Match: W/{etag}\r\n", 304),
    ("9110 13.1.2", "If-None-Match: *\r\n", 304),
    ("9110 13.1.2", "If-None-Match: \"x\", {etag}\r\n", 304),
    ("9110 13.1.2", "If-None-Match: \"x\",W/{etag}\r\n", 304),
    (
        "9110 13.1.2",
        "If-None-Match: \"x\"\r\nIf-None-Match: {etag}\r\n",
        304,
    ),
    ("9110 13.1.2", "If-None-Match: \"a\\\", {etag}\r\n", 304),
    ("9110 13.1.2", "If-None-Match: \"x\"\r\n", 200),
    ("9110 13.1.2", "If-None-Match: W/\"x\"\r\n", 200),
    ("9110 13.1.2", "If-None-Match: \"*\"\r\n", 200),
    ("9110 13.1.2", "If-None-Match: w/{etag}\r\n", 200),
    ("9110 13.1.2", "If-None-Match: x\r\n", 200),
    ("9110 13.1.2", "If-None-Match:\r\n", 200),
    ("9110 13.1.2", "If-None-Match: *, \"x\"\r\n", 200),
    ("9110 13.1.3", "If-Modified-Since: {modified}\r\n", 304),
    ("9110 13.1.3", "If-Modified-Since: FUTURE\r\n", 304),
    ("9110 13.1.3", "If-Modified-Since: PAST\r\n", 200),
    ("9110 5.6.7", "If-Modified-Since: {modified-850}\r\n", 304),
    (
        "9110 5.6.7",
        "If-Modified-Since: {modified-asctime}\r\n",
        304,
    ),
    (
        "9110 5.6.7",
        "If-Modified-Since: Saturday, 01-Jan-00 00:00:00 GMT\r\n",
        200,
    ),
    (
        "9110 5.6.7",
        "If-Modified-Since: Sat Jan  1 00:00:00 2000\r\n",
        200,
    ),
    ("9110 13.1.3", "If-Modified-Since: yesterday\r\n", 200),
    ("9110 13.1.3", "If-Modified-Since:\r\n", 200),
    (
        "9110 13.1.3",
        "If-Modified-Since: 2100-12-31T00:00:00Z\r\n",
        200,
    ),
    (
        "9110 13.1.3",
        "If-Modified-Since: Fri, 31 Dec 2100 00:00:00 CET\r\n",
        200,
    ),
    (
        "9110 13.1.3",
        "If-Modified-Since: Mon, 31 Dec 2100 00:00:00 GMT\r\n",
        200,
    ),
    (
        "9110 13.1.3",
        "If-Modified-Since: Fri, 32 Dec 2100 00:00:00 GMT\r\n",
        200,
    ),
    // More than one member: ignored, not refused.
    (
        "9110 13.1.3",
        "If-Modified-Since: FUTURE\r\nIf-Modified-Since: FUTURE\r\n",
        200,
    ),
    ("9110 13.1.3", "If-Modified-Since: FUTURE, FUTURE\r\n", 200),
    ("9110 13.1.4", "If-Unmodified-Since: {modified}\r\n", 200),
    ("9110 13.1.4", "If-Unmodified-Since: FUTURE\r\n", 200),
    ("9110 13.1.4", "If-Unmodified-Since: PAST\r\n", 412),
    ("9110 5.6.7", "If-Unmodified-Since: {modified-850}\r\n", 200),
    (
        "9110 5.6.7",
        "If-Unmodified-Since: {modified-asctime}\r\n",
        200,
    ),
    (
        "9110 5.6.7",
        "If-Unmodified-Since: Saturday, 01-Jan-00 00:00:00 GMT\r\n",
        412,
    ),
    (
        "9110 5.6.7",
        "If-Unmodified-Since: Sat Jan  1 00:00:00 2000\r\n",
        412,
    ),
    ("9110 13.1.4", "If-Unmodified-Since: yesterday\r\n", 200),
    ("9110 13.1.4", "If-Unmodified-Since:\r\n", 200),
    (
        "9110 13.1.4",
        "If-Unmodified-Since: PAST\r\nIf-Unmodified-Since: PAST\r\n",
        200,
    ),
];

/// Section 13.2.2; nginx, Caddy, dufs and SWS each get one of these wrong.
const ORDER: &[Row] = &[
    (
        "9110 13.2.2",
        "If-Match: {etag}\r\nIf-Unmodified-Since: PAST\r\n",
        200,
    ),
    (
        "9110 13.2.2",
        "If-Match: *\r\nIf-Unmodified-Since: PAST\r\n",
        200,
    ),
    (
        "9110 13.2.2",
        "If-Match: \"x\"\r\nIf-Unmodified-Since: FUTURE\r\n",
        412,
    ),
    (
        "9110 13.2.2",
        "If-Match: x\r\nIf-Unmodified-Since: FUTURE\r\n",
        412,
    ),
    (
        "9110 13.2.2",
        "If-None-Match: \"x\"\r\nIf-Modified-Since: FUTURE\r\n",
        200,
    ),
    (
        "9110 13.2.2",
        "If-None-Match: x\r\nIf-Modified-Since: FUTURE\r\n",
        200,
    ),
    (
        "9110 13.2.2",
        "If-None-Match:\r\nIf-Modified-Since: FUTURE\r\n",
        200,
    ),
    (
        "9110 13.2.2",
        "If-None-Match: {etag}\r\nIf-Modified-Since: PAST\r\n",
        304,
    ),
    (
        "9110 13.2.2",
        "If-Match: \"x\"\r\nIf-None-Match: {etag}\r\n",
        412,
    ),
    (
        "9110 13.2.2",
        "If-None-Match: {etag}\r\nIf-Match: \"x\"\r\n",
        412,
    ),
    (
        "9110 13.2.2",
        "If-Match: {etag}\r\nIf-None-Match: {etag}\r\n",
        304,
    ),
    (
        "9110 13.2.2",
        "If-Match: {etag}\r\nIf-None-Match: \"x\"\r\n",
        200,
    ),
    (
        "9110 13.2.2",
        "If-Match: {etag}\r\nIf-Modified-Since: FUTURE\r\n",
        304,
    ),
    (
        "9110 13.2.2",
        "If-Unmodified-Since: PAST\r\nIf-Modified-Since: FUTURE\r\n",
        412,
    ),
    (
        "9110 13.2.2",
        "If-Unmodified-Since: FUTURE\r\nIf-Modified-Since: FUTURE\r\n",
        304,
    ),
    (
        "9110 13.2.2",
        "If-Unmodified-Since: PAST\r\nIf-None-Match: {etag}\r\n",
        412,
    ),
    (
        "9110 13.2.2",
        "If-Unmodified-Since: FUTURE\r\nIf-None-Match: {etag}\r\n",
        304,
    ),
    (
        "9110 13.2.2",
        "If-None-Match: {etag}\r\nRange: bytes=0-4\r\n",
        304,
    ),
    (
        "9110 13.2.2",
        "If-None-Match: {etag}\r\nRange: bytes=10000-\r\n",
        304,
    ),
    (
        "9110 13.2.2",
        "If-Match: \"x\"\r\nRange: bytes=0-4\r\n",
        412,
    ),
    (
        "9110 13.2.2",
        "If-Match: \"x\"\r\nRange: bytes=10000-\r\n",
        412,
    ),
    (
        "9110 13.2.2",
        "If-Range: {etag}\r\nIf-None-Match: {etag}\r\nRange: bytes=0-4\r\n",
        304,
    ),
];

const RANGES: &[Row] = &[
    (
        "9110 13.1.5",
        "If-Range: {etag}\r\nRange: bytes=0-4\r\n",
        206,
    ),
    (
        "9110 13.1.5",
        "If-Range: \"x\"\r\nRange: bytes=0-4\r\n",
        200,
    ),
    (
        "9110 13.1.5",
        "If-Range: W/{etag}\r\nRange: bytes=0-4\r\n",
        200,
    ),
    (
        "9110 13.1.5",
        "If-Range: {etag}, \"x\"\r\nRange: bytes=0-4\r\n",
        200,
    ),
    ("9110 13.1.5", "If-Range: *\r\nRange: bytes=0-4\r\n", 200),
    ("9110 13.1.5", "If-Range: x\r\nRange: bytes=0-4\r\n", 200),
    ("9110 13.1.5", "If-Range:\r\nRange: bytes=0-4\r\n", 200),
    (
        "9110 13.1.5",
        "If-Range: {modified}\r\nRange: bytes=0-4\r\n",
        206,
    ),
    (
        "9110 13.1.5",
        "If-Range: {modified-850}\r\nRange: bytes=0-4\r\n",
        206,
    ),
    (
        "9110 13.1.5",
        "If-Range: {modified-asctime}\r\nRange: bytes=0-4\r\n",
        206,
    ),
    // A date must match exactly; a later one proves nothing.
    (
        "9110 13.1.5",
        "If-Range: FUTURE\r\nRange: bytes=0-4\r\n",
        200,
    ),
    ("9110 13.1.5", "If-Range: PAST\r\nRange: bytes=0-4\r\n", 200),
    (
        "9110 13.1.5",
        "If-Range: yesterday\r\nRange: bytes=0-4\r\n",
        200,
    ),
    (
        "9110 13.1.5",
        "If-Range: {etag}\r\nIf-Range: {etag}\r\nRange: bytes=0-4\r\n",
        200,
    ),
    ("9110 13.1.5", "If-Range: {etag}\r\n", 200),
    ("9110 13.1.5", "If-Range: \"x\"\r\n", 200),
    (
        "9110 13.1.5",
        "If-Range: {etag}\r\nRange: bytes=10000-\r\n",
        416,
    ),
    (
        "9110 13.1.5",
        "If-Range: \"x\"\r\nRange: bytes=10000-\r\n",
        200,
    ),
    (
        "9110 13.1.5",
        "If-Range: {etag}\r\nRange: bytes=5-2\r\n",
        200,
    ),
    (
        "9110 13.2.2",
        "If-Match: {etag}\r\nRange: bytes=0-4\r\n",
        206,
    ),
    (
        "9110 13.2.2",
        "If-None-Match: \"x\"\r\nRange: bytes=0-4\r\n",
        206,
    ),
    (
        "9110 13.2.2",
        "If-Unmodified-Since: FUTURE\r\nRange: bytes=0-4\r\n",
        206,
    ),
    (
        "9110 13.2.2",
        "If-Modified-Since: PAST\r\nRange: bytes=0-4\r\n",
        206,
    ),
    (
        "9110 13.2.2",
        "If-Match: {etag}\r\nIf-Range: \"x\"\r\nRange: bytes=0-4\r\n",
        200,
    ),
];

/// Where there is no file, preconditions count for nothing (section 13.2.1) or are met by nothing.
const ELSEWHERE: &[(&str, &str, &str, u16)] = &[
    ("9110 13.2.1", "/nothing", "If-Match: *\r\n", 404),
    ("9110 13.2.1", "/nothing", "If-None-Match: *\r\n", 404),
    (
        "9110 13.2.1",
        "/nothing",
        "If-Modified-Since: FUTURE\r\n",
        404,
    ),
    (
        "9110 13.2.1",
        "/nothing",
        "If-Unmodified-Since: PAST\r\n",
        404,
    ),
    ("9110 13.2.1", "/sub", "If-None-Match: *\r\n", 307),
    ("9110 13.1.1", "/sub/", "If-Match: \"x\"\r\n", 412),
    ("9110 13.1.1", "/sub/", "If-Match: *\r\n", 200),
    ("9110 13.1.2", "/sub/", "If-None-Match: *\r\n", 304),
    ("9110 13.1.2", "/sub/", "If-None-Match: \"x\"\r\n", 200),
    ("9110 13.1.3", "/sub/", "If-Modified-Since: FUTURE\r\n", 200),
    ("9110 14.2", "/sub/", "Range: bytes=0-4\r\n", 200),
];

const OTHER_METHODS: &[(&str, &str, &str)] = &[
    ("9110 13.2.1", "OPTIONS", "If-Match: \"x\"\r\n"),
    ("9110 13.2.1", "OPTIONS", "If-None-Match: *\r\n"),
    ("9110 13.2.1", "POST", "If-Match: \"x\"\r\n"),
    ("9110 13.2.1", "DELETE", "If-None-Match: *\r\n"),
];
