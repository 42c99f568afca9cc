//! The load: clients that download without pause and check every byte.
//!
//! Three kinds, for each reaches the fleet in another way: our library to memory, our library to a
//! file that it breaks off half way and continues, and `curl`. None may know which node is to be
//! killed, nor spare it: what a dead mirror costs is what any client would see.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use overspill_client::{HttpClient, HttpUrl, Patience};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    curl, fetch,
    subjects::{Mix, Subject},
    tally::{Ending, SharedTally},
};

/// What all clients share.
#[derive(Debug)]
pub(super) struct Load {
    /// The server's URL, without a slash at the end.
    pub(super) server: String,
    pub(super) subjects: Vec<Subject>,
    /// Folder for files on their way.
    pub(super) scratch: PathBuf,
    pub(super) tally: SharedTally,
    /// Whether curl is installed.
    pub(super) curl: curl::Presence,
    /// Ends the load: no more downloads are begun.
    pub(super) enough: CancellationToken,
}

/// How a client downloads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Curl,
    Resume,
    Stream,
}

impl Kind {
    /// Of each six clients one is curl and one breaks off, if that is possible.
    fn of(client: usize, curl: curl::Presence) -> Self {
        match (client % 6, curl) {
            (1, curl::Presence::Installed) => Self::Curl,
            (4, _) => Self::Resume,
            _ => Self::Stream,
        }
    }
}

/// Starts all clients; they end by themselves once it is enough, or are dropped with the set.
pub(super) fn start(load: &Arc<Load>) -> JoinSet<()> {
    let mix = Arc::new(Mix::new(&load.subjects));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(download_on(client, Arc::clone(load), Arc::clone(&mix)));
    }
    clients
}

async fn download_on(client: usize, load: Arc<Load>, mix: Arc<Mix>) {
    let mut random = fastrand::Rng::with_seed(client as u64);
    let kind = Kind::of(client, load.curl);
    let local = load.scratch.join(format!("client-{client}"));
    let http = HttpClient::new(Patience::default());
    while !load.enough.is_cancelled() {
        let subject = &load.subjects[mix.pick(&mut random)];
        load.tally.lock().begun += 1;
        let url = format!("{}{}", load.server, subject.path.to_url());
        let ending = match (kind, HttpUrl::parse(&url)) {
            (_, Err(error)) => Ending {
                result: Err(error.to_string()),
                retries: 0,
            },
            (Kind::Curl, Ok(_)) => curl::download(&url, &local, subject, &load.tally).await,
            (Kind::Resume, Ok(url)) if subject.bytes >= RESUME_BYTES_MIN => {
                fetch::with_a_break(&http, url, &local, subject, &load.tally).await
            }
            (_, Ok(url)) => fetch::to_memory(&http, url, subject, &load.tally).await,
        };
        let failed = ending.result.is_err();
        load.tally.lock().ended(&subject.path.to_text(), ending);
        if failed {
            // A fleet that fails at once must not be asked ten thousand times a second.
            tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
        }
    }
}

/// Hashes a downloaded file, deletes it, and says whether it is the subject.
pub(super) async fn check_file(local: &Path, subject: &Subject) -> Result<u64, String> {
    let path = local.to_owned();
    let found = tokio::task::spawn_blocking(move || {
        let found = super::subjects::hash(&path, &CancellationToken::new());
        // The next download would only truncate it.
        let _ = std::fs::remove_file(&path);
        found
    });
    match found.await {
        Ok(Ok((root, bytes))) => compare(subject, root, bytes),
        Ok(Err(error)) => Err(format!("the download cannot be read again: {error}")),
        Err(error) => Err(error.to_string()),
    }
}

/// The size of the subject, if that is what was downloaded.
pub(super) fn compare(
    subject: &Subject,
    root: overspill_core::root::Root,
    bytes: u64,
) -> Result<u64, String> {
    if bytes != subject.bytes {
        return Err(format!(
            "{bytes} bytes came instead of {}{CHANGED}",
            subject.bytes
        ));
    }
    if root != subject.root {
        return Err(format!(
            "wrong bytes: BLAKE3 {root} instead of {}{CHANGED}",
            subject.root
        ));
    }
    Ok(bytes)
}

/// Clients at once.
pub(super) const CLIENTS: usize = 24;
/// Breaking off what takes a millisecond proves nothing.
const RESUME_BYTES_MIN: u64 = 1 << 20;
/// Of the innocent reasons there is one.
const CHANGED: &str = "; was it written to meanwhile?";
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use overspill_core::{path::CatalogPath, root::Root};

    use super::*;

    #[test]
    fn all_kinds_take_part_and_curl_only_where_it_is() {
        let kinds = |curl| {
            (0..CLIENTS)
                .map(|client| Kind::of(client, curl))
                .collect::<Vec<_>>()
        };
        for (curl, expected) in [
            (curl::Presence::Installed, [4, 4, 16]),
            (curl::Presence::Missing, [0, 4, 20]),
        ] {
            let kinds = kinds(curl);
            let counts = [Kind::Curl, Kind::Resume, Kind::Stream]
                .map(|kind| kinds.iter().filter(|&&other| other == kind).count());
            assert_eq!(counts, expected, "{curl:?}");
        }
    }

    #[test]
    fn a_download_is_its_size_and_its_root() {
        let subject = Subject {
            path: CatalogPath::root(),
            bytes: 3,
            root: Root([1; 32]),
        };
        assert_eq!(compare(&subject, Root([1; 32]), 3), Ok(3));
        let short = compare(&subject, Root([1; 32]), 2).unwrap_err();
        assert_eq!(
            short,
            "2 bytes came instead of 3; was it written to meanwhile?"
        );
        let wrong = compare(&subject, Root([2; 32]), 3).unwrap_err();
        assert!(wrong.starts_with("wrong bytes: BLAKE3 0202"), "{wrong}");
    }
}
