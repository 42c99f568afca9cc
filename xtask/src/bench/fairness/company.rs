//! Whoever else is connected while small requests are measured.
//!
//! It must never go away unnoticed: a connection that was refused or cut ends the benchmark.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::SMALL;
use crate::bench::{
    fetch::Connection,
    machine::{Pinning, Side},
    pace,
    sample::figure,
};

/// What the others do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::bench) enum Company {
    /// One reads the large file as fast as it comes, again and again.
    Fast,
    /// So many have asked once and wait.
    Idle(u32),
    /// Nothing: there are none.
    Nobody,
    /// So many take a little of the large file now and then.
    Slow(u32),
}

impl Company {
    pub(in crate::bench) fn name(self) -> String {
        match self {
            Self::Fast => "one fast reader".to_owned(),
            Self::Idle(count) => format!("{count} idle connections"),
            Self::Nobody => "nobody".to_owned(),
            Self::Slow(count) => format!("{count} slow readers"),
        }
    }
}

/// The others, connected.
#[derive(Debug)]
pub(in crate::bench) struct Crowd {
    _idle: Vec<Connection>,
    /// Whoever reads.
    reader: Option<JoinHandle<Result<()>>>,
    shared: Arc<Shared>,
    since: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    bytes: AtomicU64,
}

/// What a slow reader takes at a time, and the pause of the one thread that reads for all of them.
const BITE_BYTES: usize = 4 << 10;
const ROUND: Duration = Duration::from_millis(500);
/// What a fast reader takes at a time.
const GULP_BYTES: usize = 256 << 10;
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(20);

impl Crowd {
    /// Connects them and has them begin, readers with the large file at `path`.
    pub(in crate::bench) fn gather(
        company: Company,
        address: SocketAddr,
        path: &'static str,
        pinning: Pinning,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut idle = Vec::new();
        let mut reading = Vec::new();
        match company {
            Company::Nobody => {}
            Company::Idle(count) => {
                for number in 0..count {
                    let mut connection = Connection::open(address)?;
                    let answer = connection.get(SMALL)?;
                    ensure!(answer.status == 200, "connection {number} was refused");
                    idle.push(connection);
                }
            }
            Company::Fast => reading.push(begin(address, path)?),
            Company::Slow(count) => {
                for _ in 0..count {
                    reading.push(begin(address, path)?);
                }
            }
        }
        let theirs = Arc::clone(&shared);
        let read = move || {
            pinning.bind_thread(Side::Load)?;
            match company {
                Company::Fast => read_fast(reading, (address, path), &theirs),
                _ => read_slowly(&mut reading, &theirs),
            }
        };
        let is_reading = matches!(company, Company::Fast | Company::Slow(_));
        Ok(Self {
            _idle: idle,
            reader: is_reading.then(|| thread::spawn(read)),
            shared,
            since: Instant::now(),
        })
    }

    /// Ends them; MiB per second that they took, or a dash.
    pub(in crate::bench) fn leave(mut self) -> Result<String> {
        let Some(reader) = self.reader.take() else {
            return Ok("-".to_owned());
        };
        let bytes = self.shared.bytes.load(Relaxed) as f64;
        let rate = bytes / self.since.elapsed().as_secs_f64();
        self.shared.is_over.store(true, Relaxed);
        reader.join().map_err(|_| anyhow!("a reader panicked"))??;
        Ok(figure(rate / f64::from(1 << 20)))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Relaxed);
    }
}

/// A connection on which the large file has begun to arrive.
fn begin(address: SocketAddr, path: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    ensure!(
        &status == b"HTTP/1.1 200",
        "the large file was refused: {}",
        String::from_utf8_lossy(&status)
    );
    Ok(stream)
}

fn read_fast(
    first: Vec<TcpStream>,
    (address, path): (SocketAddr, &str),
    shared: &Shared,
) -> Result<()> {
    let mut gulp = vec![0; GULP_BYTES];
    let mut stream = first.into_iter().next().context("no connection")?;
    while !shared.is_over.load(Relaxed) {
        match stream.read(&mut gulp)? {
            0 => stream = begin(address, path)?,
            bytes => drop(shared.bytes.fetch_add(bytes as u64, Relaxed)),
        }
    }
    Ok(())
}

fn read_slowly(streams: &mut [TcpStream], shared: &Shared) -> Result<()> {
    let mut bite = [0; BITE_BYTES];
    for stream in streams.iter() {
        stream.set_nonblocking(true)?;
    }
    while !shared.is_over.load(Relaxed) {
        for stream in streams.iter_mut() {
            match stream.read(&mut bite) {
                Ok(0) => bail!("a slow reader was cut"),
                Ok(bytes) => drop(shared.bytes.fetch_add(bytes as u64, Relaxed)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("a slow reader was cut"),
            }
        }
        pace::pause(ROUND);
    }
    Ok(())
}
