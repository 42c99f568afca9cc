//! The texts of the table and of the log, letter by letter.

use overspill_wire::status::DecisionCounts;

use super::*;
use crate::demo::tally::Tally;

fn row(label: &str, state: &str, bytes: u64) -> Row {
    Row {
        label: label.to_owned(),
        state: state.to_owned(),
        bytes,
        bytes_per_s: bytes / 2,
        flows: 7,
        lag_revisions: 0,
    }
}

fn scene() -> Scene {
    let mut tally = Tally {
        begun: 130,
        exact: 100,
        failed: 6,
        retries: 4,
        ..Tally::default()
    };
    tally.credit("server", 3 << 30);
    tally.credit("m-1", 1 << 30);
    Scene {
        rows: vec![
            row("server", "serving", 3 << 30),
            Row {
                lag_revisions: 12,
                ..row("mirror 1", "suspect", 1 << 30)
            },
        ],
        decisions: DecisionCounts {
            serve: 60,
            redirect: 40,
            relay: 0,
            stripe: 0,
            switch: 0,
            wait: 0,
            reject: 0,
            avoided: 3,
        },
        tally,
        bytes_per_s: 512 << 20,
        elapsed: Duration::from_millis(4210),
        length: Duration::from_secs(12),
        events: vec!["4.2 s  mirror 1 killed".to_owned()],
    }
}

#[test]
fn the_table_shows_nodes_decisions_downloads_and_events() {
    let expected = "\
overspill demo   4.2 s of 12 s  ████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░

node      state    share                           now flows  lag        sent
server    serving   75 % ████████████░░░░    1.5 GiB/s     7    -     3.0 GiB
mirror 1  suspect   25 % ████░░░░░░░░░░░░  512.0 MiB/s     7   12     1.0 GiB

decisions  60 served here, 40 redirected, 3 came back
downloads  100 byte-exact, 6 failed, 4 retried, 24 running

4.2 s  mirror 1 killed";
    assert_eq!(table(&scene()), expected);
}

#[test]
fn a_line_of_the_log_says_the_same() {
    let expected = " 4.2 s  server serving 75 %, mirror 1 suspect 25 % | 512.0 MiB/s | \
                    100 byte-exact, 6 failed, 4 retried, 24 running | \
                    60 served here, 40 redirected, 3 came back";
    assert_eq!(line(&scene()), expected);
}

#[test]
fn nothing_makes_the_table_wider_or_longer_than_a_terminal() {
    let mut scene = scene();
    scene.rows = (0..9)
        .map(|at| Row {
            flows: u64::MAX,
            lag_revisions: u64::MAX,
            ..row(&format!("mirror {at}"), "draining", u64::MAX)
        })
        .collect();
    scene.tally.exact = u64::MAX / 2;
    scene.tally.begun = u64::MAX;
    scene.elapsed = Duration::MAX;
    scene.events = vec!["\x1b[2Jlong ".repeat(30); 6];
    let table = table(&scene);
    for line in table.lines() {
        assert!(line.chars().count() <= COLUMNS, "{line}");
        assert!(!line.contains('\x1b'), "{line}");
    }
    assert!(table.lines().count() < 24, "{}", table.lines().count());
}

#[test]
fn shares_are_rounded_and_of_nothing_there_is_none() {
    for (bytes, total, expected) in [
        (0, 0, "-"),
        (0, 5, "0 %"),
        (1, 3, "33 %"),
        (2, 3, "67 %"),
        (u64::MAX, u64::MAX, "100 %"),
    ] {
        assert_eq!(share(bytes, total), expected, "{bytes} of {total}");
    }
}
