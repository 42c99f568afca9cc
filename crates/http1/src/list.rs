//! Comma-separated field values (RFC 9110 section 5.6.1), cut into their elements.
//!
//! It knows quoted strings, so that a comma inside one does not cut. It must never interpret an
//! element: that is its caller's grammar.

/// The elements of one field line, without the whitespace around them; empty elements are skipped.
///
/// A quoted string that is never closed runs to the end of the line.
pub(crate) fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(line, b',').filter(|element| !element.is_empty())
}

/// Cuts at each `separator` outside quoted strings and trims optional whitespace.
pub(crate) fn split(line: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let end = unquoted_position(bytes, separator);
        rest = end.map(|at| &bytes[at + 1..]);
        Some(trim(&bytes[..end.unwrap_or(bytes.len())]))
    })
}

/// Removes spaces and tabs (OWS) at both ends; unlike `trim_ascii`, no other control byte.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn unquoted_position(bytes: &[u8], wanted: u8) -> Option<usize> {
    let mut place = Place::Plain;
    for (at, &byte) in bytes.iter().enumerate() {
        place = match (place, byte) {
            (Place::Plain, b'"') => Place::Quoted,
            (Place::Plain, byte) if byte == wanted => return Some(at),
            (Place::Quoted, b'"') => Place::Plain,
            (Place::Quoted, b'\\') => Place::Escaped,
            (Place::Escaped, _) => Place::Quoted,
            (place, _) => place,
        };
    }
    None
}

#[derive(Clone, Copy)]
enum Place {
    Escaped,
    Plain,
    Quoted,
}

#[cfg(test)]
mod tests {
    use super::elements;

    #[test]
    fn cuts_at_commas_outside_quotes_only() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            (" , ,\t,", &[]),
            ("a", &["a"]),
            ("\ta ,b,, c d ", &["a", "b", "c d"]),
            (r#"a="x,y", b"#, &[r#"a="x,y""#, "b"]),
            (r#"a="x\",y",b"#, &[r#"a="x\",y""#, "b"]),
            (r#"a="open, b"#, &[r#"a="open, b"#]),
        ];
        for &(line, expected) in cases {
            let found: Vec<_> = elements(line.as_bytes()).map(<[u8]>::to_vec).collect();
            let expected: Vec<_> = expected.iter().map(|e| e.as_bytes().to_vec()).collect();
            assert_eq!(found, expected, "{line:?}");
        }
    }
}
