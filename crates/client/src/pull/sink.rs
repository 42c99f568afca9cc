//! Where verified pieces go: to their place in the part, or in order to a stream.
//!
//! Disk work runs on blocking threads. It must never put out a piece of a stream before all that
//! come before it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
};

use overspill_core::transfer::RequestId;
use tokio::task::JoinSet;

use crate::{download::Sink, part::PartFile};

/// A piece whose bytes are verified.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) request: RequestId,
    pub(super) piece: u32,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// What became of pieces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stored {
    /// It is in the part.
    InPlace { piece: u32, bytes: u64 },
    /// All before this one are out.
    Out { before: u32 },
}

/// The receiving end of a pull.
#[derive(Debug)]
pub(super) enum Store {
    Part(PartStore),
    Stream(StreamStore),
}

#[derive(Debug)]
pub(super) struct PartStore {
    pub(super) part: PartFile,
    writes: JoinSet<io::Result<Stored>>,
}

pub(super) struct StreamStore {
    /// `None` while a thread writes to it.
    stream: Option<Box<dyn Write + Send>>,
    waiting: BTreeMap<u32, Vec<u8>>,
    next: u32,
    writes: JoinSet<(Box<dyn Write + Send>, io::Result<Stored>)>,
}

impl Store {
    pub(super) fn part(part: PartFile) -> Self {
        let writes = JoinSet::new();
        Self::Part(PartStore { part, writes })
    }

    pub(super) fn stream(stream: Box<dyn Write + Send>) -> Self {
        Self::Stream(StreamStore {
            stream: Some(stream),
            waiting: BTreeMap::new(),
            next: 0,
            writes: JoinSet::new(),
        })
    }

    /// Whether it can take more; the network is held back while not. A stream always can: how far
    /// pieces may be ahead of it is the scheduler's to bound.
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::Part(store) => store.writes.len() < WRITES_MAX,
            Self::Stream(_) => true,
        }
    }

    /// Whether everything it was given is stored.
    pub(super) fn is_idle(&self) -> bool {
        match self {
            Self::Part(store) => store.writes.is_empty(),
            Self::Stream(store) => store.writes.is_empty() && store.waiting.is_empty(),
        }
    }

    /// Takes a piece.
    pub(super) fn take(&mut self, piece: Piece) {
        match self {
            Self::Part(store) => {
                let file = store.part.shared_file();
                store
                    .writes
                    .spawn_blocking(move || write_in_place(&file, &piece));
            }
            Self::Stream(store) if piece.piece >= store.next => {
                store.waiting.insert(piece.piece, piece.bytes);
                store.write_ready();
            }
            Self::Stream(_) => {}
        }
    }

    /// The next piece, or pieces, stored; `None` when nothing is under way.
    ///
    /// Cancel-safe.
    pub(super) async fn stored(&mut self) -> Option<io::Result<Stored>> {
        match self {
            Self::Part(store) => {
                let joined = store.writes.join_next().await?;
                Some(joined.unwrap_or_else(|error| Err(error.into())))
            }
            Self::Stream(store) => {
                let joined = store.writes.join_next().await?;
                let (stream, result) = match joined {
                    Ok(joined) => joined,
                    Err(error) => return Some(Err(error.into())),
                };
                store.stream = Some(stream);
                if result.is_ok() {
                    store.write_ready();
                }
                Some(result)
            }
        }
    }
}

impl StreamStore {
    /// Writes what lies together from the next piece on, unless a thread is at it.
    fn write_ready(&mut self) {
        if !self.waiting.contains_key(&self.next) {
            return;
        }
        let Some(mut stream) = self.stream.take() else {
            return;
        };
        let mut ready = Vec::new();
        while let Some(bytes) = self.waiting.remove(&self.next) {
            ready.push(bytes);
            self.next += 1;
        }
        let before = self.next;
        self.writes.spawn_blocking(move || {
            let written = ready.iter().try_for_each(|bytes| stream.write_all(bytes));
            let flushed = written.and_then(|()| stream.flush());
            (stream, flushed.map(|()| Stored::Out { before }))
        });
    }
}

fn write_in_place(file: &File, piece: &Piece) -> io::Result<Stored> {
    file.write_all_at(&piece.bytes, piece.offset)?;
    Ok(Stored::InPlace {
        piece: piece.piece,
        bytes: piece.bytes.len() as u64,
    })
}

/// The part or stream itself, once nothing is under way.
pub(super) fn into_sink(store: Store) -> Sink {
    match store {
        Store::Part(store) => Sink::Part(store.part),
        // Only a panicked writer keeps its stream; then nothing more goes there.
        Store::Stream(store) => Sink::Stream(store.stream.unwrap_or_else(|| Box::new(io::sink()))),
    }
}

impl std::fmt::Debug for StreamStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stream at piece {}", self.next)
    }
}

/// Pieces on their way to the disk: 16 MiB of them.
const WRITES_MAX: usize = 16;
