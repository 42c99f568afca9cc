//! A trial in figures.
//!
//! What is useful is what arrived of downloads that came out right; all else was sent in vain. It
//! must never count a download that is still running as one that took as long as it has so far:
//! such a time is marked as a lower bound.

use std::{collections::BTreeMap, time::Duration};

use super::{
    download::{Download, End, Kind},
    site::Contender,
    trial::{Run, Trial},
};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) scenario: &'static str,
    pub(super) variant: String,
    pub(super) contender: Contender,
    pub(super) links_mbit_per_s: f64,
    pub(super) goodput_mbit_per_s: f64,
    /// Completion times at the median and at 99 of 100; `None` if nothing was completed.
    pub(super) median: Option<Completion>,
    pub(super) p99: Option<Completion>,
    /// Downloads that ran within the measured time.
    pub(super) counts: BTreeMap<(Kind, End), usize>,
    /// Mbit/s that each node sent, heads and all.
    pub(super) sent_mbit_per_s: BTreeMap<String, f64>,
    pub(super) busy_ratio: f64,
    /// Clients that were sent to the sick node after the fault, and the last of them.
    pub(super) sent_to_sick: Option<Sick>,
    downloads: Vec<Download>,
}

/// How long a download took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Completion {
    Longer(Duration),
    Exactly(Duration),
}

/// What the sick node still got.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sick {
    pub(super) clients: usize,
    /// How long after the fault the last was sent there.
    pub(super) last: Option<Duration>,
}

impl Outcome {
    /// Makes figures of what `trial` brought.
    pub(super) fn of(scenario: &'static str, trial: &Trial, run: Run) -> Self {
        let (start, end) = (trial.start, trial.end);
        let runs_within = |download: &&Download| download.ended > start && download.started < end;
        let within: Vec<_> = run.downloads.iter().filter(runs_within).collect();
        let mut counts = BTreeMap::new();
        for download in &within {
            *counts.entry((download.kind, download.end)).or_insert(0) += 1;
        }
        let completions = completions(&within);
        Self {
            scenario,
            variant: trial.variant.clone(),
            contender: trial.contender,
            links_mbit_per_s: trial.links_mbit_per_s,
            goodput_mbit_per_s: goodput_mbit_per_s(&run.downloads, start, end),
            median: at_rank(&completions, 0.5),
            p99: at_rank(&completions, 0.99),
            counts,
            sent_mbit_per_s: rates(run.sent_bytes, end - start),
            busy_ratio: run.busy_ratio,
            sent_to_sick: run.sent_to_sick.map(|after| Sick {
                clients: after.len(),
                last: after.into_iter().max(),
            }),
            downloads: run.downloads,
        }
    }

    /// The same, as another scenario sees it that has this trial, too.
    pub(super) fn seen_in(mut self, scenario: &'static str, trial: &Trial) -> Self {
        self.scenario = scenario;
        self.variant.clone_from(&trial.variant);
        self.links_mbit_per_s = trial.links_mbit_per_s;
        self
    }

    /// Goodput as a share of what the links can carry.
    pub(super) fn share(&self) -> f64 {
        self.goodput_mbit_per_s / self.links_mbit_per_s
    }

    /// How many downloads ended so.
    pub(super) fn ended(&self, end: End) -> usize {
        Kind::ALL.iter().map(|&kind| self.ended_of(kind, end)).sum()
    }

    /// The same of one kind of client.
    pub(super) fn ended_of(&self, kind: Kind, end: End) -> usize {
        self.counts.get(&(kind, end)).copied().unwrap_or(0)
    }

    /// Downloads of this kind that did not come out right, refusals apart.
    pub(super) fn lost_of(&self, kind: Kind) -> usize {
        let ends = [End::Failed, End::Unfinished, End::Wrong];
        ends.iter().map(|&end| self.ended_of(kind, end)).sum()
    }

    /// Downloads that did not come out right, refusals apart.
    pub(super) fn lost(&self) -> usize {
        Kind::ALL.iter().map(|&kind| self.lost_of(kind)).sum()
    }

    /// Useful Mbit/s between two times.
    pub(super) fn goodput_mbit_per_s(&self, start: Duration, end: Duration) -> f64 {
        goodput_mbit_per_s(&self.downloads, start, end)
    }

    /// How many of those begun between two times ended so.
    pub(super) fn begun_within(&self, start: Duration, end: Duration, how: End) -> usize {
        let begun = self.downloads.iter();
        let begun = begun.filter(|begun| begun.started >= start && begun.started < end);
        begun.filter(|begun| begun.end == how).count()
    }
}

fn goodput_mbit_per_s(downloads: &[Download], start: Duration, end: Duration) -> f64 {
    let useful = downloads
        .iter()
        .filter(|download| download.end == End::Right);
    let bytes: f64 = useful
        .map(|download| download.bytes_within(start, end))
        .sum();
    bytes * 8.0 / 1e6 / (end - start).as_secs_f64()
}

fn rates(bytes: BTreeMap<String, u64>, time: Duration) -> BTreeMap<String, f64> {
    let nodes = bytes.into_iter();
    let nodes = nodes.filter(|(name, _)| name == "server" || name.starts_with('m'));
    nodes
        .map(|(name, bytes)| (name, bytes as f64 * 8.0 / 1e6 / time.as_secs_f64()))
        .collect()
}

/// In order; those we gave up on are where they would be if they had ended then.
fn completions(downloads: &[&Download]) -> Vec<Completion> {
    let mut completions: Vec<_> = downloads
        .iter()
        .filter_map(|download| {
            let time = download.ended - download.started;
            match download.end {
                End::Right => Some(Completion::Exactly(time)),
                End::Unfinished => Some(Completion::Longer(time)),
                _ => None,
            }
        })
        .collect();
    completions.sort_by_key(|completion| completion.duration());
    completions
}

/// The value that a share of the others do not exceed (nearest rank).
fn at_rank(sorted: &[Completion], share: f64) -> Option<Completion> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    let found = *sorted.get(rank.max(1) - 1)?;
    // Above a lower bound nothing is exact: what is still running may take longer than that.
    let is_bound = |completion: &Completion| matches!(completion, Completion::Longer(_));
    let is_uncertain = sorted[..rank.max(1)].iter().any(is_bound);
    Some(if is_uncertain {
        Completion::Longer(found.duration())
    } else {
        found
    })
}

impl Completion {
    pub(super) fn duration(self) -> Duration {
        match self {
            Self::Exactly(duration) | Self::Longer(duration) => duration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn download(started: u32, ended: u32, end: End) -> Download {
        let (started, ended) = (SECOND * started, SECOND * ended);
        Download {
            kind: Kind::Curl,
            started,
            ended,
            end,
            trail: vec![(started, 0), (ended, 1_000_000)],
        }
    }

    #[test]
    fn only_what_came_out_right_is_useful() {
        let all = [
            download(0, 2, End::Right),
            download(1, 3, End::Right),
            download(0, 2, End::Wrong),
            download(0, 2, End::Failed),
            download(0, 2, End::Unfinished),
        ];
        // Half of each of the first two: 1 MB in 1 s.
        assert!((goodput_mbit_per_s(&all, SECOND, SECOND * 2) - 8.0).abs() < 1e-9);
    }

    #[test]
    fn a_time_above_one_that_has_not_ended_is_a_lower_bound() {
        let all = [
            download(0, 1, End::Right),
            download(0, 9, End::Right),
            download(0, 5, End::Unfinished),
            download(0, 1, End::Failed),
        ];
        let sorted = completions(&all.iter().collect::<Vec<_>>());
        assert_eq!(at_rank(&sorted, 0.3), Some(Completion::Exactly(SECOND)));
        assert_eq!(at_rank(&sorted, 0.5), Some(Completion::Longer(SECOND * 5)));
        assert_eq!(at_rank(&sorted, 0.99), Some(Completion::Longer(SECOND * 9)));
        assert_eq!(at_rank(&[], 0.5), None);
    }
}
