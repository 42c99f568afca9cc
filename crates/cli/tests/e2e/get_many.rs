//! `overspill get` with many files: folders, selections, lists, archives, and a limit on all of it.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::{Duration, Instant, SystemTime},
};

use crate::{
    fleet::{Fleet, Setup, TWO, overspill},
    stage::{LONG, Stage, content, wait_for},
    tools::{Need, has, run_within},
};

const LARGE_BYTES: usize = 6 << 20;

fn fleet(mirrors: &[&[&str]]) -> Fleet {
    let stage = Stage::new();
    for number in 0..300 {
        let bytes = content(number, 100 + number as usize);
        stage.write(format!("d/{}/f{number}", number % 7), &bytes);
    }
    stage.write("d/odd #1? %41\n.bin", &content(1, LARGE_BYTES));
    stage.write(OsStr::from_bytes(b"d/n\xff"), b"x");
    stage.write("d/empty", b"");
    stage.write("outside", b"not below d");
    Fleet::ready(
        stage,
        Setup {
            mirrors,
            ..Setup::default()
        },
    )
}

fn get(fleet: &Fleet, path: &str, options: &[&str]) -> Output {
    let url = format!("{}{path}", fleet.server.url);
    let words = ["get", &url];
    run_within(LONG, &mut overspill(words.iter().chain(options)))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The files below a folder: their time and bytes.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let (path, metadata) = entry.map(|e| (e.path(), e.metadata().unwrap())).unwrap();
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(folder).unwrap().to_owned();
            // A listing tells whole seconds.
            let since = metadata.modified().unwrap();
            let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs());
            found.insert(below, (time, fs::read(path).unwrap()));
        }
    }
    found
}

#[test]
fn a_folder_is_made_again_and_then_kept_up_to_date() {
    let fleet = fleet(TWO);
    let to = fleet.stage.path("got");
    let target = to.to_str().unwrap();
    let output = get(&fleet, "/d/", &["-r", "-o", target]);
    assert!(output.status.success(), "{}", said(&output));
    let original = fleet.stage.tree().join("d");
    assert!(tree(&to) == tree(&original));
    let output = get(&fleet, "/d/", &["-r", "-o", target]);
    let summary = said(&output);
    assert!(
        summary.starts_with("0 files downloaded, 0 B") && summary.contains("303 up to date"),
        "{summary}"
    );

    fleet.stage.write("d/3/f3", b"another");
    let tag = format!("\"b3-{}\"", blake3::hash(b"another").to_hex());
    wait_for("the change in the catalog", LONG, || {
        fleet.server.get("/d/3/f3").strong_etag() == Some(&tag)
    });
    let output = get(&fleet, "/d/", &["-r", "-o", target]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    let output = get(&fleet, "/d/", &["-r", "-f", "-o", target]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).starts_with("1 file downloaded, 7 B"),
        "{}",
        said(&output)
    );
    assert!(tree(&to) == tree(&original));
}

#[test]
fn a_selection_is_a_tree_or_an_archive() {
    let fleet = fleet(&[]);
    let to = fleet.stage.path("some");
    let target = to.to_str().unwrap();
    let output = get(
        &fleet,
        "/d",
        &["-r", "--name", "f1?", "--json", "-o", target],
    );
    assert!(output.status.success(), "{}", said(&output));
    let found = tree(&to);
    assert_eq!(found.len(), 10);
    assert_eq!(found[Path::new("3/f10")].1, content(10, 110));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.matches("\"event\":\"file\"").count(), 10, "{lines}");
    assert!(lines.contains("\"downloaded\":10"), "{lines}");

    let output = get(
        &fleet,
        "/d/",
        &["--archive", "tar", "--name", "f1?", "-q", "-o", "-"],
    );
    assert!(output.status.success(), "{}", said(&output));
    let size = output.stdout.len();
    assert!(size > 10 * 512 && size.is_multiple_of(512), "{size}");
    let test = "a_selection_is_a_tree_or_an_archive";
    if has(test, &[Need::Program("tar")]) {
        let archive = fleet.stage.path("a.tar");
        fs::write(&archive, output.stdout).unwrap();
        let mut tar = std::process::Command::new("tar");
        let listed = run_within(LONG, tar.arg("-tf").arg(&archive));
        let names = String::from_utf8(listed.stdout).unwrap();
        assert_eq!(
            names.lines().filter(|name| !name.ends_with('/')).count(),
            10,
            "{names}"
        );
    }
}

#[test]
fn nothing_is_written_through_a_symlink() {
    let fleet = fleet(&[]);
    let (to, outside) = (fleet.stage.path("trap"), fleet.stage.path("elsewhere"));
    fs::create_dir_all(&to).unwrap();
    fs::create_dir_all(&outside).unwrap();
    symlink(&outside, to.join("2")).unwrap();
    symlink(outside.join("empty"), to.join("empty")).unwrap();
    let output = get(&fleet, "/d/", &["-r", "-o", to.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(
        said(&output).contains("a symlink is not followed"),
        "{}",
        said(&output)
    );
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    // What is not in the way is there all the same.
    assert_eq!(fs::read(to.join("3/f10")).unwrap(), content(10, 110));
}

#[test]
fn a_list_of_urls_is_read_from_standard_input() {
    let fleet = fleet(&[]);
    let to = fleet.stage.path("listed");
    fs::create_dir_all(&to).unwrap();
    let mut command = overspill(["get", "-i", "-", "-o", to.to_str().unwrap()]);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let url = &fleet.server.url;
    let list =
        format!("# two, and one that is not there\n{url}/d/3/f3\n\n  {url}/d/4/f4\n{url}/no\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(list.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let names: Vec<_> = tree(&to).into_keys().collect();
    assert_eq!(names, [Path::new("f3"), Path::new("f4")]);
}

#[test]
fn a_limit_holds_for_all_connections_together() {
    let fleet = fleet(TWO);
    let to = fleet.stage.path("slow");
    let begun = Instant::now();
    let options = ["--limit-rate", "3MB/s", "-o", to.to_str().unwrap()];
    let output = get(&fleet, "/d/odd%20%231%3f%20%2541%0a.bin", &options);
    assert!(output.status.success(), "{}", said(&output));
    assert!(fs::read(&to).unwrap() == content(1, LARGE_BYTES));
    // 6 MiB at 3 MB/s are 2.1 s, of which a quarter of a second may come at once.
    assert!(
        begun.elapsed() >= Duration::from_millis(1500),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn what_makes_no_sense_is_refused_before_the_first_byte() {
    let fleet = fleet(&[]);
    for (path, options, message) in [
        ("/d/", &["-r", "-o", "-"][..], "use --archive tar"),
        ("/d/", &["--ext", "bin"], "add -r or --archive"),
        ("/d/", &["-r", "--min-size", "big"], "is not a size"),
        ("/none/", &["-r", "-o", "/dev/null/x"], "was not found"),
    ] {
        let output = get(&fleet, path, options);
        assert!(!output.status.success());
        assert!(said(&output).contains(message), "{}", said(&output));
    }
}
