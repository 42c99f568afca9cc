//! Asking mirrors for content and comparing it with our own.
//!
//! Every few seconds each member is asked for a random range of a random file that it says it holds,
//! and what it sends is compared, byte by byte, with the live tree. A mirror that serves wrong bytes
//! gets no more clients at once, whatever its reports say; one that cannot be asked fails as it would
//! fail a client. What clients complain of is looked into in the same way. It must never judge by a
//! file that has changed in the meantime or is damaged itself, nor cost more than a few small
//! requests.

mod asking;
mod complaints;

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    ops::ControlFlow,
    os::unix::fs::FileExt,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use overspill_core::{
    catalog::{Catalog, Entry},
    fleet::{Evidence, Input, Member, MemberId, MemberState, Standing},
    path::CatalogPath,
    root::Root,
};
use overspill_net::client::{HttpClient, Patience, Trust};
use overspill_node::{Complaints, OutboardDesk, SharedDispatcher};
use overspill_store::{
    hash::outboard_of,
    outboards::OUTBOARD_FROM_BYTES,
    tree::{Opened, Tree},
};
use overspill_wire::{sources::Complaint, view};
use tokio::{runtime, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use self::asking::{Finding, Proof, Sample, check, tell};
use crate::{damage::Damage, publish::Published, role::is_version};

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
    pub(crate) outboards: Arc<OutboardDesk>,
    pub(crate) damage: Arc<Damage>,
    /// About members.
    pub(crate) complaints: Arc<Complaints>,
    /// About this server's own files.
    pub(crate) own_complaints: Arc<Complaints>,
    pub(crate) shutdown: CancellationToken,
}

/// A member to be asked.
#[derive(Clone, Debug)]
struct Subject {
    id: MemberId,
    url: String,
    standing: Standing,
}

impl Subject {
    fn of(member: &Member) -> Self {
        Self {
            id: member.id().clone(),
            url: member.url().to_owned(),
            standing: member.standing(),
        }
    }
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
        // Nothing in them waits for longer than the patience, and what is dropped in the middle has
        // said nothing yet.
        let both = async { tokio::join!(self.keep_checking(&client), self.hear(&client)) };
        self.shutdown.run_until_cancelled(both).await;
    }

    async fn keep_checking(&self, client: &HttpClient) {
        let mut turn = 0_usize;
        loop {
            tokio::time::sleep(EVERY).await;
            self.round(client, turn).await;
            turn = turn.wrapping_add(AT_ONCE);
        }
    }

    /// Asks some members for the same range of one file.
    async fn round(&self, client: &HttpClient, turn: usize) {
        let (tree, catalog) = (Arc::clone(&self.tree), self.published.catalog());
        let damage = Arc::clone(&self.damage);
        // Another instance, another order; nobody has to be unable to guess it.
        let mut random = fastrand::Rng::with_seed(catalog.instance().0.wrapping_add(turn as u64));
        // The catalog is walked, and the disk read.
        let drawn = tokio::task::spawn_blocking(move || {
            let (path, entry) = draw(&catalog, &mut random)?;
            if damage.is_marked(&path, &entry) {
                return None;
            }
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
                self.take(client, &subject, &sample, finding).await;
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
            in_turn
                .filter(able)
                .take(AT_ONCE)
                .map(Subject::of)
                .collect()
        })
    }

    /// Does what follows from a finding of our own.
    async fn take(
        &self,
        client: &HttpClient,
        subject: &Subject,
        sample: &Sample,
        finding: Finding,
    ) {
        let (member, path) = (&subject.id, &sample.path);
        match finding {
            // Only who is on trial gains by it: what clients meet with counts for the others.
            Finding::Sound if subject.standing == Standing::Probation => {
                self.weigh(member, Evidence::Success);
            }
            Finding::Sound => {}
            Finding::Unclear(reason) => {
                tracing::debug!(%member, %path, %reason, "a check says nothing");
            }
            Finding::Failed(reason) => {
                tracing::info!(
                    event = "check-failed", %member, %path, %reason,
                    "the member did not answer a check; it counts as a failed request"
                );
                self.weigh(member, Evidence::Failure);
            }
            Finding::Corrupt(offset) => {
                if self.is_sound_here(sample).await {
                    self.convict(client, subject, sample, offset).await;
                } else {
                    self.suspect_own(sample, offset);
                }
            }
        }
    }

    /// Keeps clients from a member that was proved to send wrong bytes, and has it look at them.
    async fn convict(&self, client: &HttpClient, subject: &Subject, sample: &Sample, offset: u64) {
        let (member, path) = (&subject.id, &sample.path);
        tracing::error!(
            event = "member-corrupt", %member, %path, offset,
            "the member serves wrong bytes; it gets no clients, and is told to read its copy again"
        );
        self.weigh(member, Evidence::Corrupt);
        let complaint = Complaint {
            member: member.clone(),
            path: path.clone(),
            root: sample.root,
            offset,
        };
        if let Err(error) = tell(client, &subject.url, &complaint).await {
            tracing::warn!(
                event = "member-not-told", %member, %error,
                "the member could not be told of its wrong bytes; its own scrub has to find them"
            );
        }
    }

    fn weigh(&self, member: &MemberId, evidence: Evidence) {
        // It may have left in the meantime.
        let _ = self.dispatcher.handle(&Input::Weighed(member, evidence));
    }

    /// Whether our own bytes, with which a member's were compared, are those of the root.
    async fn is_sound_here(&self, sample: &Sample) -> bool {
        let Proof::Bytes(bytes) = &sample.proof else {
            return true;
        };
        let (tree, desk) = (Arc::clone(&self.tree), Arc::clone(&self.outboards));
        let (sample, bytes) = (sample.clone(), bytes.clone());
        let proved = tokio::task::spawn_blocking(move || {
            if sample.size <= OUTBOARD_FROM_BYTES {
                return is_root_of(&tree, &sample);
            }
            match desk.stored().load(&sample.root) {
                Ok(outboard) => outboard.verify(sample.span.start, &bytes).is_ok(),
                // Our own disk is believed then, as it is by every client.
                Err(_) => true,
            }
        });
        proved.await.unwrap_or(false)
    }

    /// Has the scrub look at a file of our own before its turn.
    fn suspect_own(&self, sample: &Sample, offset: u64) {
        // A name of ours always is one.
        let Ok(member) = view::SERVER.parse() else {
            return;
        };
        let complaint = Complaint {
            member,
            path: sample.path.clone(),
            root: sample.root,
            offset,
        };
        let ourselves = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.own_complaints
            .take_in(Instant::now(), ourselves, complaint);
    }
}

/// Whether a small file of ours hashes to the root it was published with.
fn is_root_of(tree: &Tree, sample: &Sample) -> bool {
    let Ok(Opened::File(live)) = tree.open_path(&sample.path) else {
        return false;
    };
    let outboard = outboard_of(&live.file, |_| ControlFlow::Continue(()));
    matches!(outboard, Ok(Some(outboard)) if outboard.root() == sample.root)
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
    let is_known = is_version(entry, &live.facts);
    let pieces = entry.size.div_ceil(SAMPLE_BYTES);
    let offset = random.u64(0..pieces.max(1)) * SAMPLE_BYTES;
    let mut bytes = vec![0; usize::try_from((entry.size - offset).min(SAMPLE_BYTES)).ok()?];
    live.file.read_exact_at(&mut bytes, offset).ok()?;
    (is_known && live.is_unchanged()).then(|| Sample {
        path,
        root,
        size: entry.size,
        span: offset..offset + bytes.len() as u64,
        proof: Proof::Bytes(Bytes::from(bytes)),
    })
}
