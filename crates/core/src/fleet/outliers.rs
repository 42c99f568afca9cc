//! Members that do far worse than the others.
//!
//! What a member does is measured against the median of the fleet, so that a bad hour for everybody
//! ejects nobody. It must never judge by less than three members.

use std::time::Instant;

use super::Member;

/// A member whose flows each get less than this share of what they get elsewhere is an outlier.
const SLOW_SHARE: f64 = 0.1;
/// A member that cuts more than this share of its flows may be an outlier.
const CUT_RATIO: f64 = 0.5;
/// And is, if the others cut less than this share.
const USUAL_CUT_RATIO: f64 = 0.2;
/// Members that can be compared before anybody is judged.
const ENOUGH_MEMBERS: usize = 3;

/// The slots of members that stand out for the worse.
pub(super) fn outliers(members: &[Member], now: Instant) -> Vec<usize> {
    let rates = members.iter().map(|member| member.record().flow_rate());
    let cuts = members.iter().map(|member| member.record().cut_ratio(now));
    let (usual_rate, usual_cut) = (median(rates), median(cuts));
    let is_outlier = |member: &Member| {
        let record = member.record();
        let slow = record
            .flow_rate()
            .zip(usual_rate)
            .is_some_and(|(rate, usual)| rate < usual * SLOW_SHARE);
        let cutting = record
            .cut_ratio(now)
            .zip(usual_cut)
            .is_some_and(|(cut, usual)| cut > CUT_RATIO && usual < USUAL_CUT_RATIO);
        slow || cutting
    };
    let slots = members.iter().enumerate();
    slots
        .filter(|(_, member)| is_outlier(member))
        .map(|(slot, _)| slot)
        .collect()
}

fn median(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let mut known: Vec<f64> = values.flatten().collect();
    known.sort_unstable_by(f64::total_cmp);
    (known.len() >= ENOUGH_MEMBERS).then(|| known[known.len() / 2])
}
