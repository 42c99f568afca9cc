//! Each verdict over a made-up machine; and this machine, which must at least be readable.

use super::{
    super::finding::Verdict::{self, Fail, Warn},
    *,
};

/// A machine that nothing is wrong with.
fn fit() -> Machine {
    Machine {
        unix_s: UNIX_S_MIN + 1,
        clock_step_ms: 1,
        open_files_max: Some(1 << 20),
        watches_max: Some(65_536),
        somaxconn: Some(4096),
        congestion: Some(("cubic".to_owned(), "reno cubic bbr".to_owned())),
        kernel: Kernel::default(),
        folder: Some(Folder {
            path: "/srv/pub".into(),
            folders: Ok(100),
        }),
        state: Some(State {
            path: "/srv/state".into(),
            room: Some(Ok(Room {
                free_bytes: 10 << 30,
                bytes: 20 << 30,
                free_inodes: 50,
                inodes: 100,
            })),
            write_error: None,
            token_modes: vec![("token", 0o100_600), ("admin-token", 0o100_600)],
            index: Some(Ok(())),
        }),
    }
}

/// The verdict and the whole line of one check.
fn judged(machine: &Machine, check: &str) -> (Verdict, String) {
    let found = judge(machine).into_iter().find(|one| one.check == check);
    let found = found.unwrap_or_else(|| panic!("no finding of {check}"));
    let remedy = found.remedy.unwrap_or_default();
    (found.verdict, format!("{}; {remedy}", found.text))
}

#[test]
fn a_fit_machine_has_nothing_to_be_done() {
    let findings = judge(&fit());
    let checks: Vec<_> = findings.iter().map(|finding| finding.check).collect();
    let expected = [
        "clock",
        "open-files",
        "openat2",
        "nowait",
        "reuse-port",
        "somaxconn",
        "congestion",
        "inotify",
        "state-writable",
        "disk-space",
        "disk-inodes",
        "token",
        "admin-token",
        "index",
    ];
    assert_eq!(checks, expected);
    for finding in findings {
        assert_eq!(
            (finding.verdict, finding.remedy),
            (Verdict::Ok, None),
            "{}",
            finding.text
        );
    }
}

/// What is changed on a fit machine, what that is called, how grave it is, and what helps.
type Row = (fn(&mut Machine), &'static str, Verdict, &'static str);

fn assert_found(rows: &[Row]) {
    for (change, check, verdict, words) in rows {
        let mut machine = fit();
        change(&mut machine);
        let (found, text) = judged(&machine, check);
        assert_eq!(found, *verdict, "{text}");
        assert!(text.contains(words), "{text}");
    }
}

fn state_of(machine: &mut Machine) -> &mut State {
    machine.state.as_mut().expect("a fit machine has one")
}

fn room_of(machine: &mut Machine) -> &mut Room {
    let room = state_of(machine).room.as_mut();
    room.and_then(|room| room.as_mut().ok())
        .expect("and it has room")
}

#[test]
fn each_thing_that_is_wrong_has_its_verdict_and_its_remedy() {
    assert_found(&[
        (|m| m.unix_s = 0, "clock", Fail, "timedatectl"),
        (|m| m.clock_step_ms = -9000, "clock", Warn, "timedatectl"),
        (
            |m| m.open_files_max = Some(256),
            "open-files",
            Fail,
            "LimitNOFILE=65536",
        ),
        (
            |m| m.open_files_max = Some(4096),
            "open-files",
            Warn,
            "ulimit",
        ),
        (
            |m| m.somaxconn = Some(128),
            "somaxconn",
            Warn,
            "sysctl -w net.core.somaxconn=4096",
        ),
        (
            |m| m.kernel.openat2 = Some("no".into()),
            "openat2",
            Fail,
            "Linux 5.6",
        ),
        (
            |m| m.kernel.nowait = Some("no".into()),
            "nowait",
            Warn,
            "ext4",
        ),
        (
            |m| m.kernel.reuse_port = Some("no".into()),
            "reuse-port",
            Fail,
            "Linux",
        ),
        (
            |m| m.watches_max = Some(100),
            "inotify",
            Fail,
            "max_user_watches=512",
        ),
        (
            |m| m.watches_max = Some(150),
            "inotify",
            Warn,
            "sysctl -w fs.inotify",
        ),
        (|m| m.watches_max = None, "inotify", Warn, "--scan-every"),
    ]);
}

#[test]
fn a_nodes_own_folder_is_judged() {
    assert_found(&[
        (
            |m| room_of(m).free_bytes = 1 << 20,
            "disk-space",
            Fail,
            "free some space",
        ),
        (
            |m| room_of(m).free_bytes = 100 << 20,
            "disk-space",
            Warn,
            "free some space",
        ),
        (
            |m| room_of(m).free_inodes = 4,
            "disk-inodes",
            Warn,
            "inodes",
        ),
        (
            |m| room_of(m).free_inodes = 0,
            "disk-inodes",
            Fail,
            "inodes",
        ),
        (
            |m| room_of(m).inodes = 0,
            "disk-inodes",
            Verdict::Ok,
            "no limit",
        ),
        (
            |m| state_of(m).room = Some(Err("gone".into())),
            "disk-space",
            Fail,
            "mounted",
        ),
        (
            |m| state_of(m).token_modes[1].1 = 0o100_640,
            "admin-token",
            Fail,
            "chmod 600 /srv/state/admin-token",
        ),
        (
            |m| state_of(m).index = Some(Err("odd".into())),
            "index",
            Warn,
            "rm /srv/state/index.redb",
        ),
        (
            |m| state_of(m).write_error = Some("no".into()),
            "state-writable",
            Fail,
            "chown",
        ),
    ]);
}

#[test]
fn this_machine_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
    std::fs::write(folder.path().join("index.redb"), "no index").unwrap();
    let machine = read(Some(folder.path()), Some(folder.path()));
    assert_eq!(machine.folder.as_ref().unwrap().folders, Ok(4));
    assert_eq!(judged(&machine, "openat2").0, Verdict::Ok, "{machine:?}");
    assert_eq!(
        judged(&machine, "state-writable").0,
        Verdict::Ok,
        "{machine:?}"
    );
    assert_eq!(judged(&machine, "index").0, Warn, "{machine:?}");
    assert_eq!(judged(&machine, "clock").0, Verdict::Ok, "{machine:?}");

    let nowhere = folder.path().join("nowhere");
    let machine = read(Some(&nowhere), Some(&nowhere));
    assert_eq!(judged(&machine, "inotify").0, Fail);
    assert_eq!(judged(&machine, "state-writable").0, Fail);
}
