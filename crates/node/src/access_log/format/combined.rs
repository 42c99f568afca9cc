//! Lines in the combined format of Apache and nginx, and our own fields behind it.
//!
//! ```text
//! 192.0.2.1 - - [31/Jan/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.5.0" planned_bytes=5 …
//! ```
//!
//! Up to and including the user agent it is what `log_format combined` of nginx writes, escapes
//! included. It must never put anything of ours before that.

use super::super::{
    record::Record,
    text::{address, combined, decimal, masked},
};

/// Appends the line of `record`.
pub(super) fn append(record: &Record<'_>, second: &[u8], node: &[u8], line: &mut Vec<u8>) {
    address(record.client, line);
    line.extend_from_slice(b" - - [");
    line.extend_from_slice(second);
    line.extend_from_slice(b" +0000] \"");
    request_line(record, line);
    line.extend_from_slice(b"\" ");
    decimal(u64::from(record.status), line);
    line.push(b' ');
    decimal(record.sent_bytes, line);
    line.extend_from_slice(b" \"");
    masked(or_dash(record.referer), combined, line);
    line.extend_from_slice(b"\" \"");
    combined(or_dash(record.user_agent), line);
    line.push(b'"');
    own_fields(record, node, line);
    line.push(b'\n');
}

/// Appends the line that says that so many before it are missing. Its fields are as many as in any
/// other line, so that a reader of the standard format passes over it.
pub(super) fn append_dropped(dropped_lines: u64, second: &[u8], node: &[u8], line: &mut Vec<u8>) {
    line.extend_from_slice(b"- - - [");
    line.extend_from_slice(second);
    line.extend_from_slice(b" +0000] \"-\" 000 0 \"-\" \"-\"");
    number("dropped_lines", dropped_lines, line);
    word("node", node, line);
    line.push(b'\n');
}

fn request_line(record: &Record<'_>, line: &mut Vec<u8>) {
    if record.method.is_empty() && record.target.is_empty() {
        return line.push(b'-');
    }
    combined(record.method, line);
    line.push(b' ');
    masked(record.target, combined, line);
    line.extend_from_slice(b" HTTP/");
    line.extend_from_slice(record.version.number().as_bytes());
}

fn own_fields(record: &Record<'_>, node: &[u8], line: &mut Vec<u8>) {
    number("planned_bytes", record.planned_bytes, line);
    word("outcome", record.outcome.word().as_bytes(), line);
    number("duration_us", record.duration_us, line);
    word("node", node, line);
    word("decision", record.decision.word().as_bytes(), line);
    quoted("member", record.decision.member().as_bytes(), line);
    if let Some(offset) = record.offset {
        number("offset", offset, line);
    }
    quoted("host", record.host, line);
    quoted("tls", record.tls.unwrap_or_default().as_bytes(), line);
}

fn key(name: &str, line: &mut Vec<u8>) {
    line.push(b' ');
    line.extend_from_slice(name.as_bytes());
    line.push(b'=');
}

fn number(name: &str, value: u64, line: &mut Vec<u8>) {
    key(name, line);
    decimal(value, line);
}

/// A value of ours, which holds no space.
fn word(name: &str, value: &[u8], line: &mut Vec<u8>) {
    key(name, line);
    line.extend_from_slice(value);
}

/// A value from outside; nothing when it is empty.
fn quoted(name: &str, value: &[u8], line: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    key(name, line);
    line.push(b'"');
    combined(value, line);
    line.push(b'"');
}

fn or_dash(value: &[u8]) -> &[u8] {
    if value.is_empty() { b"-" } else { value }
}
