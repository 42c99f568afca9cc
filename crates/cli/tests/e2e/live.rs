//! The tree changes while everything runs, and every node follows within a second.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{Seek, Write},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use crate::{
    fleet::{Fleet, Node, Setup, TWO, say},
    http,
    stage::{LONG, Stage, content, wait_for},
};

/// The promise, for a file whose writer has closed it.
const LIVE_WITHIN: Duration = Duration::from_secs(1);
/// What comes into the tree without a writer that closes it must first be still for a second.
const SETTLE: Duration = Duration::from_secs(1);

fn fleet(stage: Stage) -> Fleet {
    let setup = Setup {
        mirrors: TWO,
        ..Setup::default()
    };
    Fleet::ready(stage, setup)
}

/// Waits until each mirror serves these bytes under `target`; how long that took.
fn live(fleet: &Fleet, what: &str, target: &str, bytes: &[u8]) -> Duration {
    let took = wait_for(what, LONG, || {
        fleet.mirrors.iter().all(|mirror| {
            let reply = mirror.get(&format!("{target}?direct"));
            reply.status == 200 && reply.body == bytes
        })
    });
    say(format_args!(
        "{what}: on both mirrors after {} ms",
        took.as_millis()
    ));
    took
}

fn gone(fleet: &Fleet, what: &str, target: &str) -> Duration {
    let took = wait_for(what, LONG, || {
        fleet.nodes().all(|node| node.get(target).status == 404)
    });
    say(format_args!(
        "{what}: on all nodes after {} ms",
        took.as_millis()
    ));
    took
}

/// Bytes that the server has sent to the mirrors.
fn copied(fleet: &Fleet) -> u64 {
    fleet.server.status().node.bytes_served
}

#[test]
fn changes_are_live_within_a_second() {
    let stage = Stage::alone();
    stage.write("start", b"there must be something");
    let fleet = fleet(stage);
    let (stage, tree) = (&fleet.stage, fleet.stage.tree());
    let (old, new) = (content(1, 40_000), content(2, 40_000));
    let mut took = Vec::new();

    stage.write("file", &old);
    took.push(live(&fleet, "a new file", "/file", &old));
    // Within the same second, and as long: neither size nor whole seconds tell them apart.
    stage.write("file", &new);
    took.push(live(&fleet, "a change of the same size", "/file", &new));
    let mut file = File::options()
        .append(true)
        .open(tree.join("file"))
        .unwrap();
    file.write_all(b"more").unwrap();
    drop(file);
    let longer = [&new[..], b"more"].concat();
    took.push(live(&fleet, "an append", "/file", &longer));
    fs::remove_file(tree.join("start")).unwrap();
    took.push(gone(&fleet, "a deleted file", "/start"));
    assert!(took.iter().all(|took| *took < LIVE_WITHIN), "{took:?}");

    // The writer was done before anybody could watch the new folder.
    stage.write("sub/deep/file", &old);
    let settled = live(&fleet, "a file in a new folder", "/sub/deep/file", &old);
    assert!(settled < LIVE_WITHIN + SETTLE, "{settled:?}");
    fs::remove_dir_all(tree.join("sub")).unwrap();
    let took = gone(&fleet, "a deleted folder", "/sub/deep/file");
    assert!(took < LIVE_WITHIN, "{took:?}");
}

#[test]
fn what_is_moved_or_copied_moves_no_byte() {
    let stage = Stage::alone();
    let bytes = content(3, 300_000);
    stage.write("old", &bytes);
    fs::create_dir_all(stage.path("aside/in")).unwrap();
    fs::write(stage.path("aside/in/same"), &bytes).unwrap();
    let fleet = fleet(stage);
    let (stage, tree) = (&fleet.stage, fleet.stage.tree());
    let before = copied(&fleet);
    let mut took = Vec::new();

    fs::rename(tree.join("old"), tree.join("new")).unwrap();
    took.push(live(&fleet, "a renamed file", "/new", &bytes));
    took.push(gone(&fleet, "the old name", "/old"));
    fs::copy(tree.join("new"), tree.join("twin")).unwrap();
    took.push(live(&fleet, "a duplicate", "/twin", &bytes));
    fs::hard_link(tree.join("new"), tree.join("link")).unwrap();
    took.push(live(&fleet, "a hard link", "/link", &bytes));
    fs::rename(stage.path("aside"), tree.join("moved")).unwrap();
    took.push(live(&fleet, "a folder moved in", "/moved/in/same", &bytes));
    fs::rename(tree.join("moved"), tree.join("again")).unwrap();
    took.push(live(&fleet, "a renamed folder", "/again/in/same", &bytes));
    assert_eq!(copied(&fleet), before, "bytes were copied again");
    assert!(
        took.iter().all(|took| *took < LIVE_WITHIN + SETTLE),
        "{took:?}"
    );
}

/// What one node said about one path, over all versions.
#[derive(Default)]
struct Seen {
    by_validator: HashMap<String, blake3::Hash>,
}

impl Seen {
    fn note(&mut self, node: &Node, target: &str) {
        let reply = node.get(target);
        // Before a mirror has the version it sends the client back, or knows nothing of it yet. A
        // file that changes under a download is cut.
        if reply.status != 200 || reply.is_cut() {
            assert!(matches!(reply.status, 200 | 307 | 404), "{}", reply.head);
            return;
        }
        reply.assert_honest();
        let first = reply.body.first();
        assert!(
            reply.body.iter().all(|byte| Some(byte) == first),
            "a mixed file: {}",
            reply.head
        );
        let etag = reply.field("etag").expect("a validator").to_owned();
        let hash = blake3::hash(&reply.body);
        let known = *self.by_validator.entry(etag.clone()).or_insert(hash);
        assert_eq!(known, hash, "two versions share {etag}");
    }
}

/// Versions of one size within a second, written in place, while readers look at every node.
#[test]
fn versions_never_share_a_validator_and_are_never_mixed() {
    const SIZE_BYTES: usize = 100_000;
    const VERSIONS: u8 = 40;
    let stage = Stage::new();
    stage.write("file", &[0; SIZE_BYTES]);
    let fleet = fleet(stage);
    let path = fleet.stage.tree().join("file");
    let done = AtomicBool::new(false);
    let read = |node| {
        let mut seen = Seen::default();
        while !done.load(Relaxed) {
            seen.note(node, "/file?direct");
        }
        seen
    };
    let read = &read;
    let seen = thread::scope(|scope| {
        let readers: Vec<_> = fleet
            .nodes()
            .map(|node| scope.spawn(move || read(node)))
            .collect();
        let mut file = File::options().write(true).open(&path).unwrap();
        for version in 1..=VERSIONS {
            file.rewind().unwrap();
            file.write_all(&[version; SIZE_BYTES]).unwrap();
            file.flush().unwrap();
            thread::park_timeout(Duration::from_millis(u64::from(version)));
        }
        drop(file);
        live(
            &fleet,
            "the last of many versions",
            "/file",
            &[VERSIONS; SIZE_BYTES],
        );
        done.store(true, Relaxed);
        let seen = readers.into_iter().map(|reader| reader.join().unwrap());
        seen.collect::<Vec<_>>()
    });
    assert!(
        seen[0].by_validator.len() > 2,
        "the readers saw nothing change"
    );
    let mut all: HashMap<&String, blake3::Hash> = HashMap::new();
    for (etag, hash) in seen.iter().flat_map(|seen| &seen.by_validator) {
        assert_eq!(
            *all.entry(etag).or_insert(*hash),
            *hash,
            "nodes disagree on {etag}"
        );
    }
}

/// A client that comes back with an old validator gets the new version whole.
#[test]
fn an_old_validator_never_continues_a_new_version() {
    let stage = Stage::new();
    let (old, new) = (content(4, 50_000), content(5, 50_000));
    stage.write("file", &old);
    let fleet = fleet(stage);
    let etag = fleet.server.get("/file").strong_etag().unwrap().to_owned();
    fleet.stage.write("file", &new);
    live(&fleet, "the new version", "/file", &new);
    let fields = format!("Range: bytes=25000-\r\nIf-Range: {etag}\r\n");
    for node in fleet.nodes() {
        let reply = http::get(node.address, "/file", &fields);
        assert_eq!(reply.status, 200, "{}", node.url);
        assert!(reply.body == new, "{}", node.url);
        let reply = http::get(node.address, "/file", &format!("If-None-Match: {etag}\r\n"));
        assert_eq!(reply.status, 200, "{}", node.url);
    }
}
