//! A flash crowd: nobody, then within seconds more than all links carry together, then nobody
//! again.
//!
//! Measured is the time in which there is more to do than can be done.

use std::time::Duration;

use super::{Scenario, USUAL_MBIT, Verdict, loops, ours};
use crate::lab::{
    download::Kind,
    load::{Load, arrivals},
    net::Link,
    outcome::Outcome,
    site::Contender,
    stock::Size,
    trial::Trial,
};

#[derive(Debug)]
pub(super) struct FlashCrowd;

const SHARE_MIN: f64 = 0.95;
const MIRRORS: usize = 3;
/// The most that is asked for, through what all links carry.
const PEAK: f64 = 1.2;
/// What is asked for too much is what all links carry in a second or two: nobody has to leave, if
/// there are mirrors.
const PATIENCE: Duration = Duration::from_secs(15);

impl Scenario for FlashCrowd {
    fn name(&self) -> &'static str {
        "flash-crowd"
    }

    fn about(&self) -> &'static str {
        "from nothing to 1.2 times all links within seconds"
    }

    fn trials(&self, seconds: u32) -> Vec<Trial> {
        let rise = Duration::from_secs(seconds.into()) / 2;
        let links_bytes_per_s = Link::mbit(USUAL_MBIT).bytes_per_s() * (MIRRORS + 1) as f64;
        let peak_per_s = PEAK * links_bytes_per_s / Size::Large.bytes() as f64;
        let at = arrivals(rise * 2, |time| {
            peak_per_s * (time.as_secs_f64() / rise.as_secs_f64()).min(1.0)
        });
        let all = [
            Contender::Overspill,
            Contender::NginxSplit,
            Contender::NginxAlone,
        ];
        let trials = all.map(|contender| Trial {
            load: Load::Arrivals {
                at: at.clone(),
                size: Size::Large,
                patience: PATIENCE,
            },
            start: rise,
            end: rise * 2,
            ..loops(contender, MIRRORS, seconds)
        });
        trials.to_vec()
    }

    fn judge(&self, outcomes: &[Outcome]) -> Vec<Verdict> {
        let judged = ours(outcomes).flat_map(|outcome| {
            [
                Verdict::goodput(outcome, SHARE_MIN),
                Verdict::none_lost(outcome, Kind::Curl),
                Verdict::no_wrong_bytes(outcome),
            ]
        });
        judged.collect()
    }
}
