//! From the cores to the writer: chunks of whole lines, so many bytes at most.
//!
//! A core locks it for as long as it takes to move a pointer, once in a hundred lines or so. It must
//! never make a core wait for room.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// What became of the lines, since the log was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LogTotals {
    /// Lines that were written.
    pub written_lines: u64,
    /// Lines that were lost, because the writer could not keep up.
    pub dropped_lines: u64,
}

/// Whole lines.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    /// How many requests they stand for.
    pub(super) lines: u64,
}

/// What the writer is to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing will come any more.
    End,
    /// Open the file anew.
    Reopen,
    /// Write this.
    Write(Chunk),
}

/// Why the writer should not go on as it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Interruption {
    /// Nobody wants to wait any longer.
    Closing,
    /// The file is to be opened anew.
    Reopen,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    written_lines: AtomicU64,
    dropped_lines: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    /// Buffers that were written: to be filled again, for fresh memory costs page faults.
    spare: Vec<Vec<u8>>,
    reopen: bool,
    closed: bool,
    ended: bool,
}

/// Most bytes that may wait: some thirty thousand lines, a second of a busy node.
pub(super) const QUEUE_BYTES_MAX: usize = 8 << 20;
/// Most buffers kept for later: one or two for each core of a large machine.
const SPARE_MAX: usize = 64;
/// Largest buffer kept for later; a line may once have been very long.
const SPARE_BYTES_MAX: usize = 64 << 10;

impl Queue {
    /// Hands a chunk over and returns an empty buffer, if there is one to spare; gives the chunk back
    /// when there is no room, its lines counted as dropped.
    pub(super) fn push(&self, chunk: Chunk) -> Result<Option<Vec<u8>>, Chunk> {
        let mut state = self.state();
        if state.closed || state.bytes + chunk.bytes.len() > QUEUE_BYTES_MAX {
            drop(state);
            self.count_dropped(chunk.lines);
            return Err(chunk);
        }
        state.bytes += chunk.bytes.len();
        state.chunks.push_back(chunk);
        let spare = state.spare.pop();
        drop(state);
        self.changed.notify_all();
        Ok(spare)
    }

    /// Takes back the buffer of a chunk that was written.
    pub(super) fn recycle(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut state = self.state();
        if state.spare.len() < SPARE_MAX && buffer.capacity() <= SPARE_BYTES_MAX {
            state.spare.push(buffer);
        }
    }

    /// Waits for something to do.
    pub(super) fn next(&self) -> Next {
        let idle = |state: &mut State| state.chunks.is_empty() && !state.reopen && !state.closed;
        let guard = self.changed.wait_while(self.state(), idle);
        let mut state = guard.unwrap_or_else(PoisonError::into_inner);
        if mem::take(&mut state.reopen) {
            return Next::Reopen;
        }
        match state.chunks.pop_front() {
            None => Next::End,
            Some(chunk) => {
                state.bytes -= chunk.bytes.len();
                Next::Write(chunk)
            }
        }
    }

    /// Waits for `pause`, or until there is a reason not to.
    pub(super) fn pause(&self, pause: Duration) -> Option<Interruption> {
        let calm = |state: &mut State| !state.reopen && !state.closed;
        let waited = self
            .changed
            .wait_timeout_while(self.state(), pause, calm)
            .unwrap_or_else(PoisonError::into_inner);
        let mut state = waited.0;
        if mem::take(&mut state.reopen) {
            Some(Interruption::Reopen)
        } else {
            state.closed.then_some(Interruption::Closing)
        }
    }

    pub(super) fn ask_to_reopen(&self) {
        self.state().reopen = true;
        self.changed.notify_all();
    }

    /// Takes nothing more; what is there may still be written.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// The writer is done; what it has left is lost.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        let left = state.chunks.drain(..).map(|chunk| chunk.lines).sum();
        drop(state);
        self.count_dropped(left);
        self.changed.notify_all();
    }

    /// Waits until the writer is done; says whether it was in time.
    pub(super) fn ended_within(&self, patience: Duration) -> bool {
        let running = |state: &mut State| !state.ended;
        let waited = self
            .changed
            .wait_timeout_while(self.state(), patience, running);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    pub(super) fn count_written(&self, lines: u64) {
        self.written_lines.fetch_add(lines, Relaxed);
    }

    pub(super) fn count_dropped(&self, lines: u64) {
        self.dropped_lines.fetch_add(lines, Relaxed);
    }

    pub(super) fn totals(&self) -> LogTotals {
        LogTotals {
            written_lines: self.written_lines.load(Relaxed),
            dropped_lines: self.dropped_lines.load(Relaxed),
        }
    }

    /// A panic elsewhere leaves a queue that is as good as before.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
