//! One file, from a URL to a path or a stream.
//!
//! This is the surface: what to download, where to, and what came of it. How it is done is in
//! `transfer`. Dropping the future of [`Download::run`] stops at once and loses nothing: part and
//! state stay for a later run.

pub(crate) mod asking;
mod existing;
mod session;
mod transfer;

use std::{
    ffi::OsString,
    fmt,
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use overspill_core::root::{Root, Sha256};
use overspill_net::client::HttpClient;

use tokio::task::spawn_blocking;

use self::{
    asking::Asking,
    transfer::{Hint, Transfer},
};
pub(crate) use crate::intake::Sink;
use crate::{
    error::DownloadError,
    metalink::Metalink,
    part::PartFile,
    persistence::Persistence,
    progress::{Observer, Progress},
    pull::{SPLIT_BYTES_MIN, Width},
    url::{HttpUrl, NameError},
};

/// A download to be run; see the crate's example.
#[derive(Debug)]
pub struct Download {
    url: HttpUrl,
    target: Target,
    on_existing: OnExisting,
    on_change: OnChange,
    persistence: Persistence,
    connections: u32,
    per_host: u32,
    metalink: Option<Metalink>,
    expected_bytes: Option<u64>,
    name: Option<OsString>,
    durability: Durability,
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

/// When a file has to be on the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Durability {
    /// Before it gets its name.
    Now,
    /// Later: whoever has many files syncs once for all of them.
    Later,
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
    /// Every piece has the SHA-256 that a metalink promised.
    Pieces,
    /// The BLAKE3 root of all bytes is this one, as the server promised.
    Root(Root),
    /// The SHA-256 of all bytes is this one, as somebody promised.
    Sha256(Sha256),
}

/// What one node sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Served {
    /// The member's name, or host and port where the fleet has no name for it.
    pub source: String,
    /// Body bytes.
    pub bytes: u64,
    /// Pieces of it that count; 0 for a file that came by one request.
    pub pieces: u64,
    /// Requests that failed, and pieces that were wrong.
    pub errors: u64,
    /// Bytes of it that were for nothing.
    pub wasted_bytes: u64,
    /// Whether it sent wrong bytes.
    pub is_banned: bool,
}

impl Served {
    pub(crate) fn new(source: String) -> Self {
        Self {
            source,
            bytes: 0,
            pieces: 0,
            errors: 0,
            wasted_bytes: 0,
            is_banned: false,
        }
    }
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
            connections: CONNECTIONS,
            per_host: PER_HOST,
            metalink: None,
            expected_bytes: None,
            name: None,
            durability: Durability::Now,
        }
    }

    /// Under this name in the working directory, or in the folder it goes to, where the URL gives none.
    pub fn named(self, name: OsString) -> Self {
        let name = Some(name);
        Self { name, ..self }
    }

    /// So large, as a listing says: a small file is then asked for at once, without asking first who
    /// has it. If that is wrong it costs a request, nothing else.
    pub fn expecting(self, bytes: u64) -> Self {
        let expected_bytes = Some(bytes);
        Self {
            expected_bytes,
            ..self
        }
    }

    /// When the file has to be on the disk.
    pub(crate) fn durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    /// Downloads the file that a metalink describes, from the URLs it names.
    pub fn from_metalink(metalink: Metalink) -> Self {
        Self {
            metalink: Some(metalink.clone()),
            ..Self::new(metalink.url().clone())
        }
    }

    /// At most so many connections at once; 16 is the default, 1 the least.
    pub fn connections(self, connections: u32) -> Self {
        let connections = connections.max(1);
        Self {
            connections,
            ..self
        }
    }

    /// At most so many connections to one host; 4 is the default, 1 the least.
    pub fn per_host(self, per_host: u32) -> Self {
        let per_host = per_host.max(1);
        Self { per_host, ..self }
    }

    /// To this file, or into this folder if it is one that exists.
    pub fn to(self, path: impl Into<PathBuf>) -> Self {
        let target = Target::Path(path.into());
        Self { target, ..self }
    }

    /// To a stream, in order. A file that comes in pieces is verified before it goes out. Another
    /// cannot be taken back: wrong bytes are known only when they are out. A change on the server
    /// after the first byte is always [`DownloadError::Changed`].
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
    /// gives the file its name. On every error but [`DownloadError::Mismatch`] and
    /// [`DownloadError::DigestMismatch`] what came is kept. When the future is dropped, the part
    /// stays locked until bytes already received are written.
    pub async fn run(
        self,
        client: &HttpClient,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, DownloadError> {
        let started = Instant::now();
        let width = Width {
            connections: self.connections,
            per_host: self.per_host,
            stall: self.persistence.silence_max,
            tries: self.persistence.tries_max,
        };
        let name = match (&self.metalink, &self.name) {
            (_, Some(name)) => Ok(name.clone()),
            (Some(metalink), None) => Ok(metalink.name()),
            (None, None) => self.url.file_name(),
        };
        let is_small = |bytes| bytes < SPLIT_BYTES_MIN;
        let mut transfer = Transfer {
            hint: match self.expected_bytes.is_some_and(is_small) {
                true => Hint::Small,
                false => Hint::None,
            },
            asking: Asking::new(client, observer, self.url.clone(), self.persistence),
            on_change: self.on_change,
            width,
            plan: self.metalink.as_ref().map(Metalink::plan),
        };
        let path = match self.target {
            Target::Stream(stream) => {
                let (_, received) = transfer.run(Sink::Stream(stream)).await?;
                observer.observe(&Progress::Finished);
                return Ok(received.outcome(None, started));
            }
            Target::Here => PathBuf::from(name?),
            Target::Path(path) => file_in(path, name)?,
        };
        let settled = match &self.metalink {
            Some(metalink) => {
                let what = (metalink, &self.url);
                existing::settle_by_metalink(what, &path, self.on_existing).await?
            }
            None => existing::settle(&mut transfer.asking, &path, self.on_existing).await?,
        };
        if let Some(found) = settled {
            return Ok(found.outcome(Some(path), started));
        }
        let part = Sink::Part(PartFile::open(&path)?);
        let (sink, received) = transfer.run(part).await?;
        let manner = (self.on_existing, self.durability);
        publish(sink, &path, &self.url, manner).await?;
        observer.observe(&Progress::Finished);
        Ok(received.outcome(Some(path), started))
    }
}

/// Gives a part its name, on a blocking thread: it waits for the disk.
async fn publish(
    sink: Sink,
    path: &Path,
    url: &HttpUrl,
    (on_existing, durability): (OnExisting, Durability),
) -> Result<(), DownloadError> {
    let Sink::Part(part) = sink else {
        return Ok(());
    };
    let part_path = part.path().to_owned();
    let published = spawn_blocking(move || part.publish(on_existing, durability)).await;
    match published.unwrap_or_else(|error| Err(error.into())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(DownloadError::Exists {
            path: path.to_owned(),
            url: url.clone(),
        }),
        Err(source) => Err(DownloadError::Local {
            path: part_path,
            doing: "publish",
            source,
        }),
    }
}

/// Bytes that are where they belong.
pub(crate) struct Received {
    pub(crate) completion: Completion,
    pub(crate) bytes: u64,
    pub(crate) received_bytes: u64,
    pub(crate) verification: Verification,
    pub(crate) served: Vec<Served>,
}

impl Received {
    fn outcome(self, path: Option<PathBuf>, started: Instant) -> Outcome {
        Outcome {
            completion: self.completion,
            path,
            bytes: self.bytes,
            received_bytes: self.received_bytes,
            elapsed: started.elapsed(),
            verification: self.verification,
            served: self.served,
        }
    }
}

/// The file `path` means: itself, or one named after the URL in the folder it is.
fn file_in(path: PathBuf, name: Result<OsString, NameError>) -> Result<PathBuf, DownloadError> {
    if path.is_dir() {
        return Ok(path.join(name?));
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

/// Connections at once, unless told otherwise.
const CONNECTIONS: u32 = 16;
/// Connections to one host, unless told otherwise.
const PER_HOST: u32 = 4;
