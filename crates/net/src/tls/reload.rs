//! Noticing that the files of a certificate changed.
//!
//! Whoever renews a certificate writes two files, one after the other, at any time: so the pair is
//! read only when it has looked the same twice, and a pair that cannot be used is told once. inotify
//! would not see a renewal behind a symbolic link, which is how certbot does it; a stat of two
//! files every few seconds does. It must never end because of what it reads.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use super::{ServerTls, certificates::PemFiles};

/// A thread that renews the certificate when its files change. Dropping this ends it.
#[derive(Debug)]
pub struct Watcher {
    requests: Option<SyncSender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What two files look like from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamps {
    cert: Option<Stamp>,
    key: Option<Stamp>,
}

/// Enough to tell one version of a file from another; `ctime` cannot be set back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    mtime_ns: (i64, i64),
    ctime_ns: (i64, i64),
}

/// What a look at the files came to.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Look {
    /// They are as they were when last read.
    Same,
    /// They are not; the next look may find them at rest.
    Changing,
    /// They were read; the message is why they could not be used, if they could not.
    Read(Option<String>),
}

/// What the looks have in common.
#[derive(Debug)]
struct Looks {
    /// As when last read, for better or worse.
    /// When files that were of no use are read again though they look the same.
    retry_at: Option<SystemTime>,
    tried: Stamps,
    changing: Option<Stamps>,
    /// The last reason told.
    told: Option<String>,
}

/// Between two looks. A renewal has weeks of time; a person who tries something out has seconds.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Pause before files that were of no use are read again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

impl Watcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(tls: Arc<ServerTls>) -> io::Result<Self> {
        // One request waiting says as much as many.
        let (requests, received) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("certificate".to_owned())
            .spawn(move || watch(&tls, &received))?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    /// Reads the files now, changed or not, as on a signal. Returns at once.
    pub fn read_now(&self) {
        if let Some(requests) = &self.requests {
            // Full means that somebody asked already.
            let _ = requests.try_send(());
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                event = "thread-panicked",
                thread = "certificate",
                "the thread that watches the certificate has panicked"
            );
        }
    }
}

fn watch(tls: &ServerTls, requests: &Receiver<()>) {
    let mut looks = Looks::new(tls);
    loop {
        let now = SystemTime::now;
        match requests.recv_timeout(LOOK_EVERY) {
            Ok(()) => looks.read(tls, now()),
            Err(RecvTimeoutError::Timeout) => looks.look(tls, now()),
            Err(RecvTimeoutError::Disconnected) => return,
        };
    }
}

impl Looks {
    fn new(tls: &ServerTls) -> Self {
        Self {
            tried: tls.active.load().stamps,
            changing: None,
            told: None,
            retry_at: None,
        }
    }

    /// Reads the files if they changed and have come to rest, or if it is time for new ones.
    fn look(&mut self, tls: &ServerTls, now: SystemTime) -> Look {
        let stamps = tls.source().stamps();
        let is_retry = self.retry_at.is_some_and(|at| now >= at);
        if stamps == self.tried && !is_retry && !tls.is_due(now) {
            self.changing = None;
            return Look::Same;
        }
        if self.changing != Some(stamps) {
            self.changing = Some(stamps);
            return Look::Changing;
        }
        self.read(tls, now)
    }

    /// Reads them, and tells what came of it unless it is what was told last.
    fn read(&mut self, tls: &ServerTls, now: SystemTime) -> Look {
        // Before reading: what changes in between is one more change.
        let stamps = tls.source().stamps();
        let read = tls.reload_at(now);
        let problem = read.err().map(|error| error.to_string());
        match &problem {
            None => {
                let description = tls.describe();
                let (names, fingerprint) = (&description.names, &description.fingerprint);
                tracing::info!(
                    event = "certificate-read", ?names, %fingerprint,
                    "a new certificate is in use"
                );
            }
            Some(error) if self.told.as_ref() != Some(error) => {
                tracing::warn!(
                    event = "certificate-refused", %error,
                    "the new certificate is not used; the one before stays until the files are right"
                );
            }
            Some(_) => {}
        }
        self.changing = None;
        self.tried = stamps;
        // What was wrong may have been the moment: no descriptor left, a clock that is behind.
        self.retry_at = problem.is_some().then(|| now + RETRY_AFTER);
        self.told.clone_from(&problem);
        Look::Read(problem)
    }
}

impl Stamps {
    /// Of files that nobody but this process writes.
    pub(super) const OWN: Self = Self {
        cert: None,
        key: None,
    };

    pub(super) fn of(files: &PemFiles) -> Self {
        Self {
            cert: Stamp::of(&files.cert),
            key: Stamp::of(&files.key),
        }
    }
}

impl Stamp {
    /// `None` if the file cannot be looked at, which is also a way to look.
    fn of(path: &Path) -> Option<Self> {
        let facts = fs::metadata(path).ok()?;
        Some(Self {
            device: facts.dev(),
            inode: facts.ino(),
            size: facts.size(),
            mtime_ns: (facts.mtime(), facts.mtime_nsec()),
            ctime_ns: (facts.ctime(), facts.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests;
