//! The server's side of answering requests: the live tree, recognised by the catalog.
//!
//! A file is opened first and compared with the catalog's entry after, so the bytes sent are the
//! bytes promised. It must never vouch for a file whose facts differ in anything from those that
//! were hashed.

use std::{
    fs::File,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use overspill_core::{
    catalog::{Catalog, Entry},
    dispatch::Ticket,
    fleet::MemberId,
    path::CatalogPath,
    root::Root,
};
use overspill_net::FileBody;
use overspill_node::{
    Ask, Complaints, ConfigurationProblem, Console, FileVersion, Found, FoundFile, Meter,
    NodeIdentity, OutboardDesk, Role, Route, SharedDispatcher, member_status,
    metrics::{ScrubCounts, Sheet},
    resident_bytes,
};
use overspill_store::{
    archive::Contents,
    tree::{FileFacts, LiveFile, OpenError, Opened, Tree},
};
use overspill_wire::{
    sources::Complaint,
    status::{CatalogStatus, FleetStatus},
    view,
};

use crate::{damage::Damage, metrics, publish::Published};

/// The server as the service sees it.
pub(crate) struct ServerRole {
    pub(crate) tree: Arc<Tree>,
    pub(crate) published: Arc<Published>,
    pub(crate) dispatcher: Arc<SharedDispatcher>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) identity: NodeIdentity,
    pub(crate) outboards: Arc<OutboardDesk>,
    pub(crate) damage: Arc<Damage>,
    pub(crate) scrub: Arc<ScrubCounts>,
    pub(crate) complaints: ComplaintBoxes,
    /// What is wrong with the configuration.
    pub(crate) configuration: ConfigurationProblem,
    pub(crate) console: Arc<Console>,
}

/// Where complaints go.
#[derive(Default)]
pub(crate) struct ComplaintBoxes {
    /// About members, for the check.
    pub(crate) of_members: Arc<Complaints>,
    /// About files of this server's own, for the scrub.
    pub(crate) of_own: Arc<Complaints>,
}

/// A file that changed less than this ago is sent by copy: whoever writes it may not be done.
const AT_REST_AFTER: Duration = Duration::from_secs(10);

impl ServerRole {
    fn found(&self, path: &CatalogPath, opened: Result<Opened, OpenError>) -> Found {
        match opened {
            Ok(Opened::File(live)) => self.recognise(path, live),
            Ok(Opened::Folder(_)) => Found::Folder,
            Err(OpenError::NotFound | OpenError::Escapes) => Found::Absent,
            Err(error) => {
                tracing::debug!(%path, %error, "cannot open");
                Found::Unreadable
            }
        }
    }

    fn recognise(&self, path: &CatalogPath, live: LiveFile) -> Found {
        let catalog = self.published.catalog();
        let facts = live.facts;
        let entry = catalog.entry(path);
        let entry = entry.filter(|entry| is_version(entry, &facts));
        if entry.is_some_and(|entry| self.damage.is_marked(path, entry)) {
            // The bytes that the catalog names are not here any more; a mirror may have them.
            return Found::Unreadable;
        }
        let content =
            entry.and_then(|entry| entry.content.map(|content| (content, entry.revision)));
        let live = Arc::new(live);
        Found::File(match content {
            Some((content, revision)) => FoundFile {
                body: if is_at_rest(&facts) {
                    FileBody::Live(live)
                } else {
                    FileBody::Hot(live)
                },
                version: FileVersion::known(facts.size, facts.mtime_ns, content, revision),
            },
            None => FoundFile {
                body: FileBody::Hot(live),
                version: FileVersion::hot(&facts),
            },
        })
    }

    fn problems(&self, catalog: &Catalog) -> Vec<String> {
        let mut problems = self.published.problems();
        problems.extend(self.damage.problem(catalog));
        problems.extend(self.configuration.load().as_deref().cloned());
        problems
    }

    /// The live file of an entry, if it still is that entry's.
    fn open_version(&self, path: &CatalogPath, entry: &Entry) -> Option<File> {
        match self.tree.open_path(path) {
            Ok(Opened::File(live)) if is_version(entry, &live.facts) => Some(live.file),
            _ => None,
        }
    }
}

/// Whether a file on the disk is the one that the entry was made from.
pub(crate) fn is_version(entry: &Entry, facts: &FileFacts) -> bool {
    (entry.size, entry.mtime_ns, entry.stamp) == (facts.size, facts.mtime_ns, Some(facts.stamp))
}

impl Role for ServerRole {
    fn name(&self) -> &str {
        &self.identity.name
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.published.catalog()
    }

    fn find(&self, path: &CatalogPath) -> Found {
        self.found(path, self.tree.open_path(path))
    }

    fn find_in_memory(&self, path: &CatalogPath) -> Option<Found> {
        let opened = self.tree.open_path_in_memory(path)?;
        Some(self.found(path, opened))
    }

    fn has_all(&self, _contents: &Contents) -> bool {
        // Before the first scan is through, the catalog may lack what nobody has seen yet.
        self.published.is_scanned()
    }

    fn meter(&self) -> Option<Arc<Meter>> {
        Some(Arc::clone(&self.meter))
    }

    fn measure(&self, sheet: &mut Sheet) {
        metrics::add(self, sheet);
    }

    fn outboards(&self) -> Option<Arc<OutboardDesk>> {
        Some(Arc::clone(&self.outboards))
    }

    fn open_content(&self, root: &Root) -> Option<File> {
        let catalog = self.published.catalog();
        let mut named = catalog
            .iter()
            .filter(|(_, entry)| entry.root() == Some(*root));
        named.find_map(|(path, entry)| self.open_version(path, entry))
    }

    fn complained(&self, client: IpAddr, complaint: Complaint) {
        let is_own = complaint.member.as_str() == view::SERVER;
        let complaints = match is_own {
            true => &self.complaints.of_own,
            false => &self.complaints.of_members,
        };
        complaints.take_in(Instant::now(), client, complaint);
    }

    fn route(&self, ask: &Ask<'_>) -> Route {
        self.dispatcher.route(ask)
    }

    fn dispatcher(&self) -> Option<Arc<SharedDispatcher>> {
        Some(Arc::clone(&self.dispatcher))
    }

    fn console(&self) -> Option<Arc<Console>> {
        Some(Arc::clone(&self.console))
    }

    fn returned_from(&self, member: &MemberId, ask: &Ask<'_>) {
        self.dispatcher.returned_from(member, ask);
    }

    fn arrived(&self, _ticket: &[u8]) -> Option<Ticket> {
        None
    }

    fn send_back(&self) -> Option<(String, MemberId)> {
        None
    }

    fn status(&self) -> FleetStatus {
        let now = Instant::now();
        let catalog = self.published.catalog();
        let totals = catalog.totals();
        let revision = catalog.revision();
        let members = self.dispatcher.inspect(|fleet| {
            fleet
                .members()
                .iter()
                .map(|member| member_status(member, revision, now))
                .collect()
        });
        FleetStatus {
            node: self.meter.node_status(&self.identity, now),
            instance: catalog.instance().to_string(),
            catalog: CatalogStatus {
                revision: revision.0,
                files: totals.files,
                folders: totals.folders,
                bytes: totals.bytes,
                unhashed: totals.unhashed,
                complete: revision.0,
                missing_objects: 0,
                missing_bytes: 0,
                damaged: self.damage.files(&catalog),
                resident_bytes: resident_bytes(),
            },
            policy: Some(self.dispatcher.policy().name().to_owned()),
            decisions: Some(self.dispatcher.counts()),
            members,
            told: Vec::new(),
            problems: self.problems(&catalog),
        }
    }

    fn is_ready(&self) -> bool {
        self.published.is_scanned()
    }
}

fn is_at_rest(facts: &FileFacts) -> bool {
    let changed_ns = u64::try_from(facts.stamp.ctime_ns.max(facts.mtime_ns)).unwrap_or(0);
    let changed = UNIX_EPOCH + Duration::from_nanos(changed_ns);
    SystemTime::now()
        .duration_since(changed)
        .is_ok_and(|age| age >= AT_REST_AFTER)
}
