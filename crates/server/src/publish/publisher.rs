//! The publishing thread: hints, scans and hashes in; revisions out.
//!
//! It sleeps until something is due. A folder is looked at again soon after a hint, but never so
//! often that looking takes more than a twentieth of the time. It must never block on a mirror or a
//! client.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use overspill_core::{
    catalog::{Entry, InstanceId, Kind},
    path::CatalogPath,
};
use overspill_node::LiveTime;
use overspill_store::{
    index::{Index, IndexError},
    outboards::Outboards,
    tree::{OpenError, Opened, Problem, Tree, Via},
    watch::{Hint, TreeWatcher},
};

use super::{
    Published, Subject,
    draft::{Draft, Pace},
    hashing::{Hashed, Hashers, Task, Unhashed},
    settling::{Settling, Writer},
    walk::{self, Depth, Differences, Step},
};

/// How a tree is published.
#[derive(Clone, Debug)]
pub(crate) struct PublishConfig {
    /// Where the index lies.
    pub(crate) index: PathBuf,
    /// Where outboards lie.
    pub(crate) outboards: Outboards,
    /// How often the whole tree is looked at; less often if looking takes long.
    pub(crate) scan_every: LiveTime,
    /// Hashing threads.
    pub(crate) hashers: usize,
    /// What to do about a scan that lost most of the tree.
    pub(crate) loss: Loss,
}

/// What to do about a scan that finds more than half of the files gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Loss {
    /// It is meant; publish it.
    Accept,
    /// It smells of an unmounted disk; keep what was published and complain.
    Refuse,
}

/// A handle on the publishing thread.
pub(crate) struct Publisher {
    messages: Sender<Message>,
    thread: Option<thread::JoinHandle<()>>,
}

enum Message {
    Hashed(Hashed),
    Hint(Hint),
    Stop,
}

/// A look at a folder that is to come.
#[derive(Clone, Copy, Debug)]
struct Look {
    due: Instant,
    depth: Depth,
}

/// A fresh hint is acted upon after this long, so that a burst is one look.
const HINT_DELAY: Duration = Duration::from_millis(10);
/// Looking at a folder takes at most one part in this many of the time.
const DUTY: u32 = 20;
/// A tree smaller than this may lose anything: there is no telling a mishap from a clean-up.
const LOSS_MATTERS_FROM: u64 = 20;
/// Messages taken in before other work gets a turn.
const MESSAGES_PER_TURN: usize = 4096;
/// Hashing backlog above which batches are gathered longer.
const BUSY_BACKLOG: usize = 256;

impl Publisher {
    /// Opens the index and starts the thread. The catalog fills in behind.
    pub(crate) fn start(
        tree: Arc<Tree>,
        published: Arc<Published>,
        config: PublishConfig,
    ) -> Result<Self, IndexError> {
        let (index, state) = Index::open(&config.index)?;
        tracing::debug!(?state, "index opened");
        let (messages, inbox) = channel();
        let sender = messages.clone();
        let thread =
            thread::spawn(
                move || match Work::begin(tree, published, config, index, sender) {
                    Ok(mut work) => work.run(&inbox),
                    Err(error) => tracing::error!(
                        event = "publish-failed", %error,
                        "publishing could not begin: changes of the folder are not seen; mend the \
                         cause and start the server again"
                    ),
                },
            );
        Ok(Self {
            messages,
            thread: Some(thread),
        })
    }

    /// Scans now, and begins to count the time until the next scan from then.
    pub(crate) fn scan_now(&self) {
        // A thread that has ended has told why.
        let _ = self.messages.send(Message::Hint(Hint::Rescan));
    }

    /// Ends the thread; what was published is made durable.
    pub(crate) fn stop(mut self) {
        // The thread may have ended already; then there is nothing to stop.
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                event = "thread-panicked",
                thread = "publish",
                "the publishing thread has panicked"
            );
        }
    }
}

struct Work {
    tree: Arc<Tree>,
    published: Arc<Published>,
    config: PublishConfig,
    draft: Draft,
    settling: Settling,
    hashers: Hashers,
    watcher: Option<TreeWatcher>,
    /// Files whose writer closed them although nothing seemed to have changed: a single write that
    /// takes long is dated by its beginning, so what was hashed in between has to be hashed again.
    verify: HashSet<CatalogPath>,
    /// Folders to look at, and from when.
    dirty: HashMap<CatalogPath, Look>,
    /// Large folders that were looked at lately, and until when they rest.
    resting: HashMap<CatalogPath, Instant>,
    /// Folders reached through a symlink, by identity: inotify reports under the real name only.
    aliases: HashMap<(u64, u64), Vec<CatalogPath>>,
    next_scan: Instant,
    turn: Turn,
}

impl Work {
    fn begin(
        tree: Arc<Tree>,
        published: Arc<Published>,
        config: PublishConfig,
        index: Index,
        sender: Sender<Message>,
    ) -> Result<Self, io::Error> {
        let now = Instant::now();
        let catalog = index.load().unwrap_or_else(|error| {
            tracing::warn!(
                event = "index-unreadable", %error,
                "cannot read the index; the folder is hashed again"
            );
            None
        });
        let catalog = catalog.unwrap_or_else(|| published.catalog().as_ref().clone());
        published.restore(catalog.clone());
        let hints = sender.clone();
        let watcher = TreeWatcher::start(&tree.absolute(&CatalogPath::root()), move |hint| {
            let _ = hints.send(Message::Hint(hint));
        });
        let watcher = watcher.map_err(|error| {
            published.complain(
                Subject::Watching,
                format!("{error}; changes are found by scanning"),
            );
        });
        let answers = move |hashed| {
            let _ = sender.send(Message::Hashed(hashed));
        };
        let hashers = Hashers::start(&tree, &config.outboards, config.hashers, answers)?;
        Ok(Self {
            draft: Draft::new(catalog, index),
            settling: Settling::default(),
            hashers,
            watcher: watcher.ok(),
            verify: HashSet::new(),
            dirty: HashMap::new(),
            resting: HashMap::new(),
            aliases: HashMap::new(),
            next_scan: now,
            turn: Turn::Continue,
            tree,
            published,
            config,
        })
    }

    fn run(&mut self, inbox: &Receiver<Message>) {
        loop {
            let wait = self.due().saturating_duration_since(Instant::now());
            match inbox.recv_timeout(wait) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.take_more(inbox);
            if self.turn == Turn::Stop {
                break;
            }
            self.look_at_dirty(inbox);
            if Instant::now() >= self.next_scan {
                self.scan_all(inbox);
            }
            self.pump();
        }
        self.draft.publish(&self.published);
    }

    /// Takes in what has arrived, without waiting.
    fn take_more(&mut self, inbox: &Receiver<Message>) {
        for message in inbox.try_iter().take(MESSAGES_PER_TURN) {
            self.take(message);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Hint(Hint::Dirty(folder)) => {
                self.mark_dirty(folder, Instant::now() + HINT_DELAY, Depth::News)
            }
            Message::Hint(Hint::Settled(path)) => self.look_at_path(&path, Writer::Done),
            Message::Hint(Hint::Rescan) => self.next_scan = Instant::now(),
            Message::Hashed(hashed) => self.take_hash(hashed),
            Message::Stop => self.turn = Turn::Stop,
        }
    }

    /// Has a folder looked at, not before it has rested from the last look.
    fn mark_dirty(&mut self, folder: CatalogPath, due: Instant, depth: Depth) {
        let rested = self.resting.get(&folder).copied().unwrap_or(due);
        let due = due.max(rested);
        let look = self.dirty.entry(folder).or_insert(Look { due, depth });
        look.depth = look.depth.max(depth);
    }

    /// Hands out files to hash and publishes a batch that is due.
    fn pump(&mut self) {
        let now = Instant::now();
        self.settling.tick(now);
        self.hand_out();
        if self.draft.due(self.pace()).is_some_and(|due| now >= due) {
            self.draft.publish(&self.published);
        }
    }

    fn hand_out(&mut self) {
        while let Some(path) = self.settling.pop() {
            let entry = self.draft.catalog().entry(&path).cloned();
            let verify = self.verify.remove(&path);
            let wanted = entry
                .filter(|entry| entry.kind == Kind::File && (entry.content.is_none() || verify));
            let Some(entry) = wanted else { continue };
            if let Err(task) = self.hashers.try_hash(Task { path, entry }) {
                if verify {
                    self.verify.insert(task.path.clone());
                }
                self.settling.put_back(task.path);
                return;
            }
        }
    }

    fn take_hash(&mut self, hashed: Hashed) {
        self.hashers.answered();
        let Hashed {
            path,
            entry,
            result,
        } = hashed;
        let current = self.draft.catalog().entry(&path);
        let still_wanted = current.is_some_and(|current| Arc::ptr_eq(current, &entry));
        let subject = Subject::Path(path);
        let Subject::Path(path) = &subject else {
            return;
        };
        match result {
            Ok(content) if still_wanted && entry.content == Some(content) => {}
            Ok(content) if still_wanted => {
                self.published.settle(&subject);
                let entry = Entry {
                    content: Some(content),
                    ..(*entry).clone()
                };
                self.draft.put(path, entry);
            }
            Err(Unhashed::Unreadable(error)) => {
                let text = format!("cannot read {path}: {error}; it is not given to mirrors");
                self.published.complain(subject, text);
            }
            Ok(_) | Err(Unhashed::Changed) => {
                self.settling.again(path, Instant::now());
                self.look_at_path(path, Writer::Unknown);
            }
        }
    }

    /// Looks at one path that is said to have changed.
    fn look_at_path(&mut self, path: &CatalogPath, writer: Writer) {
        let now = Instant::now();
        let parent = path.parent().unwrap_or_else(CatalogPath::root);
        if !self.draft.catalog().is_folder(&parent) {
            return self.mark_dirty(parent, now, Depth::News);
        }
        match self.tree.open_path(path) {
            Ok(Opened::File(live)) => match self.draft.catalog().entry(path) {
                Some(entry) if walk::is_same_file(entry, &live.facts) => {
                    if entry.content.is_none() || writer == Writer::Done {
                        self.settling.remind(path, entry, writer, now);
                        self.verify.insert(path.clone());
                    }
                }
                _ => self.put(path, walk::file_entry(&live.facts), writer),
            },
            Ok(Opened::Folder(_)) => {
                // It was moved here, and what is in it with it: nothing in it can be relied upon.
                self.mark_dirty(parent, now, Depth::News);
                self.mark_dirty(path.clone(), now, Depth::All);
            }
            Err(OpenError::NotFound) => self.mark_dirty(parent, now, Depth::News),
            Err(error) => self.complain_of(path, &error),
        }
    }

    fn look_at_dirty(&mut self, inbox: &Receiver<Message>) {
        let now = Instant::now();
        let is_due = |(_, look): &(&CatalogPath, &Look)| look.due <= now;
        let due: Vec<_> = self
            .dirty
            .iter()
            .filter(is_due)
            .map(|(path, look)| (path.clone(), look.depth))
            .collect();
        for (folder, depth) in due {
            self.dirty.remove(&folder);
            let begun = Instant::now();
            self.walk(&folder, depth, inbox);
            let cost = begun.elapsed();
            if cost > HINT_DELAY {
                self.resting.insert(folder, Instant::now() + cost * DUTY);
            }
        }
        self.resting.retain(|_, rested| *rested > now);
    }

    fn scan_all(&mut self, inbox: &Receiver<Message>) {
        let begun = Instant::now();
        self.aliases.clear();
        self.walk(&CatalogPath::root(), Depth::All, inbox);
        let cost = begun.elapsed();
        self.next_scan = Instant::now() + self.config.scan_every.read().max(cost * DUTY);
        if !self.published.is_scanned() {
            self.draft.publish(&self.published);
            self.published.mark_scanned();
            let totals = self.draft.catalog().totals();
            tracing::info!(
                event = "tree-scanned",
                files = totals.files,
                folders = totals.folders,
                unhashed = totals.unhashed,
                took_s = cost.as_secs_f64(),
                "the folder has been seen whole; what is not hashed yet is hashed now"
            );
        }
    }

    /// Compares `folder`, and what is below it as far as `depth` says, with the draft.
    fn walk(&mut self, folder: &CatalogPath, depth: Depth, inbox: &Receiver<Message>) {
        let mut steps = vec![Step::at(&self.tree, folder)];
        let mut gone = Vec::new();
        while let Some(step) = steps.pop().filter(|_| self.turn == Turn::Continue) {
            if step.via == Via::Direct {
                self.watch(&step.folder);
            }
            match walk::compare(&self.tree, self.draft.catalog(), &step, depth) {
                Ok(Some(mut found)) => {
                    gone.append(&mut found.gone);
                    steps.append(&mut found.next);
                    self.note_aliases(&step, found.identity, folder);
                    self.apply(found);
                }
                Ok(None) => gone.push(step.folder),
                Err(error) => self.complain_of(&step.folder, &error),
            }
            self.take_more(inbox);
            self.pump();
        }
        let was_all_seen = folder.is_root() && depth == Depth::All && self.turn == Turn::Continue;
        if gone.is_empty() && was_all_seen {
            // Whatever was missing is back.
            self.published.settle(&Subject::Loss);
        }
        self.remove(&gone);
    }

    fn apply(&mut self, found: Differences) {
        for problem in &found.problems {
            match problem {
                Problem::Dangling { .. } => problem.log(),
                Problem::Escapes { path }
                | Problem::Unreadable { path, .. }
                | Problem::Reserved { path } => {
                    self.published
                        .complain(Subject::Path(path.clone()), problem.to_string());
                }
                _ => problem.log(),
            }
        }
        for path in found.circles {
            self.draft.remove(&path);
            let text = format!("{path}: the symlink leads in a circle; it is left out");
            self.published.complain(Subject::Path(path), text);
        }
        for (path, entry) in found.put {
            self.put(&path, entry, Writer::Unknown);
        }
        let now = Instant::now();
        for (path, entry) in found.unhashed {
            self.settling.remind(&path, &entry, Writer::Unknown, now);
        }
    }

    fn put(&mut self, path: &CatalogPath, entry: Entry, writer: Writer) {
        if entry.kind == Kind::File {
            self.draft.remove_below(path);
            self.settling.enter(path, &entry, writer, Instant::now());
        }
        self.draft.put(path, entry);
    }

    /// Removes what is gone, unless it is most of the tree.
    fn remove(&mut self, gone: &[CatalogPath]) {
        let files = self.draft.catalog().totals().files;
        let lost = gone.iter().map(|path| self.files_at(path)).sum::<u64>();
        let is_mishap = lost * 2 > files && files >= LOSS_MATTERS_FROM;
        if is_mishap && self.config.loss == Loss::Refuse {
            let text = format!(
                "{lost} of {files} files are gone, which looks like an unmounted disk; nothing was \
                 removed. If it is meant, restart with --accept-loss"
            );
            return self.published.complain(Subject::Loss, text);
        }
        if !gone.is_empty() {
            self.published.settle(&Subject::Loss);
        }
        for path in gone {
            // It may have come back while the rest was being looked at.
            if !matches!(
                self.tree.open_path(path),
                Ok(Opened::File(_) | Opened::Folder(_))
            ) {
                self.draft.remove(path);
                self.published.settle(&Subject::Path(path.clone()));
            }
        }
    }

    fn files_at(&self, path: &CatalogPath) -> u64 {
        let catalog = self.draft.catalog();
        match catalog.entry(path).map(|entry| entry.kind) {
            Some(Kind::File) => 1,
            Some(Kind::Folder) => catalog
                .below(path, None)
                .filter(|(_, entry)| entry.kind == Kind::File)
                .count() as u64,
            None if path.is_root() => catalog.totals().files,
            None => 0,
        }
    }

    fn watch(&mut self, folder: &CatalogPath) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        if let Err(error) = watcher.watch(folder) {
            let text = format!("{error}; until then changes there are found by scanning");
            self.published.complain(Subject::Watching, text);
        }
    }

    /// Remembers folders reached through symlinks, and has them looked at when their real self was.
    fn note_aliases(&mut self, step: &Step, identity: (u64, u64), folder: &CatalogPath) {
        if step.via == Via::Symlink {
            let aliases = self.aliases.entry(identity).or_default();
            if !aliases.contains(&step.folder) {
                aliases.push(step.folder.clone());
            }
        } else if step.folder == *folder && !folder.is_root() {
            let now = Instant::now();
            for alias in self.aliases.get(&identity).cloned().unwrap_or_default() {
                if alias != *folder {
                    self.mark_dirty(alias, now, Depth::News);
                }
            }
        }
    }

    fn complain_of(&self, path: &CatalogPath, error: &OpenError) {
        let text = format!("cannot read /{path}: {error}; the rest goes on");
        self.published.complain(Subject::Path(path.clone()), text);
    }

    fn pace(&self) -> Pace {
        if self.settling.ready() > BUSY_BACKLOG {
            Pace::Busy
        } else {
            Pace::Calm
        }
    }

    /// When there is something to do without a message.
    fn due(&self) -> Instant {
        [
            self.dirty.values().map(|look| look.due).min(),
            self.settling.due(),
            self.draft.due(self.pace()),
            (self.settling.ready() > 0 && self.hashers.in_flight() == 0).then(Instant::now),
        ]
        .into_iter()
        .flatten()
        .fold(self.next_scan, Instant::min)
    }
}

/// Whether to go on.
#[derive(PartialEq)]
enum Turn {
    Continue,
    Stop,
}

/// The instance id of a server that has none yet.
pub(crate) fn random_instance() -> InstanceId {
    let mut bytes = [0; 8];
    // Without randomness the token could not have been made either; a clash costs a snapshot.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    InstanceId(u64::from_be_bytes(bytes))
}
