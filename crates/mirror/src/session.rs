//! Joining the server, and signing what is said to it afterwards.
//!
//! The server proves first that it knows the token; a mirror must never show anything of its own to
//! a server that does not.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use overspill_core::secret::{FleetToken, Key};
use overspill_net::client::{ClientError, HttpClient, Reply};
use overspill_wire::{
    PROTOCOL,
    auth::{AUTH_FIELD, Proof, SessionId},
    fleet::{
        HelloReply, HelloRequest, JoinReply, JoinRequest, MAX_MESSAGE_BYTES, ReachName, SchemeName,
        server_proof, session_key,
    },
    paths,
};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// The server as the mirror talks to it.
#[derive(Clone, Debug)]
pub(crate) struct ServerUrl(String);

/// Who the mirror is.
#[derive(Clone, Debug)]
pub(crate) struct Applicant {
    pub(crate) member: String,
    /// What clients are to use; empty to let the server find out.
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) scheme: SchemeName,
    pub(crate) epoch: u64,
    /// Where the mirror stands; empty if nobody said.
    pub(crate) zone: String,
    pub(crate) reach: ReachName,
}

/// A joined session.
#[derive(Debug)]
pub(crate) struct Session {
    id: SessionId,
    key: Key,
    seq: AtomicU64,
    server: ServerUrl,
}

/// Why joining or talking failed.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    /// The connection; worth another try.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The session is over; join again.
    #[error("the server no longer knows this session")]
    Expired,
    /// The other side is no Overspill server.
    #[error(
        "{0} is not an Overspill server; check the address, it is the one `overspill serve` printed"
    )]
    NotOverspill(String),
    /// It answered something unexpected; worth another try.
    #[error("{server} answered {status}: {detail}")]
    Refused {
        /// Who.
        server: String,
        /// The status.
        status: StatusCode,
        /// What it said.
        detail: String,
    },
    /// The operator has removed this mirror from the fleet.
    #[error("{0}")]
    Removed(String),
    /// One of us has another token.
    #[error(
        "the fleet token is not the one of {0}; take it from the join command that the server \
         printed, or from STATE/token there"
    )]
    WrongToken(String),
    /// The randomness for a nonce could not be had.
    #[error("the system's random source failed")]
    NoRandomness,
}

impl SessionError {
    /// Whether trying again without a person's help is hopeless.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::NotOverspill(_) | Self::Removed(_) | Self::WrongToken(_) => true,
            Self::Refused { status, .. } => *status == StatusCode::CONFLICT,
            Self::Client(error) => error.is_lasting(),
            Self::Expired | Self::NoRandomness => false,
        }
    }

    /// Whether an operator wants this mirror out of the fleet.
    pub(crate) fn is_removal(&self) -> bool {
        matches!(self, Self::Removed(_))
    }
}

impl SessionError {
    /// What an answer to the very first message means: no Overspill server refuses a hello, but for
    /// another protocol or a crowd.
    fn of_a_stranger(self, server: &ServerUrl) -> Self {
        match self {
            Self::Expired | Self::Removed(_) | Self::WrongToken(_) => {
                Self::NotOverspill(server.0.clone())
            }
            Self::Refused { status, .. }
                if status.is_client_error() && status != StatusCode::CONFLICT =>
            {
                Self::NotOverspill(server.0.clone())
            }
            error => error,
        }
    }
}

impl ServerUrl {
    /// Checks a server's URL: scheme http or https and a host, nothing behind it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bare = text.trim_end_matches('/');
        let uri: Uri = bare.parse().ok()?;
        let is_bare = matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some()
            && uri.path_and_query().is_none_or(|path| path.as_str() == "/");
        is_bare.then(|| Self(bare.to_owned()))
    }

    /// Scheme and authority.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

/// Joins: hello, check the server's proof, show ours.
pub(crate) async fn join(
    client: &HttpClient,
    server: &ServerUrl,
    token: &FleetToken,
    applicant: &Applicant,
) -> Result<Session, SessionError> {
    let nonce = nonce()?;
    let hello = HelloRequest {
        protocol: PROTOCOL,
        member: applicant.member.clone(),
        nonce: nonce.clone(),
    };
    let reply = exchange(client, server, paths::HELLO, &hello).await;
    let reply: HelloReply = reply.map_err(|error| error.of_a_stranger(server))?;
    let proof = server_proof(token, &nonce, &reply.nonce, &applicant.member);
    if reply.proof.parse() != Ok(proof) {
        return Err(SessionError::WrongToken(server.0.clone()));
    }
    let mut join = JoinRequest {
        nonce: reply.nonce.clone(),
        member: applicant.member.clone(),
        url: applicant.url.clone(),
        port: applicant.port,
        scheme: applicant.scheme,
        epoch: applicant.epoch,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        zone: applicant.zone.clone(),
        reach: applicant.reach,
        proof: String::new(),
    };
    join.proof = join.proof(token, &nonce).to_string();
    let joined: JoinReply = exchange(client, server, paths::JOIN, &join).await?;
    let id = joined
        .session
        .parse()
        .map_err(|_| SessionError::NotOverspill(server.0.clone()))?;
    tracing::info!(
        event = "server-joined", server = %server.0, url = %joined.url,
        "joined the server; clients are sent to {}", joined.url
    );
    let key = session_key(token, &nonce, &reply.nonce);
    Ok(Session {
        id,
        key,
        seq: AtomicU64::new(0),
        server: server.clone(),
    })
}

impl Session {
    /// The key both sides sign with.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Sends a signed request.
    pub(crate) async fn send(
        &self,
        client: &HttpClient,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Reply, SessionError> {
        let seq = self.seq.fetch_add(1, Relaxed) + 1;
        let proof = Proof::sign(&self.key, self.id, seq, method.as_str(), path, &body);
        let request = Request::builder()
            .method(method)
            .uri(self.server.uri(path))
            .header(AUTH_FIELD, proof.to_string())
            .header(header::ACCEPT_ENCODING, "zstd")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| ClientError::BadUrl(self.server.uri(path)))?;
        let reply = client.send(request).await?;
        if reply.status().is_success() {
            return Ok(reply);
        }
        Err(refusal(&self.server, reply).await)
    }
}

async fn exchange<T: DeserializeOwned>(
    client: &HttpClient,
    server: &ServerUrl,
    path: &str,
    message: &impl Serialize,
) -> Result<T, SessionError> {
    let not_ours = || SessionError::NotOverspill(server.0.clone());
    let body = serde_json::to_vec(message).map_err(|_| not_ours())?;
    let request = Request::post(server.uri(path))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| ClientError::BadUrl(server.uri(path)))?;
    let reply = client.send(request).await.map_err(|error| match error {
        ClientError::NotHttp { .. } => not_ours(),
        error => error.into(),
    })?;
    if !reply.status().is_success() {
        return Err(refusal(server, reply).await);
    }
    let body = reply.collect(MAX_MESSAGE_BYTES).await?;
    serde_json::from_slice(&body).map_err(|_| not_ours())
}

async fn refusal(server: &ServerUrl, reply: Reply) -> SessionError {
    let status = reply.status();
    let detail = reply.collect(4096).await.unwrap_or_default();
    let detail = String::from_utf8_lossy(&detail).trim().to_owned();
    match status {
        StatusCode::UNAUTHORIZED => SessionError::Expired,
        StatusCode::GONE => SessionError::Removed(detail),
        StatusCode::FORBIDDEN => SessionError::WrongToken(server.0.clone()),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
            SessionError::NotOverspill(server.0.clone())
        }
        _ => SessionError::Refused {
            server: server.0.clone(),
            status,
            detail,
        },
    }
}

fn nonce() -> Result<String, SessionError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SessionError::NoRandomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_urls_are_checked() {
        for (text, expected) in [
            ("http://h:8080", Some("http://h:8080")),
            ("http://h:8080/", Some("http://h:8080")),
            ("http://[::1]:80", Some("http://[::1]:80")),
            ("h:8080", None),
            ("https://h", Some("https://h")),
            ("https://h:8443/", Some("https://h:8443")),
            ("ftp://h", None),
            ("http://h/path", None),
            ("http://", None),
            ("", None),
        ] {
            let parsed = ServerUrl::parse(text);
            assert_eq!(parsed.as_ref().map(ServerUrl::as_str), expected, "{text}");
        }
    }
}
