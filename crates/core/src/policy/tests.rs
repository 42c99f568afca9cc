//! Policies against hand-made candidates.

use super::*;
use crate::units::Rate;

/// Candidates of these capacities, costing one unit of work each; the first is the one that decides.
fn farm(capacities: &[f64]) -> Vec<Candidate> {
    let candidate = |(at, &capacity): (usize, &f64)| Candidate {
        place: at.checked_sub(1).map_or(Place::Here, Place::Member),
        flows: 0,
        capacity: Rate::from_bytes_per_s(capacity),
        cost_s: 1e6 / capacity,
    };
    capacities.iter().enumerate().map(candidate).collect()
}

/// How often each candidate is chosen in `rounds`.
fn tally(policy: &mut dyn Policy, candidates: &[Candidate], rounds: usize) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut seen = vec![0; candidates.len()];
    for _ in 0..rounds {
        seen[policy.choose(candidates, &mut random)] += 1;
    }
    seen
}

fn order(policy: &mut dyn Policy, candidates: &[Candidate], rounds: usize) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..rounds)
        .map(|_| policy.choose(candidates, &mut random))
        .collect()
}

#[test]
fn marginal_cost_takes_the_least_and_spreads_near_ties() {
    let seen = tally(&mut MarginalCost, &farm(&[1e3, 1e6, 1e6, 1.01e6]), 300);
    assert_eq!(seen[0], 0);
    assert!(seen[1..].iter().all(|&count| count > 60), "{seen:?}");
    let seen = tally(&mut MarginalCost, &farm(&[1e6, 1.1e6]), 100);
    assert_eq!(seen, [0, 100], "a tenth is no tie");
}

#[test]
fn the_cost_is_the_formula() {
    let terms = CostTerms {
        net_s: 0.5,
        send_s: 1.0,
        share_s: 1.0,
        client_s: 0.0,
        penalty: 3.0,
        bias: 1.0,
    };
    assert_eq!(terms.total_s(), 0.5 + 2.0 * 3.0);
    let slow_client = CostTerms {
        client_s: 4.0,
        bias: 1.25,
        ..terms
    };
    assert_eq!(slow_client.total_s(), (0.5 + 4.0 * 3.0) * 1.25);
}

#[test]
fn least_connections_weighs_flows_by_capacity() {
    let mut farm = farm(&[1e6, 2e6, 2e6]);
    for (node, flows) in farm.iter_mut().zip([1, 3, 2]) {
        node.flows = flows;
    }
    assert_eq!(tally(&mut LeastConnections, &farm, 10), [0, 0, 10]);
    farm[2].flows = 3;
    let seen = tally(&mut LeastConnections, &farm, 300);
    assert!(seen.iter().all(|&count| count > 60), "all tie: {seen:?}");
}

#[test]
fn two_choices_prefers_the_cheaper_but_does_not_herd() {
    let mut farm = farm(&[1e6, 1e6, 1e6, 1e6]);
    farm[3].cost_s = 0.1;
    let seen = tally(&mut TwoChoices, &farm, 4000);
    assert!(
        (1800..2200).contains(&seen[3]),
        "half of all pairs: {seen:?}"
    );
    assert!(seen[..3].iter().all(|&count| count > 500), "{seen:?}");
}

#[test]
fn two_choices_samples_by_capacity() {
    let mut farm = farm(&[8e6, 1e6, 1e6]);
    for node in &mut farm {
        node.cost_s = 1.0;
    }
    let seen = tally(&mut TwoChoices, &farm, 1000);
    assert!(seen[0] > 750, "{seen:?}");
}

#[test]
fn random_is_fair() {
    let seen = tally(&mut Random, &farm(&[1.0, 1e9, 5.0]), 3000);
    assert!(
        seen.iter().all(|count| (900..1100).contains(count)),
        "{seen:?}"
    );
}

#[test]
fn round_robin_takes_turns() {
    let order = order(&mut RoundRobin::default(), &farm(&[1.0, 1.0, 1.0]), 6);
    assert_eq!(order, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn alternate_gives_four_and_four_and_then_turns() {
    let mut policy = Alternate::default();
    let order_of_all = order(&mut policy, &farm(&[1.0, 1.0, 1.0]), 14);
    assert_eq!(order_of_all, [0, 0, 0, 0, 1, 2, 1, 2, 0, 1, 0, 2, 0, 1]);
    let mirrors_only = &farm(&[1.0, 1.0, 1.0])[1..];
    let order = order(&mut policy, mirrors_only, 4);
    assert_eq!(order, [1, 0, 1, 0], "turns go on among the mirrors");
}

#[test]
fn every_policy_copes_with_one_candidate() {
    for kind in PolicyKind::ALL {
        let seen = tally(kind.build().as_mut(), &farm(&[1e6]), 10);
        assert_eq!(seen, [10], "{kind:?}");
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
        "\"fastest\" is not a policy; use one of marginal-cost, least-connections, two-choices, \
         round-robin, random, alternate"
    );
}
