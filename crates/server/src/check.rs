//! Asking mirrors for content and comparing it with our own.
//!
//! Every few seconds each member is asked for a random range of a random file that it says it holds,
//! and what it sends is compared, byte by byte, with the live tree. A mirror that serves wrong bytes
//! gets no more clients at once, whatever its reports say; one that cannot be asked fails as it would
//! fail a client. It must never judge by a file that has changed in the meantime, nor cost more than
//! a few small requests.

use std::{io, os::unix::fs::FileExt, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use overspill_core::{
    catalog::{Catalog, Entry},
    fleet::{Evidence, Input, Member, MemberId, MemberState, Standing},
    path::CatalogPath,
    root::Root,
};
use overspill_net::client::{ClientError, HttpClient, Patience, Trust};
use overspill_node::SharedDispatcher;
use overspill_store::tree::{Opened, Tree};
use overspill_wire::paths::DIRECT;
use tokio::{runtime, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::publish::Published;

/// How often members are asked; with more than [`AT_ONCE`] of them, each in its turn.
const EVERY: Duration = Duration::from_secs(5);
/// Members asked at once.
const AT_ONCE: usize = 16;
/// Bytes asked for.
const SAMPLE_BYTES: u64 = 64 << 10;
/// How long an answer may take: a client would wait no longer either.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the check works with.
pub(crate) struct Checker {
    pub(crate) tree: Arc<Tree>,
    pub(crate) published: Arc<Published>,
    pub(crate) dispatcher: Arc<SharedDispatcher>,
    pub(crate) shutdown: CancellationToken,
}

/// A range of a file, and its bytes.
#[derive(Clone, Debug)]
struct Sample {
    path: CatalogPath,
    root: Root,
    size: u64,
    offset: u64,
    bytes: Bytes,
}

/// A member to be asked.
#[derive(Clone, Debug)]
struct Subject {
    id: MemberId,
    url: String,
    standing: Standing,
}

/// What a check found.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Finding {
    /// The bytes are right.
    Sound,
    /// They are not.
    Corrupt(String),
    /// It did not send them.
    Failed(String),
    /// Nothing can be said.
    Unclear(String),
}

impl Checker {
    /// Checks until shutdown, on a thread of its own.
    pub(crate) fn start(self) -> io::Result<thread::JoinHandle<()>> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("check".to_owned())
            .spawn(move || runtime.block_on(self.run()))
    }

    async fn run(self) {
        let patience = Patience {
            connect: PATIENCE,
            silence: PATIENCE,
        };
        let client = HttpClient::with_trust(patience, Trust::system());
        let shutdown = self.shutdown.clone();
        let mut turn = 0;
        while shutdown
            .run_until_cancelled(tokio::time::sleep(EVERY))
            .await
            .is_some()
        {
            // Nothing in it waits for longer than the patience, and a round that is dropped in the
            // middle has said nothing yet.
            shutdown
                .run_until_cancelled(self.round(&client, turn))
                .await;
            turn = turn.wrapping_add(AT_ONCE);
        }
    }

    /// Asks some members for the same range of one file.
    async fn round(&self, client: &HttpClient, turn: usize) {
        let (tree, catalog) = (Arc::clone(&self.tree), self.published.catalog());
        // Another instance, another order; nobody has to be unable to guess it.
        let mut random = fastrand::Rng::with_seed(catalog.instance().0.wrapping_add(turn as u64));
        // The catalog is walked, and the disk read.
        let drawn = tokio::task::spawn_blocking(move || {
            let (path, entry) = draw(&catalog, &mut random)?;
            sample(&tree, path, &entry, &mut random).map(|sample| (sample, entry))
        });
        let Ok(Some((sample, entry))) = drawn.await else {
            return;
        };
        let mut asked = JoinSet::new();
        for subject in self.subjects(turn, &entry, &sample.root) {
            let (client, sample) = (client.clone(), sample.clone());
            asked.spawn(async move {
                let finding = timeout(PATIENCE * 2, check(&client, &subject.url, &sample)).await;
                let finding = finding.unwrap_or_else(|_| Finding::Failed("too slow".to_owned()));
                (subject, finding)
            });
        }
        while let Some(finished) = asked.join_next().await {
            // A panic there has been printed.
            if let Ok((subject, finding)) = finished {
                self.take(&subject, &sample, finding);
            }
        }
    }

    /// Who is to be asked for this version of a file.
    fn subjects(&self, turn: usize, entry: &Entry, root: &Root) -> Vec<Subject> {
        self.dispatcher.inspect(|fleet| {
            let members = fleet.members();
            let first = turn.checked_rem(members.len()).unwrap_or(0);
            let in_turn = members[first..].iter().chain(&members[..first]);
            let able = |member: &&Member| {
                member.state() == MemberState::Ready && member.holds(entry.revision, root)
            };
            let subject = |member: &Member| Subject {
                id: member.id().clone(),
                url: member.url().to_owned(),
                standing: member.standing(),
            };
            in_turn.filter(able).take(AT_ONCE).map(subject).collect()
        })
    }

    fn take(&self, subject: &Subject, sample: &Sample, finding: Finding) {
        let (member, path) = (&subject.id, &sample.path);
        let evidence = match finding {
            // Only who is on trial gains by it: what clients meet with counts for the others.
            Finding::Sound if subject.standing == Standing::Probation => Evidence::Success,
            Finding::Sound => return,
            Finding::Unclear(reason) => {
                tracing::debug!(%member, %path, %reason, "a check says nothing");
                return;
            }
            Finding::Failed(reason) => {
                tracing::info!(%member, %path, %reason, "a check failed");
                Evidence::Failure
            }
            Finding::Corrupt(reason) => {
                tracing::error!(%member, %path, %reason, "the mirror serves wrong bytes");
                Evidence::Corrupt
            }
        };
        // It may have left in the meantime.
        let _ = self
            .dispatcher
            .handle(&Input::Weighed(&subject.id, evidence));
    }
}

/// A random file with known content that is not empty.
fn draw(catalog: &Catalog, random: &mut fastrand::Rng) -> Option<(CatalogPath, Arc<Entry>)> {
    let skipped = random.usize(0..catalog.len().max(1));
    let files = catalog.iter().chain(catalog.iter()).skip(skipped);
    let mut usable = files.filter(|(_, entry)| entry.content.is_some() && entry.size > 0);
    let (path, entry) = usable.next()?;
    Some((path.clone(), Arc::clone(entry)))
}

/// A random range of the file, if it is still the one that the catalog knows.
fn sample(
    tree: &Tree,
    path: CatalogPath,
    entry: &Entry,
    random: &mut fastrand::Rng,
) -> Option<Sample> {
    let root = entry.root()?;
    let Ok(Opened::File(live)) = tree.open_path(&path) else {
        return None;
    };
    let is_known = (live.facts.size, live.facts.mtime_ns, Some(live.facts.stamp))
        == (entry.size, entry.mtime_ns, entry.stamp);
    let pieces = entry.size.div_ceil(SAMPLE_BYTES);
    let offset = random.u64(0..pieces.max(1)) * SAMPLE_BYTES;
    let mut bytes = vec![0; usize::try_from((entry.size - offset).min(SAMPLE_BYTES)).ok()?];
    live.file.read_exact_at(&mut bytes, offset).ok()?;
    (is_known && live.is_unchanged()).then(|| Sample {
        path,
        root,
        size: entry.size,
        offset,
        bytes: Bytes::from(bytes),
    })
}

/// Asks one node for the sample.
async fn check(client: &HttpClient, url: &str, sample: &Sample) -> Finding {
    match ask(client, url, sample).await {
        Ok(finding) => finding,
        // Whom we do not trust, clients may.
        Err(error) if error.is_lasting() => Finding::Unclear(error.to_string()),
        Err(error) => Finding::Failed(error.to_string()),
    }
}

async fn ask(client: &HttpClient, url: &str, sample: &Sample) -> Result<Finding, ClientError> {
    let url = format!("{url}{}?{DIRECT}", sample.path.to_url());
    let last = sample.offset + sample.bytes.len() as u64 - 1;
    let request = Request::get(&url)
        .header(header::IF_MATCH, sample.root.etag())
        .header(header::RANGE, format!("bytes={}-{last}", sample.offset))
        .body(Full::default())
        .map_err(|_| ClientError::BadUrl(url))?;
    let reply = client.send(request).await?;
    let range = format!("bytes {}-{last}/{}", sample.offset, sample.size);
    match reply.status() {
        StatusCode::PARTIAL_CONTENT if reply.field("content-range") == Some(&range) => {}
        // It follows a newer catalog than the one that was drawn from, or is about to.
        status @ (StatusCode::NOT_FOUND
        | StatusCode::PRECONDITION_FAILED
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::TEMPORARY_REDIRECT) => {
            return Ok(Finding::Unclear(format!("it answered {status}")));
        }
        status => return Ok(Finding::Failed(format!("it answered {status}"))),
    }
    if reply.field("etag") != Some(&sample.root.etag()) {
        return Ok(Finding::Failed("it names another version".to_owned()));
    }
    let body = reply.collect(sample.bytes.len()).await?;
    Ok(compare(&body, sample))
}

fn compare(body: &[u8], sample: &Sample) -> Finding {
    let differ = body.iter().zip(&sample.bytes).position(|(a, b)| a != b);
    match differ {
        Some(at) => Finding::Corrupt(format!("byte {} is wrong", sample.offset + at as u64)),
        None if body.len() < sample.bytes.len() => Finding::Failed("it sent less".to_owned()),
        None => Finding::Sound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_byte_is_found_and_a_short_body_is_no_wrong_byte() {
        let sample = Sample {
            path: CatalogPath::parse(b"file").unwrap(),
            root: Root([1; 32]),
            size: 100,
            offset: 10,
            bytes: Bytes::from_static(b"abcd"),
        };
        assert_eq!(compare(b"abcd", &sample), Finding::Sound);
        assert!(matches!(compare(b"abc", &sample), Finding::Failed(_)));
        assert_eq!(
            compare(b"abxd", &sample),
            Finding::Corrupt("byte 12 is wrong".to_owned())
        );
    }
}
