//! Ctrl-C, so that what was made is removed.
//!
//! The signal only sets a flag that waits look at; whoever waits returns an error, and handles
//! clean up on the way out. It must never end the process itself.

use anyhow::{Error, Result, anyhow};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Whether somebody asked us to end.
#[derive(Clone, Debug)]
pub(super) struct Interrupt {
    asked: watch::Receiver<bool>,
}

impl Interrupt {
    /// Catches Ctrl-C, and what a terminal or an administrator sends, from now on.
    pub(super) fn catch(runtime: &Runtime) -> Result<Self> {
        let (ask, asked) = watch::channel(false);
        let _guard = runtime.enter();
        let (mut int, mut term, mut hup) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        );
        runtime.spawn(async move {
            tokio::select! {
                _ = int.recv() => {}
                _ = term.recv() => {}
                _ = hup.recv() => {}
            }
            // It stays true; nobody may be listening.
            let _ = ask.send(true);
            std::future::pending::<()>().await;
        });
        Ok(Self { asked })
    }

    /// An error if we were.
    pub(super) fn check(&self) -> Result<()> {
        if *self.asked.borrow() {
            return Err(interrupted());
        }
        Ok(())
    }

    /// Waits until we are; what to end with.
    pub(super) async fn wait(mut self) -> Error {
        // It fails only with the runtime, and this with it.
        let _ = self.asked.wait_for(|asked| *asked).await;
        interrupted()
    }
}

fn interrupted() -> Error {
    anyhow!("interrupted")
}
