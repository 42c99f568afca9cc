//! What is known about a request once it is over.
//!
//! A record borrows everything, for it lives only until its line is formatted. It must never hold
//! what was promised in place of what was done.

use std::net::IpAddr;

use overspill_net::{AskedVersion, Outcome};

/// One request and its response.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the request had arrived, in microseconds since 1970.
    pub at_unix_us: u64,
    /// The client's address, IPv4 as IPv4.
    pub client: IpAddr,
    /// The method as sent; empty when there was no telling.
    pub method: &'a [u8],
    /// The target as sent; a ticket in it is masked in the line.
    pub target: &'a [u8],
    /// The version of HTTP.
    pub version: AskedVersion,
    /// The status of the response.
    pub status: u16,
    /// Bytes of the body as promised in the head.
    pub planned_bytes: u64,
    /// Bytes of the body accepted by the kernel.
    pub sent_bytes: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// From `at_unix_us` to the end, in microseconds.
    pub duration_us: u64,
    /// What was decided.
    pub decision: LoggedDecision<'a>,
    /// Of an answer with a range: its first byte, of the first range if there are several. Anything
    /// but 0 is a resumed download, as far as one can tell.
    pub offset: Option<u64>,
    /// The field `Host`, or the authority; empty when there is none.
    pub host: &'a [u8],
    /// The field `Referer`; empty when there is none. A ticket in it is masked, too.
    pub referer: &'a [u8],
    /// The field `User-Agent`; empty when there is none.
    pub user_agent: &'a [u8],
    /// The version of TLS, such as `TLSv1.3`; `None` for plain TCP.
    pub tls: Option<&'a str>,
}

/// What was decided about a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LoggedDecision<'a> {
    /// To another node, which is named.
    Redirect {
        /// Where to.
        member: &'a str,
    },
    /// Passed on from another node, which is named.
    Relay {
        /// Where from, at the start.
        member: &'a str,
    },
    /// Turned away: overload or a limit.
    Reject,
    /// Back to whoever sent the client, because the promised version is not here.
    SendBack {
        /// Where to, if it is known by name; otherwise empty.
        member: &'a str,
    },
    /// Answered here, be it with an error.
    Serve,
}

impl<'a> LoggedDecision<'a> {
    /// The word in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Redirect { .. } => "redirect",
            Self::Relay { .. } => "relay",
            Self::Reject => "reject",
            Self::SendBack { .. } => "send-back",
            Self::Serve => "serve",
        }
    }

    /// The node the client was sent to, or its bytes came from; empty if none.
    pub(super) fn member(self) -> &'a str {
        match self {
            Self::Redirect { member } | Self::Relay { member } | Self::SendBack { member } => {
                member
            }
            Self::Reject | Self::Serve => "",
        }
    }
}
