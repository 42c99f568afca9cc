//! The access log: one line for each request, saying what really happened to it.
//!
//! Every core formats into a buffer of its own ([`CoreLog`]) and hands it over when it is large or
//! old enough; one thread ([`writer`]) writes whole lines. The log must never make serving wait: when
//! the writer cannot keep up, lines are dropped and counted, and the log says so itself as soon as
//! it goes on. It must never hold a secret: the value of a ticket is masked.

mod core_log;
mod format;
mod observed;
mod output;
mod queue;
mod record;
mod text;
mod writer;

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use thiserror::Error;

pub use self::{
    core_log::CoreLog,
    format::AccessLogFormat,
    queue::LogTotals,
    record::{LoggedDecision, Record},
};
use self::{format::LineFormat, output::Output, queue::Queue, writer::Writer};

/// Where the log goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AccessLogTarget {
    /// A file, appended to and made if need be; or a FIFO.
    File(PathBuf),
    /// The standard output.
    Stdout,
}

/// Why there can be no access log. The operator's to mend.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccessLogError {
    /// The file cannot be opened for writing.
    #[error("cannot write the access log {path}; give another file with --access-log")]
    Open {
        /// The file, or `-`.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes the access log")]
    Thread(#[source] io::Error),
}

/// The log of a node, shared by its cores.
///
/// Dropping it ends it like [`AccessLog::close`], so it is to be dropped after its [`CoreLog`]s.
#[derive(Debug)]
pub struct AccessLog {
    queue: Arc<Queue>,
    format: AccessLogFormat,
    writer: Option<JoinHandle<()>>,
}

/// How long the end waits for what is still to be written. A disk needs milliseconds; whoever reads
/// a pipe and has stopped doing so must not keep the node from ending.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

impl AccessLog {
    /// Opens the log and starts its writer.
    ///
    /// A FIFO that nobody reads is no error: lines wait, and are dropped when too many do.
    pub fn open(target: AccessLogTarget, format: AccessLogFormat) -> Result<Self, AccessLogError> {
        let path = target.path();
        let output =
            Output::open(target).map_err(|source| AccessLogError::Open { path, source })?;
        let queue = Arc::new(Queue::default());
        let writer = Writer::new(Arc::clone(&queue), output);
        let thread = thread::Builder::new().name("access-log".to_owned());
        let writer = thread
            .spawn(move || writer.run())
            .map_err(AccessLogError::Thread)?;
        Ok(Self {
            queue,
            format,
            writer: Some(writer),
        })
    }

    /// The part of one core, for lines that name this node.
    pub fn core_log(&self, node: &str) -> CoreLog {
        CoreLog::new(Arc::clone(&self.queue), LineFormat::new(self.format, node))
    }

    /// Opens the file anew, after it was renamed: no line is lost, none is torn.
    pub fn reopen(&self) {
        self.queue.ask_to_reopen();
    }

    /// What became of the lines so far.
    pub fn totals(&self) -> LogTotals {
        self.queue.totals()
    }

    /// Writes what was handed over, for 2 s at most, and ends the writer; what became of the lines.
    pub fn close(mut self) -> LogTotals {
        self.end();
        self.queue.totals()
    }

    fn end(&mut self) {
        let Some(writer) = self.writer.take() else {
            return;
        };
        self.queue.close();
        if !self.queue.ended_within(CLOSE_PATIENCE) {
            tracing::warn!(
                event = "access-log-lost",
                "the access log does not take its last lines; they are lost"
            );
        } else if writer.join().is_err() {
            tracing::error!(
                event = "thread-panicked",
                thread = "access-log",
                "the thread that writes the access log has panicked"
            );
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.end();
    }
}

impl AccessLogTarget {
    /// The file as the operator named it.
    fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Stdout => PathBuf::from("-"),
        }
    }
}

impl From<PathBuf> for AccessLogTarget {
    /// `-` is the standard output, as everywhere.
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" {
            Self::Stdout
        } else {
            Self::File(path)
        }
    }
}

#[cfg(test)]
mod tests;
