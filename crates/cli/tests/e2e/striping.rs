//! Striping: one plain client gets the rate of several mirrors, and notices nothing else.
//!
//! Mirrors are narrow by `--max-egress`, so one alone would take a known time for the file.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    fleet::{Fleet, Setup},
    http::Wire,
    relay::{fill, resident_bytes, vanish},
    stage::{LONG, Stage, content, sha256, wait_for},
    tools::{Need, has, run_within},
};

const SIZE_BYTES: usize = 96 << 20;
/// What a mirror sends at most, in bytes a second.
const MIRROR_BYTES_PER_S: u64 = 10_000_000;
const NARROW: &[&str] = &["--max-egress", "10MB/s", "--capacity", "10MB/s"];

/// A server that stripes by three, with three narrow mirrors, and its file, which only they have: what
/// the server reads from its own disk would have no such rate.
fn fleet() -> (Fleet, Vec<u8>) {
    let stage = Stage::new();
    let bytes = content(21, SIZE_BYTES);
    stage.write("file", &bytes);
    fill(&stage);
    let setup = Setup {
        server: &["--offload", "relay", "--stripe", "3"],
        mirrors: &[NARROW, NARROW, NARROW],
    };
    let fleet = Fleet::ready(stage, setup);
    vanish(&fleet.stage);
    (fleet, bytes)
}

fn curl(fleet: &Fleet) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-q", "-sS", "--noproxy", "*", "-o"])
        .arg(fleet.stage.path("got"))
        .arg(format!("{}/file?relay", fleet.server.url));
    curl
}

fn assert_got(fleet: &Fleet, bytes: &[u8]) {
    let got = fs::read(fleet.stage.path("got")).unwrap();
    assert_eq!(sha256(&got), sha256(bytes), "{} bytes", got.len());
}

#[test]
fn one_plain_client_gets_the_rate_of_several_mirrors() {
    let test = "one_plain_client_gets_the_rate_of_several_mirrors";
    if !has(test, &[Need::Program("curl")]) {
        return;
    }
    let (fleet, bytes) = fleet();
    let begun = Instant::now();
    let output = run_within(LONG, &mut curl(&fleet));
    let took = begun.elapsed();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_got(&fleet, &bytes);
    let one_alone = Duration::from_secs(SIZE_BYTES as u64 / MIRROR_BYTES_PER_S);
    assert!(took * 2 < one_alone, "{took:?}, one alone: {one_alone:?}");
    let decisions = fleet.server.status().decisions.unwrap();
    assert!(
        decisions.relay == 1 && decisions.switch == 0,
        "{decisions:?}"
    );
    assert!(decisions.stripe >= 20, "{decisions:?}");
    for mirror in &fleet.mirrors {
        let sent_bytes = mirror.status().node.bytes_served;
        assert!(sent_bytes > 4 << 20, "{}: {sent_bytes} bytes", mirror.url);
    }
}

#[test]
fn a_striped_body_survives_a_mirror() {
    let test = "a_striped_body_survives_a_mirror";
    if !has(test, &[Need::Program("curl")]) {
        return;
    }
    let (mut fleet, bytes) = fleet();
    let mut child = curl(&fleet).spawn().unwrap();
    let got = fleet.stage.path("got");
    wait_for("a part of the body", LONG, || {
        fs::metadata(&got).is_ok_and(|facts| facts.len() > 16 << 20)
    });
    fleet.mirrors[1].kill();
    wait_for("the end of the client", LONG, || {
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_got(&fleet, &bytes);
    let decisions = fleet.server.status().decisions.unwrap();
    assert!(decisions.switch > 0, "{decisions:?}");
}

#[test]
fn a_client_that_does_not_read_holds_what_was_planned_and_no_more() {
    const AHEAD_BYTES: u64 = 24 << 20;
    const SLACK_BYTES: u64 = 12 << 20;
    let (fleet, bytes) = fleet();
    let before = resident_bytes(&fleet.server);
    let mut wire = Wire::open(fleet.server.address).unwrap();
    wire.send("GET /file?relay HTTP/1.1\r\nHost: h\r\n\r\n");
    let sent_bytes = || -> u64 {
        let sent = fleet.mirrors.iter();
        sent.map(|mirror| mirror.status().node.bytes_served).sum()
    };
    let mut last = (0, Instant::now());
    // Not a byte more for a second: all is full.
    wait_for("everything to be full", LONG, || {
        let (now_bytes, now) = (sent_bytes(), Instant::now());
        if now_bytes != last.0 {
            last = (now_bytes, now);
        }
        now_bytes > 0 && now.duration_since(last.1) >= Duration::from_secs(1)
    });
    let grown = resident_bytes(&fleet.server).saturating_sub(before);
    assert!(grown < AHEAD_BYTES + SLACK_BYTES, "{grown} bytes");
    assert!(grown > 8 << 20, "{grown} bytes: nothing was read ahead");
    let reply = wire.reply();
    assert!(reply.body == bytes);
}
