//! The fields of a request that decide about files, picked in one pass.
//!
//! Here, too, are the rules for a field that appears twice. It must never pass over a field that
//! delimits the body: what follows the head would be read as another request.

use super::{BodyLength, Expectation, KeepAlive, ParseError, Version, host};
use crate::list;

/// The most lines kept of a field whose value is a list.
pub const MAX_LINES: usize = 4;

/// The lines of one list-valued field, in the order they came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Lines<'b> {
    lines: [&'b [u8]; MAX_LINES],
    count: usize,
}

impl<'b> Lines<'b> {
    /// Whether the field is absent; a field with an empty value is present.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The value of each line, without the whitespace around it.
    pub fn iter(&self) -> impl Iterator<Item = &'b [u8]> + '_ {
        self.lines[..self.count].iter().copied()
    }

    fn push(&mut self, line: &'b [u8], name: &'static str) -> Result<(), ParseError> {
        let slot = self
            .lines
            .get_mut(self.count)
            .ok_or(ParseError::TooManyLines(name))?;
        *slot = line;
        self.count += 1;
        Ok(())
    }
}

/// Whether the client offers to change the protocol (RFC 9110 section 7.8).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Upgrade {
    /// No.
    #[default]
    Absent,
    /// Yes, and `Connection` names the offer; never so for HTTP/1.0.
    Offered,
}

/// The request fields that the file path acts on, uninterpreted.
///
/// A value has no whitespace around it and no control bytes but tabs; it need not be UTF-8.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Fields<'b> {
    /// `Accept`.
    pub accept: Lines<'b>,
    /// `Accept-Encoding`.
    pub accept_encoding: Lines<'b>,
    /// `Access-Control-Request-Method`: a browser asks before it asks.
    pub access_control_request_method: Option<&'b [u8]>,
    /// `endpoint-load-metrics-format`: the client is a balancer that wants to know our load (ORCA).
    pub endpoint_load_metrics_format: Option<&'b [u8]>,
    /// `If-Match`.
    pub if_match: Lines<'b>,
    /// `If-Modified-Since`; empty, and so no date and ignored, if there was more than one.
    pub if_modified_since: Option<&'b [u8]>,
    /// `If-None-Match`.
    pub if_none_match: Lines<'b>,
    /// `If-Range`; empty, and so never true, if there was more than one.
    pub if_range: Option<&'b [u8]>,
    /// `If-Unmodified-Since`; empty, and so no date and ignored, if there was more than one.
    pub if_unmodified_since: Option<&'b [u8]>,
    /// `Origin`; empty if there was more than one.
    pub origin: Option<&'b [u8]>,
    /// `Range`; empty, and so malformed and ignored, if there was more than one.
    pub range: Option<&'b [u8]>,
    /// `Referer`.
    pub referer: Option<&'b [u8]>,
    /// `Upgrade`.
    pub upgrade: Upgrade,
    /// `User-Agent`.
    pub user_agent: Option<&'b [u8]>,
    /// `Want-Digest`, the older form of the next (RFC 3230 section 4.3.1).
    pub want_digest: Lines<'b>,
    /// `Want-Repr-Digest` (RFC 9530 section 4).
    pub want_repr_digest: Lines<'b>,
}

/// All that one pass over the fields finds, before it is known to make sense together.
#[derive(Debug, Default)]
pub(super) struct Picked<'b> {
    connection: ConnectionOptions,
    content_length: Option<&'b [u8]>,
    expectation: Expectation,
    fields: Fields<'b>,
    host: Option<&'b [u8]>,
    transfer_encoding: Option<&'b [u8]>,
}

impl<'b> Picked<'b> {
    /// Picks the known fields; others are passed over.
    pub(super) fn pick(headers: &[httparse::Header<'b>]) -> Result<Self, ParseError> {
        let mut picked = Self::default();
        for header in headers {
            if let Some(name) = Name::of(header.name) {
                picked.take(name, header.value)?;
            }
        }
        Ok(picked)
    }

    fn take(&mut self, name: Name, value: &'b [u8]) -> Result<(), ParseError> {
        let fields = &mut self.fields;
        match name {
            Name::Accept => fields.accept.push(value, "Accept")?,
            Name::AcceptEncoding => fields.accept_encoding.push(value, "Accept-Encoding")?,
            Name::AccessControlRequestMethod => {
                set_or_spoil(&mut fields.access_control_request_method, value);
            }
            Name::Connection => self.connection.read(value),
            Name::ContentLength => set_once(&mut self.content_length, value, "Content-Length")?,
            Name::EndpointLoadMetricsFormat => {
                set_or_spoil(&mut fields.endpoint_load_metrics_format, value);
            }
            Name::Expect => self.expect(value)?,
            Name::Host => set_once(&mut self.host, value, "Host")?,
            Name::IfMatch => fields.if_match.push(value, "If-Match")?,
            Name::IfModifiedSince => set_or_spoil(&mut fields.if_modified_since, value),
            Name::IfNoneMatch => fields.if_none_match.push(value, "If-None-Match")?,
            Name::IfRange => set_or_spoil(&mut fields.if_range, value),
            Name::IfUnmodifiedSince => set_or_spoil(&mut fields.if_unmodified_since, value),
            Name::Origin => set_or_spoil(&mut fields.origin, value),
            Name::Range => set_or_spoil(&mut fields.range, value),
            Name::Referer => set_once(&mut fields.referer, value, "Referer")?,
            Name::TransferEncoding => {
                set_once(&mut self.transfer_encoding, value, "Transfer-Encoding")?;
            }
            Name::Upgrade => fields.upgrade = Upgrade::Offered,
            Name::UserAgent => set_once(&mut fields.user_agent, value, "User-Agent")?,
            Name::WantDigest => fields.want_digest.push(value, "Want-Digest")?,
            Name::WantReprDigest => fields.want_repr_digest.push(value, "Want-Repr-Digest")?,
        }
        Ok(())
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), ParseError> {
        for expectation in list::elements(value) {
            if !expectation.eq_ignore_ascii_case(b"100-continue") {
                return Err(ParseError::UnknownExpectation);
            }
            self.expectation = Expectation::Continue;
        }
        Ok(())
    }

    /// The value of `Host`; required from HTTP/1.1 on (RFC 9112 section 3.2).
    pub(super) fn host(&self, version: Version) -> Result<&'b [u8], ParseError> {
        match (self.host, version) {
            (Some(value), _) => host::check(value),
            (None, Version::Http10) => Ok(b""),
            (None, Version::Http11) => Err(ParseError::MissingHost),
        }
    }

    /// RFC 9112 section 9.3: `close` wins, then the version decides.
    pub(super) fn keep_alive(&self, version: Version) -> KeepAlive {
        match (self.connection, version) {
            (ConnectionOptions { close: true, .. }, _) => KeepAlive::No,
            (_, Version::Http11) => KeepAlive::Yes,
            (
                ConnectionOptions {
                    keep_alive: true, ..
                },
                Version::Http10,
            ) => KeepAlive::Yes,
            _ => KeepAlive::No,
        }
    }

    /// RFC 9112 section 6.3, with each choice it leaves made for refusal.
    pub(super) fn body(&self, version: Version) -> Result<BodyLength, ParseError> {
        match (self.content_length, self.transfer_encoding, version) {
            (None, None, _) => Ok(BodyLength::None),
            (Some(_), Some(_), _) => Err(ParseError::ConflictingFraming),
            (Some(length), None, _) => read_content_length(length),
            (None, Some(_), Version::Http10) => Err(ParseError::InvalidTransferEncoding),
            (None, Some(codings), Version::Http11) => read_transfer_encoding(codings),
        }
    }

    /// HTTP/1.0 knows no expectations (RFC 9110 section 10.1.1).
    pub(super) fn expectation(&self, version: Version) -> Expectation {
        match version {
            Version::Http10 => Expectation::None,
            Version::Http11 => self.expectation,
        }
    }

    /// The picked fields, where an `Upgrade` that does not count is gone.
    pub(super) fn fields(&self, version: Version) -> Fields<'b> {
        let upgrade = match (version, self.connection.upgrade) {
            (Version::Http11, true) => self.fields.upgrade,
            _ => Upgrade::Absent,
        };
        Fields {
            upgrade,
            ..self.fields
        }
    }
}

/// The members of `Connection` that matter here.
#[derive(Clone, Copy, Debug, Default)]
struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

impl ConnectionOptions {
    fn read(&mut self, value: &[u8]) {
        for option in list::elements(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }
}

fn set_once<'b>(
    slot: &mut Option<&'b [u8]>,
    value: &'b [u8],
    name: &'static str,
) -> Result<(), ParseError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ParseError::RepeatedField(name)),
    }
}

/// For a field that must be ignored when it is malformed, as it is when it comes twice: the lines
/// are one value with a comma in it (RFC 9110 section 5.3).
fn set_or_spoil<'b>(slot: &mut Option<&'b [u8]>, value: &'b [u8]) {
    *slot = Some(if slot.is_none() { value } else { b"" });
}

fn read_content_length(value: &[u8]) -> Result<BodyLength, ParseError> {
    // `u64::from_str` would take a leading `+`.
    let length = value.iter().try_fold(0_u64, |length, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    });
    match (value, length) {
        ([], _) | (_, None) => Err(ParseError::InvalidContentLength),
        (_, Some(0)) => Ok(BodyLength::None),
        (_, Some(length)) => Ok(BodyLength::Known(length)),
    }
}

/// Tells a body that has an end but cannot be decoded from one whose end is unknown (RFC 9112
/// section 6.1 and 6.3): the first is not implemented, the second malformed.
fn read_transfer_encoding(value: &[u8]) -> Result<BodyLength, ParseError> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if is_chunked(value) {
        return Ok(BodyLength::Chunked);
    }
    let ends_chunked = list::split(value, b',').last().is_some_and(is_chunked);
    let chunked_count = list::elements(value)
        .filter(|coding| is_chunked(coding))
        .count();
    match ends_chunked && chunked_count == 1 {
        true => Err(ParseError::UnknownTransferCoding),
        false => Err(ParseError::InvalidTransferEncoding),
    }
}

/// A field that is picked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Name {
    Accept,
    AcceptEncoding,
    AccessControlRequestMethod,
    Connection,
    ContentLength,
    EndpointLoadMetricsFormat,
    Expect,
    Host,
    IfMatch,
    IfModifiedSince,
    IfNoneMatch,
    IfRange,
    IfUnmodifiedSince,
    Origin,
    Range,
    Referer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    WantDigest,
    WantReprDigest,
}

impl Name {
    /// Finds a name by its length first, so that most fields cost one comparison or none.
    fn of(name: &str) -> Option<Self> {
        let candidates: &[(&str, Self)] = match name.len() {
            4 => &[("host", Self::Host)],
            5 => &[("range", Self::Range)],
            6 => &[
                ("accept", Self::Accept),
                ("expect", Self::Expect),
                ("origin", Self::Origin),
            ],
            7 => &[("referer", Self::Referer), ("upgrade", Self::Upgrade)],
            8 => &[("if-match", Self::IfMatch), ("if-range", Self::IfRange)],
            10 => &[
                ("connection", Self::Connection),
                ("user-agent", Self::UserAgent),
            ],
            11 => &[("want-digest", Self::WantDigest)],
            13 => &[("if-none-match", Self::IfNoneMatch)],
            14 => &[("content-length", Self::ContentLength)],
            15 => &[("accept-encoding", Self::AcceptEncoding)],
            16 => &[("want-repr-digest", Self::WantReprDigest)],
            17 => &[
                ("if-modified-since", Self::IfModifiedSince),
                ("transfer-encoding", Self::TransferEncoding),
            ],
            19 => &[("if-unmodified-since", Self::IfUnmodifiedSince)],
            28 => &[(
                "endpoint-load-metrics-format",
                Self::EndpointLoadMetricsFormat,
            )],
            29 => &[(
                "access-control-request-method",
                Self::AccessControlRequestMethod,
            )],
            _ => &[],
        };
        let known = candidates
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))?;
        Some(known.1)
    }
}

#[cfg(test)]
mod tests;
