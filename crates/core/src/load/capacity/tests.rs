//! The estimate, second by second; the fleet that lives by it is in `simulation`.

mod simulation;

use super::*;

const S: Duration = Duration::from_secs(1);

fn rate(mb: f64) -> Rate {
    Rate::from_bytes_per_s(mb * 1e6)
}

/// Flows of equal rates, all held back by the network, all of which lasted.
fn sample(egress_mb: f64, flows: u64, before_mb: f64) -> Sample {
    Sample {
        egress_bytes_per_s: egress_mb * 1e6,
        flows,
        flows_limited_here: flows,
        same_flows: SameFlows {
            flows,
            before_bytes_per_s: before_mb * 1e6,
            now_bytes_per_s: egress_mb * 1e6,
        },
        cpu_busy: 0.0,
    }
}

/// Observes a sample a second, and says what is believed in the end.
fn after(prior: Prior, samples: impl IntoIterator<Item = Sample>) -> (CapacityEstimate, Instant) {
    let mut estimate = CapacityEstimate::new(prior);
    let mut now = Instant::now();
    for sample in samples {
        now += S;
        estimate.observe(now, &sample);
    }
    (estimate, now)
}

/// Twelve flows on a link of 50 MB/s become twenty, one by one.
fn crowd() -> impl Iterator<Item = Sample> {
    (12..=20).map(|flows| sample(50.0, flows, 50.0 * flows as f64 / (flows - 1) as f64))
}

#[test]
fn what_the_operator_told_is_the_cap() {
    let (estimate, now) = after(Prior::Told(rate(1.0)), [sample(1000.0, 9, 1000.0)]);
    assert_eq!(estimate.rate(now), rate(1.0));
}

#[test]
fn egress_above_an_assumed_prior_is_remembered_for_a_minute() {
    let (estimate, now) = after(
        Prior::Assumed(rate(100.0)),
        [sample(400.0, 9, 400.0), sample(1.0, 1, 1.0)],
    );
    assert_eq!(estimate.rate(now), rate(400.0));
    assert_eq!(estimate.rate(now + 58 * S), rate(400.0));
    assert_eq!(estimate.rate(now + 200 * S), rate(100.0));
}

#[test]
fn want_of_work_lowers_nothing() {
    let idle = std::iter::repeat_n(sample(0.001, 1, 0.001), 600);
    let (estimate, now) = after(Prior::Assumed(rate(100.0)), idle);
    assert_eq!(estimate.rate(now), rate(100.0));
    assert!(!estimate.is_saturated(now));
}

#[test]
fn more_flows_for_the_same_egress_fill_a_link_only_if_they_slow_each_other() {
    type Change = fn(&mut Sample);
    let cases: [(&str, Change, bool); 6] = [
        ("a crowd", |_| {}, true),
        (
            "clients that read slowly",
            |sample| sample.flows_limited_here = sample.flows / 3,
            false,
        ),
        (
            "the same, and no processor to spare",
            |sample| {
                sample.flows_limited_here = sample.flows / 3;
                sample.cpu_busy = 0.97;
            },
            true,
        ),
        (
            "each as fast as before",
            |sample| sample.same_flows.before_bytes_per_s = sample.same_flows.now_bytes_per_s,
            false,
        ),
        (
            "none lasted",
            |sample| sample.same_flows = SameFlows::default(),
            false,
        ),
        (
            "few lasted",
            |sample| {
                sample.same_flows.before_bytes_per_s /= 4.0;
                sample.same_flows.now_bytes_per_s /= 4.0;
            },
            false,
        ),
    ];
    for (name, change, is_full) in cases {
        let samples = crowd().map(|mut sample| {
            change(&mut sample);
            sample
        });
        let (estimate, now) = after(Prior::Assumed(rate(100.0)), samples);
        assert_eq!(estimate.is_saturated(now), is_full, "{name}");
        let expected = if is_full { 50.0 } else { 100.0 };
        assert_eq!(estimate.rate(now), rate(expected), "{name}");
    }
}

#[test]
fn three_flows_prove_nothing() {
    let samples = [
        sample(50.0, 1, 50.0),
        sample(50.0, 2, 100.0),
        sample(50.0, 3, 75.0),
        sample(0.5, 3, 50.0),
        sample(0.5, 3, 0.5),
    ];
    let (estimate, now) = after(Prior::Assumed(rate(100.0)), samples);
    assert_eq!(estimate.rate(now), rate(100.0));
}

#[test]
fn a_throttle_to_a_hundredth_is_believed_in_its_first_whole_second() {
    let steady = std::iter::repeat_n(sample(90.0, 10, 90.0), 20);
    let throttled = [sample(60.0, 10, 90.0), sample(0.9, 10, 60.0)];
    let (estimate, now) = after(Prior::Assumed(rate(100.0)), steady.chain(throttled));
    assert_eq!(estimate.rate(now), rate(0.9));
    assert!(estimate.is_saturated(now) && !estimate.is_saturated(now + 3 * S));
}

#[test]
fn a_fall_to_a_third_is_believed_when_seen_three_times() {
    let steady = || std::iter::repeat_n(sample(90.0, 10, 90.0), 20);
    let fallen = [
        sample(30.0, 10, 90.0),
        sample(30.0, 10, 30.0),
        sample(30.0, 10, 30.0),
    ];
    for (seen, expected) in [(2, 100.0), (3, 30.0)] {
        let samples = steady().chain(fallen.into_iter().take(seen));
        let (estimate, now) = after(Prior::Assumed(rate(100.0)), samples);
        assert_eq!(estimate.rate(now), rate(expected), "{seen} times");
    }
}

#[test]
fn the_proof_stands_while_the_link_stays_as_full() {
    let full = std::iter::repeat_n(sample(50.0, 20, 50.0), 600);
    let (estimate, now) = after(Prior::Assumed(rate(100.0)), crowd().chain(full));
    assert!(estimate.is_saturated(now));
    assert_eq!(estimate.rate(now), rate(50.0));
}

#[test]
fn without_proof_it_grows_ever_faster_back_to_the_prior() {
    let (mut estimate, began) = after(Prior::Assumed(rate(100.0)), crowd());
    let mut seen = Vec::new();
    for second in 1..60 {
        let now = began + second * S;
        estimate.observe(now, &sample(1.0, 1, 1.0));
        seen.push((estimate.rate(now).bytes_per_s() / 1e5).round() / 10.0);
    }
    let at = [9, 10, 20, 30, 50].map(|second: usize| seen[second - 1]);
    assert_eq!(at, [50.0, 55.0, 66.6, 88.6, 100.0]);
}

#[test]
fn egress_above_the_estimate_raises_it_at_once() {
    let more = [sample(80.0, 20, 50.0)];
    let (estimate, now) = after(Prior::Assumed(rate(100.0)), crowd().chain(more));
    assert_eq!(estimate.rate(now), rate(80.0));
}

#[test]
fn the_plateau_is_the_second_highest() {
    let top = |egress: &[f64]| {
        let plateau = Plateau {
            egress: egress.iter().copied().collect(),
            flows: 4,
            proved_at: Instant::now(),
        };
        plateau.top()
    };
    for (egress, expected) in [
        (&[5.0][..], 5.0),
        (&[5.0, 9.0], 5.0),
        (&[9.0, 5.0], 5.0),
        (&[1.0, 9.0, 5.0, 3.0], 5.0),
        (&[9.0, 1.0, 9.0], 9.0),
    ] {
        assert_eq!(top(egress), expected, "{egress:?}");
    }
}
