//! Runs small enough to know what must come of them.

use overspill_core::policy::PolicyKind;

use super::*;

fn study(scenario: Scenario) -> Study {
    Study {
        site: Site::Reference,
        scenario,
        load: 0.7,
        requests: 3_000,
        seed: Seed(1),
    }
}

fn setup(rule: Rule, scenario: Scenario) -> Setup {
    let mut setup = Setup {
        mirrors: reference_mirrors(),
        server: Some(Server {
            capacity: 125e6,
            min_flow_rate: Rate::from_bytes_per_s(262_144.0),
        }),
        arrivals: ArrivalLaw::Poisson { rate: 1.0 },
        sizes: SizeLaw::Exponential(20e6),
        requests: 5_000,
        reports: Reports::together(1),
        ways: Ways::Unknown,
        scenario,
        rule,
        regret_every: 1,
        seed: Seed(1),
    };
    setup.arrivals = setup.poisson(0.7);
    setup
}

const OURS: Rule = Rule::Product(PolicyKind::MarginalCost);
const ORACLE: Rule = Rule::Baseline(Baseline::Least(Score::MarginalCost), Sight::Truth);

#[test]
fn a_seed_prints_the_same_bytes_and_another_prints_others() {
    for scenario in [Scenario::Steady, Scenario::Crash, Scenario::LostReports] {
        let print = |seed| {
            let study = Study {
                seed: Seed(seed),
                requests: 1_000,
                ..study(scenario)
            };
            let findings = study.run();
            format!("{findings}{}", findings.plot())
        };
        assert_eq!(print(1), print(1), "{scenario:?}");
        assert_ne!(print(1), print(2), "{scenario:?}");
    }
}

#[test]
fn every_request_is_accounted_for_in_every_scenario() {
    for scenario in Scenario::ALL {
        for rule in [OURS, ORACLE, Rule::ServerAlone] {
            let setup = setup(rule, scenario);
            let summary = run(&setup);
            let ended = summary.time_s.seen() + summary.refused + summary.aborted;
            assert_eq!(
                ended + summary.unfinished,
                setup.requests,
                "{scenario:?} {rule:?}: {summary:?}"
            );
        }
    }
}

#[test]
fn an_oracle_regrets_nothing_and_chance_does() {
    let regret = |rule| run(&setup(rule, Scenario::Steady)).regret.quantile(0.99);
    assert!((regret(ORACLE) - 1.0).abs() < 0.01, "{}", regret(ORACLE));
    assert!(regret(OURS) > 1.01);
    assert!(regret(Rule::Product(PolicyKind::Random)) > 2.0 * regret(OURS));
}

#[test]
fn nobody_loses_a_download_to_a_crash() {
    let summary = run(&setup(OURS, Scenario::Crash));
    assert!(summary.resumed > 0);
    assert_eq!((summary.refused, summary.unfinished), (0, 0));
}

#[test]
fn mirrors_carry_what_a_server_alone_has_to_refuse() {
    let alone = run(&setup(Rule::ServerAlone, Scenario::Steady));
    let together = run(&setup(OURS, Scenario::Steady));
    assert!(alone.refused > 1_000, "{}", alone.refused);
    assert_eq!(together.refused, 0);
    assert!(together.goodput_bytes_per_s > 5.0 * alone.goodput_bytes_per_s);
}

#[test]
fn scenarios_and_sites_are_read() {
    for scenario in Scenario::ALL {
        assert_eq!(scenario.name().parse(), Ok(scenario));
    }
    let error = "moon".parse::<Site>().unwrap_err().to_string();
    assert_eq!(
        error,
        "\"moon\" is not known; use one of reference, thousand"
    );
}
