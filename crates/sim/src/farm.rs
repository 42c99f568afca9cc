//! Many stations under one clock.
//!
//! A tournament over the times of their next departures: when one station changes, the earliest of
//! all is known again after O(log n) comparisons, without leftovers of times that no longer hold. Of
//! equal times the station with the lower number is first. It must never choose where a flow goes.

use crate::{
    chooser::Nodes,
    station::{Flow, Station},
    time::Time,
};

/// Stations, and which of them is next to end a flow.
#[derive(Debug)]
pub struct Farm<S> {
    stations: Vec<S>,
    departures: Tournament,
}

/// A farm at one moment, as a [`Nodes`] that knows everything.
#[derive(Debug)]
pub struct Truth<'a, S> {
    farm: &'a Farm<S>,
    now: Time,
}

impl<S: Station> Farm<S> {
    /// A farm of idle stations.
    pub fn new(stations: Vec<S>) -> Self {
        let departures = Tournament::new(stations.len());
        Self {
            stations,
            departures,
        }
    }

    /// The stations.
    pub fn stations(&self) -> &[S] {
        &self.stations
    }

    /// Everything as it is now.
    pub fn truth(&self, now: Time) -> Truth<'_, S> {
        Truth { farm: self, now }
    }

    /// Gives a flow to a station.
    pub fn start(&mut self, at: usize, now: Time, flow: Flow) {
        self.change(at, |station| station.start(now, flow));
    }

    /// Does something to one station, after which it may have another next departure.
    pub fn change<T>(&mut self, at: usize, act: impl FnOnce(&mut S) -> T) -> T {
        let station = &mut self.stations[at];
        let outcome = act(station);
        self.departures.set(at, station.next_departure());
        outcome
    }

    /// When the next flow of all ends.
    pub fn next_departure(&self) -> Option<Time> {
        self.departures.first().map(|(time, _)| time)
    }

    /// Ends that flow: when, where and which.
    pub fn depart(&mut self) -> Option<(Time, usize, Flow)> {
        let (now, at) = self.departures.first()?;
        let flow = self.change(at, |station| station.depart(now))?;
        Some((now, at, flow))
    }
}

impl<S: Station> Nodes for Truth<'_, S> {
    fn count(&self) -> usize {
        self.farm.stations.len()
    }

    fn capacity(&self, at: usize) -> f64 {
        self.farm.stations[at].capacity()
    }

    fn flows(&self, at: usize) -> f64 {
        self.farm.stations[at].flows() as f64
    }

    fn work_before(&self, at: usize, size: f64) -> f64 {
        self.farm.stations[at].work_before(self.now, size)
    }
}

/// A complete binary tree whose every node has the earlier of its two children.
#[derive(Debug)]
struct Tournament {
    /// The root is at 1, the leaves are the last half.
    winners: Vec<(Time, usize)>,
}

impl Tournament {
    fn new(players: usize) -> Self {
        let leaves = players.next_power_of_two().max(1);
        Self {
            winners: vec![(Time::NEVER, 0); 2 * leaves],
        }
    }

    fn set(&mut self, player: usize, time: Option<Time>) {
        let mut at = self.winners.len() / 2 + player;
        self.winners[at] = (time.unwrap_or(Time::NEVER), player);
        while at > 1 {
            at /= 2;
            self.winners[at] = self.winners[2 * at].min(self.winners[2 * at + 1]);
        }
    }

    fn first(&self) -> Option<(Time, usize)> {
        let first = self.winners[1];
        (first.0 < Time::NEVER).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::{FcfsQueue, FlowId};

    #[test]
    fn flows_end_in_order_of_time_then_of_station() {
        let mut farm = Farm::new((0..5).map(|_| FcfsQueue::new(1)).collect());
        for (id, (at, size)) in [(3, 2.0), (1, 1.0), (4, 2.0), (1, 1.0), (0, 2.5)]
            .into_iter()
            .enumerate()
        {
            let flow = Flow {
                id: FlowId(id as u64),
                arrived: Time::ZERO,
                size,
                rate_max: f64::INFINITY,
            };
            farm.start(at, Time::ZERO, flow);
        }
        let order: Vec<(usize, u64)> =
            std::iter::from_fn(|| farm.depart().map(|(_, at, flow)| (at, flow.id.0))).collect();
        assert_eq!(order, [(1, 1), (1, 3), (3, 0), (4, 2), (0, 4)]);
        assert_eq!(farm.next_departure(), None);
    }
}
