//! What a replica knows about itself and tells: its work, its answers, how long they took.

use std::collections::{BTreeMap, VecDeque};

use super::machine::Neighbours;

/// One replica's books.
#[derive(Debug)]
pub(super) struct Replica {
    /// How its neighbours are from the next change on.
    next_neighbours: Neighbours,
    /// Work that came, less work that was aborted, in core-seconds.
    taken_s: f64,
    /// Work done when it was last weighed.
    done_s: f64,
    answers: f64,
    /// Answers and core-seconds, both decaying with [`MEMORY`].
    recent_answers: f64,
    recent_done_s: f64,
    /// Latest latencies by queries in flight at arrival.
    latencies_s: BTreeMap<usize, VecDeque<f64>>,
}

/// What each weighing leaves of what was before: about ten weighings count.
const MEMORY: f64 = 0.9;

/// Latencies remembered for each number in flight, and the greatest number told apart.
const LATENCIES_MAX: usize = 15;
const IN_FLIGHT_MAX: usize = 256;

impl Replica {
    pub(super) fn new(next_neighbours: Neighbours) -> Self {
        Self {
            next_neighbours,
            taken_s: 0.0,
            done_s: 0.0,
            answers: 0.0,
            recent_answers: 0.0,
            recent_done_s: 0.0,
            latencies_s: BTreeMap::new(),
        }
    }

    pub(super) fn neighbours_change(&mut self) -> Neighbours {
        let now = self.next_neighbours;
        self.next_neighbours = now.other();
        now
    }

    pub(super) fn started(&mut self, work_s: f64) {
        self.taken_s += work_s;
    }

    pub(super) fn aborted(&mut self, left_s: f64) {
        self.taken_s -= left_s;
    }

    pub(super) fn answered(&mut self, in_flight: usize, latency_s: f64) {
        self.answers += 1.0;
        let at = in_flight.min(IN_FLIGHT_MAX);
        let latest = self.latencies_s.entry(at).or_default();
        if latest.len() == LATENCIES_MAX {
            latest.pop_front();
        }
        latest.push_back(latency_s);
    }

    /// Answers per core-second of late; `remaining_s` is the work that is still to do.
    pub(super) fn weigh(&mut self, remaining_s: f64) -> f64 {
        let done_s = self.taken_s - remaining_s;
        self.recent_done_s = self.recent_done_s * MEMORY + (done_s - self.done_s);
        self.recent_answers = self.recent_answers * MEMORY + self.answers;
        (self.done_s, self.answers) = (done_s, 0.0);
        if self.recent_done_s > 0.0 {
            self.recent_answers / self.recent_done_s
        } else {
            0.0
        }
    }

    /// Median of the latest latencies at about this number in flight; 0 while nothing is known.
    pub(super) fn latency_at(&self, in_flight: usize) -> f64 {
        let below = self.latencies_s.range(..=in_flight).next_back();
        let above = self.latencies_s.range(in_flight..).next();
        let nearest = below
            .into_iter()
            .chain(above)
            .min_by_key(|(at, _)| at.abs_diff(in_flight));
        nearest.map_or(0.0, |(_, latest)| median(latest))
    }
}

fn median(values: &VecDeque<f64>) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_is_answers_per_work_done() {
        let mut replica = Replica::new(Neighbours::Busy);
        assert_eq!(replica.weigh(0.0), 0.0);
        replica.started(3.0);
        replica.started(2.0);
        replica.answered(1, 0.5);
        assert_eq!(replica.weigh(1.0), 0.25);
        replica.aborted(1.0);
        // Nothing done since: what was decays alike in both.
        assert!((replica.weigh(0.0) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn latency_is_the_median_near_what_is_in_flight() {
        let mut replica = Replica::new(Neighbours::Busy);
        assert_eq!(replica.latency_at(3), 0.0);
        for latency_s in [0.1, 0.2, 0.9] {
            replica.answered(2, latency_s);
        }
        replica.answered(9, 5.0);
        assert_eq!(
            [1, 2, 5, 8, 40].map(|at| replica.latency_at(at)),
            [0.2, 0.2, 0.2, 5.0, 5.0]
        );
        (0..LATENCIES_MAX).for_each(|_| replica.answered(2, 0.3));
        assert_eq!(replica.latency_at(2), 0.3, "old ones are forgotten");
    }
}
