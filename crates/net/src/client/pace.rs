//! How fast a client takes what it is sent, all bodies together.
//!
//! What has come is paid for before it is given out, so the sender is held back by the kernel's window
//! and nothing piles up here. It must never let a body go unpaid.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use overspill_core::{
    limit::{Allowance, Bucket},
    units::Rate,
};

/// A rate that clones share; none is no limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    allowance: Allowance,
    bucket: Mutex<Bucket>,
}

impl Pace {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self(rate.map(|rate| {
            Arc::new(Shared {
                allowance: Allowance::of_bytes(rate),
                bucket: Mutex::new(Bucket::full(Instant::now())),
            })
        }))
    }

    /// Pays for so many bytes, and waits until they are due.
    pub(super) async fn take(&self, bytes: u64) {
        let Some(shared) = &self.0 else { return };
        let mut left_bytes = bytes;
        while left_bytes > 0 {
            let reservation = {
                let bucket = shared.bucket.lock();
                let mut bucket = bucket.unwrap_or_else(PoisonError::into_inner);
                bucket.reserve(&shared.allowance, Instant::now(), left_bytes)
            };
            left_bytes -= reservation.tokens.min(left_bytes);
            if !reservation.wait.is_zero() {
                tokio::time::sleep(reservation.wait).await;
            }
        }
    }
}
