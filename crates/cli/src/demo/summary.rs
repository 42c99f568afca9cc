//! The summary: what the demo showed, and whether it held.
//!
//! Pure. It must never call a run good that had one wrong byte, or whose mirror did not come back.

use std::{fmt::Write as _, time::Duration};

use overspill_core::{dispatch::MIN_OFFLOAD_BYTES, units::display_size};
use overspill_wire::status::DecisionCounts;

use super::{
    outage::{Hit, Outage},
    screen::{moment, share},
    tally::Tally,
};

/// Everything there is to say at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    pub(super) tally: Tally,
    /// The server first.
    pub(super) nodes: Vec<Sender>,
    /// `None` when the server did not tell them any more.
    pub(super) decisions: Option<DecisionCounts>,
    pub(super) outage: Outage,
    /// From the first request to the last byte.
    pub(super) elapsed: Duration,
    /// Downloads that were not done long after the load had ended.
    pub(super) unfinished: u64,
}

/// A node and its part.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Sender {
    pub(super) label: String,
    pub(super) name: String,
    pub(super) capacity: String,
}

impl Summary {
    /// What went wrong; nothing if all is well.
    pub(super) fn failures(&self) -> Vec<String> {
        let tally = &self.tally;
        let mut failures = Vec::new();
        if tally.failed > 0 {
            failures.push(format!("{} downloads failed:", tally.failed));
            failures.extend(tally.failures.iter().map(|failure| format!("  {failure}")));
        }
        if self.unfinished > 0 {
            failures.push(format!("{} downloads did not end", self.unfinished));
        }
        if tally.exact == 0 {
            failures.push("no download was completed".to_owned());
        }
        match &self.outage.hit {
            None => failures.push("the load ended before a mirror could be killed".to_owned()),
            Some(hit) if hit.ready_again.is_none() => {
                let label = self.mirror(hit);
                failures.push(format!("{label} did not become ready again"));
            }
            Some(_) => {}
        }
        failures
    }

    /// The whole text, with a line feed at the end.
    pub(super) fn text(&self) -> String {
        let failures = self.failures();
        let mut text = format!(
            "{}\n\n{}{}\n",
            self.headline(failures.is_empty()),
            self.senders(),
            self.story()
        );
        for failure in failures {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "FAILED     {failure}");
        }
        text
    }

    fn headline(&self, is_good: bool) -> String {
        let tally = &self.tally;
        let seconds = self.elapsed.as_secs_f64().max(0.1);
        let rate = display_size((tally.received_bytes() as f64 / seconds) as u64);
        let verdict = if is_good {
            "every one byte-exact"
        } else {
            "byte-exact; not all is well"
        };
        format!(
            "{} downloads, {} in {seconds:.1} s ({rate}/s): {verdict}",
            tally.exact,
            display_size(tally.exact_bytes)
        )
    }

    fn senders(&self) -> String {
        let total = self.tally.received_bytes();
        let mut text = String::new();
        for node in &self.nodes {
            let bytes = self.tally.of(&node.name).bytes;
            let _ = writeln!(
                text,
                "{:<10} {:>11} {:>5}   told to have {}",
                node.label,
                display_size(bytes),
                share(bytes, total),
                node.capacity
            );
        }
        text
    }

    fn story(&self) -> String {
        let tally = &self.tally;
        let by_library = (tally.exact + tally.failed).saturating_sub(tally.by_curl);
        let mut text = format!(
            "clients    {by_library} by our library ({} broken off and resumed), {} by curl\n",
            tally.resumed, tally.by_curl
        );
        if let Some(decisions) = self.decisions {
            let _ = writeln!(
                text,
                "decisions  {} served here, {} redirected, {} came back",
                decisions.serve, decisions.redirect, decisions.avoided
            );
        }
        if self
            .decisions
            .is_some_and(|counts| counts.serve + counts.redirect == 0)
        {
            let bytes = display_size(MIN_OFFLOAD_BYTES);
            let _ = writeln!(
                text,
                "           no file has the {bytes} that are worth a redirect"
            );
        }
        let _ = writeln!(
            text,
            "retries    {} tries failed within {} downloads",
            tally.retries, tally.retried
        );
        if let Some(hit) = &self.outage.hit {
            text.push_str(&self.obituary(hit));
        }
        text
    }

    fn obituary(&self, hit: &Hit) -> String {
        let mut text = format!(
            "outage     {} killed (SIGKILL) at {} with {} downloads on it\n",
            self.mirror(hit),
            moment(hit.killed),
            hit.downloads
        );
        let Some(started) = hit.started_again else {
            return text;
        };
        let _ = write!(text, "           started again at {}", moment(started));
        if let Some(ready) = hit.ready_again {
            let took = moment(ready.saturating_sub(started));
            let _ = write!(text, ", ready {took} later");
        }
        let now = self.tally.of(self.member(hit)).bytes;
        let since = display_size(now.saturating_sub(hit.bytes_before));
        let _ = writeln!(text, "; sent {since} since");
        text
    }

    fn mirror(&self, hit: &Hit) -> &str {
        let node = self.nodes.get(hit.mirror + 1);
        node.map_or("a mirror", |node| &node.label)
    }

    fn member(&self, hit: &Hit) -> &str {
        let node = self.nodes.get(hit.mirror + 1);
        node.map_or("", |node| &node.name)
    }
}

#[cfg(test)]
mod tests;
