//! The scene: everything the live display shows at one moment, as plain values.
//!
//! Shares, rates and flows are what clients see, counted by the demo; states and lag are what the
//! server says. It must never mix the two in one column.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use overspill_wire::status::{DecisionCounts, FleetStatus};

use super::tally::{SERVER, Tally};

/// One moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    pub(super) rows: Vec<Row>,
    pub(super) decisions: DecisionCounts,
    pub(super) tally: Tally,
    pub(super) bytes_per_s: u64,
    /// Since the load began.
    pub(super) elapsed: Duration,
    /// How long the load is to be.
    pub(super) length: Duration,
    /// The last events, oldest first.
    pub(super) events: Vec<String>,
}

/// One node at that moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Row {
    /// What the demo calls it.
    pub(super) label: String,
    /// What the server says of it.
    pub(super) state: String,
    /// What clients got from it.
    pub(super) bytes: u64,
    pub(super) bytes_per_s: u64,
    /// Downloads that our own clients have on it; where curl is, only curl knows. The server would
    /// also count those that a mirror has finished since its last report.
    pub(super) flows: u64,
    /// Revisions it is behind.
    pub(super) lag_revisions: u64,
}

/// What every node has sent at recent moments.
#[derive(Debug, Default)]
pub(super) struct Rates(VecDeque<(Instant, Tally)>);

impl Rates {
    /// Takes in the tally of now, forgets the oldest.
    pub(super) fn observe(&mut self, now: Instant, tally: &Tally) {
        self.0.push_back((now, tally.clone()));
        let is_old = |at: Instant| now.saturating_duration_since(at) >= WINDOW;
        // One that is older stays: the window begins there.
        while self.0.len() > 1 && is_old(self.0[1].0) {
            self.0.pop_front();
        }
    }

    /// Bytes per second that `bytes` has grown by within the window.
    fn of(&self, bytes: impl Fn(&Tally) -> u64) -> u64 {
        let (Some((from, before)), Some((to, now))) = (self.0.front(), self.0.back()) else {
            return 0;
        };
        let elapsed_s = to.saturating_duration_since(*from).as_secs_f64();
        let grown = bytes(now).saturating_sub(bytes(before));
        if elapsed_s > 0.0 {
            (grown as f64 / elapsed_s) as u64
        } else {
            0
        }
    }
}

/// The rows of a table: the server and the mirrors, given as (label, name in the fleet).
pub(super) fn rows(
    mirrors: &[(String, String)],
    status: &FleetStatus,
    tally: &Tally,
    rates: &Rates,
) -> Vec<Row> {
    let server = Row {
        label: SERVER.to_owned(),
        state: "serving".to_owned(),
        ..sent_by(SERVER, tally, rates)
    };
    let mirror = |(label, name): &(String, String)| {
        let member = status.members.iter().find(|member| member.name == *name);
        Row {
            label: label.clone(),
            state: member.map_or("unknown", |member| &member.state).to_owned(),
            lag_revisions: member.map_or(0, |member| member.lag_revisions),
            ..sent_by(name, tally, rates)
        }
    };
    std::iter::once(server)
        .chain(mirrors.iter().map(mirror))
        .collect()
}

/// Bytes per second that all clients together receive.
pub(super) fn total_bytes_per_s(rates: &Rates) -> u64 {
    rates.of(Tally::received_bytes)
}

fn sent_by(name: &str, tally: &Tally, rates: &Rates) -> Row {
    let source = tally.of(name);
    Row {
        bytes: source.bytes,
        flows: source.in_flight,
        bytes_per_s: rates.of(|tally| tally.of(name).bytes),
        ..Row::default()
    }
}

/// Long enough that a file that curl hands in as a whole does not look like a burst.
const WINDOW: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_over_the_last_two_seconds() {
        let begun = Instant::now();
        let mut rates = Rates::default();
        let mut tally = Tally::default();
        for (at_ms, bytes, expected) in [
            (0, 1000, 0),
            (500, 1000, 2000),
            (1000, 0, 1000),
            (2000, 0, 500),
            (2500, 0, 0),
            (3000, 4000, 2000),
        ] {
            tally.credit("m-1", bytes);
            rates.observe(begun + Duration::from_millis(at_ms), &tally);
            let of = rates.of(|tally| tally.of("m-1").bytes);
            assert_eq!(
                (of, total_bytes_per_s(&rates)),
                (expected, expected),
                "{at_ms}"
            );
        }
    }
}
