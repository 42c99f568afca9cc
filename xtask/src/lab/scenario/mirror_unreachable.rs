//! A mirror that half of the clients cannot reach: they are to be served by others.
//!
//! Half of those are told so at once, as by a router; the others hear nothing, as behind a
//! firewall.

use anyhow::Result;

use super::{Scenario, Verdict, survived_by, with_fault};
use crate::lab::{
    download::Kind,
    outcome::Outcome,
    trial::{Fault, Stage, Standing, Trial},
};

#[derive(Debug)]
pub(super) struct MirrorUnreachable;

const FAULT: Fault = Fault {
    sick: None,
    strike,
    cutter: Standing::Nowhere,
};

impl Scenario for MirrorUnreachable {
    fn name(&self) -> &'static str {
        "mirror-unreachable"
    }

    fn about(&self) -> &'static str {
        "half of the clients cannot reach one of two mirrors"
    }

    fn trials(&self, seconds: u32) -> Vec<Trial> {
        with_fault(FAULT, 3, seconds)
    }

    fn judge(&self, outcomes: &[Outcome]) -> Vec<Verdict> {
        survived_by(outcomes, &[Kind::Get, Kind::CurlResume])
    }
}

fn strike(stage: &mut Stage) -> Result<()> {
    let Some(mirror) = stage.mirrors.first() else {
        return Ok(());
    };
    // Kinds of client follow each other from host to host, so that whole rounds have all of them.
    for (number, round) in stage.clients.chunks(Kind::ALL.len()).enumerate() {
        for client in round {
            match number % 4 {
                0 => client.lose(mirror)?,
                2 => client.refuse(mirror)?,
                _ => {}
            }
        }
    }
    Ok(())
}
