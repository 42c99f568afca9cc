//! A mirror's link falls to a hundredth, and it does not die: it is to be left.

use std::time::Duration;

use super::{Scenario, USUAL_MBIT, Verdict, named, ours, survived_by, with_fault};
use crate::lab::{
    download::Kind,
    net::Link,
    outcome::{Outcome, Sick},
    trial::{FIRST_MIRROR, Fault, Standing, Trial},
};

#[derive(Debug)]
pub(super) struct MirrorThrottled;

/// When the last client is to be sent there, after the fault.
const LEFT_WITHIN: Duration = Duration::from_secs(5);
/// However little time there is: a client sent there too late has to be seen.
const SECONDS_MIN: u32 = 7;

const FAULT: Fault = Fault {
    sick: Some(FIRST_MIRROR),
    strike: |stage| stage.mirrors[0].limit(Link::mbit(USUAL_MBIT / 100.0)),
    cutter: Standing::Nowhere,
};

impl Scenario for MirrorThrottled {
    fn name(&self) -> &'static str {
        "mirror-throttled"
    }

    fn about(&self) -> &'static str {
        "the link of one of two mirrors falls to a hundredth"
    }

    fn trials(&self, seconds: u32) -> Vec<Trial> {
        with_fault(FAULT, 2, seconds.max(SECONDS_MIN))
    }

    fn judge(&self, outcomes: &[Outcome]) -> Vec<Verdict> {
        let left = ours(outcomes).filter_map(|outcome| Some(left(outcome, outcome.sent_to_sick?)));
        left.chain(survived_by(outcomes, &[Kind::Get])).collect()
    }
}

fn left(outcome: &Outcome, sick: Sick) -> Verdict {
    Verdict {
        about: format!("{}: last client sent there after the fault", named(outcome)),
        measured: sick.last.map_or_else(
            || "none was".to_owned(),
            |last| format!("{:.1} s, of {}", last.as_secs_f64(), sick.clients),
        ),
        target: format!("within {} s", LEFT_WITHIN.as_secs()),
        is_met: sick.last.is_none_or(|last| last <= LEFT_WITHIN),
    }
}
