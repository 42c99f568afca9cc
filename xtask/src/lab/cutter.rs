//! A proxy that cuts bodies: what a mirror with a broken disk or a bad middlebox looks like.
//!
//! It passes connections on to the node beside it, and once told to, ends each after so many bytes
//! of the answer's body. It ends with its handle. It must never change a byte of what it lets
//! through.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
    sync::oneshot,
    task::JoinSet,
    time::timeout,
};

use super::net::Host;

/// A running cutter.
#[derive(Debug)]
pub(super) struct Cutter {
    address: SocketAddr,
    body_bytes_max: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    /// Dropped to end it.
    running: Option<oneshot::Sender<()>>,
}

/// What is taken at a time; also the most of a head, beyond which everything counts as body.
const BUFFER_BYTES: usize = 16 << 10;
/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;
/// How long the node may take to accept.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

impl Cutter {
    /// Starts one on `host`, at a free port, before the node at `node`. It cuts nothing yet.
    pub(super) fn start(host: &Host, node: SocketAddr) -> Result<Self> {
        let body_bytes_max = Arc::new(AtomicU64::new(u64::MAX));
        let (running, ended) = oneshot::channel();
        let (bound, is_bound) = std::sync::mpsc::sync_channel(1);
        let (host, limit) = (host.clone(), Arc::clone(&body_bytes_max));
        let thread = thread::spawn(move || {
            let served = host.enter().and_then(|()| {
                let runtime = runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(async {
                    let listener = TcpListener::bind((host.address, 0)).await?;
                    // Whoever waits for it is there as long as this thread.
                    let _ = bound.send(Ok(listener.local_addr()?));
                    tokio::select! {
                        () = accept(listener, node, limit) => {}
                        _ = ended => {}
                    }
                    Ok(())
                })
            });
            if let Err(error) = served {
                let _ = bound.send(Err(error));
            }
        });
        let address = is_bound.recv().context("the cutter ended")?;
        Ok(Self {
            address: address.context("cannot start a cutter")?,
            body_bytes_max,
            thread: Some(thread),
            running: Some(running),
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on no answer brings more than so many bytes of a body.
    pub(super) fn cut_after(&self, bytes: u64) {
        self.body_bytes_max.store(bytes, Relaxed);
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        drop(self.running.take());
        if let Some(thread) = self.thread.take() {
            // It says nothing by its end.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, node: SocketAddr, limit: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let limit = Arc::clone(&limit);
        // How a connection ended is seen by who was connected.
        connections.spawn(async move { pass(client, node, &limit).await.map_err(drop) });
        while connections.try_join_next().is_some() {}
    }
}

/// Passes one connection on, until either side ends it or the body is long enough.
async fn pass(mut client: TcpStream, node: SocketAddr, limit: &AtomicU64) -> Result<()> {
    let mirror = timeout(CONNECT_PATIENCE, TcpStream::connect(node)).await;
    let mut mirror = mirror.map_err(|_| anyhow!("the node does not accept"))??;
    let (mut asks, mut answered) = client.split();
    let (mut answers, mut asked) = mirror.split();
    let back = async {
        let mut passed = Passed::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let bytes = read(&mut answers, &mut buffer).await?;
            let allowed = passed.allow(&buffer[..bytes], limit.load(Relaxed));
            answered.write_all(&buffer[..allowed]).await?;
            if bytes == 0 || allowed < bytes {
                return anyhow::Ok(());
            }
        }
    };
    tokio::select! {
        // Both may be dropped: the connection ends with the first.
        ended = back => ended,
        ended = tokio::io::copy(&mut asks, &mut asked) => Ok(ended.map(drop)?),
    }
}

async fn read(from: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> Result<usize> {
    Ok(from.read(buffer).await?)
}

/// What has been passed back on a connection: heads and bodies are told apart once, since whoever
/// asks again on it would have been cut before.
#[derive(Debug, Default)]
struct Passed {
    is_body: bool,
    /// The last bytes of an unfinished head.
    tail: Vec<u8>,
    body_bytes: u64,
}

impl Passed {
    /// How many of the next `bytes` may go on.
    fn allow(&mut self, bytes: &[u8], limit: u64) -> usize {
        let head = if self.is_body {
            0
        } else {
            self.head_bytes(bytes)
        };
        let body = (bytes.len() - head) as u64;
        let allowed = body.min(limit.saturating_sub(self.body_bytes));
        self.body_bytes += allowed;
        head + allowed as usize
    }

    /// How many of `bytes` belong to the head.
    fn head_bytes(&mut self, bytes: &[u8]) -> usize {
        let before = self.tail.len();
        self.tail.extend_from_slice(bytes);
        let end = self.tail.windows(4).position(|four| four == b"\r\n\r\n");
        self.is_body = end.is_some() || self.tail.len() > BUFFER_BYTES;
        end.map_or(bytes.len(), |end| end + 4 - before)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::lab::{needs::can_make_hosts, net::Net};

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789";
    const BODY_BYTES: usize = 9;

    /// Answers so many connections, each once it has asked in a line.
    fn node(listener: TcpListener, connections: usize) -> JoinHandle<std::io::Result<()>> {
        thread::spawn(move || {
            for _ in 0..connections {
                let (stream, _) = listener.accept()?;
                BufReader::new(&stream).read_line(&mut String::new())?;
                (&stream).write_all(ANSWER)?;
            }
            Ok(())
        })
    }

    fn ask(address: SocketAddr) -> Result<Vec<u8>> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET / HTTP/1.1\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn it_passes_everything_on_until_it_is_told_to_cut() {
        if !can_make_hosts("it_passes_everything_on_until_it_is_told_to_cut") {
            return;
        }
        let mut net = Net::new().unwrap();
        let host = net.add_host("m1").unwrap();
        let listener = host.within(|| Ok(TcpListener::bind((host.address, 0))?));
        let listener = listener.unwrap();
        let cutter = Cutter::start(&host, listener.local_addr().unwrap()).unwrap();
        let node = node(listener, 2);
        let whole = host.within(|| ask(cutter.address())).unwrap();
        assert_eq!(whole, ANSWER);
        cutter.cut_after(4);
        let cut = host.within(|| ask(cutter.address())).unwrap();
        assert_eq!(cut, ANSWER[..ANSWER.len() - BODY_BYTES + 4]);
        node.join().unwrap().unwrap();
    }

    #[test]
    fn a_body_is_cut_at_the_byte_however_it_comes() {
        let head = ANSWER.len() - BODY_BYTES;
        for step in 1..=ANSWER.len() {
            for (limit, body) in [(0, 0), (4, 4), (9, 9), (99, 9)] {
                let mut passed = Passed::default();
                let parts = ANSWER.chunks(step);
                let allowed: usize = parts.map(|part| passed.allow(part, limit)).sum();
                assert_eq!(allowed, head + body, "in steps of {step}, at most {limit}");
            }
        }
    }
}
