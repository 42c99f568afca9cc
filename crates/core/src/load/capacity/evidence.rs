//! What proves that a node can send no more.
//!
//! The latest of the last twelve samples is compared with each one before it:
//!
//! - **Crowded**: at least a quarter more flows brought the same egress, within a tenth.
//! - **Collapsed**: as many flows get less than half of the egress, from one moment to the next.
//!
//! Both have to hold in three samples in a row, because a second of bad luck is no proof; a fall to
//! below a tenth is proof at once, for a throttled link must not be sent work for long. Neither
//! counts with fewer than [`FLOWS_MIN`] flows, nor unless half of them are held back by the network
//! (or the processors are busy), nor unless **the same flows became slower**, as those do that share
//! a link. Without this last condition nearly every scene of slow clients in the simulation (527 of
//! 540) ended with a full link where there was none: ten clients with slow lines that join ten with
//! fast ones are "more flows and no more egress", and slow ones that take the place of fast ones are
//! a collapse. With it none did while single flows varied by 30 %, and 8 when they varied by 60 %.
//!
//! Each second compares the flows that lasted with themselves, and the ratios are chained as a price
//! index is, so that flows may come and go in between. It must never take silence for slowness: a
//! second in which too few flows lasted says nothing, and nothing is proved across it. Where all
//! flows are short, a link that is full makes them long first; that takes some seconds more.

use std::collections::VecDeque;

use super::Sample;

/// What was proved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Evidence {
    /// The node sends far less than it did to as many.
    Collapsed,
    /// More flows, no more egress.
    Crowded,
}

/// The last samples, as far as they are compared.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    points: VecDeque<Point>,
    crowded_in_a_row: u32,
    collapsed_in_a_row: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Point {
    egress: f64,
    flows: f64,
    /// Logarithm of the chained index: how fast a flow that lasted is, compared with long ago.
    ln_pace: f64,
    /// Seconds until here in which no flow lasted.
    blind_seconds: u64,
}

/// What became of an earlier point.
#[derive(Clone, Copy, Debug)]
struct Change {
    flows: f64,
    egress: f64,
    /// `None` if it was not seen throughout.
    pace: Option<f64>,
}

/// How many samples are compared: long enough to see a crowd come, short enough that the clients
/// and their paths are still the same.
pub(super) const WINDOW_SAMPLES: usize = 12;
/// Fewer flows than this say more about their clients than about the node: one slow wireless link
/// must not make a node small, and four that slow down together by chance are unlikely.
const FLOWS_MIN: u64 = 4;
/// Share of the processors' time from which they are what holds flows back.
const BUSY_RATIO: f64 = 0.95;
/// How often in a row something has to be seen.
const IN_A_ROW: u32 = 3;

/// So many times the flows are a crowd.
const CROWD: f64 = 1.25;
/// So many times the egress are no more egress.
const FLAT: f64 = 1.1;
/// Share of the egress that the flows that lasted must make up to speak for all.
const COVERAGE: f64 = 0.5;
/// So many times the flows are still as many.
const AS_MANY: f64 = 0.9;
/// How many samples back a collapse may have begun: flows that end one by one are none.
const ABRUPT_SAMPLES: usize = 5;
/// What is left of the egress after a collapse.
const COLLAPSED: f64 = 0.5;
/// The same for a collapse that is believed at once.
const VANISHED: f64 = 0.1;
/// Most that one second may change the index, either way.
const LN_STEP_MAX: f64 = 7.0;

/// Whether enough flows are held back by something other than their clients.
pub(super) fn is_held_back(sample: &Sample) -> bool {
    let by_network = sample.flows_limited_here.saturating_mul(2) >= sample.flows;
    sample.flows >= FLOWS_MIN && (by_network || sample.cpu_busy >= BUSY_RATIO)
}

impl Trail {
    /// Takes in a sample and compares it with those before.
    pub(super) fn observe(&mut self, sample: &Sample) -> Option<Evidence> {
        let latest = self.next_point(sample);
        let (mut crowded, mut collapsed, mut vanished) = (false, false, false);
        if is_held_back(sample) {
            crowded = self.changes(&latest).any(|change| change.is_crowd());
            let mut abrupt = self.changes(&latest).take(ABRUPT_SAMPLES);
            collapsed = abrupt.any(|change| change.is_collapse(COLLAPSED));
            let mut abrupt = self.changes(&latest).take(ABRUPT_SAMPLES);
            vanished = abrupt.any(|change| change.is_collapse(VANISHED));
        }
        self.push(latest);
        let collapsed_enough = in_a_row(&mut self.collapsed_in_a_row, collapsed);
        let crowded_enough = in_a_row(&mut self.crowded_in_a_row, crowded);
        if vanished || collapsed_enough {
            // What was before is another link now.
            self.points.clear();
            self.points.push_back(latest);
            self.collapsed_in_a_row = 0;
            return Some(Evidence::Collapsed);
        }
        crowded_enough.then_some(Evidence::Crowded)
    }

    /// What became of the earlier points, the nearest first.
    fn changes(&self, latest: &Point) -> impl Iterator<Item = Change> {
        self.points
            .iter()
            .rev()
            .map(|earlier| latest.since(earlier))
    }

    fn next_point(&self, sample: &Sample) -> Point {
        let last = self.points.back().copied().unwrap_or_default();
        let (before, now) = (
            sample.same_flows.before_bytes_per_s,
            sample.same_flows.now_bytes_per_s,
        );
        let is_blind = sample.same_flows.flows < FLOWS_MIN
            || before <= 0.0
            || now < sample.egress_bytes_per_s * COVERAGE;
        let step = if is_blind { 0.0 } else { (now / before).ln() };
        Point {
            egress: sample.egress_bytes_per_s,
            flows: sample.flows as f64,
            ln_pace: last.ln_pace + step.clamp(-LN_STEP_MAX, LN_STEP_MAX),
            blind_seconds: last.blind_seconds + u64::from(is_blind),
        }
    }

    fn push(&mut self, point: Point) {
        if self.points.len() == WINDOW_SAMPLES {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }
}

impl Point {
    fn since(&self, earlier: &Self) -> Change {
        let was_seen = self.blind_seconds == earlier.blind_seconds;
        Change {
            flows: self.flows / earlier.flows.max(1.0),
            egress: self.egress / earlier.egress.max(1.0),
            pace: was_seen.then(|| (self.ln_pace - earlier.ln_pace).exp()),
        }
    }
}

impl Change {
    fn is_crowd(&self) -> bool {
        let is_flat = (1.0 / FLAT..=FLAT).contains(&self.egress);
        self.flows >= CROWD && is_flat && self.is_shared()
    }

    fn is_collapse(&self, left: f64) -> bool {
        self.flows >= AS_MANY && self.egress < left && self.is_shared()
    }

    /// Whether the flows that lasted became slower as if all shared one link. If they do, their pace
    /// is what became of the egress for each flow; if none of it is shared, it is 1. The middle
    /// between both decides.
    fn is_shared(&self) -> bool {
        let shared_pace = self.egress / self.flows;
        self.pace.is_some_and(|pace| pace <= shared_pace.sqrt())
    }
}

fn in_a_row(count: &mut u32, holds: bool) -> bool {
    *count = if holds { count.saturating_add(1) } else { 0 };
    *count >= IN_A_ROW
}
