//! Sums that `sha256sum -c` takes, the same from every node.

use std::{fs, process::Command};

use crate::{
    fleet::{Fleet, Setup, TWO},
    http,
    stage::{Stage, content},
    tools::{Need, has, run, run_within},
};

/// Names that a list of sums could trip over.
const NAMES: [&[u8]; 7] = [
    b"plain.iso",
    b"with blank and *star",
    b"back\\slash",
    b"line\nbreak",
    b" leading blank",
    b"-n",
    b"not utf-8 \xff\xfe",
];

fn fleet() -> Fleet {
    use std::os::unix::ffi::OsStrExt;
    let stage = Stage::new();
    for (seed, name) in (1..).zip(NAMES) {
        let path = std::path::Path::new("dir").join(std::ffi::OsStr::from_bytes(name));
        stage.write(path, &content(seed, 5000));
    }
    stage.write("dir/below/deep.iso", &content(20, 70_000));
    stage.write("own/SHA256SUMS", b"ours\n");
    stage.write("own/a.sha256", b"ours, too\n");
    stage.write("own/a", b"a");
    let setup = Setup {
        mirrors: TWO,
        ..Setup::default()
    };
    Fleet::ready(stage, setup)
}

/// Checks files of a folder of the tree by a list; what sha256sum says.
fn check(fleet: &Fleet, folder: &str, list: &[u8]) -> String {
    let path = fleet.stage.path("list");
    fs::write(&path, list).unwrap();
    let mut command = Command::new("sha256sum");
    command.current_dir(fleet.stage.tree().join(folder));
    let output = run(command.args(["--check", "--strict"]).arg(path));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn sha256sum_takes_every_list_of_every_node() {
    if !has(
        "sha256sum_takes_every_list_of_every_node",
        &[Need::Program("sha256sum")],
    ) {
        return;
    }
    let fleet = fleet();
    for (target, files) in [
        ("/dir/SHA256SUMS", NAMES.len()),
        ("/dir/SHA256SUMS?recursive", NAMES.len() + 1),
        ("/dir/SHA256SUMS?name=*.iso", 2),
        ("/dir/plain.iso.sha256", 1),
        ("/dir/line%0Abreak.sha256", 1),
        ("/dir/back%5Cslash.sha256", 1),
    ] {
        let lists: Vec<_> = fleet.nodes().map(|node| node.get(target)).collect();
        for list in &lists {
            list.assert_honest();
            assert_eq!(
                list.field("content-type"),
                Some("text/plain; charset=utf-8")
            );
            assert!(list.body == lists[0].body, "{target}: {list:?}");
            let said = check(&fleet, "dir", &list.body);
            assert_eq!(said.matches(": OK").count(), files, "{target}: {said}");
        }
    }
}

#[test]
fn a_changed_file_fails_the_check() {
    if !has(
        "a_changed_file_fails_the_check",
        &[Need::Program("sha256sum")],
    ) {
        return;
    }
    let fleet = fleet();
    let list = fleet.server.get("/dir/plain.iso.sha256").body;
    let elsewhere = fleet.stage.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("plain.iso"), content(1, 4999)).unwrap();
    fs::write(fleet.stage.path("list"), list).unwrap();
    let mut command = Command::new("sha256sum");
    command.current_dir(&elsewhere).arg("--check");
    let output = run_within(crate::stage::LONG, command.arg(fleet.stage.path("list")));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn sums_behave_as_files_do() {
    let fleet = fleet();
    let bare = fleet.server.get("/dir/plain.iso?sha256");
    bare.assert_honest();
    let sum: String = crate::stage::sha256(&content(1, 5000))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(bare.body, format!("{sum}\n").as_bytes());
    for target in [
        "/dir/plain.iso?sha256",
        "/dir/plain.iso.sha256",
        "/dir/SHA256SUMS",
    ] {
        for node in fleet.nodes() {
            let get = node.get(target);
            let tag = get.strong_etag().expect("a strong tag").to_owned();
            let fields = format!("If-None-Match: {tag}\r\n");
            let again = http::get(node.address, target, &fields);
            assert_eq!((again.status, again.body.len()), (304, 0), "{target}");
            let mut wire = http::Wire::open(node.address).unwrap();
            wire.send(http::request("HEAD", node.address, target, ""));
            let head = wire.head().unwrap();
            assert_eq!(head.length(), get.body.len() as u64, "{target}");
            assert_eq!(head.strong_etag(), Some(tag.as_str()));
            assert!(wire.has_ended(), "{target}: a HEAD has no body");
        }
    }
}

#[test]
fn a_file_of_the_tree_goes_before_a_sum_that_is_made() {
    let fleet = fleet();
    for node in fleet.nodes() {
        assert_eq!(node.get("/own/SHA256SUMS").body, b"ours\n");
        assert_eq!(node.get("/own/a.sha256").body, b"ours, too\n");
        for (target, status) in [
            ("/own/none.sha256", 404),
            ("/none/SHA256SUMS", 404),
            ("/own.sha256", 400),
            ("/own?sha256", 400),
            ("/own/a/?sha256", 404),
            ("/own/none?sha256", 404),
            ("/own/SHA256SUMS.sha256", 200),
        ] {
            assert_eq!(node.get(target).status, status, "{target}");
        }
    }
}
