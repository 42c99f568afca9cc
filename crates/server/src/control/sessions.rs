//! Who has proved to know the token, and which of their messages have been seen.
//!
//! Both tables are bounded and hold nothing that survives a restart; members simply join again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use overspill_core::{
    fleet::MemberId,
    secret::{FleetToken, Key},
};
use overspill_wire::{
    auth::{Proof, SessionId},
    fleet::{HelloReply, HelloRequest, JoinRequest, server_proof, session_key},
    order::{OPERATOR, OrderRequest},
};
use thiserror::Error;

/// Pending hellos and open sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    token: FleetToken,
    hellos: HashMap<String, PendingHello>,
    open: HashMap<SessionId, Session>,
}

#[derive(Debug)]
struct PendingHello {
    mirror_nonce: String,
    member: String,
    at: Instant,
}

#[derive(Debug)]
struct Session {
    member: MemberId,
    key: Key,
    seen: ReplayWindow,
}

/// Which sequence numbers have been used. Messages may overtake each other by a little.
#[derive(Clone, Copy, Debug, Default)]
struct ReplayWindow {
    highest: u64,
    /// Bit `i` is set if `highest - i` has been seen.
    seen: u64,
}

/// Why a message is not accepted.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum AuthError {
    /// The session is not known, perhaps since the server restarted: join again.
    #[error("no such session; join again")]
    NoSession,
    /// The signature is wrong.
    #[error("the message is not signed by its session")]
    Unsigned,
    /// Seen before.
    #[error("the message was seen before")]
    Replayed,
    /// The hello has expired or never was.
    #[error("no such hello; begin again")]
    NoHello,
    /// The other side does not know the token.
    #[error("the fleet token is wrong; take it from the join command that the server printed")]
    WrongToken,
}

/// How long a hello waits for its join.
const HELLO_TTL: Duration = Duration::from_secs(30);
/// Most hellos waiting at once.
const MAX_HELLOS: usize = 1024;
/// Nonces are 32 bytes in hexadecimal.
const NONCE_CHARS: usize = 64;

impl Sessions {
    pub(crate) fn new(token: FleetToken) -> Self {
        Self {
            token,
            hellos: HashMap::new(),
            open: HashMap::new(),
        }
    }

    /// The first step: remember both nonces, prove that we know the token.
    pub(crate) fn hello(
        &mut self,
        now: Instant,
        hello: HelloRequest,
        nonce: String,
    ) -> Result<HelloReply, AuthError> {
        self.hellos
            .retain(|_, pending| now.saturating_duration_since(pending.at) < HELLO_TTL);
        if hello.nonce.len() != NONCE_CHARS {
            return Err(AuthError::NoHello);
        }
        // A crowd of strangers must not keep members out: the oldest makes room, and a member's join
        // follows its hello within milliseconds.
        if self.hellos.len() >= MAX_HELLOS {
            let oldest = self.hellos.iter().min_by_key(|(_, pending)| pending.at);
            if let Some(nonce) = oldest.map(|(nonce, _)| nonce.clone()) {
                self.hellos.remove(&nonce);
            }
        }
        let proof = server_proof(&self.token, &hello.nonce, &nonce, &hello.member);
        let pending = PendingHello {
            mirror_nonce: hello.nonce,
            member: hello.member,
            at: now,
        };
        self.hellos.insert(nonce.clone(), pending);
        Ok(HelloReply {
            protocol: overspill_wire::PROTOCOL,
            nonce,
            proof: proof.to_string(),
        })
    }

    /// The second step: the mirror's proof. Opens a session and closes the member's former ones.
    pub(crate) fn join(
        &mut self,
        join: &JoinRequest,
        member: &MemberId,
        session: SessionId,
    ) -> Result<(), AuthError> {
        let pending = self.hellos.remove(&join.nonce).ok_or(AuthError::NoHello)?;
        let proof = join.proof.parse().map_err(|_| AuthError::WrongToken)?;
        if pending.member != join.member || join.proof(&self.token, &pending.mirror_nonce) != proof
        {
            return Err(AuthError::WrongToken);
        }
        let key = session_key(&self.token, &pending.mirror_nonce, &join.nonce);
        self.close(member);
        let seen = ReplayWindow::default();
        self.open.insert(
            session,
            Session {
                member: member.clone(),
                key,
                seen,
            },
        );
        Ok(())
    }

    /// Checks an order's proof over a pending hello, which it uses up; the operator's nonce.
    pub(crate) fn prove_order(
        &mut self,
        now: Instant,
        request: &OrderRequest,
    ) -> Result<String, AuthError> {
        let pending = self.hellos.remove(&request.nonce);
        let pending = pending.filter(|pending| {
            let age = now.saturating_duration_since(pending.at);
            pending.member == OPERATOR && age < HELLO_TTL
        });
        let nonce = pending.ok_or(AuthError::NoHello)?.mirror_nonce;
        if request.is_proved(&self.token, &nonce) {
            Ok(nonce)
        } else {
            Err(AuthError::WrongToken)
        }
    }

    /// Ends a member's sessions: what it signs is believed no longer.
    pub(crate) fn close(&mut self, member: &MemberId) {
        self.open.retain(|_, session| session.member != *member);
    }

    /// The fleet token, to sign answers to orders.
    pub(crate) fn token(&self) -> &FleetToken {
        &self.token
    }

    /// Checks a proof over a request; says whose it is and the session's key.
    pub(crate) fn verify(
        &mut self,
        proof: &Proof,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<(MemberId, Key), AuthError> {
        let session = self
            .open
            .get_mut(&proof.session)
            .ok_or(AuthError::NoSession)?;
        if !proof.verifies(&session.key, method, path, body) {
            return Err(AuthError::Unsigned);
        }
        if !session.seen.admit(proof.seq) {
            return Err(AuthError::Replayed);
        }
        Ok((session.member.clone(), session.key.clone()))
    }

    /// Whether the session is its member's current one.
    pub(crate) fn is_open(&self, session: SessionId) -> bool {
        self.open.contains_key(&session)
    }
}

impl ReplayWindow {
    const WIDTH: u64 = 64;

    /// Admits a number once, unless it is too old to know.
    fn admit(&mut self, seq: u64) -> bool {
        if seq > self.highest {
            let ahead = seq - self.highest;
            self.seen = if ahead < Self::WIDTH {
                self.seen << ahead | 1
            } else {
                1
            };
            self.highest = seq;
            return true;
        }
        let behind = self.highest - seq;
        if seq == 0 || behind >= Self::WIDTH || self.seen & 1 << behind != 0 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use overspill_wire::order::Nonces;

    use super::*;

    fn nonce(digit: char) -> String {
        digit.to_string().repeat(NONCE_CHARS)
    }

    fn hello() -> HelloRequest {
        HelloRequest {
            protocol: 1,
            member: "m-1".into(),
            nonce: nonce('a'),
        }
    }

    fn joined(ours: &FleetToken, theirs: &FleetToken) -> (Sessions, Result<(), AuthError>) {
        let mut sessions = Sessions::new(ours.clone());
        sessions.hello(Instant::now(), hello(), nonce('b')).unwrap();
        let mut join = JoinRequest {
            nonce: nonce('b'),
            member: "m-1".into(),
            url: String::new(),
            port: 1,
            scheme: overspill_wire::fleet::SchemeName::Http,
            epoch: 1,
            version: String::new(),
            zone: String::new(),
            reach: overspill_wire::fleet::ReachName::Public,
            proof: String::new(),
        };
        join.proof = join.proof(theirs, &nonce('a')).to_string();
        let result = sessions.join(&join, &"m-1".parse().unwrap(), SessionId(5));
        (sessions, result)
    }

    #[test]
    fn only_who_knows_the_token_gets_a_session() {
        let (ours, other) = (
            FleetToken::from_random([1; 32]),
            FleetToken::from_random([2; 32]),
        );
        assert_eq!(joined(&ours, &ours).1, Ok(()));
        assert_eq!(joined(&ours, &other).1, Err(AuthError::WrongToken));
    }

    #[test]
    fn a_signed_message_is_accepted_once() {
        let token = FleetToken::from_random([1; 32]);
        let (mut sessions, _) = joined(&token, &token);
        let key = session_key(&token, &nonce('a'), &nonce('b'));
        let sign = |seq| Proof::sign(&key, SessionId(5), seq, "POST", "/x", b"body");
        let mut verify = |proof: &Proof, body: &[u8]| {
            sessions
                .verify(proof, "POST", "/x", body)
                .map(|(member, _)| member.to_string())
        };
        assert_eq!(verify(&sign(1), b"body"), Ok("m-1".to_owned()));
        assert_eq!(verify(&sign(1), b"body"), Err(AuthError::Replayed));
        assert_eq!(verify(&sign(3), b"body"), Ok("m-1".to_owned()));
        assert_eq!(
            verify(&sign(2), b"body"),
            Ok("m-1".to_owned()),
            "overtaken by a little"
        );
        assert_eq!(verify(&sign(2), b"body"), Err(AuthError::Replayed));
        assert_eq!(verify(&sign(4), b"forged"), Err(AuthError::Unsigned));
        let stranger = Proof {
            session: SessionId(6),
            ..sign(9)
        };
        assert_eq!(verify(&stranger, b"body"), Err(AuthError::NoSession));
    }

    #[test]
    fn an_order_is_taken_once_from_who_greeted_as_operator_and_knows_the_token() {
        let token = FleetToken::from_random([1; 32]);
        let (now, order) = (Instant::now(), "drain m-1".parse().unwrap());
        let nonces = Nonces {
            operator: &nonce('a'),
            server: &nonce('b'),
        };
        let try_order = |member: &str, theirs: &FleetToken, later: Duration| {
            let mut sessions = Sessions::new(token.clone());
            let member = member.to_owned();
            let hello = HelloRequest { member, ..hello() };
            sessions.hello(now, hello, nonce('b')).unwrap();
            let request = OrderRequest::seal(theirs, nonces, &order);
            let first = sessions.prove_order(now + later, &request);
            let again = sessions.prove_order(now + later, &request);
            assert_eq!(again, Err(AuthError::NoHello), "taken twice");
            first
        };
        let other = FleetToken::from_random([2; 32]);
        let soon = Duration::ZERO;
        assert_eq!(try_order(OPERATOR, &token, soon), Ok(nonce('a')));
        assert_eq!(
            try_order(OPERATOR, &other, soon),
            Err(AuthError::WrongToken)
        );
        assert_eq!(try_order("m-1", &token, soon), Err(AuthError::NoHello));
        assert_eq!(
            try_order(OPERATOR, &token, HELLO_TTL),
            Err(AuthError::NoHello)
        );
    }

    #[test]
    fn a_closed_session_is_believed_no_longer() {
        let token = FleetToken::from_random([1; 32]);
        let (mut sessions, _) = joined(&token, &token);
        sessions.close(&"m-2".parse().unwrap());
        assert!(sessions.is_open(SessionId(5)));
        sessions.close(&"m-1".parse().unwrap());
        assert!(!sessions.is_open(SessionId(5)));
    }

    #[test]
    fn the_window_forgets_nothing_it_could_be_asked() {
        let mut window = ReplayWindow::default();
        assert!(!window.admit(0));
        for seq in [1, 100, 37, 99, 40] {
            assert!(window.admit(seq), "{seq}");
            assert!(!window.admit(seq), "{seq} again");
        }
        assert!(!window.admit(36), "too old to know");
        assert!(window.admit(1000));
        assert!(!window.admit(100));
    }

    #[test]
    fn hellos_are_bounded_and_the_oldest_makes_room() {
        let now = Instant::now();
        let mut sessions = Sessions::new(FleetToken::from_random([1; 32]));
        for at in 0..MAX_HELLOS * 2 {
            sessions.hello(now, hello(), format!("{at}")).unwrap();
            assert!(sessions.hellos.len() <= MAX_HELLOS);
        }
        sessions
            .hello(now + HELLO_TTL, hello(), "x".into())
            .unwrap();
        assert_eq!(sessions.hellos.len(), 1, "the others have expired");
    }
}
