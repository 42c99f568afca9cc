//! The tables at reduced size: nothing may be off by more than chance explains, and most figures
//! must be within their tolerance even so.

use overspill_sim::{
    random::Seed,
    sheet::Verdict,
    tables::{Scale, Table},
};

const SEED: Seed = Seed(1);

fn check(table: Table, ratio: f64, holding_min: usize) {
    let sheet = table.run(SEED, Scale::new(ratio).expect("a positive scale"));
    assert_eq!(
        sheet.lines_that(Verdict::Fails),
        Vec::<String>::new(),
        "{sheet}"
    );
    let holding = sheet.lines_that(Verdict::Holds).len();
    assert!(holding >= holding_min, "only {holding} hold\n{sheet}");
}

#[test]
fn the_supermarket_model_is_as_published() {
    check(Table::R1, 0.05, 16);
}

#[test]
fn queues_and_links_do_what_theory_says() {
    check(Table::R2, 0.02, 40);
}

#[test]
fn old_information_does_what_is_known() {
    check(Table::R3, 0.02, 40);
}

#[test]
fn sharing_is_nearly_insensitive() {
    check(Table::R4, 0.04, 45);
}

#[test]
fn rules_collapse_in_the_published_order() {
    check(Table::R5, 0.02, 20);
}

#[test]
fn the_reference_farm_is_as_another_simulation_has_it() {
    check(Table::R6, 0.05, 15);
}

/// One target is missed, and known to be: at load 0.7 the p99 stands on a step of the distribution, two
/// flows on a mirror of a quarter of the fastest one's capacity, which the oracle just avoids.
#[test]
fn the_targets_hold_but_one() {
    let sheet = Table::Targets.run(SEED, Scale::new(0.05).expect("a positive scale"));
    let failing = sheet.lines_that(Verdict::Fails);
    let is_known = |line: &String| line.starts_with("FAILS  load 0.7: ");
    assert!(failing.iter().all(is_known), "{sheet}");
    assert!(sheet.lines_that(Verdict::Holds).len() >= 3, "{sheet}");
}

#[test]
fn a_seed_prints_the_same_bytes_and_another_prints_others() {
    let scale = Scale::new(0.001).expect("a positive scale");
    for table in [Table::R2, Table::R3, Table::R4, Table::R6] {
        let print = |seed| table.run(seed, scale).to_string();
        assert_eq!(print(SEED), print(SEED), "{}", table.name());
        assert_ne!(print(SEED), print(Seed(2)), "{}", table.name());
    }
}
