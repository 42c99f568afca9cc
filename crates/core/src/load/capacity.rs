//! How fast a node can send.
//!
//! This is easy to get wrong in one direction. The highest egress seen is only a lower bound: a node
//! believed small gets little work, so never shows more, so is believed small. Nor does a flow that
//! the network holds back say whose network: a crowd of clients behind slow lines looks, flow by
//! flow, like a full link of ours. So the estimate begins with a prior and is lowered on evidence
//! only; what counts as evidence stands in [`evidence`].
//!
//! - Egress above the estimate raises it at once, up to the cap if the operator told one; above an
//!   assumed prior it is remembered for a minute or two.
//! - Evidence sets it to the plateau: the second highest egress of the last saturated samples. The
//!   very highest is too often a burst into fresh send buffers.
//! - While egress stays at the plateau with as many flows as proved it, the proof stands.
//! - Without proof it grows every ten seconds, by a tenth and then by ever more: careful near the
//!   plateau, where load that comes back must find it within a fifth of the truth, and bold when
//!   nothing has spoken against it for long. A throttled link is forgotten from a hundredth in some
//!   hundred seconds; steady steps of a quarter would take twice as long.
//!
//! It must never fall for want of work, and never rise above what the operator told.

mod evidence;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use self::evidence::Trail;
use crate::units::Rate;

/// What is believed of a capacity before anything was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prior {
    /// Nobody said: the speed of the link, or a gigabit. More may be seen.
    Assumed(Rate),
    /// The operator said so: never more, and less only on evidence.
    Told(Rate),
}

/// What an estimate rests on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Footing {
    /// On an assumption: it compares only with others of its kind.
    #[default]
    Assumed,
    /// On proof, within the last minute.
    Proved,
    /// On what the operator said, of this node and no other.
    Told,
}

/// One second of a node's sending.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Bytes of bodies per second.
    pub egress_bytes_per_s: f64,
    /// Flows that were sending.
    pub flows: u64,
    /// Of these, flows that the network held back and not their clients' receive windows.
    pub flows_limited_here: u64,
    /// The flows that lasted.
    pub same_flows: SameFlows,
    /// Share of the processors' time that was in use, 0 to 1.
    pub cpu_busy: f64,
}

/// The flows that were sending for all of this second and all of the one before, and were not held
/// back by their clients' receive windows: what each of the two seconds brought them.
///
/// Whoever shares a full link gets less when others come; whoever sits behind a slow line of their
/// own gets what they got.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SameFlows {
    /// How many.
    pub flows: u64,
    /// Bytes per second of all of them, in the second before.
    pub before_bytes_per_s: f64,
    /// Bytes per second of all of them, in this second.
    pub now_bytes_per_s: f64,
}

/// A node's egress capacity.
#[derive(Clone, Debug)]
pub struct CapacityEstimate {
    prior: Prior,
    /// What is believed; never above the prior.
    level: f64,
    /// The highest egress lately, which may be above the prior.
    peak: Peak,
    trail: Trail,
    plateau: Option<Plateau>,
    growth: Growth,
}

/// The highest value of the last one to two windows.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    since: Option<Instant>,
    current: f64,
    last: f64,
}

/// The samples that were proved to be all there is.
#[derive(Clone, Debug)]
struct Plateau {
    /// Egress of the last ones, at most [`evidence::WINDOW_SAMPLES`].
    egress: VecDeque<f64>,
    /// The fewest flows that filled the link.
    flows: u64,
    proved_at: Instant,
}

/// How the estimate grows while nothing speaks against it.
#[derive(Clone, Copy, Debug, Default)]
struct Growth {
    steps: i32,
    last_at: Option<Instant>,
}

/// How long without proof until the estimate grows, and between two steps.
const GROW_EVERY: Duration = Duration::from_secs(10);
/// How many times bolder each step is than the last.
const GROWTH: f64 = 1.1;
/// How long a node counts as saturated after the last proof of it.
const PROOF_LASTS: Duration = Duration::from_secs(3);
/// Egress may fall by so much, or flows by so many, and still be what they were.
const STEADY_RATIO: f64 = 0.8;
/// The least estimate as a share of the prior: from here growth still finds back in two minutes.
const LEAST_RATIO: f64 = 1e-3;

impl Prior {
    /// The rate, whoever said it.
    pub fn rate(self) -> Rate {
        match self {
            Self::Assumed(rate) | Self::Told(rate) => rate,
        }
    }
}

impl CapacityEstimate {
    /// How long a peak above an assumed prior is remembered at least.
    pub const WINDOW: Duration = Duration::from_secs(60);

    /// Starts from `prior`.
    pub fn new(prior: Prior) -> Self {
        Self {
            prior,
            level: prior.rate().bytes_per_s(),
            peak: Peak::default(),
            trail: Trail::default(),
            plateau: None,
            growth: Growth::default(),
        }
    }

    /// Takes in the last second; to be called about once a second, with times that only grow.
    pub fn observe(&mut self, now: Instant, sample: &Sample) {
        let is_proved = match self.trail.observe(sample) {
            Some(evidence::Evidence::Collapsed) => {
                // What the link gave before says nothing any more.
                self.plateau = None;
                true
            }
            Some(evidence::Evidence::Crowded) => true,
            None => self.is_still_at_plateau(sample),
        };
        if is_proved {
            self.prove(now, sample);
        } else {
            self.grow(now);
        }
        self.raise(now, sample.egress_bytes_per_s);
    }

    /// The estimate.
    pub fn rate(&self, now: Instant) -> Rate {
        let seen = self.peak.highest(now, Self::WINDOW);
        Rate::from_bytes_per_s(self.capped(self.level.max(seen)))
    }

    /// What the estimate rests on now.
    pub fn footing(&self, now: Instant) -> Footing {
        match self.prior {
            Prior::Told(_) => Footing::Told,
            Prior::Assumed(_) if self.proved_within(now, Self::WINDOW) => Footing::Proved,
            Prior::Assumed(_) => Footing::Assumed,
        }
    }

    /// Whether there was proof lately that the node can send no more than it does.
    pub fn is_saturated(&self, now: Instant) -> bool {
        self.proved_within(now, PROOF_LASTS)
    }

    /// Whether the link is as full as when it was proved full.
    fn is_still_at_plateau(&self, sample: &Sample) -> bool {
        self.plateau.as_ref().is_some_and(|plateau| {
            let top = plateau.top();
            let is_steady = sample.egress_bytes_per_s >= top * STEADY_RATIO
                && sample.egress_bytes_per_s <= top / STEADY_RATIO;
            let as_many = sample.flows as f64 >= plateau.flows as f64 * STEADY_RATIO;
            evidence::is_held_back(sample) && as_many && is_steady
        })
    }

    fn prove(&mut self, now: Instant, sample: &Sample) {
        let plateau = self.plateau.get_or_insert_with(|| Plateau {
            egress: VecDeque::new(),
            flows: sample.flows,
            proved_at: now,
        });
        plateau.push(now, sample);
        let top = plateau.top();
        let prior = self.prior.rate().bytes_per_s();
        self.level = top.clamp(prior * LEAST_RATIO, prior);
        self.peak.restart(now, top);
        self.growth = Growth::default();
    }

    fn grow(&mut self, now: Instant) {
        let prior = self.prior.rate().bytes_per_s();
        if self.level >= prior || self.proved_within(now, GROW_EVERY) {
            return;
        }
        let is_due = self
            .growth
            .last_at
            .is_none_or(|at| now.saturating_duration_since(at) >= GROW_EVERY);
        if is_due {
            self.growth.steps += 1;
            self.growth.last_at = Some(now);
            self.level = (self.level * GROWTH.powi(self.growth.steps)).min(prior);
        }
    }

    fn raise(&mut self, now: Instant, egress_bytes_per_s: f64) {
        let prior = self.prior.rate().bytes_per_s();
        self.level = self.level.max(egress_bytes_per_s.min(prior));
        self.peak.observe(now, Self::WINDOW, egress_bytes_per_s);
    }

    fn proved_within(&self, now: Instant, span: Duration) -> bool {
        self.plateau
            .as_ref()
            .is_some_and(|plateau| now.saturating_duration_since(plateau.proved_at) < span)
    }

    fn capped(&self, bytes_per_s: f64) -> f64 {
        match self.prior {
            Prior::Assumed(_) => bytes_per_s,
            Prior::Told(cap) => bytes_per_s.min(cap.bytes_per_s()),
        }
    }
}

impl Plateau {
    fn push(&mut self, now: Instant, sample: &Sample) {
        if self.egress.len() == evidence::WINDOW_SAMPLES {
            self.egress.pop_front();
        }
        self.egress.push_back(sample.egress_bytes_per_s);
        self.flows = self.flows.min(sample.flows);
        self.proved_at = now;
    }

    /// The second highest, or the only one.
    fn top(&self) -> f64 {
        let (highest, second) = self.egress.iter().fold((0.0, None), two_highest);
        second.unwrap_or(highest)
    }
}

fn two_highest((highest, second): (f64, Option<f64>), &egress: &f64) -> (f64, Option<f64>) {
    match second {
        None if highest == 0.0 => (egress, None),
        _ if egress >= highest => (egress, Some(highest)),
        Some(second) if second >= egress => (highest, Some(second)),
        _ => (highest, Some(egress)),
    }
}

impl Peak {
    fn observe(&mut self, now: Instant, window: Duration, value: f64) {
        let age = self.age(now);
        if age.is_none_or(|age| age >= window) {
            let is_recent = age.is_some_and(|age| age < 2 * window);
            self.last = if is_recent { self.current } else { 0.0 };
            self.current = 0.0;
            self.since = Some(now);
        }
        self.current = self.current.max(value);
    }

    fn restart(&mut self, now: Instant, value: f64) {
        *self = Self {
            since: Some(now),
            current: value,
            last: 0.0,
        };
    }

    fn highest(&self, now: Instant, window: Duration) -> f64 {
        match self.age(now) {
            Some(age) if age < window => self.current.max(self.last),
            Some(age) if age < 2 * window => self.current,
            _ => 0.0,
        }
    }

    fn age(&self, now: Instant) -> Option<Duration> {
        self.since.map(|since| now.saturating_duration_since(since))
    }
}
