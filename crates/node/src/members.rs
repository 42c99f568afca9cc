//! A member in figures, for status and the console.
//!
//! One place, so that a server and a mirror tell of members alike. It must never hold a secret.

use std::time::Instant;

use overspill_core::{
    catalog::Revision,
    fleet::{Condition, Member, MemberState, Report, Standing},
};
use overspill_wire::status::MemberStatus;

use crate::wall::unix_ms;

/// `member` as this node knows it, measured against a catalog at `revision`.
pub fn member_status(member: &Member, revision: Revision, now: Instant) -> MemberStatus {
    // What a member that is down said of its load is over.
    let is_heard = !matches!(member.state(), MemberState::Down | MemberState::Gone);
    let report = member.report();
    let load = report.filter(|_| is_heard);
    let figure = |figure: fn(&Report) -> u64| report.map_or(0, figure);
    MemberStatus {
        name: member.id().to_string(),
        url: member.url().to_owned(),
        state: member.state().to_string(),
        since_unix_ms: unix_ms(member.in_state_since()),
        standing: standing(member.standing()),
        zone: member.zone().map(ToString::to_string),
        condition: report.and_then(condition),
        version: member.hello().version.clone(),
        lag_revisions: revision
            .0
            .saturating_sub(figure(|report| report.complete.0)),
        missing_objects: figure(|report| report.missing_objects),
        missing_bytes: figure(|report| report.missing_bytes),
        flows: if is_heard { member.flows() } else { 0 },
        egress_bytes_per_s: load.map_or(0, |report| report.egress_bytes_per_s as u64),
        capacity_bytes_per_s: member.capacity().bytes_per_s() as u64,
        flows_served: figure(|report| report.flows_served),
        bytes_served: figure(|report| report.bytes_served),
        flows_cut: figure(|report| report.flows_cut),
        errors: figure(|report| report.errors),
        cpu_ratio: load.map_or(0.0, |report| in_hundredths(report.pressure.cpu())),
        disk_ratio: load.map_or(0.0, |report| in_hundredths(report.pressure.disk())),
        error_ratio: member.error_ratio(now),
    }
}

fn condition(report: &Report) -> Option<String> {
    let text = match report.condition {
        Condition::Normal => return None,
        Condition::DiskFull => "disk full: it serves what it has and fetches nothing",
        Condition::Overloaded => "no slot free",
        Condition::Draining => "finishing what runs",
    };
    Some(text.to_owned())
}

fn standing(standing: Standing) -> Option<String> {
    let text = match standing {
        Standing::Trusted => return None,
        Standing::Ejected(_) => "ejected",
        Standing::Probation => "probation",
    };
    Some(text.to_owned())
}

/// As exact as anybody can read it, so that a member at rest looks the same each second.
fn in_hundredths(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}
