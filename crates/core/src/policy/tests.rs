//! Policies against hand-made candidates.

use super::*;
use crate::{
    dispatch::{Candidate, Place},
    units::Rate,
};

fn candidate(place: Place, capacity: f64, work_before_bytes: f64) -> Candidate {
    Candidate {
        place,
        capacity: Rate::from_bytes_per_s(capacity),
        work_before_bytes,
        net_s: 0.0,
        penalty: 1.0,
    }
}

fn farm(capacities: &[f64]) -> Vec<Candidate> {
    let place = |at| {
        if at == 0 {
            Place::Server
        } else {
            Place::Member(at - 1)
        }
    };
    capacities
        .iter()
        .enumerate()
        .map(|(at, &c)| candidate(place(at), c, 0.0))
        .collect()
}

fn first(policy: &mut dyn Policy, bytes: u64, candidates: &[Candidate]) -> usize {
    let mut ranking = Vec::new();
    policy.rank(
        bytes,
        candidates,
        &mut fastrand::Rng::with_seed(1),
        &mut ranking,
    );
    let mut all = ranking.clone();
    all.sort_unstable();
    assert_eq!(
        all,
        (0..candidates.len()).collect::<Vec<_>>(),
        "each candidate exactly once"
    );
    ranking[0]
}

#[test]
fn marginal_cost_prefers_speed_then_emptiness() {
    let mut policy = MarginalCost::default();
    let mut farm = farm(&[1e6, 4e6, 1e6]);
    assert_eq!(first(&mut policy, 1_000_000, &farm), 1, "the fastest");
    farm[1].work_before_bytes = 9e6;
    assert_eq!(
        first(&mut policy, 1_000_000, &farm),
        2,
        "the emptiest, and not the biased server"
    );
    farm[2].penalty = 2.0;
    assert_eq!(
        first(&mut policy, 1_000_000, &farm),
        0,
        "the one that does not fail"
    );
    farm[0].net_s = 100.0;
    assert_eq!(first(&mut policy, 1_000_000, &farm), 2, "the near one");
}

#[test]
fn marginal_cost_is_the_formula() {
    let mirror = Candidate {
        net_s: 0.5,
        penalty: 3.0,
        ..candidate(Place::Member(0), 100.0, 50.0)
    };
    assert_eq!(
        marginal_cost::cost_s(100, &mirror),
        0.5 + (100.0 + 2.0 * 50.0) / 100.0 * 3.0
    );
    let server = candidate(Place::Server, 100.0, 0.0);
    assert_eq!(
        marginal_cost::cost_s(100, &server),
        marginal_cost::SERVER_BIAS
    );
}

#[test]
fn near_ties_are_spread() {
    let mut policy = MarginalCost::default();
    let farm = farm(&[1e3, 1e6, 1e6, 1.01e6]);
    let mut random = fastrand::Rng::with_seed(7);
    let mut seen = [0; 4];
    for _ in 0..300 {
        let mut ranking = Vec::new();
        policy.rank(1000, &farm, &mut random, &mut ranking);
        seen[ranking[0]] += 1;
    }
    assert_eq!(seen[0], 0);
    assert!(seen[1..].iter().all(|&count| count > 60), "{seen:?}");
}

#[test]
fn round_robin_takes_turns() {
    let mut policy = RoundRobin::default();
    let farm = farm(&[1.0, 1.0, 1.0]);
    let order: Vec<_> = (0..6).map(|_| first(&mut policy, 1, &farm)).collect();
    assert_eq!(order, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn alternate_gives_four_and_four_and_then_turns() {
    let mut policy = Alternate::default();
    let farm = farm(&[1.0, 1.0, 1.0]);
    let order: Vec<_> = (0..14).map(|_| first(&mut policy, 1, &farm)).collect();
    assert_eq!(order, [0, 0, 0, 0, 1, 2, 1, 2, 0, 1, 0, 2, 0, 1]);
}

#[test]
fn every_policy_copes_with_the_server_alone() {
    for kind in PolicyKind::ALL {
        let mut policy = kind.build();
        for _ in 0..10 {
            assert_eq!(first(policy.as_mut(), 1000, &farm(&[1e6])), 0, "{kind:?}");
        }
    }
}

#[test]
fn names_parse() {
    for kind in PolicyKind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
    let error = "fastest".parse::<PolicyKind>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"fastest\" is not a policy; use one of marginal-cost, round-robin, alternate"
    );
}
