//! The server is gone, and clients know a mirror's URL: the fleet is to go on serving.

use super::{Scenario, USUAL_MBIT, Verdict, loops, ours};
use crate::lab::{
    download::Kind,
    outcome::Outcome,
    site::Contender,
    trial::{Entrance, Fault, Standing, Trial},
};

#[derive(Debug)]
pub(super) struct ServerLinkCut;

const FAULT: Fault = Fault {
    sick: None,
    strike: |stage| stage.net.unplug(&stage.server),
    cutter: Standing::Nowhere,
};

impl Scenario for ServerLinkCut {
    fn name(&self) -> &'static str {
        "server-link-cut"
    }

    fn about(&self) -> &'static str {
        "the server's cable is pulled; clients have a mirror's URL"
    }

    fn trials(&self, seconds: u32) -> Vec<Trial> {
        let all = [
            Contender::Overspill,
            Contender::NginxSplit,
            Contender::NginxAlone,
        ];
        let trials = all.map(|contender| Trial {
            entrance: Entrance::FirstMirror,
            fault: Some(FAULT),
            // Those of the mirrors; one server alone has none, and is told what it lost.
            links_mbit_per_s: if contender.has_mirrors() { 2.0 } else { 1.0 } * USUAL_MBIT,
            ..loops(contender, 2, seconds)
        });
        trials.to_vec()
    }

    fn judge(&self, outcomes: &[Outcome]) -> Vec<Verdict> {
        let judged = ours(outcomes).flat_map(|outcome| {
            let lost = Kind::ALL.map(|kind| Verdict::none_lost(outcome, kind));
            lost.into_iter().chain([Verdict::no_wrong_bytes(outcome)])
        });
        judged.collect()
    }
}
