//! Archives that have to be read to be sent: compressed ones, and ZIPs of hot files.
//!
//! Each is made on a thread that does not serve, which waits when the client is slow and ends when
//! the client leaves. Only so many run at a time, for each takes a processor. It must never mark the
//! end of a body that is not whole.

use std::{
    io::{self, Write},
    os::unix::fs::FileExt,
    sync::Arc,
    thread,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use overspill_net::{ByteStream, FileBody, Framing, StreamItem};
use overspill_store::archive::{Item, Layout, Section};
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc},
    task::spawn_blocking,
};

use super::{files, whole};
use crate::{query::ArchiveFormat, role::Role};

/// Most archives made at a time by one node, which is one process.
pub(super) const MAX_STREAMS: usize = 4;
/// What the client is told that comes on top of these.
pub(super) const FULL: &str =
    "this node is making as many archives as it may; ask for archive=tar, which needs no making";

static STREAMS: Semaphore = Semaphore::const_new(MAX_STREAMS);

/// Bytes sent on together.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for a slow client.
const QUEUED_CHUNKS: usize = 4;
/// Bytes read from a file at a time.
const READ_BYTES: usize = 256 << 10;
/// What `gzip` and `zstd` do when nobody says otherwise.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// The maker of one archive.
pub(super) struct Producer<R> {
    role: Arc<R>,
    layout: Arc<Layout>,
    format: ArchiveFormat,
    permit: SemaphorePermit<'static>,
}

impl<R: Role> Producer<R> {
    /// A producer, if there is room for another.
    pub(super) fn admit(role: Arc<R>, layout: Layout, format: ArchiveFormat) -> Option<Self> {
        Some(Self {
            role,
            layout: Arc::new(layout),
            format,
            permit: STREAMS.try_acquire().ok()?,
        })
    }

    /// Begins on a thread that the runtime owns and awaits; dropping the stream ends it.
    pub(super) fn start(self, framing: Framing) -> ByteStream {
        let (sender, items) = mpsc::channel(QUEUED_CHUNKS);
        spawn_blocking(move || {
            if let Err(error) = self.make(Chunks::new(sender)) {
                let folder = self.layout.contents().folder();
                tracing::debug!(%folder, %error, "an archive was cut");
            }
            drop(self.permit);
        });
        ByteStream { items, framing }
    }

    fn make(&self, mut chunks: Chunks) -> io::Result<()> {
        chunks = match self.format {
            ArchiveFormat::Tar | ArchiveFormat::Zip => {
                self.write(&mut chunks)?;
                chunks
            }
            ArchiveFormat::TarGz => {
                let mut gzip = GzEncoder::new(chunks, Compression::new(GZIP_LEVEL));
                self.write(&mut gzip)?;
                gzip.finish()?
            }
            ArchiveFormat::TarZst => {
                let mut zstd = zstd::stream::write::Encoder::new(chunks, ZSTD_LEVEL)?;
                self.write(&mut zstd)?;
                zstd.finish()?
            }
        };
        chunks.end()
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut sections = self.layout.sections(whole(&self.layout));
        while let Some(section) = sections.next_section() {
            match section {
                Section::Bytes(bytes) => out.write_all(&bytes)?,
                Section::Content { item, .. } => {
                    let crc32 = self.copy(&item, out)?;
                    if item.crc32().is_none() {
                        sections.note_crc32(crc32);
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes a whole content, and says its CRC-32.
    fn copy(&self, item: &Item, out: &mut impl Write) -> io::Result<u32> {
        let file = files::open(self.role.as_ref(), item).map_err(io::Error::other)?;
        let mut crc32 = crc32fast::Hasher::new();
        let mut buffer = vec![0; item.size().min(READ_BYTES as u64) as usize];
        let mut offset = 0;
        while offset < item.size() {
            let bytes = (item.size() - offset).min(READ_BYTES as u64);
            let chunk = &mut buffer[..bytes as usize];
            file.file().read_exact_at(chunk, offset)?;
            crc32.update(chunk);
            out.write_all(chunk)?;
            offset += bytes;
        }
        check(&file)?;
        Ok(crc32.finalize())
    }
}

/// Fails if the file is not what it was, once its times are old enough to tell.
fn check(file: &FileBody) -> io::Result<()> {
    let rest = file.must_rest_for();
    if !rest.is_zero() {
        thread::park_timeout(rest);
    }
    if file.is_unchanged() {
        Ok(())
    } else {
        Err(io::Error::other("a file changed while it was read"))
    }
}

/// Gathers what is written, and hands it to the connection.
struct Chunks {
    sender: mpsc::Sender<StreamItem>,
    buffer: Vec<u8>,
}

impl Chunks {
    fn new(sender: mpsc::Sender<StreamItem>) -> Self {
        Self {
            sender,
            buffer: Vec::with_capacity(CHUNK_BYTES),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
        self.hand_over(StreamItem::Bytes(Bytes::from(chunk)))
    }

    /// The proper end of the body.
    fn end(mut self) -> io::Result<()> {
        self.send()?;
        self.hand_over(StreamItem::End)
    }

    /// Waits for room in the queue; fails when the client has gone.
    fn hand_over(&self, item: StreamItem) -> io::Result<()> {
        self.sender
            .blocking_send(item)
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone"))
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == CHUNK_BYTES {
            self.send()?;
        }
        let taken = bytes.len().min(CHUNK_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Nothing: a compressor flushes at its end, and the end is sent by [`Chunks::end`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
