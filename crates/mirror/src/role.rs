//! The mirror's side of answering requests: verified objects under the catalog's names.
//!
//! What the catalog names and the store does not hold is not here, and the client is sent back to
//! where it came from. It must never serve an older version in place of a newer one.

use std::{
    fs::File,
    net::IpAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use overspill_core::{
    catalog::{Catalog, Content, Entry, Kind, Revision},
    dispatch::Ticket,
    fleet::{Condition, MemberId},
    path::CatalogPath,
    root::Root,
    secret::Key,
};
use overspill_net::FileBody;
use overspill_node::{
    Ask, Complaints, ConfigurationProblem, Console, FileVersion, Found, FoundFile, Meter,
    NodeIdentity, OutboardDesk, Role, Route, SharedDispatcher, member_status,
    metrics::{ScrubCounts, Sheet},
    resident_bytes,
};
use overspill_store::{
    archive::{Contents, Item},
    objects::ObjectError,
};
use overspill_wire::{
    sources::Complaint,
    status::{CatalogStatus, FleetStatus},
};
use tokio::sync::watch;

use crate::{
    drain::Drain, link::Link, metrics, replica::Replica, report::Arrivals, session::ServerUrl,
    sync::Syncer,
};

/// The mirror as the service sees it.
pub(crate) struct MirrorRole {
    pub(crate) replica: Arc<Replica>,
    pub(crate) syncer: Arc<Syncer>,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) dispatcher: Arc<SharedDispatcher>,
    pub(crate) scrub: Arc<ScrubCounts>,
    pub(crate) drain: Arc<Drain>,
    pub(crate) outboards: Arc<OutboardDesk>,
    /// About objects of its own, for the scrub to look into.
    pub(crate) complaints: Arc<Complaints>,
    pub(crate) identity: NodeIdentity,
    pub(crate) member: MemberId,
    pub(crate) server: ServerUrl,
    pub(crate) link: watch::Receiver<Link>,
    pub(crate) ticket_key: Key,
    /// What is wrong with the configuration.
    pub(crate) configuration: ConfigurationProblem,
    pub(crate) console: Arc<Console>,
}

/// What the catalog says about a path.
enum Looked {
    /// All there is to say.
    Found(Found),
    /// A file with this content, which the store may hold.
    Named(Arc<Entry>, Content),
}

fn found_file(entry: &Entry, content: Content, body: FileBody) -> Found {
    let version = FileVersion::known(entry.size, entry.mtime_ns, content, entry.revision);
    Found::File(FoundFile { body, version })
}

impl MirrorRole {
    fn object(&self, root: &Root) -> Option<FileBody> {
        match self.replica.store.open_object(root) {
            Ok(file) => Some(FileBody::Object(Arc::new(file))),
            Err(ObjectError::NotHeld { .. }) if !self.replica.is_held(root) => None,
            Err(error) => {
                // Only a bad disk or a missing file is the object's fault; being out of descriptors
                // or memory is not.
                if error.is_loss() {
                    tracing::error!(
                        event = "object-lost", %root, %error,
                        "a stored object cannot be read; it is fetched again; check the disk"
                    );
                    self.replica.lost(&[*root]);
                }
                None
            }
        }
    }

    /// What the catalog says about `path`.
    fn look_up(&self, path: &CatalogPath) -> Looked {
        let catalog = self.replica.catalog();
        if path.is_root() {
            return Looked::Found(Found::Folder);
        }
        let Some(entry) = catalog.entry(path) else {
            // Before the first catalog a mirror knows nothing, not even what there is not.
            let knows_nothing = catalog.revision() == Revision::ZERO;
            return Looked::Found(if knows_nothing {
                Found::Elsewhere
            } else {
                Found::Absent
            });
        };
        match (entry.kind, entry.content) {
            (Kind::Folder, _) => Looked::Found(Found::Folder),
            (Kind::File, None) => Looked::Found(Found::Elsewhere),
            (Kind::File, Some(content)) => Looked::Named(Arc::clone(entry), content),
        }
    }

    fn is_connected(&self) -> bool {
        matches!(*self.link.borrow(), Link::Connected(_))
    }

    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<_> = self
            .configuration
            .load()
            .as_deref()
            .cloned()
            .into_iter()
            .collect();
        if self.syncer.condition() == Condition::DiskFull {
            problems.push("the disk of the store is full; fetching has stopped".to_owned());
        }
        if let Link::Away(Some(reason)) = &*self.link.borrow() {
            problems.push(format!(
                "the server {} is away: {reason}",
                self.server.as_str()
            ));
        }
        let bad = self.scrub.bad.load(Relaxed);
        if bad > 0 {
            problems.push(format!(
                "{bad} stored objects were bad and have been fetched again"
            ));
        }
        problems
    }
}

impl Role for MirrorRole {
    fn name(&self) -> &str {
        &self.identity.name
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.replica.catalog()
    }

    fn find(&self, path: &CatalogPath) -> Found {
        match self.look_up(path) {
            Looked::Found(found) => found,
            Looked::Named(entry, content) => match self.object(&content.root) {
                Some(body) => found_file(&entry, content, body),
                None => Found::Elsewhere,
            },
        }
    }

    fn find_in_memory(&self, path: &CatalogPath) -> Option<Found> {
        match self.look_up(path) {
            Looked::Found(found) => Some(found),
            Looked::Named(entry, content) => {
                let file = self.replica.store.open_object_in_memory(&content.root)?;
                let body = FileBody::Object(Arc::new(file));
                Some(found_file(&entry, content, body))
            }
        }
    }

    fn has_all(&self, contents: &Contents) -> bool {
        let is_here = |item: &Item| match item.entry.root() {
            Some(root) => self.replica.is_held(&root),
            None => item.is_folder(),
        };
        // Before the first catalog a mirror knows nothing, not even what there is not.
        contents.revision() != Revision::ZERO && contents.after(None).all(|item| is_here(&item))
    }

    fn dispatcher(&self) -> Option<Arc<SharedDispatcher>> {
        Some(Arc::clone(&self.dispatcher))
    }

    fn meter(&self) -> Option<Arc<Meter>> {
        Some(Arc::clone(&self.meter))
    }

    fn measure(&self, sheet: &mut Sheet) {
        metrics::add(self, sheet);
    }

    fn is_draining(&self) -> bool {
        self.drain.is_on()
    }

    fn outboards(&self) -> Option<Arc<OutboardDesk>> {
        Some(Arc::clone(&self.outboards))
    }

    fn open_content(&self, root: &Root) -> Option<File> {
        self.replica.store.open_object(root).ok()
    }

    fn complained(&self, client: IpAddr, complaint: Complaint) {
        // About others the server has to be asked: it alone can keep clients from them.
        if complaint.member == self.member {
            self.complaints.take_in(Instant::now(), client, complaint);
        }
    }

    fn route(&self, ask: &Ask<'_>) -> Route {
        self.dispatcher.route(ask)
    }

    fn console(&self) -> Option<Arc<Console>> {
        Some(Arc::clone(&self.console))
    }

    fn returned_from(&self, member: &MemberId, ask: &Ask<'_>) {
        self.dispatcher.returned_from(member, ask);
    }

    fn arrived(&self, ticket: &[u8]) -> Option<Ticket> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        let ticket = Ticket::open(ticket, &self.ticket_key, now).ok()?;
        self.arrivals.note(ticket.dispatch);
        // Soon told: until then the server counts the flow here, however short it was.
        self.replica.changed.notify_one();
        Some(ticket)
    }

    fn send_back(&self) -> Option<(String, MemberId)> {
        let server = self.server.as_str().to_owned();
        self.is_connected().then(|| (server, self.member.clone()))
    }

    fn status(&self) -> FleetStatus {
        let catalog = self.replica.catalog();
        let totals = catalog.totals();
        let progress = self.replica.progress();
        let now = Instant::now();
        let mut node = self.meter.node_status(&self.identity, now);
        let told = self.dispatcher.inspect(|fleet| {
            let members = fleet.members().iter();
            let told = members.map(|member| member_status(member, progress.catalog, now));
            told.collect()
        });
        node.server = Some(
            if self.is_connected() {
                "connected"
            } else {
                "away"
            }
            .to_owned(),
        );
        FleetStatus {
            node,
            instance: catalog.instance().to_string(),
            catalog: CatalogStatus {
                revision: progress.catalog.0,
                files: totals.files,
                folders: totals.folders,
                bytes: totals.bytes,
                unhashed: totals.unhashed,
                complete: progress.complete.0,
                missing_objects: progress.missing_objects,
                missing_bytes: progress.missing_bytes,
                damaged: self.scrub.bad.load(Relaxed),
                resident_bytes: resident_bytes(),
            },
            policy: Some(self.dispatcher.policy().name().to_owned()),
            decisions: Some(self.dispatcher.counts()),
            members: Vec::new(),
            told,
            problems: self.problems(),
        }
    }

    fn is_ready(&self) -> bool {
        let progress = self.replica.progress();
        let has_all = match *self.link.borrow() {
            Link::Connected(server) => progress.complete >= server,
            // All it was ever told of: a fleet behind a balancer must not go down with its server.
            Link::Away(_) => {
                progress.catalog > Revision::ZERO && progress.complete >= progress.catalog
            }
            Link::Refused(_) => false,
        };
        has_all && self.replica.is_durable()
    }
}
