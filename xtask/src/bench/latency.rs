//! How long small requests take while something else goes on.
//!
//! Some connections ask at a steady pace, one thread for all of them. A request counts from the
//! moment it was due, not from when it was sent: otherwise a server that stands still for a second
//! would be charged for one request instead of all that should have been asked meanwhile. A tick of
//! our timer, up to 1 ms, is in every figure, whoever the server is. It must
//! never count an answer that was not a whole success.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime,
    task::JoinSet,
    time::sleep_until,
};

use super::{
    machine::{Pinning, Side},
    sample::figure,
};

/// Who asks for what, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulse<'a> {
    pub(super) address: SocketAddr,
    /// A small file.
    pub(super) path: &'a str,
    pub(super) connections: u32,
    pub(super) lasting: Duration,
}

/// How long the requests took, the shortest first; there is at least one.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Vec<Duration>);

/// Between two requests of a connection: far from what any server can do, so none waits for itself.
const EVERY: Duration = Duration::from_millis(20);
/// Most bytes of an answer.
const ANSWER_BYTES: usize = 4 << 10;

impl Pulse<'_> {
    /// Asks, from a thread on the processor of the load.
    pub(super) fn measure(self, pinning: Pinning) -> Result<Latencies> {
        let measured = thread::scope(|scope| scope.spawn(|| self.measure_here(pinning)).join());
        measured.map_err(|_| anyhow!("the measuring thread panicked"))?
    }

    fn measure_here(self, pinning: Pinning) -> Result<Latencies> {
        pinning.bind_thread(Side::Load)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut all = runtime.block_on(self.ask_all())?;
        ensure!(!all.is_empty(), "no request was answered");
        all.sort_unstable();
        Ok(Latencies(all))
    }

    async fn ask_all(self) -> Result<Vec<Duration>> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.path, self.address
        );
        let request: Arc<[u8]> = request.into_bytes().into();
        let begun = Instant::now();
        let mut connections = JoinSet::new();
        for number in 0..self.connections {
            // Spread over the pause, so that they do not come in volleys.
            let first = begun + EVERY * number / self.connections;
            let ask = ask(
                self.address,
                Arc::clone(&request),
                first,
                begun + self.lasting,
            );
            connections.spawn(ask);
        }
        let mut all = Vec::new();
        while let Some(one) = connections.join_next().await {
            all.extend(one.map_err(|_| anyhow!("a connection's task panicked"))??);
        }
        Ok(all)
    }
}

/// One connection.
async fn ask(
    address: SocketAddr,
    request: Arc<[u8]>,
    first: Instant,
    until: Instant,
) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut took = Vec::new();
    let mut due = first;
    while due < until {
        sleep_until(due.into()).await;
        stream.write_all(&request).await?;
        read_answer(&mut stream).await?;
        took.push(due.elapsed());
        due += EVERY;
    }
    Ok(took)
}

async fn read_answer(stream: &mut TcpStream) -> Result<()> {
    let mut answer = Vec::with_capacity(ANSWER_BYTES);
    loop {
        if let Some(whole_bytes) = whole_bytes(&answer)? {
            ensure!(
                answer.len() <= whole_bytes,
                "the answer is longer than it says"
            );
            if answer.len() == whole_bytes {
                return Ok(());
            }
        }
        ensure!(answer.len() < ANSWER_BYTES, "the answer is too long");
        let bytes = stream.read_buf(&mut answer).await?;
        ensure!(bytes > 0, "the connection ended within an answer");
    }
}

/// Length of the answer that begins with `received`; `None` while its head is incomplete.
fn whole_bytes(received: &[u8]) -> Result<Option<usize>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_bytes) = head.parse(received)? else {
        return Ok(None);
    };
    ensure!(head.code == Some(200), "answered with {:?}", head.code);
    let mut lengths = head.headers.iter();
    let length = lengths.find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.context("an answer without a length")?;
    let body_bytes: usize = str::from_utf8(length.value)?.parse()?;
    Ok(Some(head_bytes + body_bytes))
}

impl Latencies {
    /// The titles of [`Self::cells`].
    pub(super) const TITLES: [&'static str; 4] = ["requests", "p50 ms", "p99 ms", "max ms"];

    /// The time within which this part of the requests was answered.
    pub(super) fn within(&self, part: f64) -> Duration {
        let rank = (self.0.len() as f64 * part).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    /// The figures of a row.
    pub(super) fn cells(&self) -> [String; 4] {
        let ms = |part| figure(self.within(part).as_secs_f64() * 1e3);
        [self.0.len().to_string(), ms(0.5), ms(0.99), ms(1.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_requests_are_counted_from_the_quickest() {
        let latencies = Latencies((1..=200).map(Duration::from_millis).collect());
        for (part, ms) in [(0.0, 1), (0.5, 100), (0.99, 198), (1.0, 200)] {
            assert_eq!(latencies.within(part), Duration::from_millis(ms), "{part}");
        }
        assert_eq!(latencies.cells(), ["200", "100", "198", "200"]);
    }

    #[test]
    fn an_answer_is_whole_or_not_at_all() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for cut in 0..answer.len() - 5 {
            assert_eq!(whole_bytes(&answer[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(whole_bytes(answer).unwrap(), Some(answer.len()));
        for bad in [
            "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert!(whole_bytes(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
