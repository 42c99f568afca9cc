//! The signals that end a service: the first asks, the second insists.
//!
//! It must never miss a signal between two waits: the handlers stay for as long as the service.

use overspill_client::Exit;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub(crate) struct EndSignals {
    /// `None` if there are no handlers: then the default action ends the process.
    handlers: Option<(Signal, Signal)>,
}

impl EndSignals {
    /// Takes the signals over from the system's default action.
    pub(crate) fn new() -> Self {
        let terminate = signal(SignalKind::terminate());
        let interrupt = signal(SignalKind::interrupt());
        Self {
            handlers: terminate.ok().zip(interrupt.ok()),
        }
    }

    /// Waits until the process is asked to end, or has to; `meanwhile` goes on until then, and asks too
    /// when it returns.
    pub(crate) async fn until_asked(
        &mut self,
        failed: &CancellationToken,
        meanwhile: impl Future<Output = ()>,
    ) {
        // The first two only wait; what goes on meanwhile is dropped with all there is.
        tokio::select! {
            () = self.next() => {}
            () = failed.cancelled() => {}
            () = meanwhile => {}
        }
    }

    /// Sees the end through, unless it is asked for again: then the process ends here and now, as if
    /// it had been killed. That loses nothing but running downloads.
    #[expect(
        clippy::disallowed_methods,
        reason = "the first signal goes through every destructor; the second asks not to"
    )]
    pub(crate) async fn unless_again(&mut self, end: impl Future) {
        // Nothing of `end` matters once the process is over.
        tokio::select! {
            _ = end => {}
            () = self.next() => {
                tracing::warn!(
                    event = "node-ended-at-once",
                    "asked again: ending at once, running downloads are cut"
                );
                std::process::exit(Exit::Interrupted.code().into());
            }
        }
    }

    async fn next(&mut self) {
        let Some((terminate, interrupt)) = &mut self.handlers else {
            return std::future::pending().await;
        };
        // Both only wait.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
