//! Prequal: a pool of probes, and the choice between hot and cold.
//!
//! After each query a client probes a few random replicas; it chooses from the answers it still has.
//! A replica with more in flight than most is hot; a cold one is chosen by latency, and the least
//! loaded when all are hot. Parameters are those of the paper's section 5, asynchronous mode.

use std::collections::VecDeque;

use fastrand::Rng;

use super::rule::{Probe, Replicas, Rule};
use crate::time::{Ordered, Time};

/// One client's pool.
#[derive(Debug)]
pub(super) struct Pool {
    /// Oldest first.
    probes: VecDeque<Pooled>,
    uses: f64,
    next_removal: Removal,
}

#[derive(Clone, Copy, Debug)]
struct Pooled {
    at: usize,
    probe: Probe,
    came: Time,
    uses_left: u32,
}

/// Which probe is thrown away with each query, in turn.
#[derive(Clone, Copy, Debug)]
enum Removal {
    Oldest,
    Worst,
}

/// Probes kept, and for how long.
const PROBES_MAX: usize = 16;
const AGE_S_MAX: f64 = 1.0;
/// Probes sent and thrown away with each query.
const PROBES_PER_QUERY: usize = 3;
const REMOVALS_PER_QUERY: f64 = 1.0;
/// How much faster probes come than they are used up.
const SURPLUS: f64 = 1.0;
/// A replica is hot above this quantile of what the pool has in flight: 2^-0.25.
const HOT_QUANTILE: f64 = 0.84;
/// With fewer probes, chance decides.
const PROBES_MIN: usize = 2;

impl Pool {
    pub(super) fn new(replicas: usize) -> Self {
        let fresh = 1.0 - PROBES_MAX as f64 / replicas as f64;
        let gain = fresh * PROBES_PER_QUERY as f64 - REMOVALS_PER_QUERY;
        Self {
            probes: VecDeque::with_capacity(PROBES_MAX + 1),
            uses: ((1.0 + SURPLUS) / gain).max(1.0),
            next_removal: Removal::Oldest,
        }
    }

    /// Above how many in flight a replica is hot.
    fn hot_above(&self) -> usize {
        let mut in_flight: Vec<usize> = self.probes.iter().map(|p| p.probe.in_flight).collect();
        in_flight.sort_unstable();
        let rank = (HOT_QUANTILE * in_flight.len() as f64) as usize;
        in_flight
            .get(rank.min(in_flight.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0)
    }

    /// The best by "cold before hot, cold by latency, hot by what is in flight".
    fn best(&self) -> Option<usize> {
        let hot_above = self.hot_above();
        let order = |index: &usize| rank(&self.probes[*index].probe, hot_above);
        (0..self.probes.len()).min_by_key(order)
    }

    fn worst(&self) -> Option<usize> {
        let hot_above = self.hot_above();
        let order = |index: &usize| rank(&self.probes[*index].probe, hot_above);
        (0..self.probes.len()).max_by_key(order)
    }

    fn take_best(&mut self) -> Option<usize> {
        let best = self.best()?;
        let pooled = &mut self.probes[best];
        // Our own query will be there: the next one must not be led by what was before it.
        pooled.probe.in_flight += 1;
        pooled.uses_left -= 1;
        let at = pooled.at;
        if pooled.uses_left == 0 {
            self.probes.remove(best);
        }
        Some(at)
    }

    fn remove_one(&mut self) {
        let index = match self.next_removal {
            Removal::Oldest => Some(0),
            Removal::Worst => self.worst(),
        };
        if let Some(index) = index {
            self.probes.remove(index);
        }
        self.next_removal = match self.next_removal {
            Removal::Oldest => Removal::Worst,
            Removal::Worst => Removal::Oldest,
        };
    }

    fn send_probes(&mut self, now: Time, replicas: &dyn Replicas, random: &mut Rng) {
        for at in distinct(replicas.count(), random) {
            // A fraction of a use is a use with that chance.
            let uses_left = self.uses as u32 + u32::from(random.f64() < self.uses.fract());
            self.probes.push_back(Pooled {
                at,
                probe: replicas.probe(at),
                came: now,
                uses_left,
            });
            if self.probes.len() > PROBES_MAX {
                self.probes.pop_front();
            }
        }
    }
}

impl Rule for Pool {
    fn choose(&mut self, now: Time, replicas: &dyn Replicas, random: &mut Rng) -> usize {
        self.probes.retain(|pooled| now - pooled.came <= AGE_S_MAX);
        let chosen = if self.probes.len() < PROBES_MIN {
            None
        } else {
            self.take_best()
        };
        self.remove_one();
        self.send_probes(now, replicas, random);
        chosen.unwrap_or_else(|| random.usize(0..replicas.count()))
    }
}

/// Less is better: whether hot, then the one number that counts on that side.
fn rank(probe: &Probe, hot_above: usize) -> (bool, Ordered) {
    if probe.in_flight > hot_above {
        (true, Ordered(probe.in_flight as f64))
    } else {
        (false, Ordered(probe.latency_s))
    }
}

fn distinct(count: usize, random: &mut Rng) -> [usize; PROBES_PER_QUERY] {
    let first = random.usize(0..count);
    // Two more, neither the first nor each other: steps of at least one round the circle.
    let a = 1 + random.usize(0..count - 1);
    let b = 1 + random.usize(0..count - 2);
    let b = if b >= a { b + 1 } else { b };
    [first, (first + a) % count, (first + b) % count]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Seed, Stream};

    /// Replicas by what they answer.
    struct Answers(Vec<Probe>);

    impl Replicas for Answers {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn probe(&self, at: usize) -> Probe {
            self.0[at]
        }
    }

    fn probe(in_flight: usize, latency_s: f64) -> Probe {
        Probe {
            in_flight,
            latency_s,
        }
    }

    fn pool(probes: &[Probe]) -> Pool {
        let mut pool = Pool::new(100);
        let pooled = |(at, probe): (usize, &Probe)| Pooled {
            at,
            probe: *probe,
            came: Time::ZERO,
            uses_left: 9,
        };
        pool.probes.extend(probes.iter().enumerate().map(pooled));
        pool
    }

    #[test]
    fn the_fastest_of_the_cold_is_best_and_the_fullest_of_the_hot_worst() {
        let mut probes = vec![probe(1, 0.5); 9];
        probes[3].latency_s = 0.2;
        probes.push(probe(7, 0.1));
        probes.push(probe(9, 0.1));
        let pool = pool(&probes);
        assert_eq!(pool.hot_above(), 7);
        assert_eq!(pool.best(), Some(9), "seven is the quantile itself: cold");
        assert_eq!(pool.worst(), Some(10));
    }

    #[test]
    fn a_pool_uses_probes_up_and_forgets_old_ones() {
        let answers = Answers(vec![probe(0, 0.1); 100]);
        let mut random = Seed(1).stream(Stream::Choices);
        let mut pool = Pool::new(100);
        for query in 0..200 {
            pool.choose(
                Time::from_secs(f64::from(query) * 0.02),
                &answers,
                &mut random,
            );
            assert!(pool.probes.len() <= PROBES_MAX);
        }
        assert!(pool.probes.len() > PROBES_MIN);
        pool.choose(Time::from_secs(60.0), &answers, &mut random);
        assert_eq!(pool.probes.len(), PROBES_PER_QUERY);
    }

    #[test]
    fn probes_go_to_different_replicas() {
        let mut random = Seed(1).stream(Stream::Choices);
        for _ in 0..1_000 {
            let [a, b, c] = distinct(4, &mut random);
            assert!(a != b && b != c && a != c && a.max(b).max(c) < 4);
        }
    }
}
