//! Buffers that idle connections do not keep.
//!
//! A connection borrows a read buffer when bytes have arrived and gives it back when it goes idle
//! with nothing left over, so ten thousand idle connections hold no buffers. One pool per core. It
//! must never keep more than [`MAX_KEPT`] buffers.

use std::cell::RefCell;

/// Buffers kept for reuse, each of the size of a request head.
pub(crate) const MAX_KEPT: usize = 64;

/// A pool of vectors of one capacity.
#[derive(Debug)]
pub(crate) struct BufferPool {
    capacity_bytes: usize,
    kept: RefCell<Vec<Vec<u8>>>,
}

impl BufferPool {
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        Self {
            capacity_bytes,
            kept: RefCell::default(),
        }
    }

    /// What a buffer holds when it is new.
    pub(crate) fn capacity_bytes(&self) -> usize {
        self.capacity_bytes
    }

    /// An empty buffer with the pool's capacity.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.kept
            .borrow_mut()
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(self.capacity_bytes))
    }

    /// Returns a buffer. One that has grown far beyond the rest is let go.
    pub(crate) fn give(&self, mut buffer: Vec<u8>) {
        let mut kept = self.kept.borrow_mut();
        let usual = self.capacity_bytes..=self.capacity_bytes * 4;
        if kept.len() < MAX_KEPT && usual.contains(&buffer.capacity()) {
            buffer.clear();
            kept.push(buffer);
        }
    }
}
