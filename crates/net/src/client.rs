//! An HTTP client for control messages, replication and downloads, over hyper's pool.
//!
//! Its timeouts are for connecting and for silence, never for a whole body: a large file on a slow
//! link is no error. It must never follow redirects by itself, because callers differ on what a
//! redirect means, and never talk to an `https://` server whose certificate it did not check.

mod connector;
mod credentials;
mod fault;
mod pace;
mod proxy;
mod trust;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use overspill_core::units::Rate;
use thiserror::Error;
use tokio::time::timeout;

use self::{
    connector::Connector,
    fault::{classify, innermost},
    pace::Pace,
};
pub use self::{
    credentials::{Credentials, CredentialsError},
    fault::CertificateFault,
    proxy::{Proxies, ProxyError},
    trust::{Trust, TrustError},
};

/// A pool of connections to other nodes. Cheap to clone; clones share the pool.
#[derive(Clone, Debug)]
pub struct HttpClient {
    inner: Client<Connector, Full<Bytes>>,
    patience: Patience,
    proxies: Proxies,
    credentials: Credentials,
    pace: Pace,
}

/// How a client goes about its requests.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// How long it waits.
    pub patience: Patience,
    /// Whom it trusts.
    pub trust: Trust,
    /// What it goes through.
    pub proxies: Proxies,
    /// What it says when it is asked who it is.
    pub credentials: Credentials,
    /// How much it takes of all bodies together, if that is limited.
    pub rate: Option<Rate>,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a TCP connection.
    pub connect: Duration,
    /// For the response head after the request was sent, and between two parts of a body.
    pub silence: Duration,
}

/// Why a request came to nothing. All of these are worth another try elsewhere, and most here too:
/// see [`ClientError::is_lasting`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The URL is not one we can ask.
    #[error("{0} is not an http:// or https:// URL with a host")]
    BadUrl(String),
    /// A body was longer than the caller's cap.
    #[error("{authority} sent more than {most} bytes")]
    BodyTooLong {
        /// Who.
        authority: String,
        /// The cap in bytes.
        most: usize,
    },
    /// The server's certificate is not accepted. Nothing was sent.
    #[error("the certificate of {authority} {fault}")]
    Certificate {
        /// Who.
        authority: String,
        /// Why, and what to do about it.
        fault: CertificateFault,
    },
    /// No connection.
    #[error("cannot connect to {authority}: {reason}")]
    Connect {
        /// Who.
        authority: String,
        /// The innermost cause, as the system words it.
        reason: String,
    },
    /// The connection broke or the other side does not speak HTTP.
    #[error("the connection to {authority} failed: {reason}")]
    Exchange {
        /// Who.
        authority: String,
        /// The innermost cause.
        reason: String,
    },
    /// It answered, but not in HTTP.
    #[error("{authority} does not speak HTTP")]
    NotHttp {
        /// Who.
        authority: String,
    },
    /// An `https://` URL of a server that speaks something else there.
    #[error("{authority} does not speak TLS; ask it by http://, or at another port")]
    NotTls {
        /// Who.
        authority: String,
    },
    /// The environment names a proxy we cannot speak to.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// Nothing came for the configured silence.
    #[error("{authority} was silent for {} s", silence.as_secs())]
    Silent {
        /// Who.
        authority: String,
        /// How long we waited.
        silence: Duration,
    },
    /// An `https://` URL, and nobody to trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl ClientError {
    /// Whether asking the same node again is hopeless until a person has changed something.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::BadUrl(_)
            | Self::Certificate { .. }
            | Self::NotTls { .. }
            | Self::Proxy(_)
            | Self::Trust(_) => true,
            Self::BodyTooLong { .. }
            | Self::Connect { .. }
            | Self::Exchange { .. }
            | Self::NotHttp { .. }
            | Self::Silent { .. } => false,
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(15),
        }
    }
}

impl HttpClient {
    /// A client with its own pool that trusts whom the system trusts.
    pub fn new(patience: Patience) -> Self {
        Self::with_trust(patience, Trust::system())
    }

    /// A client with its own pool that trusts `trust` and nobody else, and goes through no proxy.
    pub fn with_trust(patience: Patience, trust: Trust) -> Self {
        Self::with_settings(ClientSettings {
            patience,
            trust,
            proxies: Proxies::none(),
            credentials: Credentials::none(),
            rate: None,
        })
    }

    /// A client with its own pool.
    pub fn with_settings(settings: ClientSettings) -> Self {
        let ClientSettings {
            patience,
            trust,
            proxies,
            credentials,
            rate,
        } = settings;
        let connector = Connector::new(patience.connect, trust, proxies.clone());
        let inner = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Self {
            inner,
            patience,
            proxies,
            credentials,
            pace: Pace::new(rate),
        }
    }

    /// Sends a request whose URI is absolute and waits for the response head.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Reply, ClientError> {
        let authority = authority_of(request.uri())?;
        self.introduce(&mut request);
        let silence = self.patience.silence;
        let head = timeout(self.patience.connect + silence, self.inner.request(request)).await;
        let Ok(head) = head else {
            return Err(ClientError::Silent { authority, silence });
        };
        match head {
            Ok(response) => Ok(Reply {
                response,
                authority,
                silence,
                pace: self.pace.clone(),
            }),
            Err(error) => Err(classify(&error, authority)),
        }
    }

    /// Adds who we are, for a proxy on the way and for the server.
    fn introduce(&self, request: &mut Request<Full<Bytes>>) {
        if let Some(value) = self.proxies.authorization(request.uri()) {
            let fields = request.headers_mut();
            fields.insert(header::PROXY_AUTHORIZATION, value);
        }
        if let Some(value) = self.credentials.authorization(request.uri()) {
            let entry = request.headers_mut().entry(header::AUTHORIZATION);
            entry.or_insert(value);
        }
    }
}

/// A response whose body is read piece by piece.
#[derive(Debug)]
pub struct Reply {
    response: Response<Incoming>,
    authority: String,
    silence: Duration,
    pace: Pace,
}

impl Reply {
    /// Status and fields.
    pub fn head(&self) -> &Response<Incoming> {
        &self.response
    }

    /// The status code.
    pub fn status(&self) -> http::StatusCode {
        self.response.status()
    }

    /// The text of a response field, if it is there once and is text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Whom we are talking to, for messages.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The next part of the body; `None` at its proper end. A cut body is an error.
    pub async fn next_part(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = timeout(self.silence, self.response.body_mut().frame()).await;
            let Ok(frame) = frame else {
                let (authority, silence) = (self.authority.clone(), self.silence);
                return Err(ClientError::Silent { authority, silence });
            };
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(part) = Frame::into_data(frame) {
                        self.pace.take(part.len() as u64).await;
                        return Ok(Some(part));
                    }
                }
                Some(Err(error)) => {
                    let authority = self.authority.clone();
                    return Err(ClientError::Exchange {
                        authority,
                        reason: innermost(&error),
                    });
                }
            }
        }
    }

    /// The whole body, refused when it is longer than `most` bytes.
    pub async fn collect(mut self, most: usize) -> Result<Vec<u8>, ClientError> {
        let hint = self.response.body().size_hint().exact().unwrap_or(0);
        let mut body = Vec::with_capacity(usize::try_from(hint).unwrap_or(0).min(most));
        while let Some(part) = self.next_part().await? {
            if body.len() + part.len() > most {
                return Err(ClientError::BodyTooLong {
                    authority: self.authority,
                    most,
                });
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }
}

fn authority_of(uri: &Uri) -> Result<String, ClientError> {
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) => Ok(authority.to_string()),
        _ => Err(ClientError::BadUrl(uri.to_string())),
    }
}

#[cfg(test)]
mod tests;
