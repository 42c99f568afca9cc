//! Where the bytes go: hashed in order, then written to a part file or a stream.
//!
//! Disk and hash work run on blocking threads, so that the network is read meanwhile. It must never
//! count a byte as there that was not both hashed and written.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use overspill_core::root::Root;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use crate::part::PartFile;

/// The receiving end of one download.
#[derive(Debug)]
pub(crate) struct Intake {
    /// Locked on blocking threads only, one at a time; the lock is never contended.
    inner: Arc<Mutex<Inner>>,
}

/// Bytes on their way into an [`Intake`].
#[derive(Debug)]
pub(crate) struct Writing {
    parts: mpsc::Sender<Bytes>,
    written: JoinHandle<(u64, io::Result<()>)>,
}

/// The writing end is gone; [`Writing::settle`] tells why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed;

/// Where an intake's bytes end up.
pub(crate) enum Sink {
    Part(PartFile),
    Stream(Box<dyn Write + Send>),
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) sink: Sink,
    hasher: blake3::Hasher,
    written: u64,
}

impl Intake {
    pub(crate) fn new(sink: Sink) -> Self {
        let inner = Inner {
            sink,
            hasher: blake3::Hasher::new(),
            written: 0,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Takes what the part holds as already received, up to `most` bytes; returns how many.
    ///
    /// May be dropped at any await: it works in steps, and a later run starts over.
    pub(crate) async fn adopt(&self, most: u64) -> io::Result<u64> {
        loop {
            let (written, added) = self.with(move |inner| inner.adopt_step(most)).await?;
            if added == 0 {
                return Ok(written);
            }
        }
    }

    /// Begins to write. At most [`QUEUE_PARTS`] parts wait; the network is held back beyond that.
    pub(crate) fn start(&self) -> Writing {
        let (parts, queue) = mpsc::channel(QUEUE_PARTS);
        let inner = Arc::clone(&self.inner);
        let written = spawn_blocking(move || lock(&inner).drain(queue));
        Writing { parts, written }
    }

    /// Gives up what it wrote to; `None` while something is still being written.
    pub(crate) fn into_sink(self) -> Option<Sink> {
        let inner = Arc::into_inner(self.inner)?;
        Some(
            inner
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .sink,
        )
    }

    /// The root of everything received.
    pub(crate) async fn root(&self) -> io::Result<Root> {
        self.with(|inner| Ok(Root(*inner.hasher.finalize().as_bytes())))
            .await
    }

    /// Runs `work` on a blocking thread.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let inner = Arc::clone(&self.inner);
        spawn_blocking(move || work(&mut lock(&inner))).await?
    }
}

impl Writing {
    /// Hands over the next bytes.
    pub(crate) async fn push(&self, bytes: Bytes) -> Result<(), Closed> {
        self.parts.send(bytes).await.map_err(|_| Closed)
    }

    /// Waits for everything to be written: how much the intake holds now, and whether it failed.
    pub(crate) async fn settle(self) -> io::Result<u64> {
        drop(self.parts);
        let (written, result) = self.written.await?;
        result.map(|()| written)
    }
}

impl Inner {
    /// Forgets everything received. A stream cannot take back its bytes: an error if it has any.
    pub(crate) fn start_over(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Part(part) => part.truncate(0)?,
            Sink::Stream(_) if self.written == 0 => {}
            Sink::Stream(_) => return Err(io::Error::other("a stream cannot start over")),
        }
        self.hasher.reset();
        self.written = 0;
        Ok(())
    }

    fn adopt_step(&mut self, most: u64) -> io::Result<(u64, u64)> {
        let Sink::Part(part) = &mut self.sink else {
            return Ok((self.written, 0));
        };
        let step = HASH_STEP_BYTES.min(most.saturating_sub(self.written));
        let added = hash_some(part.file(), self.written, step, &mut self.hasher)?;
        self.written += added;
        if added == 0 {
            part.truncate(self.written)?;
        }
        Ok((self.written, added))
    }

    fn drain(&mut self, mut queue: mpsc::Receiver<Bytes>) -> (u64, io::Result<()>) {
        while let Some(bytes) = queue.blocking_recv() {
            let result = match &mut self.sink {
                Sink::Part(part) => part.append(&bytes),
                Sink::Stream(stream) => stream.write_all(&bytes),
            };
            if result.is_err() {
                return (self.written, result);
            }
            self.hasher.update(&bytes);
            self.written += bytes.len() as u64;
        }
        let flushed = match &mut self.sink {
            Sink::Part(_) => Ok(()),
            Sink::Stream(stream) => stream.flush(),
        };
        (self.written, flushed)
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Part(part) => part.fmt(f),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// The root of a file's content, in steps, so that dropping the future stops the work soon.
pub(crate) async fn root_of(file: File) -> io::Result<Root> {
    let mut place = (file, blake3::Hasher::new(), 0);
    loop {
        let (file, mut hasher, offset) = place;
        let step = spawn_blocking(move || {
            let added = hash_some(&file, offset, HASH_STEP_BYTES, &mut hasher)?;
            io::Result::Ok((file, hasher, offset + added, added))
        });
        let (file, hasher, end, added) = step.await??;
        if added == 0 {
            return Ok(Root(*hasher.finalize().as_bytes()));
        }
        place = (file, hasher, end);
    }
}

fn hash_some(
    mut file: &File,
    offset: u64,
    most: u64,
    hasher: &mut blake3::Hasher,
) -> io::Result<u64> {
    file.seek(SeekFrom::Start(offset))?;
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    let mut limited = file.take(most);
    let mut added = 0;
    loop {
        match limited.read(&mut buffer) {
            Ok(0) => return Ok(added),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                added += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A panic while writing leaves counts that are too low, never too high: going on is sound.
fn lock(inner: &Mutex<Inner>) -> std::sync::MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parts of a body that wait for the disk. A part is what one read gave, some 400 KiB at most.
const QUEUE_PARTS: usize = 32;
/// About 0.1 s of hashing: what an interrupted download still finishes.
const HASH_STEP_BYTES: u64 = 64 << 20;
/// Large enough for BLAKE3 to use its widest vectors, small enough for the L2 cache.
const HASH_BUFFER_BYTES: usize = 256 << 10;
