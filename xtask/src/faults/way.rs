//! A faulty way to a node: a proxy whose large answers break in one manner at a time.
//!
//! Requests pass as they are, and so do small answers, such as checks of health: what is seen is
//! what a relay does about bodies. It ends with its handle. It must never break an answer without
//! counting it.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Result;
use rustix::net::sockopt::set_socket_linger;

use super::fault::Fault;

/// A running proxy.
#[derive(Debug)]
pub(super) struct Way {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    node: SocketAddr,
    fault: Mutex<Option<Fault>>,
    struck: AtomicU64,
    is_over: AtomicBool,
}

/// An answer as far as its body.
struct Head {
    text: String,
    body_bytes: u64,
}

/// Bodies below this are left alone.
const LARGE_BYTES: u64 = 100_000;
/// Most bytes of a head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Taken at a time.
const BUFFER_BYTES: usize = 16 << 10;
/// Longest a connection may say nothing: nobody here is more patient.
const SILENCE: Duration = Duration::from_secs(90);

impl Way {
    /// Starts one, at a free port, before the node at `node`. It breaks nothing yet.
    pub(super) fn start(node: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            node,
            fault: Mutex::new(None),
            struck: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.is_over.load(Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // How a connection ends is seen by who was connected; it ends with either of them.
                thread::spawn(move || client.and_then(|client| shared.pass(&client)));
            }
        });
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens to large answers from now on; `None` is nothing.
    pub(super) fn set(&self, fault: Option<Fault>) {
        *self.shared.lock() = fault;
    }

    /// How many answers have met their fault.
    pub(super) fn struck(&self) -> u64 {
        self.shared.struck.load(Relaxed)
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Relaxed);
        // Wakes the thread that accepts, which ends by it.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Fault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, client: &TcpStream) -> io::Result<()> {
        let node = TcpStream::connect(self.node)?;
        for stream in [client, &node] {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(SILENCE))?;
        }
        let (mut asks, mut asked) = (client.try_clone()?, node.try_clone()?);
        let asking = thread::spawn(move || {
            let copied = io::copy(&mut asks, &mut asked);
            // Whoever is gone has no use for it.
            let _ = asked.shutdown(Shutdown::Write);
            copied
        });
        let answered = self.answers(&node, client);
        // Otherwise the thread that asks would wait for a client that waits, too. After a reset it
        // fails, which says as much.
        let _ = (
            client.shutdown(Shutdown::Both),
            node.shutdown(Shutdown::Both),
        );
        let _ = asking.join();
        answered
    }

    /// Passes one answer after the other.
    fn answers(&self, node: &TcpStream, client: &TcpStream) -> io::Result<()> {
        let mut answers = BufReader::with_capacity(BUFFER_BYTES, node);
        while let Some(head) = read_head(&mut answers)? {
            let fault = (head.body_bytes >= LARGE_BYTES).then(|| *self.lock());
            let Some(fault) = fault.flatten() else {
                { client }.write_all(head.text.as_bytes())?;
                io::copy(&mut (&mut answers).take(head.body_bytes), &mut { client })?;
                continue;
            };
            self.struck.fetch_add(1, Relaxed);
            return strike(fault, &head, &mut answers, client);
        }
        Ok(())
    }
}

/// The next head; `None` at the end.
fn read_head(answers: &mut impl BufRead) -> io::Result<Option<Head>> {
    let (mut text, mut body_bytes) = (String::new(), 0);
    loop {
        let start = text.len();
        let most = HEAD_BYTES_MAX.saturating_sub(start) as u64;
        if answers.by_ref().take(most).read_line(&mut text)? == 0 {
            return Ok(None);
        }
        let line = &text[start..];
        if line == "\r\n" {
            return Ok(Some(Head { text, body_bytes }));
        }
        let field = line.split_once(':');
        if let Some((_, value)) = field.filter(|(name, _)| name.eq_ignore_ascii_case(LENGTH)) {
            body_bytes = value.trim().parse().unwrap_or(0);
        }
    }
}

/// Passes an answer with its fault; it is the last on its connection.
fn strike(
    fault: Fault,
    head: &Head,
    answers: &mut impl Read,
    mut client: &TcpStream,
) -> io::Result<()> {
    client.write_all(fault.head(&head.text, head.body_bytes).as_bytes())?;
    let passes = fault.passes(head.body_bytes);
    io::copy(&mut answers.by_ref().take(passes), &mut client)?;
    match fault {
        Fault::Flips(_) => {
            let mut byte = [0];
            answers.read_exact(&mut byte)?;
            client.write_all(&[byte[0] ^ 1])?;
            let rest = head.body_bytes.saturating_sub(passes + 1);
            io::copy(&mut answers.take(rest), &mut client).map(drop)
        }
        Fault::Resets(_) => Ok(set_socket_linger(client, Some(Duration::ZERO))?),
        // Until whoever waits has had enough.
        Fault::Stalls(_) => io::copy(&mut client, &mut io::sink()).map(drop),
        Fault::Answers500 | Fault::Closes | Fault::Ends(_) | Fault::Lies(_) => Ok(()),
    }
}

const LENGTH: &str = "content-length";
