//! A folder with all below it, or what of it meets a selection: many files at once.
//!
//! The listing is read page by page, and tells size and root of each file, so a small one costs one
//! request. Names come from the server: they must never lead out of the target, nor through a symlink
//! in it. One file's failure never stops the others.

mod local;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use overspill_core::path::CatalogPath;
use overspill_net::client::HttpClient;
use overspill_wire::listing::ListedKind;

use self::local::{Local, Standing};
use crate::{
    ask::AskError,
    download::{Completion, Download, Durability, OnExisting, Outcome, Verification},
    error::DownloadError,
    folder::{Folder, Located},
    progress::Progress,
    url::HttpUrl,
};

/// A folder to be downloaded.
#[derive(Clone, Debug)]
pub struct TreeDownload {
    url: HttpUrl,
    conditions: Vec<(String, String)>,
    target: PathBuf,
    on_existing: OnExisting,
    at_once: usize,
}

/// Who wants to know how each file went.
pub trait TreeObserver {
    /// This file is there, or could not be had. Its path is below the target.
    fn ended(&mut self, path: &Path, result: Result<&Outcome, &DownloadError>);
}

/// What came of a folder.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TreeOutcome {
    /// Files that were downloaded.
    pub downloaded: u64,
    /// Files that were there already.
    pub up_to_date: u64,
    /// Files that could not be had.
    pub failed: u64,
    /// Bytes of the files that were downloaded.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// One file of the listing on its way.
struct Ended {
    path: PathBuf,
    result: Result<Outcome, DownloadError>,
}

impl TreeDownload {
    /// Everything below the folder at `url`, into the folder `target`, which is made if it is missing.
    pub fn new(url: HttpUrl, target: impl Into<PathBuf>) -> Self {
        Self {
            url,
            conditions: Vec::new(),
            target: target.into(),
            on_existing: OnExisting::default(),
            at_once: FILES_AT_ONCE,
        }
    }

    /// Only what meets these conditions, names and values as in [`Folder::find`].
    pub fn selecting(mut self, conditions: &[(&str, &str)]) -> Self {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        self.conditions = conditions.iter().map(owned).collect();
        self
    }

    /// What to do when a file is there and differs; refusing is the default.
    pub fn on_existing(mut self, on_existing: OnExisting) -> Self {
        self.on_existing = on_existing;
        self
    }

    /// How many files at once; 16 is the default, 1 the least.
    pub fn files_at_once(mut self, at_once: usize) -> Self {
        self.at_once = at_once.max(1);
        self
    }

    /// Does it. Files that are there already, by size and time or by their root, are not asked for.
    ///
    /// Each file has its name only when it is verified. All are durable when this returns.
    ///
    /// # Errors
    /// When the folder cannot be listed, or the target not be made; files that came before are there.
    pub async fn run(
        self,
        client: &HttpClient,
        observer: &mut dyn TreeObserver,
    ) -> Result<TreeOutcome, AskError> {
        let (started, mut outcome) = (Instant::now(), TreeOutcome::default());
        let pairs = self.conditions.iter();
        let conditions: Vec<_> = pairs.map(|(name, value)| (&**name, &**value)).collect();
        let mut listing = Entries::new(Folder::find(&self.url, &conditions)?);
        let local = Local::new(&self.target, &self.url);
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.at_once
                && let Some(entry) = listing.next(client).await?
            {
                running.push(self.bring(client, &local, entry));
            }
            let Some(Ended { path, result }) = running.next().await else {
                break;
            };
            observer.ended(&path, result.as_ref());
            outcome.count(&result);
        }
        local.sync().await;
        outcome.elapsed = started.elapsed();
        Ok(outcome)
    }

    async fn bring(&self, client: &HttpClient, local: &Local, entry: Located) -> Ended {
        let (url, started) = (entry.url.clone(), Instant::now());
        match local.place(&entry).await {
            Err((path, error)) => Ended {
                path,
                result: Err(error),
            },
            Ok((path, Standing::UpToDate(bytes))) => {
                let completion = Completion::UpToDate;
                let result = Ok(Outcome {
                    completion,
                    path: Some(path.clone()),
                    bytes,
                    received_bytes: 0,
                    elapsed: started.elapsed(),
                    verification: Verification::LengthOnly,
                    served: Vec::new(),
                });
                Ended { path, result }
            }
            Ok((path, Standing::Wanted)) => {
                let mut download = Download::new(url)
                    .to(&path)
                    .on_existing(self.on_existing)
                    .durability(Durability::Later);
                if let Some(bytes) = entry.listed.size {
                    download = download.expecting(bytes);
                }
                let result = download.run(client, &mut |_: &Progress| {}).await;
                if result.is_ok() {
                    local.date(&path, &entry).await;
                }
                Ended { path, result }
            }
        }
    }
}

impl TreeOutcome {
    fn count(&mut self, result: &Result<Outcome, DownloadError>) {
        match result {
            Err(_) => self.failed += 1,
            Ok(outcome) if outcome.completion == Completion::UpToDate => self.up_to_date += 1,
            Ok(outcome) => {
                self.downloaded += 1;
                self.bytes += outcome.bytes;
            }
        }
    }
}

/// The files of a listing, one by one.
struct Entries {
    folder: Option<Folder>,
    page: VecDeque<Located>,
}

impl Entries {
    fn new(folder: Folder) -> Self {
        Self {
            folder: Some(folder),
            page: VecDeque::new(),
        }
    }

    async fn next(&mut self, client: &HttpClient) -> Result<Option<Located>, AskError> {
        loop {
            if let Some(entry) = self.page.pop_front() {
                if entry.listed.kind == ListedKind::File {
                    return Ok(Some(entry));
                }
                continue;
            }
            let Some(folder) = &mut self.folder else {
                return Ok(None);
            };
            match folder.next_page(client).await? {
                Some(page) => self.page.extend(page),
                None => self.folder = None,
            }
        }
    }
}

/// The path of an entry below the folder at `url`; `None` if it is not below it.
fn below(url: &HttpUrl, entry: &Located) -> Option<CatalogPath> {
    let folder = CatalogPath::from_url(url.path().as_bytes()).ok()?.path;
    let path = entry.path.as_ref()?;
    let rest = match folder.is_root() {
        true => path.as_bytes(),
        false => path
            .as_bytes()
            .strip_prefix(folder.as_bytes())?
            .strip_prefix(b"/")?,
    };
    CatalogPath::parse(rest).ok().filter(|path| !path.is_root())
}

/// Files at once: enough that round trips and disks do not count.
const FILES_AT_ONCE: usize = 16;

#[cfg(test)]
mod tests;
