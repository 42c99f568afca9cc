//! Downloads from servers that cut, stall, lie and change; the file is right or there is none.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, but not in what they call"
)]

mod folders;
mod members;
mod origin;
mod pieces;
mod resume;
mod single;
mod site;
mod strangers;

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use overspill_client::{
    Download, DownloadError, HttpClient, HttpUrl, Outcome, Patience, Persistence, Progress,
};
use overspill_core::root::Root;
use tempfile::TempDir;

/// Enough for several reads of the client and for BLAKE3's tree.
fn content() -> Vec<u8> {
    (0..300_000u32)
        .map(|at| (at * 7 + at / 251) as u8)
        .collect()
}

fn root(content: &[u8]) -> Root {
    Root(*blake3::hash(content).as_bytes())
}

fn tag(content: &[u8]) -> String {
    root(content).etag()
}

/// Short enough for a stall to be noticed within a test.
fn client() -> HttpClient {
    HttpClient::new(Patience {
        connect: Duration::from_secs(5),
        silence: Duration::from_millis(300),
    })
}

fn download(url: &str) -> Download {
    Download::new(HttpUrl::parse(url).unwrap()).persistence(Persistence {
        pause_first: Duration::from_millis(1),
        pause_max: Duration::from_millis(5),
        tries_max: 4,
        ..Persistence::default()
    })
}

async fn run(download: Download) -> (Result<Outcome, DownloadError>, Vec<Progress>) {
    let mut events = Vec::new();
    let mut observer = |progress: &Progress| events.push(progress.clone());
    let result = download.run(&client(), &mut observer).await;
    (result, events)
}

/// Names in a folder, sorted.
fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn path(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

/// A stream whose content can be seen from outside.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
