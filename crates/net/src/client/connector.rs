//! How the client's pool gets a connection: TCP, directly or through a proxy, and TLS on top for
//! `https://`.
//!
//! It must never fall back from `https://` to anything less, nor from a proxy to none.

use std::{
    error::Error as StdError,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{
        Connected, Connection, HttpConnector,
        proxy::{SocksV5, Tunnel},
    },
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower::{Service, ServiceExt};

use super::{
    proxy::{Proxies, ProxyFailure, Way},
    trust::Trust,
};

/// Opens connections of every kind.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tcp: HttpConnector,
    trust: Trust,
    proxies: Proxies,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Stream {
    inner: MaybeHttpsStream<TokioIo<TcpStream>>,
    far_end: FarEnd,
}

/// Who reads what is written to a connection.
#[derive(Clone, Copy, Debug)]
enum FarEnd {
    /// The server that is asked.
    Server,
    /// A proxy, which has to be told the whole URL.
    Proxy,
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl Connector {
    pub(super) fn new(patience: Duration, trust: Trust, proxies: Proxies) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(patience));
        tcp.set_nodelay(true);
        // It opens the connections for TLS and to proxies as well.
        tcp.enforce_http(false);
        Self {
            tcp,
            trust,
            proxies,
        }
    }

    async fn open(self, url: Uri) -> Result<Stream, BoxError> {
        let Self {
            mut tcp,
            trust,
            proxies,
        } = self;
        let inner = match proxies.way(&url)? {
            Way::Direct => open_on(tcp, &trust, url).await?,
            Way::Forward(proxy) => {
                let opened = tcp.call(proxy.uri().clone()).await;
                let inner = MaybeHttpsStream::Http(opened.map_err(ProxyFailure::of(&proxy))?);
                let far_end = FarEnd::Proxy;
                return Ok(Stream { inner, far_end });
            }
            Way::Tunnel(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
                if let Some(authorization) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(authorization.clone());
                }
                open_on(tunnel.map_err(ProxyFailure::of(&proxy)), &trust, url).await?
            }
            Way::Socks(proxy) => {
                let mut socks = SocksV5::new(proxy.uri().clone(), tcp);
                if let Some((user, password)) = proxy.raw_auth() {
                    socks = socks.with_auth(user.to_owned(), password.to_owned());
                }
                open_on(socks.map_err(ProxyFailure::of(&proxy)), &trust, url).await?
            }
        };
        let far_end = FarEnd::Server;
        Ok(Stream { inner, far_end })
    }
}

/// Opens a connection for `url` on what `transport` opens.
async fn open_on<T>(
    mut transport: T,
    trust: &Trust,
    url: Uri,
) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>
where
    T: Service<Uri, Response = TokioIo<TcpStream>> + Send + 'static,
    T::Error: Into<BoxError>,
    T::Future: Send + 'static,
{
    if url.scheme() == Some(&http::uri::Scheme::HTTP) {
        let stream = transport.call(url).await.map_err(Into::into)?;
        return Ok(MaybeHttpsStream::Http(stream));
    }
    let config = trust.config().await?;
    HttpsConnector::from((transport, config)).call(url).await
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
        let next = self.clone();
        Box::pin(std::mem::replace(self, next).open(url))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        match self.far_end {
            FarEnd::Server => self.inner.connected(),
            FarEnd::Proxy => self.inner.connected().proxy(true),
        }
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, buffers)
    }
}
