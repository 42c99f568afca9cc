//! Load over TLS, from this process: new connections, large bodies, many streams of HTTP/2.
//!
//! One thread, on the processor of the load. It offers TLS 1.3, X25519 and no resumption to
//! everyone alike, so that what is compared is the same handshake. It must never count an answer
//! that was not a whole success.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use http::{Request, Uri, Version, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::TLS13,
};
use tokio::{
    net::TcpStream,
    runtime,
    task::{LocalSet, spawn_local},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    contender::Pair,
    load::Load,
    machine::{Pinning, Side},
};

/// The load generator.
#[derive(Clone, Debug)]
pub(super) struct SecureLoad {
    config: ClientConfig,
    pinning: Pinning,
}

/// How the requests come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pattern {
    /// Each on a connection of its own, so many at a time.
    Connections(u32),
    /// One after the other on each of so many connections.
    KeepAlive(u32),
    /// HTTP/2: so many streams at a time on each of so many connections.
    Streams { connections: u32, each: u32 },
}

/// What is asked of whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecureTarget<'a> {
    pub(super) address: SocketAddr,
    pub(super) path: &'a str,
    pub(super) pattern: Pattern,
}

/// What the workers of one run share.
struct Run {
    address: SocketAddr,
    path: String,
    connector: TlsConnector,
    until: Instant,
}

/// What a worker has done.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    requests: u64,
    bytes: u64,
    errors: u64,
}

/// Longest wait for anything; a contender that hangs must not hang the benchmark.
const PATIENCE: Duration = Duration::from_secs(30);
/// Errors after which a worker gives up, lest it spin.
const ERRORS_MAX: u64 = 100;

impl SecureLoad {
    pub(super) fn new(pair: &Pair, pinning: Pinning) -> Result<Self> {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&pair.cert)?)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self { config, pinning })
    }

    /// Loads `target` for some seconds, on a thread of its own.
    pub(super) fn run(&self, target: SecureTarget<'_>, seconds: u32) -> Result<Load> {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![match target.pattern {
            Pattern::Streams { .. } => b"h2".to_vec(),
            Pattern::Connections(_) | Pattern::KeepAlive(_) => b"http/1.1".to_vec(),
        }];
        let begun = Instant::now();
        let run = Run {
            address: target.address,
            path: target.path.to_owned(),
            connector: TlsConnector::from(Arc::new(config)),
            until: begun + Duration::from_secs(seconds.into()),
        };
        let (pattern, pinning) = (target.pattern, self.pinning);
        let generate = move || {
            pinning.bind_thread(Side::Load)?;
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            LocalSet::new().block_on(&runtime, all_workers(Rc::new(run), pattern))
        };
        let done = thread::spawn(generate).join();
        let done = done.map_err(|_| anyhow!("the load generator panicked"))??;
        ensure!(done.requests > 0, "{} answered nothing", target.address);
        Ok(Load {
            requests: done.requests,
            bytes: done.bytes,
            duration_us: u64::try_from(begun.elapsed().as_micros())?,
            errors: done.errors,
        })
    }
}

/// Starts the workers and adds up what they did.
async fn all_workers(run: Rc<Run>, pattern: Pattern) -> Result<Done> {
    let count = match pattern {
        Pattern::Connections(count) | Pattern::KeepAlive(count) => count,
        Pattern::Streams { connections, .. } => connections,
    };
    let workers: Vec<_> = (0..count)
        .map(|_| spawn_local(worker(Rc::clone(&run), pattern)))
        .collect();
    let mut sum = Done::default();
    for worker in workers {
        sum.add(worker.await??);
    }
    Ok(sum)
}

async fn worker(run: Rc<Run>, pattern: Pattern) -> Result<Done> {
    match pattern {
        Pattern::Connections(_) => run.connect_again_and_again().await,
        Pattern::KeepAlive(_) => run.ask_again_and_again().await,
        Pattern::Streams { each, .. } => run.ask_on_streams(each).await,
    }
}

impl Run {
    async fn connect_again_and_again(&self) -> Result<Done> {
        let mut done = Done::default();
        while Instant::now() < self.until && done.errors < ERRORS_MAX {
            done.count(timeout(PATIENCE, self.connect_and_ask()).await?);
        }
        Ok(done)
    }

    async fn connect_and_ask(&self) -> Result<u64> {
        let (mut sender, connection) = http1::handshake(self.connect().await?).await?;
        let driver = spawn_local(connection);
        let bytes = read(sender.send_request(self.request(Version::HTTP_11)?).await?).await?;
        drop(sender);
        driver.await??;
        Ok(bytes)
    }

    async fn ask_again_and_again(&self) -> Result<Done> {
        let (mut sender, connection) = http1::handshake(self.connect().await?).await?;
        // It ends when its sender is dropped, below.
        let driver = spawn_local(connection);
        let mut done = Done::default();
        while Instant::now() < self.until && done.errors < ERRORS_MAX {
            let asked = async {
                sender.ready().await?;
                read(sender.send_request(self.request(Version::HTTP_11)?).await?).await
            };
            done.count(timeout(PATIENCE, asked).await?);
        }
        drop(sender);
        driver.await??;
        Ok(done)
    }

    async fn ask_on_streams(self: Rc<Self>, streams: u32) -> Result<Done> {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), self.connect().await?).await?;
        let driver = spawn_local(connection);
        let stream = |mut sender: http2::SendRequest<Empty<Bytes>>, run: Rc<Self>| async move {
            let mut done = Done::default();
            while Instant::now() < run.until && done.errors < ERRORS_MAX {
                let asked = async {
                    sender.ready().await?;
                    read(sender.send_request(run.request(Version::HTTP_2)?).await?).await
                };
                done.count(timeout(PATIENCE, asked).await?);
            }
            anyhow::Ok(done)
        };
        let streams: Vec<_> = (0..streams)
            .map(|_| spawn_local(stream(sender.clone(), Rc::clone(&self))))
            .collect();
        drop(sender);
        let mut sum = Done::default();
        for stream in streams {
            sum.add(stream.await??);
        }
        // The server may say goodbye as it likes.
        driver.abort();
        Ok(sum)
    }

    async fn connect(&self) -> Result<TokioIo<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        let secured = self.connector.connect(name, stream).await;
        Ok(TokioIo::new(secured.context("the TLS handshake failed")?))
    }

    fn request(&self, version: Version) -> Result<Request<Empty<Bytes>>> {
        let authority = self.address.to_string();
        let request = Request::builder().version(version);
        // HTTP/2 has the authority in the URL, HTTP/1.1 in a field of its own.
        let request = match version {
            Version::HTTP_2 => request.uri(
                Uri::builder()
                    .scheme("https")
                    .authority(authority)
                    .path_and_query(&*self.path)
                    .build()?,
            ),
            _ => request.uri(&*self.path).header(header::HOST, authority),
        };
        Ok(request.body(Empty::new())?)
    }
}

/// Reads an answer to its end; the bytes of its body.
async fn read(answer: http::Response<hyper::body::Incoming>) -> Result<u64> {
    let status = answer.status();
    let mut body = answer.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, Bytes::len) as u64;
    }
    ensure!(status.is_success(), "status {status}");
    Ok(bytes)
}

impl Done {
    fn count(&mut self, result: Result<u64>) {
        match result {
            Ok(bytes) => {
                self.requests += 1;
                self.bytes += bytes;
            }
            Err(_) => self.errors += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.errors += other.errors;
    }
}

#[cfg(test)]
mod tests;
