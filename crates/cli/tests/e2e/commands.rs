//! The commands for people: `ls`, `find`, `status`, `get` and `demo`, with their exit codes.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    process::{Command, Output},
    time::Duration,
};

use overspill_wire::status::FleetStatus;

use crate::{
    fleet::{Fleet, Setup, TWO, overspill},
    stage::{LONG, Stage, content},
    tools::run_within,
};

fn fleet() -> Fleet {
    let stage = Stage::new();
    stage.write("a.iso", &content(1, 100_000));
    stage.write("dir/b.ISO", &content(2, 2 << 20));
    stage.write("dir/deep/c d.txt", b"hello\n");
    stage.write("dir/empty.txt", b"");
    let setup = Setup {
        mirrors: TWO,
        ..Setup::default()
    };
    Fleet::ready(stage, setup)
}

fn command(line: &[&str]) -> Output {
    run_within(LONG, &mut overspill(line))
}

fn lines(output: &Output) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

/// What a command printed that must succeed.
fn printed(line: &[&str]) -> Output {
    let output = command(line);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{line:?}: {stderr}");
    assert_eq!(stderr, "", "{line:?}");
    output
}

#[test]
fn find_finds_the_same_on_every_node() {
    let fleet = fleet();
    for node in fleet.nodes() {
        let root = format!("{}/", node.url);
        let dir = format!("{root}dir/");
        for (from, conditions, paths) in [
            (
                &root,
                &[][..],
                &["a.iso", "dir/b.ISO", "dir/deep/c d.txt", "dir/empty.txt"][..],
            ),
            (&root, &["--name", "*.iso"], &["a.iso"]),
            (&root, &["--ext", "iso"], &["a.iso", "dir/b.ISO"]),
            (
                &root,
                &["--ext", "txt", "--ext", "iso", "--min-size", "1MiB"],
                &["dir/b.ISO"],
            ),
            (
                &root,
                &["--max-size", "6"],
                &["dir/deep/c d.txt", "dir/empty.txt"],
            ),
            (
                &dir,
                &["--name", "*.txt"],
                &["dir/deep/c d.txt", "dir/empty.txt"],
            ),
            (&root, &["--before", "2001-01-01"], &[]),
            (
                &root,
                &["--after", "2001-01-01", "--name", "a*"],
                &["a.iso"],
            ),
            (&root, &["--name", "nothing"], &[]),
        ] {
            let line = [&["find", "--paths", from][..], conditions].concat();
            let expected: BTreeSet<_> = paths.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(lines(&printed(&line)), expected, "{line:?}");
        }
    }
}

#[test]
fn what_find_prints_can_be_got() {
    let fleet = fleet();
    let root = format!("{}/", fleet.server.url);
    let urls = lines(&printed(&["find", &root]));
    assert_eq!(urls.len(), 4);
    let to = fleet.stage.path("got");
    fs::create_dir(&to).unwrap();
    let mut get = overspill(["get", "-q", "-o"]);
    let output = run_within(LONG, get.arg(&to).args(&urls));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (path, name) in [
        ("a.iso", "a.iso"),
        ("dir/b.ISO", "b.ISO"),
        ("dir/deep/c d.txt", "c d.txt"),
    ] {
        let expected = fs::read(fleet.stage.tree().join(path)).unwrap();
        assert!(fs::read(to.join(name)).unwrap() == expected, "{path}");
    }
    assert_eq!(fs::read(to.join("empty.txt")).unwrap(), b"");
}

#[test]
fn ls_shows_a_folder_and_a_file() {
    let fleet = fleet();
    for node in fleet.nodes() {
        let listed = lines(&printed(&["ls", &format!("{}/dir/", node.url)]));
        let names: Vec<_> = listed
            .iter()
            .filter_map(|line| line.split("Z  ").nth(1))
            .collect();
        assert_eq!(names.len(), 3, "{listed:?}");
        for name in ["deep/", "b.ISO", "empty.txt"] {
            assert!(names.contains(&name), "{name} is not in {listed:?}");
        }
        let file = printed(&["ls", &format!("{}/dir/deep/c%20d.txt", node.url)]);
        assert!(
            String::from_utf8_lossy(&file.stdout).contains("6 B"),
            "{file:?}"
        );
        let json = printed(&["ls", "--json", &format!("{}/", node.url)]);
        for line in String::from_utf8_lossy(&json.stdout).lines() {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(entry["name"].is_string(), "{line}");
        }
    }
}

#[test]
fn status_shows_the_fleet_and_no_secret() {
    let fleet = fleet();
    let token = fleet.server.token();
    for node in fleet.nodes() {
        let text = printed(&["status", &node.url]);
        let json = printed(&["status", "--json", &node.url]);
        let status: FleetStatus = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(status.catalog.files, 4);
        assert_eq!(status.problems, Vec::<String>::new());
        for output in [&text, &json] {
            assert!(!String::from_utf8_lossy(&output.stdout).contains(&token));
        }
        assert!(!node.log().contains(&token), "the log tells the token");
    }
    let text = printed(&["status", &fleet.server.url]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for mirror in &fleet.mirrors {
        assert!(text.contains(&mirror.status().node.name), "{text}");
    }
    assert_eq!(text.matches("ready").count(), 2, "{text}");
}

#[test]
fn exit_codes_tell_what_happened() {
    let fleet = fleet();
    let url = &fleet.server.url;
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = format!("http://{nobody}");
    let taken = fleet.stage.path("taken");
    fs::write(&taken, b"mine").unwrap();
    let taken = taken.to_str().unwrap();
    let absent = format!("{url}/absent");
    let file = format!("{url}/a.iso");
    for (line, code) in [
        (&["get", "-o", "-", &absent][..], 2),
        (&["ls", &absent], 2),
        (&["find", &format!("{absent}/")], 2),
        (&["get", "-o", taken, &file], 6),
        (&["status", &nobody], 4),
        (&["ls", &nobody], 4),
        (&["find", &nobody], 4),
    ] {
        let output = command(line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{line:?}: {stderr}");
        assert!(stderr.starts_with("overspill: "), "{line:?}: {stderr}");
    }
    assert_eq!(fs::read(taken).unwrap(), b"mine");
    let forced = command(&["get", "-q", "--force", "-o", taken, &file]);
    assert!(forced.status.success());
    assert!(fs::read(taken).unwrap() == content(1, 100_000));
}

#[test]
fn get_writes_to_standard_output() {
    let fleet = fleet();
    let output = command(&[
        "get",
        "-q",
        "-o",
        "-",
        &format!("{}/a.iso", fleet.server.url),
    ]);
    assert!(output.status.success());
    assert!(output.stdout == content(1, 100_000));
}

/// The demonstration ends by itself and succeeds only if every download was exact.
#[test]
fn the_demo_succeeds() {
    let stage = Stage::alone();
    let mut demo: Command = overspill(["demo", "--seconds", "6"]);
    // Whatever it keeps goes with the stage.
    demo.env("TMPDIR", stage.path(""))
        .env("XDG_STATE_HOME", stage.path("state"));
    let output = run_within(Duration::from_secs(60), &mut demo);
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
}
