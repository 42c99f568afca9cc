//! Clients of our own: downloads through `overspill-client`, watched and checked.
//!
//! The library verifies against the root in the entity tag; here the bytes are hashed once more and
//! compared with the file on disk. What the library says of itself must never count as the check.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use overspill_client::{
    Download, DownloadError, HttpClient, HttpUrl, Observer, OnExisting, Progress,
};
use overspill_core::root::Root;
use tokio::{sync::Notify, time::sleep};

use super::{
    load::{check_file, compare},
    subjects::Subject,
    tally::{Ending, SERVER, SharedTally},
};

/// Downloads into nothing but a hash.
pub(super) async fn to_memory(
    http: &HttpClient,
    url: HttpUrl,
    subject: &Subject,
    tally: &SharedTally,
) -> Ending {
    let mut watch = Watch::new(tally.clone());
    let hashing = Hashing::default();
    let download = Download::new(url).to_stream(Box::new(hashing.clone()));
    let result = match download.run(http, &mut watch).await {
        Ok(_) => {
            let (root, bytes) = hashing.finish();
            compare(subject, root, bytes)
        }
        Err(error) => Err(error.to_string()),
    };
    let retries = watch.retries;
    Ending { result, retries }
}

/// Downloads to `local`, breaks off half way, continues in a second run, and deletes it.
pub(super) async fn with_a_break(
    http: &HttpClient,
    url: HttpUrl,
    local: &Path,
    subject: &Subject,
    tally: &SharedTally,
) -> Ending {
    let half = Arc::new(Notify::new());
    let mut first = Watch::new(tally.clone());
    first.half = Some((subject.bytes / 2, Arc::clone(&half)));
    let download = to_file(url.clone(), local.to_owned());
    // A download may be dropped at any time, which is the very point.
    let result = tokio::select! {
        biased;
        () = half.notified() => None,
        result = download.run(http, &mut first) => Some(result.map(|_| 0)),
    };
    let mut retries = first.retries;
    drop(first);
    let result = match result {
        Some(result) => result,
        None => {
            let mut second = Watch::new(tally.clone());
            let result = go_on(http, url, local, &mut second).await;
            retries += second.retries;
            result
        }
    };
    let result = match result {
        Ok(resumed) => {
            tally.lock().resumed += resumed;
            check_file(local, subject).await
        }
        Err(error) => Err(error.to_string()),
    };
    Ending { result, retries }
}

/// The second run; how many downloads (0 or 1) it really continued.
async fn go_on(
    http: &HttpClient,
    url: HttpUrl,
    local: &Path,
    watch: &mut Watch,
) -> Result<u64, DownloadError> {
    let mut waited = Duration::ZERO;
    loop {
        let download = to_file(url.clone(), local.to_owned());
        match download.run(http, watch).await {
            // The first run holds it until all that came is written.
            Err(DownloadError::Locked { .. }) if waited < LOCKED_MAX => {
                sleep(LOCKED_PAUSE).await;
                waited += LOCKED_PAUSE;
            }
            result => return result.map(|_| u64::from(watch.resumed_from_bytes > 0)),
        }
    }
}

fn to_file(url: HttpUrl, path: PathBuf) -> Download {
    Download::new(url).to(path).on_existing(OnExisting::Replace)
}

/// Follows one run of a download for the tally. Dropping it takes the download off its node.
#[derive(Debug)]
struct Watch {
    tally: SharedTally,
    /// Where the download is, once that is known.
    source: Option<String>,
    position_bytes: u64,
    resumed_from_bytes: u64,
    retries: u64,
    /// At this position somebody wants to know.
    half: Option<(u64, Arc<Notify>)>,
}

impl Watch {
    fn new(tally: SharedTally) -> Self {
        Self {
            tally,
            source: None,
            position_bytes: 0,
            resumed_from_bytes: 0,
            retries: 0,
            half: None,
        }
    }

    fn arrive(&mut self, source: &str) {
        if self.source.is_none() {
            self.tally.lock().arrived(source);
            self.source = Some(source.to_owned());
        }
    }

    fn leave(&mut self) {
        if let Some(source) = self.source.take() {
            self.tally.lock().left(&source);
        }
    }

    fn count(&mut self, position_bytes: u64) {
        // A position below the last one means that the download began anew.
        let new_bytes = match position_bytes.checked_sub(self.position_bytes) {
            Some(bytes) => bytes,
            None => position_bytes,
        };
        self.position_bytes = position_bytes;
        self.arrive(SERVER);
        if let Some(source) = &self.source {
            self.tally.lock().credit(source, new_bytes);
        }
        if let Some((at_bytes, half)) = &self.half
            && position_bytes >= *at_bytes
        {
            half.notify_one();
        }
    }
}

impl Observer for Watch {
    fn observe(&mut self, progress: &Progress) {
        match progress {
            Progress::Redirected { member } => {
                self.tally.lock().redirects += 1;
                self.arrive(member);
            }
            Progress::Started {
                resumed_from_bytes, ..
            } => {
                self.position_bytes = *resumed_from_bytes;
                self.resumed_from_bytes = *resumed_from_bytes;
                self.arrive(SERVER);
            }
            Progress::Bytes { position_bytes, .. } => self.count(*position_bytes),
            Progress::Retrying { .. } => {
                self.retries += 1;
                self.leave();
            }
            _ => {}
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A stream that keeps nothing but the hash of what went by.
#[derive(Clone, Debug, Default)]
struct Hashing(Arc<Mutex<blake3::Hasher>>);

impl Hashing {
    fn finish(&self) -> (Root, u64) {
        let hasher = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (Root(*hasher.finalize().as_bytes()), hasher.count())
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut hasher = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hasher.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How long a part may stay locked after its download was broken off.
const LOCKED_MAX: Duration = Duration::from_secs(5);
const LOCKED_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_for_the_node_that_sends_them() {
        let tally = SharedTally::default();
        let mut watch = Watch::new(tally.clone());
        let started = |resumed_from_bytes| Progress::Started {
            resumed_from_bytes,
            root: None,
            size_bytes: None,
        };
        let redirected = Progress::Redirected {
            member: "m-1".to_owned(),
        };
        let retrying = Progress::Retrying {
            avoided: Some("m-1".to_owned()),
            pause: Duration::ZERO,
            reason: "cut".to_owned(),
        };
        let bytes = |position_bytes| Progress::Bytes {
            position_bytes,
            received_bytes: position_bytes,
        };
        for (progress, m1, server) in [
            (redirected, (0, 1), (0, 0)),
            (started(100), (0, 1), (0, 0)),
            (bytes(150), (50, 1), (0, 0)),
            (bytes(160), (60, 1), (0, 0)),
            (retrying, (60, 0), (0, 0)),
            (bytes(200), (60, 0), (40, 1)),
            (started(0), (60, 0), (40, 1)),
            (bytes(5), (60, 0), (45, 1)),
        ] {
            watch.observe(&progress);
            let tally = tally.lock();
            let of = |name| (tally.of(name).bytes, tally.of(name).in_flight);
            assert_eq!((of("m-1"), of(SERVER)), (m1, server), "{progress:?}");
        }
        assert_eq!((watch.retries, tally.lock().redirects), (1, 1));
        drop(watch);
        assert_eq!(tally.lock().of(SERVER).in_flight, 0);
    }

    #[test]
    fn what_goes_by_is_hashed() {
        let hashing = Hashing::default();
        let mut stream = hashing.clone();
        stream.write_all(b"over").unwrap();
        stream.write_all(b"spill").unwrap();
        let root = Root(*blake3::hash(b"overspill").as_bytes());
        assert_eq!(hashing.finish(), (root, 9));
    }
}
