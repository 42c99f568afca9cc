//! A file by one request: tries, one after the other, each going on where the last one stopped.
//!
//! For what has no pieces to share out: small files, and those whose server tells no size, no strong
//! tag, or does no ranges. What turns out to be large and splittable is handed back before a byte of
//! it is read.
//!
//! It must never mix bytes of two versions, and never publish what it did not verify.

use std::{io, path::PathBuf, time::Instant};

use http::Method;
use overspill_core::root::Root;

use super::{
    Completion, OnChange, Received, Served, Sink, Verification,
    asking::{Asking, Trouble, source_of},
    transfer::CHANGES_MAX,
};
use crate::{
    answer::{Answer, Version, Wanted},
    error::{DownloadError, Fault},
    follow::Arrival,
    intake::{Inner, Intake, Writing},
    part::{PartFile, State},
    progress::Progress,
    pull::{Plan, SPLIT_BYTES_MIN, foreign},
};

/// How a session ended.
pub(super) enum Ended<'run> {
    /// All bytes are where they belong.
    Complete { sink: Sink, received: Received },
    /// Nothing was read: it is large, and can be pulled in pieces.
    Splittable {
        asking: Asking<'run>,
        sink: Sink,
        plan: Box<Plan>,
    },
}

/// Whether a large file may be handed on to be pulled in pieces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Split {
    Allowed,
    /// It was tried: the server does not do ranges, whatever it says.
    Refused,
}

/// What an attempt came to.
enum Attempt {
    Complete(Verification),
    Splittable(Box<Plan>),
}

/// One file on its way into one intake.
pub(super) struct Session<'run> {
    asking: Asking<'run>,
    intake: Intake,
    on_change: OnChange,
    split: Split,
    retake: Retake,
    /// The part, or a name for the stream, for messages.
    name: PathBuf,
    /// What the intake holds a prefix of.
    version: Version,
    position_bytes: u64,
    /// Whether observers know that it started.
    announced: bool,
    changes: u32,
    mismatches: u32,
    served: Vec<Served>,
    /// Members that sent any of the bytes the intake holds.
    contributors: Vec<String>,
}

/// Whether bytes can be taken back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Retake {
    Impossible,
    Possible,
}

impl<'run> Session<'run> {
    /// Hashes what a part holds of an earlier run, so that the download can go on there.
    pub(super) async fn prepare(
        asking: Asking<'run>,
        sink: Sink,
        (on_change, split): (OnChange, Split),
    ) -> Result<Self, DownloadError> {
        let (retake, name, state) = match &sink {
            Sink::Part(part) => {
                let state = part.state(asking.sources.origin());
                (Retake::Possible, part.path().to_owned(), state)
            }
            Sink::Stream(_) => (Retake::Impossible, PathBuf::from("output stream"), None),
        };
        let mut session = Self {
            asking,
            intake: Intake::new(sink),
            on_change,
            split,
            retake,
            name,
            version: Version::default(),
            position_bytes: 0,
            announced: false,
            changes: 0,
            mismatches: 0,
            served: Vec::new(),
            contributors: Vec::new(),
        };
        session.adopt(state).await?;
        Ok(session)
    }

    async fn adopt(&mut self, state: Option<State>) -> Result<(), DownloadError> {
        // Without a state nobody knows what the bytes are.
        let usable_bytes = state.as_ref().map_or(0, |_| u64::MAX);
        let adopted = self.intake.adopt(usable_bytes).await;
        self.position_bytes = adopted.map_err(|error| self.local("read", error))?;
        self.version = state.map(|state| state.version()).unwrap_or_default();
        Ok(())
    }

    /// Tries until all bytes are there and verified, or nothing more can be done.
    pub(super) async fn run(mut self) -> Result<Ended<'run>, DownloadError> {
        match self.complete().await? {
            Attempt::Complete(verification) => {
                let received = self.received(verification);
                let sink = self.into_sink()?.1;
                Ok(Ended::Complete { sink, received })
            }
            Attempt::Splittable(plan) => {
                let (asking, sink) = self.into_sink()?;
                Ok(Ended::Splittable { asking, sink, plan })
            }
        }
    }

    fn into_sink(self) -> Result<(Asking<'run>, Sink), DownloadError> {
        let busy = DownloadError::Local {
            path: self.name,
            doing: "finish writing",
            source: io::ErrorKind::ResourceBusy.into(),
        };
        let sink = self.intake.into_sink().ok_or(busy)?;
        Ok((self.asking, sink))
    }

    async fn complete(&mut self) -> Result<Attempt, DownloadError> {
        loop {
            match self.attempt().await {
                Ok(attempt) => return Ok(attempt),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Retry { fault, member }) => {
                    self.doubt(&fault, member.as_ref()).await?;
                    self.asking.pause(fault, member).await?;
                }
            }
        }
    }

    async fn attempt(&mut self) -> Result<Attempt, Trouble> {
        let wanted = Wanted {
            version: self.version.clone(),
            offset: self.position_bytes,
        };
        let (mut arrival, answer) = self.asking.ask(&Method::GET, &wanted).await?;
        match answer {
            Answer::Complete => self.announce(),
            Answer::Rest(version) => {
                self.version = version;
                self.announce();
                self.receive(&mut arrival).await?;
            }
            Answer::Whole(version) => {
                if let Some(plan) = self.splittable(&version, &arrival) {
                    return Ok(Attempt::Splittable(plan));
                }
                self.begin(version, &arrival).await?;
                self.receive(&mut arrival).await?;
            }
        }
        self.verify(arrival).await.map(Attempt::Complete)
    }

    /// How the file can be pulled in pieces, if it can and nothing of it is out yet.
    fn splittable(&self, version: &Version, arrival: &Arrival) -> Option<Box<Plan>> {
        let is_large = version
            .size_bytes
            .is_some_and(|size| size >= SPLIT_BYTES_MIN);
        let is_new = self.position_bytes == 0 || self.retake == Retake::Possible;
        if self.split == Split::Refused || !is_large || !is_new {
            return None;
        }
        foreign(
            self.asking.origin(),
            version,
            arrival.reply.head().headers(),
        )
        .map(Box::new)
    }

    /// Makes room for the whole of `version`.
    async fn begin(&mut self, version: Version, arrival: &Arrival) -> Result<(), Trouble> {
        if self.position_bytes > 0 {
            if self.version.differs_from(&version) {
                self.changed()?;
            } else if self.retake == Retake::Impossible {
                let fault = Fault::Range {
                    authority: arrival.reply.authority().to_owned(),
                    offset: self.position_bytes,
                    reason: "it sends the whole file again",
                };
                let member = arrival.member.clone();
                return Err(Trouble::Retry { fault, member });
            }
        }
        let state = State::new(self.asking.sources.origin(), &version);
        self.start_over().await?;
        self.version = version;
        if self.retake == Retake::Possible {
            self.save(state).await?;
        }
        self.announced = false;
        self.announce();
        Ok(())
    }

    fn changed(&mut self) -> Result<(), DownloadError> {
        self.changes += 1;
        self.asking.tries.begin_anew();
        let may_restart = self.on_change == OnChange::Restart && self.retake == Retake::Possible;
        if may_restart && self.changes <= CHANGES_MAX {
            return Ok(());
        }
        let url = self.asking.origin();
        Err(DownloadError::Changed { url })
    }

    async fn save(&mut self, state: Option<State>) -> Result<(), DownloadError> {
        let save = move |part: &mut PartFile| match &state {
            Some(state) => part.save(state),
            None => part.forget(),
        };
        let saved = self.intake.with(|inner| on_part(inner, save)).await;
        saved.map_err(|error| self.local("write the state of", error))
    }

    async fn start_over(&mut self) -> Result<(), DownloadError> {
        let result = self.intake.with(Inner::start_over).await;
        result.map_err(|error| self.local("truncate", error))?;
        self.position_bytes = 0;
        self.contributors.clear();
        // It may have been a lie; the tag stays, to notice a change.
        self.version.size_bytes = None;
        Ok(())
    }

    fn announce(&mut self) {
        if self.announced {
            return;
        }
        self.announced = true;
        self.asking.observer.observe(&Progress::Started {
            resumed_from_bytes: self.position_bytes,
            root: self.version.root(),
            size_bytes: self.version.size_bytes,
        });
    }

    /// Reads the body into the intake. Whatever ends it, what was written counts.
    async fn receive(&mut self, arrival: &mut Arrival) -> Result<(), Trouble> {
        let from = self.position_bytes;
        let source = source_of(&arrival.reply, arrival.member.as_ref());
        let writing = self.intake.start();
        let came = self.pump(arrival, &writing).await;
        let written = writing.settle().await;
        self.position_bytes = written.map_err(|error| self.local("write", error))?;
        let bytes = self.position_bytes - from;
        if bytes > 0 || came.is_ok() {
            self.credit(source, bytes, arrival.member.as_ref());
        }
        came.map_err(|fault| Trouble::Retry {
            fault,
            member: arrival.member.clone(),
        })
    }

    async fn pump(&mut self, arrival: &mut Arrival, writing: &Writing) -> Result<(), Fault> {
        let mut position_bytes = self.position_bytes;
        while let Some(part) = arrival.reply.next_part().await? {
            position_bytes += part.len() as u64;
            self.check_end(arrival, position_bytes..=u64::MAX)?;
            if writing.push(part).await.is_err() {
                break; // The disk failed; settling tells how.
            }
            self.asking.tries.received(Instant::now(), position_bytes);
            let progress = Progress::Bytes {
                position_bytes,
                received_bytes: self.received_bytes() + position_bytes - self.position_bytes,
            };
            self.asking.observer.observe(&progress);
        }
        Ok(())
    }

    /// An error unless the file may end somewhere in `possible`.
    fn check_end(
        &self,
        arrival: &Arrival,
        possible: std::ops::RangeInclusive<u64>,
    ) -> Result<(), Fault> {
        match self.version.size_bytes {
            Some(expected_bytes) if !possible.contains(&expected_bytes) => Err(Fault::Short {
                authority: arrival.reply.authority().to_owned(),
                expected_bytes,
                actual_bytes: *possible.start(),
            }),
            _ => Ok(()),
        }
    }

    fn credit(&mut self, source: String, bytes: u64, member: Option<&String>) {
        match self
            .served
            .iter_mut()
            .find(|served| served.source == source)
        {
            Some(served) => served.bytes += bytes,
            None => self.served.push(Served {
                bytes,
                ..Served::new(source)
            }),
        }
        if let Some(member) = member
            && !self.contributors.contains(member)
        {
            self.contributors.push(member.clone());
        }
    }

    async fn verify(&mut self, arrival: Arrival) -> Result<Verification, Trouble> {
        let at_end = self.check_end(&arrival, self.position_bytes..=self.position_bytes);
        if let Err(fault) = at_end {
            let member = arrival.member;
            return Err(Trouble::Retry { fault, member });
        }
        let Some(root) = self.version.root() else {
            return Ok(Verification::LengthOnly);
        };
        let ours = self.intake.root().await;
        if ours.map_err(|error| self.local("read", error))? != root {
            return Err(self.mismatch(arrival, root).await?);
        }
        self.asking.observer.observe(&Progress::Verified { root });
        Ok(Verification::Root(root))
    }

    /// Wrong bytes: whoever sent any of them is avoided, and all of them are thrown away.
    async fn mismatch(&mut self, arrival: Arrival, root: Root) -> Result<Trouble, DownloadError> {
        self.mismatches += 1;
        for member in std::mem::take(&mut self.contributors) {
            self.asking.sources.avoid(&member);
        }
        if self.retake == Retake::Impossible || self.mismatches == MISMATCHES_MAX {
            self.discard().await?;
            return Err(DownloadError::Mismatch {
                url: self.asking.origin(),
                root,
                tries: self.mismatches,
            });
        }
        self.start_over().await?;
        self.asking.tries.begin_anew();
        let authority = arrival.reply.authority().to_owned();
        let (fault, member) = (Fault::Mismatch { authority }, arrival.member);
        Ok(Trouble::Retry { fault, member })
    }

    async fn discard(&mut self) -> Result<(), DownloadError> {
        let discard = |part: &mut PartFile| part.discard();
        let result = self.intake.with(move |inner| on_part(inner, discard)).await;
        result.map_err(|error| self.local("delete", error))
    }

    /// After a fault that puts what we have in doubt, the next try begins at zero. An origin that
    /// cannot do ranges will not learn it; a member can be avoided instead.
    async fn doubt(&mut self, fault: &Fault, member: Option<&String>) -> Result<(), DownloadError> {
        let no_ranges = matches!(fault, Fault::Range { .. }) && member.is_none();
        if self.retake == Retake::Impossible || !(no_ranges || fault.contradicts()) {
            return Ok(());
        }
        self.start_over().await
    }

    fn local(&self, doing: &'static str, source: io::Error) -> DownloadError {
        DownloadError::Local {
            path: self.name.clone(),
            doing,
            source,
        }
    }

    fn received_bytes(&self) -> u64 {
        self.served.iter().map(|served| served.bytes).sum()
    }

    fn received(&mut self, verification: Verification) -> Received {
        Received {
            completion: Completion::Downloaded,
            bytes: self.position_bytes,
            received_bytes: self.received_bytes(),
            verification,
            served: std::mem::take(&mut self.served),
        }
    }
}

/// Runs `work` on the part; a stream has none, and nothing to do.
fn on_part(
    inner: &mut Inner,
    work: impl FnOnce(&mut PartFile) -> io::Result<()>,
) -> io::Result<()> {
    match &mut inner.sink {
        Sink::Part(part) => work(part),
        Sink::Stream(_) => Ok(()),
    }
}

/// Wrong bytes so often are no accident of one node.
const MISMATCHES_MAX: u32 = 3;
