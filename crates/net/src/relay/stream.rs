//! The body of a member's answer.
//!
//! Plain connections are our own, so that their bytes can be spliced; what comes over TLS comes
//! through the HTTP client. It must never read past the end of the body.

use std::{io, sync::Arc};

use bytes::Bytes;
use overspill_core::relay::Fault;
use rustix::pipe::{SpliceFlags, splice};
use tokio::{io::Interest, net::TcpStream};

use super::Pipe;
use crate::client::Reply;

/// A body on its way.
#[derive(Debug)]
pub(super) struct Stream {
    /// What has come and was not taken.
    early: Bytes,
    carrier: Carrier,
}

#[derive(Debug)]
enum Carrier {
    Plain {
        stream: TcpStream,
        /// Under which it may be kept when the body is over; `None` if it may not.
        authority: Option<Arc<str>>,
    },
    // Boxed: the usual one is small.
    Secure(Box<Reply>),
}

impl Stream {
    /// A body over a plain connection, of which `early` has come with the head.
    pub(super) fn plain(stream: TcpStream, authority: Option<Arc<str>>, early: Bytes) -> Self {
        let carrier = Carrier::Plain { stream, authority };
        Self { early, carrier }
    }

    /// A body over TLS.
    pub(super) fn secure(reply: Reply) -> Self {
        Self {
            early: Bytes::new(),
            carrier: Carrier::Secure(Box::new(reply)),
        }
    }

    /// Whether what is to come can be spliced.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.carrier, Carrier::Plain { .. })
    }

    /// Up to `most` bytes that are in memory already.
    pub(super) fn take_early(&mut self, most: usize) -> Option<Bytes> {
        let bytes = self.early.split_to(most.min(self.early.len()));
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Up to `most` bytes; none at the end.
    pub(super) async fn read(&mut self, most: usize) -> Result<Bytes, Fault> {
        if let Some(early) = self.take_early(most) {
            return Ok(early);
        }
        match &mut self.carrier {
            Carrier::Plain { stream, .. } => read(stream, most).await.map_err(|_| Fault::Reset),
            Carrier::Secure(reply) => {
                let part = reply.next_part().await.map_err(|_| Fault::Reset)?;
                self.early = part.unwrap_or_default();
                Ok(self.take_early(most).unwrap_or_default())
            }
        }
    }

    /// Moves up to `most` bytes into `pipe`, which is empty; 0 at the end.
    pub(super) async fn splice_into(&self, pipe: &Pipe, most: usize) -> Result<usize, Fault> {
        let Carrier::Plain { stream, .. } = &self.carrier else {
            return Err(Fault::Reset);
        };
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let once = || Ok(splice(stream, None, pipe.writer(), None, most, flags)?);
        let moved = match stream.try_io(Interest::READABLE, once) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.async_io(Interest::READABLE, once).await
            }
            moved => moved,
        };
        moved.map_err(|_| Fault::Reset)
    }

    /// The connection and its authority, if another request may go over it.
    pub(super) fn into_idle(self) -> Option<(Arc<str>, TcpStream)> {
        match self.carrier {
            Carrier::Plain { stream, authority } if self.early.is_empty() => {
                authority.map(|authority| (authority, stream))
            }
            _ => None,
        }
    }
}

/// Reads once, up to `most` bytes; none at the end.
pub(super) async fn read(stream: &TcpStream, most: usize) -> io::Result<Bytes> {
    let mut buffer = Vec::with_capacity(most);
    loop {
        stream.readable().await?;
        match stream.try_read_buf(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
            Ok(_) => {
                // The vector may have room for more than it was asked for.
                buffer.truncate(most);
                return Ok(Bytes::from(buffer));
            }
        }
    }
}
