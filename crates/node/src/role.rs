//! The seam between answering requests and being a server or a mirror.
//!
//! Every call but [`Role::find`] is made on a serving thread: an implementation must never block on
//! the network or the disk.

use std::{net::IpAddr, sync::Arc};

use overspill_core::{
    catalog::{Catalog, Revision},
    dispatch::{Holding, Part, Ticket, Turn},
    fleet::{MemberId, Scheme},
    path::CatalogPath,
    root::Root,
};
use overspill_store::archive::Contents;
use overspill_wire::status::FleetStatus;

use crate::{
    dispatcher::{SharedDispatcher, Waiting},
    file::FoundFile,
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
