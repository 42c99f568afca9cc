//! The metrics that only a server has: its members, and what its disk has spoilt.
//!
//! It must never say more of a member than `/-/api/fleet` does.

use std::time::Instant;

use overspill_core::{
    catalog::Revision,
    fleet::{Condition, Fleet, Member, MemberState, Standing},
};
use overspill_node::metrics::{COMPLAINTS, Family, Number, Sheet, Unit};

use crate::role::ServerRole;

const MEMBERS: Family = Family::gauge(
    "overspill_members",
    Unit::None,
    "Members of the fleet by state",
);
const STATE: Family = Family::gauge(
    "overspill_member_state",
    Unit::None,
    "1 for the state that a member is in, 0 for the others",
);
const EJECTED: Family = Family::gauge(
    "overspill_member_ejected",
    Unit::None,
    "1 while a member gets nothing, or one flow at a time, because it failed too often",
);
const DISK_FULL: Family = Family::gauge(
    "overspill_member_disk_full",
    Unit::None,
    "1 while a member says that its disk is full",
);
const FLOWS: Family = Family::gauge(
    "overspill_member_flows",
    Unit::None,
    "Bodies that a member is sending, redirects on their way included",
);
const EGRESS: Family = Family::gauge(
    "overspill_member_egress_bytes_per_second",
    Unit::BytesPerSecond,
    "Bytes of bodies that a member sent in the last second",
);
const CAPACITY: Family = Family::gauge(
    "overspill_member_capacity_bytes_per_second",
    Unit::BytesPerSecond,
    "What a member is believed able to send; less while it is new",
);
const UTILIZATION: Family = Family::gauge(
    "overspill_member_utilization_ratio",
    Unit::Ratio,
    "How near a member is to what it can do, as it says",
);
const LAG: Family = Family::gauge(
    "overspill_member_lag_revisions",
    Unit::None,
    "Revisions of the catalog that a member does not have whole",
);
const MISSING_OBJECTS: Family = Family::gauge(
    "overspill_member_missing_objects",
    Unit::None,
    "Objects that a member has still to fetch",
);
const MISSING_BYTES: Family = Family::gauge(
    "overspill_member_missing_bytes",
    Unit::Bytes,
    "Bytes that a member has still to fetch",
);
const DISPATCHED: Family = Family::counter(
    "overspill_member_dispatches",
    Unit::None,
    "Flows that this server sent to a member, by redirect or relay",
);
const LOST: Family = Family::counter(
    "overspill_member_lost_dispatches",
    Unit::None,
    "Flows that this server sent to a member and whose clients never arrived there",
);
const FAILED: Family = Family::counter(
    "overspill_member_failures",
    Unit::None,
    "Flows that failed at a member: errors that it told, clients that came back, wrong bytes",
);
const EJECTIONS: Family = Family::counter(
    "overspill_member_ejections",
    Unit::None,
    "How often a member was ejected",
);
const ERRORS: Family = Family::gauge(
    "overspill_member_error_ratio",
    Unit::Ratio,
    "Share of the recent flows of a member that failed",
);
const DAMAGED: Family = Family::gauge(
    "overspill_damaged_files",
    Unit::None,
    "Files of the tree that read otherwise than they were hashed, though nobody changed them; only \
     mirrors serve them until they are put back",
);

const STATES: [MemberState; 6] = [
    MemberState::Joining,
    MemberState::Ready,
    MemberState::Draining,
    MemberState::Suspect,
    MemberState::Down,
    MemberState::Gone,
];

/// Writes them.
pub(crate) fn add(role: &ServerRole, sheet: &mut Sheet) {
    let (now, catalog) = (Instant::now(), role.published.catalog());
    let rows = role
        .dispatcher
        .inspect(|fleet| rows(fleet, catalog.revision(), now));
    members(&rows, sheet);
    sheet.one(DAMAGED, role.damage.files(&catalog));
    role.scrub.measure(sheet);
    sheet
        .family(COMPLAINTS)
        .add(&[("about", "member")], role.complaints.of_members.taken())
        .add(&[("about", "node")], role.complaints.of_own.taken());
}

/// One member: its name, its state, and a value for each of the [`FIGURES`].
struct Row {
    name: String,
    state: MemberState,
    figures: [Number; FIGURES.len()],
}

/// The families that have one sample for each member, in the order of [`figures`].
const FIGURES: [Family; 14] = [
    EJECTED,
    DISK_FULL,
    FLOWS,
    EGRESS,
    CAPACITY,
    UTILIZATION,
    LAG,
    MISSING_OBJECTS,
    MISSING_BYTES,
    DISPATCHED,
    LOST,
    FAILED,
    EJECTIONS,
    ERRORS,
];

/// Copied out, so that the dispatcher's lock is held for figures and not for text.
fn rows(fleet: &Fleet, revision: Revision, now: Instant) -> Vec<Row> {
    let row = |member: &Member| Row {
        name: member.id().to_string(),
        state: member.state(),
        figures: figures(member, revision, now),
    };
    fleet.members().iter().map(row).collect()
}

fn figures(member: &Member, revision: Revision, now: Instant) -> [Number; FIGURES.len()] {
    let (report, counts) = (member.report(), member.counts());
    let complete = report.map_or(0, |report| report.complete.0);
    let is_full = report.is_some_and(|report| report.condition == Condition::DiskFull);
    [
        (member.standing() != Standing::Trusted).into(),
        is_full.into(),
        member.flows().into(),
        report
            .map_or(0.0, |report| report.egress_bytes_per_s)
            .into(),
        member.capacity().bytes_per_s().into(),
        report
            .map_or(0.0, |report| report.pressure.utilization())
            .into(),
        revision.0.saturating_sub(complete).into(),
        report.map_or(0, |report| report.missing_objects).into(),
        report.map_or(0, |report| report.missing_bytes).into(),
        counts.dispatched.into(),
        counts.lost.into(),
        counts.failed.into(),
        counts.ejected.into(),
        member.error_ratio(now).into(),
    ]
}

fn members(rows: &[Row], sheet: &mut Sheet) {
    let mut samples = sheet.family(MEMBERS);
    for state in STATES {
        let count = rows.iter().filter(|row| row.state == state).count();
        samples.add(&[("state", state.as_str())], count);
    }
    let mut samples = sheet.family(STATE);
    for row in rows {
        for state in STATES {
            let labels = [("member", &*row.name), ("state", state.as_str())];
            samples.add(&labels, row.state == state);
        }
    }
    for (at, family) in FIGURES.into_iter().enumerate() {
        let mut samples = sheet.family(family);
        for row in rows {
            samples.add(&[("member", &row.name)], row.figures[at]);
        }
    }
}
