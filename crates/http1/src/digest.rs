//! Which digests of a file a client asks to be sent (RFC 9530 section 4, RFC 3230 section 4.3.1).
//!
//! Both fields are preferences, so they must never lead to a refusal: one that cannot be understood
//! says nothing.

use crate::list;
use crate::negotiate::thousandths;

/// What a client says of a digest by SHA-256.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Wish {
    /// It does not want it.
    Refused,
    /// It does not say.
    Unsaid,
    /// It wants it.
    Wanted,
}

/// Reads `Want-Repr-Digest`: a dictionary of preferences from 0, "not acceptable", to 10.
///
/// One malformed member makes the whole field malformed, as for every structured field (RFC 8941
/// section 4.2), and then it is ignored. Of a key that appears twice the last counts.
pub fn repr_digest<'b>(lines: impl IntoIterator<Item = &'b [u8]>) -> Wish {
    let mut wish = Wish::Unsaid;
    for line in lines.into_iter().filter(|line| !line.is_empty()) {
        for member in list::split(line, b',') {
            match preference(member) {
                Some((b"sha-256", 0)) => wish = Wish::Refused,
                Some((b"sha-256", _)) => wish = Wish::Wanted,
                Some(_) => {}
                None => return Wish::Unsaid,
            }
        }
    }
    wish
}

/// Reads `Want-Digest`: algorithms, in any case, with quality values.
///
/// An element with a malformed quality is passed over. The first that names the algorithm counts.
pub fn legacy<'b>(lines: impl IntoIterator<Item = &'b [u8]>) -> Wish {
    let quality = lines
        .into_iter()
        .flat_map(list::elements)
        .find_map(legacy_quality);
    match quality {
        None => Wish::Unsaid,
        Some(0) => Wish::Refused,
        Some(_) => Wish::Wanted,
    }
}

/// Reads `key=preference`; parameters, which have no meaning here, are passed over.
fn preference(member: &[u8]) -> Option<(&[u8], u8)> {
    let item = list::split(member, b';').next()?;
    let equals = item.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (&item[..equals], &item[equals + 1..]);
    let preference = match value {
        [digit @ b'0'..=b'9'] => digit - b'0',
        b"10" => 10,
        _ => return None,
    };
    is_key(key).then_some((key, preference))
}

/// RFC 8941 section 3.1.2.
fn is_key(key: &[u8]) -> bool {
    let may_follow =
        |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*');
    matches!(key, [b'a'..=b'z' | b'*', rest @ ..] if rest.iter().all(may_follow))
}

/// The quality in thousandths, if the element names SHA-256.
fn legacy_quality(element: &[u8]) -> Option<u16> {
    let mut parts = list::split(element, b';');
    let algorithm = parts.next()?;
    if !algorithm.eq_ignore_ascii_case(b"sha-256") {
        return None;
    }
    match parts.next() {
        None => Some(1000),
        Some([b'q' | b'Q', b'=', value @ ..]) => thousandths(value),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
