//! The clients that people use, with and without a redirect, and resuming on another node.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    fleet::{Fleet, Setup, overspill},
    http,
    stage::{Stage, content, sha256},
    tools::{Need, has, run},
};

const SIZE_BYTES: usize = 3 << 20;
/// Every candidate in turn, so a few requests see the server and each mirror.
const IN_TURN: &[&str] = &["--policy", "round-robin"];
/// The server has hardly any capacity, so whatever may be offloaded is.
const TINY: &[&str] = &["--capacity", "1KiB/s"];
const NEVER: &[&str] = &["--offload", "never"];

fn fleet(server: &[&str]) -> (Fleet, Vec<u8>) {
    let stage = Stage::new();
    let bytes = content(2, SIZE_BYTES);
    stage.write("dir with space/big.iso", &bytes);
    let setup = Setup {
        server,
        mirrors: &[&[], &[]],
    };
    (Fleet::ready(stage, setup), bytes)
}

const TARGET: &str = "/dir%20with%20space/big.iso";

fn curl(url: &str, to: &Path) -> Command {
    let mut command = Command::new("curl");
    command.args(["-sS", "-f", "-q", "--noproxy", "*", "-L"]);
    command.arg("-o").arg(to).arg(url);
    command
}

fn wget(url: &str, to: &Path) -> Command {
    let mut command = Command::new("wget");
    command
        .args(["--no-config", "-q", "--no-proxy", "-O"])
        .arg(to)
        .arg(url);
    command
}

fn aria2c(url: &str, to: &Path) -> Command {
    let mut command = Command::new("aria2c");
    let name = to.file_name().expect("a name");
    command.args([
        "--no-conf",
        "-q",
        "-x",
        "4",
        "-s",
        "4",
        "-k",
        "1M",
        "--no-proxy=*",
        "-d",
    ]);
    command
        .arg(to.parent().expect("a folder"))
        .arg("-o")
        .arg(name);
    command.arg(url);
    command
}

fn get(url: &str, to: &Path) -> Command {
    let mut command = overspill(["get", "-q", "-o"]);
    command.arg(to).arg(url);
    command
}

type Client = (&'static str, fn(&str, &Path) -> Command);
const CLIENTS: [Client; 4] = [
    ("curl", curl),
    ("wget", wget),
    ("aria2c", aria2c),
    ("overspill", get),
];

/// Downloads with every client, twice each; every file must be exact.
fn download_with_all(fleet: &Fleet, bytes: &[u8]) {
    for (name, client) in CLIENTS {
        let is_ours = name == "overspill";
        if !is_ours && !has(&format!("download with {name}"), &[Need::Program(name)]) {
            continue;
        }
        for turn in 0..2 {
            let to = fleet.stage.path(format!("{name}-{turn}"));
            let url = format!("{}{TARGET}", fleet.server.url);
            run(&mut client(&url, &to));
            let got = fs::read(&to).unwrap();
            assert_eq!(sha256(&got), sha256(bytes), "{name}, {} bytes", got.len());
        }
    }
}

fn bytes_served(fleet: &Fleet) -> (u64, u64) {
    let mirrors = fleet
        .mirrors
        .iter()
        .map(|node| node.status().node.bytes_served);
    (fleet.server.status().node.bytes_served, mirrors.sum())
}

#[test]
fn every_client_downloads_through_redirects() {
    let (fleet, bytes) = fleet(TINY);
    let (copied, _) = bytes_served(&fleet);
    download_with_all(&fleet, &bytes);
    let (server, mirrors) = bytes_served(&fleet);
    assert_eq!(server, copied, "the server sent bodies itself");
    assert!(
        mirrors >= 2 * SIZE_BYTES as u64,
        "the mirrors sent {mirrors}"
    );
}

#[test]
fn every_client_downloads_from_the_server_alone() {
    let (fleet, bytes) = fleet(NEVER);
    download_with_all(&fleet, &bytes);
    assert_eq!(bytes_served(&fleet).1, 0, "a mirror sent something");
}

/// The first half comes from the server, the second from a mirror, and neither side notices.
#[test]
fn curl_resumes_on_another_node() {
    if !has("curl_resumes_on_another_node", &[Need::Program("curl")]) {
        return;
    }
    let (fleet, bytes) = fleet(IN_TURN);
    let half = SIZE_BYTES / 2;
    let range = format!("Range: bytes=0-{}\r\n", half - 1);
    let first = http::get(fleet.server.address, &format!("{TARGET}?direct"), &range);
    assert_eq!((first.status, first.body.len()), (206, half));
    for node in &fleet.mirrors {
        let part = half_file(&fleet, &first.body);
        let before = node.status().node.bytes_served;
        run(curl(&format!("{}{TARGET}", node.url), &part).args(["-C", "-"]));
        let got = fs::read(&part).unwrap();
        assert_eq!(sha256(&got), sha256(&bytes), "{} bytes", got.len());
        let sent = node.status().node.bytes_served - before;
        assert_eq!(sent, (SIZE_BYTES - half) as u64, "{} sent", node.url);
    }
}

fn half_file(fleet: &Fleet, bytes: &[u8]) -> PathBuf {
    let part = fleet.stage.path("part");
    fs::write(&part, bytes).unwrap();
    part
}

#[test]
fn if_range_holds_on_every_node() {
    let (fleet, bytes) = fleet(IN_TURN);
    let target = format!("{TARGET}?direct");
    let etag = fleet.server.get(&target).strong_etag().unwrap().to_owned();
    let other = etag.replace("b3-", "b3-0");
    let weak = format!("W/{etag}");
    for node in fleet.nodes() {
        for (validator, status, from) in [(&etag, 206, 1000), (&other, 200, 0), (&weak, 200, 0)] {
            let fields = format!("Range: bytes=1000-\r\nIf-Range: {validator}\r\n");
            let reply = http::get(node.address, &target, &fields);
            assert_eq!(reply.status, status, "{validator} on {}", node.url);
            assert_eq!(reply.field("etag"), Some(etag.as_str()));
            assert!(reply.body == bytes[from..], "{validator} on {}", node.url);
        }
    }
}

/// `overspill get` goes on with what another download left, from whichever node it is sent to.
#[test]
fn get_continues_a_part_through_redirects() {
    let (fleet, bytes) = fleet(TINY);
    let to = fleet.stage.path("got");
    let url = format!("{}{TARGET}", fleet.server.url);
    let part = fleet.stage.path("got.part");
    fs::write(&part, &bytes[..SIZE_BYTES / 3]).unwrap();
    run(&mut get(&url, &to));
    assert!(fs::read(&to).unwrap() == bytes);
    assert!(!part.exists(), "the part is left behind");
}
