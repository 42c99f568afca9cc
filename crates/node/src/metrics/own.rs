//! What every node knows: its requests, its load, its decisions, its catalog.
//!
//! One function for each of these. It must never wait for anything but the locks that the status
//! page takes as well.

use std::time::Instant;

use overspill_core::load::Footing;
use overspill_net::{DecisionKind, FlowTable, Tallied};
use overspill_wire::status::{CatalogStatus, DecisionCounts, FleetStatus};

use super::{
    family::{Family, Unit},
    sheet::Sheet,
};
use crate::{
    dispatcher::SharedDispatcher,
    identity::{Meter, Reading},
    role::Role,
};

const BUILD: Family = Family::info(
    "overspill_build",
    "The version, the role and the name of the node",
);
const READY: Family = Family::gauge(
    "overspill_ready",
    Unit::None,
    "1 if the node can serve everything there is, as /-/ready says",
);
const DRAINING: Family = Family::gauge(
    "overspill_draining",
    Unit::None,
    "1 while a mirror wants no new work: drained by the operator, or about to end",
);
const PROBLEMS: Family = Family::gauge(
    "overspill_problems",
    Unit::None,
    "Things that need attention; /-/api/fleet says which",
);

const REQUESTS: Family = Family::counter(
    "overspill_requests",
    Unit::None,
    "Requests answered, by method, class of the status and decision; control is what was asked of \
     the node itself, below /-/",
);
const RESPONSES: Family = Family::counter(
    "overspill_responses",
    Unit::None,
    "Responses that are over, by outcome, without control",
);
const RESPONSE_BYTES: Family = Family::counter(
    "overspill_response_bytes",
    Unit::Bytes,
    "Bytes of bodies that went out, of responses that are over, by outcome, without control",
);
const SENT_BYTES: Family = Family::counter(
    "overspill_sent_bytes",
    Unit::Bytes,
    "Bytes of bodies that went out, flows under way included",
);
const ERRORS: Family = Family::counter(
    "overspill_errors",
    Unit::None,
    "Requests that this node failed: 5xx, but for 503",
);
const FIRST_BYTE: Family = Family::histogram(
    "overspill_first_byte_seconds",
    Unit::Seconds,
    "Time from the head of a request to the first byte of the body that the kernel took, waiting \
     for a slot, a disk or a mirror included; small answers are taken whole; without control",
);
const SLOWDOWN: Family = Family::histogram(
    "overspill_flow_slowdown_ratio",
    Unit::Ratio,
    "Time of complete bodies of 64 KiB and more, from the request on, as a multiple of what they \
     would take alone at the capacity of the node; 1 is the best, and slow clients raise it too",
);

const FLOWS: Family = Family::gauge("overspill_flows", Unit::None, "Bodies being sent");
const FLOWS_LIMITED: Family = Family::gauge(
    "overspill_flows_limited_by_client",
    Unit::None,
    "Bodies being sent that their clients, or the way to them, slow down",
);
const REMAINING_BYTES: Family = Family::gauge(
    "overspill_flows_remaining_bytes",
    Unit::Bytes,
    "Bytes that the bodies being sent still have to go",
);
const EGRESS: Family = Family::gauge(
    "overspill_egress_bytes_per_second",
    Unit::BytesPerSecond,
    "Bytes of bodies sent in the last second",
);
const CAPACITY: Family = Family::gauge(
    "overspill_capacity_bytes_per_second",
    Unit::BytesPerSecond,
    "What the node is believed able to send",
);
const CAPACITY_PROVED: Family = Family::gauge(
    "overspill_capacity_proved",
    Unit::None,
    "1 if the capacity was seen or told, 0 if it is assumed",
);
const PRESSURE: Family = Family::gauge(
    "overspill_pressure_ratio",
    Unit::Ratio,
    "How near the node is to what it can do, by resource: egress, cpu, disk",
);
const UTILIZATION: Family = Family::gauge(
    "overspill_utilization_ratio",
    Unit::Ratio,
    "The highest pressure: 1 is all it can do",
);

const CONNECTIONS: Family = Family::gauge(
    "overspill_connections",
    Unit::None,
    "Connections of clients that are open",
);
const ACCEPTED: Family = Family::counter(
    "overspill_connections_accepted",
    Unit::None,
    "Connections of clients that were let in",
);
const REFUSED_CONNECTIONS: Family = Family::counter(
    "overspill_connections_refused",
    Unit::None,
    "Connections turned away, by limit: all is --max-connections, client is that of one client",
);
const REFUSED_REQUESTS: Family = Family::counter(
    "overspill_requests_limited",
    Unit::None,
    "Requests answered 429, because their client asks too often",
);

const POLICY: Family = Family::info(
    "overspill_dispatch_policy",
    "The rule by which candidates are ordered",
);
const DECISIONS: Family = Family::counter(
    "overspill_decisions",
    Unit::None,
    "Decisions of dispatch: serve, redirect and relay say who sends; wait was put into the queue, \
     reject was refused",
);
const FAILOVERS: Family = Family::counter(
    "overspill_failovers",
    Unit::None,
    "How often a body under way went on from another node, because the one that fed it failed",
);
const WINDOWS: Family = Family::counter(
    "overspill_stripe_windows",
    Unit::None,
    "Windows of striped bodies that were asked of a node beside the first",
);
const RETURNED: Family = Family::counter(
    "overspill_clients_returned",
    Unit::None,
    "Clients that came back because a mirror failed them",
);
const QUEUE: Family = Family::gauge(
    "overspill_queue_length",
    Unit::None,
    "Requests that wait for a slot",
);
const FULL: Family = Family::gauge(
    "overspill_slots_full",
    Unit::None,
    "1 if this node has no slot free",
);
const OFFLOADING: Family = Family::gauge(
    "overspill_offloading",
    Unit::None,
    "1 while the node is busy enough to send clients away more readily",
);
const BROWN_OUT: Family = Family::gauge(
    "overspill_brownout",
    Unit::None,
    "1 while flows are let in at half the least rate, so that fewer are refused",
);

const REVISION: Family = Family::gauge(
    "overspill_catalog_revision",
    Unit::None,
    "Revision of the catalog that this node serves",
);
const FILES: Family = Family::gauge(
    "overspill_catalog_files",
    Unit::None,
    "Files in the catalog",
);
const FOLDERS: Family = Family::gauge(
    "overspill_catalog_folders",
    Unit::None,
    "Folders in the catalog",
);
const CATALOG_BYTES: Family = Family::gauge(
    "overspill_catalog_bytes",
    Unit::Bytes,
    "Sum of the sizes of the files in the catalog",
);
const UNHASHED: Family = Family::gauge(
    "overspill_catalog_unhashed_files",
    Unit::None,
    "Files not hashed yet, or still being written: only the server serves them",
);

const OUTBOARDS: Family = Family::counter(
    "overspill_outboards_made",
    Unit::None,
    "Outboards that were made because somebody asked for them",
);

/// Writes them all.
pub(super) fn add<R: Role>(role: &R, sheet: &mut Sheet) {
    let status = role.status();
    identity(role, &status, sheet);
    if let Some(meter) = role.meter() {
        let (flows, reading) = (meter.flows(), meter.read(Instant::now()));
        requests(&flows.tallied(), &reading, sheet);
        load(&meter, &reading, sheet);
        connections(flows, sheet);
    }
    if let Some(dispatcher) = role.dispatcher() {
        dispatch(&dispatcher, sheet);
    }
    catalog(&status.catalog, sheet);
    if let Some(desk) = role.outboards() {
        sheet.one(OUTBOARDS, desk.made());
    }
}

fn identity<R: Role>(role: &R, status: &FleetStatus, sheet: &mut Sheet) {
    let node = &status.node;
    let labels = [
        ("version", &*node.version),
        ("role", &*node.role),
        ("node", &*node.name),
    ];
    sheet.family(BUILD).add(&labels, 1_u64);
    sheet.one(READY, role.is_ready());
    sheet.one(DRAINING, role.is_draining());
    sheet.one(PROBLEMS, status.problems.len());
}

fn requests(tallied: &Tallied, reading: &Reading, sheet: &mut Sheet) {
    let mut samples = sheet.family(REQUESTS);
    for answers in &tallied.answers {
        // Those of ordinary life are there from the beginning, so that their rates are exact; the
        // others appear with the first.
        let is_usual = answers.method == "GET" && answers.decision == DecisionKind::Serve;
        if is_usual || answers.requests > 0 {
            let labels = [
                ("method", answers.method),
                ("class", answers.class),
                ("decision", answers.decision.word()),
            ];
            samples.add(&labels, answers.requests);
        }
    }
    let mut samples = sheet.family(RESPONSES);
    for (ending, sums) in tallied.endings() {
        samples.add(&[("outcome", ending.word())], sums.responses);
    }
    let mut samples = sheet.family(RESPONSE_BYTES);
    for (ending, sums) in tallied.endings() {
        samples.add(&[("outcome", ending.word())], sums.bytes);
    }
    sheet.one(SENT_BYTES, reading.totals.bytes);
    sheet.one(ERRORS, reading.totals.errors);
    sheet.family(FIRST_BYTE).distribution(&tallied.first_byte);
    sheet.family(SLOWDOWN).distribution(&tallied.slowdown);
}

fn load(meter: &Meter, reading: &Reading, sheet: &mut Sheet) {
    let load = meter.load();
    sheet.one(FLOWS, load.flows());
    sheet.one(FLOWS_LIMITED, reading.flows_limited_by_client);
    sheet.one(REMAINING_BYTES, load.bytes());
    sheet.one(EGRESS, reading.egress_bytes_per_s);
    sheet.one(CAPACITY, reading.capacity.bytes_per_s());
    sheet.one(CAPACITY_PROVED, reading.footing != Footing::Assumed);
    let pressure = &reading.pressure;
    sheet
        .family(PRESSURE)
        .add(&[("resource", "egress")], pressure.egress())
        .add(&[("resource", "cpu")], pressure.cpu())
        .add(&[("resource", "disk")], pressure.disk());
    sheet.one(UTILIZATION, pressure.utilization());
}

fn connections(flows: &FlowTable, sheet: &mut Sheet) {
    let (seats, tallied) = (flows.seats(), flows.tallied());
    let gate = seats.gate_totals();
    sheet.one(CONNECTIONS, seats.open());
    sheet.one(ACCEPTED, tallied.accepted);
    sheet
        .family(REFUSED_CONNECTIONS)
        .add(&[("limit", "all")], tallied.turned_away)
        .add(&[("limit", "client")], gate.refused_connections);
    sheet.one(REFUSED_REQUESTS, gate.refused_requests);
}

fn dispatch(dispatcher: &SharedDispatcher, sheet: &mut Sheet) {
    let counts: DecisionCounts = dispatcher.counts();
    let policy = dispatcher.policy();
    sheet
        .family(POLICY)
        .add(&[("policy", policy.name())], 1_u64);
    let mut samples = sheet.family(DECISIONS);
    for (decision, count) in [
        ("serve", counts.serve),
        ("redirect", counts.redirect),
        ("relay", counts.relay),
        ("wait", counts.wait),
        ("reject", counts.reject),
    ] {
        samples.add(&[("decision", decision)], count);
    }
    sheet.one(FAILOVERS, counts.switch);
    sheet.one(WINDOWS, counts.stripe);
    sheet.one(RETURNED, counts.avoided);
    dispatcher.look(|dispatcher| {
        sheet.one(QUEUE, dispatcher.waiting());
        sheet.one(FULL, dispatcher.is_full());
        sheet.one(OFFLOADING, dispatcher.is_offloading());
        sheet.one(BROWN_OUT, dispatcher.is_browned_out());
    });
}

fn catalog(catalog: &CatalogStatus, sheet: &mut Sheet) {
    sheet.one(REVISION, catalog.revision);
    sheet.one(FILES, catalog.files);
    sheet.one(FOLDERS, catalog.folders);
    sheet.one(CATALOG_BYTES, catalog.bytes);
    sheet.one(UNHASHED, catalog.unhashed);
}
