//! One second of everything, made once for all who watch.
//!
//! A sample names only the members of which something has changed, so an idle fleet costs next to
//! nothing. It must never be made on the path of a request for a file.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use overspill_core::{load::Demanded, path::CatalogPath, root::Root};
use overspill_net::{FlowTable, SeenFlow};
use overspill_wire::{
    explain::{DecisionEntry, network_of},
    live::{FileDemand, FlowEntry, History, LiveNow, LiveSample, LiveSnapshot, Second},
    status::{FleetStatus, MemberStatus},
};

use super::demand::Demand;
use crate::{
    explain::{decided_after, millis},
    role::Role,
    wall::unix_ms,
};

/// Makes frames, each in terms of the one before.
#[derive(Debug)]
pub(super) struct Maker {
    flows: Arc<FlowTable>,
    last: Option<Arc<Whole>>,
    made: Option<Instant>,
    /// The newest decision that was told.
    decision: u64,
    /// The decisions told last, newest first: what a snapshot begins with.
    decided: Vec<(Instant, DecisionEntry)>,
}

/// What was asked of a file, and the content it had.
type FileDemanded = Demanded<Option<Root>>;

/// A second, as it is told to all who watch.
#[derive(Debug)]
pub(super) struct Frame {
    /// What has changed since the frame before, as JSON.
    pub(super) sample: String,
    whole: Arc<Whole>,
}

#[derive(Debug)]
struct Whole {
    seq: u64,
    at_unix_ms: u64,
    status: FleetStatus,
    now: LiveNow,
}

/// Decisions told a second, and remembered for a snapshot.
const DECISIONS_MAX: usize = 50;
/// Flows told.
const FLOWS_MAX: usize = 50;
/// Files told.
const FILES_MAX: usize = 25;
/// Longest path told.
const PATH_BYTES_MAX: usize = 512;
/// When a frame is too old for a stream to begin with.
const STALE_AFTER: Duration = Duration::from_millis(1500);

/// The members that a node knows: its own, or those it was told of.
pub(super) fn known_members(status: &FleetStatus) -> &[MemberStatus] {
    match status.members.is_empty() {
        true => &status.told,
        false => &status.members,
    }
}

/// A node's last second.
pub(super) fn second(status: &FleetStatus, now: Instant) -> Second {
    let (node, members) = (&status.node, known_members(status));
    let egress = |member: &MemberStatus| member.egress_bytes_per_s;
    let flows = |member: &MemberStatus| member.flows;
    Second {
        at_unix_ms: unix_ms(now),
        egress_bytes_per_s: node.egress_bytes_per_s,
        fleet_bytes_per_s: node.egress_bytes_per_s + members.iter().map(egress).sum::<u64>(),
        flows: node.flows + members.iter().map(flows).sum::<u64>(),
    }
}

impl Maker {
    pub(super) fn new(flows: Arc<FlowTable>) -> Self {
        Self {
            flows,
            last: None,
            made: None,
            decision: 0,
            decided: Vec::new(),
        }
    }

    /// Whether there is no frame, or an old one.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        let age = self.made.map(|made| now.saturating_duration_since(made));
        age.is_none_or(|age| age > STALE_AFTER)
    }

    /// The next frame.
    pub(super) fn make<R: Role>(
        &mut self,
        role: &R,
        demand: &Demand,
        status: FleetStatus,
        now: Instant,
    ) -> Frame {
        let demanded = demand.all();
        let new = self.decided(role, &demanded, now);
        let last = self.last.take();
        let seq = last.as_ref().map_or(1, |last| last.seq + 1);
        let at_unix_ms = unix_ms(now);
        let live = LiveNow {
            decided: new,
            flows: self.flows(now),
            files: files(demanded),
        };
        let sample = sample(seq, &status, last.as_deref(), live.clone(), now);
        let whole = Arc::new(Whole {
            seq,
            at_unix_ms,
            status,
            now: LiveNow {
                decided: self.remembered(now),
                ..live
            },
        });
        self.last = Some(Arc::clone(&whole));
        self.made = Some(now);
        Frame {
            // Strings, numbers and lists of them always serialize.
            sample: serde_json::to_string(&sample).unwrap_or_default(),
            whole,
        }
    }

    /// What was decided since the last frame, with the paths that are known.
    fn decided<R: Role>(
        &mut self,
        role: &R,
        demanded: &HashMap<CatalogPath, FileDemanded>,
        now: Instant,
    ) -> Vec<DecisionEntry> {
        let decided = decided_after(role, self.decision, DECISIONS_MAX, now);
        let by_root = demanded.iter();
        let by_root: HashMap<_, _> = by_root
            .filter_map(|(path, one)| Some((one.subject?, path)))
            .collect();
        let named = decided.into_iter().map(|(at, root, entry)| {
            let path = by_root.get(&root).map(|path| url_of(path));
            (at, DecisionEntry { path, ..entry })
        });
        let mut new: Vec<(Instant, DecisionEntry)> = named.collect();
        self.decision = new.first().map_or(self.decision, |(_, one)| one.number);
        let told = new.iter().map(|(_, entry)| entry.clone()).collect();
        new.append(&mut self.decided);
        new.truncate(DECISIONS_MAX);
        self.decided = new;
        told
    }

    /// The decisions told last, as old as they are now.
    fn remembered(&self, now: Instant) -> Vec<DecisionEntry> {
        let aged = self.decided.iter().map(|(at, entry)| DecisionEntry {
            age_ms: millis(now.saturating_duration_since(*at)),
            ..entry.clone()
        });
        aged.collect()
    }

    fn flows(&self, now: Instant) -> Vec<FlowEntry> {
        let largest = self.flows.largest(FLOWS_MAX);
        largest.iter().map(|seen| flow(seen, now)).collect()
    }
}

impl Frame {
    /// Its number.
    pub(super) fn seq(&self) -> u64 {
        self.whole.seq
    }

    /// All of it, with the minutes before.
    pub(super) fn snapshot(&self, history: History) -> LiveSnapshot {
        LiveSnapshot {
            seq: self.whole.seq,
            at_unix_ms: self.whole.at_unix_ms,
            status: self.whole.status.clone(),
            history,
            now: self.whole.now.clone(),
        }
    }
}

fn sample(
    seq: u64,
    status: &FleetStatus,
    last: Option<&Whole>,
    live: LiveNow,
    now: Instant,
) -> LiveSample {
    let members = known_members(status);
    let before: HashMap<&str, &MemberStatus> = last
        .iter()
        .flat_map(|last| known_members(&last.status))
        .map(|member| (member.name.as_str(), member))
        .collect();
    let changed = members
        .iter()
        .filter(|member| before.get(member.name.as_str()) != Some(member));
    let names: HashSet<&str> = members.iter().map(|one| one.name.as_str()).collect();
    let gone = before.keys().filter(|name| !names.contains(*name));
    LiveSample {
        seq,
        at_unix_ms: unix_ms(now),
        node: status.node.clone(),
        catalog: status.catalog.clone(),
        policy: status.policy.clone(),
        decisions: status.decisions,
        members: changed.cloned().collect(),
        gone: gone.map(|name| (*name).to_owned()).collect(),
        problems: status.problems.clone(),
        second: second(status, now),
        now: live,
    }
}

fn flow(seen: &SeenFlow, now: Instant) -> FlowEntry {
    let label = &seen.label;
    FlowEntry {
        path: String::from_utf8_lossy(&label.path).into_owned(),
        client: network_of(label.client),
        member: label.member.as_deref().map(str::to_owned),
        bytes: seen.planned_bytes,
        sent_bytes: seen.planned_bytes.saturating_sub(seen.remaining_bytes),
        age_ms: millis(now.saturating_duration_since(label.began)),
    }
}

/// The files most was asked for, most first.
fn files(demanded: HashMap<CatalogPath, FileDemanded>) -> Vec<FileDemand> {
    let mut files: Vec<_> = demanded.into_iter().collect();
    files.sort_unstable_by(|(a_path, a), (b_path, b)| {
        b.bytes.cmp(&a.bytes).then_with(|| a_path.cmp(b_path))
    });
    files.truncate(FILES_MAX);
    let told = files.into_iter().map(|(path, one)| FileDemand {
        path: url_of(&path),
        bytes: one.bytes,
        surplus_bytes: one.surplus_bytes,
        requests: one.requests,
    });
    told.collect()
}

fn url_of(path: &CatalogPath) -> String {
    let mut url = path.to_url();
    // Percent-encoded, so every byte of it is a character.
    url.truncate(url.floor_char_boundary(PATH_BYTES_MAX));
    url
}
