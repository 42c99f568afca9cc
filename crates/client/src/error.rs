//! Why a download failed: faults, which are worth another try, and errors, which are final.
//!
//! Messages name the thing and the cause; what to do about it is for the command to say, because
//! only it knows its options. A message never holds a ticket.

use std::{io, path::PathBuf, time::Duration};

use http::StatusCode;
use overspill_core::root::Root;
use overspill_net::client::ClientError;
use thiserror::Error;

use crate::{
    exit::Exit,
    url::{HttpUrl, NameError, UrlError},
};

/// A failed try. Another try, perhaps at another node, may do better.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// No connection, a broken one, or silence.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A size that contradicts the one announced earlier for the same version.
    #[error("{authority} announced {actual_bytes} bytes, after {expected_bytes} before")]
    Length {
        /// Who sent them.
        authority: String,
        /// The first announcement.
        expected_bytes: u64,
        /// This one.
        actual_bytes: u64,
    },
    /// A redirect to nowhere.
    #[error("{authority} redirected without a usable location")]
    Location {
        /// Who redirected.
        authority: String,
    },
    /// The bytes do not have the root that the entity tag names.
    #[error("the bytes from {authority} do not match their BLAKE3 root")]
    Mismatch {
        /// Who sent the last of them.
        authority: String,
    },
    /// No source is left to ask.
    #[error("no source has this file any more")]
    NoSource,
    /// The part is longer than what the server has.
    #[error("{authority} says the file ends before byte {offset}")]
    PastEnd {
        /// Who said so.
        authority: String,
        /// Where we wanted to continue.
        offset: u64,
    },
    /// An answer to a range request that cannot be used.
    #[error("{authority} did not continue at byte {offset}: {reason}")]
    Range {
        /// Who answered.
        authority: String,
        /// Where we wanted to continue.
        offset: u64,
        /// What was wrong.
        reason: &'static str,
    },
    /// A body that ended early or went on too long.
    #[error("{authority} ended at byte {actual_bytes} of {expected_bytes}")]
    Short {
        /// Who sent it.
        authority: String,
        /// The size announced.
        expected_bytes: u64,
        /// How far it came.
        actual_bytes: u64,
    },
    /// Nothing came from any source.
    #[error("nothing came from any source for {} s", silence.as_secs())]
    Stalled {
        /// For how long.
        silence: Duration,
    },
    /// A status that may pass: 408, 429, 5xx, or any error from a mirror.
    #[error("{authority} answered {status}")]
    Status {
        /// Who answered.
        authority: String,
        /// What.
        status: StatusCode,
        /// When to come back, if it said so in seconds.
        retry_after: Option<Duration>,
    },
}

/// Why there is no file. [`DownloadError::exit`] sorts them for scripts.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The file changed on the server while it was downloaded, and starting over is not allowed,
    /// not possible (a stream), or was done too often.
    #[error("{url} changed on the server during the download")]
    Changed {
        /// What was asked.
        url: HttpUrl,
    },
    /// Something else has the target's name.
    #[error("{} exists and is not the file at {url}", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
        /// What was asked.
        url: HttpUrl,
    },
    /// A listing names a file that is not below its folder.
    #[error(
        "{url} is not below the folder that lists it; it was left out, tell the server's operator"
    )]
    OutOfPlace {
        /// The file.
        url: HttpUrl,
    },
    /// The local disk refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Local {
        /// The file.
        path: PathBuf,
        /// What we tried, as a verb.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The server cannot be asked until somebody has changed something: its certificate proves
    /// nothing to us, or it does not speak TLS.
    #[error(transparent)]
    Lasting(ClientError),
    /// Another process is downloading the same file.
    #[error("{} is locked: another process is downloading it", path.display())]
    Locked {
        /// The part file.
        path: PathBuf,
    },
    /// Wrong pieces from every source. What was right is kept.
    #[error("{url}: all {sources} sources sent bytes that are wrong")]
    AllWrong {
        /// What was asked.
        url: HttpUrl,
        /// How many there were.
        sources: usize,
    },
    /// The bytes have not the digest that was promised beside them. Nothing of them was kept.
    #[error("{url} failed verification: it is not what its digest promises")]
    DigestMismatch {
        /// What was asked.
        url: HttpUrl,
    },
    /// Wrong bytes from every source tried. Nothing of them was kept.
    #[error("{url} failed verification {tries} times: expected BLAKE3 root {root}")]
    Mismatch {
        /// What was asked.
        url: HttpUrl,
        /// What the bytes should have been.
        root: Root,
        /// How often it was tried.
        tries: u32,
    },
    /// The URL gives no name and none was given.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The server has no such file (404), or no longer (410).
    #[error("{url} was not found on the server ({status})")]
    NotFound {
        /// What was asked.
        url: HttpUrl,
        /// 404 or 410.
        status: StatusCode,
    },
    /// The server demands credentials or forbids it.
    #[error("{url} is refused by the server ({status})")]
    Refused {
        /// What was asked.
        url: HttpUrl,
        /// 401 or 403.
        status: StatusCode,
    },
    /// An answer that is no file and will not become one.
    #[error("{url} cannot be downloaded: the server answered {status}")]
    Rejected {
        /// What was asked.
        url: HttpUrl,
        /// The answer.
        status: StatusCode,
    },
    /// Redirected in circles.
    #[error("{url} redirects more than {max} times", max = crate::follow::REDIRECTS_MAX)]
    TooManyRedirects {
        /// What was asked.
        url: HttpUrl,
    },
    /// Tried in vain for too long. What came is kept in the part file.
    #[error("{url}: gave up after {tries} tries without progress: {last}")]
    Unreachable {
        /// What was asked.
        url: HttpUrl,
        /// Tries in a row that brought nothing.
        tries: u32,
        /// What ended the last one.
        last: Fault,
    },
    /// A URL we cannot ask: given by the user, or reached by a redirect.
    #[error(transparent)]
    Url(#[from] UrlError),
}

impl Fault {
    /// How long the server asked us to stay away.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether what we know of the version is in doubt, so that it must not be built upon.
    pub(crate) fn contradicts(&self) -> bool {
        matches!(self, Self::Length { .. } | Self::PastEnd { .. })
    }
}

impl DownloadError {
    /// How a command that failed like this ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Changed { .. } => Exit::Changed,
            Self::Exists { .. } | Self::Locked { .. } => Exit::LocalFile,
            Self::Local { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Exit::DiskFull,
                _ => Exit::LocalFile,
            },
            Self::AllWrong { .. } | Self::DigestMismatch { .. } | Self::Mismatch { .. } => {
                Exit::VerificationFailed
            }
            Self::Name(_) | Self::OutOfPlace { .. } | Self::Url(_) => Exit::Usage,
            Self::NotFound { .. } => Exit::NotFound,
            Self::Refused { .. } => Exit::Refused,
            Self::Lasting(_)
            | Self::Rejected { .. }
            | Self::TooManyRedirects { .. }
            | Self::Unreachable { .. } => Exit::Network,
        }
    }
}

#[cfg(test)]
mod tests;
