//! Bodies whose bytes come from somewhere while they are sent, and go on from elsewhere when that fails.
//!
//! The rules are `core::relay`'s; here they meet sockets and files. Who is asked is the
//! [`Guide`]'s part. Nothing is spooled: a relay holds what is on its way, a pipe or a buffer full,
//! and reads no further until the client has taken it. It must never pass on a byte of an answer whose
//! head was not the right one.

mod ask;
mod checked;
mod file;
mod idle;
mod pipe;
mod stream;
mod striped;

use std::{cell::RefCell, fmt::Debug, rc::Rc, sync::Arc, time::Instant};

use bytes::Bytes;
use overspill_core::{
    relay::{Continuation, Fault, Feeder, Input, Span, Step, Verdict},
    root::Root,
};
use tokio::time::timeout_at;

use self::{
    ask::Answered, checked::Check, idle::Idle, pipe::Pipes, stream::Stream, striped::Pacer,
};
pub use self::{
    checked::Loading,
    striped::{AheadMemory, Reservation, StripeGuide, Striped},
};
pub(crate) use self::{pipe::Pipe, striped::Turn};
use crate::{
    client::{HttpClient, Patience},
    service::FileBody,
    transmit::TransmitError,
};

/// Most bytes of a body that are in memory at once where they cannot be spliced.
pub(crate) const BUFFER_BYTES: usize = 64 << 10;

/// Chooses who feeds a body. Called on a serving thread: must not block.
pub trait Guide: Debug {
    /// Who is to feed `rest`. `failed` says why the one named before does so no longer; there was
    /// none at the first call.
    fn next(&mut self, failed: Option<Fault>, rest: Span) -> Choice;

    /// What members send is held against, before it goes out; `None` if their word is taken. Asked
    /// once, before the first member is.
    fn proof(&self) -> Option<Loading> {
        None
    }

    /// The body cannot be completed, and is cut where `rest` begins.
    fn gave_up(&mut self, rest: Span, why: &dyn std::error::Error);
}

/// Who feeds a body.
#[derive(Debug)]
pub enum Choice {
    /// This file of this node.
    Here(FileBody),
    /// A member.
    Member(Source),
    /// Nobody.
    Nobody,
}

/// Where a member has a content.
#[derive(Clone, Debug)]
pub struct Source {
    /// Scheme and authority, no slash at the end.
    pub url: Arc<str>,
    /// Path and query.
    pub target: String,
}

/// What the relays of one core share: connections to members, and pipes.
#[derive(Debug)]
pub struct Relayer {
    idle: RefCell<Idle>,
    pipes: RefCell<Pipes>,
    secure: HttpClient,
}

/// A span of a content on its way from wherever.
#[derive(Debug)]
pub struct Relay {
    body: Continuation,
    root: Root,
    guide: Box<dyn Guide>,
    relayer: Rc<Relayer>,
    feed: Feed,
    failed: Option<Fault>,
    check: Check,
    /// Whom to tell how fast it goes, if it is a window of a striped body.
    pacer: Option<Pacer>,
}

/// Who feeds it now.
#[derive(Debug)]
enum Feed {
    Nobody,
    /// Somebody who has not answered yet.
    Asked(Source),
    Here(FileBody),
    Member(Stream),
}

/// What can be taken from the feeder at hand.
pub(crate) enum Supply {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file of this node.
    File(FileBody),
    /// What comes over a plain connection.
    Spliceable,
}

impl Default for Relayer {
    fn default() -> Self {
        Self {
            idle: RefCell::default(),
            pipes: RefCell::default(),
            secure: HttpClient::new(Patience::default()),
        }
    }
}

impl Relayer {
    /// Closes connections that have been idle for too long. To be called about once a second.
    pub fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().sweep(now);
    }

    pub(crate) fn take_pipe(&self) -> std::io::Result<Pipe> {
        self.pipes.borrow_mut().take()
    }

    pub(crate) fn give_pipe(&self, pipe: Pipe) {
        self.pipes.borrow_mut().give(pipe);
    }
}

impl Relay {
    /// A relay of `span` of the content with this root.
    pub fn new(span: Span, root: Root, guide: Box<dyn Guide>, relayer: Rc<Relayer>) -> Self {
        Self {
            body: Continuation::new(span),
            root,
            guide,
            relayer,
            feed: Feed::Nobody,
            failed: None,
            check: Check::Unknown,
            pacer: None,
        }
    }

    /// Bytes that have not come yet.
    pub fn rest_bytes(&self) -> u64 {
        self.body.rest().len()
    }

    /// What has not come yet.
    pub(crate) fn rest(&self) -> Span {
        self.body.rest()
    }

    pub(crate) fn relayer(&self) -> Rc<Relayer> {
        Rc::clone(&self.relayer)
    }

    /// The next bytes, in memory; `None` when all have come.
    pub(crate) async fn pull(&mut self) -> Result<Option<Bytes>, TransmitError> {
        loop {
            let bytes = match self.supply().await? {
                None => return Ok(None),
                Some(Supply::Bytes(bytes)) => bytes,
                Some(Supply::File(file)) => self.pull_from_file(&file).await?,
                Some(Supply::Spliceable) => self.pull_from_stream().await,
            };
            if !bytes.is_empty() {
                if self.rest_bytes() == 0 {
                    // Nobody may ask for more.
                    self.put_back();
                }
                return Ok(Some(bytes));
            }
        }
    }

    /// What there is to take; asks one after the other for it, and waits. `None` when all has come.
    pub(crate) async fn supply(&mut self) -> Result<Option<Supply>, TransmitError> {
        loop {
            match self.body.step() {
                Step::Finish => {
                    self.put_back();
                    return Ok(None);
                }
                Step::Cut(cut) => {
                    self.guide.gave_up(self.body.rest(), &cut);
                    return Err(TransmitError::Relay(cut));
                }
                Step::Choose => self.choose().await,
                Step::ReadHead => self.read_head().await,
                Step::Read(most) => {
                    if let Some(supply) = self.read(most).await {
                        return Ok(Some(supply));
                    }
                }
            }
        }
    }

    async fn choose(&mut self) {
        let choice = self.guide.next(self.failed.take(), self.body.rest());
        let (feed, input) = match choice {
            Choice::Here(file) => (Feed::Here(file), Input::Asked(Feeder::Here)),
            Choice::Member(source) => (Feed::Asked(source), Input::Asked(Feeder::Member)),
            Choice::Nobody => (Feed::Nobody, Input::Nobody),
        };
        self.feed = feed;
        if matches!(self.feed, Feed::Asked(_)) {
            // Before the member's time begins to run.
            self.prepare_check().await;
        }
        if let Some(pacer) = &self.pacer {
            pacer.asked();
        }
        self.tell(input);
    }

    async fn read_head(&mut self) {
        let (span, etag) = (self.span_to_ask(), self.root.etag());
        let Feed::Asked(source) = &self.feed else {
            return self.tell(Input::Failed(Fault::Connect));
        };
        let ask = self.relayer.ask(source, &span, &etag);
        let answered = within(&self.body, ask).await;
        match answered {
            None => self.tell(Input::Tick),
            Some(Err(fault)) => self.tell(Input::Failed(fault)),
            Some(Ok(Answered { head, stream })) => {
                self.feed = Feed::Member(stream);
                self.tell(Input::Head(&head.as_answer(), &span, &etag));
            }
        }
    }

    /// What the feeder has, at most `most` bytes of it; `None` if it was given up instead.
    async fn read(&mut self, most: u64) -> Option<Supply> {
        match &mut self.feed {
            Feed::Here(file) => return Some(Supply::File(file.clone())),
            Feed::Member(_) if matches!(self.check, Check::On(_)) => {
                return self.read_checked().await;
            }
            Feed::Member(stream) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                if let Some(early) = stream.take_early(most) {
                    self.came(early.len() as u64);
                    return Some(Supply::Bytes(early));
                }
                if stream.is_plain() {
                    return Some(Supply::Spliceable);
                }
            }
            Feed::Asked(_) | Feed::Nobody => {
                self.tell(Input::Failed(Fault::Reset));
                return None;
            }
        }
        let bytes = self.pull_from_stream().await;
        (!bytes.is_empty()).then_some(Supply::Bytes(bytes))
    }

    /// Bytes of the member at hand; none if it was given up.
    pub(crate) async fn pull_from_stream(&mut self) -> Bytes {
        let most = usize::try_from(self.rest_bytes()).unwrap_or(usize::MAX);
        self.wait();
        let Feed::Member(stream) = &mut self.feed else {
            return Bytes::new();
        };
        let read = within(&self.body, stream.read(most.min(BUFFER_BYTES))).await;
        let (bytes, read) = match read {
            Some(Ok(bytes)) => (bytes.clone(), Some(Ok(bytes.len() as u64))),
            Some(Err(fault)) => (Bytes::new(), Some(Err(fault))),
            None => (Bytes::new(), None),
        };
        self.note(read);
        bytes
    }

    /// Moves bytes of the member at hand into `pipe`, which is empty; how many.
    pub(crate) async fn fill(&mut self, pipe: &Pipe) -> usize {
        let most = usize::try_from(self.rest_bytes()).unwrap_or(usize::MAX);
        self.wait();
        let Feed::Member(stream) = &self.feed else {
            return 0;
        };
        let moved = within(&self.body, stream.splice_into(pipe, most)).await;
        self.note(moved.map(|moved| moved.map(|bytes| bytes as u64)));
        moved.and_then(Result::ok).unwrap_or(0)
    }

    /// The member is waited for from now on.
    fn wait(&mut self) {
        self.tell(Input::Waiting);
        if let Some(pacer) = &self.pacer {
            pacer.waiting();
        }
    }

    /// Takes in how a read went; `None` is time that passed.
    fn note(&mut self, read: Option<Result<u64, Fault>>) {
        match read {
            None => self.tell(Input::Tick),
            Some(Ok(0)) => self.tell(Input::Ended),
            Some(Ok(bytes)) => self.came(bytes),
            Some(Err(fault)) => self.tell(Input::Failed(fault)),
        }
    }

    /// So many bytes have come, and go to the client now.
    pub(crate) fn came(&mut self, bytes: u64) {
        self.tell(Input::Came(bytes));
        self.tell(Input::Holding);
        let verdict = self.pacer.as_ref().map(|pacer| pacer.came(bytes));
        if verdict == Some(Verdict::TooSlow) && matches!(self.feed, Feed::Member(_)) {
            self.tell(Input::Failed(Fault::Slow));
        }
    }

    /// The file at hand cannot be read.
    pub(crate) fn file_failed(&mut self) {
        self.tell(Input::Failed(Fault::Unreadable));
    }

    fn tell(&mut self, input: Input<'_>) {
        if let Err(fault) = self.body.handle(Instant::now(), input) {
            self.failed = Some(fault);
            // Whatever else it sends must not be read by anybody.
            self.feed = Feed::Nobody;
        }
    }

    /// Keeps the connection for the next one, if nothing is left on it.
    fn put_back(&mut self) {
        if let Feed::Member(stream) = std::mem::replace(&mut self.feed, Feed::Nobody)
            && let Some((authority, stream)) = stream.into_idle()
        {
            let mut idle = self.relayer.idle.borrow_mut();
            idle.give(Instant::now(), authority, stream);
        }
    }
}

/// What comes of `work`, or `None` when the feeder has taken too long over it.
async fn within<T>(body: &Continuation, work: impl Future<Output = T>) -> Option<T> {
    match body.deadline() {
        Some(at) => timeout_at(at.into(), work).await.ok(),
        None => Some(work.await),
    }
}

#[cfg(test)]
mod tests;
