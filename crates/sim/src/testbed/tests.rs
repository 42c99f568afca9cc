//! The testbed where its outcome is known without it.

use super::*;

const SECONDS: [f64; 2] = [4.0, 6.0];

fn setup(rule: RuleKind, load: f64) -> Setup {
    Setup {
        load,
        odd_cost: 1.0,
        machine: Machine {
            sure_cores: 6.5,
            spare_cores_max: 0.0,
            busy_ratio: 0.5,
            busy_s: 10.0,
        },
        rule,
        seconds: SECONDS,
        seed: Seed(1),
    }
}

#[test]
fn an_idle_testbed_has_the_published_quantiles() {
    let outcome = run(&Setup {
        seconds: [1.0, 60.0],
        ..setup(RuleKind::Random, 0.05)
    });
    for (ratio, published) in [(0.5, 80.0), (0.9, 182.0), (0.99, 265.0), (0.999, 325.0)] {
        let ours = outcome.latency_ms.quantile(ratio);
        assert!((ours / published - 1.0).abs() < 0.04, "{ratio}: {ours}");
    }
    assert_eq!(outcome.errors, 0);
}

#[test]
fn every_rule_loses_what_nobody_could_serve() {
    for rule in RuleKind::ALL {
        let outcome = run(&setup(rule, 1.6));
        let name = rule.name();
        assert!(
            outcome.error_ratio() > 0.1,
            "{name}: {}",
            outcome.error_ratio()
        );
        let served = (outcome.latency_ms.total() - outcome.errors) as f64 / SECONDS[1];
        let possible = 650.0 / (WORK_S * CUT_MEAN);
        assert!(served < 1.5 * possible, "{name}: {served} of {possible}");
    }
}
