//! Whole fleets under noise, many seeds: see [`overspill_sim::property`].

use std::{num::NonZeroUsize, thread};

use overspill_sim::property::{self, Tally, Violation};

const SEEDS: u64 = 256;
const STEPS: u32 = 3_000;

/// Runs the seeds of one of so many threads.
fn run_share(share: u64, shares: u64) -> Result<Tally, Violation> {
    let seeds = (share..SEEDS).step_by(shares as usize);
    seeds
        .map(|seed| property::run(seed, STEPS))
        .try_fold(Tally::default(), |sum, tally| {
            tally.map(|tally| sum.plus(tally))
        })
}

#[test]
fn the_dispatcher_keeps_its_promises_whatever_happens() {
    let shares = thread::available_parallelism().map_or(1, NonZeroUsize::get) as u64;
    let tallies: Vec<_> = thread::scope(|scope| {
        let threads = (0..shares).map(|share| scope.spawn(move || run_share(share, shares)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut sum = Tally::default();
    for tally in tallies {
        match tally.expect("a thread that does not panic") {
            Ok(tally) => sum = sum.plus(tally),
            Err(violation) => panic!("{violation}"),
        }
    }
    // Noise that reaches nothing proves nothing.
    let Tally {
        served,
        redirected,
        rejected,
        nowhere,
        released,
        refused,
        left,
        reports,
        stale_reports,
        ejected,
        ejected_at_once,
        spared,
        trusted,
        gone,
    } = sum;
    for (what, seen) in [
        ("served", served),
        ("redirected", redirected),
        ("rejected", rejected),
        ("nowhere", nowhere),
        ("released", released),
        ("refused", refused),
        ("left", left),
        ("reports", reports),
        ("stale reports", stale_reports),
        ("ejected", ejected),
        ("ejected at once", ejected_at_once),
        ("spared", spared),
        ("trusted again", trusted),
        ("gone", gone),
    ] {
        assert!(seen >= SEEDS, "{what}: only {seen}\n{sum}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    let tally = |seed| property::run(seed, 1_000).map_err(|violation| violation.to_string());
    assert_eq!(tally(7), tally(7));
    assert_ne!(tally(7), tally(8));
}
