//! What a summary says, and what it must never call good.

use super::*;

fn good() -> Summary {
    let mut tally = Tally {
        begun: 50,
        exact: 50,
        exact_bytes: 4 << 30,
        retries: 5,
        retried: 4,
        resumed: 6,
        by_curl: 8,
        ..Tally::default()
    };
    tally.credit("server", 3 << 30);
    tally.credit("m-1", 1 << 30);
    let sender = |label: &str, name: &str, capacity: &str| Sender {
        label: label.to_owned(),
        name: name.to_owned(),
        capacity: capacity.to_owned(),
    };
    let mut outage = Outage::during(Duration::from_secs(12));
    outage.hit = Some(Hit {
        mirror: 0,
        downloads: 3,
        bytes_before: 512 << 20,
        killed: Duration::from_millis(4000),
        started_again: Some(Duration::from_millis(6400)),
        ready_again: Some(Duration::from_millis(7700)),
    });
    Summary {
        tally,
        nodes: vec![
            sender("server", "server", "400MiB/s"),
            sender("mirror 1", "m-1", "200MiB/s"),
        ],
        decisions: Some(DecisionCounts {
            serve: 30,
            redirect: 20,
            relay: 0,
            stripe: 0,
            switch: 0,
            wait: 0,
            reject: 0,
            avoided: 4,
        }),
        outage,
        elapsed: Duration::from_secs(8),
        unfinished: 0,
    }
}

#[test]
fn a_good_run_is_told_in_full() {
    let expected = "\
50 downloads, 4.0 GiB in 8.0 s (512.0 MiB/s): every one byte-exact

server         3.0 GiB  75 %   told to have 400MiB/s
mirror 1       1.0 GiB  25 %   told to have 200MiB/s
clients    42 by our library (6 broken off and resumed), 8 by curl
decisions  30 served here, 20 redirected, 4 came back
retries    5 tries failed within 4 downloads
outage     mirror 1 killed (SIGKILL) at 4.0 s with 3 downloads on it
           started again at 6.4 s, ready 1.3 s later; sent 512.0 MiB since

";
    assert_eq!(good().text(), expected);
    assert_eq!(good().failures(), [""; 0]);
}

#[test]
fn why_nothing_was_redirected_is_said() {
    let mut summary = good();
    assert!(!summary.text().contains("worth a redirect"));
    summary.decisions = Some(DecisionCounts::default());
    let expected = "           no file has the 64.0 KiB that are worth a redirect\n";
    assert!(summary.text().contains(expected), "{}", summary.text());
}

#[test]
fn whatever_went_wrong_fails_the_run() {
    let change = |change: fn(&mut Summary)| {
        let mut summary = good();
        change(&mut summary);
        summary
    };
    for (summary, expected) in [
        (
            change(|summary| {
                summary.tally.failed = 1;
                summary.tally.failures = vec!["a: cut".to_owned()];
            }),
            vec!["1 downloads failed:", "  a: cut"],
        ),
        (
            change(|summary| summary.unfinished = 2),
            vec!["2 downloads did not end"],
        ),
        (
            change(|summary| summary.tally.exact = 0),
            vec!["no download was completed"],
        ),
        (
            change(|summary| summary.outage.hit = None),
            vec!["the load ended before a mirror could be killed"],
        ),
        (
            change(|summary| {
                let hit = summary.outage.hit.as_mut();
                hit.expect("a good run has one").ready_again = None;
            }),
            vec!["mirror 1 did not become ready again"],
        ),
    ] {
        assert_eq!(summary.failures(), expected);
        let text = summary.text();
        assert!(text.contains("not all is well"), "{text}");
        let told = text.lines().filter(|line| line.starts_with("FAILED     "));
        assert_eq!(told.count(), expected.len(), "{text}");
        assert!(text.lines().all(|line| line.chars().count() < 80), "{text}");
    }
}
