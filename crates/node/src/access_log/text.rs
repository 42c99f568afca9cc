//! Bytes from outside as text that cannot break a line.
//!
//! Most bytes of most requests need nothing done to them; they are found out together, by a check the
//! compiler turns into vector instructions, and copied at once. Nothing here may write a line feed,
//! a bare quote, or a byte that is not UTF-8.

use std::net::IpAddr;

use overspill_wire::paths::TICKET;

/// Longest text taken over from a request, in bytes; a longer one is cut there. As much as the
/// longest target, so that in practice nothing is; together the fields of a head have 16 KiB.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// In place of a ticket.
const MASK: &[u8] = b"***";

/// How bytes are escaped: appends them to a line.
pub(super) type Escape = fn(&[u8], &mut Vec<u8>);

/// Escapes for a JSON string (RFC 8259 section 7), without the quotes around it.
///
/// What is UTF-8 stays as it is. A byte that is not becomes `\u00XX` with its value: the line can
/// always be parsed, and the bytes can be told. Control characters become `\u00XX`, too, those of
/// U+0080 to U+009F included: terminals obey them.
pub(super) fn json(bytes: &[u8], line: &mut Vec<u8>) {
    let bytes = clipped(bytes);
    if is_plain(bytes) {
        return line.extend_from_slice(bytes);
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            json_character(character, line);
        }
        for byte in chunk.invalid() {
            json_code(*byte, line);
        }
    }
}

/// Escapes as nginx does in its combined format: `"`, `\`, and whatever is not printable ASCII
/// become `\xXX`.
pub(super) fn combined(bytes: &[u8], line: &mut Vec<u8>) {
    let bytes = clipped(bytes);
    if is_plain(bytes) {
        return line.extend_from_slice(bytes);
    }
    for byte in bytes {
        if is_plain(&[*byte]) {
            line.push(*byte);
        } else {
            line.extend_from_slice(b"\\x");
            line.extend(hex(*byte));
        }
    }
}

/// Escapes a target or URL, with the value of every ticket in its query masked.
pub(super) fn masked(url: &[u8], escape: Escape, line: &mut Vec<u8>) {
    let url = clipped(url);
    let Some(question_mark) = url.iter().position(|byte| *byte == b'?') else {
        return escape(url, line);
    };
    let (mut written, mut parameter) = (0, question_mark + 1);
    while parameter < url.len() {
        let end = url[parameter..].iter().position(|byte| *byte == b'&');
        let end = end.map_or(url.len(), |bytes| parameter + bytes);
        if let Some(value) = ticket_value(&url[parameter..end]) {
            escape(&url[written..end - value.len()], line);
            line.extend_from_slice(MASK);
            written = end;
        }
        parameter = end + 1;
    }
    escape(&url[written..], line);
}

/// Writes a number.
pub(super) fn decimal(number: u64, line: &mut Vec<u8>) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes an address; IPv4, by far the commonest, without the machinery of `fmt`.
pub(super) fn address(ip: IpAddr, line: &mut Vec<u8>) {
    match ip {
        IpAddr::V4(v4) => {
            for (at, octet) in v4.octets().into_iter().enumerate() {
                if at > 0 {
                    line.push(b'.');
                }
                decimal(u64::from(octet), line);
            }
        }
        IpAddr::V6(v6) => {
            // Writing to memory does not fail.
            let _ = std::io::Write::write_fmt(line, format_args!("{v6}"));
        }
    }
}

fn clipped(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(TEXT_BYTES_MAX)]
}

/// Whether both formats take these bytes as they are. Without an early end, so that it is a loop over
/// vectors: the answer is nearly always yes.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |plain, byte| {
        plain & (0x20..0x7f).contains(byte) & (*byte != b'"') & (*byte != b'\\')
    })
}

fn json_character(character: char, line: &mut Vec<u8>) {
    match character {
        '"' => line.extend_from_slice(b"\\\""),
        '\\' => line.extend_from_slice(b"\\\\"),
        _ if character.is_control() => json_code(u32::from(character) as u8, line),
        _ => {
            let mut utf8 = [0; 4];
            line.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
        }
    }
}

fn json_code(value: u8, line: &mut Vec<u8>) {
    line.extend_from_slice(b"\\u00");
    line.extend(hex(value));
}

/// Two digits, in capitals as nginx writes them.
fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [byte >> 4, byte & 0xf].map(|digit| DIGITS[usize::from(digit)])
}

/// The value of a parameter, if it is a ticket.
fn ticket_value(parameter: &[u8]) -> Option<&[u8]> {
    parameter
        .strip_prefix(TICKET.as_bytes())?
        .strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(escape: Escape, bytes: &[u8]) -> String {
        let mut line = Vec::new();
        escape(bytes, &mut line);
        String::from_utf8(line).expect("a line is UTF-8")
    }

    fn without_tickets(url: &[u8]) -> String {
        let mut line = Vec::new();
        masked(url, combined, &mut line);
        String::from_utf8(line).expect("a line is UTF-8")
    }

    #[test]
    fn hostile_bytes_are_escaped_in_both_formats() {
        for (bytes, as_json, as_combined) in [
            (b"/plain".as_slice(), "/plain", "/plain"),
            (b"", "", ""),
            (b"a\"b\\c", "a\\\"b\\\\c", "a\\x22b\\x5Cc"),
            (
                b"\r\n\t\0",
                "\\u000D\\u000A\\u0009\\u0000",
                "\\x0D\\x0A\\x09\\x00",
            ),
            (b"\x1b[31m\x7f", "\\u001B[31m\\u007F", "\\x1B[31m\\x7F"),
            (
                "ü€😀".as_bytes(),
                "ü€😀",
                "\\xC3\\xBC\\xE2\\x82\\xAC\\xF0\\x9F\\x98\\x80",
            ),
            (b"\xff\xc3", "\\u00FF\\u00C3", "\\xFF\\xC3"),
            (b"\xe2\x82\"", "\\u00E2\\u0082\\\"", "\\xE2\\x82\\x22"),
            ("\u{9b}31m".as_bytes(), "\\u009B31m", "\\xC2\\x9B31m"),
        ] {
            assert_eq!(through(json, bytes), as_json, "{bytes:?}");
            assert_eq!(through(combined, bytes), as_combined, "{bytes:?}");
        }
    }

    #[test]
    fn every_byte_gives_a_json_string_that_parses() {
        for byte in 0..=u8::MAX {
            let text = format!("\"{}\"", through(json, &[b'a', byte, b'z']));
            let parsed: String = serde_json::from_str(&text).expect(&text);
            let expected: String = [b'a', byte, b'z'].map(char::from).iter().collect();
            assert_eq!(parsed, expected, "a lone byte reads as its value");
        }
    }

    #[test]
    fn tickets_are_masked_and_nothing_else() {
        for (url, expected) in [
            ("/a?ticket=secret", "/a?ticket=***"),
            ("/a?x=1&ticket=secret&avoid=m", "/a?x=1&ticket=***&avoid=m"),
            ("/a?ticket=s&ticket=t", "/a?ticket=***&ticket=***"),
            ("/a?ticket=", "/a?ticket=***"),
            ("/a?ticket", "/a?ticket"),
            ("/a?tickets=no&myticket=no", "/a?tickets=no&myticket=no"),
            ("/ticket=no", "/ticket=no"),
            ("http://h/a?ticket=s\"&\"", "http://h/a?ticket=***&\\x22"),
            ("?", "?"),
            ("/a?&&", "/a?&&"),
        ] {
            assert_eq!(without_tickets(url.as_bytes()), expected, "{url}");
        }
    }

    #[test]
    fn a_text_is_cut_at_its_cap() {
        let long = vec![b'a'; TEXT_BYTES_MAX + 1];
        assert_eq!(through(json, &long).len(), TEXT_BYTES_MAX);
        let with_ticket = [b"/?ticket=".as_slice(), &long].concat();
        assert_eq!(without_tickets(&with_ticket), "/?ticket=***");
    }

    #[test]
    fn addresses_are_written_as_std_writes_them() {
        for ip in ["0.0.0.0", "192.0.2.255", "::1", "2001:db8::1"] {
            let mut line = Vec::new();
            address(ip.parse().unwrap(), &mut line);
            assert_eq!(line, ip.as_bytes());
        }
    }
}
