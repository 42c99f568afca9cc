//! Ejecting members that answer, but badly.
//!
//! A dead member is the detector's affair; this is for one that is alive and fails: errors, cut
//! bodies, clients that come back from it, wrong content. Ejection backs off exponentially; after it
//! one flow at a time is risked (*probation*), and the first that goes well ends it. It must never
//! decide alone: the fleet ejects, and never more than half of its capacity, because what makes
//! everybody fail is not the members' fault.

use std::time::{Duration, Instant};

use super::MemberCounts;
use crate::load::DecayingRatio;

/// What is held against a member, or for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// A flow went well.
    Success,
    /// A flow failed: an error, a client that came back.
    Failure,
    /// It sent wrong bytes. One is enough.
    Corrupt,
}

/// Whether a member is trusted with flows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// With any number.
    Trusted,
    /// With none, until then.
    Ejected(Instant),
    /// With one at a time.
    Probation,
}

/// The record of one member.
#[derive(Clone, Debug)]
pub(super) struct Ejector {
    standing: Standing,
    consecutive_failures: u32,
    outcomes: DecayingRatio,
    /// Ejections in a row; forgotten after [`FORGIVEN_AFTER`] of trust.
    ejections: u32,
    changed: Instant,
    spared: Option<Instant>,
    /// What is never forgotten, for people.
    ever: MemberCounts,
}

/// What a piece of evidence asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Nothing.
    Keep,
    /// Ejection, if the fleet can do without.
    Eject,
    /// Ejection, whatever the fleet can do without: nobody may be sent wrong bytes.
    EjectAtOnce,
}

/// Failures in a row that eject.
const CONSECUTIVE_FAILURES: u32 = 5;
/// Outcomes within the memory of `OUTCOME_DECAY` before their ratio says anything.
const ENOUGH_OUTCOMES: f64 = 20.0;
/// Share of failures that ejects.
const FAILURE_RATIO: f64 = 0.2;
/// Time constant with which outcomes are forgotten.
const OUTCOME_DECAY: Duration = Duration::from_secs(30);
/// The first ejection; doubled each time.
const FIRST_EJECTION: Duration = Duration::from_secs(5);
/// The longest.
const LONGEST_EJECTION: Duration = Duration::from_secs(300);
/// Trust that lasted so long clears the record.
const FORGIVEN_AFTER: Duration = Duration::from_secs(300);
/// How often it is told that a member is spared.
const SPARED_TOLD_EVERY: Duration = Duration::from_secs(60);

impl Ejector {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            standing: Standing::Trusted,
            consecutive_failures: 0,
            outcomes: DecayingRatio::new(OUTCOME_DECAY, now),
            ejections: 0,
            changed: now,
            spared: None,
            ever: MemberCounts::default(),
        }
    }

    /// Takes evidence in.
    pub(super) fn weigh(&mut self, now: Instant, evidence: Evidence) -> Verdict {
        self.ever.failed += u64::from(evidence != Evidence::Success);
        match evidence {
            Evidence::Success => {
                self.outcomes.succeeded(now);
                self.consecutive_failures = 0;
                if self.standing == Standing::Probation {
                    self.stand(now, Standing::Trusted);
                }
                Verdict::Keep
            }
            Evidence::Failure => {
                self.outcomes.failed(now);
                self.consecutive_failures += 1;
                self.verdict(now)
            }
            Evidence::Corrupt => {
                self.outcomes.failed(now);
                Verdict::EjectAtOnce
            }
        }
    }

    fn verdict(&self, now: Instant) -> Verdict {
        let fails_often = self.outcomes.outcomes(now) >= ENOUGH_OUTCOMES
            && self.outcomes.ratio(now) > FAILURE_RATIO;
        match self.standing {
            Standing::Ejected(_) => Verdict::Keep,
            Standing::Probation => Verdict::Eject,
            Standing::Trusted
                if fails_often || self.consecutive_failures >= CONSECUTIVE_FAILURES =>
            {
                Verdict::Eject
            }
            Standing::Trusted => Verdict::Keep,
        }
    }

    /// Ejects; says for how long. A tenth of it is left to chance, so that members which failed
    /// together do not come back together.
    pub(super) fn eject(&mut self, now: Instant, random: &mut fastrand::Rng) -> Duration {
        let doubled = FIRST_EJECTION.saturating_mul(1 << self.ejections.min(10));
        let length = doubled
            .min(LONGEST_EJECTION)
            .mul_f64(0.95 + 0.1 * random.f64());
        self.ejections += 1;
        self.ever.ejected += 1;
        self.consecutive_failures = 0;
        self.stand(now, Standing::Ejected(now + length));
        length
    }

    /// It was to be ejected and the fleet cannot do without it. Says whether that is news.
    pub(super) fn spare(&mut self, now: Instant) -> bool {
        let is_news = self
            .spared
            .is_none_or(|at| now.saturating_duration_since(at) >= SPARED_TOLD_EVERY);
        if is_news {
            self.spared = Some(now);
        }
        is_news
    }

    /// Lets time act. Says whether the standing has changed.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        match self.standing {
            Standing::Ejected(until) if now >= until => {
                self.stand(now, Standing::Probation);
                true
            }
            Standing::Trusted if now.saturating_duration_since(self.changed) >= FORGIVEN_AFTER => {
                self.ejections = 0;
                false
            }
            _ => false,
        }
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// Failures and ejections since this node knows the member.
    pub(super) fn ever(&self) -> MemberCounts {
        self.ever
    }

    /// Share of recent outcomes that were failures.
    pub(super) fn error_ratio(&self, now: Instant) -> f64 {
        self.outcomes.ratio(now)
    }

    fn stand(&mut self, now: Instant, standing: Standing) {
        self.standing = standing;
        self.changed = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(ejector: &mut Ejector, now: Instant, times: u32) -> Verdict {
        (0..times).fold(Verdict::Keep, |_, _| ejector.weigh(now, Evidence::Failure))
    }

    #[test]
    fn five_failures_in_a_row_eject_and_a_success_between_does_not() {
        let now = Instant::now();
        let mut ejector = Ejector::new(now);
        assert_eq!(fail(&mut ejector, now, 4), Verdict::Keep);
        ejector.weigh(now, Evidence::Success);
        assert_eq!(fail(&mut ejector, now, 4), Verdict::Keep);
        assert_eq!(fail(&mut ejector, now, 1), Verdict::Eject);
    }

    #[test]
    fn a_quarter_of_failures_ejects_once_there_are_enough_to_tell() {
        let now = Instant::now();
        let mut ejector = Ejector::new(now);
        for round in 0.. {
            assert!(round < 10, "never ejected");
            for _ in 0..3 {
                ejector.weigh(now, Evidence::Success);
            }
            if ejector.weigh(now, Evidence::Failure) == Verdict::Eject {
                assert!(round >= 4, "too early");
                break;
            }
        }
    }

    #[test]
    fn ejections_double_and_probation_ends_with_one_success() {
        let (mut now, mut random) = (Instant::now(), fastrand::Rng::with_seed(1));
        let mut ejector = Ejector::new(now);
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            let length = ejector.eject(now, &mut random);
            assert!(length > last.mul_f64(1.7), "{last:?} {length:?}");
            assert_eq!(
                fail(&mut ejector, now, 9),
                Verdict::Keep,
                "it is out already"
            );
            now += length;
            assert!(ejector.settle(now));
            assert_eq!(ejector.standing(), Standing::Probation);
            assert_eq!(fail(&mut ejector, now, 1), Verdict::Eject);
            last = length;
        }
        now += ejector.eject(now, &mut random);
        ejector.settle(now);
        ejector.weigh(now, Evidence::Success);
        assert_eq!(ejector.standing(), Standing::Trusted);
        ejector.settle(now + FORGIVEN_AFTER);
        let again = ejector.eject(now + FORGIVEN_AFTER, &mut random);
        assert!(again < FIRST_EJECTION * 2, "forgiven");
    }

    #[test]
    fn wrong_bytes_eject_at_once() {
        let mut ejector = Ejector::new(Instant::now());
        let verdict = ejector.weigh(Instant::now(), Evidence::Corrupt);
        assert_eq!(verdict, Verdict::EjectAtOnce);
    }
}
