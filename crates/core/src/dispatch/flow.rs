//! What somebody has to send, and to whom.

use core::net::IpAddr;

use crate::{
    catalog::Revision,
    fleet::{MemberId, Scheme},
    root::Root,
};

/// A response body someone has to send.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    /// The batch that last changed the entry.
    pub revision: Revision,
    /// The content.
    pub root: Root,
    /// Bytes of the body (of the range, if one was asked for).
    pub bytes: u64,
    /// Which part of the content it is.
    pub part: Part,
    /// Whether the node that decides could send it.
    pub holding: Holding,
    /// Who asks.
    pub client: IpAddr,
    /// Members that failed this client.
    pub avoid: &'a [MemberId],
    /// How the client asked; it is not led from https to http.
    pub scheme: Scheme,
    /// Whether it has waited.
    pub turn: Turn,
    /// How it may be led to another node.
    pub manner: Manner,
}

/// Which part of a content is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// All of it.
    Whole,
    /// From here to the end: a download that goes on, or the last segment of one.
    Rest(u64),
    /// Something else: a segment, a few ranges.
    Span,
}

/// How a client may be led to another node.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Manner {
    /// As it is set.
    #[default]
    AsSet,
    /// By relay, and from another node rather than from here: the client has asked for that.
    ByRelay,
    /// By anything but a redirect, which it would not follow.
    NotByRedirect,
}

/// How a flow gets to a client from a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// The client is sent there.
    Redirect,
    /// Through this node.
    Relay,
}

/// Whether the node that decides has the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Holding {
    /// It has.
    Here,
    /// It has not.
    Elsewhere,
}

/// Whether a flow is asked for anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// It is.
    First,
    /// It is a window of a body that several feed at once, and the members that are avoided feed the
    /// others. It has its slot.
    Striped,
    /// Its body has begun, and whoever fed it has failed. It has its slot.
    Underway,
    /// It has waited for a slot, and now is its turn.
    Waited,
}

impl Turn {
    /// Whether the body it belongs to was let in before.
    pub fn has_slot(self) -> bool {
        matches!(self, Self::Striped | Self::Underway)
    }
}

impl Part {
    /// Whether the client has some of it already.
    pub fn is_resumed(self) -> bool {
        matches!(self, Self::Rest(from) if from > 0)
    }
}
