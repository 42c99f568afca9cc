//! The server's side of answering requests: the live tree, recognised by the catalog.
//!
//! A file is opened first and compared with the catalog's entry after, so the bytes sent are the
//! bytes promised. It must never vouch for a file whose facts differ in anything from those that
//! were hashed.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use overspill_core::{
    catalog::{Catalog, Revision},
    dispatch::Ticket,
    fleet::{Condition, Member, MemberId},
    path::CatalogPath,
};
use overspill_net::FileBody;
use overspill_node::{
    Ask, FileVersion, Found, FoundFile, Meter, NodeIdentity, Role, Route, SharedDispatcher,
    resident_bytes,
};
use overspill_store::{
    archive::Contents,
    tree::{FileFacts, LiveFile, OpenError, Opened, Tree},
};
use overspill_wire::status::{CatalogStatus, FleetStatus, MemberStatus};

use crate::publish::Published;

/// The server as the service sees it.
pub(crate) struct ServerRole {
    pub(crate) tree: Arc<Tree>,
    pub(crate) published: Arc<Published>,
    pub(crate) dispatcher: Arc<SharedDispatcher>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) identity: NodeIdentity,
}

/// A file that changed less than this ago is sent by copy: whoever writes it may not be done.
const AT_REST_AFTER: Duration = Duration::from_secs(10);

impl ServerRole {
    fn found(&self, path: &CatalogPath, opened: Result<Opened, OpenError>) -> Found {
        match opened {
            Ok(Opened::File(live)) => Found::File(self.recognise(path, live)),
            Ok(Opened::Folder(_)) => Found::Folder,
            Err(OpenError::NotFound | OpenError::Escapes) => Found::Absent,
            Err(error) => {
                tracing::debug!(%path, %error, "cannot open");
                Found::Unreadable
            }
        }
    }

    fn recognise(&self, path: &CatalogPath, live: LiveFile) -> FoundFile {
        let catalog = self.published.catalog();
        let facts = live.facts;
        let entry = catalog.entry(path).filter(|entry| {
            (entry.size, entry.mtime_ns, entry.stamp)
                == (facts.size, facts.mtime_ns, Some(facts.stamp))
        });
        let content =
            entry.and_then(|entry| entry.content.map(|content| (content, entry.revision)));
        let live = Arc::new(live);
        match content {
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
        }
    }
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

    fn route(&self, ask: &Ask<'_>) -> Route {
        self.dispatcher.route(ask)
    }

    fn dispatcher(&self) -> Option<Arc<SharedDispatcher>> {
        Some(Arc::clone(&self.dispatcher))
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
                resident_bytes: resident_bytes(),
            },
            policy: Some(self.dispatcher.policy().name().to_owned()),
            decisions: Some(self.dispatcher.counts()),
            members,
            problems: self.published.problems(),
        }
    }

    fn is_ready(&self) -> bool {
        self.published.is_scanned()
    }
}

fn member_status(member: &Member, revision: Revision, now: Instant) -> MemberStatus {
    let report = member.report();
    let figure = |figure: fn(&overspill_core::fleet::Report) -> u64| report.map_or(0, figure);
    let condition = report.and_then(|report| match report.condition {
        Condition::Normal => None,
        Condition::DiskFull => Some("disk full: it serves what it has and fetches nothing"),
        Condition::Overloaded => Some("no slot free"),
        Condition::Draining => Some("finishing what runs"),
    });
    MemberStatus {
        name: member.id().to_string(),
        url: member.url().to_owned(),
        state: member.state().to_string(),
        condition: condition.map(str::to_owned),
        version: member.hello().version.clone(),
        lag_revisions: revision
            .0
            .saturating_sub(figure(|report| report.complete.0)),
        missing_bytes: figure(|report| report.missing_bytes),
        flows: member.load().flows(),
        egress_bytes_per_s: figure(|report| report.egress_bytes_per_s as u64),
        capacity_bytes_per_s: member.capacity().bytes_per_s() as u64,
        flows_served: figure(|report| report.flows_served),
        bytes_served: figure(|report| report.bytes_served),
        error_ratio: member.error_ratio(now),
    }
}

fn is_at_rest(facts: &FileFacts) -> bool {
    let changed_ns = u64::try_from(facts.stamp.ctime_ns.max(facts.mtime_ns)).unwrap_or(0);
    let changed = UNIX_EPOCH + Duration::from_nanos(changed_ns);
    SystemTime::now()
        .duration_since(changed)
        .is_ok_and(|age| age >= AT_REST_AFTER)
}
