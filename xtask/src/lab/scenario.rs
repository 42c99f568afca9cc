//! What is tried, one file each, and what is expected of it.
//!
//! A scenario sees the product as its users do: command line, answers, bytes. It must never judge
//! by less than it prints, and a figure that misses its target is a miss, whatever the reason.

mod equal;
mod flash_crowd;
mod mirror_killed;
mod mirror_throttled;
mod mirror_truncating;
mod mirror_unreachable;
mod overload_ramp;
mod partition;
mod server_link_cut;
mod unequal;

use std::{fmt::Debug, time::Duration};

use super::{
    download::{End, Kind},
    load::Load,
    net::Link,
    outcome::Outcome,
    site::Contender,
    trial::{Entrance, Fault, Trial},
};

/// Something that is tried.
pub(super) trait Scenario: Debug + Sync {
    /// On the command line and in tables.
    fn name(&self) -> &'static str;

    /// The same for people, in a line.
    fn about(&self) -> &'static str;

    /// What is run for it; `seconds` is how long each is measured.
    fn trials(&self, seconds: u32) -> Vec<Trial>;

    /// What is made of the outcomes, in the order of the trials.
    fn judge(&self, outcomes: &[Outcome]) -> Vec<Verdict>;

    /// Figures that do not fit into a row of the table.
    fn notes(&self, _outcomes: &[Outcome], _seconds: u32) -> Vec<String> {
        Vec::new()
    }
}

/// All there are, in the order in which they are run.
pub(super) const ALL: [&dyn Scenario; 10] = [
    &equal::Equal,
    &unequal::Unequal,
    &flash_crowd::FlashCrowd,
    &mirror_killed::MirrorKilled,
    &mirror_throttled::MirrorThrottled,
    &mirror_truncating::MirrorTruncating,
    &mirror_unreachable::MirrorUnreachable,
    &server_link_cut::ServerLinkCut,
    &partition::Partition,
    &overload_ramp::OverloadRamp,
];

/// A figure beside its target.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// Whom and what it is about.
    pub(super) about: String,
    pub(super) measured: String,
    pub(super) target: String,
    pub(super) is_met: bool,
}

/// Clients download for so long before anything is measured.
const WARM_UP: Duration = Duration::from_secs(3);
/// Links in Mbit/s where all are equal: several of them together leave two cores half idle.
const USUAL_MBIT: f64 = 100.0;

impl Verdict {
    /// About a share that is to be at least `least`.
    fn share(outcome: &Outcome, what: &str, share: f64, least: f64) -> Self {
        Self {
            about: format!("{}: {what}", named(outcome)),
            measured: format!("{share:.3}"),
            target: format!(">= {least}"),
            is_met: share >= least,
        }
    }

    /// About goodput as a share of the links.
    fn goodput(outcome: &Outcome, least: f64) -> Self {
        Self::share(outcome, "goodput / links", outcome.share(), least)
    }

    /// That no client of this kind lost its download.
    fn none_lost(outcome: &Outcome, kind: Kind) -> Self {
        let lost = outcome.lost_of(kind);
        let right = outcome.ended_of(kind, End::Right);
        Self {
            about: format!("{}: downloads lost, {}", named(outcome), kind.name()),
            measured: format!("{lost} of {}", lost + right),
            target: "0, and some right".to_owned(),
            is_met: lost == 0 && right > 0,
        }
    }

    /// That no client was given wrong bytes as right.
    fn no_wrong_bytes(outcome: &Outcome) -> Self {
        let wrong = outcome.ended(End::Wrong);
        Self {
            about: format!("{}: wrong bytes", named(outcome)),
            measured: wrong.to_string(),
            target: "0".to_owned(),
            is_met: wrong == 0,
        }
    }
}

fn named(outcome: &Outcome) -> String {
    let variant = Some(&outcome.variant).filter(|variant| !variant.is_empty());
    let words = [
        Some(outcome.scenario),
        variant.map(String::as_str),
        Some(outcome.contender.name()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Those of ours.
fn ours(outcomes: &[Outcome]) -> impl Iterator<Item = &Outcome> {
    outcomes
        .iter()
        .filter(|outcome| outcome.contender.is_ours())
}

/// Loops of clients against equal links, measured for `seconds` after the usual warm-up.
fn loops(contender: Contender, mirrors: usize, seconds: u32) -> Trial {
    let links = if contender.has_mirrors() {
        mirrors + 1
    } else {
        1
    };
    Trial {
        variant: String::new(),
        contender,
        server: Link::mbit(USUAL_MBIT),
        mirrors: vec![Link::mbit(USUAL_MBIT); mirrors],
        load: Load::Loops,
        entrance: Entrance::Server,
        fault: None,
        start: WARM_UP,
        end: WARM_UP + Duration::from_secs(seconds.into()),
        links_mbit_per_s: links as f64 * USUAL_MBIT,
    }
}

/// Loops against a server and two mirrors, with a fault after which so many links are left; and
/// nginx alone, which has no mirror to lose.
fn with_fault(fault: Fault, links_left: usize, seconds: u32) -> Vec<Trial> {
    let faulty = [Contender::Overspill, Contender::NginxSplit].map(|contender| Trial {
        fault: Some(fault),
        links_mbit_per_s: links_left as f64 * USUAL_MBIT,
        ..loops(contender, 2, seconds)
    });
    let alone = loops(Contender::NginxAlone, 0, seconds);
    faulty.into_iter().chain([alone]).collect()
}

/// For a fault that clients who resume must survive: nothing wrong, nothing lost by those who do.
fn survived_by(outcomes: &[Outcome], kinds: &[Kind]) -> Vec<Verdict> {
    let judged = ours(outcomes).flat_map(|outcome| {
        let lost = kinds.iter().map(|&kind| Verdict::none_lost(outcome, kind));
        lost.chain([Verdict::no_wrong_bytes(outcome)])
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::lab::trial::MIRRORS_MAX;

    #[test]
    fn scenarios_have_names_of_their_own_and_trials_that_can_be_run() {
        let names: HashSet<_> = ALL.iter().map(|scenario| scenario.name()).collect();
        assert_eq!(names.len(), ALL.len());
        for scenario in ALL {
            let trials = scenario.trials(8);
            let (ours, rivals): (Vec<_>, Vec<_>) =
                trials.iter().partition(|trial| trial.contender.is_ours());
            assert!(
                !ours.is_empty() && !rivals.is_empty(),
                "{}",
                scenario.name()
            );
            for trial in trials {
                assert!(trial.mirrors.len() <= MIRRORS_MAX, "{}", scenario.name());
                assert!(trial.start < trial.end && trial.links_mbit_per_s > 0.0);
            }
        }
    }
}
