//! What a download tells while it runs.
//!
//! Observers are called between two reads from the network: they must return at once, and they can
//! change nothing.

use std::time::Duration;

use overspill_core::root::Root;

/// Something that happened to a download.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// Bytes came from the network.
    Bytes {
        /// How many bytes of the file are there by now; in a file that comes in pieces, verified
        /// ones.
        position_bytes: u64,
        /// How many came over the network in this run, those thrown away included.
        received_bytes: u64,
    },
    /// The file has its final name (or the stream is at its end). Always the last.
    Finished,
    /// A piece was wrong and comes again, from somebody else.
    PieceRefuted {
        /// Where in the file the wrong bytes are.
        offset: u64,
        /// Who sent them.
        source: String,
    },
    /// The server sent us to a member of its fleet.
    Redirected {
        /// The member's name.
        member: String,
    },
    /// Something failed and is tried again.
    Retrying {
        /// The member that will be avoided from now on, if one is to blame.
        avoided: Option<String>,
        /// How long until the next try.
        pause: Duration,
        /// What failed, in words.
        reason: String,
    },
    /// Nothing came for a while, or nobody is left: sources are asked for again.
    Searching,
    /// A source can be asked.
    SourceAdded {
        /// Its name.
        source: String,
    },
    /// A source sent wrong bytes, and is not asked again.
    SourceBanned {
        /// Its name.
        source: String,
    },
    /// A source is not asked any more, or not for a while.
    SourceLeft {
        /// Its name.
        source: String,
        /// Why, in words.
        reason: String,
    },
    /// A source that was slow is asked again.
    SourceRestored {
        /// Its name.
        source: String,
    },
    /// The first bytes are about to come; told again whenever the download begins anew.
    Started {
        /// How many bytes are there from an earlier run.
        resumed_from_bytes: u64,
        /// The root the bytes will be checked against; `None` when the server tells none.
        root: Option<Root>,
        /// The size; `None` when the server does not tell it.
        size_bytes: Option<u64>,
    },
    /// The bytes are those of this root.
    Verified {
        /// It.
        root: Root,
    },
}

/// Who wants to know. Every `FnMut(&Progress)` is one.
pub trait Observer: Send {
    /// Called for each event, in order.
    fn observe(&mut self, progress: &Progress);
}

impl<F: FnMut(&Progress) + Send> Observer for F {
    fn observe(&mut self, progress: &Progress) {
        self(progress);
    }
}
