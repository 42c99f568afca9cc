//! The fleet token and the keys derived from it.
//!
//! The token never crosses the wire: each side proves that it knows it by HMAC-SHA-256 (RFC 2104)
//! over the other's nonce, and every use has its own key by HKDF-SHA-256 (RFC 5869). No type here
//! prints its secret, and comparing tags takes the same time whatever they hold.

use std::{fmt, str::FromStr};

use aws_lc_rs::{constant_time, hkdf, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use thiserror::Error;

/// The secret that admits a node to the fleet: 32 random bytes, written as 43 URL-safe characters.
#[derive(Clone, Eq, PartialEq)]
pub struct FleetToken([u8; 32]);

/// Text that is no fleet token. It does not repeat the text, which may be a mistyped secret.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not a fleet token: expected the 43 characters that `overspill serve` printed")]
pub struct TokenError;

/// What a derived key is for; each purpose has a key of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Signing the control messages of one session.
    Control,
    /// Proving knowledge of the token while joining.
    Join,
    /// Signing an operator's orders and the answers to them.
    Order,
    /// Signing the tickets in redirects.
    Ticket,
}

/// A signing key for one purpose.
#[derive(Clone)]
pub struct Key(hmac::Key);

/// A message authentication code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tag(pub [u8; 32]);

impl FleetToken {
    /// Makes a token of 32 bytes from the operating system's random source.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The text form, to be written to the token file and shown in the join command only.
    pub fn reveal(&self) -> String {
        BASE64URL.encode(self.0)
    }

    /// Derives the key for `purpose`, bound to `context` (for a session: both nonces).
    pub fn derive(&self, purpose: Purpose, context: &[u8]) -> Key {
        let label: &[u8] = match purpose {
            Purpose::Control => b"overspill control v1",
            Purpose::Join => b"overspill join v1",
            Purpose::Order => b"overspill order v1",
            Purpose::Ticket => b"overspill ticket v1",
        };
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, b"overspill fleet").extract(&self.0);
        let mut bytes = [0; 32];
        // Expanding 32 bytes out of SHA-256 is always within HKDF's bound of 255 blocks, and the
        // buffer has the asked length, so neither call can fail.
        let filled = secret
            .expand(&[label, context], hkdf::HKDF_SHA256)
            .and_then(|output| output.fill(&mut bytes));
        assert!(filled.is_ok(), "HKDF of one block cannot fail");
        Key(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }
}

impl FromStr for FleetToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let bytes = BASE64URL.decode(text.trim()).map_err(|_| TokenError)?;
        bytes.try_into().map(Self).map_err(|_| TokenError)
    }
}

impl fmt::Debug for FleetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetToken(..)")
    }
}

impl Key {
    /// Signs `parts`. Each part is preceded by its length, so no two lists of parts collide.
    pub fn sign(&self, parts: &[&[u8]]) -> Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        Tag(tag)
    }

    /// Whether `tag` signs `parts` under this key.
    pub fn verify(&self, parts: &[&[u8]], tag: &Tag) -> bool {
        constant_time::verify_slices_are_equal(&self.sign(parts).0, &tag.0).is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL.encode(self.0))
    }
}

impl FromStr for Tag {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let bytes = BASE64URL.decode(text).map_err(|_| TokenError)?;
        bytes.try_into().map(Self).map_err(|_| TokenError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_print_and_parse() {
        let token = FleetToken::from_random([7; 32]);
        assert_eq!(token.reveal().parse(), Ok(token.clone()));
        assert_eq!(format!(" {}\n", token.reveal()).parse(), Ok(token));
        for text in ["", "short", "!!!!", &"a".repeat(44)] {
            assert_eq!(text.parse::<FleetToken>(), Err(TokenError), "{text}");
        }
    }

    #[test]
    fn nothing_secret_is_debug_printed() {
        let token = FleetToken::from_random([b'x'; 32]);
        let key = token.derive(Purpose::Join, b"");
        assert_eq!(format!("{token:?} {key:?}"), "FleetToken(..) Key(..)");
    }

    #[test]
    fn keys_differ_by_purpose_and_context() {
        let token = FleetToken::from_random([1; 32]);
        let tags = [
            token.derive(Purpose::Join, b"a").sign(&[b"m"]),
            token.derive(Purpose::Join, b"b").sign(&[b"m"]),
            token.derive(Purpose::Order, b"a").sign(&[b"m"]),
            token.derive(Purpose::Ticket, b"a").sign(&[b"m"]),
            token.derive(Purpose::Control, b"a").sign(&[b"m"]),
            FleetToken::from_random([2; 32])
                .derive(Purpose::Join, b"a")
                .sign(&[b"m"]),
        ];
        for (at, tag) in tags.iter().enumerate() {
            assert!(!tags[..at].contains(tag), "{at}");
        }
    }

    #[test]
    fn part_boundaries_are_signed() {
        let key = FleetToken::from_random([1; 32]).derive(Purpose::Control, b"");
        let tag = key.sign(&[b"ab", b"c"]);
        assert!(key.verify(&[b"ab", b"c"], &tag));
        assert!(!key.verify(&[b"a", b"bc"], &tag));
        assert!(!key.verify(&[b"abc"], &tag));
        assert_eq!(tag.to_string().parse(), Ok(tag));
    }
}
