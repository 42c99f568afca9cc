//! The access log as the command line asks for it, and `SIGUSR1` to reopen it.
//!
//! It must never let that signal end the process, log or no log: whoever rotates logs sends it to
//! all there are.

use std::{path::PathBuf, sync::Arc};

use overspill_node::{AccessLog, AccessLogError, AccessLogFormat};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Options of the access log.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Access log")]
pub(crate) struct AccessArgs {
    /// Write a line for each request to this file; - is the standard output [default: none]
    ///
    /// Appended to; SIGUSR1 reopens it after it was renamed. When the disk or whoever reads a pipe
    /// cannot keep up, lines are dropped and counted in the log itself; serving never waits. The
    /// value of a ticket is masked.
    #[arg(long, value_name = "FILE|-")]
    access_log: Option<PathBuf>,
    /// Form of a line: json, or combined as in Apache and nginx with our own fields behind
    #[arg(
        long,
        value_name = "FORMAT",
        requires = "access_log",
        default_value = AccessLogFormat::default().name()
    )]
    access_log_format: AccessLogFormat,
}

/// The open access log, if there is one. To be dropped after whatever writes to it.
#[derive(Debug)]
pub(crate) struct Access {
    log: Option<Arc<AccessLog>>,
    /// `None` when signals cannot be caught; then nothing can be reopened.
    reopen: Option<Signal>,
}

impl AccessArgs {
    /// Opens the log, and begins to listen for the signal.
    pub(crate) fn open(&self) -> Result<Access, AccessLogError> {
        let open = |path: &PathBuf| AccessLog::open(path.clone().into(), self.access_log_format);
        let log = self.access_log.as_ref().map(open).transpose()?;
        Ok(Access {
            log: log.map(Arc::new),
            reopen: signal(SignalKind::user_defined1()).ok(),
        })
    }
}

impl Access {
    /// The log, for the node to write to.
    pub(crate) fn log(&self) -> Option<Arc<AccessLog>> {
        self.log.clone()
    }

    /// Reopens the log as often as it is asked for; never returns. Cancel-safe: it only waits.
    pub(crate) async fn reopen_when_asked(&mut self) {
        if let Some(signal) = &mut self.reopen {
            while signal.recv().await.is_some() {
                if let Some(log) = &self.log {
                    log.reopen();
                    tracing::info!("access log reopened");
                }
            }
        }
        std::future::pending().await
    }
}
