//! Logs are rotated as everywhere: renamed, then a signal. No line is lost by it, and none torn.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    fleet::{Fleet, Setup},
    http::Wire,
    stage::{LONG, Stage, wait_for},
};

const CLIENTS: usize = 4;
const REQUESTS: usize = 5000;
const ROTATIONS: usize = 5;

#[test]
fn rotation_under_load_loses_no_line() {
    let stage = Stage::new();
    stage.write("file", b"hello");
    let log = stage.path("access.log");
    let setup = Setup {
        server: &["--access-log", log.to_str().unwrap()],
        mirrors: &[],
    };
    let mut fleet = Fleet::ready(stage, setup);
    let done = &AtomicUsize::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let mut wire = Wire::open(fleet.server.address).unwrap();
            scope.spawn(move || {
                for number in 0..REQUESTS {
                    wire.send(format!(
                        "GET /file?n={client}-{number} HTTP/1.1\r\nHost: h\r\n\r\n"
                    ));
                    assert_eq!(wire.reply().status, 200);
                    done.fetch_add(1, Relaxed);
                }
            });
        }
        for rotation in 1..=ROTATIONS {
            let share = CLIENTS * REQUESTS * rotation / (ROTATIONS + 1);
            wait_for("a share of the load", LONG, || done.load(Relaxed) >= share);
            fs::rename(&log, fleet.stage.path(format!("access.log.{rotation}"))).unwrap();
            fleet.server.signal(Signal::USR1);
            wait_for("a new log", LONG, || log.exists());
        }
    });
    assert!(fleet.server.stop().success());
    let old = (1..=ROTATIONS).map(|rotation| format!("access.log.{rotation}"));
    let files: Vec<_> = old.chain(["access.log".to_owned()]).collect();
    let mut targets = HashSet::new();
    for file in &files {
        let lines = targets_in(&fleet.stage.path(file), &mut targets);
        assert!(lines > 0, "nothing in {file}");
    }
    assert_eq!(targets.len(), CLIENTS * REQUESTS);
}

/// Takes the targets of a log's lines, each for the first time; how many lines there were.
fn targets_in(path: &Path, targets: &mut HashSet<String>) -> usize {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "{} ends torn", path.display());
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("torn: {line}"));
        assert!(line.get("dropped_lines").is_none(), "{line}");
        let target = line["target"].as_str().unwrap();
        if target.starts_with("/file?n=") {
            assert!(targets.insert(target.to_owned()), "twice: {line}");
        }
    }
    text.lines().count()
}
