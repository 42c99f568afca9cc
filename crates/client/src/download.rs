//! One file, from a URL to a path or a stream.
//!
//! This is the surface: what to download, where to, and what came of it. How it is done is in
//! `session`. Dropping the future of [`Download::run`] stops at once and loses nothing: part and
//! state stay for a later run.

mod asking;
mod existing;
mod session;

use std::{
    fmt,
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use overspill_core::root::Root;
use overspill_net::client::HttpClient;

use self::{asking::Asking, session::Session};
use crate::{
    error::DownloadError, intake::Sink, part::PartFile, persistence::Persistence,
    progress::Observer, url::HttpUrl,
};

/// A download to be run; see the crate's example.
#[derive(Debug)]
pub struct Download {
    url: HttpUrl,
    target: Target,
    on_existing: OnExisting,
    on_change: OnChange,
    persistence: Persistence,
}

/// What to do when the target exists and is not the file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnExisting {
    /// Fail with [`DownloadError::Exists`].
    #[default]
    Refuse,
    /// Replace it, once the new file is complete and verified.
    Replace,
}

/// What to do when the file changes on the server before we have all of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnChange {
    /// Fail with [`DownloadError::Changed`].
    Fail,
    /// Begin again with the new version, a few times at most.
    #[default]
    Restart,
}

/// What came of a download.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// Whether anything had to be done.
    pub completion: Completion,
    /// The file; `None` for a stream.
    pub path: Option<PathBuf>,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Body bytes that came over the network, those that were thrown away included.
    pub received_bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// What is known about the bytes.
    pub verification: Verification,
    /// Who sent how much, in the order of first use.
    pub served: Vec<Served>,
}

/// Whether anything had to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Completion {
    /// It was downloaded.
    Downloaded,
    /// The target had the right root already.
    UpToDate,
}

/// What is known about the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verification {
    /// The server tells no root: only the length was checked, if even that was told.
    LengthOnly,
    /// The BLAKE3 root of all bytes is this one, as the server promised.
    Root(Root),
}

/// What one node sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Served {
    /// The member's name, or host and port where the fleet has no name for it.
    pub source: String,
    /// Body bytes.
    pub bytes: u64,
}

enum Target {
    /// In the working directory, named after the URL.
    Here,
    Path(PathBuf),
    Stream(Box<dyn Write + Send>),
}

impl Download {
    /// Downloads `url` into the working directory unless told otherwise.
    pub fn new(url: HttpUrl) -> Self {
        Self {
            url,
            target: Target::Here,
            on_existing: OnExisting::default(),
            on_change: OnChange::default(),
            persistence: Persistence::default(),
        }
    }

    /// To this file, or into this folder if it is one that exists.
    pub fn to(self, path: impl Into<PathBuf>) -> Self {
        let target = Target::Path(path.into());
        Self { target, ..self }
    }

    /// To a stream, in order. It cannot be taken back, so wrong bytes are known only when they are
    /// out, and a change on the server is always [`DownloadError::Changed`].
    pub fn to_stream(self, stream: Box<dyn Write + Send>) -> Self {
        let target = Target::Stream(stream);
        Self { target, ..self }
    }

    /// What to do when the target exists; refusing is the default.
    pub fn on_existing(self, on_existing: OnExisting) -> Self {
        Self {
            on_existing,
            ..self
        }
    }

    /// What to do when the file changes meanwhile; restarting is the default.
    pub fn on_change(self, on_change: OnChange) -> Self {
        Self { on_change, ..self }
    }

    /// How long to keep trying.
    pub fn persistence(self, persistence: Persistence) -> Self {
        Self {
            persistence,
            ..self
        }
    }

    /// Does it.
    ///
    /// Continues `NAME.part` of an earlier run, leaves members that fail, verifies, and only then
    /// gives the file its name. On every error but [`DownloadError::Mismatch`] what came is kept.
    /// When the future is dropped, the part stays locked until bytes already received are written.
    pub async fn run(
        self,
        client: &HttpClient,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, DownloadError> {
        let started = Instant::now();
        let mut asking = Asking::new(client, observer, self.url.clone(), self.persistence);
        let path = match self.target {
            Target::Stream(stream) => {
                let sink = Sink::Stream(stream);
                let session = Session::prepare(asking, sink, self.on_change).await?;
                let received = session.run().await?;
                return Ok(received.outcome(None, started));
            }
            Target::Here => PathBuf::from(self.url.file_name()?),
            Target::Path(path) => file_in(path, &self.url)?,
        };
        if let Some(found) = existing::settle(&mut asking, &path, self.on_existing).await? {
            return Ok(found.outcome(Some(path), started));
        }
        let sink = Sink::Part(PartFile::open(&path)?);
        let session = Session::prepare(asking, sink, self.on_change).await?;
        let received = session.run_and_publish(&path, self.on_existing).await?;
        Ok(received.outcome(Some(path), started))
    }
}

/// Bytes that are where they belong.
struct Received {
    completion: Completion,
    bytes: u64,
    verification: Verification,
    served: Vec<Served>,
}

impl Received {
    fn outcome(self, path: Option<PathBuf>, started: Instant) -> Outcome {
        Outcome {
            completion: self.completion,
            path,
            bytes: self.bytes,
            received_bytes: self.served.iter().map(|served| served.bytes).sum(),
            elapsed: started.elapsed(),
            verification: self.verification,
            served: self.served,
        }
    }
}

/// The file `path` means: itself, or one named after the URL in the folder it is.
fn file_in(path: PathBuf, url: &HttpUrl) -> Result<PathBuf, DownloadError> {
    if path.is_dir() {
        return Ok(path.join(url.file_name()?));
    }
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(DownloadError::Local {
            path,
            doing: "use it as a folder",
            source: io::ErrorKind::NotFound.into(),
        });
    }
    Ok(path)
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("Here"),
            Self::Path(path) => path.fmt(f),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}
