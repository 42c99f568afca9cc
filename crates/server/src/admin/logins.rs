//! Who is logged in, and who has tried too often.
//!
//! Both tables are bounded, and neither survives a restart. Sessions are known by a hash of their id,
//! so that nobody can feel their way to one by how long a look takes. It must never keep out who shows
//! the right token: those who fail wait, not their neighbours.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use overspill_core::limit::{Prefix, PrefixBits};
use thiserror::Error;

use super::token::AdminToken;

/// Open sessions and failures.
#[derive(Debug)]
pub(crate) struct Logins {
    token: AdminToken,
    /// Until when, by the hash of the session's id.
    open: HashMap<[u8; 32], Instant>,
    failures: HashMap<Prefix, Failures>,
}

/// A bucket that each failure fills and time empties.
#[derive(Clone, Copy, Debug)]
struct Failures {
    /// When it is empty.
    empty_at: Instant,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum LoginError {
    /// Too many wrong tokens from there.
    #[error("too many wrong tokens from your network; try again in {retry_after_s} s")]
    TooMany {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// It is another.
    #[error(
        "this is not the admin token; it stands in the file admin-token of the server's state folder"
    )]
    Wrong,
}

/// How long a session lasts.
pub(super) const SESSION_FOR: Duration = Duration::from_secs(12 * 3600);
/// Most sessions; the one that ends first makes room.
const SESSIONS_MAX: usize = 64;
/// Networks whose failures are remembered; the one that is forgiven first makes room.
const FAILURES_MAX: usize = 1024;
/// Wrong tokens in a row before somebody has to wait.
const FAILURES_AT_ONCE: u32 = 5;
/// What each further one costs. Nobody guesses 256 bits; this is for the log and the processor.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10);

impl Logins {
    /// Nobody yet.
    pub(crate) fn new(token: AdminToken) -> Self {
        Self {
            token,
            open: HashMap::new(),
            failures: HashMap::new(),
        }
    }

    /// Whether `client` has shown the admin token.
    pub(super) fn check(
        &mut self,
        now: Instant,
        client: IpAddr,
        shown: &str,
    ) -> Result<(), LoginError> {
        let prefix = Prefix::of(client, PrefixBits::default());
        // First of all: whoever fails behind the same NAT or proxy must not keep the admin out.
        if self.token.is(shown) {
            self.failures.remove(&prefix);
            return Ok(());
        }
        self.failures.retain(|_, failures| failures.empty_at > now);
        let empty_at = self.failures.get(&prefix).map_or(now, |one| one.empty_at);
        let owed = empty_at.saturating_duration_since(now);
        let allowed = FORGIVEN_AFTER * (FAILURES_AT_ONCE - 1);
        if owed > allowed {
            let retry_after_s = (owed - allowed).as_secs().max(1);
            return Err(LoginError::TooMany { retry_after_s });
        }
        self.note_failure(prefix, empty_at + FORGIVEN_AFTER);
        Err(LoginError::Wrong)
    }

    fn note_failure(&mut self, prefix: Prefix, empty_at: Instant) {
        if self.failures.len() >= FAILURES_MAX && !self.failures.contains_key(&prefix) {
            let first = self.failures.iter().min_by_key(|(_, one)| one.empty_at);
            if let Some(first) = first.map(|(prefix, _)| *prefix) {
                self.failures.remove(&first);
            }
        }
        self.failures.insert(prefix, Failures { empty_at });
    }

    /// Opens the session of this id, which is random.
    pub(super) fn open(&mut self, now: Instant, id: &str) {
        self.open.retain(|_, until| *until > now);
        if self.open.len() >= SESSIONS_MAX {
            let first = self.open.iter().min_by_key(|(_, until)| **until);
            if let Some(first) = first.map(|(hash, _)| *hash) {
                self.open.remove(&first);
            }
        }
        self.open.insert(hash(id), now + SESSION_FOR);
    }

    /// Whether this session is open.
    pub(super) fn is_open(&self, now: Instant, id: &str) -> bool {
        self.open.get(&hash(id)).is_some_and(|until| *until > now)
    }

    /// Ends it.
    pub(super) fn close(&mut self, id: &str) {
        self.open.remove(&hash(id));
    }
}

fn hash(id: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn logins() -> (Logins, String) {
        let logins = Logins::new(AdminToken::from_random([7; 32]));
        (logins, "07".repeat(32))
    }

    #[test]
    fn sessions_end_and_are_bounded() {
        let (mut logins, _) = logins();
        let now = Instant::now();
        logins.open(now, "first");
        assert!(logins.is_open(now, "first") && !logins.is_open(now, "other"));
        assert!(!logins.is_open(now + SESSION_FOR, "first"), "it has ended");
        for number in 0..SESSIONS_MAX {
            let later = now + Duration::from_secs(1 + number as u64);
            logins.open(later, &number.to_string());
            assert!(logins.open.len() <= SESSIONS_MAX);
        }
        assert!(!logins.is_open(now, "first"), "it made room");
        logins.close("7");
        assert!(!logins.is_open(now, "7") && logins.is_open(now, "8"));
    }

    #[test]
    fn who_fails_too_often_waits_and_never_who_has_the_token() {
        let (mut logins, token) = logins();
        let mut now = Instant::now();
        for _ in 0..FAILURES_AT_ONCE {
            assert_eq!(logins.check(now, CLIENT, "x"), Err(LoginError::Wrong));
        }
        let refused = Err(LoginError::TooMany { retry_after_s: 10 });
        assert_eq!(logins.check(now, CLIENT, "x"), refused);
        now += FORGIVEN_AFTER;
        assert_eq!(logins.check(now, CLIENT, "x"), Err(LoginError::Wrong));
        assert_eq!(logins.check(now, CLIENT, "x"), refused);
        assert_eq!(logins.check(now, CLIENT, &token), Ok(()));
        assert!(logins.failures.is_empty(), "all is forgiven");
    }

    #[test]
    fn a_crowd_that_fails_is_bounded() {
        let (mut logins, _) = logins();
        let now = Instant::now();
        for number in 0..FAILURES_MAX as u32 * 2 {
            let client = IpAddr::from(number.to_be_bytes());
            assert_eq!(logins.check(now, client, "x"), Err(LoginError::Wrong));
            assert!(logins.failures.len() <= FAILURES_MAX);
        }
    }
}
