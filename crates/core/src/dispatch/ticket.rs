//! Tickets: what a redirect carries so that the mirror knows which dispatch a client belongs to.
//!
//! A ticket is signed, not secret. It names the dispatch (for the acknowledgement), the content the
//! client was promised, and the address the client asked at first, so that a mirror that cannot keep
//! the promise sends the client back there and nowhere else. It must never grant access to anything:
//! without a ticket, or with a bad one, a mirror serves what it would serve anyone.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use thiserror::Error;

use super::DispatchId;
use crate::{
    root::Root,
    secret::{Key, Tag},
};

/// A promise to a client, signed by the dispatcher.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ticket {
    /// The dispatch.
    pub dispatch: DispatchId,
    /// The content promised.
    pub root: Root,
    /// Seconds since 1970 after which the ticket means nothing.
    pub expires_s: u64,
    /// Scheme and authority the client asked at first: `http://files.example:8080`.
    pub origin: String,
}

/// Why a ticket means nothing. Never the client's fault in a way that should fail its download.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TicketError {
    /// Past its time.
    #[error("the ticket has expired")]
    Expired,
    /// Not the form of a ticket.
    #[error("not a ticket")]
    Malformed,
    /// Not signed with this fleet's key.
    #[error("the ticket is not signed by this fleet")]
    Unsigned,
}

const VERSION: u8 = 1;
const FIXED_BYTES: usize = 1 + 8 + 8 + 32;
const TAG_BYTES: usize = 32;

impl Ticket {
    /// How long a ticket is good for: a client that waits longer asks again.
    pub const LIFETIME_S: u64 = 600;
    /// Longest origin that fits a ticket.
    pub const MAX_ORIGIN_BYTES: usize = 300;

    /// Signs the ticket and writes it as URL-safe text.
    pub fn seal(&self, key: &Key) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.dispatch.0.to_be_bytes());
        bytes.extend(self.expires_s.to_be_bytes());
        bytes.extend(self.root.0);
        bytes.extend(self.origin.as_bytes());
        let tag = key.sign(&[&bytes]);
        bytes.extend(tag.0);
        BASE64URL.encode(bytes)
    }

    /// Checks signature and time, and reads the ticket.
    pub fn open(text: &[u8], key: &Key, now_s: u64) -> Result<Self, TicketError> {
        let most = FIXED_BYTES + Self::MAX_ORIGIN_BYTES + TAG_BYTES;
        if text.len() > most * 4 / 3 + 1 {
            return Err(TicketError::Malformed);
        }
        let bytes = BASE64URL.decode(text).map_err(|_| TicketError::Malformed)?;
        let (body, tag) = bytes
            .split_last_chunk::<TAG_BYTES>()
            .ok_or(TicketError::Malformed)?;
        if !key.verify(&[body], &Tag(*tag)) {
            return Err(TicketError::Unsigned);
        }
        let ticket = Self::read(body).ok_or(TicketError::Malformed)?;
        if now_s > ticket.expires_s {
            return Err(TicketError::Expired);
        }
        Ok(ticket)
    }

    fn read(body: &[u8]) -> Option<Self> {
        let (&version, rest) = body.split_first()?;
        let (dispatch, rest) = rest.split_first_chunk::<8>()?;
        let (expires_s, rest) = rest.split_first_chunk::<8>()?;
        let (root, origin) = rest.split_first_chunk::<32>()?;
        (version == VERSION).then_some(())?;
        Some(Self {
            dispatch: DispatchId(u64::from_be_bytes(*dispatch)),
            root: Root(*root),
            expires_s: u64::from_be_bytes(*expires_s),
            origin: String::from_utf8(origin.to_vec()).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{FleetToken, Purpose};

    fn key(byte: u8) -> Key {
        FleetToken::from_random([byte; 32]).derive(Purpose::Ticket, b"")
    }

    fn ticket() -> Ticket {
        Ticket {
            dispatch: DispatchId(77),
            root: Root([3; 32]),
            expires_s: 1000,
            origin: "http://h:8080".into(),
        }
    }

    #[test]
    fn a_sealed_ticket_opens() {
        let text = ticket().seal(&key(1));
        assert_eq!(Ticket::open(text.as_bytes(), &key(1), 1000), Ok(ticket()));
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let text = ticket().seal(&key(1)).into_bytes();
        for at in 0..text.len() {
            let mut forged = text.clone();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert!(Ticket::open(&forged, &key(1), 0).is_err(), "byte {at}");
            assert!(
                Ticket::open(&text[..at], &key(1), 0).is_err(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn old_and_foreign_tickets_are_told_apart() {
        let text = ticket().seal(&key(1));
        let open = |key: &Key, now_s| Ticket::open(text.as_bytes(), key, now_s);
        assert_eq!(open(&key(1), 1001), Err(TicketError::Expired));
        assert_eq!(open(&key(2), 0), Err(TicketError::Unsigned));
        assert_eq!(
            Ticket::open(&[b'A'; 1000], &key(1), 0),
            Err(TicketError::Malformed)
        );
    }
}
