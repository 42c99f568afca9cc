//! Cases about HTTP/1.1 itself: the very bytes of a connection, and all that comes back.
//!
//! They hold for no other version: framing, versions, keep-alive. A node must never give more answers
//! than there are requests, nor leave a connection open whose next request cannot be found.

use std::io;

use crate::http::Wire;

/// What is sent on one connection, and what must come back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// The document and section that ask for it.
    pub(crate) rfc: &'static str,
    /// The bytes, sent at once.
    pub(crate) bytes: &'static [u8],
    /// The answers in order.
    pub(crate) answers: &'static [Answer],
    /// What becomes of the connection.
    pub(crate) then: Then,
}

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// This status, and a body as long as the head says.
    Body(u16),
    /// This status, and no body whatever the head says.
    Head(u16),
    /// This status, and exactly this body.
    Text(u16, &'static str),
}

/// What becomes of a connection after its last answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// The node closes it, though the client has not.
    Closed,
    /// Another request is answered on it.
    Open,
}

/// A row of a table.
pub(crate) const fn stream(
    rfc: &'static str,
    bytes: &'static [u8],
    answers: &'static [Answer],
    then: Then,
) -> Stream {
    Stream {
        rfc,
        bytes,
        answers,
        then,
    }
}

/// How a connection is made.
pub(crate) type Open<'a> = &'a dyn Fn() -> io::Result<Wire>;

/// Runs all streams, each on a connection made by `open`.
///
/// # Panics
/// With the section, the bytes and what came back for every one that fails.
pub(crate) fn check(streams: &[Stream], open: Open<'_>) {
    let failures: Vec<String> = streams
        .iter()
        .filter_map(|stream| {
            let fault = fault(stream, open)?;
            let Stream { rfc, bytes, .. } = stream;
            let sent = bytes.escape_ascii();
            let (answers, then) = (stream.answers, stream.then);
            Some(format!(
                "RFC {rfc}\n> {sent}\nexpected {answers:?} {then:?}\nfound {fault}\n"
            ))
        })
        .collect();
    let (failed, count) = (failures.len(), streams.len());
    assert!(
        failed == 0,
        "{failed} of {count} failed\n\n{}",
        failures.join("\n")
    );
}

fn fault(stream: &Stream, open: Open<'_>) -> Option<String> {
    let mut wire = open().expect("a node that accepts");
    wire.send(stream.bytes);
    for answer in stream.answers {
        if let Some(fault) = answer_fault(*answer, &mut wire) {
            return Some(fault);
        }
    }
    match stream.then {
        Then::Closed => (!wire.has_ended()).then(|| "no end, or more answers".to_owned()),
        Then::Open => {
            wire.send("GET /hello.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            let probe = answer_fault(Answer::Text(200, "hello world"), &mut wire);
            probe.map(|fault| format!("another request was answered with {fault}"))
        }
    }
}

fn answer_fault(expected: Answer, wire: &mut Wire) -> Option<String> {
    let mut reply = match wire.head() {
        Ok(reply) => reply,
        Err(error) => return Some(format!("no answer: {error}")),
    };
    let (status, text) = match expected {
        Answer::Body(status) => (status, None),
        Answer::Head(status) => (status, Some("")),
        Answer::Text(status, text) => (status, Some(text)),
    };
    if !matches!(expected, Answer::Head(_)) {
        reply.body = wire.body(reply.length());
    }
    let is_right = reply.status == status
        && text.is_none_or(|text| reply.body == text.as_bytes())
        && reply.field("date").is_some()
        && reply.head.starts_with("HTTP/1.1 ");
    let body = reply.body.escape_ascii();
    (!is_right).then(|| format!("{}\n{body}", reply.head))
}
