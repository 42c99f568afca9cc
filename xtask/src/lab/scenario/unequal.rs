//! Unequal links: who can carry more is to be given more, told or not.

use std::time::Duration;

use super::{Scenario, Verdict, loops, ours};
use crate::lab::{net::Link, outcome::Outcome, site::Contender, trial::Trial};

#[derive(Debug)]
pub(super) struct Unequal;

const SHARE_MIN: f64 = 0.9;
const SERVER_MBIT: f64 = 400.0;
const MIRRORS_MBIT: [f64; 3] = [200.0, 100.0, 50.0];
/// Twice the usual: whoever is told nothing has to learn the links first.
const WARM_UP: Duration = Duration::from_secs(6);

impl Scenario for Unequal {
    fn name(&self) -> &'static str {
        "unequal"
    }

    fn about(&self) -> &'static str {
        "the server's link and half, a quarter, an eighth of it"
    }

    fn trials(&self, seconds: u32) -> Vec<Trial> {
        let all = [
            Contender::Overspill,
            Contender::OverspillTold,
            Contender::NginxSplit,
            Contender::NginxAlone,
        ];
        let trials = all.map(|contender| {
            let mirrors = if contender.has_mirrors() {
                &MIRRORS_MBIT[..]
            } else {
                &[]
            };
            Trial {
                server: Link::mbit(SERVER_MBIT),
                mirrors: mirrors.iter().map(|&mbit| Link::mbit(mbit)).collect(),
                start: WARM_UP,
                end: WARM_UP + Duration::from_secs(seconds.into()),
                links_mbit_per_s: SERVER_MBIT + mirrors.iter().sum::<f64>(),
                ..loops(contender, 0, seconds)
            }
        });
        trials.to_vec()
    }

    fn judge(&self, outcomes: &[Outcome]) -> Vec<Verdict> {
        let judged = ours(outcomes).flat_map(|outcome| {
            let share = Verdict::goodput(outcome, SHARE_MIN);
            [share, Verdict::no_wrong_bytes(outcome)]
        });
        judged.collect()
    }
}
