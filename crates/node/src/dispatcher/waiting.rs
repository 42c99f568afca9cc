//! Waiting for a slot.

use std::{fmt, sync::Arc};

use overspill_core::dispatch::WaiterId;
use tokio::sync::oneshot;

use super::SharedDispatcher;

/// A place in the queue; given up when it is dropped.
pub struct Waiting {
    dispatcher: Arc<SharedDispatcher>,
    waiter: WaiterId,
    verdict: oneshot::Receiver<Verdict>,
}

/// What becomes of who waited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It may ask again.
    Turn,
    /// It waited in vain.
    Refused {
        /// For `Retry-After`.
        retry_after_s: u32,
    },
}

impl Waiting {
    pub(super) fn new(
        dispatcher: Arc<SharedDispatcher>,
        waiter: WaiterId,
        verdict: oneshot::Receiver<Verdict>,
    ) -> Self {
        Self {
            dispatcher,
            waiter,
            verdict,
        }
    }

    /// Waits until there is a verdict: two seconds at most, while the node's ticks go on.
    pub async fn verdict(mut self) -> Verdict {
        let verdict = (&mut self.verdict).await;
        // Without a dispatcher there is nobody to be full.
        verdict.unwrap_or(Verdict::Turn)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.dispatcher.leave(self.waiter);
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Waiting").field(&self.waiter).finish()
    }
}
