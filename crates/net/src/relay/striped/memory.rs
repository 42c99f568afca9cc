//! Memory for what is read ahead: how much there may be, and the place of one window's bytes.
//!
//! It must never give out more than [`NODE_AHEAD_BYTES`], nor keep a byte in a buffer of many.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::{Bytes, BytesMut};
use overspill_core::relay::{Lanes, NODE_AHEAD_BYTES, Plan};
use tokio::sync::Notify;

use crate::relay::BUFFER_BYTES;

/// What all striped bodies of a node may have read ahead.
#[derive(Debug, Default)]
pub struct AheadMemory {
    taken_bytes: AtomicU64,
}

/// The share of one body, given back when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    memory: Arc<AheadMemory>,
    plan: Plan,
}

/// Bytes of one window that came before their time.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// All but the last are full, so that what comes in crumbs takes no more room than its bytes.
    chunks: RefCell<VecDeque<BytesMut>>,
    filled: Notify,
    is_leading: Cell<bool>,
}

impl AheadMemory {
    /// Memory for a body of `bytes` from so many members; `None` if it is not to be striped, for it is
    /// too short or too much is taken.
    pub fn reserve(self: &Arc<Self>, lanes: Lanes, bytes: u64) -> Option<Reservation> {
        let mut planned = None;
        let take = |taken_bytes: u64| {
            let free_bytes = NODE_AHEAD_BYTES.saturating_sub(taken_bytes);
            planned = Plan::new(lanes, bytes, free_bytes);
            planned.map(|plan| taken_bytes + plan.ahead_bytes())
        };
        // Nothing is handed over with these bytes but their number.
        let taken = self.taken_bytes.fetch_update(Relaxed, Relaxed, take);
        taken.ok()?;
        let memory = Arc::clone(self);
        planned.map(|plan| Reservation { memory, plan })
    }

    /// Bytes that are reserved now.
    pub fn taken_bytes(&self) -> u64 {
        self.taken_bytes.load(Relaxed)
    }
}

impl Reservation {
    /// How the body is cut up, so that it keeps to its share.
    pub(super) fn plan(&self) -> Plan {
        self.plan
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let bytes = self.plan.ahead_bytes();
        self.memory.taken_bytes.fetch_sub(bytes, Relaxed);
    }
}

impl Buffer {
    /// Copies `bytes` behind those that are there.
    pub(super) fn push(&self, mut bytes: &[u8]) {
        let mut chunks = self.chunks.borrow_mut();
        while !bytes.is_empty() {
            let room = chunks.back().map_or(0, |last| BUFFER_BYTES - last.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            match chunks.back_mut().filter(|_| room > 0) {
                Some(last) => last.extend_from_slice(now),
                None => chunks.push_back(BytesMut::with_capacity(BUFFER_BYTES)),
            }
            bytes = later;
        }
        self.filled.notify_one();
    }

    /// The first bytes that are there.
    pub(super) fn pop(&self) -> Option<Bytes> {
        let first = self.chunks.borrow_mut().pop_front();
        first.map(BytesMut::freeze)
    }

    /// Returns when bytes have come since it was last waited for, or at once. Cancel-safe.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Its window is at the head of the line from now on.
    pub(super) fn lead(&self) {
        self.is_leading.set(true);
    }

    pub(super) fn is_leading(&self) -> bool {
        self.is_leading.get()
    }
}
