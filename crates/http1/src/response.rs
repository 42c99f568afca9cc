//! The answer to a request for a file: what to send, and the bytes of its head.
//!
//! The plan is made from what is known of the file, before it is opened. The writer must never let
//! a field value end its line, whatever the value holds: a response cannot be split.

use crate::conditional::{self, Precondition, Validators};
use crate::date::{IMF_FIXDATE_BYTES, UnixSeconds};
use crate::range::{self, ByteRange, RangeSet, Ranges};
use crate::request::{KeepAlive, Method, Request, Version};
use crate::status::Status;

/// What is known of the file that answers a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Representation<'a> {
    /// Its media type; it counts into the length of a body of several ranges.
    pub content_type: &'a str,
    /// Its length in bytes.
    pub length: u64,
    /// What tells its versions apart.
    pub validators: Validators<'a>,
}

/// Which answer a request for an existing file is given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Plan {
    /// 200 with the whole representation.
    Full,
    /// 206 with these bytes of it.
    Partial(ByteRange),
    /// 206 with these ranges of it, each in a part of a [`crate::multipart`] body.
    Parts(RangeSet),
    /// 304 without a body.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416 with the length in `Content-Range`.
    RangeNotSatisfiable,
}

impl Plan {
    /// The status that announces this plan.
    pub const fn status(&self) -> Status {
        match self {
            Self::Full => Status::Ok,
            Self::Partial(_) | Self::Parts(_) => Status::PartialContent,
            Self::NotModified => Status::NotModified,
            Self::PreconditionFailed => Status::PreconditionFailed,
            Self::RangeNotSatisfiable => Status::RangeNotSatisfiable,
        }
    }
}

/// Decides the answer to a GET or HEAD of `representation` at the time `now`.
///
/// Preconditions come first, then `If-Range` and `Range` (RFC 9110 section 13.2.2), and `Range`
/// counts for GET only (section 14.2). An unsatisfiable range whose `If-Range` holds is a 416, not
/// the 200 that one reading of step 5 allows: sections 13.1.5 and 14.2 ask for it, and it tells a
/// client that resumes a finished download that there is no more, without sending it again.
pub fn plan(request: &Request<'_>, representation: &Representation<'_>, now: UnixSeconds) -> Plan {
    let validators = &representation.validators;
    match conditional::evaluate(request, validators) {
        Precondition::Failed => return Plan::PreconditionFailed,
        Precondition::NotModified => return Plan::NotModified,
        Precondition::Proceed => {}
    }
    let Some(field) = request.fields.range else {
        return Plan::Full;
    };
    if request.method != Method::Get
        || !conditional::range_condition_holds(request, validators, now)
    {
        return Plan::Full;
    }
    match range::resolve(field, representation.length, representation.content_type) {
        Ranges::Whole => Plan::Full,
        Ranges::Single(range) => Plan::Partial(range),
        Ranges::Several(ranges) => Plan::Parts(ranges),
        Ranges::Unsatisfiable => Plan::RangeNotSatisfiable,
    }
}

/// Writes a response head at the end of a buffer that the caller keeps and sends.
///
/// Fields appear in the order they are written. Names, and the bytes given to [`Self::raw_fields`],
/// are the program's own; values may come from anywhere.
#[derive(Debug)]
#[must_use = "a head is not complete before `finish`"]
pub struct HeadWriter<'v> {
    out: &'v mut Vec<u8>,
    version: Version,
}

impl<'v> HeadWriter<'v> {
    /// Begins a head with its status line.
    ///
    /// `version` is that of the request and decides what [`Self::connection`] has to say; the
    /// status line always names HTTP/1.1, the version of the server (RFC 9110 section 2.5).
    pub fn start(out: &'v mut Vec<u8>, version: Version, status: Status) -> Self {
        out.extend_from_slice(b"HTTP/1.1 ");
        push_decimal(out, u64::from(status.code()));
        out.push(b' ');
        out.extend_from_slice(status.reason().as_bytes());
        out.extend_from_slice(b"\r\n");
        Self { out, version }
    }

    /// Writes `Date` from bytes made by [`crate::date::write_imf_fixdate`].
    pub fn date(&mut self, now: &[u8; IMF_FIXDATE_BYTES]) -> &mut Self {
        self.field("Date", now)
    }

    /// Writes one field.
    ///
    /// A CR, LF or NUL in `value` is a fault of the caller: a debug build panics, a release build
    /// writes a space in its place (RFC 9110 section 5.5).
    pub fn field(&mut self, name: &str, value: &[u8]) -> &mut Self {
        debug_assert!(
            !value.iter().any(|&byte| ends_line(byte)),
            "line break in {name}"
        );
        self.start_field(name);
        push_value(self.out, value);
        self.end_line()
    }

    /// Writes one field whose value is a decimal number.
    pub fn field_u64(&mut self, name: &str, value: u64) -> &mut Self {
        self.start_field(name);
        push_decimal(self.out, value);
        self.end_line()
    }

    /// Writes the `Content-Range` of a 206: `range` of `total` bytes (RFC 9110 section 14.4).
    pub fn content_range(&mut self, range: ByteRange, total: u64) -> &mut Self {
        debug_assert!(
            range.start < range.end && range.end <= total,
            "{range:?} of {total}"
        );
        self.start_field("Content-Range");
        self.out.extend_from_slice(b"bytes ");
        push_decimal(self.out, range.start);
        self.out.push(b'-');
        push_decimal(self.out, range.end.saturating_sub(1));
        self.out.push(b'/');
        push_decimal(self.out, total);
        self.end_line()
    }

    /// Writes the `Content-Range` of a 416, which tells the length (RFC 9110 section 15.5.17).
    pub fn unsatisfied_range(&mut self, total: u64) -> &mut Self {
        self.start_field("Content-Range");
        self.out.extend_from_slice(b"bytes */");
        push_decimal(self.out, total);
        self.end_line()
    }

    /// Writes field lines prepared earlier, each with its CRLF.
    pub fn raw_fields(&mut self, lines: &[u8]) -> &mut Self {
        debug_assert!(
            lines.is_empty() || lines.ends_with(b"\r\n"),
            "unfinished line"
        );
        self.out.extend_from_slice(lines);
        self
    }

    /// Writes `Connection` where the version of the request does not imply it (RFC 9112 section 9).
    ///
    /// `close` when this response is the last one; `keep-alive` when an HTTP/1.0 client may go on.
    pub fn connection(&mut self, keep_alive: KeepAlive) -> &mut Self {
        match (self.version, keep_alive) {
            (Version::Http11, KeepAlive::Yes) => self,
            (Version::Http10, KeepAlive::Yes) => self.raw_fields(b"Connection: keep-alive\r\n"),
            (_, KeepAlive::No) => self.raw_fields(b"Connection: close\r\n"),
        }
    }

    /// Ends the head with its empty line.
    pub fn finish(self) {
        self.out.extend_from_slice(b"\r\n");
    }

    fn start_field(&mut self, name: &str) {
        debug_assert!(is_field_name(name), "{name:?} is no field name");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
    }

    fn end_line(&mut self) -> &mut Self {
        self.out.extend_from_slice(b"\r\n");
        self
    }
}

/// A short plain text for the body of an error: the status, and `detail` on a line of its own.
///
/// Allocates; errors are not the hot path. `detail` is cut at its first line break.
pub fn error_body(status: Status, detail: &str) -> String {
    let detail = detail.lines().next().unwrap_or_default();
    let separator = if detail.is_empty() { "" } else { "\n" };
    format!("{} {}\n{detail}{separator}", status.code(), status.reason())
}

fn push_value(out: &mut Vec<u8>, value: &[u8]) {
    let start = out.len();
    out.extend_from_slice(value);
    for byte in &mut out[start..] {
        if ends_line(*byte) {
            *byte = b' ';
        }
    }
}

/// What some reader takes for the end of a line, or of the text.
const fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b'\0')
}

fn is_field_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !name.is_empty() && name.bytes().all(allowed)
}

fn push_decimal(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0; DECIMAL_BYTES];
    let mut start = digits.len();
    let mut rest = value;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Digits of `u64::MAX`.
const DECIMAL_BYTES: usize = 20;

#[cfg(test)]
mod tests;
