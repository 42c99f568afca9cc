//! Asking a node for JSON: one bounded document, or an error that names what was expected.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use overspill_net::client::{ClientError, HttpClient};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::{
    exit::Exit,
    follow::{Arrival, Lost, LostReason, REDIRECTS_MAX, follow},
    url::{HttpUrl, UrlError},
};

/// Why a question had no usable answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// No connection, a broken one, or silence.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The pages of a listing go in circles.
    #[error("{url} has a listing without end: the server sent the same cursor twice")]
    Endless {
        /// What was asked.
        url: HttpUrl,
    },
    /// Something answers, but not as Overspill would.
    #[error("{url} is no {expected}: {reason}")]
    Foreign {
        /// What was asked.
        url: HttpUrl,
        /// What it should have been.
        expected: &'static str,
        /// How it differs.
        reason: String,
    },
    /// Nothing there.
    #[error("{url} was not found on the server")]
    NotFound {
        /// What was asked.
        url: HttpUrl,
    },
    /// The server demands credentials or forbids it.
    #[error("{url} is refused by the server ({status})")]
    Refused {
        /// What was asked.
        url: HttpUrl,
        /// 401 or 403.
        status: StatusCode,
    },
    /// Redirected in circles, or without a place to go.
    #[error("{url} redirects to nowhere or more than {REDIRECTS_MAX} times")]
    Redirects {
        /// What was asked.
        url: HttpUrl,
    },
    /// Any other status.
    #[error("{url} cannot be read: the server answered {status}")]
    Status {
        /// What was asked.
        url: HttpUrl,
        /// The answer.
        status: StatusCode,
    },
    /// It answers with a refusal in words of its own.
    #[error("{url}: {text}")]
    Told {
        /// What was asked.
        url: HttpUrl,
        /// The answer.
        status: StatusCode,
        /// The words.
        text: String,
    },
    /// A URL we cannot ask.
    #[error(transparent)]
    Url(#[from] UrlError),
}

impl AskError {
    /// How a command that failed like this ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Foreign { .. } | Self::Url(_) => Exit::Usage,
            Self::NotFound { .. } => Exit::NotFound,
            Self::Refused { .. } => Exit::Refused,
            Self::Told { status, .. } => match status.as_u16() {
                400 => Exit::Usage,
                401 | 403 => Exit::Refused,
                404 => Exit::NotFound,
                _ => Exit::Network,
            },
            Self::Client(_)
            | Self::Endless { .. }
            | Self::Redirects { .. }
            | Self::Status { .. } => Exit::Network,
        }
    }
}

/// A document to ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document {
    /// What it is, for messages: `Overspill folder`.
    pub(crate) name: &'static str,
    /// Longest body read, in bytes.
    pub(crate) bytes_max: usize,
}

impl Document {
    /// Fetches and parses it.
    pub(crate) async fn fetch<T: DeserializeOwned>(
        &self,
        client: &HttpClient,
        url: &HttpUrl,
    ) -> Result<T, AskError> {
        let arrival = ask(client, &Method::GET, url).await?;
        self.parse(url, arrival).await
    }

    /// Fetches and parses it; a refusal is told in the node's own words.
    pub(crate) async fn fetch_or_told<T: DeserializeOwned>(
        &self,
        client: &HttpClient,
        url: &HttpUrl,
    ) -> Result<T, AskError> {
        let arrival = send(client, &Method::GET, url).await?;
        let status = arrival.reply.status();
        let kind = arrival.reply.field(header::CONTENT_TYPE.as_str());
        let has_words = kind.is_some_and(|kind| kind.starts_with("text/plain"));
        if status == StatusCode::OK || !has_words {
            return self.parse(url, check(url, arrival)?).await;
        }
        let text = arrival.reply.collect(WORDS_BYTES_MAX).await?;
        Err(AskError::Told {
            url: url.clone(),
            status,
            text: String::from_utf8_lossy(&text).trim().to_owned(),
        })
    }

    async fn parse<T: DeserializeOwned>(
        &self,
        url: &HttpUrl,
        arrival: Arrival,
    ) -> Result<T, AskError> {
        let foreign = |reason: String| AskError::Foreign {
            url: url.clone(),
            expected: self.name,
            reason,
        };
        // A page of HTML or a large file must not be read to the end to learn that it is no JSON.
        let kind = arrival.reply.field(header::CONTENT_TYPE.as_str());
        let kind = kind.unwrap_or("bytes of no known type");
        if !kind.starts_with("application/json") {
            return Err(foreign(format!("it sent {kind}")));
        }
        let body: Bytes = arrival.reply.collect(self.bytes_max).await?.into();
        serde_json::from_slice(&body).map_err(|error| foreign(error.to_string()))
    }
}

/// One request whose answer is a success.
pub(crate) async fn ask(
    client: &HttpClient,
    method: &Method,
    url: &HttpUrl,
) -> Result<Arrival, AskError> {
    check(url, send(client, method, url).await?)
}

/// One request, whatever the answer.
async fn send(client: &HttpClient, method: &Method, url: &HttpUrl) -> Result<Arrival, AskError> {
    let mut fields = HeaderMap::new();
    fields.insert(header::ACCEPT, JSON_FIRST);
    let arrival = follow(client, method, url.clone(), &fields).await;
    arrival.map_err(|lost| lost.into_ask_error(url))
}

fn check(url: &HttpUrl, arrival: Arrival) -> Result<Arrival, AskError> {
    let (url, status) = (url.clone(), arrival.reply.status());
    match status.as_u16() {
        200 => Ok(arrival),
        401 | 403 => Err(AskError::Refused { url, status }),
        404 | 410 => Err(AskError::NotFound { url }),
        _ => Err(AskError::Status { url, status }),
    }
}

impl Lost {
    fn into_ask_error(self, url: &HttpUrl) -> AskError {
        match self.reason {
            LostReason::Client(error) => AskError::Client(error),
            LostReason::Location(_) | LostReason::TooMany => {
                AskError::Redirects { url: url.clone() }
            }
            LostReason::Url(error) => AskError::Url(error),
        }
    }
}

/// Longest refusal that is repeated.
const WORDS_BYTES_MAX: usize = 4096;
const JSON_FIRST: header::HeaderValue =
    header::HeaderValue::from_static("application/json, */*;q=0.1");
