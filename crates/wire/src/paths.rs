//! Our URL space: everything of ours lies under `/-/`, everything else is the tree.
//!
//! Only names here; what they do is told where they are served.

/// Everything under this prefix is ours.
pub const PREFIX: &str = "/-/";
/// The feed: `?since=REVISION&instance=ID`.
pub const CATALOG: &str = "/-/catalog";
/// The first half of joining.
pub const HELLO: &str = "/-/fleet/hello";
/// The second half of joining.
pub const JOIN: &str = "/-/fleet/join";
/// A member's event stream.
pub const EVENTS: &str = "/-/fleet/events";
/// Load reports.
pub const REPORT: &str = "/-/fleet/report";
/// The fleet for people and programs.
pub const FLEET: &str = "/-/api/fleet";
/// The console's page; its parts follow.
pub const CONSOLE: &str = PREFIX;
/// The fleet as it goes, an event stream.
pub const LIVE: &str = "/-/api/live";
/// The last minutes of a member: `?member=NAME`.
pub const HISTORY: &str = "/-/api/history";
/// An admin shows the admin token, and has a session.
pub const LOGIN: &str = "/-/api/login";
/// The session's end.
pub const LOGOUT: &str = "/-/api/logout";
/// Whether whoever asks is an admin.
pub const SESSION: &str = "/-/api/session";
/// What an admin orders.
pub const ADMIN_ORDER: &str = "/-/api/order";
/// The last decisions of a node: `?limit=N`.
pub const DECISIONS: &str = "/-/api/decisions";
/// The last events of a node: `?after=SEQ&limit=N`.
pub const LOGGED: &str = "/-/api/events";
/// Why a file would be served by whom: the file's own path follows, `?from=ADDRESS`.
pub const EXPLAIN: &str = "/-/explain";
/// Who has a folder or file: `?path=PATH`, `&format=text|apt|json`.
pub const MIRRORS: &str = "/-/mirrors";
/// The same for apt.
pub const MIRRORS_APT: &str = "/-/mirrors.apt";
/// The outboard of a content: its root in hexadecimal follows, `?group=BYTES`.
pub const OUTBOARD: &str = "/-/outboard";
/// Who has a file: the file's own path follows, `?avoid=MEMBERS`.
pub const SOURCES: &str = "/-/sources";
/// That a member sent wrong bytes.
pub const COMPLAINT: &str = "/-/api/complaint";
/// What an operator orders.
pub const ORDER: &str = "/-/fleet/order";
/// Alive?
pub const HEALTH: &str = "/-/health";
/// For monitoring systems: the text of Prometheus and OpenMetrics.
pub const METRICS: &str = "/-/metrics";
/// Ready to serve everything?
pub const READY: &str = "/-/ready";

/// Query parameter of a redirect: the signed ticket.
pub const TICKET: &str = "ticket";
/// Query parameter: members that failed this client, separated by commas.
pub const AVOID: &str = "avoid";

/// Query parameter of whoever wants the bytes from this very node, no redirect: mirrors that copy.
pub const DIRECT: &str = "direct";

/// Query parameter of a client that wants another node's bytes through this one, no redirect.
pub const RELAY: &str = "relay";

/// Field of a redirect that names the member it leads to, for clients that can use it.
pub const MEMBER_FIELD: &str = "overspill-member";
