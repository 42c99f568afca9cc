//! How a case is sent and its answer received.
//!
//! A transport must never mend an answer: what is too short, too long or doubled is an error.

use std::{fmt, io, net::SocketAddr};

use overspill_wire::paths;

use crate::{
    http::{Reply, Wire},
    http2,
    secure::Terms,
};

/// A request in the words that all versions of HTTP share.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// Path and query, or `*`.
    pub(crate) target: &'a str,
    /// Field lines, each with its end, without `Host`.
    pub(crate) fields: &'a str,
}

/// The versions that differ in what a request can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The request was called malformed, with this status if there are any; or cannot even be
    /// written.
    Refused(Option<u16>),
    /// In which way the exchange failed.
    Other(String),
}

/// A way to exchange a request for its answer.
pub(crate) trait Speak {
    /// What it is called in a report.
    fn name(&self) -> &'static str;

    /// What it speaks.
    fn version(&self) -> Version;

    /// Sends one request and receives its answer, whose body is as long as the head says.
    fn exchange(&self, asked: &Asked<'_>) -> Result<Reply, Broken>;
}

/// HTTP/1.1, a connection for each exchange.
pub(crate) struct Http1 {
    name: &'static str,
    address: SocketAddr,
    terms: Option<Terms>,
    /// What is asked for before, on the same connection.
    first: Option<&'static str>,
}

impl Http1 {
    /// In the clear.
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self {
            name: "HTTP/1.1",
            address,
            terms: None,
            first: None,
        }
    }

    /// Over TLS.
    pub(crate) fn secure(address: SocketAddr, terms: Terms) -> Self {
        Self {
            name: "HTTP/1.1 over TLS",
            terms: Some(terms),
            ..Self::to(address)
        }
    }

    /// The same on a connection that first asked for something else than a file.
    ///
    /// Such a connection is read and written by other code than the usual one; its answers must not
    /// show it.
    pub(crate) fn handed_over(self) -> Self {
        Self {
            name: match self.terms {
                None => "HTTP/1.1, handed over",
                Some(_) => "HTTP/1.1 over TLS, handed over",
            },
            first: Some(paths::READY),
            ..self
        }
    }

    /// A connection.
    pub(crate) fn open(&self) -> io::Result<Wire> {
        match &self.terms {
            None => Wire::open(self.address),
            Some(terms) => terms.open(self.address),
        }
    }
}

impl Speak for Http1 {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> Version {
        Version::Http1
    }

    fn exchange(&self, asked: &Asked<'_>) -> Result<Reply, Broken> {
        let mut wire = self.open().map_err(|error| other("connect", &error))?;
        let host = self.address;
        if let Some(first) = self.first {
            wire.send(format!("GET {first} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            let reply = wire.reply();
            if reply.status != 200 {
                return Err(other("the first answer", &reply.head));
            }
        }
        last_exchange(&mut wire, host, asked)
    }
}

/// Sends the last request of a connection; its answer, if nothing else follows.
fn last_exchange(wire: &mut Wire, host: SocketAddr, asked: &Asked<'_>) -> Result<Reply, Broken> {
    let Asked {
        method,
        target,
        fields,
    } = asked;
    wire.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n"
    ));
    let mut reply = wire.head().map_err(|error| other("no answer", &error))?;
    if has_body(method, reply.status) {
        reply.body = match reply.field("transfer-encoding") {
            None => wire.body(reply.length()),
            Some("chunked") => wire.chunked_body().map_err(|error| other("body", &error))?,
            Some(coding) => return Err(other("a coding nobody asked for", &coding)),
        };
        check_length(&reply)?;
    }
    if !wire.has_ended() {
        return Err(other("more follows, or no end", &reply.head));
    }
    Ok(reply)
}

/// HTTP/2, a connection for each exchange.
pub(crate) struct Http2 {
    name: &'static str,
    client: http2::Client,
}

impl Http2 {
    /// In the clear, by prior knowledge.
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self {
            name: "HTTP/2 in the clear",
            client: http2::Client::to(address, None),
        }
    }

    /// Over TLS, which has to choose it.
    pub(crate) fn secure(address: SocketAddr, terms: Terms) -> Self {
        Self {
            name: "HTTP/2 over TLS",
            client: http2::Client::to(address, Some(terms)),
        }
    }
}

impl Speak for Http2 {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> Version {
        Version::Http2
    }

    fn exchange(&self, asked: &Asked<'_>) -> Result<Reply, Broken> {
        let Asked {
            method,
            target,
            fields,
        } = asked;
        let reply = self.client.exchange(method, target, fields)?;
        check_fields(&reply)?;
        if has_body(method, reply.status) {
            check_length(&reply)?;
        }
        Ok(reply)
    }
}

/// What may not be in an answer of HTTP/2 at all (RFC 9113 section 8.2.2).
fn check_fields(reply: &Reply) -> Result<(), Broken> {
    const OF_A_CONNECTION: [&str; 5] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    ];
    let one = OF_A_CONNECTION
        .iter()
        .find(|name| reply.field(name).is_some());
    one.map_or(Ok(()), |name| Err(other(name, &"over HTTP/2")))
}

fn check_length(reply: &Reply) -> Result<(), Broken> {
    let (found, promised) = (reply.body.len() as u64, reply.length());
    let is_right = reply.field("content-length").is_none() || found == promised;
    if is_right && !reply.is_cut() {
        return Ok(());
    }
    Err(other(&format!("{found} bytes of body"), &reply.head))
}

/// Whether a body follows the head of an answer (RFC 9112 section 6.3).
pub(crate) fn has_body(method: &str, status: u16) -> bool {
    method != "HEAD" && status != 204 && status != 304
}

fn other(what: &str, detail: &dyn fmt::Display) -> Broken {
    Broken::Other(format!("{what}: {detail}"))
}

impl From<http2::Broken> for Broken {
    fn from(broken: http2::Broken) -> Self {
        match broken {
            http2::Broken::Impossible(_) | http2::Broken::Reset(h2::Reason::PROTOCOL_ERROR) => {
                Self::Refused(None)
            }
            broken => Self::Other(broken.to_string()),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(None) => f.write_str("refused as malformed, or cannot be written"),
            Self::Refused(Some(status)) => write!(f, "refused as malformed with {status}"),
            Self::Other(detail) => f.write_str(detail),
        }
    }
}
