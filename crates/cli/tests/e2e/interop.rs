//! Other people's programs, given what they know how to use: links, Metalink documents, lists of
//! mirrors.
//!
//! Each form is read here by the program it is for; its exact bytes are tested where it is made.

mod apt;

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    fleet::{Fleet, Setup, TWO},
    http::{self, Reply},
    stage::{LONG, Stage, content, sha256, wait_for},
    tools::{Need, has, run, run_within},
};

/// Large enough for aria2 to fetch it in parts.
const SIZE_BYTES: usize = 4 << 20;
const TARGET: &str = "/d/big.iso";
/// The server has hardly any capacity, so whatever may be offloaded is.
const TINY: &[&str] = &["--capacity", "1KiB/s"];
/// aria2's exit code for a checksum that does not fit.
const ARIA2_CHECKSUM: i32 = 32;

fn fleet(mirrors: &[&[&str]], config: &str) -> (Fleet, Vec<u8>) {
    let stage = Stage::new();
    let bytes = content(41, SIZE_BYTES);
    stage.write("d/big.iso", &bytes);
    stage.write("d/small.txt", b"hello\n");
    stage.write("d/page.js", &content(42, 200 << 10));
    stage.write("d/page.js.gz", &content(43, 100 << 10));
    stage.write("d/own.iso", b"x");
    stage.write("d/own.iso.meta4", b"ours\n");
    let path = stage.path("overspill.toml");
    fs::write(&path, config).unwrap();
    let config = ["--config", path.to_str().unwrap()];
    let server = &[TINY, &config].concat();
    (Fleet::ready(stage, Setup { server, mirrors }), bytes)
}

fn links(reply: &Reply) -> Vec<&str> {
    let lines = reply.head.lines();
    lines
        .filter_map(|line| line.strip_prefix("Link: "))
        .collect()
}

/// The URLs of a document, best first.
fn urls(document: &str) -> Vec<String> {
    let lines = document.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with("<url "))
        .filter_map(|line| Some(line.split_once('>')?.1.strip_suffix("</url>")?.to_owned()))
        .collect()
}

fn text(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.head);
    String::from_utf8(reply.body.clone()).unwrap()
}

fn aria2c(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new("aria2c");
    command.args([
        "--no-conf",
        "-q",
        "-x4",
        "-s4",
        "-k1M",
        "--no-proxy=*",
        "-d",
    ]);
    command.arg(folder).args(more);
    command
}

fn wget2(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new("wget2");
    command.current_dir(folder);
    command.args(["--no-config", "-q", "--no-proxy", "--tries=2"]);
    command.args(more);
    command
}

/// An empty folder for what is downloaded.
fn folder(fleet: &Fleet, name: &str) -> PathBuf {
    let folder = fleet.stage.path(name);
    fs::create_dir(&folder).unwrap();
    folder
}

/// The names in a folder, each file of which must have these bytes.
fn downloaded(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let got = fs::read(entry.path()).unwrap();
            assert_eq!(sha256(&got), sha256(bytes), "{entry:?}: {}", got.len());
            entry.file_name().into_string().unwrap()
        })
        .collect()
}

#[test]
fn a_redirect_names_the_digest_and_its_mirrors() {
    let (fleet, bytes) = fleet(&[&["--zone", "de"], &["--zone", "north"]], "");
    let reply = fleet.redirect(TARGET);
    let location = reply.field("location").unwrap();
    let (first, target) = (
        location.split("/d/").next().unwrap(),
        http::split(location).1,
    );
    let other = fleet.mirrors.iter().find(|node| node.url != first).unwrap();
    let geo = |url: &str| match url == fleet.mirrors[0].url {
        true => "; geo=de",
        false => "",
    };
    let expected = [
        format!("<{location}>; rel=duplicate; pri=1{}", geo(first)),
        format!(
            "<{}{target}>; rel=duplicate; pri=2{}",
            other.url,
            geo(&other.url)
        ),
    ];
    assert_eq!(links(&reply), expected);
    let digest = reply.field("digest").unwrap();
    let sum = fleet.server.get(&format!("{TARGET}?direct"));
    let sum = sum.field("repr-digest").unwrap();
    assert_eq!(
        digest.strip_prefix("SHA-256="),
        sum.strip_prefix("sha-256=:").unwrap().strip_suffix(':')
    );
    assert_eq!(reply.field("repr-digest"), None);
    assert_eq!(reply.field("cache-control"), Some("private, no-store"));
    // Each link is served where it leads, with the ticket that the redirect has.
    for link in links(&reply) {
        let (address, target) = http::split(&link[1..link.find('>').unwrap()]);
        let body = http::get(address, &target, "");
        body.assert_honest();
        assert!(body.body == bytes, "{link}");
    }
}

#[test]
fn nobody_is_named_who_is_to_be_avoided_nor_where_a_rule_forbids() {
    let rules =
        "[[rule]]\nmatch = [\"d/*\"]\nlinks = 0\n[[rule]]\nmatch = [\"*.iso\"]\nlinks = 1\n";
    let (fleet, _) = fleet(TWO, rules);
    let reply = fleet.redirect(TARGET);
    let location = reply.field("location").unwrap();
    assert_eq!(
        links(&reply),
        [format!("<{location}>; rel=duplicate; pri=1")]
    );
    assert!(reply.field("digest").is_some());
    let failed = reply.field("overspill-member").unwrap();
    let reply = fleet.redirect(&format!("{TARGET}?avoid={failed}"));
    let location = reply.field("location").unwrap();
    assert_eq!(
        links(&reply),
        [format!("<{location}>; rel=duplicate; pri=1")]
    );
    assert!(location.ends_with(&format!("&avoid={failed}")));
}

#[test]
fn what_a_client_wants_decides_what_a_redirect_says() {
    let (fleet, _) = fleet(&[&[]], "");
    let ask = |fields: &str| http::get(fleet.server.address, TARGET, fields);
    let refused = ask("Want-Digest: SHA-256;q=0\r\n");
    assert_eq!((refused.status, refused.field("digest")), (307, None));
    // As aria2 asks: it means the file, and could use a description.
    let able = ask("Accept: */*,application/metalink4+xml,application/metalink+xml\r\n");
    let description = format!(
        "<{}{TARGET}?meta4>; rel=describedby; type=\"application/metalink4+xml\"",
        fleet.server.url
    );
    assert_eq!(links(&able).last().copied(), Some(description.as_str()));
    // Who has decoded a compressed form would compare the digest with other bytes.
    let form = |coding: &str| {
        let fields = format!("Accept-Encoding: {coding}\r\n");
        http::get(fleet.server.address, "/d/page.js", &fields)
    };
    let (plain, coded) = (form("identity"), form("gzip"));
    assert_eq!((plain.status, coded.status), (307, 307));
    assert!(plain.field("digest").is_some() && links(&plain).len() == 1);
    assert!(coded.field("digest").is_none() && links(&coded).is_empty());
    for target in [TARGET, "/d/small.txt"] {
        for _ in 0..2 {
            let accept = "Accept: application/metalink4+xml, */*;q=0.5\r\n";
            let preferred = http::get(fleet.server.address, target, accept);
            assert_eq!(
                preferred.field("content-type"),
                Some("application/metalink4+xml")
            );
            assert_eq!(preferred.field("vary"), Some("Accept"));
            // The small file is in memory by now.
            assert!(
                fleet
                    .server
                    .get(target)
                    .field("content-disposition")
                    .is_none()
            );
        }
    }
}

#[test]
fn documents_name_who_has_the_file_on_every_node() {
    let (fleet, bytes) = fleet(TWO, "");
    let sum: String = sha256(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for node in fleet.nodes() {
        wait_for("a view of the fleet", LONG, || {
            urls(&text(&node.get("/d/big.iso.meta4"))).len() == 3
        });
        for (target, hash) in [
            ("/d/big.iso.meta4", "<hash type=\"sha-256\">"),
            ("/d/big.iso?meta4", "<hash type=\"sha-256\">"),
            ("/d/big.iso.metalink", "<hash type=\"sha256\">"),
        ] {
            let reply = node.get(target);
            let document = text(&reply);
            assert!(
                document.contains(&format!("{hash}{sum}</hash>")),
                "{document}"
            );
            assert!(document.contains("<file name=\"big.iso\">"));
            let urls = urls(&document);
            assert_eq!(urls.last(), Some(&format!("{}{TARGET}", fleet.server.url)));
            for url in &urls {
                let (address, target) = http::split(url);
                assert!(
                    matches!(http::get(address, &target, "").status, 200 | 307),
                    "{url}"
                );
            }
            let extension = target.rsplit(['.', '?']).next().unwrap();
            let name = format!("attachment; filename=\"big.iso.{extension}\"");
            assert_eq!(reply.field("content-disposition"), Some(name.as_str()));
        }
        for (target, status) in [
            ("/d/own.iso?meta4", 200),
            ("/d/none.meta4", 404),
            ("/d/none?meta4", 404),
            ("/d.meta4", 400),
            ("/d/?meta4", 200),
        ] {
            assert_eq!(node.get(target).status, status, "{target}");
        }
        assert_eq!(node.get("/d/own.iso.meta4").body, b"ours\n");
    }
}

#[test]
fn lists_of_mirrors_are_the_same_from_every_node() {
    let (fleet, _) = fleet(TWO, "");
    let mut expected: Vec<String> = fleet.mirrors.iter().map(|node| node.url.clone()).collect();
    expected.sort();
    expected.push(fleet.server.url.clone());
    for node in fleet.nodes() {
        let mut lines = Vec::new();
        wait_for("a list with everybody on it", LONG, || {
            let list = text(&node.get("/-/mirrors?path=/d"));
            lines = list.lines().skip(1).map(str::to_owned).collect();
            lines.len() == 3
        });
        lines[..2].sort();
        let folders: Vec<_> = expected.iter().map(|url| format!("{url}/d/")).collect();
        assert_eq!(lines, folders, "{}", node.url);
        let apt = text(&node.get("/-/mirrors.apt"));
        let server = apt.lines().last().unwrap();
        assert!(
            server.starts_with(&format!("{}/\tpriority:", fleet.server.url)),
            "{apt}"
        );
        let json = http::get(node.address, "/-/mirrors", "Accept: application/json\r\n");
        assert!(text(&json).starts_with("[{\"url\":\"http://"), "{json:?}");
        assert_eq!(json.field("cache-control"), Some("private, max-age=5"));
        assert_eq!(node.get("/-/mirrors?path=/none").status, 404);
        let told = node.get(&format!("{TARGET}?mirrorlist"));
        assert_eq!(told.field("location"), Some("/-/explain/d/big.iso"));
        let told = node.get("/d/?mirrorlist");
        assert_eq!(told.field("location"), Some("/-/mirrors?path=d"));
    }
}

#[test]
fn a_mirror_that_is_gone_is_on_no_list() {
    let (mut fleet, _) = fleet(TWO, "");
    fleet.mirrors[0].kill();
    let (gone, server) = (fleet.mirrors[0].url.clone(), &fleet.server);
    for target in ["/-/mirrors", "/d/big.iso.meta4"] {
        wait_for("a list without the dead mirror", LONG, || {
            !text(&server.get(target)).contains(&gone)
        });
        assert!(text(&server.get(target)).contains(&fleet.mirrors[1].url));
    }
}

/// Without a server to go back to, a mirror leads to another by the same fields; a HEAD, too.
#[test]
fn a_mirror_that_lost_its_copy_names_the_others() {
    let (mut fleet, bytes) = fleet(TWO, "");
    let (mirror, other) = (&fleet.mirrors[0], &fleet.mirrors[1]);
    wait_for("a view of the fleet", LONG, || {
        text(&mirror.get("/-/mirrors")).contains(&other.url)
    });
    fleet.server.kill();
    fs::remove_file(object_of(&fleet, &bytes)).unwrap();
    let mut get = None;
    wait_for("a redirect to the other mirror", LONG, || {
        let reply = mirror.get(TARGET);
        let leads_there = reply
            .field("location")
            .is_some_and(|to| to.starts_with(&other.url));
        get = leads_there.then_some(reply);
        get.is_some()
    });
    let get = get.unwrap();
    let mut wire = http::Wire::open(mirror.address).unwrap();
    wire.send(http::request("HEAD", mirror.address, TARGET, ""));
    let head = wire.head().unwrap();
    for reply in [&get, &head] {
        let location = reply.field("location").unwrap();
        assert_eq!(
            links(reply),
            [format!("<{location}>; rel=duplicate; pri=1")]
        );
        assert_eq!(reply.field("digest"), get.field("digest"));
    }
    assert!(get.field("digest").unwrap().starts_with("SHA-256="));
}

/// Where the first mirror keeps these bytes.
fn object_of(fleet: &Fleet, bytes: &[u8]) -> PathBuf {
    let root = blake3::hash(bytes).to_hex();
    let objects = fleet.stage.path("mirror-1").join("objects");
    objects.join(&root[..2]).join(root.as_str())
}

/// A byte of the mirror's copy is changed behind its back; the redirect's digest gives it away.
#[test]
fn aria2_notices_wrong_bytes_by_the_digest_of_the_redirect() {
    if !has("aria2_notices_wrong_bytes", &[Need::Program("aria2c")]) {
        return;
    }
    let (fleet, bytes) = fleet(&[&[]], "");
    let url = format!("{}{TARGET}", fleet.server.url);
    let good = folder(&fleet, "good");
    run(&mut aria2c(&good, &[&url]));
    assert_eq!(downloaded(&good, &bytes), ["big.iso"]);
    // In place: the mirror may have it open.
    let object = object_of(&fleet, &bytes);
    let object = File::options().write(true).open(object).unwrap();
    let at = SIZE_BYTES / 2;
    object.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
    let bad = folder(&fleet, "bad");
    let output = run_within(LONG, &mut aria2c(&bad, &[&url]));
    assert_eq!(output.status.code(), Some(ARIA2_CHECKSUM), "{output:?}");
}

#[test]
fn aria2_goes_on_by_a_document_that_names_a_dead_mirror() {
    if !has("aria2_goes_on_by_a_document", &[Need::Program("aria2c")]) {
        return;
    }
    let (mut fleet, bytes) = fleet(TWO, "");
    let document = text(&fleet.server.get("/d/big.iso.meta4"));
    let path = fleet.stage.path("big.iso.meta4");
    fs::write(&path, &document).unwrap();
    let first = urls(&document).remove(0);
    let dead = fleet
        .mirrors
        .iter_mut()
        .find(|node| first.starts_with(&node.url));
    dead.expect("a mirror at the head").kill();
    let to = folder(&fleet, "got");
    run(&mut aria2c(&to, &["-M", path.to_str().unwrap()]));
    assert_eq!(downloaded(&to, &bytes), ["big.iso"]);
}

#[test]
fn aria2_follows_a_document_by_its_type() {
    if !has("aria2_follows_a_document", &[Need::Program("aria2c")]) {
        return;
    }
    let (fleet, bytes) = fleet(TWO, "");
    for (name, ending) in [
        ("four", ".meta4"),
        ("three", ".metalink"),
        ("query", "?meta4"),
    ] {
        let to = folder(&fleet, name);
        let url = format!("{}{TARGET}{ending}", fleet.server.url);
        run(&mut aria2c(&to, &["--follow-metalink=mem", &url]));
        assert_eq!(downloaded(&to, &bytes), ["big.iso"], "{ending}");
    }
}

/// wget2 follows links, too, and once wrote two copies into one file.
#[test]
fn wget2_gets_the_file_once() {
    if !has("wget2_gets_the_file_once", &[Need::Program("wget2")]) {
        return;
    }
    let (fleet, bytes) = fleet(TWO, "");
    let url = format!("{}{TARGET}", fleet.server.url);
    for (name, more, saved) in [
        ("plain", [url.clone()].as_slice(), "big.iso"),
        (
            "named",
            &["-O".to_owned(), "x".to_owned(), url.clone()],
            "x",
        ),
        ("document", &[format!("{url}.meta4")], "big.iso"),
    ] {
        let to = folder(&fleet, name);
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        run(&mut wget2(&to, &more));
        assert_eq!(downloaded(&to, &bytes), [saved], "{more:?}");
    }
}
