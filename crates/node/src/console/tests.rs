//! Streams of the console over a role that only has figures.

use std::net::IpAddr;

use overspill_core::{
    catalog::{Catalog, InstanceId},
    dispatch::Ticket,
    fleet::MemberId,
    path::CatalogPath,
};
use overspill_net::{Decision, Label};
use overspill_store::archive::Contents;
use overspill_wire::{
    live::{LiveSample, SAMPLE, SNAPSHOT},
    status::{CatalogStatus, FleetStatus, MemberStatus, NodeStatus},
};

use super::*;
use crate::{Ask, Found, Route};

/// Somebody who watches.
const VIEWER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

/// A server with a script for a status and nothing else.
#[derive(Default)]
struct Quiet {
    members: Mutex<Vec<MemberStatus>>,
}

impl Quiet {
    fn set(&self, members: &[(&str, u64)]) {
        let member = |&(name, egress_bytes_per_s): &(&str, u64)| MemberStatus {
            name: name.to_owned(),
            egress_bytes_per_s,
            flows: 1,
            ..MemberStatus::default()
        };
        *self.members.lock().unwrap() = members.iter().map(member).collect();
    }
}

impl Role for Quiet {
    fn name(&self) -> &'static str {
        "server"
    }

    fn catalog(&self) -> Arc<Catalog> {
        Arc::new(Catalog::new(InstanceId(1)))
    }

    fn find(&self, _path: &CatalogPath) -> Found {
        Found::Absent
    }

    fn find_in_memory(&self, _path: &CatalogPath) -> Option<Found> {
        None
    }

    fn has_all(&self, _contents: &Contents) -> bool {
        true
    }

    fn route(&self, _ask: &Ask<'_>) -> Route {
        Route::Here
    }

    fn returned_from(&self, _member: &MemberId, _ask: &Ask<'_>) {}

    fn arrived(&self, _ticket: &[u8]) -> Option<Ticket> {
        None
    }

    fn send_back(&self) -> Option<(String, MemberId)> {
        None
    }

    fn status(&self) -> FleetStatus {
        FleetStatus {
            node: NodeStatus {
                role: "server".to_owned(),
                name: "server".to_owned(),
                zone: None,
                version: String::new(),
                uptime_s: 0,
                flows: 2,
                egress_bytes_per_s: 1000,
                capacity_bytes_per_s: 0,
                flows_served: 0,
                bytes_served: 0,
                server: None,
            },
            instance: String::new(),
            catalog: CatalogStatus::default(),
            policy: None,
            decisions: None,
            members: self.members.lock().unwrap().clone(),
            told: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn is_ready(&self) -> bool {
        true
    }
}

fn console() -> (Arc<Console>, Quiet, Arc<FlowTable>) {
    let flows = Arc::new(FlowTable::new(1));
    let console = Arc::new(Console::new(Arc::clone(&flows), Instant::now()));
    (console, Quiet::default(), flows)
}

/// The next event, which must be there already.
fn next(viewer: &mut Viewer) -> Option<(&'static str, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(viewer.next())
}

fn snapshot(viewer: &mut Viewer) -> LiveSnapshot {
    let (name, text) = next(viewer).unwrap();
    assert_eq!(name, SNAPSHOT);
    serde_json::from_str(&text).unwrap()
}

fn sample(viewer: &mut Viewer) -> LiveSample {
    let (name, text) = next(viewer).unwrap();
    assert_eq!(name, SAMPLE);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_stream_is_a_snapshot_and_then_what_has_changed() {
    let (console, role, _) = console();
    role.set(&[("a", 10), ("b", 20)]);
    console.sample(&role, Instant::now());
    let mut viewer = console.open_stream(&role, VIEWER).unwrap();
    let first = snapshot(&mut viewer);
    assert_eq!(first.status.members.len(), 2);
    assert_eq!(first.history.fleet_bytes_per_s, [1030]);
    assert_eq!(first.history.flows, [4]);

    role.set(&[("b", 25), ("c", 5)]);
    console.sample(&role, Instant::now());
    let second = sample(&mut viewer);
    assert_eq!(second.seq, first.seq + 1);
    let names = |members: &[MemberStatus]| -> Vec<String> {
        members.iter().map(|member| member.name.clone()).collect()
    };
    assert_eq!(names(&second.members), ["b", "c"]);
    assert_eq!(second.gone, ["a"]);
    assert_eq!(second.second.fleet_bytes_per_s, 1030);

    console.sample(&role, Instant::now());
    let third = sample(&mut viewer);
    assert_eq!((third.members, third.gone), (vec![], vec![]), "nothing has");
}

#[test]
fn who_is_too_slow_gets_a_snapshot_and_no_queue() {
    let (console, role, _) = console();
    let mut viewer = console.open_stream(&role, VIEWER).unwrap();
    let first = snapshot(&mut viewer);
    for _ in 0..3 {
        console.sample(&role, Instant::now());
    }
    let later = snapshot(&mut viewer);
    assert_eq!(later.seq, first.seq + 3);
    console.sample(&role, Instant::now());
    assert_eq!(sample(&mut viewer).seq, later.seq + 1);
}

#[test]
fn places_are_limited_and_given_back() {
    let (console, role, _) = console();
    let client = |at: usize| IpAddr::from([192, 0, 2, (at / VIEWERS_OF_NETWORK_MAX) as u8]);
    let mut viewers: Vec<Viewer> = (0..VIEWERS_OF_NETWORK_MAX)
        .map(|at| console.open_stream(&role, client(at)).unwrap())
        .collect();
    assert!(console.open_stream(&role, client(0)).is_none());
    viewers.extend(
        (VIEWERS_OF_NETWORK_MAX..VIEWERS_MAX)
            .map(|at| console.open_stream(&role, client(at)).unwrap()),
    );
    assert!(console.open_stream(&role, VIEWER).is_none());
    viewers.remove(0);
    assert!(console.open_stream(&role, client(0)).is_some());
    drop(viewers);
    assert_eq!(console.viewers().by_network.len(), 0, "all is given back");
}

#[test]
fn nothing_is_made_while_nobody_watches_and_all_streams_end_with_the_node() {
    let (console, role, _) = console();
    console.sample(&role, Instant::now());
    assert!(console.state().maker.is_stale(Instant::now()));
    let mut viewer = console.open_stream(&role, VIEWER).unwrap();
    snapshot(&mut viewer);
    console.close();
    // Told after it was closed.
    console.sample(&role, Instant::now());
    assert_eq!(next(&mut viewer), None);
    assert_eq!(next(&mut console.open_stream(&role, VIEWER).unwrap()), None);
}

#[test]
fn flows_and_files_are_told_without_anybodys_address() {
    let (console, role, flows) = console();
    let client: IpAddr = "192.0.2.77".parse().unwrap();
    let label = Label::new(b"/a%20b.iso", client, &Decision::Serve);
    let begun = flows.shard(0).begin_labelled(1000, label);
    begun.sent(400);
    let path = CatalogPath::parse(b"a b.iso").unwrap();
    console.demand_of(0).count(&path, None, 100_000);
    let mut viewer = console.open_stream(&role, VIEWER).unwrap();
    let (_, text) = next(&mut viewer).unwrap();
    assert!(!text.contains("192.0.2.77"), "{text}");
    let told: LiveSnapshot = serde_json::from_str(&text).unwrap();
    let [flow] = &told.now.flows[..] else {
        panic!("{text}");
    };
    assert_eq!((flow.bytes, flow.sent_bytes), (1000, 400));
    assert_eq!(flow.client, "192.0.2.0/24");
    assert_eq!(flow.path, "/a%20b.iso");
    assert_eq!(told.now.files[0].bytes, 100_000);
}
