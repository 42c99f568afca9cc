//! Equal links: the server and one, two, three mirrors are to carry what their links carry
//! together.

use super::{Scenario, Verdict, loops, ours};
use crate::lab::{outcome::Outcome, site::Contender, trial::Trial};

#[derive(Debug)]
pub(super) struct Equal;

const SHARE_MIN: f64 = 0.95;

impl Scenario for Equal {
    fn name(&self) -> &'static str {
        "equal"
    }

    fn about(&self) -> &'static str {
        "one to three mirrors with links like the server's"
    }

    fn trials(&self, seconds: u32) -> Vec<Trial> {
        let alone = loops(Contender::NginxAlone, 0, seconds);
        let with_mirrors = (1..=3).flat_map(|mirrors| {
            [Contender::Overspill, Contender::NginxSplit].map(|contender| Trial {
                variant: format!("N={mirrors}"),
                ..loops(contender, mirrors, seconds)
            })
        });
        with_mirrors.chain([alone]).collect()
    }

    fn judge(&self, outcomes: &[Outcome]) -> Vec<Verdict> {
        let judged = ours(outcomes).flat_map(|outcome| {
            let share = Verdict::goodput(outcome, SHARE_MIN);
            [share, Verdict::no_wrong_bytes(outcome)]
        });
        judged.collect()
    }
}
