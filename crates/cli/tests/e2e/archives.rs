//! Folders and selections as one download, unpacked by the tools that people have.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
};

use crate::{
    fleet::{Fleet, Node, Setup},
    http::{Reply, Wire, get, request},
    stage::{LONG, Stage, content, wait_for},
    tools::{Need, has, run, run_within},
};

const CURL: Need = Need::Program("curl");
const TAR: Need = Need::Program("tar");
const UNZIP: Need = Need::Program("unzip");
const ZSTD: Need = Need::Program("zstd");
const PYTHON: Need = Need::Program("python3");

/// Reads a whole archive with Python: checks every byte, and prints how many names there are.
const PYTHON_READS: &str = "
import sys, tarfile, zipfile
if sys.argv[1].endswith('.zip'):
    archive = zipfile.ZipFile(sys.argv[1])
    assert archive.testzip() is None
    print(len(archive.namelist()))
else:
    archive = tarfile.open(sys.argv[1])
    for item in archive:
        assert not item.isfile() or len(archive.extractfile(item).read()) == item.size
    print(len(archive.getnames()))
";

/// A tree with everything that archives are known to get wrong.
fn awkward() -> Stage {
    let stage = Stage::new();
    let deep: PathBuf = (0..8).map(|at| format!("{at}").repeat(60)).collect();
    for (path, bytes) in [
        (PathBuf::from("d/plain.txt"), 5),
        ("d/empty".into(), 0),
        ("d/block".into(), 512),
        ("d/large.bin".into(), 3_000_001),
        ("d/ünïcode €".into(), 10),
        (format!("d/{}", "n".repeat(250)).into(), 11),
        (Path::new("d").join(&deep).join("file"), 12),
        ("other/x.iso".into(), 13),
    ] {
        stage.write(&path, &content(bytes as u64, bytes));
    }
    let tree = stage.tree();
    fs::create_dir(tree.join("d/nothing in it")).unwrap();
    fs::set_permissions(tree.join("d/plain.txt"), fs::Permissions::from_mode(0o750)).unwrap();
    stage
}

/// Every path below a folder: what it is, its permissions, its second, its bytes.
fn walk(top: &Path) -> BTreeMap<Vec<u8>, (bool, u32, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for child in fs::read_dir(folder).unwrap() {
            let path = child.unwrap().path();
            let facts = fs::metadata(&path).unwrap();
            let bytes = if facts.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            let name = path
                .strip_prefix(top)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .to_vec();
            let mode = facts.mode() & 0o777;
            found.insert(name, (facts.is_dir(), mode, facts.mtime(), bytes));
        }
    }
    found
}

/// Downloads with curl; the file it made.
fn download(node: &Node, stage: &Stage, target: &str, name: &str) -> PathBuf {
    let to = stage.path(name);
    let mut curl = Command::new("curl");
    curl.args(["-q", "-sS", "-f", "-o"]).arg(&to);
    run(curl.arg(format!("{}{target}", node.url)));
    to
}

fn unpack(stage: &Stage, archive: &Path, program: &str, args: &[&str]) -> PathBuf {
    let folder = stage.path(format!("unpacked-{program}-{}", args.join("")));
    fs::create_dir(&folder).unwrap();
    run(Command::new(program)
        .args(args)
        .arg(archive)
        .current_dir(&folder));
    folder
}

fn read_by_python(archive: &Path) -> usize {
    let output = run(Command::new("python3")
        .args(["-c", PYTHON_READS])
        .arg(archive));
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn gnu_tar_unzip_and_python_unpack_what_is_sent() {
    let needs = [CURL, TAR, UNZIP, ZSTD, PYTHON];
    if !has("gnu_tar_unzip_and_python_unpack_what_is_sent", &needs) {
        return;
    }
    let fleet = Fleet::ready(awkward(), Setup::default());
    let (stage, server) = (&fleet.stage, &fleet.server);
    let expected = walk(&stage.tree());
    for (format, program, args) in [
        ("tar", "tar", &["-xpf"][..]),
        ("tar.gz", "tar", &["-xpzf"]),
        ("tar.zst", "tar", &["--zstd", "-xpf"]),
        ("zip", "unzip", &["-q"]),
    ] {
        let name = format!("got.{format}");
        let archive = download(server, stage, &format!("/?archive={format}"), &name);
        let folder = unpack(stage, &archive, program, args);
        assert!(walk(&folder) == expected, "{format}: another tree");
        if format != "tar.zst" {
            assert_eq!(read_by_python(&archive), expected.len(), "{format}");
        }
    }
    let archive = download(server, stage, "/d/?archive=tar&name=n*", "selection.tar");
    let listed = run(Command::new("tar").arg("-tf").arg(archive)).stdout;
    assert_eq!(listed, format!("d/{}\n", "n".repeat(250)).as_bytes());
}

/// Names that are no text go through tar as they are. ZIP has no way to say what they are.
#[test]
fn names_that_are_no_text_survive() {
    if !has("names_that_are_no_text_survive", &[CURL, TAR, PYTHON]) {
        return;
    }
    let stage = Stage::new();
    for name in [&b"short \xff\xfe"[..], &[0xff; 150]] {
        stage.write(OsStr::from_bytes(name), b"bytes");
    }
    let fleet = Fleet::ready(stage, Setup::default());
    let (stage, server) = (&fleet.stage, &fleet.server);
    let archive = download(server, stage, "/?archive=tar", "got.tar");
    let folder = unpack(stage, &archive, "tar", &["-xf"]);
    assert!(walk(&folder).keys().eq(walk(&stage.tree()).keys()));
    assert_eq!(read_by_python(&archive), 2);
    let archive = download(server, stage, "/?archive=zip", "got.zip");
    assert_eq!(read_by_python(&archive), 2);
}

#[test]
fn empty_archives_and_more_than_65535_entries_are_read() {
    let needs = [CURL, TAR, UNZIP, PYTHON];
    if !has(
        "empty_archives_and_more_than_65535_entries_are_read",
        &needs,
    ) {
        return;
    }
    const FILES: usize = 66_000;
    let stage = Stage::new();
    fs::create_dir(stage.tree().join("many")).unwrap();
    for at in 0..FILES {
        File::create(stage.tree().join(format!("many/{at}"))).unwrap();
    }
    let fleet = Fleet::start(stage, Setup::default());
    let (stage, server) = (&fleet.stage, &fleet.server);
    wait_for("a whole listing", LONG, || {
        server.status().catalog.files == FILES as u64
            && server.get("/many/?archive=zip&name=nothing").status == 200
    });
    let archive = download(server, stage, "/many/?archive=zip", "many.zip");
    assert_eq!(read_by_python(&archive), FILES + 1);
    run(Command::new("unzip").arg("-tqq").arg(&archive));
    for format in ["tar", "zip"] {
        let target = format!("/?archive={format}&name=nothing");
        let archive = download(server, stage, &target, &format!("empty.{format}"));
        assert_eq!(read_by_python(&archive), 0, "{format}");
    }
}

#[test]
fn a_cut_zip_is_resumed_on_another_node() {
    if !has("a_cut_zip_is_resumed_on_another_node", &[CURL]) {
        return;
    }
    let fleet = Fleet::ready(
        awkward(),
        Setup {
            mirrors: &[&[]],
            ..Setup::default()
        },
    );
    let (stage, server, mirror) = (&fleet.stage, &fleet.server, &fleet.mirrors[0]);
    for format in ["tar", "zip"] {
        let target = format!("/?archive={format}");
        let reply = server.get(&target);
        let other = mirror.get(&target);
        assert_eq!((reply.status, reply.is_cut()), (200, false));
        assert!(reply.strong_etag().is_some(), "{}", reply.head);
        assert_eq!(reply.strong_etag(), other.strong_etag());
        assert!(
            reply.body == other.body,
            "{format}: other bytes on the mirror"
        );
        let bytes = reply.body.len();
        for cut in [1, 30, 4000, bytes / 3, bytes / 2, bytes - 23, bytes - 1] {
            let to = stage.path(format!("resumed-{cut}.{format}"));
            fs::write(&to, &reply.body[..cut]).unwrap();
            let mut curl = Command::new("curl");
            curl.args(["-q", "-sS", "-f", "-C", "-", "-o"]).arg(&to);
            run(curl.arg(format!("{}{target}", mirror.url)));
            assert!(fs::read(&to).unwrap() == reply.body, "{format} from {cut}");
        }
    }
}

#[test]
fn an_archive_has_the_semantics_of_a_file() {
    let fleet = Fleet::ready(awkward(), Setup::default());
    let address = fleet.server.address;
    let ask = |fields: &str| get(address, "/d/?archive=zip", fields);
    let whole = ask("");
    let etag = whole.strong_etag().unwrap().to_owned();
    let length = whole.length();
    assert_eq!(whole.field("accept-ranges"), Some("bytes"));
    let disposition = Some("attachment; filename=\"d.zip\"");
    assert_eq!(whole.field("content-disposition"), disposition);
    for (fields, status) in [
        (format!("If-None-Match: {etag}\r\n"), 304),
        ("If-Match: \"other\"\r\n".to_owned(), 412),
        (format!("Range: bytes={length}-\r\n"), 416),
        ("Range: bytes=5-99\r\n".to_owned(), 206),
        (format!("Range: bytes=5-99\r\nIf-Range: {etag}\r\n"), 206),
        (
            "Range: bytes=5-99\r\nIf-Range: \"other\"\r\n".to_owned(),
            200,
        ),
    ] {
        let reply = ask(&fields);
        assert_eq!(reply.status, status, "{fields}");
        match status {
            206 => assert!(reply.body == whole.body[5..100], "{fields}"),
            200 => assert!(reply.body == whole.body, "{fields}"),
            _ => {}
        }
    }
    let head = head(address, "/d/?archive=zip");
    assert_eq!((head.status, head.length()), (200, length));
    assert_eq!(head.strong_etag(), Some(etag.as_str()));
    let compressed = self::head(address, "/d/?archive=tar.zst");
    assert_eq!(compressed.field("content-length"), None);
    assert_eq!(compressed.strong_etag(), None);
    assert_eq!(compressed.field("accept-ranges"), Some("none"));
    let bad = get(address, "/d/?archive=rar", "");
    assert_eq!(bad.status, 400);
    assert!(String::from_utf8_lossy(&bad.body).contains("expected tar, tar.gz, tar.zst or zip"));
}

fn head(address: std::net::SocketAddr, target: &str) -> Reply {
    let mut wire = Wire::open(address).unwrap();
    wire.send(request("HEAD", address, target, ""));
    let reply = wire.head().unwrap();
    assert!(wire.has_ended(), "a body after a HEAD");
    reply
}

/// More than the sockets and queues on the way can hold.
const LARGE_BYTES: usize = 24 << 20;

/// A download of the whole tree, while which something happens.
fn download_while(fleet: &Fleet, format: &str, change: impl FnOnce()) -> Output {
    let to = fleet.stage.path(format!("cut.{format}"));
    // A file of an earlier download would look like one under way.
    let _ = fs::remove_file(&to);
    thread::scope(|scope| {
        let curl = scope.spawn(|| {
            let url = format!("{}/?archive={format}", fleet.server.url);
            let mut curl = Command::new("curl");
            curl.args(["-q", "-sS", "--limit-rate", "20M", "-o"])
                .arg(&to);
            run_within(LONG, curl.arg(url))
        });
        wait_for("a download under way", LONG, || {
            fs::metadata(&to).is_ok_and(|facts| facts.len() > 256 << 10)
        });
        change();
        curl.join().unwrap()
    })
}

#[test]
fn a_file_that_changes_or_vanishes_cuts_the_archive() {
    if !has("a_file_that_changes_or_vanishes_cuts_the_archive", &[CURL]) {
        return;
    }
    let stage = Stage::new();
    stage.write("a-large", &content(1, LARGE_BYTES));
    stage.write("b-small", b"first");
    let fleet = Fleet::ready(stage, Setup::default());
    let small = fleet.stage.tree().join("b-small");
    for format in ["tar", "zip", "tar.zst"] {
        let changes: [&dyn Fn(); 2] = [&|| fs::write(&small, "other").unwrap(), &|| {
            fs::remove_file(&small).unwrap()
        }];
        for change in changes {
            fs::write(&small, "first").unwrap();
            wait_for("the small file to be hashed", LONG, || {
                fleet.has_converged() && fleet.server.get("/b-small").strong_etag().is_some()
            });
            let output = download_while(&fleet, format, change);
            // 18: partial file; 56: the connection was reset.
            assert!(
                matches!(output.status.code(), Some(18 | 56)),
                "{format}: {output:?}"
            );
        }
    }
}

#[test]
fn more_compressions_than_allowed_are_told_the_remedy() {
    let stage = Stage::new();
    stage.write("large", &content(1, LARGE_BYTES));
    let fleet = Fleet::ready(stage, Setup::default());
    let address = fleet.server.address;
    let begin = || {
        let mut wire = Wire::open(address).unwrap();
        wire.send(request("GET", address, "/?archive=tar.gz", ""));
        let head = wire.head().unwrap();
        (wire, head)
    };
    let mut running: Vec<Wire> = (0..4)
        .map(|_| {
            let (wire, head) = begin();
            assert_eq!(head.status, 200, "{}", head.head);
            wire
        })
        .collect();
    let (mut wire, refused) = begin();
    assert_eq!(refused.status, 503, "{}", refused.head);
    assert!(refused.field("retry-after").is_some(), "{}", refused.head);
    let text = String::from_utf8(wire.body(refused.length())).unwrap();
    assert!(text.contains("archive=tar,"), "{text}");
    // What needs no making is not affected, and a client that leaves makes room.
    assert_eq!(head(address, "/?archive=tar").status, 200);
    running.pop();
    wait_for("room for another", LONG, || begin().1.status == 200);
    drop(running);
}

/// Resuming needs bytes that are known; an archive of a file that was not hashed has none.
#[test]
fn an_archive_of_a_hot_file_cannot_be_resumed() {
    if !has("an_archive_of_a_hot_file_cannot_be_resumed", &[CURL, UNZIP]) {
        return;
    }
    let stage = Stage::new();
    stage.write("calm", b"calm");
    let fleet = Fleet::ready(stage, Setup::default());
    let (stage, server) = (&fleet.stage, &fleet.server);
    let path = stage.tree().join("hot");
    let bytes = content(1, 100_000);
    // Each round the file is rewritten, and it takes a while before it is believed to be at rest.
    let mut found = None;
    wait_for("an archive of a hot file", LONG, || {
        fs::write(&path, &bytes).unwrap();
        wait_for("the file", LONG, || server.get("/hot").status == 200);
        let reply = get(server.address, "/?archive=tar", "Range: bytes=0-9\r\n");
        let is_whole = reply.status == 200 && !reply.is_cut();
        let is_hot = reply.strong_etag().is_none() && reply.length() > bytes.len() as u64;
        found = (is_whole && is_hot).then_some(reply);
        found.is_some()
    });
    let reply = found.unwrap();
    assert_eq!(reply.field("accept-ranges"), Some("none"), "{}", reply.head);
    // Hot or hashed by now, the archive is whole and right.
    let archive = download(server, stage, "/?archive=zip", "hot.zip");
    run(Command::new("unzip").arg("-tqq").arg(archive));
}
