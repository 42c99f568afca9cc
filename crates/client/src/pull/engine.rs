//! One pull: carries out what the scheduler says, and tells it what happened.
//!
//! A loop over messages, a clock and the disk; every decision about sources and pieces is the
//! scheduler's. Dropping it stops all requests and saves the state. It must never end as complete
//! while a piece is not where it belongs.

mod notes;
mod serving;

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use overspill_core::transfer::{
    Action, Event, HostId, Limits, News, Order, Pieces, Reason, RequestId, Scheduler, SourceId,
};
use overspill_net::client::HttpClient;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    Fleet, Plan, Width,
    complaints::Complaints,
    find::{Again, find_again},
    keeper::Keeper,
    lane::{Lane, Note, Reins},
    partials::Partials,
    rescan::rescan,
    sink::{Store, Stored},
};
use crate::{
    download::{Received, Sink},
    error::{DownloadError, Fault},
    part::{PartFile, PieceState},
    progress::{Observer, Progress},
};

/// A pull under way.
pub(crate) struct Engine<'run> {
    plan: Plan,
    client: HttpClient,
    observer: &'run mut dyn Observer,
    limits: Limits,
    scheduler: Scheduler,
    /// Before the store: what it leaves of the part decides whether the part stays.
    keeper: Option<Keeper>,
    store: Store,
    requests: HashMap<RequestId, Running>,
    lanes: JoinSet<()>,
    inbox: mpsc::Receiver<Note>,
    outbox: mpsc::Sender<Note>,
    asked: JoinSet<Again>,
    searching: Searching,
    partials: Partials,
    complaints: Complaints,
    received_bytes: u64,
    /// Bytes that are on a stream, and cannot be taken back.
    out: u32,
    last: Option<Fault>,
    banned: Vec<SourceId>,
}

/// All pieces are where they belong.
pub(crate) struct Pulled {
    pub(crate) sink: Sink,
    pub(crate) received: Received,
}

/// Why a pull stopped short. The sink comes back where another way is left.
pub(crate) enum Stopped {
    /// The server has another version by now.
    Changed(Sink),
    /// All came, and is not what it should be: one source alone, by this plan, may do better.
    Disproved(Sink, Box<Plan>),
    /// No other try will help.
    Final(DownloadError),
    /// The one source there is does not do ranges.
    NoRanges(Sink),
}

/// A lane, seen from here.
#[derive(Debug)]
struct Running {
    reins: Arc<Reins>,
    counted_bytes: u64,
}

/// Whether sources are being asked for, and who waits for the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Searching {
    /// The scheduler: it wants new ones.
    ForMore,
    /// Nobody.
    No,
    /// We: somebody says that the file changed.
    ToConfirm,
}

/// Whether to go on.
enum Step {
    Done,
    Go,
    Stop(Halt),
}

/// Why not to.
enum Halt {
    Changed,
    Final(DownloadError),
    NoRanges,
}

impl<'run> Engine<'run> {
    /// Looks at what is there already, and gets ready.
    pub(crate) async fn prepare(
        plan: Plan,
        sink: Sink,
        (client, observer): (&HttpClient, &'run mut dyn Observer),
        width: Width,
    ) -> Result<Self, DownloadError> {
        let mut pieces = Pieces::new(plan.size_bytes, plan.piece_bytes);
        let (order, store, keeper) = match sink {
            Sink::Stream(stream) => (Order::InOrder, Store::stream(stream), None),
            Sink::Part(part) => {
                pieces = what_is_there(&plan, &part, pieces).await?;
                let keeper = keeper(&plan, &part, &pieces);
                (Order::Any, Store::part(part), keeper)
            }
        };
        let limits = Limits {
            connections_max: width.connections,
            per_host_max: width.per_host,
            stall: width.stall,
            tries_max: width.tries,
            ..Limits::default()
        };
        let (outbox, inbox) = mpsc::channel(NOTES_MAX);
        observer.observe(&Progress::Started {
            resumed_from_bytes: pieces.verified_bytes(),
            root: plan.root,
            size_bytes: Some(plan.size_bytes),
        });
        Ok(Self {
            client: client.clone(),
            observer,
            limits,
            scheduler: Scheduler::new(pieces, order, limits, Instant::now()),
            store,
            keeper,
            plan,
            requests: HashMap::new(),
            lanes: JoinSet::new(),
            inbox,
            outbox,
            asked: JoinSet::new(),
            searching: Searching::No,
            partials: Partials::default(),
            complaints: Complaints::default(),
            received_bytes: 0,
            out: 0,
            last: None,
            banned: Vec::new(),
        })
    }

    /// Pulls until all is there, or nothing more can be done.
    pub(crate) async fn run(mut self) -> Result<Pulled, Stopped> {
        for at in 0..self.plan.holders.len() {
            self.add(at);
        }
        let halt = self.pull().await;
        self.lanes.shutdown().await;
        self.settle_writes().await;
        self.complaints.settle().await;
        match halt {
            None => self.finish().await,
            Some(Halt::Final(error)) => Err(Stopped::Final(error)),
            Some(Halt::Changed) if self.out > 0 => {
                let url = self.plan.url;
                Err(Stopped::Final(DownloadError::Changed { url }))
            }
            Some(Halt::Changed) => Err(Stopped::Changed(self.into_sink())),
            Some(Halt::NoRanges) => Err(Stopped::NoRanges(self.into_sink())),
        }
    }

    async fn pull(&mut self) -> Option<Halt> {
        let mut clock = interval(TICK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            // Who is asked to help out is decided by how far the others are now.
            self.count_all();
            while let Some(action) = self.scheduler.poll(Instant::now()) {
                match self.carry_out(action) {
                    Step::Go => {}
                    // What is verified is on its way; all that is left is to wait for it.
                    Step::Done if self.store.is_idle() => return None,
                    Step::Done => return self.drain().await,
                    Step::Stop(halt) => return Some(halt),
                }
            }
            // Each arm is cancel-safe: it takes a message or leaves it.
            let step = tokio::select! {
                Some(note) = self.inbox.recv(), if self.store.has_room() => self.note(note),
                Some(stored) = self.store.stored() => self.stored(stored),
                Some(again) = self.asked.join_next() => self.found(again.unwrap_or(Again::Unknown)),
                _ = clock.tick() => self.tick(),
            };
            if let Step::Stop(halt) = step {
                return Some(halt);
            }
        }
    }

    /// Waits for the last writes.
    async fn drain(&mut self) -> Option<Halt> {
        while let Some(stored) = self.store.stored().await {
            if let Step::Stop(halt) = self.stored(stored) {
                return Some(halt);
            }
        }
        None
    }

    fn carry_out(&mut self, action: Action) -> Step {
        match action {
            Action::Cancel { request } => self.cancel(request),
            Action::Finish => return Step::Done,
            Action::GiveUp(reason) => return Step::Stop(Halt::Final(self.given_up(reason))),
            Action::Refresh => self.refresh(),
            Action::Shorten { request, end } => {
                if let Some(running) = self.requests.get(&request) {
                    running.reins.end.store(end, Ordering::Release);
                }
            }
            Action::Start {
                request,
                source,
                pieces,
            } => self.start(request, source, pieces),
            Action::Tell { source, news } => self.tell(source, news),
        }
        Step::Go
    }

    fn start(&mut self, request: RequestId, source: SourceId, pieces: std::ops::Range<u32>) {
        let Some(holder) = self.plan.holders.get(source.0 as usize).cloned() else {
            return;
        };
        let reins = Arc::new(Reins {
            end: AtomicU32::new(pieces.end),
            received_bytes: AtomicU64::new(0),
            stop: CancellationToken::new(),
        });
        let lane = Lane {
            request,
            source,
            holder,
            size_bytes: self.plan.size_bytes,
            piece_bytes: self.plan.piece_bytes,
            partial: self.partials.take(pieces.start),
            pieces,
            proof: self.plan.proof.clone(),
            reins: Arc::clone(&reins),
            notes: self.outbox.clone(),
        };
        let counted_bytes = 0;
        self.requests.insert(
            request,
            Running {
                reins,
                counted_bytes,
            },
        );
        self.lanes.spawn(lane.run(self.client.clone()));
    }

    fn cancel(&mut self, request: RequestId) {
        if let Some(running) = self.requests.get(&request) {
            running.reins.stop.cancel();
        }
    }

    /// Ends all requests and asks for sources.
    fn refresh(&mut self) {
        for running in self.requests.values() {
            running.reins.stop.cancel();
        }
        self.observer.observe(&Progress::Searching);
        self.searching = Searching::ForMore;
        if self.asked.is_empty() {
            self.ask_again();
        }
    }

    fn ask_again(&mut self) {
        match self.plan.fleet {
            Fleet::Ours => drop(
                self.asked
                    .spawn(find_again(self.client.clone(), self.plan.clone())),
            ),
            // All that can be known is known.
            Fleet::Foreign | Fleet::Metalink => drop(self.asked.spawn(async { Again::Unknown })),
        }
    }

    fn found(&mut self, again: Again) -> Step {
        match again {
            Again::Changed => return Step::Stop(Halt::Changed),
            Again::Holders(holders) => {
                for holder in holders {
                    match self
                        .plan
                        .holders
                        .iter()
                        .position(|known| known.url == holder.url)
                    {
                        Some(at) => self.add(at),
                        None => self.add_holder(holder),
                    }
                }
            }
            // The server is gone; those we know may still be there.
            Again::Unknown if self.searching == Searching::ForMore => {
                (0..self.plan.holders.len()).for_each(|at| self.add(at));
            }
            Again::Unknown => {}
        }
        if std::mem::replace(&mut self.searching, Searching::No) == Searching::ForMore {
            self.scheduler.handle(Instant::now(), Event::Refreshed);
        }
        Step::Go
    }

    fn tick(&mut self) -> Step {
        self.scheduler.handle(Instant::now(), Event::Tick);
        // Those that ended have told all they had to tell.
        while self.lanes.try_join_next().is_some() {}
        if let Some(keeper) = &mut self.keeper {
            keeper.save_when_due();
        }
        let progress = Progress::Bytes {
            position_bytes: self.scheduler.pieces().verified_bytes(),
            received_bytes: self.received_bytes,
        };
        self.observer.observe(&progress);
        Step::Go
    }

    /// Tells the scheduler what all lanes received since the last time.
    fn count_all(&mut self) {
        let now = Instant::now();
        for (&request, running) in &mut self.requests {
            let bytes = running.fresh_bytes();
            if bytes > 0 {
                self.received_bytes += bytes;
                self.scheduler
                    .handle(now, Event::Received { request, bytes });
            }
        }
    }

    /// The same for one.
    fn count(&mut self, now: Instant, request: RequestId) {
        let fresh = self.requests.get_mut(&request).map(Running::fresh_bytes);
        if let Some(bytes @ 1..) = fresh {
            self.received_bytes += bytes;
            self.scheduler
                .handle(now, Event::Received { request, bytes });
        }
    }

    fn stored(&mut self, stored: io::Result<Stored>) -> Step {
        match stored {
            Ok(Stored::InPlace { piece, bytes }) => {
                if let Some(keeper) = &mut self.keeper {
                    keeper.stored(piece, bytes);
                }
            }
            Ok(Stored::Out { before }) => {
                self.out = before;
                self.scheduler
                    .handle(Instant::now(), Event::Written { before });
            }
            Err(error) => return Step::Stop(Halt::Final(self.local("write", error))),
        }
        Step::Go
    }

    fn given_up(&mut self, reason: Reason) -> DownloadError {
        let url = self.plan.url.clone();
        if reason == Reason::AllBanned {
            let sources = self.banned.len();
            return DownloadError::AllWrong { url, sources };
        }
        let silence = self.limits.stall;
        let last = match (reason, self.last.take()) {
            (Reason::Stalled, None) => Fault::Stalled { silence },
            (_, Some(last)) => last,
            (_, None) => Fault::NoSource,
        };
        if let Fault::Status { status, .. } = last
            && self.plan.fleet != Fleet::Ours
        {
            match status.as_u16() {
                401 | 403 => return DownloadError::Refused { url, status },
                404 | 410 => return DownloadError::NotFound { url, status },
                _ => {}
            }
        }
        let errors =
            (0..self.plan.holders.len() as u32).map(|at| self.scheduler.tally(SourceId(at)).errors);
        DownloadError::Unreachable {
            url,
            tries: u32::try_from(errors.sum::<u64>())
                .unwrap_or(u32::MAX)
                .max(1),
            last,
        }
    }

    fn local(&self, doing: &'static str, source: io::Error) -> DownloadError {
        let path = match &self.store {
            Store::Part(store) => store.part.path().to_owned(),
            Store::Stream(_) => PathBuf::from("output stream"),
        };
        DownloadError::Local {
            path,
            doing,
            source,
        }
    }
}

impl Running {
    fn fresh_bytes(&mut self) -> u64 {
        let total = self.reins.received_bytes.load(Ordering::Relaxed);
        total - std::mem::replace(&mut self.counted_bytes, total)
    }
}

/// What of the file is in the part, and room for the rest.
async fn what_is_there(
    plan: &Plan,
    part: &PartFile,
    mut pieces: Pieces,
) -> Result<Pieces, DownloadError> {
    let local = |doing| {
        let path = part.path().to_owned();
        move |source| DownloadError::Local {
            path,
            doing,
            source,
        }
    };
    if plan.proof.proves() {
        let file = part.shared_file();
        pieces = rescan(file, pieces, plan.proof.clone())
            .await
            .map_err(local("read"))?;
    } else if let Some(state) = PieceState::read(&part.state_path()) {
        let claimed = state.pieces_of(&state_of(plan, &pieces));
        // A part shorter than it should be is not the one that the state is about.
        if part.length().is_ok_and(|length| length == plan.size_bytes) {
            for piece in claimed {
                pieces.verify(piece);
            }
        }
    }
    part.reserve(plan.size_bytes)
        .map_err(local("make room in"))?;
    Ok(pieces)
}

fn keeper(plan: &Plan, part: &PartFile, pieces: &Pieces) -> Option<Keeper> {
    // Where nothing proves the pieces and no tag names the version, nobody could go on.
    let is_of_use = plan.proof.proves() || plan.tag.is_some();
    is_of_use.then(|| {
        Keeper::new(
            part.shared_file(),
            part.state_path(),
            state_of(plan, pieces),
        )
    })
}

fn state_of(plan: &Plan, pieces: &Pieces) -> PieceState {
    let tag = plan.tag.as_deref().unwrap_or_default();
    let sizes = (plan.size_bytes, plan.piece_bytes);
    PieceState::new(&plan.url, tag, sizes, pieces.bitmap())
}

/// Often enough for a stolen run to be given to somebody at once, and for a smooth bar.
const TICK: Duration = Duration::from_millis(100);
/// Notes that wait for us: beyond, lanes do.
const NOTES_MAX: usize = 16;
