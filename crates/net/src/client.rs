//! An HTTP client for control messages, replication and downloads, over hyper's pool.
//!
//! Its timeouts are for connecting and for silence, never for a whole body: a large file on a slow
//! link is no error. It must never follow redirects by itself, because callers differ on what a
//! redirect means.

use std::{error::Error as StdError, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use thiserror::Error;
use tokio::time::timeout;

/// A pool of connections to other nodes. Cheap to clone; clones share the pool.
#[derive(Clone, Debug)]
pub struct HttpClient {
    inner: Client<HttpConnector, Full<Bytes>>,
    patience: Patience,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a TCP connection.
    pub connect: Duration,
    /// For the response head after the request was sent, and between two parts of a body.
    pub silence: Duration,
}

/// Why a request came to nothing. All of these are worth another try, perhaps elsewhere.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The URL is not one we can ask.
    #[error("{0} is not an http:// URL with a host")]
    BadUrl(String),
    /// A body was longer than the caller's cap.
    #[error("{authority} sent more than {most} bytes")]
    BodyTooLong {
        /// Who.
        authority: String,
        /// The cap in bytes.
        most: usize,
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
    /// Nothing came for the configured silence.
    #[error("{authority} was silent for {} s", silence.as_secs())]
    Silent {
        /// Who.
        authority: String,
        /// How long we waited.
        silence: Duration,
    },
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
    /// A client with its own pool.
    pub fn new(patience: Patience) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(patience.connect));
        connector.set_nodelay(true);
        let inner = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Self { inner, patience }
    }

    /// Sends a request whose URI is absolute and waits for the response head.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, ClientError> {
        let authority = authority_of(request.uri())?;
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
            }),
            Err(error) if error.is_connect() => Err(ClientError::Connect {
                authority,
                reason: innermost(&error),
            }),
            Err(error) if is_parse_error(&error) => Err(ClientError::NotHttp { authority }),
            Err(error) => Err(ClientError::Exchange {
                authority,
                reason: innermost(&error),
            }),
        }
    }
}

/// A response whose body is read piece by piece.
#[derive(Debug)]
pub struct Reply {
    response: Response<Incoming>,
    authority: String,
    silence: Duration,
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
        (Some("http"), Some(authority)) => Ok(authority.to_string()),
        _ => Err(ClientError::BadUrl(uri.to_string())),
    }
}

fn is_parse_error(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// The last error in the chain: what the operating system said, without the layers around it.
fn innermost(error: &dyn StdError) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
