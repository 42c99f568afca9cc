//! Nodes come and go: what they have done once they do not do again.

use std::{fs, net::SocketAddr};

use crate::{
    fleet::{Fleet, Node, Setup, TWO, mirror, serve},
    stage::{LONG, Stage, content, wait_for},
};

const FILES: u64 = 24;
const FILE_BYTES: usize = 1 << 20;
const TREE_BYTES: u64 = FILES * FILE_BYTES as u64;

fn filled() -> Stage {
    let stage = Stage::new();
    for seed in 0..FILES {
        stage.write(format!("dir/file-{seed}"), &content(seed, FILE_BYTES));
    }
    stage
}

/// Bytes that a process has read by system calls, from wherever: what hashing a tree must raise.
fn bytes_read(node: &Node) -> u64 {
    let io = fs::read_to_string(format!("/proc/{}/io", node.pid())).expect("a running node");
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.expect("a count").parse().expect("a number")
}

fn etags(node: &Node) -> Vec<Option<String>> {
    let etag = |seed| {
        let reply = node.get(&format!("/dir/file-{seed}?direct"));
        reply.strong_etag().map(str::to_owned)
    };
    (0..FILES).map(etag).collect()
}

#[test]
fn a_restarted_server_hashes_nothing_again() {
    let mut fleet = Fleet::ready(filled(), Setup::default());
    let read = bytes_read(&fleet.server);
    assert!(
        read >= TREE_BYTES,
        "hashing does not show: only {read} bytes were read"
    );
    let (before, revision) = (etags(&fleet.server), fleet.server.status().catalog.revision);
    assert!(before.iter().all(Option::is_some));
    assert!(fleet.server.stop().success(), "{}", fleet.server.log());

    let command = serve(&fleet.stage, "127.0.0.1:0", &[]);
    fleet.server = Node::start(&fleet.stage, "server", command);
    fleet.converge();
    let catalog = fleet.server.status().catalog;
    assert_eq!(catalog.files, FILES);
    assert!(catalog.revision >= revision, "revisions went back");
    let read = bytes_read(&fleet.server);
    assert!(read < TREE_BYTES / 4, "{read} bytes were read again");
    assert_eq!(etags(&fleet.server), before);
}

#[test]
fn a_killed_server_loses_no_hash_that_was_published() {
    let mut fleet = Fleet::ready(filled(), Setup::default());
    let before = etags(&fleet.server);
    fleet.server.kill();
    let command = serve(&fleet.stage, "127.0.0.1:0", &[]);
    fleet.server = Node::start(&fleet.stage, "server", command);
    fleet.converge();
    // To be asked first: downloads are read, too.
    let read = bytes_read(&fleet.server);
    assert!(read < TREE_BYTES / 4, "{read} bytes were read again");
    assert_eq!(etags(&fleet.server), before);
}

#[test]
fn a_restarted_mirror_fetches_nothing_again() {
    let mut fleet = Fleet::ready(
        filled(),
        Setup {
            mirrors: &[&[]],
            ..Setup::default()
        },
    );
    let copied = fleet.server.status().node.bytes_served;
    assert_eq!(copied, TREE_BYTES);
    let name = fleet.mirrors[0].status().node.name;
    // The second time it has no chance to put anything in order.
    for _ in 0..2 {
        assert!(fleet.mirrors[0].stop().success());
        restart_mirror(&mut fleet);
        assert_eq!(fleet.mirrors[0].status().node.name, name, "a new name");
        fleet.mirrors[0].kill();
        restart_mirror(&mut fleet);
        assert_eq!(
            fleet.server.status().node.bytes_served,
            copied,
            "fetched again"
        );
    }
    assert_eq!(etags(&fleet.mirrors[0]), etags(&fleet.server));
}

fn restart_mirror(fleet: &mut Fleet) {
    let command = mirror(&fleet.stage, "mirror-1", &fleet.server, &[]);
    fleet.mirrors[0] = Node::start(&fleet.stage, "mirror-1", command);
    let mirror = &fleet.mirrors[0];
    wait_for("a mirror that is connected", LONG, || {
        mirror.get(overspill_wire::paths::READY).status == 200
    });
    fleet.converge();
}

fn is_away(mirror: &Node) -> bool {
    mirror.status().node.server.as_deref() == Some("away")
}

fn warnings(mirror: &Node) -> usize {
    mirror.log().matches("the server is away").count()
}

#[test]
fn mirrors_serve_on_while_the_server_is_away() {
    let mut fleet = Fleet::ready(
        filled(),
        Setup {
            mirrors: TWO,
            ..Setup::default()
        },
    );
    let before = etags(&fleet.server);
    let address: SocketAddr = fleet.server.address;
    fleet.server.kill();
    for mirror in &fleet.mirrors {
        wait_for("a mirror that knows the server is away", LONG, || {
            is_away(mirror)
        });
        assert_eq!(etags(mirror), before);
        assert_eq!(mirror.list("/dir/").entries.len() as u64, FILES);
        assert_eq!(mirror.get("/absent").status, 404);
        assert_eq!(mirror.get(overspill_wire::paths::HEALTH).status, 200);
        // It has all that it was told of, so that a balancer in front keeps it.
        assert_eq!(mirror.get(overspill_wire::paths::READY).status, 200);
        let problems = mirror.status().problems;
        assert!(
            problems.iter().any(|problem| problem.contains("away")),
            "{problems:?}"
        );
    }
    // A new file comes while nobody looks.
    fleet.stage.write("dir/later", b"later");
    let command = serve(&fleet.stage, &address.to_string(), &[]);
    fleet.server = Node::start(&fleet.stage, "server", command);
    fleet.converge();
    for mirror in &fleet.mirrors {
        assert!(!is_away(mirror));
        assert_eq!(mirror.get("/dir/later").body, b"later");
        assert_eq!(warnings(mirror), 1, "{}", mirror.log());
        assert!(mirror.status().problems.is_empty());
    }
}

/// A mirror may be started first; it finds the server when there is one.
#[test]
fn a_mirror_with_a_store_starts_without_its_server() {
    let mut fleet = Fleet::ready(
        filled(),
        Setup {
            mirrors: &[&[]],
            ..Setup::default()
        },
    );
    let before = etags(&fleet.server);
    fleet.mirrors[0].kill();
    fleet.server.kill();
    let command = mirror(&fleet.stage, "mirror-1", &fleet.server, &[]);
    fleet.mirrors[0] = Node::start(&fleet.stage, "mirror-1", command);
    assert_eq!(etags(&fleet.mirrors[0]), before);
    let command = serve(&fleet.stage, &fleet.server.address.to_string(), &[]);
    fleet.server = Node::start(&fleet.stage, "server", command);
    fleet.converge();
}
