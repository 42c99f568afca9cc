//! The part of the log that belongs to one core: a buffer of lines.
//!
//! It must never wait, and never split a line between two chunks.

use std::{
    fmt, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    format::LineFormat,
    queue::{Chunk, Queue},
    record::Record,
};

/// The lines of one core, until they are handed over to the writer.
///
/// Dropping it hands over what it holds.
pub struct CoreLog {
    queue: Arc<Queue>,
    format: LineFormat,
    buffer: Vec<u8>,
    /// Records in the buffer.
    lines: u64,
    /// Lines lost that no line of the log tells of yet.
    untold: u64,
    /// Lines lost that the first line of the buffer tells of.
    told: u64,
    handed_over: Option<Instant>,
}

/// Bytes in the buffer from which on it is handed over: one write in some hundred lines, while a
/// reader of the log does not have to wait long on a busy node.
const CHUNK_BYTES: usize = 32 << 10;
/// What a buffer can hold before it has to grow: a chunk and a few more lines.
const BUFFER_BYTES: usize = CHUNK_BYTES + (8 << 10);
/// How old a line may get in the buffer of an idle core.
const AGE_MAX: Duration = Duration::from_secs(1);

impl CoreLog {
    pub(super) fn new(queue: Arc<Queue>, format: LineFormat) -> Self {
        Self {
            queue,
            format,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            lines: 0,
            untold: 0,
            told: 0,
            handed_over: None,
        }
    }

    /// Writes a line into the buffer, and hands the buffer over when that is 32 KiB or more.
    pub fn write(&mut self, record: &Record<'_>) {
        if self.untold > 0 && self.buffer.is_empty() {
            self.told = mem::take(&mut self.untold);
            self.format
                .append_dropped(record.at_unix_us, self.told, &mut self.buffer);
        }
        self.format.append(record, &mut self.buffer);
        self.lines += 1;
        if self.buffer.len() >= CHUNK_BYTES {
            self.hand_over();
        }
    }

    /// Hands over what has been in the buffer for a second. To be called about once a second.
    pub fn flush_if_due(&mut self, now: Instant) {
        let since = *self.handed_over.get_or_insert(now);
        if now.saturating_duration_since(since) >= AGE_MAX {
            self.handed_over = Some(now);
            self.hand_over();
        }
    }

    /// Hands over what is in the buffer.
    pub fn flush(&mut self) {
        self.hand_over();
    }

    fn hand_over(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let chunk = Chunk {
            bytes: mem::take(&mut self.buffer),
            lines: mem::take(&mut self.lines),
        };
        let told = mem::take(&mut self.told);
        self.buffer = match self.queue.push(chunk) {
            Ok(spare) => spare.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES)),
            Err(refused) => {
                // What it was to tell of is lost again, and its own lines with it.
                self.untold += told + refused.lines;
                let mut buffer = refused.bytes;
                buffer.clear();
                buffer
            }
        };
    }
}

impl Drop for CoreLog {
    fn drop(&mut self) {
        self.hand_over();
    }
}

impl fmt::Debug for CoreLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoreLog")
            .field("lines", &self.lines)
            .field("bytes", &self.buffer.len())
            .field("untold", &self.untold)
            .finish_non_exhaustive()
    }
}
