//! Tests of the bucket: against a naive one that counts, and against the definition of a rate.

use std::{cmp::Reverse, collections::BinaryHeap};

use proptest::prelude::*;

use super::*;

/// A bucket as one would explain it: a level that rises with time.
struct Naive {
    level: f64,
    at_s: f64,
}

impl Naive {
    fn advance(&mut self, allowance: &Allowance, at_s: f64) {
        let rise = (at_s - self.at_s) * 1e9 / allowance.ns_per_token;
        self.level = (self.level + rise).min(allowance.burst as f64);
        self.at_s = at_s;
    }
}

/// By how much rounding to nanoseconds may differ, in tokens, after so many steps.
fn tolerance(allowance: &Allowance, steps: usize) -> f64 {
    1e-6 + (steps + 2) as f64 / allowance.ns_per_token
}

fn allowances() -> impl Strategy<Value = Allowance> {
    (0.5_f64..1e7, 1_u64..100_000, 1_u64..100_000)
        .prop_map(|(per_s, burst, quantum)| Allowance::new(per_s, burst, quantum))
}

/// Pauses and amounts, in shares of what matters: the time to fill, and the burst.
fn steps() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((0.0..1.5_f64, 0.0..1.2_f64), 1..200)
}

/// What was given in any window is within `burst + rate * t + slack`.
fn assert_within(allowance: &Allowance, given: &[(Duration, u64)], slack: f64) {
    for (first, (from, _)) in given.iter().enumerate() {
        let mut sum = 0;
        for (to, tokens) in &given[first..] {
            sum += tokens;
            let window_ns = (*to - *from).as_nanos() as f64;
            let most = allowance.burst as f64 + window_ns / allowance.ns_per_token + slack;
            assert!(sum as f64 <= most, "{sum} > {most} from {from:?} to {to:?}");
        }
    }
}

proptest! {
    #[test]
    fn taking_agrees_with_a_level_that_rises(allowance in allowances(), steps in steps()) {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        let mut naive = Naive { level: allowance.burst as f64, at_s: 0.0 };
        let (mut at, mut given) = (Duration::ZERO, Vec::new());
        let slack = tolerance(&allowance, steps.len());
        for (pause, share) in steps {
            at += allowance.fill.mul_f64(pause * pause * 0.3);
            let tokens = (allowance.burst as f64 * share) as u64;
            naive.advance(&allowance, at.as_secs_f64());
            match bucket.take(&allowance, start + at, tokens) {
                Ok(()) => {
                    prop_assert!(naive.level + slack >= tokens as f64);
                    naive.level -= tokens as f64;
                    given.push((at, tokens));
                }
                Err(Wait(Duration::MAX)) => prop_assert!(tokens > allowance.burst),
                Err(Wait(wait)) => {
                    prop_assert!(naive.level - slack <= tokens as f64);
                    let later = start + at + wait;
                    prop_assert!(bucket.clone().take(&allowance, later, tokens).is_ok());
                    let early = later - Duration::from_nanos(1);
                    prop_assert!(bucket.clone().take(&allowance, early, tokens).is_err());
                }
            }
        }
        assert_within(&allowance, &given, slack);
    }

    #[test]
    fn flows_that_share_a_bucket_get_equal_parts_and_keep_the_rate(
        allowance in allowances(),
        flows in 1_usize..20,
        rounds in 1_usize..30,
    ) {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        let mut sent = vec![0_u64; flows];
        let mut given = Vec::new();
        // By time, then by arrival: each flow asks again once it has sent what it was given.
        let asking = (0..flows).map(|flow| Reverse((Duration::ZERO, flow, flow, 0)));
        let mut line: BinaryHeap<_> = asking.collect();
        for arrival in flows..flows * (rounds + 1) {
            let Reverse((at, _, flow, tokens)) = line.pop().unwrap();
            sent[flow] += tokens;
            given.push((at, tokens));
            let next = bucket.reserve(&allowance, start + at, u64::MAX);
            prop_assert_eq!(next.tokens, allowance.quantum);
            line.push(Reverse((at + next.wait, arrival, flow, next.tokens)));
        }
        let spread = sent.iter().max().unwrap() - sent.iter().min().unwrap();
        prop_assert!(spread <= allowance.quantum, "{:?}", sent);
        assert_within(&allowance, &given, tolerance(&allowance, given.len()));
    }
}

#[test]
fn a_full_bucket_gives_its_burst_and_then_its_rate() {
    let start = Instant::now();
    let allowance = Allowance::of_requests(10);
    let mut bucket = Bucket::full(start);
    for request in 0..10 {
        assert_eq!(bucket.take(&allowance, start, 1), Ok(()), "{request}");
    }
    let tenth = Duration::from_millis(100);
    assert_eq!(bucket.take(&allowance, start, 1), Err(Wait(tenth)));
    assert_eq!(bucket.take(&allowance, start + tenth, 1), Ok(()));
    assert_eq!(
        bucket.take(&allowance, start + tenth, 1),
        Err(Wait(tenth)),
        "a refusal costs nothing"
    );
    assert_eq!(
        bucket.take(&allowance, start + tenth, 11),
        Err(Wait(Duration::MAX))
    );
}

#[test]
fn bytes_come_in_quanta_that_suit_the_rate() {
    for (bytes_per_s, burst, quantum) in [
        (1e3, 64 << 10, 4 << 10),
        (1e6, 250_000, 20_000),
        (1e9, 250_000_000, 256 << 10),
    ] {
        let allowance = Allowance::of_bytes(Rate::from_bytes_per_s(bytes_per_s));
        assert_eq!(
            (allowance.burst(), allowance.quantum()),
            (burst, quantum),
            "{bytes_per_s}"
        );
    }
}

#[test]
fn no_more_is_reserved_than_wanted() {
    let start = Instant::now();
    let allowance = Allowance::new(100.0, 100, 50);
    let mut bucket = Bucket::full(start);
    for (wanted, tokens, wait_ms) in [(0, 0, 0), (7, 7, 0), (93, 50, 0), (43, 43, 0), (5, 5, 50)] {
        let wait = Duration::from_millis(wait_ms);
        assert_eq!(
            bucket.reserve(&allowance, start, wanted),
            Reservation { tokens, wait }
        );
    }
}

#[test]
fn a_clock_that_goes_backwards_gives_nothing_away() {
    let start = Instant::now() + Duration::from_secs(10);
    let allowance = Allowance::new(1.0, 5, 1);
    let mut bucket = Bucket::full(start);
    assert_eq!(bucket.take(&allowance, start, 5), Ok(()));
    let before = start - Duration::from_secs(5);
    assert_eq!(
        bucket.take(&allowance, before, 1),
        Err(Wait(Duration::from_secs(6)))
    );
}

#[test]
fn settings_without_sense_become_the_nearest_with_one() {
    let start = Instant::now();
    for per_s in [0.0, -1.0, f64::NAN] {
        let allowance = Allowance::new(per_s, 0, 0);
        assert_eq!((allowance.burst(), allowance.quantum()), (1, 1));
        let mut bucket = Bucket::full(start);
        assert_eq!(bucket.take(&allowance, start, 1), Ok(()));
        assert!(bucket.take(&allowance, start, 1).is_err());
    }
}
