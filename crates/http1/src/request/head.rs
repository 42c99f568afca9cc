//! The form of a request head: where its parts are, or what is wrong with it.
//!
//! `httparse` does the reading. Around it is what it leaves to its callers: it knows no limits,
//! takes a bare LF for the end of a line, and stops at a version that is not 1.0 or 1.1.
//! The verdict must never depend on how a stream was cut into reads. So a fault is named once the
//! bytes that prove it are there, and of two faults the one that is proved first wins: with less
//! of the stream in hand it would be the only one.

use std::mem::MaybeUninit;

use httparse::{Error, Header, Status};

use super::{Limits, MAX_HEADERS, ParseError, Version};

/// A head whose form is sound; its fields have yet to be given a meaning.
pub(super) struct Head<'h, 'b> {
    pub(super) method: &'b str,
    pub(super) target: &'b str,
    pub(super) version: Version,
    pub(super) fields: &'h [Header<'b>],
    /// Length of the head, with the empty lines before it.
    pub(super) bytes: usize,
}

/// What a buffer begins with.
pub(super) enum Scan<'h, 'b> {
    Partial,
    Complete(Head<'h, 'b>),
    Http2Preface,
}

/// Place for the fields of one head.
pub(super) struct Storage<'b> {
    /// Never initialised as a whole, which would cost 2 KiB.
    usual: [MaybeUninit<Header<'b>>; MAX_HEADERS],
    /// For the rare head that is read in two steps.
    spare: Option<[Header<'b>; MAX_HEADERS]>,
}

impl Storage<'_> {
    pub(super) const fn new() -> Self {
        Self {
            usual: [MaybeUninit::uninit(); MAX_HEADERS],
            spare: None,
        }
    }
}

/// Finds the head at the start of `buffer`, or the first thing wrong with it.
pub(super) fn scan<'h, 'b>(
    buffer: &'b [u8],
    limits: &Limits,
    storage: &'h mut Storage<'b>,
) -> Result<Scan<'h, 'b>, ParseError> {
    // What lies past the limit is not looked at, so that its arrival changes nothing.
    let window = &buffer[..buffer.len().min(limits.head_bytes)];
    match scan_window(window, limits, storage)? {
        Scan::Partial if window.len() == limits.head_bytes => Err(ParseError::HeadTooLong),
        scan => Ok(scan),
    }
}

fn scan_window<'h, 'b>(
    window: &'b [u8],
    limits: &Limits,
    storage: &'h mut Storage<'b>,
) -> Result<Scan<'h, 'b>, ParseError> {
    if window.starts_with(HTTP2_PREFACE) {
        return Ok(Scan::Http2Preface);
    }
    if HTTP2_PREFACE.starts_with(window) {
        return Ok(Scan::Partial);
    }
    let Some(empty_bytes) = skip_empty_lines(window)? else {
        return Ok(Scan::Partial);
    };
    match scan_lines(&window[empty_bytes..], limits, storage)? {
        None => Ok(Scan::Partial),
        Some(head) => Ok(Scan::Complete(Head {
            bytes: head.bytes + empty_bytes,
            ..head
        })),
    }
}

/// Skips what some clients send after a body that needs no line end (RFC 9112 section 2.2).
///
/// Returns the length of the empty lines, or `None` if they may go on.
fn skip_empty_lines(window: &[u8]) -> Result<Option<usize>, ParseError> {
    let mut rest = window;
    for _ in 0..=MAX_EMPTY_LINES {
        match rest {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', after @ ..] => rest = after,
            [b'\r', ..] => return Err(ParseError::MalformedLineEnd),
            [b'\n', ..] => return Err(ParseError::BareLineFeed),
            _ => return Ok(Some(window.len() - rest.len())),
        }
    }
    Err(ParseError::TooManyEmptyLines)
}

/// Reads a request line and its fields from `bytes`, whose first byte ends no line.
///
/// The faults are looked for in the order in which they are proved: an overlong target before
/// whatever httparse finds after it, and a bare LF once the head has come to its end.
fn scan_lines<'h, 'b>(
    bytes: &'b [u8],
    limits: &Limits,
    storage: &'h mut Storage<'b>,
) -> Result<Option<Head<'h, 'b>>, ParseError> {
    let Storage { usual, spare } = storage;
    let mut request = httparse::Request::new(&mut []);
    let outcome = request.parse_with_uninit_headers(bytes, usual);
    if target_bytes(&request, bytes) > limits.target_bytes {
        return Err(ParseError::TargetTooLong);
    }
    match outcome {
        Ok(Status::Complete(length)) => complete(request, &bytes[..length]).map(Some),
        Ok(Status::Partial) => Ok(None),
        Err(Error::Version) => later_version(&request, bytes, spare),
        Err(error) => refuse(error, &request, bytes).map(|()| None),
    }
}

fn complete<'h, 'b>(
    request: httparse::Request<'h, 'b>,
    head: &[u8],
) -> Result<Head<'h, 'b>, ParseError> {
    let httparse::Request {
        method: Some(method),
        path: Some(target),
        version,
        headers,
    } = request
    else {
        return Err(ParseError::MalformedRequestLine);
    };
    checked_lines(head, headers.len())?;
    let version = if version == Some(0) {
        Version::Http10
    } else {
        Version::Http11
    };
    Ok(Head {
        method,
        target,
        version,
        fields: headers,
        bytes: head.len(),
    })
}

/// Refuses a head of so many fields in which a line ends in a bare LF.
///
/// httparse lets CR stand before LF only. So each line has its own CR, or its LF is bare.
fn checked_lines(head: &[u8], field_count: usize) -> Result<(), ParseError> {
    let line_count = field_count + 2;
    if head.iter().filter(|&&byte| byte == b'\r').count() == line_count {
        Ok(())
    } else {
        Err(ParseError::BareLineFeed)
    }
}

/// Names the fault httparse has found, unless the bytes that tell it from another are yet to come.
#[cold]
fn refuse(
    error: Error,
    request: &httparse::Request<'_, '_>,
    bytes: &[u8],
) -> Result<(), ParseError> {
    match error {
        Error::HeaderName => Err(ParseError::MalformedFieldName),
        Error::HeaderValue => Err(ParseError::MalformedFieldValue),
        Error::NewLine => Err(ParseError::MalformedLineEnd),
        Error::Status => Err(ParseError::MalformedRequestLine),
        Error::Token => refuse_token(request, bytes),
        Error::TooManyHeaders => Err(ParseError::TooManyFields),
        Error::Version => Err(ParseError::UnsupportedVersion),
    }
}

/// Tells HTTP/0.9, a request line without a version, from a malformed method or target.
fn refuse_token(request: &httparse::Request<'_, '_>, bytes: &[u8]) -> Result<(), ParseError> {
    let Some(method) = request.method else {
        return Err(ParseError::MalformedRequestLine);
    };
    let target = after(method, bytes);
    match target.split_at(visible_bytes(target)) {
        ([_, ..], [b'\r']) => Ok(()),
        ([_, ..], [b'\r', b'\n', ..]) => Err(ParseError::UnsupportedVersion),
        _ => Err(ParseError::MalformedRequestLine),
    }
}

/// Goes on where httparse gave up: at a version that is not HTTP/1.0 or HTTP/1.1.
///
/// HTTP/1.2 to HTTP/1.9 are understood as the highest minor version known here, since a minor
/// version changes no framing (RFC 9110 section 2.5); other versions of the right form are refused
/// as such. As httparse does, a bare LF may end the line for now: [`checked_lines`] finds it.
#[cold]
fn later_version<'h, 'b>(
    request: &httparse::Request<'_, 'b>,
    bytes: &'b [u8],
    spare: &'h mut Option<[Header<'b>; MAX_HEADERS]>,
) -> Result<Option<Head<'h, 'b>>, ParseError> {
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(ParseError::MalformedRequestLine);
    };
    let version = after(target, after(method, bytes));
    let fits = |(&form, &byte): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        literal => literal == byte,
    };
    if !VERSION_FORM.iter().zip(version).all(fits) {
        return Err(ParseError::MalformedRequestLine);
    }
    let fields = match version.split_at_checked(VERSION_FORM.len()) {
        None | Some(([.., b'1', b'.', _], [] | [b'\r'])) => return Ok(None),
        Some(([.., b'1', b'.', _], [b'\r', b'\n', fields @ ..] | [b'\n', fields @ ..])) => fields,
        Some(([.., b'1', b'.', _], _)) => return Err(ParseError::MalformedLineEnd),
        Some(_) => return Err(ParseError::UnsupportedVersion),
    };
    match httparse::parse_headers(fields, spare.insert([httparse::EMPTY_HEADER; MAX_HEADERS])) {
        Ok(Status::Complete((length, headers))) => {
            let bytes = &bytes[..bytes.len() - fields.len() + length];
            checked_lines(bytes, headers.len())?;
            Ok(Some(Head {
                method,
                target,
                version: Version::Http11,
                fields: headers,
                bytes: bytes.len(),
            }))
        }
        Ok(Status::Partial) => Ok(None),
        Err(error) => refuse(error, request, bytes).map(|()| None),
    }
}

/// Length of the target, or of as much of it as has come and is sound.
fn target_bytes(request: &httparse::Request<'_, '_>, bytes: &[u8]) -> usize {
    match (request.method, request.path) {
        (_, Some(target)) => target.len(),
        (Some(method), None) => visible_bytes(after(method, bytes)),
        (None, None) => 0,
    }
}

/// What follows `part` of the request line, at the start of `bytes`, and its space.
fn after<'b>(part: &str, bytes: &'b [u8]) -> &'b [u8] {
    bytes.get(part.len() + 1..).unwrap_or_default()
}

/// How many bytes come before the first space or control byte.
fn visible_bytes(bytes: &[u8]) -> usize {
    let is_end = |byte: &u8| matches!(byte, 0..=b' ' | 0x7f);
    bytes.iter().position(is_end).unwrap_or(bytes.len())
}

/// RFC 9112 section 2.2 asks for at least one; a few more do no harm.
const MAX_EMPTY_LINES: usize = 4;

/// RFC 9113 section 3.4.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A version as in RFC 9112 section 2.3, where `0` stands for any digit.
const VERSION_FORM: &[u8] = b"HTTP/0.0";
