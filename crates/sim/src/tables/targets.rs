//! The targets: what is claimed of the default policy, and whether it holds.
//!
//! The oracle is least marginal cost on exact and present state. Both face the same arrivals and sizes.
//! Where runs differ by more than is left to a target it is open, not held.

use overspill_core::policy::PolicyKind::MarginalCost;

use super::{
    Scale,
    farm::{self, Estimate, Outcome},
};
use crate::{
    board::Own,
    chooser::Score,
    fleet::{Baseline, Rule, Sight},
    random::Seed,
    sheet::{Sheet, Verdict},
};

/// The p99 of slowdown may be so much above the oracle's.
const ORACLE_RATIO_MAX: f64 = 1.30;
const ORACLE_LOADS: [f64; 4] = [0.5, 0.7, 0.8, 0.9];
/// And has to be so much below that of static weights.
const STATIC_RATIO_MIN: f64 = 4.0;
const STATIC_LOAD: f64 = 0.8;
const REQUESTS: u64 = 800_000;

const ORACLE: Rule = Rule::Baseline(Baseline::Least(Score::MarginalCost), Sight::Truth);
const OURS: Rule = Rule::Product(MarginalCost);
const STATIC: Rule = Rule::Baseline(Baseline::StaticWeights, Sight::Board(Own::Ignored));

pub(super) fn fill(sheet: &mut Sheet, seed: Seed, scale: Scale) {
    let requests = scale.flows(REQUESTS);
    let of = |rule, load| farm::reference(rule, load, seed, requests);
    let pairs = ORACLE_LOADS
        .into_iter()
        .flat_map(|load| [of(OURS, load), of(ORACLE, load)]);
    let setups = pairs.chain([of(STATIC, STATIC_LOAD)]);
    let outcomes = farm::run_all(&setups.collect::<Vec<_>>());
    for (load, pair) in ORACLE_LOADS.into_iter().zip(outcomes.chunks(2)) {
        let what = format!("load {load}: p99 slowdown at most {ORACLE_RATIO_MAX} of the oracle's");
        let holds = |ratio| ratio <= ORACLE_RATIO_MAX;
        claim(sheet, &what, &pair[0], &pair[1], holds);
    }
    let ours_at = ORACLE_LOADS.iter().position(|load| *load == STATIC_LOAD);
    let ours = &outcomes[2 * ours_at.expect("a load of both tables")];
    let what = format!(
        "load {STATIC_LOAD}: p99 slowdown of static weights at least {STATIC_RATIO_MIN} times ours"
    );
    let fixed = &outcomes[2 * ORACLE_LOADS.len()];
    claim(sheet, &what, fixed, ours, |ratio| ratio >= STATIC_RATIO_MIN);
}

/// Claims something of a ratio, taken run by run: both had the same arrivals and sizes.
fn claim(
    sheet: &mut Sheet,
    what: &str,
    above: &Outcome,
    below: &Outcome,
    holds: impl Fn(f64) -> bool,
) {
    let ratios = above.p99s.iter().zip(&below.p99s);
    let ratio = Estimate::of(ratios.map(|(above, below)| above / below));
    let verdict = if holds(ratio.value) {
        Verdict::Holds
    } else if holds(ratio.value - ratio.half_width) || holds(ratio.value + ratio.half_width) {
        Verdict::Open
    } else {
        Verdict::Fails
    };
    let told = |outcome: &Outcome| {
        let [p98, p995] = outcome.around;
        format!("{:.2} (p98 {p98:.2}, p99.5 {p995:.2})", outcome.p99.value)
    };
    let seen = format!(
        "{} and {}, ratio {:.2} ± {:.2}",
        told(above),
        told(below),
        ratio.value,
        ratio.half_width
    );
    sheet.claim(what, seen, verdict);
}
