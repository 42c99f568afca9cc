//! Ordering a running server to drain or remove a member, or to change its policy.
//!
//! The token never leaves this process: both sides prove that they know it, the server first. It
//! must never show anything signed to a server that does not.

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use overspill_core::secret::FleetToken;
use overspill_net::client::{ClientError, HttpClient};
use overspill_wire::{
    PROTOCOL,
    fleet::{HelloReply, HelloRequest, MAX_MESSAGE_BYTES, server_proof},
    order::{Nonces, OPERATOR, Order, OrderReply, OrderRequest},
    paths,
};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{
    exit::Exit,
    url::{HttpUrl, UrlError},
};

/// Why an order was not carried out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OrderError {
    /// No connection, a broken one, or silence. Whether the order arrived is not known.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer to the order is not the server's.
    #[error("the answer of {0} is not signed; look with `overspill status` what is the case")]
    Forged(HttpUrl),
    /// The system has no randomness to give.
    #[error("the system's random source failed")]
    NoRandomness,
    /// Something answers, but no server.
    #[error("{0} is no Overspill server; orders go to the server, not to a mirror")]
    NotServer(HttpUrl),
    /// The server says why not.
    #[error("{said}")]
    Refused {
        /// The answer.
        status: StatusCode,
        /// Its words.
        said: String,
    },
    /// A URL we cannot ask.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// One of us has another token.
    #[error(
        "the fleet token is not the one of {0}; take it from the join command that the server \
         printed, or from STATE/token there"
    )]
    WrongToken(HttpUrl),
}

impl OrderError {
    /// How a command that failed like this ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotServer(_) | Self::Url(_) => Exit::Usage,
            Self::WrongToken(_) => Exit::Refused,
            Self::Refused { status, .. } => match *status {
                StatusCode::NOT_FOUND => Exit::NotFound,
                StatusCode::BAD_REQUEST => Exit::Usage,
                _ => Exit::Network,
            },
            Self::Client(_) | Self::Forged(_) | Self::NoRandomness => Exit::Network,
        }
    }
}

/// Gives an order to the server that `url` leads to; what is the case then, in its words.
pub async fn give_order(
    client: &HttpClient,
    url: &HttpUrl,
    token: &FleetToken,
    order: &Order,
) -> Result<String, OrderError> {
    let server = Server { client, url };
    let own_nonce = nonce()?;
    let hello = server.greet(&own_nonce).await?;
    let proof = server_proof(token, &own_nonce, &hello.nonce, OPERATOR);
    if hello.proof.parse() != Ok(proof) {
        return Err(OrderError::WrongToken(url.clone()));
    }
    let nonces = Nonces {
        operator: &own_nonce,
        server: &hello.nonce,
    };
    let request = OrderRequest::seal(token, nonces, order);
    let reply: OrderReply = server.post(paths::ORDER, &request).await?;
    if !reply.is_proved(token, nonces) {
        return Err(OrderError::Forged(url.clone()));
    }
    Ok(reply.said)
}

/// The server as an operator talks to it.
struct Server<'a> {
    client: &'a HttpClient,
    url: &'a HttpUrl,
}

impl Server<'_> {
    async fn greet(&self, nonce: &str) -> Result<HelloReply, OrderError> {
        let hello = HelloRequest {
            protocol: PROTOCOL,
            member: OPERATOR.to_owned(),
            nonce: nonce.to_owned(),
        };
        let greeted = self.post(paths::HELLO, &hello).await;
        greeted.map_err(|error| match error {
            // No server refuses a greeting, but for another protocol or a crowd.
            OrderError::Refused { status, .. }
                if status.is_client_error() && status != StatusCode::CONFLICT =>
            {
                OrderError::NotServer(self.url.clone())
            }
            OrderError::Client(ClientError::NotHttp { .. }) | OrderError::WrongToken(_) => {
                OrderError::NotServer(self.url.clone())
            }
            error => error,
        })
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        message: &impl Serialize,
    ) -> Result<T, OrderError> {
        let not_ours = || OrderError::NotServer(self.url.clone());
        let body = serde_json::to_vec(message).map_err(|_| not_ours())?;
        let url = self.url.resolve(path)?;
        let request = Request::post(url.uri().clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| not_ours())?;
        let reply = self.client.send(request).await?;
        let status = reply.status();
        if status.is_success() {
            let body = reply.collect(MAX_MESSAGE_BYTES).await?;
            return serde_json::from_slice(&body).map_err(|_| not_ours());
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(OrderError::WrongToken(self.url.clone()));
        }
        let said = reply.collect(WORDS_BYTES_MAX).await.unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        let said = match said.as_str() {
            "" => format!("{} answered {status}", self.url),
            _ => said,
        };
        Err(OrderError::Refused { status, said })
    }
}

fn nonce() -> Result<String, OrderError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| OrderError::NoRandomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Longest refusal that is repeated.
const WORDS_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do_and_how_to_end() {
        let url = || HttpUrl::parse("http://h:1").unwrap();
        let refused = |status| OrderError::Refused {
            status,
            said: "nobody in the fleet is called x; there are y".to_owned(),
        };
        for (error, message, exit) in [
            (
                OrderError::WrongToken(url()),
                "the fleet token is not the one of http://h:1/; take it from the join command that \
                 the server printed, or from STATE/token there",
                Exit::Refused,
            ),
            (
                OrderError::NotServer(url()),
                "http://h:1/ is no Overspill server; orders go to the server, not to a mirror",
                Exit::Usage,
            ),
            (
                OrderError::Forged(url()),
                "the answer of http://h:1/ is not signed; look with `overspill status` what is the \
                 case",
                Exit::Network,
            ),
            (
                refused(StatusCode::NOT_FOUND),
                "nobody in the fleet is called x; there are y",
                Exit::NotFound,
            ),
            (
                OrderError::NoRandomness,
                "the system's random source failed",
                Exit::Network,
            ),
        ] {
            assert_eq!((error.to_string().as_str(), error.exit()), (message, exit));
        }
        assert_eq!(refused(StatusCode::BAD_REQUEST).exit(), Exit::Usage);
        assert_eq!(
            refused(StatusCode::INTERNAL_SERVER_ERROR).exit(),
            Exit::Network
        );
    }
}
