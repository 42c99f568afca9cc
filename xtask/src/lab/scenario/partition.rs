//! A mirror and the server cannot reach each other, and clients reach both: nobody is to notice.

use super::{Scenario, Verdict, survived_by, with_fault};
use crate::lab::{
    download::Kind,
    outcome::Outcome,
    trial::{FIRST_MIRROR, Fault, Stage, Standing, Trial},
};

#[derive(Debug)]
pub(super) struct Partition;

const FAULT: Fault = Fault {
    sick: Some(FIRST_MIRROR),
    strike,
    cutter: Standing::Nowhere,
};

impl Scenario for Partition {
    fn name(&self) -> &'static str {
        "partition"
    }

    fn about(&self) -> &'static str {
        "one of two mirrors and the server lose sight of each other"
    }

    fn trials(&self, seconds: u32) -> Vec<Trial> {
        with_fault(FAULT, 3, seconds)
    }

    fn judge(&self, outcomes: &[Outcome]) -> Vec<Verdict> {
        survived_by(outcomes, &Kind::ALL)
    }
}

fn strike(stage: &mut Stage) -> anyhow::Result<()> {
    stage.mirrors[0].lose(&stage.server)?;
    stage.server.lose(&stage.mirrors[0])
}
