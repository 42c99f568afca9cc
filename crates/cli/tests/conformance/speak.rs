//! How a case is sent and its answer received.
//!
//! A transport must never mend an answer: what is too short, too long or doubled is an error.

use std::net::SocketAddr;

use overspill_wire::paths;

use crate::http::{Reply, Wire};

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

/// A way to exchange a request for its answer.
pub(crate) trait Speak {
    /// What it is called in a report.
    fn name(&self) -> &'static str;

    /// Sends one request and receives its answer, whose body is as long as the head says.
    ///
    /// An error says in which way the exchange itself failed.
    fn exchange(&mut self, asked: &Asked<'_>) -> Result<Reply, String>;
}

/// HTTP/1.1 over TCP, a connection for each exchange.
#[derive(Debug)]
pub(crate) struct Http1 {
    address: SocketAddr,
}

impl Http1 {
    /// Speaks to the node at `address`.
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self { address }
    }
}

impl Speak for Http1 {
    fn name(&self) -> &'static str {
        "HTTP/1.1"
    }

    fn exchange(&mut self, asked: &Asked<'_>) -> Result<Reply, String> {
        let mut wire = Wire::open(self.address).map_err(|error| format!("connect: {error}"))?;
        last_exchange(&mut wire, self.address, asked)
    }
}

/// HTTP/1.1 on a connection that first asked for something else than a file.
///
/// Such a connection is read and written by other code than the usual one; its answers must not
/// show it.
#[derive(Debug)]
pub(crate) struct HandedOver {
    address: SocketAddr,
}

impl HandedOver {
    /// Speaks to the node at `address`.
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self { address }
    }
}

impl Speak for HandedOver {
    fn name(&self) -> &'static str {
        "HTTP/1.1, handed over"
    }

    fn exchange(&mut self, asked: &Asked<'_>) -> Result<Reply, String> {
        let mut wire = Wire::open(self.address).map_err(|error| format!("connect: {error}"))?;
        let host = self.address;
        wire.send(format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n",
            paths::READY
        ));
        let ready = wire.reply();
        if ready.status != 200 {
            return Err(format!("not ready:\n{}", ready.head));
        }
        last_exchange(&mut wire, host, asked)
    }
}

/// Sends the last request of a connection; its answer, if nothing else follows.
fn last_exchange(wire: &mut Wire, host: SocketAddr, asked: &Asked<'_>) -> Result<Reply, String> {
    let Asked {
        method,
        target,
        fields,
    } = asked;
    wire.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n"
    ));
    let mut reply = wire.head().map_err(|error| format!("no answer: {error}"))?;
    if has_body(method, reply.status) {
        reply.body = wire.body(reply.length());
    }
    if has_body(method, reply.status) && reply.is_cut() {
        return Err(format!(
            "cut after {} bytes:\n{}",
            reply.body.len(),
            reply.head
        ));
    }
    if !wire.has_ended() {
        return Err(format!("more follows, or no end:\n{}", reply.head));
    }
    Ok(reply)
}

/// Whether a body follows the head of an answer (RFC 9112 section 6.3).
pub(crate) fn has_body(method: &str, status: u16) -> bool {
    method != "HEAD" && status != 204 && status != 304
}
