//! Bytes of members held against the content's tree before they are passed on.
//!
//! A member is asked for whole groups, whatever the client wants of them; a group is gathered, checked,
//! and only then trimmed and sent. It must never let a byte out before the whole of its group is right.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use overspill_core::{
    relay::{Fault, Input, Span},
    root::Root,
};
use overspill_store::{
    outboard::{GroupSize, Outboard},
    outboards::OUTBOARD_FROM_BYTES,
};

use super::{BUFFER_BYTES, Feed, Relay, Supply, within};

/// The outboard of a content, once it has been read; `None` if there is none to be had.
pub type Loading = Pin<Box<dyn Future<Output = Option<Arc<Outboard>>>>>;

/// Whether a relay checks what members send.
#[derive(Debug)]
pub(super) enum Check {
    /// Nobody has asked yet whether it is to.
    Unknown,
    /// It takes their word.
    Off,
    On(Checker),
}

/// The groups of a content, and the one that is being gathered.
#[derive(Debug)]
pub(super) struct Checker {
    proof: Proof,
    size: u64,
    /// Where the group at hand begins.
    at: u64,
    gathered: Vec<u8>,
}

#[derive(Debug)]
enum Proof {
    /// The content is one group.
    Root(Root),
    Outboard(Arc<Outboard>),
}

impl Checker {
    /// For a content of `size` bytes; `None` if `loading` brings nothing.
    pub(super) async fn new(root: Root, size: u64, loading: Loading) -> Option<Self> {
        let proof = match size <= OUTBOARD_FROM_BYTES {
            true => Proof::Root(root),
            false => Proof::Outboard(loading.await?),
        };
        Some(Self {
            proof,
            size,
            at: 0,
            gathered: Vec::new(),
        })
    }

    /// The groups that hold `span`; gathering begins with them.
    pub(super) fn begin(&mut self, span: Span) -> Span {
        let Span { start, end, size } = span;
        let (start, end) = match &self.proof {
            Proof::Root(_) => (0, size),
            Proof::Outboard(outboard) => {
                let group = outboard.group().bytes();
                let end = end.div_ceil(group).saturating_mul(group);
                (start / group * group, end.min(size))
            }
        };
        self.at = start;
        self.gathered.clear();
        Span { start, end, size }
    }

    /// Bytes that the group at hand still lacks.
    fn lacking(&self) -> usize {
        let group_bytes = match &self.proof {
            Proof::Root(_) => self.size,
            Proof::Outboard(outboard) => {
                let group: GroupSize = outboard.group();
                group.bytes().min(self.size.saturating_sub(self.at))
            }
        };
        usize::try_from(group_bytes).map_or(usize::MAX, |bytes| bytes - self.gathered.len())
    }

    /// The group, if it is right, and where it begins.
    fn finish(&mut self) -> Result<(u64, Bytes), Fault> {
        let group = std::mem::take(&mut self.gathered);
        let is_right = match &self.proof {
            Proof::Root(root) => *blake3::hash(&group).as_bytes() == root.0,
            Proof::Outboard(outboard) => outboard.verify(self.at, &group).is_ok(),
        };
        if !is_right {
            return Err(Fault::WrongBytes);
        }
        let at = self.at;
        self.at += group.len() as u64;
        Ok((at, Bytes::from(group)))
    }
}

impl Relay {
    /// Finds out whether members are to be checked, and by what.
    pub(super) async fn prepare_check(&mut self) {
        if !matches!(self.check, Check::Unknown) {
            return;
        }
        self.check = match self.guide.proof() {
            None => Check::Off,
            Some(loading) => {
                let checker = Checker::new(self.root, self.body.rest().size, loading).await;
                checker.map_or(Check::Off, Check::On)
            }
        };
    }

    /// What the member is to be asked for: more than the rest if that has to be checked.
    pub(super) fn span_to_ask(&mut self) -> Span {
        let rest = self.body.rest();
        match &mut self.check {
            Check::On(checker) => checker.begin(rest),
            Check::Unknown | Check::Off => rest,
        }
    }

    /// The next group of the member at hand, as far as it is wanted; `None` if it was given up.
    pub(super) async fn read_checked(&mut self) -> Option<Supply> {
        while self.lacking() > 0 {
            self.gather().await?;
        }
        let Check::On(checker) = &mut self.check else {
            return None;
        };
        match checker.finish() {
            Ok((at, group)) => {
                let wanted = self.wanted(at, &group);
                self.came(wanted.len() as u64);
                Some(Supply::Bytes(wanted))
            }
            Err(fault) => {
                self.tell(Input::Failed(fault));
                None
            }
        }
    }

    fn lacking(&self) -> usize {
        match &self.check {
            Check::On(checker) => checker.lacking(),
            Check::Unknown | Check::Off => 0,
        }
    }

    /// Takes what the member has for the group at hand.
    async fn gather(&mut self) -> Option<()> {
        let most = self.lacking().min(BUFFER_BYTES);
        self.tell(Input::Waiting);
        let (Feed::Member(stream), Check::On(checker)) = (&mut self.feed, &mut self.check) else {
            return None;
        };
        match within(&self.body, stream.read(most)).await {
            Some(Ok(bytes)) if !bytes.is_empty() => {
                checker.gathered.extend_from_slice(&bytes);
                // It does send, though nothing of it goes out yet.
                self.tell(Input::Came(0));
            }
            Some(Ok(_)) => self.tell(Input::Ended),
            Some(Err(fault)) => self.tell(Input::Failed(fault)),
            None => self.tell(Input::Tick),
        }
        matches!(self.feed, Feed::Member(_)).then_some(())
    }

    /// What the client is still to have of the group that begins at `at`.
    fn wanted(&self, at: u64, group: &Bytes) -> Bytes {
        let rest = self.body.rest();
        let within = |offset: u64| (offset.saturating_sub(at) as usize).min(group.len());
        group.slice(within(rest.start)..within(rest.end))
    }
}
