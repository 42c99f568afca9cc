//! Tests against recorded text of `/proc`, and with real processes that only wait.

use super::*;

#[test]
fn stat_is_read_behind_the_last_parenthesis() {
    let rest = "S 7 1 1 0 -1 4194304 9 9 9 9 120 34 5 6 20 0 3 0 99 1 2";
    for name in ["nginx", "a b", "a) S 1 (b", "tricky) "] {
        let stat = parse_stat(&format!("42 ({name}) {rest}"));
        let expected = Stat {
            parent: 7,
            cpu_ticks: 154,
        };
        assert_eq!(stat, Some(expected), "{name}");
    }
    for broken in ["", "42 (a", "42 (a) S", "42 (a) S 7 1 1 0 -1 4 9 9 9 9 120"] {
        assert_eq!(parse_stat(broken), None, "{broken}");
    }
}

#[test]
fn memory_is_found_by_the_name_of_its_line() {
    let text = "5555-7777 ---p 00:00 0  [rollup]\nRss:      2048 kB\nPss:  17 kB\n";
    assert_eq!(field_bytes(text, "Rss:"), Some(2 << 20));
    assert_eq!(field_bytes(text, "VmHWM:"), None);
    assert_eq!(field_bytes("Rss: many kB", "Rss:"), None);
}

#[test]
fn a_family_is_whoever_descends_from_the_first() {
    // Children may have lower numbers than their parents, once numbers have wrapped around.
    let parents = [(3, 20), (10, 1), (11, 10), (20, 11), (30, 1), (31, 30)];
    assert_eq!(descendants(10, &parents), HashSet::from([10, 11, 20, 3]));
    assert_eq!(descendants(31, &parents), HashSet::from([31]));
}

#[test]
fn a_killed_process_takes_its_children_along() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    // The child ignores the request to end, so it has to be killed with its parent.
    command.args(["-c", "trap '' TERM; sleep 600 & echo $!; wait"]);
    let log = folder.path().join("log");
    let mut process = Process::start(&mut command, &log).unwrap();
    let patience = Duration::from_secs(60);
    let grandchild: u32 = pace::until("the child", pace::FINE, patience, || {
        process.check()?;
        Ok(fs::read_to_string(&log)?.trim().parse().ok())
    })
    .unwrap();
    assert_eq!(
        family(process.child.id()).unwrap(),
        HashSet::from([process.child.id(), grandchild])
    );
    assert!(process.usage().unwrap().resident_bytes > 0);
    process.kill();
    let gone = pace::until("its end", pace::FINE, patience, || {
        // An orphan may stay a zombie until init looks after it; it runs no more.
        let stat = fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
        Ok((stat.is_empty() || stat.contains(") Z ")).then_some(()))
    });
    assert!(gone.is_ok());
}

#[test]
fn a_server_that_ends_by_itself_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo first; echo 'no such port' >&2; exit 3"]);
    let mut process = Process::start(&mut command, &folder.path().join("log")).unwrap();
    process.wait(Duration::from_secs(60)).unwrap();
    assert_eq!(
        process.check().unwrap_err().to_string(),
        "the server ended by itself, exit status: 3: no such port"
    );
}
