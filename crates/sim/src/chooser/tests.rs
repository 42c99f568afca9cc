//! Each rule on nodes whose load is written down.

use super::*;
use crate::random::{Seed, Stream};

/// Capacities, and what each flow of a node has left.
struct Written(Vec<(f64, Vec<f64>)>);

impl Nodes for Written {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn capacity(&self, at: usize) -> f64 {
        self.0[at].0
    }

    fn flows(&self, at: usize) -> f64 {
        self.0[at].1.len() as f64
    }

    fn work_before(&self, at: usize, size: f64) -> f64 {
        self.0[at].1.iter().map(|left| left.min(size)).sum()
    }
}

fn picks(chooser: &mut dyn Chooser, size: f64, nodes: &Written, times: usize) -> Vec<usize> {
    let mut random = Seed(1).stream(Stream::Choices);
    (0..times)
        .map(|_| chooser.choose(size, nodes, &mut random))
        .collect()
}

#[test]
fn scores_differ_where_one_huge_flow_meets_many_small_ones() {
    let nodes = Written(vec![
        (1.0, vec![1e6]),
        (1.0, vec![1.0; 10]),
        (0.5, vec![1.0; 4]),
    ]);
    for (score, size, best) in [
        (Score::Flows, 1.0, 0),
        (Score::Work, 1.0, 2),
        (Score::EarliestFinish, 1.0, 0),
        (Score::MarginalCost, 1.0, 0),
        (Score::EarliestFinish, 100.0, 1),
        (Score::MarginalCost, 100.0, 1),
    ] {
        assert_eq!(
            picks(&mut Least(score), size, &nodes, 3),
            [best; 3],
            "{score:?}"
        );
    }
}

#[test]
fn equals_are_picked_about_equally_often() {
    let nodes = Written(vec![
        (1.0, vec![1.0]),
        (1.0, vec![]),
        (1.0, vec![]),
        (1.0, vec![]),
    ]);
    let picks = picks(&mut Least(Score::Flows), 1.0, &nodes, 3_000);
    for at in 1..4 {
        let times = picks.iter().filter(|pick| **pick == at).count();
        assert!((900..1100).contains(&times), "{at}: {times}");
    }
}

#[test]
fn turns_go_round() {
    let nodes = Written(vec![(1.0, vec![]); 3]);
    assert_eq!(
        picks(&mut InTurn::default(), 1.0, &nodes, 5),
        [0, 1, 2, 0, 1]
    );
    let uniform = picks(&mut Uniform, 1.0, &nodes, 300);
    assert!((0..3).all(|at| uniform.contains(&at)));
}

#[test]
fn a_sample_without_replacement_never_takes_the_worst_of_all() {
    let nodes = Written(vec![(1.0, vec![1.0; 9]), (1.0, vec![1.0]), (1.0, vec![])]);
    let worst = |drawn| {
        let picks = picks(&mut Sampled::new(2, drawn), 1.0, &nodes, 900);
        picks.iter().filter(|pick| **pick == 0).count()
    };
    assert_eq!(worst(Drawn::WithoutReplacement), 0);
    // Both draws fall on it one time in nine.
    assert!((70..130).contains(&worst(Drawn::WithReplacement)));
    let more_than_there_are = &mut Sampled::new(9, Drawn::WithoutReplacement);
    assert_eq!(picks(more_than_there_are, 1.0, &nodes, 2), [2, 2]);
}

#[test]
fn weighted_turns_are_in_proportion_to_capacity_and_spread() {
    let nodes = Written(vec![
        (4.0, vec![]),
        (2.0, vec![]),
        (1.0, vec![]),
        (1.0, vec![]),
    ]);
    let picks = picks(&mut Weighted::default(), 1.0, &nodes, 800);
    let times = |at| picks.iter().filter(|pick| **pick == at).count();
    assert_eq!([0, 1, 2, 3].map(times), [400, 200, 100, 100]);
    let longest = picks.chunk_by(|a, b| a == b).map(<[usize]>::len).max();
    // Half of all turns, and one more where turns are due at the same time.
    assert!(longest <= Some(3), "{longest:?}");
}

#[test]
fn the_products_policies_see_what_the_simulators_own_rules_see() {
    let nodes = Written(vec![
        (1.0, vec![1e6]),
        (2.0, vec![10.0; 10]),
        (1.0, vec![10.0; 4]),
    ]);
    use overspill_core::policy::PolicyKind::{LeastConnections, MarginalCost};
    for (kind, score, size) in [
        (MarginalCost, Score::MarginalCost, 10.0),
        (MarginalCost, Score::MarginalCost, 1000.0),
        (LeastConnections, Score::Flows, 10.0),
    ] {
        let ours = picks(&mut ByPolicy::new(kind), size, &nodes, 5);
        assert_eq!(ours, picks(&mut Least(score), size, &nodes, 5), "{kind:?}");
    }
}
