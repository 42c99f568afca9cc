//! How many flows a node may carry, and what is said to who is one too many.
//!
//! Processor sharing has no overload protection of its own: above capacity every flow slows down
//! until clients give up, and all that was sent was wasted. So a node carries at most
//! `capacity / least rate` flows that want more than they get; a tenth of the slots is kept for small
//! files and for downloads that go on, since finishing wastes nothing. Before anybody is refused the
//! least rate is halved for a while (*brown-out*). It must never refuse a flow for the sake of others
//! that are slow by their clients' doing.

use std::time::{Duration, Instant};

use super::{Flow, queue::Lane};
use crate::units::Rate;

/// Longest wait for a slot; who would wait longer is refused at once.
pub const MAX_WAIT: Duration = Duration::from_secs(2);
/// Longest `Retry-After`, seconds.
pub const MAX_RETRY_AFTER_S: u32 = 120;
/// Share of the slots that large, new flows leave free.
const RESERVED: f64 = 0.1;
/// Share of the ordinary slots below which a brown-out ends.
const CALM_BELOW: f64 = 0.8;
/// For how long.
const CALM_FOR: Duration = Duration::from_secs(10);

/// The rule, and whether it is relaxed.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    min_flow_rate: Rate,
    browned_out: Option<BrownOut>,
}

/// What one flow may count on, wherever it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    bytes_per_s_each: f64,
}

impl Allowance {
    /// Whether a node of this capacity, with so many wanting flows, has a slot for one more. The
    /// first flow always has one.
    pub(super) fn has_slot(self, capacity: Rate, wanting_flows: u64) -> bool {
        let needed = (wanting_flows + 1) as f64 * self.bytes_per_s_each;
        wanting_flows == 0 || needed <= capacity.bytes_per_s()
    }
}

#[derive(Clone, Copy, Debug)]
struct BrownOut {
    /// Since when there has been room enough without it.
    calm_since: Option<Instant>,
}

impl Admission {
    pub(super) fn new(min_flow_rate: Rate) -> Self {
        Self {
            min_flow_rate,
            browned_out: None,
        }
    }

    /// Another least rate from now on; a brown-out goes on.
    pub(super) fn set_min_flow_rate(&mut self, rate: Rate) {
        self.min_flow_rate = rate;
    }

    /// The slots of a node of this capacity; at least one.
    pub(super) fn slots(&self, capacity: Rate) -> f64 {
        (capacity.bytes_per_s() / self.least_bytes_per_s()).max(1.0)
    }

    /// The slots that are open to large, new flows; at least one.
    pub(super) fn open_slots(&self, capacity: Rate) -> f64 {
        (self.slots(capacity) * (1.0 - RESERVED)).max(1.0)
    }

    /// Whether a node of this capacity, with so many wanting flows, has a slot for one more.
    pub(super) fn has_slot(&self, capacity: Rate, wanting_flows: u64, flow: &Flow<'_>) -> bool {
        self.allowance(flow).has_slot(capacity, wanting_flows)
    }

    /// The same question, to be put to many nodes about one flow.
    pub(super) fn allowance(&self, flow: &Flow<'_>) -> Allowance {
        let reserved = match Lane::of(flow) {
            Lane::Resumed | Lane::Small => 0.0,
            Lane::Large => RESERVED,
        };
        Allowance {
            bytes_per_s_each: self.least_bytes_per_s() / (1.0 - reserved),
        }
    }

    fn least_bytes_per_s(&self) -> f64 {
        let least = self.min_flow_rate.bytes_per_s();
        match self.browned_out {
            Some(_) => least / 2.0,
            None => least,
        }
    }

    pub(super) fn is_browned_out(&self) -> bool {
        self.browned_out.is_some()
    }

    /// Halves the least rate, if it is not yet halved; says whether that is news.
    pub(super) fn brown_out(&mut self) -> bool {
        let is_news = self.browned_out.is_none();
        self.browned_out = Some(BrownOut { calm_since: None });
        is_news
    }

    /// Takes in the share of the slots that is taken; ends a brown-out when it has long been low.
    pub(super) fn settle(&mut self, now: Instant, taken: f64) {
        let Some(brown_out) = &mut self.browned_out else {
            return;
        };
        // `taken` counts twice the ordinary slots now.
        if taken * 2.0 > CALM_BELOW {
            brown_out.calm_since = None;
            return;
        }
        let since = *brown_out.calm_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= CALM_FOR {
            self.browned_out = None;
        }
    }
}

/// When to come back: when there should be room, with half as much again left to chance, so that
/// those who were refused together do not return together.
pub(super) fn retry_after_s(wait_s: f64, random: &mut fastrand::Rng) -> u32 {
    let jittered = (wait_s * (1.0 + 0.5 * random.f64())).ceil();
    // A cast of a float saturates, and of what is not a number is 0.
    (jittered as u32).clamp(1, MAX_RETRY_AFTER_S)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{Part, tests::flow};

    fn admission() -> Admission {
        Admission::new(Rate::from_bytes_per_s(1e6))
    }

    #[test]
    fn a_tenth_of_the_slots_is_for_small_and_resumed() {
        let (admission, capacity) = (admission(), Rate::from_bytes_per_s(100e6));
        let large = flow(50 << 20, &[]);
        let small = flow(500_000, &[]);
        let resumed = Flow {
            part: Part::Rest(5),
            ..large
        };
        for (flows, expected) in [
            (89, [true, true, true]),
            (90, [false, true, true]),
            (99, [false, true, true]),
            (100, [false, false, false]),
        ] {
            let has = [&large, &small, &resumed].map(|f| admission.has_slot(capacity, flows, f));
            assert_eq!(has, expected, "{flows} flows");
        }
        let tiny = Rate::from_bytes_per_s(1.0);
        assert!(
            admission.has_slot(tiny, 0, &large),
            "one flow always has a slot"
        );
    }

    #[test]
    fn a_brown_out_doubles_the_slots_and_ends_with_calm() {
        let (mut admission, capacity) = (admission(), Rate::from_bytes_per_s(10e6));
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        assert!(admission.brown_out() && !admission.brown_out());
        assert_eq!(admission.slots(capacity), 20.0);
        admission.settle(at(1), 0.3);
        admission.settle(at(5), 0.5);
        admission.settle(at(6), 0.3);
        admission.settle(at(15), 0.3);
        assert!(admission.is_browned_out(), "calm for nine seconds only");
        admission.settle(at(16), 0.3);
        assert_eq!(admission.slots(capacity), 10.0);
    }

    #[test]
    fn retry_after_is_bounded_and_spread() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut of = |wait_s| retry_after_s(wait_s, &mut random);
        assert_eq!((of(0.0), of(1e9), of(f64::NAN)), (1, MAX_RETRY_AFTER_S, 1));
        let spread: std::collections::BTreeSet<u32> = (0..100).map(|_| of(20.0)).collect();
        assert_eq!((spread.first(), spread.last()), (Some(&21), Some(&30)));
    }
}
