//! Whether answers are what their cases ask for.
//!
//! It must never stop at the first that is not: a report of all of them shows what they share.

use std::fmt::Write;

use crate::{
    case::{Case, Content, Field},
    http::Reply,
    site::{self, Site},
    speak::{Asked, Broken, Speak, Version, has_body},
};

/// Runs all `cases` over one transport.
///
/// # Panics
/// With the section, the request and both answers of every case that fails.
pub(crate) fn judge(cases: &[Case], site: &Site, transport: &dyn Speak) {
    let mut report = String::new();
    let mut failed = 0;
    for case in cases {
        if let Some(failure) = failure(case, site, transport) {
            failed += 1;
            let _ = writeln!(report, "{failure}\n");
        }
    }
    let (name, count) = (transport.name(), cases.len());
    assert!(
        failed == 0,
        "{failed} of {count} cases failed over {name}\n\n{report}"
    );
}

fn failure(case: &Case, site: &Site, transport: &dyn Speak) -> Option<String> {
    let (target, fields) = (site.fill(&case.target), site.fill(&case.fields));
    let asked = Asked {
        method: case.method,
        target: &target,
        fields: &fields,
    };
    let malformed = case
        .malformed_in_http2
        .filter(|_| transport.version() == Version::Http2);
    let (faults, found) = match (transport.exchange(&asked), malformed) {
        (Ok(reply), None) => (faults(case, site, &reply), reply.head),
        (Ok(reply), Some(reason)) => (acceptance(&reply, reason), reply.head),
        (Err(Broken::Refused(None)), Some(_)) => return None,
        // Where there is no connection, nobody writes such an answer.
        (Err(Broken::Refused(Some(status))), None) if status == case.status => return None,
        (Err(error), _) => (vec![error.to_string()], String::new()),
    };
    if faults.is_empty() {
        return None;
    }
    Some(format!(
        "RFC {}\n> {} {target}\n{}\nexpected {} {:?} {:?}\nfound\n{}\nfaults: {}",
        case.rfc,
        case.method,
        indented("> ", &fields),
        case.status,
        case.expected,
        case.body,
        indented("< ", &found),
        faults.join("; "),
    ))
}

fn indented(mark: &str, text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("{mark}{line}")).collect();
    lines.join("\n")
}

/// What is wrong with an answer to a request that should not have been understood.
fn acceptance(reply: &Reply, reason: &str) -> Vec<String> {
    let is_refused = reply.status == 400;
    let fault = || format!("status {}, not refused though {reason}", reply.status);
    (!is_refused).then(fault).into_iter().collect()
}

fn faults(case: &Case, site: &Site, reply: &Reply) -> Vec<String> {
    let mut faults = Vec::new();
    if reply.status != case.status {
        faults.push(format!("status {}", reply.status));
    }
    // RFC 9110 section 6.6.1, of every answer.
    if reply.field("date").is_none() {
        faults.push("no Date".to_owned());
    }
    for field in &case.expected {
        faults.extend(field_fault(field, site, reply));
    }
    faults.extend(body_fault(case, reply));
    faults
}

fn field_fault(field: &Field, site: &Site, reply: &Reply) -> Option<String> {
    match field {
        Field::Absent(name) => {
            let value = reply.field(name)?;
            Some(format!("{name} is there: {value}"))
        }
        Field::Is(name, expected) => {
            let expected = site.fill(expected);
            let found = reply.field(name);
            let is_equal = found == Some(expected.as_str());
            (!is_equal).then(|| format!("{name} is {found:?}, not {expected:?}"))
        }
        Field::Present(name) => {
            let is_absent = reply.field(name).is_none();
            is_absent.then(|| format!("{name} is missing"))
        }
    }
}

fn body_fault(case: &Case, reply: &Reply) -> Option<String> {
    if !has_body(case.method, reply.status) {
        return (!reply.body.is_empty()).then(|| "a body where there is none".to_owned());
    }
    let file = || site::file(&case.target).expect("a file that the site knows");
    let expected = match case.body {
        Content::Any => return None,
        Content::Nothing => &[],
        Content::Parts(ranges) => return parts_fault(ranges, file(), reply),
        Content::Slice(start, end) => &file()[start..end],
        Content::Whole => file(),
    };
    let differs = reply.body != expected;
    differs.then(|| format!("{} bytes of body, not the right ones", reply.body.len()))
}

/// Takes the body apart, and compares each part with its range of the file.
fn parts_fault(ranges: &[(usize, usize)], file: &[u8], reply: &Reply) -> Option<String> {
    let content_type = reply.field("content-type").unwrap_or_default();
    let Some(boundary) = content_type.strip_prefix("multipart/byteranges; boundary=") else {
        return Some(format!("Content-Type is {content_type}"));
    };
    let mut expected = Vec::new();
    for &(start, end) in ranges {
        let line_break = if expected.is_empty() { "" } else { "\r\n" };
        let (last, length) = (end - 1, file.len());
        let head = format!(
            "{line_break}--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {start}-{last}/{length}\r\n\r\n"
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&file[start..end]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (reply.body != expected).then(|| "the parts are not the right ones".to_owned())
}
