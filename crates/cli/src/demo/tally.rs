//! The tally: what all clients of the demo got, and from whom.
//!
//! Counted at the clients, not told by the nodes, so that it holds whatever dies. Pure: it must
//! never read a clock or print.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The name of the server as a source; mirrors go by their member names.
pub(super) const SERVER: &str = "server";

/// What came so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// By name; whoever sent nothing yet may be missing.
    pub(super) sources: BTreeMap<String, Source>,
    /// Downloads begun.
    pub(super) begun: u64,
    /// Downloads that ended byte-exact.
    pub(super) exact: u64,
    /// Bytes of those files.
    pub(super) exact_bytes: u64,
    /// Downloads that did not.
    pub(super) failed: u64,
    /// The first failures, in words, each once.
    pub(super) failures: Vec<String>,
    /// Tries that failed and were made again.
    pub(super) retries: u64,
    /// Downloads with such a try.
    pub(super) retried: u64,
    /// Downloads broken off half way on purpose and continued with a range request.
    pub(super) resumed: u64,
    /// Downloads by curl.
    pub(super) by_curl: u64,
    /// Redirects that clients followed to a node that answered.
    pub(super) redirects: u64,
    /// Which node answers at an authority (`host:port`).
    pub(super) names: BTreeMap<String, String>,
}

/// What one node sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Source {
    pub(super) bytes: u64,
    /// Downloads on it now, as far as clients know.
    pub(super) in_flight: u64,
}

/// How a download ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Ending {
    /// What was wrong, or the size of the file.
    pub(super) result: Result<u64, String>,
    /// Failed tries on the way.
    pub(super) retries: u64,
}

/// A tally that all clients write to.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedTally(Arc<Mutex<Tally>>);

impl Tally {
    /// A node answers at this URL from now on.
    pub(super) fn learn(&mut self, url: &str, name: &str) {
        let authority = authority_of(url).to_owned();
        self.names.insert(authority, name.to_owned());
        self.sources.entry(name.to_owned()).or_default();
    }

    /// The node that answers at a URL.
    pub(super) fn name_at(&self, url: &str) -> Option<String> {
        self.names.get(authority_of(url)).cloned()
    }

    /// Bytes came from a node.
    pub(super) fn credit(&mut self, source: &str, bytes: u64) {
        self.source(source).bytes += bytes;
    }

    /// A download came to a node.
    pub(super) fn arrived(&mut self, source: &str) {
        self.source(source).in_flight += 1;
    }

    /// A download left a node, done or not.
    pub(super) fn left(&mut self, source: &str) {
        let source = self.source(source);
        source.in_flight = source.in_flight.saturating_sub(1);
    }

    /// A download of this file ended.
    pub(super) fn ended(&mut self, path: &str, ending: Ending) {
        self.retries += ending.retries;
        self.retried += u64::from(ending.retries > 0);
        match ending.result {
            Ok(bytes) => {
                self.exact += 1;
                self.exact_bytes += bytes;
            }
            Err(reason) => {
                self.failed += 1;
                let failure = format!("{path}: {reason}");
                if self.failures.len() < FAILURES_MAX && !self.failures.contains(&failure) {
                    self.failures.push(failure);
                }
            }
        }
    }

    /// Downloads that run now.
    pub(super) fn running(&self) -> u64 {
        self.begun - self.exact - self.failed
    }

    /// Bytes from all nodes.
    pub(super) fn received_bytes(&self) -> u64 {
        self.sources.values().map(|source| source.bytes).sum()
    }

    /// What a node sent.
    pub(super) fn of(&self, name: &str) -> Source {
        self.sources.get(name).copied().unwrap_or_default()
    }

    fn source(&mut self, name: &str) -> &mut Source {
        self.sources.entry(name.to_owned()).or_default()
    }
}

impl SharedTally {
    /// The tally, held for a few additions that cannot panic; never across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `host:port` of an `http://` URL.
fn authority_of(url: &str) -> &str {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    rest.split(['/', '?']).next().unwrap_or(rest)
}

/// Failures told in words; more would only scroll the first ones away.
const FAILURES_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_flows_go_to_the_node_that_answers_there() {
        let mut tally = Tally::default();
        tally.learn("http://127.0.0.1:1/", SERVER);
        tally.learn("http://127.0.0.1:2", "m-1");
        for (url, name) in [
            ("http://127.0.0.1:1/a/b?x=1", Some("server")),
            ("http://127.0.0.1:2?ticket=t", Some("m-1")),
            ("http://127.0.0.1:3/", None),
            ("", None),
        ] {
            assert_eq!(tally.name_at(url).as_deref(), name, "{url}");
        }
        tally.arrived("m-1");
        tally.credit("m-1", 30);
        tally.credit(SERVER, 10);
        assert_eq!((tally.of("m-1").bytes, tally.of("m-1").in_flight), (30, 1));
        tally.left("m-1");
        tally.left("m-1");
        assert_eq!(tally.of("m-1").in_flight, 0);
        assert_eq!(tally.received_bytes(), 40);
        assert_eq!(tally.of("stranger"), Source::default());
    }

    #[test]
    fn endings_count_and_the_first_failures_are_told() {
        let mut tally = Tally {
            begun: 10,
            ..Tally::default()
        };
        let ended = |result, retries| Ending { result, retries };
        tally.ended("a", ended(Ok(5), 0));
        tally.ended("b", ended(Ok(7), 2));
        for path in ["c", "c", "d", "e", "f", "g", "h"] {
            tally.ended(path, ended(Err("cut".to_owned()), 1));
        }
        assert_eq!((tally.exact, tally.exact_bytes, tally.failed), (2, 12, 7));
        assert_eq!((tally.retries, tally.retried, tally.running()), (9, 8, 1));
        let told = ["c: cut", "d: cut", "e: cut", "f: cut", "g: cut"];
        assert_eq!(tally.failures, told);
    }
}
