//! How the client's pool gets a connection: TCP, and TLS on top for `https://`.
//!
//! It must never fall back from `https://` to anything less.

use std::{
    error::Error as StdError,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::net::TcpStream;
use tower::Service;

use super::trust::Trust;

/// Opens connections of either kind.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tcp: HttpConnector,
    trust: Trust,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type BoxError = Box<dyn StdError + Send + Sync>;

impl Connector {
    pub(super) fn new(patience: Duration, trust: Trust) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(patience));
        tcp.set_nodelay(true);
        // It opens the connections for TLS as well.
        tcp.enforce_http(false);
        Self { tcp, trust }
    }
}

impl Service<Uri> for Connector {
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;
    type Response = Stream;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        // The one that was found ready goes; its clone waits for the next call.
        let next = self.tcp.clone();
        let mut tcp = std::mem::replace(&mut self.tcp, next);
        let trust = self.trust.clone();
        Box::pin(async move {
            if url.scheme() == Some(&http::uri::Scheme::HTTP) {
                return Ok(MaybeHttpsStream::Http(tcp.call(url).await?));
            }
            let config = trust.config().await?;
            HttpsConnector::from((tcp, config)).call(url).await
        })
    }
}
