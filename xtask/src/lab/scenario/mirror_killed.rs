//! A mirror is killed under load: who can resume is to lose nothing.

use super::{Scenario, Verdict, survived_by, with_fault};
use crate::lab::{
    download::Kind,
    outcome::Outcome,
    trial::{FIRST_MIRROR, Fault, Standing, Trial},
};

#[derive(Debug)]
pub(super) struct MirrorKilled;

const FAULT: Fault = Fault {
    sick: Some(FIRST_MIRROR),
    strike: |stage| stage.site.kill(FIRST_MIRROR),
    cutter: Standing::Nowhere,
};

impl Scenario for MirrorKilled {
    fn name(&self) -> &'static str {
        "mirror-killed"
    }

    fn about(&self) -> &'static str {
        "one of two mirrors is killed under load"
    }

    fn trials(&self, seconds: u32) -> Vec<Trial> {
        with_fault(FAULT, 2, seconds)
    }

    fn judge(&self, outcomes: &[Outcome]) -> Vec<Verdict> {
        survived_by(outcomes, &[Kind::Get, Kind::CurlRetry, Kind::CurlResume])
    }
}
