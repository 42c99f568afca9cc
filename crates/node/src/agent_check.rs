//! A word for HAProxy: how much of its weight this node is good for.
//!
//! HAProxy's `agent-check` opens a connection from time to time and reads a line: `ready up 75%`,
//! `drain` or `down #reason`. It belongs on an address that only the balancer can reach: whoever
//! connects is answered. It must never hold more than a few connections, whatever is done to it.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::role::Role;

/// An address where a balancer asks, taken and not answered yet.
#[derive(Debug)]
pub struct AgentCheck {
    listener: StdListener,
    address: SocketAddr,
    is_ending: Arc<AtomicBool>,
}

/// Tells a balancer that this node is about to end.
#[derive(Clone, Debug)]
pub struct EndingNotice(Arc<AtomicBool>);

/// The address cannot be used. The operator's to mend.
#[derive(Debug, Error)]
#[error("cannot answer agent checks on {address}: {source}; choose another --agent-check")]
pub struct AgentCheckError {
    address: SocketAddr,
    source: io::Error,
}

/// Connections answered at once. A balancer opens one at a time and closes it.
const CONNECTIONS_MAX: usize = 16;
/// How long one may last.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes that are read of what a balancer may say first (`agent-send`), so that closing does not
/// reset the connection under our answer.
const HEARD_BYTES_MAX: u64 = 1024;
/// Pause after accept failed for want of descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

impl AgentCheck {
    /// Takes the address; port 0 takes a free one.
    pub fn bind(address: SocketAddr) -> Result<Self, AgentCheckError> {
        let failed = |source| AgentCheckError { address, source };
        let listener = StdListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            is_ending: Arc::default(),
        })
    }

    /// The address, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What tells that the node is about to end.
    pub fn ending(&self) -> EndingNotice {
        EndingNotice(Arc::clone(&self.is_ending))
    }

    /// Answers for `node`, for ever. Dropping the future ends it, open connections included.
    pub async fn answer(self, node: Arc<dyn Role>) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let mut open = JoinSet::new();
        loop {
            // Both only wait: a connection that is not taken yet stays in the queue.
            tokio::select! {
                accepted = listener.accept(), if open.len() < CONNECTIONS_MAX => match accepted {
                    Ok((stream, _)) => {
                        let is_ending = self.is_ending.load(Relaxed);
                        let line = line(&standing(node.as_ref(), is_ending));
                        open.spawn(timeout(PATIENCE, say(stream, line)));
                    }
                    Err(error) => {
                        tracing::warn!(event = "accept-failed", %error, "cannot accept an agent check");
                        sleep(ACCEPT_RETRY).await;
                    }
                },
                // How it went is the balancer's affair.
                Some(_) = open.join_next() => {}
            }
        }
    }
}

impl EndingNotice {
    /// From now on the answer is `drain`.
    pub fn give(&self) {
        self.0.store(true, Relaxed);
    }
}

/// How a node stands, for a balancer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Standing {
    /// It wants no new work.
    Draining,
    /// It does not have everything there is.
    NotReady,
    /// It can take this share of what it is used to, 0 to 1.
    Free(f64),
}

fn standing(node: &dyn Role, is_ending: bool) -> Standing {
    if is_ending || node.is_draining() {
        return Standing::Draining;
    }
    if !node.is_ready() {
        return Standing::NotReady;
    }
    let used = node.meter().map_or(0.0, |meter| {
        meter.read(Instant::now()).pressure.utilization()
    });
    Standing::Free(1.0 - used)
}

/// The line for it (HAProxy's configuration manual, `agent-check`).
fn line(standing: &Standing) -> String {
    match standing {
        Standing::Draining => "drain\n".to_owned(),
        Standing::NotReady => "down #not all files are here yet\n".to_owned(),
        // `ready` ends a `drain` of ours, `up` a `down`. Never 0%: that would be a drain, and if all
        // nodes are busy somebody has to serve nevertheless.
        Standing::Free(share) => {
            let per_cent = (share * 100.0).round().clamp(1.0, 100.0);
            format!("ready up {per_cent}%\n")
        }
    }
}

async fn say(stream: TcpStream, line: String) -> io::Result<()> {
    let (heard, mut said) = stream.into_split();
    said.write_all(line.as_bytes()).await?;
    said.shutdown().await?;
    let mut heard = heard.take(HEARD_BYTES_MAX);
    tokio::io::copy(&mut heard, &mut tokio::io::sink()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_haproxy_understands() {
        for (standing, expected) in [
            (Standing::Draining, "drain\n"),
            (Standing::NotReady, "down #not all files are here yet\n"),
            (Standing::Free(1.0), "ready up 100%\n"),
            (Standing::Free(0.754), "ready up 75%\n"),
            (Standing::Free(0.0), "ready up 1%\n"),
            (Standing::Free(-0.5), "ready up 1%\n"),
        ] {
            assert_eq!(line(&standing), expected);
        }
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let first = AgentCheck::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let error = AgentCheck::bind(first.address()).unwrap_err().to_string();
        assert!(error.contains(&first.address().to_string()), "{error}");
        assert!(error.ends_with("choose another --agent-check"), "{error}");
    }
}
