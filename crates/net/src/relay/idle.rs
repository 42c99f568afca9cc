//! Connections to members that wait for their next request. One pool per core.
//!
//! It must never give out a connection on which something has come that nobody asked for, or that its
//! other end has closed as far as can be told.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use tokio::net::TcpStream;

/// Idle connections kept to one member.
const MAX_PER_MEMBER: usize = 16;
/// Idle connections kept altogether.
const MAX_KEPT: usize = 256;
/// How long one is kept: less than any server we know does, so that it is seldom closed under our
/// hands.
const KEPT_FOR: Duration = Duration::from_secs(4);

/// The pool.
#[derive(Debug, Default)]
pub(super) struct Idle {
    /// By authority; of each the one used last is at the end.
    kept: HashMap<Arc<str>, Vec<(Instant, TcpStream)>>,
    connections: usize,
}

impl Idle {
    /// A connection to `authority` that seems to be alive.
    pub(super) fn take(&mut self, authority: &str) -> Option<TcpStream> {
        let kept = self.kept.get_mut(authority)?;
        while let Some((_, stream)) = kept.pop() {
            self.connections -= 1;
            if is_silent(&stream) {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection on which a response has ended.
    pub(super) fn give(&mut self, now: Instant, authority: Arc<str>, stream: TcpStream) {
        if self.connections >= MAX_KEPT {
            return;
        }
        let kept = self.kept.entry(authority).or_default();
        if kept.len() < MAX_PER_MEMBER {
            kept.push((now, stream));
            self.connections += 1;
        }
    }

    /// Closes those that nobody has wanted for a while.
    pub(super) fn sweep(&mut self, now: Instant) {
        let is_young = |since: &Instant| now.saturating_duration_since(*since) < KEPT_FOR;
        for kept in self.kept.values_mut() {
            kept.retain(|(since, _)| is_young(since));
        }
        self.kept.retain(|_, kept| !kept.is_empty());
        self.connections = self.kept.values().map(Vec::len).sum();
    }
}

/// Whether there is nothing to read, not even the end.
fn is_silent(stream: &TcpStream) -> bool {
    let mut byte = [0; 1];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(recv(stream, &mut byte, flags), Err(Errno::AGAIN))
}
