//! The lines people read and the JSON programs parse.

use std::path::PathBuf;

use overspill_core::root::Root;
use serde_json::json;

use super::*;

fn outcome() -> Outcome {
    Outcome {
        completion: Completion::Downloaded,
        path: Some(PathBuf::from("a.iso")),
        bytes: 4096,
        received_bytes: 2048,
        elapsed: Duration::from_millis(2000),
        verification: Verification::Root(Root([1; 32])),
        served: ["m1", "m2"]
            .map(|source| Served {
                source: source.to_owned(),
                bytes: 1024,
                pieces: 0,
                errors: 0,
                wasted_bytes: 0,
                is_banned: false,
            })
            .to_vec(),
    }
}

#[test]
fn the_summary_says_how_much_how_fast_from_whom_and_whether_it_is_right() {
    let up_to_date = Outcome {
        completion: Completion::UpToDate,
        ..outcome()
    };
    let foreign = Outcome {
        verification: Verification::LengthOnly,
        ..outcome()
    };
    let kept = Outcome {
        served: Vec::new(),
        received_bytes: 0,
        ..outcome()
    };
    for (outcome, line) in [
        (
            outcome(),
            "a.iso: 4.0 KiB in 2.0 s (1.0 KiB/s) from m1, m2; verified",
        ),
        (up_to_date, "a.iso: up to date, 4.0 KiB"),
        (
            foreign,
            "a.iso: 4.0 KiB in 2.0 s (1.0 KiB/s) from m1, m2; not verified: the server tells no \
             digest",
        ),
        (
            kept,
            "a.iso: 4.0 KiB in 2.0 s (0 B/s) from the part kept; verified",
        ),
    ] {
        assert_eq!(summary("a.iso", &outcome), line);
    }
}

#[test]
fn lines_of_a_log() {
    for (position, size, line) in [
        (512, Some(1024), "a: 512 B of 1.0 KiB (50 %)"),
        (2048, Some(1024), "a: 2.0 KiB of 1.0 KiB (100 %)"),
        (512, None, "a: 512 B"),
        (0, Some(0), "a: 0 B"),
    ] {
        assert_eq!(position_line("a", position, size), line);
    }
    for (avoided, pause_ms, line) in [
        (None, 1500, "a: it broke; trying again in 1.5 s"),
        (None, 49, "a: it broke; trying again at once"),
        (
            Some("m1".to_owned()),
            1500,
            "a: it broke; trying again without m1 in 1.5 s",
        ),
    ] {
        let retrying = Progress::Retrying {
            avoided,
            pause: Duration::from_millis(pause_ms),
            reason: "it broke".to_owned(),
        };
        assert_eq!(retry_line("a", &retrying), line);
    }
}

#[test]
fn events_as_json() {
    let root = Root([0xab; 32]);
    for (progress, expected) in [
        (
            Progress::Started {
                resumed_from_bytes: 5,
                root: Some(root),
                size_bytes: None,
            },
            json!({
                "event": "started", "size_bytes": null, "resumed_from_bytes": 5,
                "root": "ab".repeat(32),
            }),
        ),
        (
            Progress::Bytes {
                position_bytes: 7,
                received_bytes: 9,
            },
            json!({"event": "progress", "position_bytes": 7, "received_bytes": 9}),
        ),
        (
            Progress::Redirected {
                member: "m1".to_owned(),
            },
            json!({"event": "redirected", "member": "m1"}),
        ),
        (
            Progress::Retrying {
                avoided: None,
                pause: Duration::from_millis(9),
                reason: "r".to_owned(),
            },
            json!({"event": "retrying", "reason": "r", "avoided": null, "pause_ms": 9}),
        ),
        (
            Progress::Verified { root },
            json!({"event": "verified", "root": "ab".repeat(32)}),
        ),
    ] {
        assert_eq!(event_json(&progress), Some(expected));
    }
    assert_eq!(event_json(&Progress::Finished), None);
}

#[test]
fn what_becomes_of_sources_as_json() {
    for (progress, expected) in [
        (
            Progress::SourceLeft {
                source: "m1".to_owned(),
                reason: "it broke".to_owned(),
            },
            json!({"event": "source_left", "source": "m1", "reason": "it broke"}),
        ),
        (
            Progress::SourceBanned {
                source: "m1".to_owned(),
            },
            json!({"event": "source_banned", "source": "m1", "reason": "it sent wrong bytes"}),
        ),
        (
            Progress::PieceRefuted {
                offset: 5,
                source: "m1".to_owned(),
            },
            json!({"event": "piece_refuted", "offset": 5, "source": "m1"}),
        ),
    ] {
        assert_eq!(event_json(&progress), Some(expected));
    }
}

#[test]
fn the_end_as_json() {
    let served = |source| {
        json!({
            "source": source, "bytes": 1024, "pieces": 0, "errors": 0, "wasted_bytes": 0,
            "banned": false,
        })
    };
    assert_eq!(
        outcome_json(&outcome()),
        json!({
            "event": "finished", "path": "a.iso", "bytes": 4096, "received_bytes": 2048,
            "elapsed_ms": 2000, "verified": true, "up_to_date": false,
            "served": [served("m1"), served("m2")], "exit": 0,
        })
    );
}

#[test]
fn each_source_has_its_line() {
    let mut outcome = outcome();
    outcome.served[1] = Served {
        source: "mirror-2".to_owned(),
        bytes: 3 << 20,
        pieces: 2,
        errors: 1,
        wasted_bytes: 1 << 20,
        is_banned: true,
    };
    assert_eq!(
        shares(&outcome),
        [
            "  m1        1.0 KiB",
            "  mirror-2  3.0 MiB, 2 pieces, 1 errors, 1.0 MiB wasted; sent wrong bytes",
        ]
    );
    outcome.served.truncate(1);
    assert!(shares(&outcome).is_empty());
}

#[test]
fn both_templates_are_valid() {
    for template in [BAR_TEMPLATE, SIZELESS_TEMPLATE] {
        assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
    }
}
