//! Whole transfers on a virtual clock: links with rates, round trips and faults.
//!
//! Every run checks at each step that no limit is passed, and at its end that every piece was
//! verified once. A failure names the seed that replays it.

mod world;

use std::time::Duration;

use self::world::{Fate, Link, Outcome, World};
use super::*;

const MIB: u64 = 1 << 20;

fn links(rates_mib: &[f64]) -> Vec<Link> {
    rates_mib.iter().map(|&rate| Link::new(rate)).collect()
}

fn seconds(world: World) -> f64 {
    match world.run() {
        Outcome::Done { time, .. } => time.as_secs_f64(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn four_equal_links_give_nearly_four_times_one() {
    let size = 2048 * MIB;
    let took = seconds(World::new(size, links(&[10.0; 4]), 1));
    let ideal = size as f64 / (40.0 * MIB as f64);
    assert!(ideal / took >= 0.95, "{} of the sum", ideal / took);
}

#[test]
fn unequal_links_give_nearly_their_sum() {
    let size = 2048 * MIB;
    let took = seconds(World::new(size, links(&[20.0, 10.0, 6.0, 4.0]), 2));
    let ideal = size as f64 / (40.0 * MIB as f64);
    assert!(ideal / took >= 0.93, "{} of the sum", ideal / took);
}

#[test]
fn one_slow_source_of_four_costs_at_most_a_tenth() {
    for seed in 0..20 {
        let size = 512 * MIB;
        let without = seconds(World::new(size, links(&[10.0; 3]), seed));
        for at in 0..4 {
            let mut all = links(&[10.0; 4]);
            all[at] = Link::new(0.1);
            let with = seconds(World::new(size, all, seed));
            assert!(
                with <= without * 1.1,
                "seed {seed}, slow {at}: {with} after {without}"
            );
        }
    }
}

#[test]
fn where_all_are_slow_all_are_kept() {
    let outcome = World::new(64 * MIB, links(&[0.2, 0.25, 0.3]), 3).run();
    let Outcome::Done { news, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        !news.iter().any(|(_, it)| matches!(it, News::Slow { .. })),
        "{news:?}"
    );
}

#[test]
fn one_source_is_enough() {
    let took = seconds(World::new(256 * MIB, links(&[10.0]), 4));
    assert!(took <= 25.6 * 1.06, "{took}");
}

#[test]
fn a_source_that_dies_costs_only_what_it_held() {
    for seed in 0..20 {
        let mut all = links(&[10.0; 4]);
        all[1].fate = Fate::DiesAt(Duration::from_secs(5));
        let outcome = World::new(512 * MIB, all, seed).run();
        let Outcome::Done { time, received, .. } = outcome else {
            panic!("seed {seed}: {outcome:?}");
        };
        assert!(received <= 514 * MIB, "seed {seed}: {received}");
        assert!(
            time.as_secs_f64() < 512.0 / 30.0 * 1.15,
            "seed {seed}: {time:?}"
        );
    }
}

#[test]
fn a_source_that_falls_silent_is_left_after_five_seconds() {
    let mut all = links(&[10.0; 2]);
    all[1].fate = Fate::SilentAt(Duration::from_secs(4));
    let Outcome::Done { time, news, .. } = World::new(512 * MIB, all, 5).run() else {
        panic!("not done");
    };
    assert!(
        news.iter()
            .any(|(id, it)| id.0 == 1 && matches!(it, News::Slow { .. }))
    );
    assert!(time.as_secs_f64() < 52.0, "{time:?}");
}

#[test]
fn a_corrupt_source_is_banned_at_its_first_piece() {
    for seed in 0..20 {
        let mut all = links(&[10.0; 3]);
        all[0].fate = Fate::Corrupt;
        let Outcome::Done { news, received, .. } = World::new(128 * MIB, all, seed).run() else {
            panic!("not done");
        };
        let bans: Vec<_> = news.iter().filter(|(_, it)| *it == News::Banned).collect();
        assert_eq!(bans, [&(SourceId(0), News::Banned)], "seed {seed}");
        assert!(received <= 137 * MIB, "seed {seed}: {received}");
    }
}

#[test]
fn all_corrupt_is_the_end() {
    let mut all = links(&[10.0; 3]);
    all.iter_mut().for_each(|link| link.fate = Fate::Corrupt);
    let outcome = World::new(64 * MIB, all, 6).run();
    assert!(
        matches!(
            outcome,
            Outcome::GaveUp {
                reason: Reason::AllBanned,
                ..
            }
        ),
        "{outcome:?}"
    );
}

#[test]
fn nothing_for_a_minute_is_the_end() {
    let mut all = links(&[10.0; 2]);
    all.iter_mut()
        .for_each(|link| link.fate = Fate::SilentAt(Duration::from_secs(3)));
    let Outcome::GaveUp {
        reason,
        time,
        refreshes,
    } = World::new(512 * MIB, all, 7).run()
    else {
        panic!("done");
    };
    assert_eq!((reason, refreshes), (Reason::Stalled, 3));
    assert!((62.0..65.0).contains(&time.as_secs_f64()), "{time:?}");
}

#[test]
fn without_anybody_sources_are_asked_for_once_more() {
    let outcome = World::new(64 * MIB, Vec::new(), 8).run();
    let Outcome::GaveUp {
        reason, refreshes, ..
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!((reason, refreshes), (Reason::NoSource, 1));
}

#[test]
fn in_order_nothing_is_far_ahead_and_all_comes_out() {
    for seed in 0..20 {
        let mut world = World::new(256 * MIB, links(&[10.0, 3.0, 1.0]), seed);
        world.in_order();
        let took = seconds(world);
        assert!(took <= 256.0 / 14.0 * 1.4, "seed {seed}: {took}");
    }
}

#[test]
fn many_fleets_end_with_every_piece_verified_once() {
    for seed in 0..300 {
        let world = World::random(seed);
        let has_good = world.has_good_source();
        match world.run() {
            Outcome::Done { .. } => {}
            Outcome::GaveUp { reason, .. } => assert!(!has_good, "seed {seed}: {reason:?}"),
        }
    }
}

#[test]
fn a_slow_source_that_recovers_is_used_again() {
    let mut all = links(&[5.0, 5.0, 5.0]);
    all[2].fate = Fate::SlowUntil(Duration::from_secs(8));
    let Outcome::Done { news, .. } = World::new(1024 * MIB, all, 9).run() else {
        panic!("not done");
    };
    let of_it: Vec<_> = news
        .iter()
        .filter(|(id, _)| id.0 == 2)
        .map(|(_, it)| *it)
        .collect();
    assert!(
        matches!(of_it[..], [News::Slow { .. }, News::Restored, ..]),
        "{of_it:?}"
    );
}
