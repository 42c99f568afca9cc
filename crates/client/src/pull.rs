//! A large file in pieces, from everyone who has it.
//!
//! `find` learns who that is and how pieces can be proved; `engine` drives
//! [`overspill_core::transfer::Scheduler`], which decides; a `lane` is one request; `sink` takes what
//! was verified. What is small, or cannot be split, goes the way of one request (`download::session`)
//! instead. It must never let a byte through that its proof does not cover.

mod complaints;
mod digest;
mod engine;
mod find;
mod keeper;
mod lane;
mod links;
mod partials;
mod proof;
mod rescan;
mod sink;

use std::time::Duration;

use overspill_core::root::Root;

pub(crate) use self::{
    digest::Digest,
    engine::{Engine, Stopped},
    find::{Found, find, foreign, foreign_holder},
    proof::Proof,
};
use crate::url::HttpUrl;

/// What is to be pulled, and from whom.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What the user asked for.
    pub(crate) url: HttpUrl,
    pub(crate) size_bytes: u64,
    pub(crate) piece_bytes: u64,
    /// The root, where the server tells one.
    pub(crate) root: Option<Root>,
    /// The strong entity tag of the origin; `None` where holders may have different ones.
    pub(crate) tag: Option<String>,
    /// What shows that a piece is right.
    pub(crate) proof: Proof,
    /// What shows that all of it is, where pieces cannot be proved.
    pub(crate) digest: Option<Digest>,
    pub(crate) holders: Vec<Holder>,
    pub(crate) fleet: Fleet,
}

/// Where the file can be had.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Holder {
    /// For people: the member's name, or host and port.
    pub(crate) name: String,
    /// The member's name, if it is one.
    pub(crate) member: Option<String>,
    pub(crate) url: HttpUrl,
    /// The tag its answers must have; `None` where any strong one does.
    pub(crate) tag: Option<String>,
    pub(crate) is_origin: bool,
}

/// Who tells where the file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fleet {
    /// Some HTTP server: all is known that ever will be.
    Foreign,
    /// A metalink: the same, and no other version will do.
    Metalink,
    /// Nodes of Overspill: they can be asked again, and told of wrong bytes.
    Ours,
}

/// How far a pull may go, as the user wants it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width {
    pub(crate) connections: u32,
    pub(crate) per_host: u32,
    pub(crate) stall: Duration,
    pub(crate) tries: u32,
}

impl Plan {
    /// What is known of the bytes once all pieces are there.
    pub(crate) fn verification(&self) -> crate::Verification {
        use crate::Verification;
        match (&self.root, &self.proof, &self.digest) {
            (Some(root), ..) => Verification::Root(*root),
            (None, _, Some(Digest::Sha256(digest))) => Verification::Sha256(*digest),
            (None, Proof::Sha256 { .. }, _) => Verification::Pieces,
            _ => Verification::LengthOnly,
        }
    }

    /// Only the holder that was asked for: for when it cannot be told who of several is wrong.
    pub(crate) fn only_origin(mut self) -> Option<Self> {
        let before = self.holders.len();
        self.holders.retain(|holder| holder.is_origin);
        (!self.holders.is_empty() && self.holders.len() < before).then_some(self)
    }
}

/// Files below go whole, by one request to one source: splitting would cost more than it brings.
pub(crate) const SPLIT_BYTES_MIN: u64 = 4 << 20;
