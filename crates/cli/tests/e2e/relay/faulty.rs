//! A faulty way to a mirror: a proxy that cuts, stalls and lies.
//!
//! It passes requests on as they are and answers back with one fault in each large one; small answers,
//! such as the server's own checks, are left alone, so that what is seen is what relays do about it.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use socket2::SockRef;

/// What happens to a large answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// The connection is closed before an answer.
    Silence,
    /// After so many bytes of the body the connection is closed as if all were said.
    Truncates(u64),
    /// After so many bytes of the body the connection is reset.
    Resets(u64),
    /// After so many bytes of the body nothing more comes.
    Stalls(u64),
    /// One bit of the body is another, in so manieth byte.
    Flips(u64),
    /// A line of the head that begins so is replaced.
    Rewrites(&'static str, &'static str),
    /// The length in the head is so much off, and the body as long as it says or cut.
    Lies(i64),
}

/// Bodies below this are left alone.
const LARGE_BYTES: u64 = 100_000;

/// A running proxy.
pub(super) struct Faulty {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// The mirror; known once that has been started.
    mirror: Mutex<Option<SocketAddr>>,
    fault: Mutex<Fault>,
    struck: AtomicUsize,
    is_over: AtomicBool,
}

impl Faulty {
    /// Starts one that does nothing wrong yet.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            mirror: Mutex::new(None),
            fault: Mutex::new(Fault::None),
            struck: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.is_over.load(Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // How a connection ends is seen by who was connected.
                thread::spawn(move || client.and_then(|client| shared.pass(client)));
            }
        });
        Self { address, shared }
    }

    /// Where clients of the mirror are to go.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the mirror is.
    pub(super) fn lead_to(&self, mirror: SocketAddr) {
        *lock(&self.shared.mirror) = Some(mirror);
    }

    /// What happens from now on.
    pub(super) fn set(&self, fault: Fault) {
        *lock(&self.shared.fault) = fault;
    }

    /// How many answers have met their fault.
    pub(super) fn struck(&self) -> usize {
        self.shared.struck.load(Relaxed)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn pass(&self, client: TcpStream) -> io::Result<()> {
        let address = *lock(&self.mirror);
        let mirror = TcpStream::connect(address.ok_or(io::ErrorKind::NotConnected)?)?;
        let (mut asks, mut asked) = (client.try_clone()?, mirror.try_clone()?);
        let asking = thread::spawn(move || {
            let copied = io::copy(&mut asks, &mut asked);
            // Whoever is gone has no use for it.
            let _ = asked.shutdown(Shutdown::Write);
            copied
        });
        let answered = self.answers(&mirror, &client);
        // The requests end with the connection.
        let _ = (
            client.shutdown(Shutdown::Both),
            mirror.shutdown(Shutdown::Both),
        );
        let _ = asking.join();
        answered
    }

    /// Passes one answer after the other.
    fn answers(&self, mirror: &TcpStream, client: &TcpStream) -> io::Result<()> {
        let mut answers = BufReader::new(mirror);
        loop {
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if answers.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.trim().parse().unwrap_or(0);
                }
                head.push_str(&line);
                if line == "\r\n" {
                    break;
                }
            }
            let fault = match length {
                large if large >= LARGE_BYTES => *lock(&self.fault),
                _ => Fault::None,
            };
            if fault != Fault::None {
                self.struck.fetch_add(1, Relaxed);
            }
            if !answer(fault, &head, length, &mut answers, client)? {
                return Ok(());
            }
        }
    }
}

/// Passes one answer with its fault; whether there may be another.
fn answer(
    fault: Fault,
    head: &str,
    length: u64,
    answers: &mut impl Read,
    mut client: &TcpStream,
) -> io::Result<bool> {
    let mut pass = |head: &str, bytes: u64| {
        client.write_all(head.as_bytes())?;
        io::copy(&mut answers.take(bytes), &mut client)
    };
    match fault {
        Fault::None => pass(head, length).map(|_| true),
        Fault::Silence => Ok(false),
        Fault::Truncates(bytes) => pass(head, bytes.min(length)).map(|_| false),
        Fault::Resets(bytes) => {
            pass(head, bytes.min(length))?;
            SockRef::from(client).set_linger(Some(std::time::Duration::ZERO))?;
            Ok(false)
        }
        Fault::Stalls(bytes) => {
            pass(head, bytes.min(length))?;
            // Until whoever waits has had enough.
            let _ = client.read(&mut [0]);
            Ok(false)
        }
        Fault::Flips(at) => {
            pass(head, at.min(length))?;
            let mut byte = [0];
            answers.read_exact(&mut byte)?;
            client.write_all(&[byte[0] ^ 1])?;
            io::copy(&mut answers.take(length - at - 1), &mut client).map(|_| true)
        }
        Fault::Rewrites(start, line) => {
            let lines = head
                .split_inclusive("\r\n")
                .map(|old| match old.starts_with(start) {
                    true => line,
                    false => old,
                });
            pass(&lines.collect::<String>(), length).map(|_| false)
        }
        Fault::Lies(by) => {
            let told = length.saturating_add_signed(by);
            let (old, new) = (
                format!("Content-Length: {length}\r\n"),
                format!("Content-Length: {told}\r\n"),
            );
            pass(&head.replace(&old, &new), length.min(told)).map(|_| false)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
