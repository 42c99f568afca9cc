//! The access log as the command line asks for it, and `SIGUSR1` to reopen it.
//!
//! It must never let that signal end the process, log or no log: whoever rotates logs sends it to
//! all there are.

use std::{convert::Infallible, path::PathBuf, sync::Arc, thread, time::Duration};

use arc_swap::ArcSwapOption;
use overspill_node::{AccessLog, AccessLogError, AccessLogFormat};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Contradiction, unwritable};

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
        default_value = AccessLogFormat::default().name()
    )]
    access_log_format: AccessLogFormat,
}

/// The open access log, if there is one. To be dropped after whatever writes to it.
#[derive(Debug)]
pub(crate) struct Access {
    log: ArcSwapOption<AccessLog>,
}

/// `SIGUSR1`; `None` when signals cannot be caught, then nothing can be reopened.
#[derive(Debug)]
pub(crate) struct ReopenSignal(Option<Signal>);

/// How often is looked whether the cores have let go of a log that was replaced, and for how long.
const LET_GO_EVERY: Duration = Duration::from_millis(100);
const LET_GO_LOOKS: usize = 600;

impl AccessArgs {
    /// Opens the log, if there is to be one.
    pub(crate) fn open(&self) -> Result<Option<Arc<AccessLog>>, AccessLogError> {
        let open = |path: &PathBuf| AccessLog::open(path.clone().into(), self.access_log_format);
        let log = self.access_log.as_ref().map(open).transpose()?;
        Ok(log.map(Arc::new))
    }

    /// Whether `other` would open the same log.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.access_log == other.access_log && self.access_log_format == other.access_log_format
    }

    /// A file that could not be written.
    pub(crate) fn disk_problems(&self) -> Vec<Contradiction> {
        let path = self
            .access_log
            .as_deref()
            .filter(|path| path.as_os_str() != "-");
        let problem = path.and_then(|path| {
            let reason = unwritable(path)?;
            Some(Contradiction {
                options: vec!["--access-log"],
                message: format!(
                    "cannot write the access log {}: {reason}; give another file",
                    path.display()
                ),
            })
        });
        problem.into_iter().collect()
    }
}

impl Access {
    /// With this log, if there is one.
    pub(crate) fn new(log: Option<Arc<AccessLog>>) -> Self {
        Self {
            log: ArcSwapOption::new(log),
        }
    }

    /// The log, for the node to write to.
    pub(crate) fn log(&self) -> Option<Arc<AccessLog>> {
        self.log.load_full()
    }

    /// Another log from now on. The one before is closed once the cores have let go of it, on a
    /// thread of its own: closing waits for its last lines, and a core must not.
    pub(crate) fn replace(&self, log: Option<Arc<AccessLog>>) {
        let Some(before) = self.log.swap(log) else {
            return;
        };
        let close = move || {
            for _ in 0..LET_GO_LOOKS {
                if Arc::strong_count(&before) == 1 {
                    return;
                }
                thread::park_timeout(LET_GO_EVERY);
            }
        };
        let closing = thread::Builder::new()
            .name("log-closer".to_owned())
            .spawn(close);
        if let Err(error) = closing {
            tracing::warn!(event = "thread-refused", %error, "the old access log is closed without a thread of its own");
        }
    }
}

impl ReopenSignal {
    /// Takes the signal over from the system's default action.
    pub(crate) fn new() -> Self {
        Self(signal(SignalKind::user_defined1()).ok())
    }

    /// Reopens the log as often as it is asked for; never returns. Cancel-safe: it only waits.
    pub(crate) async fn obey(&mut self, access: &Access) -> Infallible {
        if let Some(signal) = &mut self.0 {
            while signal.recv().await.is_some() {
                if let Some(log) = access.log() {
                    log.reopen();
                    tracing::info!(event = "access-log-reopened", "the access log is reopened");
                }
            }
        }
        std::future::pending().await
    }
}
