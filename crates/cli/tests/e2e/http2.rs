//! HTTP/2, a connection for each exchange: in the clear by prior knowledge, or by TLS.
//!
//! It must never mend what a node sends: a reset is an error, whatever came before it.

use std::{fmt, net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::{Reason, RecvStream, client};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, request, uri::PathAndQuery};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::{self, Runtime},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    http::Reply,
    secure::{self, Terms},
};

/// A client that speaks nothing else.
pub(crate) struct Client {
    address: SocketAddr,
    terms: Option<Terms>,
    runtime: Runtime,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// No such request can be written.
    Impossible(String),
    /// The exchange was reset with this code.
    Reset(Reason),
    /// Anything else.
    Other(String),
}

/// How long an exchange may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes that may be under way: enough not to slow a large body down.
const WINDOW_BYTES: u32 = 1 << 20;

impl Client {
    /// Speaks in the clear, or by TLS on these terms.
    pub(crate) fn to(address: SocketAddr, terms: Option<Terms>) -> Self {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        Self {
            address,
            terms,
            runtime: runtime.expect("a runtime"),
        }
    }

    /// Sends one request, and receives its answer to the end of its stream; `fields` are lines with
    /// their ends, as HTTP/1.1 has them.
    pub(crate) fn exchange(
        &self,
        method: &str,
        target: &str,
        fields: &str,
    ) -> Result<Reply, Broken> {
        self.exchange_while(method, target, fields, || {})
    }

    /// The same; `change` happens between the head and the rest of the body.
    pub(crate) fn exchange_while(
        &self,
        method: &str,
        target: &str,
        fields: &str,
        change: impl FnOnce(),
    ) -> Result<Reply, Broken> {
        let request = self.request(method, target, fields)?;
        let exchanged = async { timeout(PATIENCE, self.exchange_on_any(request, change)).await };
        let exchanged = self.runtime.block_on(exchanged);
        exchanged.unwrap_or_else(|_| Err(Broken::Other("no end in sight".to_owned())))
    }

    fn request(&self, method: &str, target: &str, fields: &str) -> Result<Request<()>, Broken> {
        let path: PathAndQuery = target.parse().map_err(impossible)?;
        let scheme = self.terms.as_ref().map_or("http", |_| "https");
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(self.address.to_string())
            .path_and_query(path);
        let method = Method::from_bytes(method.as_bytes()).map_err(impossible)?;
        let request = Request::builder()
            .version(http::Version::HTTP_2)
            .method(method)
            .uri(uri.build().map_err(impossible)?);
        with_fields(request, fields)?.body(()).map_err(impossible)
    }

    async fn exchange_on_any(
        &self,
        request: Request<()>,
        change: impl FnOnce(),
    ) -> Result<Reply, Broken> {
        let stream = TcpStream::connect(self.address).await.map_err(other)?;
        let Some(Terms(config)) = &self.terms else {
            return exchange_on(stream, request, change).await;
        };
        let connector = TlsConnector::from(config.clone());
        let secured = connector.connect(secure::name(self.address), stream).await;
        let secured = secured.map_err(other)?;
        let protocol = secured.get_ref().1.alpn_protocol();
        if protocol != Some(b"h2") {
            return Err(Broken::Other(format!("{protocol:?} was chosen, not h2")));
        }
        exchange_on(secured, request, change).await
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Impossible(detail) => write!(f, "there is no such request: {detail}"),
            Self::Reset(reason) => write!(f, "reset: {reason}"),
            Self::Other(detail) => f.write_str(detail),
        }
    }
}

fn with_fields(mut request: request::Builder, fields: &str) -> Result<request::Builder, Broken> {
    for line in fields.lines() {
        let (name, value) = line.split_once(':').expect("a field line");
        let name: HeaderName = name.parse().map_err(impossible)?;
        let value: HeaderValue = value.trim().parse().map_err(impossible)?;
        request = request.header(name, value);
    }
    Ok(request)
}

async fn exchange_on<T: AsyncRead + AsyncWrite + Unpin>(
    stream: T,
    request: Request<()>,
    change: impl FnOnce(),
) -> Result<Reply, Broken> {
    let shaken = client::Builder::new()
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .handshake::<_, Bytes>(stream)
        .await;
    let (sender, connection) = shaken.map_err(broken)?;
    let answered = async {
        let mut sender = sender.ready().await.map_err(broken)?;
        let (response, _) = sender.send_request(request, true).map_err(broken)?;
        let (head, body) = response.await.map_err(broken)?.into_parts();
        change();
        let head = head_text(&Response::from_parts(head, ()));
        let status = head[7..10].parse().expect("a status");
        let body = received(body).await?;
        Ok(Reply { status, head, body })
    };
    tokio::select! {
        // The connection is driven by being polled; the exchange is first to know its own end.
        biased;
        answered = answered => answered,
        ended = connection => Err(ended.map_or_else(broken, |()| other("closed without an answer"))),
    }
}

async fn received(mut body: RecvStream) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.map_err(broken)?;
        let flow = body.flow_control();
        flow.release_capacity(part.len()).map_err(broken)?;
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// The head in the words of HTTP/1.1.
fn head_text(response: &Response<()>) -> String {
    let mut head = format!("HTTP/2 {}", response.status().as_u16());
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        head.push_str(&format!("\r\n{name}: {value}"));
    }
    head
}

fn broken(error: h2::Error) -> Broken {
    match error.reason() {
        Some(reason) if error.is_reset() => Broken::Reset(reason),
        _ => other(error),
    }
}

fn impossible(error: impl ToString) -> Broken {
    Broken::Impossible(error.to_string())
}

fn other(error: impl ToString) -> Broken {
    Broken::Other(error.to_string())
}
