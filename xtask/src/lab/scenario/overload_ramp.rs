//! A ramp of load from 0.75 to 1.74 times what all links carry, in steps of 10/9.
//!
//! Clients come whether or not they can be served, and leave when they lose patience; what was sent
//! to those was sent in vain. So whoever takes everybody on sends ever less that is useful.

use std::time::Duration;

use super::{Scenario, Verdict, loops, named, ours};
use crate::lab::{
    download::End,
    load::{Load, arrivals},
    net::Link,
    outcome::Outcome,
    site::Contender,
    stock::Size,
    trial::Trial,
};

#[derive(Debug)]
pub(super) struct OverloadRamp;

const SHARE_MIN: f64 = 0.95;
/// Slower than usual, for each small file is a client of its own, whose start costs the machine.
const LINK_MBIT: f64 = 40.0;
const MIRRORS: usize = 2;
const FIRST: f64 = 0.75;
const FACTOR: f64 = 10.0 / 9.0;
const STEPS: u32 = 9;
/// The first step that offers more than the links carry.
const FIRST_ABOVE: u32 = 3;
/// A file takes 0.2 s alone on a link.
const PATIENCE: Duration = Duration::from_secs(5);

impl Scenario for OverloadRamp {
    fn name(&self) -> &'static str {
        "overload-ramp"
    }

    fn about(&self) -> &'static str {
        "from 0.75 to 1.74 times what all links carry"
    }

    fn trials(&self, seconds: u32) -> Vec<Trial> {
        let step = step(seconds);
        let all = [
            Contender::Overspill,
            Contender::NginxSplit,
            Contender::NginxAlone,
        ];
        let trials = all.map(|contender| {
            let mirrors = if contender.has_mirrors() { MIRRORS } else { 0 };
            let links_mbit_per_s = LINK_MBIT * (mirrors + 1) as f64;
            let full_per_s =
                Link::mbit(links_mbit_per_s).bytes_per_s() / Size::Small.bytes() as f64;
            let at = arrivals(step * STEPS, |time| {
                full_per_s * offered((time.as_secs_f64() / step.as_secs_f64()) as u32)
            });
            Trial {
                server: Link::mbit(LINK_MBIT),
                mirrors: vec![Link::mbit(LINK_MBIT); mirrors],
                load: Load::Arrivals {
                    at,
                    size: Size::Small,
                    patience: PATIENCE,
                },
                start: step * FIRST_ABOVE,
                end: step * STEPS,
                links_mbit_per_s,
                variant: format!("{STEPS} steps of {:.1} s", step.as_secs_f64()),
                ..loops(contender, 0, seconds)
            }
        });
        trials.to_vec()
    }

    fn judge(&self, outcomes: &[Outcome]) -> Vec<Verdict> {
        let judged = ours(outcomes).flat_map(|outcome| {
            [
                Verdict::share(
                    outcome,
                    "goodput / links above 1",
                    outcome.share(),
                    SHARE_MIN,
                ),
                none_left_waiting(outcome),
                Verdict::no_wrong_bytes(outcome),
            ]
        });
        judged.collect()
    }

    fn notes(&self, outcomes: &[Outcome], seconds: u32) -> Vec<String> {
        let steps = (0..STEPS).map(|number| note(outcomes, number, step(seconds)));
        steps.collect()
    }
}

/// How long each step lasts.
fn step(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into()) * 3 / 8
}

/// What the step numbered `number` offers, through what the links carry.
fn offered(number: u32) -> f64 {
    FIRST * FACTOR.powi(number.min(STEPS - 1) as i32)
}

/// That whoever cannot be served is told so.
fn none_left_waiting(outcome: &Outcome) -> Verdict {
    let refused = outcome.ended(End::Refused);
    Verdict {
        about: format!("{}: downloads lost, not refused", named(outcome)),
        measured: format!("{}, refused {refused}", outcome.lost()),
        target: "0, and some refused".to_owned(),
        is_met: outcome.lost() == 0 && refused > 0,
    }
}

/// What everyone made of a step: goodput through links, of it refused and lost.
fn note(outcomes: &[Outcome], number: u32, step: Duration) -> String {
    let (start, end) = (step * number, step * (number + 1));
    let each = outcomes.iter().map(|outcome| {
        let goodput = outcome.goodput_mbit_per_s(start, end) / outcome.links_mbit_per_s;
        let count = |how| outcome.begun_within(start, end, how);
        let lost = count(End::Failed) + count(End::Unfinished) + count(End::Wrong);
        let (name, refused) = (outcome.contender.name(), count(End::Refused));
        format!("{name} {goodput:.2} (refused {refused}, lost {lost})")
    });
    let each: Vec<_> = each.collect();
    format!("offered {:.2}: {}", offered(number), each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ramp_goes_from_three_quarters_to_three_quarters_too_much() {
        assert!((offered(0) - 0.75).abs() < 1e-9);
        assert!(offered(FIRST_ABOVE - 1) < 1.0 && offered(FIRST_ABOVE) > 1.0);
        assert!((offered(STEPS - 1) - 1.742).abs() < 1e-3);
        assert_eq!(step(8), Duration::from_secs(3));
    }
}
