//! A file that is rewritten while it is downloaded is cut, never torn.

use std::{
    fs::{self, File},
    io::{Seek, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    fleet::{Fleet, Setup},
    http::{Wire, request},
    stage::{LONG, Stage, content, wait_for},
    tools::{Need, has, run_within},
};

/// More than the sockets on the way can hold, so the server is still sending when the file changes.
const SIZE_BYTES: usize = 24 << 20;
/// How much of it the client has read when the file changes.
const READ_BYTES: [u64; 4] = [1, 64 << 10, 1 << 20, 9 << 20];

fn fleet() -> Fleet {
    let stage = Stage::new();
    stage.write("file", &content(1, SIZE_BYTES));
    Fleet::ready(stage, Setup::default())
}

/// Writes over a file without making it shorter at any time.
fn rewrite(path: &Path, bytes: &[u8]) {
    let mut file = File::options().write(true).open(path).unwrap();
    for part in bytes.chunks(1 << 20) {
        file.write_all(part).unwrap();
    }
}

/// Downloads while the file changes; the body must be a part of one version, or all of it.
fn download_while(fleet: &Fleet, name: &str, read_bytes: u64, old: &[u8], change: impl FnOnce()) {
    let mut wire = Wire::open(fleet.server.address).unwrap();
    wire.send(request(
        "GET",
        fleet.server.address,
        &format!("/{name}"),
        "",
    ));
    let head = wire.head().unwrap();
    assert_eq!((head.status, head.length()), (200, SIZE_BYTES as u64));
    let mut body = wire.body(read_bytes);
    change();
    body.extend(wire.body(SIZE_BYTES as u64 - read_bytes));
    let is_whole = body.len() == SIZE_BYTES;
    assert!(
        !is_whole || body == old,
        "a whole body that never was a version"
    );
    assert!(!is_whole, "the server had sent all: the test shows nothing");
}

fn rewrite_at_every_point(fleet: &Fleet) {
    let path = fleet.stage.tree().join("file");
    let mut old = fs::read(&path).unwrap();
    for (seed, read_bytes) in READ_BYTES.into_iter().enumerate() {
        let new = content(100 + seed as u64, SIZE_BYTES);
        download_while(fleet, "file", read_bytes, &old, || rewrite(&path, &new));
        old = new;
    }
    download_while(fleet, "file", 1 << 20, &old, || {
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(1000)
            .unwrap();
    });
}

#[test]
fn a_fresh_file_rewritten_in_place_is_cut() {
    rewrite_at_every_point(&fleet());
}

/// Files that have been still for ten seconds are sent in another way, by the kernel.
#[test]
fn a_file_at_rest_rewritten_in_place_is_cut() {
    let fleet = fleet();
    let old = content(1, SIZE_BYTES);
    fleet.stage.write("other", &old);
    let read_bytes = [("file", 64 << 10), ("other", 5 << 20)];
    for (name, read_bytes) in read_bytes {
        let path = fleet.stage.tree().join(name);
        wait_for("a file at rest", LONG, || {
            age(&path) > Duration::from_secs(11)
        });
        let new = content(read_bytes, SIZE_BYTES);
        download_while(&fleet, name, read_bytes, &old, || rewrite(&path, &new));
    }
}

fn age(path: &Path) -> Duration {
    let facts = fs::metadata(path).unwrap();
    let changed = Duration::new(facts.ctime() as u64, facts.ctime_nsec() as u32);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.saturating_sub(changed)
}

#[test]
fn curl_is_told_that_its_download_was_cut() {
    if !has(
        "curl_is_told_that_its_download_was_cut",
        &[Need::Program("curl")],
    ) {
        return;
    }
    let fleet = fleet();
    let (path, to) = (fleet.stage.tree().join("file"), fleet.stage.path("got"));
    let output = thread::scope(|scope| {
        let curl = scope.spawn(|| {
            let url = format!("{}/file", fleet.server.url);
            let mut curl = Command::new("curl");
            curl.args(["-q", "-sS", "--limit-rate", "20M", "-o"])
                .arg(&to)
                .arg(url);
            run_within(LONG, &mut curl)
        });
        wait_for("a download under way", LONG, || {
            fs::metadata(&to).is_ok_and(|facts| facts.len() > 1 << 20)
        });
        rewrite(&path, &content(2, SIZE_BYTES));
        curl.join().unwrap()
    });
    // 18: partial file; 56: the connection was reset.
    assert!(matches!(output.status.code(), Some(18 | 56)), "{output:?}");
}

/// Nobody may resume a file of which no version is known.
#[test]
fn a_file_that_never_rests_has_no_strong_validator() {
    const SMALL_BYTES: usize = 30_000;
    let stage = Stage::new();
    stage.write("busy", &[0; SMALL_BYTES]);
    let fleet = Fleet::start(stage, Setup::default());
    let path = fleet.stage.tree().join("busy");
    let done = AtomicBool::new(false);
    let mut whole = 0;
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut file = File::options().write(true).open(&path).unwrap();
            let mut version = 0_u8;
            while !done.load(Relaxed) {
                version = version.wrapping_add(1);
                file.rewind().unwrap();
                file.write_all(&[version; SMALL_BYTES]).unwrap();
                // Long enough for a download to be proved whole, now and then.
                thread::park_timeout(Duration::from_millis(60));
            }
        });
        wait_for("the first write to be seen", LONG, || {
            fleet.server.get("/busy").body.first() != Some(&0)
        });
        for _ in 0..200 {
            let reply = fleet.server.get("/busy");
            assert_eq!(reply.status, 200);
            assert_eq!(reply.strong_etag(), None, "{}", reply.head);
            assert_eq!(reply.field("repr-digest"), None, "{}", reply.head);
            if !reply.is_cut() {
                let first = reply.body[0];
                assert!(reply.body.iter().all(|byte| *byte == first), "a torn body");
                whole += 1;
            }
        }
        done.store(true, Relaxed);
        writer.join().unwrap();
    });
    assert!(whole > 0, "not one download was whole");
}
