//! What a core counts of its requests, for whoever asks later: answers, endings, times.
//!
//! Each core has a tally of its own and is the only one to write it, so counting is a plain load and
//! store on a line of cache that nobody else wants, without a lock and without allocation. It must
//! never be shared for writing: two writers would lose counts.

mod distribution;
mod gathered;

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use overspill_http1::request::Method;

pub use self::distribution::Distribution;
use self::distribution::{Latencies, Multiples};
pub(crate) use self::gathered::Gathered;
use crate::{observe::Outcome, service::Decision};

/// The counters of one core.
///
/// Aligned so that no two cores write to one line of cache, nor to two that are fetched together.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Tally {
    /// By method, status class and decision.
    answers: [[[Counter; DecisionKind::ALL.len()]; CLASSES]; METHODS.len()],
    endings: [Ended; Ending::ALL.len()],
    first_byte: Latencies,
    slowdown: Multiples,
    accepted: Counter,
    turned_away: Counter,
    /// What the node can send, as it is believed now; 0 while nothing is known. Written by whoever
    /// measures it.
    capacity_bytes_per_s: AtomicU64,
}

/// A counter with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

#[derive(Debug, Default)]
struct Ended {
    responses: Counter,
    bytes: Counter,
}

/// What was decided about a request, without whom it concerns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DecisionKind {
    /// This node served it.
    Serve,
    /// Another member was to.
    Redirect,
    /// Another member did, through this node.
    Relay,
    /// It went back to whoever had sent it.
    SendBack,
    /// Nobody did.
    Reject,
    /// It was for the node itself: there was nothing to decide.
    Control,
}

/// How a response ended, as far as a count can tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// With its last byte.
    Complete,
    /// Before, because the client left, fell silent or was too slow.
    CutByClient,
    /// Before, because this node could not go on.
    CutByNode,
}

/// The sums of all cores since the start of the process.
#[derive(Clone, Debug)]
pub struct Tallied {
    /// Answers, in a fixed order; those that never occurred are 0.
    pub answers: Vec<Answers>,
    /// In the order of [`Ending::ALL`], without control.
    endings: [Endings; Ending::ALL.len()],
    /// Seconds from a request's head to the first byte of its body, or to its whole answer where that
    /// is small.
    pub first_byte: Distribution,
    /// Time of finished flows of 64 KiB and more, as a multiple of their bytes over the capacity.
    pub slowdown: Distribution,
    /// Connections that were let in.
    pub accepted: u64,
    /// Connections that were refused because every seat was taken; what clients' own limits refuse,
    /// the gate counts.
    pub turned_away: u64,
}

/// How many requests of one kind were answered in one way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Answers {
    /// The method: `GET`, `HEAD`, `OPTIONS` or `other`.
    pub method: &'static str,
    /// `2xx` to `5xx`.
    pub class: &'static str,
    /// What was decided.
    pub decision: DecisionKind,
    /// How many.
    pub requests: u64,
}

/// How many responses ended in one way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Endings {
    /// How many.
    pub responses: u64,
    /// Bytes of their bodies that went out.
    pub bytes: u64,
}

/// The methods in the order of [`method_at`].
const METHODS: [&str; 4] = ["GET", "HEAD", "OPTIONS", "other"];
/// Classes of final status codes, 2xx to 5xx.
const CLASSES: usize = 4;
const CLASS_NAMES: [&str; CLASSES] = ["2xx", "3xx", "4xx", "5xx"];
/// Below this a flow's time is that of handshakes, and says nothing of the load: as in dispatch.
const SLOWDOWN_BYTES_MIN: u64 = 64 << 10;

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        // Not `fetch_add`: there is one writer, and a locked instruction costs five times as much.
        self.0
            .store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    pub(crate) fn sum(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl DecisionKind {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 6] = [
        Self::Serve,
        Self::Redirect,
        Self::Relay,
        Self::SendBack,
        Self::Reject,
        Self::Control,
    ];

    /// The kind of a decision about a path of the tree.
    pub(crate) fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Serve => Self::Serve,
            Decision::Redirect(_) => Self::Redirect,
            Decision::Relay(_) => Self::Relay,
            Decision::SendBack => Self::SendBack,
            Decision::Reject => Self::Reject,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Redirect => "redirect",
            Self::Relay => "relay",
            Self::SendBack => "send-back",
            Self::Reject => "reject",
            Self::Control => "control",
        }
    }
}

impl Ending {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 3] = [Self::Complete, Self::CutByClient, Self::CutByNode];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::CutByClient => "cut-by-client",
            Self::CutByNode => "cut-by-node",
        }
    }
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Complete => Self::Complete,
            Outcome::CutByClient | Outcome::CutIdle | Outcome::CutTooSlow => Self::CutByClient,
            Outcome::CutFileChanged | Outcome::CutFileUnreadable | Outcome::CutNobodyLeft => {
                Self::CutByNode
            }
        }
    }
}

impl Tally {
    /// A request was answered with this status.
    pub(crate) fn answered(&self, method: Method, status: u16, decision: DecisionKind) {
        let class = usize::from(status / 100).wrapping_sub(2);
        if let Some(by_decision) = self.answers[method_at(method)].get(class) {
            by_decision[decision as usize].add(1);
        }
    }

    /// So many responses ended like this, with so many bytes of body between them.
    pub(crate) fn ended(&self, ending: Ending, responses: u64, bytes: u64) {
        let ended = &self.endings[ending as usize];
        ended.responses.add(responses);
        ended.bytes.add(bytes);
    }

    /// The first bytes of so many responses went out so long after they were asked for.
    pub(crate) fn first_byte(&self, after: Duration, responses: u64) {
        self.first_byte.add(after, responses);
    }

    /// A flow is complete that took so long.
    pub(crate) fn finished(&self, lasted: Duration, bytes: u64) {
        let capacity = self.capacity_bytes_per_s.load(Relaxed);
        if bytes >= SLOWDOWN_BYTES_MIN && capacity > 0 {
            let alone_s = bytes as f64 / capacity as f64;
            self.slowdown.add(lasted.as_secs_f64() / alone_s);
        }
    }

    /// A connection was let in.
    pub(crate) fn accepted(&self) {
        self.accepted.add(1);
    }

    /// A connection was refused: every seat is taken.
    pub(crate) fn turned_away(&self) {
        self.turned_away.add(1);
    }

    /// What a slowdown is measured by from now on.
    pub(crate) fn set_capacity(&self, bytes_per_s: u64) {
        self.capacity_bytes_per_s.store(bytes_per_s, Relaxed);
    }
}

impl Tallied {
    /// The sums of `tallies`.
    pub(crate) fn of(tallies: &[&Tally]) -> Self {
        let sum =
            |counter: &dyn Fn(&Tally) -> u64| tallies.iter().map(|tally| counter(tally)).sum();
        let endings = |ending: Ending| Endings {
            responses: sum(&|tally| tally.endings[ending as usize].responses.sum()),
            bytes: sum(&|tally| tally.endings[ending as usize].bytes.sum()),
        };
        Self {
            answers: kinds()
                .map(|(method, class, decision)| Answers {
                    method: METHODS[method],
                    class: CLASS_NAMES[class],
                    decision,
                    requests: sum(&|tally| tally.answers[method][class][decision as usize].sum()),
                })
                .collect(),
            endings: Ending::ALL.map(endings),
            first_byte: Latencies::merged(tallies.iter().map(|tally| &tally.first_byte)),
            slowdown: Multiples::merged(tallies.iter().map(|tally| &tally.slowdown)),
            accepted: sum(&|tally| tally.accepted.sum()),
            turned_away: sum(&|tally| tally.turned_away.sum()),
        }
    }

    /// Responses and their body bytes by ending.
    pub fn endings(&self) -> impl Iterator<Item = (Ending, Endings)> {
        Ending::ALL.into_iter().zip(self.endings)
    }

    /// All requests that were answered.
    pub fn requests(&self) -> u64 {
        self.answers.iter().map(|answers| answers.requests).sum()
    }
}

/// Every kind of answer, by place of its method, its class and its decision.
fn kinds() -> impl Iterator<Item = (usize, usize, DecisionKind)> {
    let all: [usize; METHODS.len()] = array::from_fn(|at| at);
    all.into_iter().flat_map(|method| {
        (0..CLASSES).flat_map(move |class| {
            DecisionKind::ALL
                .into_iter()
                .map(move |decision| (method, class, decision))
        })
    })
}

fn method_at(method: Method) -> usize {
    match method {
        Method::Get => 0,
        Method::Head => 1,
        Method::Options => 2,
        Method::Other => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cores_are_summed() {
        let cores = [Tally::default(), Tally::default()];
        for (core, status) in cores.iter().zip([200, 404]) {
            core.answered(Method::Get, status, DecisionKind::Serve);
            core.answered(Method::Get, 307, DecisionKind::Redirect);
            core.ended(Ending::Complete, 2, 100);
            core.first_byte(Duration::from_millis(1), 2);
            core.accepted();
        }
        cores[0].turned_away();
        let sums = Tallied::of(&cores.each_ref());
        let requests = |class, decision| {
            let mut answers = sums.answers.iter();
            let found = answers.find(|answers| {
                (answers.method, answers.class, answers.decision) == ("GET", class, decision)
            });
            found.unwrap().requests
        };
        assert_eq!(requests("2xx", DecisionKind::Serve), 1);
        assert_eq!(requests("4xx", DecisionKind::Serve), 1);
        assert_eq!(requests("3xx", DecisionKind::Redirect), 2);
        assert_eq!(sums.requests(), 4);
        assert_eq!((sums.accepted, sums.turned_away), (2, 1));
        let complete = sums.endings[Ending::Complete as usize];
        assert_eq!((complete.responses, complete.bytes), (4, 200));
        assert_eq!(sums.first_byte.count(), 4);
    }

    #[test]
    fn every_kind_has_a_counter_of_its_own() {
        let tally = Tally::default();
        let methods = [Method::Get, Method::Head, Method::Options, Method::Other];
        for method in methods {
            for status in [200, 304, 416, 503] {
                for decision in DecisionKind::ALL {
                    tally.answered(method, status, decision);
                }
            }
        }
        let sums = Tallied::of(&[&tally]);
        assert_eq!(sums.answers.len(), 4 * 4 * 6);
        assert!(sums.answers.iter().all(|answers| answers.requests == 1));
    }

    #[test]
    fn what_is_no_final_status_is_not_counted() {
        let tally = Tally::default();
        for status in [0, 100, 600, u16::MAX] {
            tally.answered(Method::Get, status, DecisionKind::Serve);
        }
        assert_eq!(Tallied::of(&[&tally]).requests(), 0);
    }

    #[test]
    fn a_slowdown_is_measured_by_the_capacity() {
        let tally = Tally::default();
        tally.finished(Duration::from_secs(1), 1 << 20);
        assert_eq!(
            Tallied::of(&[&tally]).slowdown.count(),
            0,
            "no capacity known"
        );
        tally.set_capacity(1 << 20);
        tally.finished(Duration::from_secs(3), 1 << 20);
        tally.finished(Duration::from_secs(3), SLOWDOWN_BYTES_MIN - 1);
        let slowdown = Tallied::of(&[&tally]).slowdown;
        assert_eq!(slowdown.count(), 1);
        assert!((slowdown.sum - 3.0).abs() < 0.01, "{slowdown:?}");
    }

    #[test]
    fn the_enums_are_in_the_order_of_their_counters() {
        for (at, decision) in DecisionKind::ALL.into_iter().enumerate() {
            assert_eq!(decision as usize, at);
        }
        for (at, ending) in Ending::ALL.into_iter().enumerate() {
            assert_eq!(ending as usize, at);
        }
    }
}
