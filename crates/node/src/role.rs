//! The seam between answering requests and being a server or a mirror.
//!
//! Every call but [`Role::find`] and [`Role::open_content`] is made on a serving thread: an implementation must never block on
//! the network or the disk.

use std::{fs::File, net::IpAddr, sync::Arc};

use overspill_core::{
    catalog::{Catalog, Revision},
    dispatch::{Holding, Manner, Part, Ticket, Turn},
    fleet::{Member, MemberId, Scheme, Zone},
    path::CatalogPath,
    root::Root,
};
use overspill_store::archive::Contents;
use overspill_wire::{sources::Complaint, status::FleetStatus};

use crate::{
    console::Console,
    dispatcher::{SharedDispatcher, Waiting},
    file::FoundFile,
    identity::Meter,
    metrics::Sheet,
    outboard::OutboardDesk,
};

/// What a node is: where its bytes come from and who else may serve them.
pub trait Role: Send + Sync + 'static {
    /// The node's name, for logs.
    fn name(&self) -> &str;

    /// The catalog as it is now.
    fn catalog(&self) -> Arc<Catalog>;

    /// What is at `path`. May wait for the disk, so it is called off the serving threads.
    fn find(&self, path: &CatalogPath) -> Found;

    /// What is at `path`, if that can be told without waiting for a disk.
    fn find_in_memory(&self, path: &CatalogPath) -> Option<Found>;
    /// Whether all of these contents are known, and their bytes on this node.
    ///
    /// For the moment of the call: [`Role::find`] has the last word on each file.
    fn has_all(&self, contents: &Contents) -> bool;

    /// Who is to serve this body.
    fn route(&self, ask: &Ask<'_>) -> Route;

    /// What decides in [`Role::route`]; `None` on a node that only serves.
    fn dispatcher(&self) -> Option<Arc<SharedDispatcher>> {
        None
    }

    /// What measures the node's load; `None` on one that is not measured.
    fn meter(&self) -> Option<Arc<Meter>> {
        None
    }

    /// Adds the metrics that only a node of this kind has. May read the disk, so it is called off the
    /// serving threads.
    fn measure(&self, _sheet: &mut Sheet) {}

    /// What the console shows; `None` on a node that has none.
    fn console(&self) -> Option<Arc<Console>> {
        None
    }

    /// Where outboards are given out; `None` on a node that has none.
    fn outboards(&self) -> Option<Arc<OutboardDesk>> {
        None
    }

    /// Opens a content by its root, wherever it is on this node. May search and wait for the disk, so
    /// it is called off the serving threads.
    fn open_content(&self, _root: &Root) -> Option<File> {
        None
    }

    /// A client says that a member sent wrong bytes. Nothing may follow but a look.
    fn complained(&self, _client: IpAddr, _complaint: Complaint) {}

    /// A client came back because this member failed it.
    fn returned_from(&self, member: &MemberId, ask: &Ask<'_>);

    /// A client arrived with a ticket. `None` if the ticket means nothing here.
    fn arrived(&self, ticket: &[u8]) -> Option<Ticket>;

    /// Where a client is sent that cannot be served here: scheme, authority and the name to avoid.
    /// `None` on a server, which is the last resort itself.
    fn send_back(&self) -> Option<(String, MemberId)>;

    /// The node and its fleet in figures.
    fn status(&self) -> FleetStatus;

    /// Whether this node can serve everything there is.
    fn is_ready(&self) -> bool;

    /// Whether this node is about to end and wants no new work.
    fn is_draining(&self) -> bool {
        false
    }
}

/// What is at a path.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Absent,
    /// The catalog has it, but the bytes are not on this node.
    Elsewhere,
    /// A file.
    File(FoundFile),
    /// A folder.
    Folder,
    /// It is there and cannot be read; already logged.
    Unreadable,
}

/// A body that someone has to send.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The batch that last changed the entry.
    pub revision: Revision,
    /// The content.
    pub root: Root,
    /// Bytes of the body.
    pub bytes: u64,
    /// Which part of the content it is.
    pub part: Part,
    /// Whether this node has it.
    pub holding: Holding,
    /// Who asks.
    pub client: IpAddr,
    /// Whether it has waited.
    pub turn: Turn,
    /// Members that failed this client.
    pub avoid: &'a [MemberId],
    /// The `Host` the client asked, so that a mirror can send it back to the same name.
    pub host: &'a [u8],
    /// How it asked: nobody is sent from https to http.
    pub scheme: Scheme,
    /// Most members that a redirect is to name, the chosen one among them.
    pub links: usize,
    /// How it may be led to another node.
    pub manner: Manner,
}

/// A node that has what was asked for, and may serve it to this client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holder {
    /// Its scheme and authority; no slash at the end.
    pub url: String,
    /// Where it stands, if anybody said.
    pub zone: Option<Zone>,
}

impl Holder {
    /// A member as a holder, for whoever knows that it is one.
    pub fn of(member: &Member) -> Self {
        Self {
            url: member.url().to_owned(),
            zone: member.zone().cloned(),
        }
    }

    /// The country it stands in, if its zone is one.
    pub fn country(&self) -> Option<&str> {
        self.zone.as_ref().and_then(Zone::country)
    }
}

/// Who is to serve.
#[derive(Debug)]
pub enum Route {
    /// This node.
    Here,
    /// Another.
    Redirect {
        /// The member.
        member: MemberId,
        /// Its scheme and authority.
        url: String,
        /// The sealed ticket. It names no member, so it is good wherever the content is.
        ticket: String,
        /// Who could serve it, too, best first, the member itself at the head; at most
        /// [`Ask::links`].
        links: Vec<Holder>,
    },
    /// Another, through this one.
    Relay {
        /// The member.
        member: MemberId,
        /// Its scheme and authority.
        url: String,
        /// The sealed ticket.
        ticket: String,
    },
    /// Nobody yet.
    Wait(Waiting),
    /// Nobody, for so many seconds.
    Reject {
        /// For `Retry-After`.
        retry_after_s: u32,
    },
    /// Nobody who could be reached has it.
    Nowhere,
}
