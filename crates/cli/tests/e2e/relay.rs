//! Relays: plain clients, told nothing, do not notice that the node that feeds them died.
//!
//! Faults are made on the way between server and mirror by a proxy (`faulty`), or by `kill -9`. What
//! counts is what a client has in the end: every byte, and an exit code of 0.

mod browser;
mod checked;
mod faulty;

use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
};

use self::faulty::{Fault, Faulty};
use crate::{
    carrier::{ALL, CARRIERS},
    fleet::{Fleet, Node, Setup, TWO, mirror, say},
    http::{self, Wire},
    stage::{LONG, Stage, content, sha256, wait_for},
    tools::{Need, has, run_within},
};

const SIZE_BYTES: usize = 3 << 20;

/// A fleet of one mirror behind a faulty way, and every second body relayed from there.
struct Scene {
    way: Faulty,
    fleet: Fleet,
    bytes: Vec<u8>,
}

impl Scene {
    fn new(server: &[&str]) -> Self {
        let stage = Stage::new();
        let bytes = content(7, SIZE_BYTES);
        stage.write("file", &bytes);
        fill(&stage);
        let mut arguments = vec!["--offload", "relay", "--policy", "round-robin"];
        arguments.extend(["--capacity", "1Gbit/s"]);
        arguments.extend(server);
        let mut fleet = Fleet::start(
            stage,
            Setup {
                server: &arguments,
                mirrors: &[],
            },
        );
        let way = Faulty::start();
        let url = way.url();
        let command = mirror(
            &fleet.stage,
            "mirror-1",
            &fleet.server,
            // More than half of the fleet's capacity, so that it is not put aside for its failures.
            &["--public-url", &url, "--capacity", "10Gbit/s"],
        );
        let node = Node::start(&fleet.stage, "mirror-1", command);
        way.lead_to(node.address);
        fleet.mirrors.push(node);
        fleet.converge();
        Self { way, fleet, bytes }
    }

    /// Downloads with a plain client until its bytes have met the fault, at most a few times.
    fn download(&self, client: fn(&str, &Path) -> Command, fault: Fault) {
        self.way.set(fault);
        let before = self.way.struck();
        for _ in 0..8 {
            let to = self.fleet.stage.path("got");
            let url = format!("{}/file", self.fleet.server.url);
            let output = run_within(LONG, &mut client(&url, &to));
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{fault:?}: {stderr}");
            let got = fs::read(&to).unwrap();
            assert_eq!(
                sha256(&got),
                sha256(&self.bytes),
                "{fault:?}: {} bytes",
                got.len()
            );
            fs::remove_file(&to).unwrap();
            if self.way.struck() > before {
                return;
            }
        }
        panic!("{fault:?}: never relayed");
    }

    fn switches(&self) -> u64 {
        self.fleet.server.status().decisions.unwrap().switch
    }
}

/// Files enough that their loss is not believed.
pub(crate) fn fill(stage: &Stage) {
    for at in 0..20 {
        stage.write(format!("disk/{at}"), b"one of many");
    }
}

/// Takes everything away, as when a disk is not mounted: so great a loss is not believed.
pub(crate) fn vanish(stage: &Stage) {
    for entry in fs::read_dir(stage.tree()).unwrap() {
        let path = entry.unwrap().path();
        fs::rename(&path, stage.path(path.file_name().unwrap())).unwrap();
    }
}

fn curl(url: &str, to: &Path) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-q", "-sS", "--noproxy", "*", "-o"])
        .arg(to)
        .arg(url);
    curl
}

fn wget(url: &str, to: &Path) -> Command {
    let mut wget = Command::new("wget");
    wget.args(["--no-config", "--no-proxy", "--tries=1", "-q", "-O"])
        .arg(to)
        .arg(url);
    wget
}

/// Where bodies break: at the edges of heads, buffers and the body itself, and in between.
const OFFSETS: [u64; 7] = [
    0,
    1,
    4095,
    65_536,
    1_000_003,
    SIZE_BYTES as u64 / 2,
    SIZE_BYTES as u64 - 1,
];

#[test]
fn a_plain_client_never_notices_what_happens_behind_the_server() {
    let test = "a_plain_client_never_notices_what_happens_behind_the_server";
    if !has(test, &[Need::Program("curl"), Need::Program("wget")]) {
        return;
    }
    let scene = Scene::new(&[]);
    for at in OFFSETS {
        scene.download(curl, Fault::Truncates(at));
        scene.download(curl, Fault::Resets(at));
    }
    for fault in [
        Fault::Silence,
        Fault::Truncates(77_777),
        Fault::Stalls(65_536),
        Fault::Lies(1),
        Fault::Lies(-1),
        Fault::Rewrites("HTTP/1.1", "HTTP/1.1 500 Internal Server Error\r\n"),
        Fault::Rewrites("HTTP/1.1", "HTTP/1.1 204 No Content\r\n"),
        Fault::Rewrites("ETag", "ETag: \"b3-0\"\r\n"),
        Fault::Rewrites("ETag", ""),
    ] {
        scene.download(wget, fault);
    }
    let log = scene.fleet.server.log();
    for reason in [
        "its body ended short",
        "its connection broke",
        "it sent nothing for 5 s",
        "it answered 500",
        "it answered with another length",
        "it answered with another content",
    ] {
        assert!(log.contains(reason), "{reason}: {log}");
    }
    // The tenth of a kind within a minute is the last that is told one by one.
    assert!(log.contains("offset=1000003"), "{log}");
    assert!(scene.switches() >= 2 * OFFSETS.len() as u64);
    let decisions = scene.fleet.server.get("/-/api/decisions?limit=10000");
    let decisions = String::from_utf8(decisions.body).unwrap();
    assert!(decisions.contains("\"decision\":\"relay\""), "{decisions}");
    assert!(decisions.contains("\"instead_of\":\"m"), "{decisions}");
}

#[test]
fn ranges_are_relayed_and_repaired_like_whole_files() {
    let scene = Scene::new(&[]);
    let (from, to) = (100_000, 2_100_000);
    for fault in [
        Fault::None,
        Fault::Truncates(600_000),
        Fault::Rewrites("HTTP/1.1", "HTTP/1.1 200 OK\r\n"),
        Fault::Rewrites(
            "Content-Range",
            "Content-Range: bytes 0-1999999/3145728\r\n",
        ),
    ] {
        scene.way.set(fault);
        for _ in 0..4 {
            let fields = format!("Range: bytes={from}-{}\r\n", to - 1);
            let reply = http::get(scene.fleet.server.address, "/file", &fields);
            assert_eq!(reply.status, 206, "{}", reply.head);
            assert!(reply.body == scene.bytes[from..to], "{fault:?}");
            let fields = "Range: bytes=5-999999,2000000-3000000\r\n";
            let reply = http::get(scene.fleet.server.address, "/file", fields);
            let content_type = reply.field("content-type").unwrap_or_default();
            assert!(
                content_type.starts_with("multipart/byteranges"),
                "{}",
                reply.head
            );
            assert!(!reply.is_cut(), "{fault:?}");
            for part in [
                &scene.bytes[5..1_000_000],
                &scene.bytes[2_000_000..3_000_001],
            ] {
                let begins = reply
                    .body
                    .windows(64)
                    .position(|window| window == &part[..64]);
                let begins = begins.expect("the part");
                assert!(reply.body[begins..].starts_with(part), "{fault:?}");
            }
        }
    }
    assert!(scene.switches() > 0);
    scene.way.set(Fault::None);
    let before = scene.fleet.server.status().decisions;
    let address = scene.fleet.server.address;
    let mut wire = Wire::open(address).unwrap();
    wire.send(http::request("HEAD", address, "/file", ""));
    assert_eq!(wire.head().unwrap().status, 200);
    let etag = format!(
        "If-None-Match: \"b3-{}\"\r\n",
        blake3::hash(&scene.bytes).to_hex()
    );
    assert_eq!(http::get(address, "/file", &etag).status, 304);
    assert_eq!(
        scene.fleet.server.status().decisions,
        before,
        "answered here"
    );
}

#[test]
fn every_transport_is_relayed_to() {
    if !has("every_transport_is_relayed_to", &[Need::Program("curl")]) {
        return;
    }
    let scene = Scene::new(&ALL);
    for fault in [Fault::None, Fault::Truncates(1_000_003), Fault::Resets(1)] {
        scene.way.set(fault);
        for carrier in CARRIERS {
            let before = scene.way.struck();
            for _ in 0..4 {
                let mut curl = carrier.curl();
                let url = carrier.url(&scene.fleet.server, "/file");
                let output = run_within(LONG, curl.arg(url));
                assert!(output.status.success(), "{carrier:?} {fault:?}");
                assert!(output.stdout == scene.bytes, "{carrier:?} {fault:?}");
            }
            let is_struck = scene.way.struck() > before;
            assert_eq!(is_struck, fault != Fault::None, "{carrier:?} {fault:?}");
        }
    }
    let relayed = scene.fleet.server.status().decisions.unwrap().relay;
    assert!(relayed >= 12, "{relayed}");
}

#[test]
fn a_file_that_vanished_is_had_from_the_mirrors_or_not_at_all() {
    let stage = Stage::new();
    let bytes = content(8, SIZE_BYTES);
    stage.write("disk/a", &bytes);
    stage.write("disk/b", &content(9, 64 << 20));
    fill(&stage);
    let log = stage.path("access.log");
    let server: &[&str] = &["--access-log", log.to_str().unwrap()];
    let mut fleet = Fleet::ready(
        stage,
        Setup {
            server,
            mirrors: TWO,
        },
    );
    vanish(&fleet.stage);
    let reply = fleet.server.get("/disk/a");
    reply.assert_honest();
    assert!(reply.body == bytes);
    let mut wire = Wire::open(fleet.server.address).unwrap();
    wire.send("GET /disk/b HTTP/1.1\r\nHost: h\r\n\r\n");
    let feeding = || {
        let flows = |node: &Node| node.status().node.flows;
        fleet.mirrors.iter().position(|mirror| flows(mirror) > 0)
    };
    let mut at = None;
    wait_for("a mirror that feeds", LONG, || {
        at = feeding();
        at.is_some()
    });
    fleet.mirrors[at.unwrap()].kill();
    wire.reply().assert_honest();
    let text = fleet.server.log();
    assert!(
        text.contains("a member fails a body that is relayed; going on from"),
        "{text}"
    );
    for mirror in &mut fleet.mirrors {
        mirror.kill();
    }
    wait_for("a server that knows it", LONG, || {
        fleet.server.get("/disk/a").status == 404
    });
    let expected = "\"decision\":\"relay\"";
    wait_for("the access log", LONG, || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains(expected))
    });
}

#[test]
fn what_nobody_can_complete_is_cut_and_the_log_says_why() {
    let scene = Scene::new(&[]);
    vanish(&scene.fleet.stage);
    scene.way.set(Fault::Truncates(100_000));
    let reply = scene.fleet.server.get("/file");
    assert!(reply.is_cut(), "{}", reply.head);
    assert!(reply.body == scene.bytes[..100_000], "{}", reply.body.len());
    let log = scene.fleet.server.log();
    assert!(
        log.contains("nobody is left who could go on with it"),
        "{log}"
    );
}

#[test]
fn a_member_that_truncates_gets_nothing_for_a_while() {
    let stage = Stage::new();
    stage.write("file", &content(9, SIZE_BYTES));
    let server: &[&str] = &["--offload", "relay", "--policy", "round-robin"];
    let mut fleet = Fleet::start(
        stage,
        Setup {
            server,
            mirrors: TWO,
        },
    );
    let way = Faulty::start();
    let url = way.url();
    let command = mirror(
        &fleet.stage,
        "mirror-3",
        &fleet.server,
        &["--public-url", &url],
    );
    let node = Node::start(&fleet.stage, "mirror-3", command);
    way.lead_to(node.address);
    fleet.mirrors.push(node);
    fleet.converge();
    way.set(Fault::Truncates(200_000));
    wait_for("an ejection", LONG, || {
        fleet.server.get("/file").assert_honest();
        fleet
            .server
            .log()
            .contains("member fails too often; it gets no clients")
    });
}

#[test]
fn a_relay_is_had_for_the_asking_and_a_private_mirror_by_nothing_else() {
    let stage = Stage::new();
    stage.write("file", &content(10, SIZE_BYTES));
    let fleet = Fleet::ready(
        stage,
        Setup {
            server: &["--policy", "round-robin"],
            mirrors: &[&["--private"]],
        },
    );
    for _ in 0..6 {
        fleet.server.get("/file").assert_honest();
    }
    let before = fleet.server.status().decisions.unwrap();
    assert_eq!(before.redirect, 0);
    fleet.server.get("/file?relay").assert_honest();
    let after = fleet.server.status().decisions.unwrap();
    assert_eq!(after.relay, before.relay + 1);
    // Whoever relays asks for the mirror's own bytes, and gets nobody else's.
    let direct = fleet.mirrors[0].get("/file?direct&relay");
    direct.assert_honest();
    assert_eq!(fleet.mirrors[0].get("/none?direct").status, 404);
    let explained = fleet.server.get("/-/explain/file");
    let explained = String::from_utf8(explained.body).unwrap();
    assert!(explained.contains("\"by\":\"relay\""), "{explained}");
}

#[test]
fn a_client_that_cannot_follow_is_relayed_to() {
    let stage = Stage::new();
    stage.write("file", &content(11, SIZE_BYTES));
    let fleet = Fleet::ready(
        stage,
        Setup {
            server: &["--policy", "round-robin"],
            mirrors: &[&[]],
        },
    );
    for _ in 0..4 {
        let mut wire = Wire::open(fleet.server.address).unwrap();
        wire.send("GET /file HTTP/1.0\r\n\r\n");
        wire.reply().assert_honest();
    }
    assert!(fleet.server.status().decisions.unwrap().relay > 0);
}

/// Bytes of memory that a process has.
pub(crate) fn resident_bytes(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib << 10
}

#[test]
fn clients_that_do_not_read_hold_a_pipe_each_and_no_more() {
    const READERS: usize = 24;
    let stage = Stage::new();
    let bytes = content(12, 32 << 20);
    stage.write("file", &bytes);
    let fleet = Fleet::ready(
        stage,
        Setup {
            server: &["--offload", "relay"],
            mirrors: &[&[]],
        },
    );
    fleet.server.get("/file?relay").assert_honest();
    let before = resident_bytes(&fleet.server);
    let ask = || {
        let mut wire = Wire::open(fleet.server.address).unwrap();
        wire.send("GET /file?relay HTTP/1.1\r\nHost: h\r\n\r\n");
        wire
    };
    let mut wires: Vec<Wire> = (0..READERS).map(|_| ask()).collect();
    wait_for("all relays to be under way", LONG, || {
        fleet.server.status().node.flows as usize == READERS
    });
    // Each has its socket's buffers full by now, or soon; what is measured is ours.
    let grown = resident_bytes(&fleet.server).saturating_sub(before);
    assert!(
        grown < 16 << 20,
        "{grown} bytes for {READERS} clients at rest"
    );
    let reply = wires.remove(0).reply();
    assert!(reply.body == bytes);
}

/// Ends the clients with the scope they are of, however that ends.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// How often the mirror is killed.
fn kills() -> usize {
    let asked = std::env::var("OVERSPILL_E2E_KILLS");
    asked.map_or(10, |text| text.parse().expect("a number of kills"))
}

#[test]
fn killing_the_feeding_mirror_again_and_again_fails_no_download() {
    const CLIENTS: usize = 4;
    let test = "killing_the_feeding_mirror_again_and_again_fails_no_download";
    if !has(test, &[Need::Program("curl")]) {
        return;
    }
    let stage = Stage::new();
    let bytes = content(13, 8 << 20);
    stage.write("file", &bytes);
    // The mirror counts for more than half of the fleet, so that it is used again after each death.
    let large: &[&str] = &["--capacity", "10Gbit/s"];
    let mut fleet = Fleet::ready(
        stage,
        Setup {
            server: &[
                "--offload",
                "relay",
                "--policy",
                "round-robin",
                "--capacity",
                "100Mbit/s",
            ],
            mirrors: &[large],
        },
    );
    let (is_over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let url = format!("{}/file", fleet.server.url);
    let digest = sha256(&bytes);
    let paths: Vec<_> = (0..CLIENTS)
        .map(|at| fleet.stage.path(format!("got-{at}")))
        .collect();
    thread::scope(|scope| {
        let _ends = Ends(&is_over);
        for to in &paths {
            let (url, digest, is_over, done) = (&url, &digest, &is_over, &done);
            scope.spawn(move || {
                while !is_over.load(Relaxed) {
                    let mut curl = curl(url, to);
                    let output = run_within(LONG, curl.args(["--limit-rate", "12M"]));
                    let stderr = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{stderr}");
                    assert_eq!(&sha256(&fs::read(to).unwrap()), digest);
                    done.fetch_add(1, Relaxed);
                }
            });
        }
        for kill in 0..kills() {
            wait_for("the mirror to feed", LONG, || {
                fleet.mirrors[0].status().node.flows > 0
            });
            fleet.mirrors[0].kill();
            let command = mirror(&fleet.stage, "mirror-1", &fleet.server, large);
            fleet.mirrors[0] = Node::start(&fleet.stage, "mirror-1", command);
            say(format_args!("killed {} times", kill + 1));
        }
    });
    let (done, switched) = (
        done.load(Relaxed),
        fleet.server.status().decisions.unwrap().switch,
    );
    say(format_args!(
        "{done} downloads, {switched} of them switched, 0 failed"
    ));
    assert!(switched > 0);
}
