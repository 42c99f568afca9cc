//! The authority of a request: `host [":" port]` (RFC 9110 section 7.2, RFC 3986 section 3.2).
//!
//! It checks characters only. It must never decide which hosts are served.

use super::ParseError;

/// Returns `authority` if it is a non-empty host with an optional port, and nothing else.
///
/// User information (`user@`) is refused: it serves only to mislead (RFC 9110 section 4.2.4).
pub(super) fn check(authority: &[u8]) -> Result<&[u8], ParseError> {
    let (host_is_sound, port) = match authority {
        [b'[', literal @ ..] => bracketed(literal),
        name => registered_name(name),
    };
    match port {
        [] => {}
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {}
        _ => return Err(ParseError::InvalidHost),
    }
    if host_is_sound {
        Ok(authority)
    } else {
        Err(ParseError::InvalidHost)
    }
}

/// Judges an IPv6 literal after its `[`, and returns what follows its `]`.
fn bracketed(literal: &[u8]) -> (bool, &[u8]) {
    let is_address_byte = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let end = literal
        .iter()
        .position(|byte| !is_address_byte(byte))
        .unwrap_or(literal.len());
    match &literal[end..] {
        [b']', port @ ..] => (end > 0, port),
        _ => (false, b""),
    }
}

/// Judges a name or IPv4 address, and returns what follows it.
fn registered_name(name: &[u8]) -> (bool, &[u8]) {
    let end = name
        .iter()
        .position(|&byte| byte == b':')
        .unwrap_or(name.len());
    let (name, port) = name.split_at(end);
    (!name.is_empty() && is_registered_name(name), port)
}

fn is_registered_name(mut name: &[u8]) -> bool {
    loop {
        match name {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                name = rest;
            }
            [byte, rest @ ..] if is_unreserved_or_delimiter(*byte) => name = rest,
            _ => return false,
        }
    }
}

/// `unreserved` and `sub-delims` of RFC 3986 section 2.
const fn is_unreserved_or_delimiter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')')
        || matches!(byte, b'*' | b'+' | b',' | b';' | b'=')
}

#[cfg(test)]
mod tests {
    use super::{ParseError, check};

    #[test]
    fn hosts_with_and_without_port() {
        let sound = [
            "example.net",
            "example.net:8080",
            "example.net:",
            "EXAMPLE.net",
            "127.0.0.1:80",
            "[::1]",
            "[2001:db8::1]:8080",
            "[::ffff:192.0.2.1]",
            "my_host",
            "xn--bcher-kva.example",
            "caf%C3%A9.example",
        ];
        for authority in sound {
            assert_eq!(
                check(authority.as_bytes()),
                Ok(authority.as_bytes()),
                "{authority:?}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let unsound = [
            "",
            ":80",
            "[]",
            "[::1",
            "::1",
            "[::1]x",
            "[fe80::1%25eth0]",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "user@example.net",
            "a.example, b.example",
            "a:80:80",
            "a:80x",
            "a:-1",
            "a%2",
            "a%zz",
            "a\\b",
            "a<b>",
            "a\"b",
            "caf\u{e9}",
        ];
        for authority in unsound {
            let found = check(authority.as_bytes());
            assert_eq!(found, Err(ParseError::InvalidHost), "{authority:?}");
        }
    }
}
