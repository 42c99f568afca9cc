//! The proof that a control message comes from a member of the fleet and is not a replay.
//!
//! After joining, both sides hold a session key that never crossed the wire. A request carries
//! `overspill-auth: SESSION.SEQ.TAG`, where the tag is the HMAC of method, path, sequence number and
//! body, and the sequence number only grows. It must never be accepted twice; the receiver remembers
//! the last number.

use std::{fmt, str::FromStr};

use overspill_core::secret::{Key, Tag};

use crate::WireError;

/// The request field that carries a [`Proof`].
pub const AUTH_FIELD: &str = "overspill-auth";

/// The name of one joining; a new one each time a member joins.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SessionId(pub u64);

/// A signature over one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Proof {
    /// Which session.
    pub session: SessionId,
    /// Greater than any before in the session.
    pub seq: u64,
    /// HMAC over everything.
    pub tag: Tag,
}

impl Proof {
    /// Signs a request.
    pub fn sign(
        key: &Key,
        session: SessionId,
        seq: u64,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Self {
        let tag = key.sign(&parts(seq, method, path, body).each());
        Self { session, seq, tag }
    }

    /// Whether this proof signs the request under the session's key.
    pub fn verifies(&self, key: &Key, method: &str, path: &str, body: &[u8]) -> bool {
        key.verify(&parts(self.seq, method, path, body).each(), &self.tag)
    }
}

struct Parts<'a> {
    seq: [u8; 8],
    method: &'a [u8],
    path: &'a [u8],
    body: &'a [u8],
}

impl Parts<'_> {
    fn each(&self) -> [&[u8]; 4] {
        [self.method, self.path, &self.seq, self.body]
    }
}

fn parts<'a>(seq: u64, method: &'a str, path: &'a str, body: &'a [u8]) -> Parts<'a> {
    Parts {
        seq: seq.to_be_bytes(),
        method: method.as_bytes(),
        path: path.as_bytes(),
        body,
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for SessionId {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        u64::from_str_radix(text, 16)
            .map(Self)
            .map_err(|error| WireError::new("session", error))
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.session, self.seq, self.tag)
    }
}

impl FromStr for Proof {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let malformed = || WireError::new(AUTH_FIELD, "expected SESSION.SEQ.TAG");
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or_else(malformed);
        Ok(Self {
            session: part()?.parse()?,
            seq: part()?.parse().map_err(|_| malformed())?,
            tag: part()?.parse().map_err(|_| malformed())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use overspill_core::secret::{FleetToken, Purpose};

    use super::*;

    #[test]
    fn a_proof_signs_exactly_one_request() {
        let key = FleetToken::from_random([1; 32]).derive(Purpose::Control, b"nonces");
        let proof = Proof::sign(&key, SessionId(9), 4, "POST", "/-/fleet/report", b"{}");
        assert_eq!(proof.to_string().parse(), Ok(proof));
        assert!(proof.verifies(&key, "POST", "/-/fleet/report", b"{}"));
        assert!(!proof.verifies(&key, "GET", "/-/fleet/report", b"{}"));
        assert!(!proof.verifies(&key, "POST", "/-/fleet/events", b"{}"));
        assert!(!proof.verifies(&key, "POST", "/-/fleet/report", b"{ }"));
        let replayed = Proof { seq: 5, ..proof };
        assert!(!replayed.verifies(&key, "POST", "/-/fleet/report", b"{}"));
    }

    #[test]
    fn malformed_proofs_are_refused() {
        for text in ["", "1", "1.2", "x.2.z", "0000000000000001.b.c", "1.2.short"] {
            assert!(text.parse::<Proof>().is_err(), "{text}");
        }
    }
}
