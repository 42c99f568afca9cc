//! A mirror whose bodies are cut: nobody who resumes is to end with less than the file.

use super::{Scenario, Verdict, survived_by, with_fault};
use crate::lab::{
    download::Kind,
    outcome::Outcome,
    stock::Size,
    trial::{FIRST_MIRROR, Fault, Stage, Standing, Trial},
};

#[derive(Debug)]
pub(super) struct MirrorTruncating;

const FAULT: Fault = Fault {
    sick: Some(FIRST_MIRROR),
    strike,
    cutter: Standing::BeforeFirstMirror,
};

impl Scenario for MirrorTruncating {
    fn name(&self) -> &'static str {
        "mirror-truncating"
    }

    fn about(&self) -> &'static str {
        "one of two mirrors begins to cut every body"
    }

    fn trials(&self, seconds: u32) -> Vec<Trial> {
        with_fault(FAULT, 3, seconds)
    }

    fn judge(&self, outcomes: &[Outcome]) -> Vec<Verdict> {
        survived_by(outcomes, &[Kind::Get, Kind::CurlResume])
    }
}

/// A quarter of a file comes, so that who resumes gets on even there.
fn strike(stage: &mut Stage) -> anyhow::Result<()> {
    if let Some(cutter) = &stage.cutter {
        cutter.cut_after(Size::Large.bytes() / 4);
    }
    Ok(())
}
