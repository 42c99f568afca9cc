//! The desk: outboards that are stored, and one thread that makes those that are missing.
//!
//! They are missing when an index is older than outboards are, when a disk was full, or when somebody
//! deleted them. One is made at a time, at the lowest priority. It must never be waited for longer
//! than a moment, and never make the same one over and over.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs::File,
    io,
    ops::ControlFlow,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use overspill_core::root::Root;
use overspill_store::{
    hash::{lower_thread_priority, outboard_of},
    outboard::GroupSize,
    outboards::{OUTBOARD_FROM_BYTES, Outboards},
};
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::role::Role;

/// Outboards of a node, stored or to be made.
#[derive(Debug)]
pub struct OutboardDesk {
    outboards: Outboards,
    state: Mutex<State>,
    bell: Condvar,
    /// Held while an outboard is read whole.
    readers: Semaphore,
    made: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Root>,
    /// Those in the queue and the one being made, with who waits for them.
    wanted: HashMap<Root, watch::Sender<Option<Fate>>>,
    /// What became of the last ones, oldest first.
    past: VecDeque<(Instant, Root, Fate)>,
    /// Stored, and held against their roots.
    proved: HashSet<Root, foldhash::fast::RandomState>,
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// The content is not here.
    Absent,
    /// It cannot be read, is not what its root says, or its outboard cannot be stored.
    Failed,
    /// It is stored.
    Made,
    /// The content is too small to have one.
    Small,
}

/// An outboard on its way out.
#[derive(Debug)]
pub(super) enum Prepared {
    Bytes(Vec<u8>),
    /// And its length.
    File(File, u64),
}

/// Most outboards waiting to be made.
const WANTED_MAX: usize = 64;
/// Most fates remembered.
const PAST_MAX: usize = 256;
/// Most outboards known to be good; beyond that all are held against their roots again.
const PROVED_MAX: usize = 4096;
/// Outboards read whole at the same time: each may be many megabytes.
const READERS_MAX: usize = 2;
/// How long a request waits for one to be made.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the maker looks whether to stop.
const NAP: Duration = Duration::from_millis(250);

impl Fate {
    /// How long it is taken for granted.
    fn good_for(self) -> Duration {
        match self {
            // It may be published at any time; looking for it is work all the same.
            Self::Absent => Duration::from_secs(1),
            Self::Failed | Self::Small => Duration::from_secs(30),
            // The file is there to be seen.
            Self::Made => Duration::ZERO,
        }
    }
}

impl OutboardDesk {
    /// A desk over `outboards`; nothing is made before [`OutboardDesk::start`].
    pub fn new(outboards: Outboards) -> Self {
        Self {
            outboards,
            state: Mutex::default(),
            bell: Condvar::new(),
            readers: Semaphore::new(READERS_MAX),
            made: AtomicU64::new(0),
        }
    }

    /// Starts the thread that makes what is missing from the contents of `role`, until `shutdown`.
    pub fn start<R: Role>(
        self: &Arc<Self>,
        role: Arc<R>,
        shutdown: CancellationToken,
    ) -> io::Result<thread::JoinHandle<()>> {
        let desk = Arc::clone(self);
        thread::Builder::new()
            .name("outboard".to_owned())
            .spawn(move || desk.run(role.as_ref(), &shutdown))
    }

    /// The side files.
    pub fn stored(&self) -> &Outboards {
        &self.outboards
    }

    /// How many were made because somebody asked for them.
    pub fn made(&self) -> u64 {
        self.made.load(Relaxed)
    }

    /// Whether the outboard is stored. Asks the disk.
    pub fn is_stored(&self, root: &Root) -> bool {
        self.outboards.contains(root)
    }

    /// The stored outboard at groups of at least this size; `None` if there is none.
    pub(super) async fn prepare(
        self: &Arc<Self>,
        root: Root,
        group: GroupSize,
    ) -> Option<Prepared> {
        let desk = Arc::clone(self);
        // The semaphore is never closed.
        let _permit = self.readers.acquire().await.ok()?;
        let prepared = spawn_blocking(move || desk.read(&root, group)).await;
        match prepared {
            Ok(Ok(prepared)) => Some(prepared),
            Ok(Err(error)) => {
                tracing::debug!(%root, %error, "no outboard is stored");
                None
            }
            // A panic there has been printed.
            Err(_) => None,
        }
    }

    /// Has a missing outboard made; `None` if that takes longer than a moment.
    pub(super) async fn make(&self, root: Root) -> Option<Fate> {
        let mut fate = match self.state().wish(root, Instant::now()) {
            Wish::Known(fate) => return Some(fate),
            Wish::Refused => return None,
            Wish::Taken(fate) => fate,
        };
        self.bell.notify_one();
        match timeout(PATIENCE, fate.wait_for(Option::is_some)).await {
            Ok(Ok(fate)) => *fate,
            _ => None,
        }
    }

    /// Whether the outboard is stored by now, being made if it was not.
    pub async fn provide(&self, root: Root) -> bool {
        self.is_stored(&root) || self.make(root).await == Some(Fate::Made)
    }

    fn read(&self, root: &Root, group: GroupSize) -> io::Result<Prepared> {
        if group > GroupSize::FINE {
            let outboard = self.outboards.load(root)?;
            return Ok(Prepared::Bytes(outboard.coarsen(group).to_bytes()));
        }
        if !self.state().proved.contains(root) {
            self.outboards.load(root)?;
            self.state().prove(*root);
        }
        let file = self.outboards.open(root)?;
        let bytes = file.metadata()?.len();
        Ok(Prepared::File(file, bytes))
    }

    fn run<R: Role>(&self, role: &R, shutdown: &CancellationToken) {
        lower_thread_priority();
        while let Some(root) = self.next(shutdown) {
            let fate = self.make_now(role, &root, shutdown);
            tracing::debug!(%root, ?fate, "an outboard was asked for");
            self.made.fetch_add(u64::from(fate == Fate::Made), Relaxed);
            self.state().settle(root, fate, Instant::now());
        }
    }

    /// Waits for something to make; `None` at the end.
    fn next(&self, shutdown: &CancellationToken) -> Option<Root> {
        let mut state = self.state();
        while !shutdown.is_cancelled() {
            if let Some(root) = state.queue.pop_front() {
                return Some(root);
            }
            let woken = self.bell.wait_timeout(state, NAP);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    fn make_now<R: Role>(&self, role: &R, root: &Root, shutdown: &CancellationToken) -> Fate {
        let Some(file) = role.open_content(root) else {
            return Fate::Absent;
        };
        if !file
            .metadata()
            .is_ok_and(|facts| facts.len() > OUTBOARD_FROM_BYTES)
        {
            return Fate::Small;
        }
        let go_on = |_| match shutdown.is_cancelled() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        // A content that is not what its root says is the scrub's to find.
        match outboard_of(&file, go_on) {
            Ok(Some(outboard)) if outboard.root() == *root => {
                match self.outboards.keep(&outboard) {
                    Ok(()) => Fate::Made,
                    Err(error) => {
                        tracing::warn!(
                            event = "outboard-not-kept", %root, %error,
                            "cannot keep an outboard: clients cannot check this file by pieces; \
                             free some space"
                        );
                        Fate::Failed
                    }
                }
            }
            _ => Fate::Failed,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each step leaves the maps whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is done about a wish.
enum Wish {
    Known(Fate),
    Refused,
    Taken(watch::Receiver<Option<Fate>>),
}

impl State {
    fn wish(&mut self, root: Root, now: Instant) -> Wish {
        let is_good = |(at, _, fate): &(Instant, Root, Fate)| {
            now.saturating_duration_since(*at) < fate.good_for()
        };
        self.past.retain(is_good);
        if let Some((_, _, fate)) = self.past.iter().find(|(_, past, _)| *past == root) {
            return Wish::Known(*fate);
        }
        if let Some(wanted) = self.wanted.get(&root) {
            return Wish::Taken(wanted.subscribe());
        }
        if self.wanted.len() >= WANTED_MAX {
            return Wish::Refused;
        }
        let (teller, fate) = watch::channel(None);
        self.wanted.insert(root, teller);
        self.queue.push_back(root);
        Wish::Taken(fate)
    }

    fn settle(&mut self, root: Root, fate: Fate, now: Instant) {
        if self.past.len() == PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back((now, root, fate));
        if let Some(teller) = self.wanted.remove(&root) {
            // Who has gone in the meantime does not want to know.
            let _ = teller.send(Some(fate));
        }
    }

    fn prove(&mut self, root: Root) {
        if self.proved.len() >= PROVED_MAX {
            self.proved.clear();
        }
        self.proved.insert(root);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(seed: usize) -> Root {
        Root(*blake3::hash(&seed.to_le_bytes()).as_bytes())
    }

    #[test]
    fn one_wish_is_one_making_and_the_queue_has_an_end() {
        let (mut state, now) = (State::default(), Instant::now());
        for seed in 0..WANTED_MAX {
            assert!(matches!(state.wish(root(seed), now), Wish::Taken(_)));
            assert!(matches!(state.wish(root(0), now), Wish::Taken(_)));
        }
        assert_eq!(state.queue.len(), WANTED_MAX);
        assert!(matches!(state.wish(root(WANTED_MAX), now), Wish::Refused));
    }

    #[test]
    fn what_failed_is_not_tried_at_once_again() {
        let (mut state, now) = (State::default(), Instant::now());
        for fate in [Fate::Absent, Fate::Failed, Fate::Small] {
            let Wish::Taken(told) = state.wish(root(1), now) else {
                panic!("a wish is taken");
            };
            state.settle(root(1), fate, now);
            assert_eq!(*told.borrow(), Some(fate));
            let before = now + fate.good_for() - Duration::from_millis(1);
            assert!(matches!(state.wish(root(1), before), Wish::Known(same) if same == fate));
            let after = now + fate.good_for();
            assert!(matches!(state.wish(root(1), after), Wish::Taken(_)));
            state = State::default();
        }
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let (mut state, now) = (State::default(), Instant::now());
        for seed in 0..2 * PROVED_MAX {
            state.settle(root(seed), Fate::Failed, now);
            state.prove(root(seed));
        }
        assert_eq!(state.past.len(), PAST_MAX);
        assert!(state.proved.len() <= PROVED_MAX);
    }
}
