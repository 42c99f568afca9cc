//! Content identity: the BLAKE3 root that names an object, and the SHA-256 that outsiders check.
//!
//! A root is made by hashing bytes elsewhere (`store`, `mirror`, `client`); this module only holds,
//! prints and parses digests. It must never be able to make one from thin air.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use thiserror::Error;

/// The BLAKE3 hash of an object's content. With the size it is the object's identity.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Root(pub [u8; 32]);

/// The SHA-256 of an object's content, computed in the same pass as the root.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Sha256(pub [u8; 32]);

/// Text that should have been a digest and is not.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not a digest: expected 64 hexadecimal digits")]
pub struct DigestError;

impl Root {
    /// Length of [`Root::etag`] in bytes: two quotes, `b3-`, 64 digits.
    pub const ETAG_BYTES: usize = 69;

    /// The strong entity tag of this content, quotes included: `"b3-<64 hex>"`.
    ///
    /// The same on every node, which is what makes a resume work anywhere (RFC 9110 section 8.8.3).
    pub fn etag(&self) -> String {
        format!("\"b3-{self}\"")
    }

    /// Reads a root back from a strong entity tag; `None` for anyone else's tag.
    pub fn from_etag(etag: &[u8]) -> Option<Self> {
        let hex = etag.strip_prefix(b"\"b3-")?.strip_suffix(b"\"")?;
        parse_hex(hex).map(Self)
    }
}

impl Sha256 {
    /// The digest in base64, as `Repr-Digest` (RFC 9530) and `Digest` (RFC 3230) carry it.
    pub fn to_base64(&self) -> String {
        BASE64.encode(self.0)
    }
}

macro_rules! hex_text {
    ($digest:ident) => {
        impl fmt::Display for $digest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $digest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $digest {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                parse_hex(text.as_bytes()).map(Self).ok_or(DigestError)
            }
        }
    };
}

hex_text!(Root);
hex_text!(Sha256);

fn parse_hex(text: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |at: usize| (pair[at] as char).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_print_and_parse() {
        let root = Root(std::array::from_fn(|at| at as u8 * 7));
        assert_eq!(root.to_string().parse(), Ok(root));
        assert_eq!(Root::from_etag(root.etag().as_bytes()), Some(root));
        assert_eq!(root.etag().len(), Root::ETAG_BYTES);
    }

    #[test]
    fn foreign_text_is_refused() {
        let hex = Root([0xab; 32]).to_string();
        for text in [
            "",
            "b3",
            &hex[1..],
            &format!("{hex}0"),
            &hex.replace('a', "g"),
        ] {
            assert_eq!(text.parse::<Root>(), Err(DigestError), "{text}");
        }
        for etag in [
            format!("W/\"b3-{hex}\""),
            format!("\"{hex}\""),
            format!("b3-{hex}"),
        ] {
            assert_eq!(Root::from_etag(etag.as_bytes()), None, "{etag}");
        }
    }

    #[test]
    fn sha256_base64_is_what_rfc_9530_shows() {
        let digest: Sha256 = "5f8f04f6a3a892aaabbddb6cf273894493773960d4a325b105fee46eef4304f1"
            .parse()
            .unwrap();
        assert_eq!(
            digest.to_base64(),
            "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="
        );
    }
}
