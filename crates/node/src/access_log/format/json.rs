//! Lines as JSON.
//!
//! Written by hand, for a serializer would be told nothing that is not known here. Whatever a client
//! sent goes through `text::json`; it must never reach the line in another way.

use super::super::{
    record::Record,
    text::{address, decimal, json, masked},
};

/// Appends the line of `record`.
pub(super) fn append(record: &Record<'_>, second: &[u8], node: &[u8], line: &mut Vec<u8>) {
    time(record.at_unix_us, second, line);
    line.extend_from_slice(b",\"client\":\"");
    address(record.client, line);
    line.extend_from_slice(b"\",\"method\":\"");
    json(record.method, line);
    line.extend_from_slice(b"\",\"target\":\"");
    masked(record.target, json, line);
    line.extend_from_slice(b"\",\"version\":\"");
    line.extend_from_slice(record.version.number().as_bytes());
    line.push(b'"');
    number("status", u64::from(record.status), line);
    number("planned_bytes", record.planned_bytes, line);
    number("sent_bytes", record.sent_bytes, line);
    word("outcome", record.outcome.word(), line);
    number("duration_us", record.duration_us, line);
    line.extend_from_slice(b",\"node\":\"");
    line.extend_from_slice(node);
    line.push(b'"');
    word("decision", record.decision.word(), line);
    optional("member", record.decision.member().as_bytes(), line);
    if let Some(offset) = record.offset {
        number("offset", offset, line);
    }
    optional("host", record.host, line);
    if !record.referer.is_empty() {
        line.extend_from_slice(b",\"referer\":\"");
        masked(record.referer, json, line);
        line.push(b'"');
    }
    optional("user_agent", record.user_agent, line);
    optional("tls", record.tls.unwrap_or_default().as_bytes(), line);
    line.extend_from_slice(b"}\n");
}

/// Appends the line that says that so many before it are missing.
pub(super) fn append_dropped(
    dropped_lines: u64,
    at_unix_us: u64,
    second: &[u8],
    node: &[u8],
    line: &mut Vec<u8>,
) {
    time(at_unix_us, second, line);
    number("dropped_lines", dropped_lines, line);
    line.extend_from_slice(b",\"node\":\"");
    line.extend_from_slice(node);
    line.extend_from_slice(b"\"}\n");
}

/// `{"time":"2026-01-31T12:00:00.123456Z"`.
fn time(at_unix_us: u64, second: &[u8], line: &mut Vec<u8>) {
    line.extend_from_slice(b"{\"time\":\"");
    line.extend_from_slice(second);
    let mut fraction = *b".000000Z\"";
    let mut rest = at_unix_us % 1_000_000;
    for digit in fraction[1..7].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    line.extend_from_slice(&fraction);
}

fn key(name: &str, line: &mut Vec<u8>) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
}

fn number(name: &str, value: u64, line: &mut Vec<u8>) {
    key(name, line);
    decimal(value, line);
}

/// A value of ours, which needs no escaping.
fn word(name: &str, value: &str, line: &mut Vec<u8>) {
    key(name, line);
    line.push(b'"');
    line.extend_from_slice(value.as_bytes());
    line.push(b'"');
}

/// A value from outside; nothing when it is empty.
fn optional(name: &str, value: &[u8], line: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    key(name, line);
    line.push(b'"');
    json(value, line);
    line.push(b'"');
}
