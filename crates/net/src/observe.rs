//! What is known of an exchange once it is over, for logs.
//!
//! Put together only if the service observes. It must never hold up the connection, and never claim
//! a byte that the kernel did not accept.

use std::time::Duration;

use overspill_http1::request::{Request, Version};

use crate::{
    service::{Client, Decision},
    sweeper::Overdue,
    transmit::TransmitError,
};

/// One request and how its answer went.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Who asked.
    pub client: &'a Client,
    /// What was asked.
    pub request: Asked<'a>,
    /// Status code of the answer.
    pub status: u16,
    /// Bytes of the body that the answer was to have.
    pub planned_bytes: u64,
    /// Bytes of the body that the kernel accepted.
    pub sent_bytes: u64,
    /// Whether it was complete.
    pub outcome: Outcome,
    /// What had been decided about it.
    pub decision: &'a Decision,
    /// From the arrival of the head to the last byte accepted by the kernel.
    pub lasted: Duration,
}

/// A request as it was received; nothing in it is to be trusted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a [u8],
    /// Path and query.
    pub target: &'a [u8],
    /// Version of HTTP.
    pub version: AskedVersion,
    /// The authority, empty if there was none.
    pub host: &'a [u8],
    /// `Range`, if there was one.
    pub range: Option<&'a [u8]>,
    /// `Referer`, if there was one.
    pub referer: Option<&'a [u8]>,
    /// `User-Agent`, if there was one.
    pub user_agent: Option<&'a [u8]>,
}

/// Version of HTTP that a request came by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AskedVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

/// How a response ended. The word in the log says by whom it was cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Every byte was accepted by the kernel.
    Complete,
    /// `cut-by-client`: the client closed or reset the connection.
    CutByClient,
    /// `cut-file-changed`: the file changed while it was sent, so we cut rather than mix versions.
    CutFileChanged,
    /// `cut-file-unreadable`: our disk, or whoever made the body, failed.
    CutFileUnreadable,
    /// `cut-idle`: the client accepted no byte for too long.
    CutIdle,
    /// `cut-nobody-left`: every node that had the bytes failed.
    CutNobodyLeft,
    /// `cut-too-slow`: the client stayed below the least rate.
    CutTooSlow,
}

impl Outcome {
    /// How a response ended whose connection failed, given whether the sweeper had ended that.
    pub(crate) fn of_client(ended: Option<Overdue>) -> Self {
        match ended {
            Some(Overdue::Silent) => Self::CutIdle,
            Some(Overdue::Slow) => Self::CutTooSlow,
            None => Self::CutByClient,
        }
    }

    /// The word in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::CutByClient => "cut-by-client",
            Self::CutFileChanged => "cut-file-changed",
            Self::CutFileUnreadable => "cut-file-unreadable",
            Self::CutIdle => "cut-idle",
            Self::CutNobodyLeft => "cut-nobody-left",
            Self::CutTooSlow => "cut-too-slow",
        }
    }
}

impl AskedVersion {
    /// As in `HTTP/1.1`.
    pub fn number(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2.0",
        }
    }
}

impl<'a> Asked<'a> {
    /// The target without its query.
    pub(crate) fn path(&self) -> &'a [u8] {
        let mut parts = self.target.split(|&byte| byte == b'?');
        parts.next().unwrap_or_default()
    }

    /// A request whose head was understood; `head` is its bytes.
    pub(crate) fn of_request(head: &'a [u8], request: &Request<'a>) -> Self {
        Self {
            version: match request.version {
                Version::Http10 => AskedVersion::Http10,
                Version::Http11 => AskedVersion::Http11,
            },
            host: request.host,
            range: request.fields.range,
            referer: request.fields.referer,
            user_agent: request.fields.user_agent,
            ..Self::of_head(head)
        }
    }

    /// Whatever can be made out of bytes that were to be a head.
    pub(crate) fn of_head(head: &'a [u8]) -> Self {
        let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut words = line.split(|&byte| byte == b' ');
        Self {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            ..Self::default()
        }
    }
}

/// The status code in a head that we wrote ourselves: `HTTP/1.1 200 …`.
pub(crate) fn status_of(head: &[u8]) -> u16 {
    let digits = head.get(b"HTTP/1.1 ".len()..).unwrap_or_default();
    let value = |code: u16, digit: &u8| code * 10 + u16::from(digit.wrapping_sub(b'0') % 10);
    digits.iter().take(3).fold(0, value)
}

impl TransmitError {
    /// Whose doing the end was.
    pub(crate) fn outcome(&self, ended: Option<Overdue>) -> Outcome {
        match self {
            Self::Client(_) => Outcome::of_client(ended),
            Self::Changed => Outcome::CutFileChanged,
            Self::Relay(_) => Outcome::CutNobodyLeft,
            _ => Outcome::CutFileUnreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_for_the_log_whatever_it_is() {
        let asked = Asked::of_head(b"GET /a%20b?c HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(
            (asked.method, asked.target),
            (&b"GET"[..], &b"/a%20b?c"[..])
        );
        for nonsense in [&b""[..], b"\n", b"\r\n", b" ", b"\0\xff\r\n:"] {
            assert_eq!(Asked::of_head(nonsense).target, b"");
        }
    }

    #[test]
    fn the_status_is_read_back() {
        assert_eq!(status_of(b"HTTP/1.1 206 Partial Content\r\n"), 206);
        assert_eq!(status_of(b"HTTP"), 0);
    }
}
