//! The seam between moving bytes and knowing what they mean.
//!
//! A [`Service`] writes response heads and names bodies; the connection sends them. It must never
//! touch a socket, and the connection must never look into a request beyond its framing.

use std::{
    fmt::Debug,
    fs::File,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hyper::body::Incoming;
use overspill_http1::{
    range::ByteRange,
    request::{KeepAlive, Request},
};
use overspill_store::tree::LiveFile;
use tokio::sync::mpsc;

use crate::{
    clock::Now,
    disk,
    handover::HandedOver,
    observe::Exchange,
    relay::{Relay, Striped},
};

/// Whoever answers requests. One instance per core; it need not be `Send`.
pub trait Service: 'static {
    /// Answers one request: writes the whole head to `out`, and names what follows it.
    ///
    /// A small body may be written to `out` right behind the head; then the reply's body is
    /// [`Body::Written`]. HEAD must be answered with [`Body::Empty`].
    fn answer(
        &self,
        request: &Request<'_>,
        client: &Client,
        now: Now,
        out: &mut Vec<u8>,
    ) -> impl Future<Output = Answer>;

    /// Answers a request that was handed over to hyper.
    fn route(
        &self,
        request: http::Request<Incoming>,
        client: Client,
    ) -> impl Future<Output = http::Response<HandedOver>>;

    /// Is called about once a second on each core, for what has to be done from time to time.
    fn every_second(&self, now: Instant) {
        let _ = now;
    }

    /// Whether exchanges are to be observed; asked once a request.
    fn observes(&self) -> bool {
        false
    }

    /// Is told of each exchange when it is over, if it observes. Must not block.
    fn observe(&self, exchange: &Exchange<'_>) {
        let _ = exchange;
    }
}

/// Whoever is at the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Client {
    /// Its address.
    pub address: SocketAddr,
    /// What protects the connection.
    pub security: Security,
}

/// What protects a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Security {
    /// Nothing.
    Plain,
    /// TLS.
    Tls,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Answer {
    /// Give the connection, first bytes included, to hyper.
    HandOver,
    /// Send this.
    Reply(Reply),
}

/// A response whose head has been written.
#[derive(Debug)]
pub struct Reply {
    /// What follows the head.
    pub body: Body,
    /// Whether the connection may carry another request.
    pub keep_alive: KeepAlive,
    /// What was decided, for the log.
    pub decision: Decision,
}

/// What was decided about a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Decision {
    /// This node serves it.
    #[default]
    Serve,
    /// Another member does.
    Redirect(Arc<str>),
    /// Another member does, through this node.
    Relay(Arc<str>),
    /// Back to whoever sent the client here.
    SendBack,
    /// Nobody, for now.
    Reject,
}

/// What follows a head.
#[derive(Debug)]
pub enum Body {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Nothing.
    Empty,
    /// A range of a file.
    File {
        /// The file.
        file: FileBody,
        /// The range to send.
        range: ByteRange,
    },
    /// Several parts one after the other, so many bytes together: byte ranges, a stored archive.
    Parts {
        /// Bytes of all parts, as promised in the head.
        bytes: u64,
        /// The parts.
        parts: Box<dyn Parts>,
    },
    /// Bytes of a content, from this node or another.
    Relay(Box<Relay>),
    /// Bytes of a content, from several members at once.
    Striped(Box<Striped>),
    /// Bytes made elsewhere while they are sent: a compressed archive.
    Stream(ByteStream),
    /// So many bytes of an error's text, already written behind the head: logged, but no flow, for
    /// nobody came for them.
    Notice(u64),
    /// So many bytes, already written behind the head.
    Written(u64),
}

impl Body {
    /// Bytes that are to be sent; 0 for a stream, whose length nobody knows.
    pub fn planned_bytes(&self) -> u64 {
        match self {
            Self::Empty | Self::Stream(_) => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { range, .. } => range.len(),
            Self::Relay(relay) => relay.rest_bytes(),
            Self::Striped(striped) => striped.rest_bytes(),
            Self::Notice(bytes) | Self::Parts { bytes, .. } | Self::Written(bytes) => *bytes,
        }
    }
}

/// The parts of a body, made one by one as they are sent.
pub trait Parts: Debug {
    /// The next part, `None` after the last. An error cuts the body; it is never completed short.
    ///
    /// Called on the serving thread: it may open a file, and must not read one.
    fn next_part(&mut self) -> io::Result<Option<Part>>;
}

/// One part of a body.
#[derive(Debug)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A range of a file.
    File {
        /// The file.
        file: FileBody,
        /// The range to send.
        range: ByteRange,
    },
    /// Bytes of a content, from this node or another.
    Relay(Box<Relay>),
}

/// A body whose length is not known before it ends.
#[derive(Debug)]
pub struct ByteStream {
    /// Its bytes. A last error, or a sender that is dropped before [`StreamItem::End`], cuts it.
    pub items: mpsc::Receiver<StreamItem>,
    /// How its end is marked, as promised in the head.
    pub framing: Framing,
}

/// What comes out of a stream.
#[derive(Debug)]
pub enum StreamItem {
    /// More bytes.
    Bytes(Bytes),
    /// The proper end. Without it the body is cut.
    End,
}

/// How the end of a body of unknown length is marked (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The connection closes: for HTTP/1.0 clients. A cut body resets it instead.
    UntilClose,
}

/// Twice the coarsest tick of the kernel's clock for file times (10 ms at 100 Hz).
const CLOCK_TICK: Duration = Duration::from_millis(20);

/// A file to send from.
#[derive(Clone, Debug)]
pub enum FileBody {
    /// A file of the live tree that changed a moment ago: its bytes are copied, because a writer may
    /// still be at it, and pages handed to the kernel by reference could change on their way out.
    Hot(Arc<LiveFile>),
    /// A file of the live tree, at rest. It is looked at again before the last bytes go out.
    Live(Arc<LiveFile>),
    /// A stored object, which never changes.
    Object(Arc<File>),
}

impl FileBody {
    /// Copies what is in memory of the bytes at `offset`, from the first on, and says how many; never
    /// waits for a disk.
    pub fn read_in_memory(&self, offset: u64, buffer: &mut [u8]) -> usize {
        disk::read_in_memory(self, offset, buffer)
    }

    /// The open file.
    pub fn file(&self) -> &File {
        match self {
            Self::Hot(live) | Self::Live(live) => &live.file,
            Self::Object(file) => file,
        }
    }

    /// How long to wait before [`FileBody::is_unchanged`] can tell; nothing for a file at rest.
    ///
    /// The kernel dates a write when it begins, and by the tick of its clock. So a look before and
    /// one after, both within one write, see the same times; only times that have grown old prove
    /// that nothing was written since.
    pub fn must_rest_for(&self) -> Duration {
        let Self::Hot(live) = self else {
            return Duration::ZERO;
        };
        let changed_ns = live.facts.stamp.ctime_ns.max(live.facts.mtime_ns);
        let changed = UNIX_EPOCH + Duration::from_nanos(u64::try_from(changed_ns).unwrap_or(0));
        let age = SystemTime::now()
            .duration_since(changed)
            .unwrap_or_default();
        CLOCK_TICK.saturating_sub(age)
    }

    /// Whether the bytes are still those that were promised in the head.
    pub fn is_unchanged(&self) -> bool {
        match self {
            Self::Hot(live) | Self::Live(live) => live.is_unchanged(),
            Self::Object(_) => true,
        }
    }
}
