//! Outboards, sources and complaints: what a client that pulls from many nodes works with.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use overspill_core::{
    catalog::{Change, Entry},
    path::CatalogPath,
    root::Root,
};
use overspill_store::{
    index::{Durability, Index, IndexBatch, Reset},
    outboard::{GROUP_BYTES, GroupSize, Outboard, OutboardBuilder},
    tree::{Hidden, Opened, Tree},
};
use overspill_wire::{
    paths,
    sources::{ComplaintMessage, SourcesReply},
};

use crate::{
    fleet::{Fleet, Node, Setup, TWO, serve},
    http::{self, Reply, Wire},
    stage::{LONG, Stage, content, wait_for},
};

/// A few pieces and an odd rest.
const SIZE_BYTES: usize = (5 << 20) + 77;

fn fleet() -> (Fleet, Vec<u8>) {
    let stage = Stage::new();
    let bytes = content(1, SIZE_BYTES);
    stage.write("a b.bin", &bytes);
    stage.write("piece.bin", &content(2, 1 << 20));
    let mirrors = TWO;
    let fleet = Fleet::ready(
        stage,
        Setup {
            mirrors,
            ..Setup::default()
        },
    );
    (fleet, bytes)
}

fn root_of(bytes: &[u8]) -> Root {
    Root(blake3::hash(bytes).into())
}

fn outboard_of(bytes: &[u8]) -> Outboard {
    let mut builder = OutboardBuilder::new();
    builder.update(bytes);
    builder.finish().1
}

fn outboard(node: &Node, root: Root, query: &str) -> Reply {
    node.get(&format!("{}/{root}{query}", paths::OUTBOARD))
}

fn sources(node: &Node, target: &str) -> SourcesReply {
    let reply = node.get(&format!("{}{target}", paths::SOURCES));
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 200, "{target}: {text}");
    serde_json::from_str(&text).expect("sources")
}

fn complain(node: &Node, body: &str) -> Reply {
    let mut wire = Wire::open(node.address).expect("a connection");
    wire.send(format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        paths::COMPLAINT,
        node.address,
        body.len()
    ));
    wire.reply()
}

fn complaint(member: &str, root: Root, offset: u64) -> String {
    let message = ComplaintMessage {
        member: member.to_owned(),
        path: "/a%20b.bin".to_owned(),
        root: root.to_string(),
        offset,
    };
    serde_json::to_string(&message).expect("a complaint")
}

/// Where a mirror of the stage keeps an object.
fn object(fleet: &Fleet, mirror: usize, root: Root) -> PathBuf {
    let hex = root.to_string();
    let store = fleet.stage.path(format!("mirror-{}", mirror + 1));
    store.join("objects").join(&hex[..2]).join(hex)
}

#[test]
fn every_node_gives_out_the_same_outboard() {
    let (fleet, bytes) = fleet();
    let expected = outboard_of(&bytes);
    let root = expected.root();
    let coarse = expected.coarsen(GroupSize::PIECE);
    for node in fleet.nodes() {
        let reply = outboard(node, root, "");
        assert_eq!(reply.status, 200, "{}", reply.head);
        assert!(!reply.is_cut());
        assert_eq!(reply.body, expected.to_bytes(), "{}", node.url);
        let etag = format!("\"ob-{root}-{GROUP_BYTES}\"");
        assert_eq!(reply.strong_etag(), Some(etag.as_str()));
        let cached = reply.field("cache-control").unwrap_or_default();
        assert!(cached.contains("immutable"), "{}", reply.head);
        let parsed = Outboard::parse(root, SIZE_BYTES as u64, &reply.body).expect("a proof");
        assert_eq!(parsed.verify(0, &bytes), Ok(()));

        let target = format!("{}/{root}", paths::OUTBOARD);
        let again = http::get(node.address, &target, &format!("If-None-Match: {etag}\r\n"));
        assert_eq!((again.status, again.body.len()), (304, 0), "{}", again.head);
        let reply = outboard(node, root, "?group=1048576");
        assert_eq!(reply.body, coarse.to_bytes(), "{}", reply.head);
        assert_ne!(reply.strong_etag(), Some(etag.as_str()));
    }
}

#[test]
fn what_has_no_outboard_is_said_clearly() {
    let (fleet, _) = fleet();
    let piece = root_of(&content(2, 1 << 20)).to_string();
    let unknown = root_of(b"nobody has this").to_string();
    for node in fleet.nodes() {
        for (rest, status, text) in [
            (piece.as_str(), 404, "up to 1 MiB have no outboard"),
            (&unknown, 404, "no content of this root"),
            ("b3", 400, "64 hexadecimal digits"),
            (&format!("{unknown}?group=65537"), 400, "a power of two"),
            (&format!("{unknown}?group=x"), 400, "a power of two"),
        ] {
            let reply = node.get(&format!("{}/{rest}", paths::OUTBOARD));
            let said = String::from_utf8_lossy(&reply.body);
            assert_eq!(reply.status, status, "{rest}: {said}");
            assert!(said.contains(text), "{rest}: {said}");
        }
    }
}

#[test]
fn an_outboard_that_is_lost_or_damaged_is_made_again() {
    let (fleet, bytes) = fleet();
    let expected = outboard_of(&bytes);
    let (root, hex) = (expected.root(), expected.root().to_string());
    let on_server = fleet.stage.path("state/outboards").join(&hex[..2]);
    let files = [
        (&fleet.server, on_server.join(format!("{hex}.ob"))),
        (
            &fleet.mirrors[0],
            object(&fleet, 0, root).with_extension("ob"),
        ),
    ];
    for (node, file) in files {
        assert_eq!(fs::read(&file).expect("an outboard"), expected.to_bytes());
        fs::remove_file(&file).expect("an outboard");
        assert!(!sources(node, "/a%20b.bin").has_outboard);
        wait_for("an outboard that is made", LONG, || {
            let reply = outboard(node, root, "");
            if reply.status != 200 {
                assert_eq!(reply.status, 503, "{}", reply.head);
                assert!(reply.field("retry-after").is_some(), "{}", reply.head);
                return false;
            }
            assert_eq!(reply.body, expected.to_bytes());
            true
        });
        assert!(sources(node, "/a%20b.bin").has_outboard);
        fs::write(&file, b"damaged").expect("an outboard");
        wait_for("an outboard that is made again", LONG, || {
            let reply = outboard(node, root, "?group=1048576");
            reply.status == 200 && fs::read(&file).is_ok_and(|now| now == expected.to_bytes())
        });
    }
}

#[test]
fn every_source_serves_every_piece() {
    let (fleet, bytes) = fleet();
    let expected = Arc::new(outboard_of(&bytes));
    let root = expected.root();
    for node in fleet.nodes() {
        wait_for("a node that knows the whole fleet", LONG, || {
            sources(node, "/a%20b.bin").sources.len() == 3
        });
        let told = sources(node, "/a%20b.bin");
        assert_eq!(told.path, "/a%20b.bin");
        assert_eq!(told.bytes, SIZE_BYTES as u64);
        assert_eq!(told.root, Some(root.to_string()));
        assert!(told.revision.is_some() && told.mtime_unix_ns > 0 && told.has_outboard);
        assert_eq!(
            (&told.node, &told.url),
            (&node.status().node.name, &node.url)
        );
        let costs: Vec<f64> = told.sources.iter().map(|source| source.cost_s).collect();
        assert!(costs.is_sorted(), "cheapest first: {costs:?}");
        let mut urls: Vec<&str> = told.sources.iter().map(|one| one.url.as_str()).collect();
        let mut all: Vec<&str> = fleet.nodes().map(|node| node.url.as_str()).collect();
        urls.sort_unstable();
        all.sort_unstable();
        assert_eq!(urls, all, "as told by {}", node.url);
        for source in &told.sources {
            let address: SocketAddr = source.url[7..].parse().expect("an address");
            let piece = expected.piece_around(1 << 20).expect("a piece");
            let fields = format!(
                "Range: bytes={}-{}\r\nIf-Match: {}\r\n",
                piece.start,
                piece.end - 1,
                root.etag()
            );
            let reply = http::get(address, "/a%20b.bin?direct", &fields);
            assert_eq!(reply.status, 206, "{}: {}", source.url, reply.head);
            assert_eq!(expected.verify(piece.start, &reply.body), Ok(()));
        }
    }
    let avoided = fleet.mirrors[0].status().node.name;
    let told = sources(&fleet.server, &format!("/a%20b.bin?avoid={avoided}"));
    let names: Vec<&str> = told.sources.iter().map(|one| one.member.as_str()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(!names.contains(&avoided.as_str()), "{names:?}");
}

#[test]
fn what_has_no_sources_is_said_clearly() {
    let (fleet, _) = fleet();
    for (target, status) in [("/absent", 404), ("/", 404), ("/a%2", 400)] {
        let reply = fleet.server.get(&format!("{}{target}", paths::SOURCES));
        assert_eq!(reply.status, status, "{target}: {}", reply.head);
    }
    // A file that is written without a pause has no root, and nobody else can have it.
    let mut written = 0;
    wait_for("a file that is there and not hashed", LONG, || {
        written += 1;
        fleet.stage.write("hot", &content(written, 2 << 20));
        let reply = fleet.server.get(&format!("{}/hot", paths::SOURCES));
        let Ok(told) = serde_json::from_slice::<SourcesReply>(&reply.body) else {
            return false;
        };
        let names: Vec<&str> = told.sources.iter().map(|one| one.member.as_str()).collect();
        told.root.is_none() && names == ["server"]
    });
}

#[test]
fn a_founded_complaint_has_the_object_fetched_again() {
    let (fleet, bytes) = fleet();
    let root = root_of(&bytes);
    let at = object(&fleet, 0, root);
    let mut spoilt = bytes.clone();
    spoilt[(3 << 20) + 5] ^= 0x10;
    fs::write(&at, &spoilt).expect("an object");
    let [bad, good] = [0, 1].map(|at: usize| fleet.mirrors[at].status().node.name);
    for (member, offset) in [(&good, 3 << 20), (&bad, 0)] {
        let reply = complain(&fleet.server, &complaint(member, root, offset));
        assert_eq!(reply.status, 202, "{}", reply.head);
    }
    // Of those two the first is not true and the second names a piece that is right.
    let reply = complain(&fleet.server, &complaint(&bad, root, (3 << 20) + 900));
    assert_eq!(reply.status, 202);
    let quarantined = fleet
        .stage
        .path("mirror-1/quarantine")
        .join(root.to_string());
    wait_for("the object to be set aside", LONG, || quarantined.is_file());
    assert_eq!(fs::read(&quarantined).expect("an object"), spoilt);
    wait_for("a good object in its place", LONG, || {
        fs::read(&at).is_ok_and(|now| now == bytes)
    });
    wait_for("a mirror that counts it", LONG, || {
        fleet.mirrors[0].status().catalog.damaged == 1
    });
    let log = fleet.server.log();
    assert_eq!(log.matches("serves wrong bytes").count(), 1, "{log}");
    assert!(log.contains(&bad) && !quarantined_by(&fleet, 1, root));
    // Whoever was proved wrong gets no clients for a while; the other does.
    let told = sources(&fleet.server, "/a%20b.bin");
    let names: Vec<&str> = told.sources.iter().map(|one| one.member.as_str()).collect();
    assert!(!names.contains(&bad.as_str()), "{names:?}");
    assert!(names.contains(&good.as_str()), "{names:?}");
}

fn quarantined_by(fleet: &Fleet, mirror: usize, root: Root) -> bool {
    let store = fleet.stage.path(format!("mirror-{}", mirror + 1));
    store.join("quarantine").join(root.to_string()).exists()
}

#[test]
fn a_mirror_looks_at_what_is_said_of_itself() {
    let (fleet, bytes) = fleet();
    let root = root_of(&bytes);
    let at = object(&fleet, 1, root);
    fs::write(&at, &bytes[..SIZE_BYTES / 2]).expect("an object");
    let mirror = &fleet.mirrors[1];
    let name = mirror.status().node.name;
    let last = SIZE_BYTES as u64 - 1;
    assert_eq!(complain(mirror, &complaint(&name, root, last)).status, 202);
    wait_for("a good object in its place", LONG, || {
        fs::read(&at).is_ok_and(|now| now == bytes)
    });
    assert!(quarantined_by(&fleet, 1, root));
}

#[test]
fn a_complaint_that_is_none_is_refused() {
    let (fleet, bytes) = fleet();
    let root = root_of(&bytes);
    for node in fleet.nodes() {
        for body in ["", "{}", "[]", &complaint("NO NAME", root, 0)] {
            let reply = complain(node, body);
            assert_eq!(reply.status, 400, "{body}: {}", reply.head);
        }
        let long = " ".repeat(100_000);
        assert_eq!(complain(node, &long).status, 413);
        // About nobody, and about what nobody holds.
        let other = root_of(b"other");
        assert_eq!(complain(node, &complaint("m-0", root, 0)).status, 202);
        assert_eq!(complain(node, &complaint("server", other, 0)).status, 202);
    }
}

/// Nobody can change a file's bytes and not its times. So the bytes are changed while the server is
/// down, and its index is told of the new times: to the server it is a file that nobody touched.
fn spoil(stage: &Stage, path: &CatalogPath, bytes: &[u8]) {
    stage.write(path.to_text().as_ref(), bytes);
    let tree = Tree::open(&stage.tree(), Hidden::Hide).expect("a tree");
    let Ok(Opened::File(live)) = tree.open_path(path) else {
        panic!("the file is there");
    };
    let (index, _) = Index::open(&stage.path("state/index.redb")).expect("an index");
    let catalog = index.load().expect("an index").expect("a catalog");
    let entry = Entry {
        mtime_ns: live.facts.mtime_ns,
        stamp: Some(live.facts.stamp),
        ..Entry::clone(catalog.entry(path).expect("an entry"))
    };
    let change = Change {
        revision: catalog.revision(),
        path: path.clone(),
        entry: Some(Arc::new(entry)),
    };
    let batch = IndexBatch {
        instance: catalog.instance(),
        revision: catalog.revision(),
        changes: &[change],
        reset: Reset::Keep,
        objects_added: &[],
        objects_removed: &[],
        durability: Durability::Immediate,
    };
    index.commit(batch).expect("an index");
}

/// The server compares what mirrors send with its own bytes, every five seconds.
#[test]
fn a_damaged_server_does_not_blame_its_mirrors() {
    let stage = Stage::new();
    let bytes = content(1, SIZE_BYTES);
    stage.write("a b.bin", &bytes);
    let mirrors: &[&[&str]] = &[&[]];
    let mut fleet = Fleet::ready(
        stage,
        Setup {
            mirrors,
            ..Setup::default()
        },
    );
    assert!(fleet.server.stop().success());
    let spoilt: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
    let path = CatalogPath::parse(b"a b.bin").expect("a path");
    spoil(&fleet.stage, &path, &spoilt);
    let listen = fleet.server.address.to_string();
    let command = serve(&fleet.stage, &listen, &["--scrub-rate", "1GiB/s"]);
    fleet.server = Node::start(&fleet.stage, "server", command);
    wait_for("a server that has found its own damage", LONG, || {
        fleet.server.status().catalog.damaged == 1
    });
    let log = fleet.server.log();
    assert!(!log.contains("serves wrong bytes"), "{log}");
    assert!(!quarantined_by(&fleet, 0, root_of(&bytes)));
}

#[test]
fn a_file_that_is_damaged_on_the_server_is_served_by_mirrors_until_it_is_put_back() {
    let (mut fleet, bytes) = fleet();
    let root = root_of(&bytes);
    let path = CatalogPath::parse(b"a b.bin").expect("a path");
    assert!(fleet.server.stop().success());
    let mut spoilt = bytes.clone();
    spoilt[4 << 20] ^= 1;
    spoil(&fleet.stage, &path, &spoilt);
    let listen = fleet.server.address.to_string();
    let command = serve(&fleet.stage, &listen, &["--scrub-rate", "1GiB/s"]);
    fleet.server = Node::start(&fleet.stage, "server", command);
    fleet.converge();
    assert_eq!(fleet.server.status().catalog.damaged, 0);
    let there = complaint("server", root, 4 << 20);
    assert_eq!(complain(&fleet.server, &there).status, 202);
    wait_for("a server that has found the damage", LONG, || {
        fleet.server.status().catalog.damaged == 1
    });
    let problems = fleet.server.status().problems.join("\n");
    assert!(problems.contains("/a b.bin"), "{problems}");
    let log = fleet.server.log();
    assert_eq!(log.matches("a file is damaged").count(), 1, "{log}");
    // No redirect: the client need not know.
    wait_for("the right bytes, from a mirror", LONG, || {
        let reply = fleet.server.get("/a%20b.bin");
        reply.assert_honest();
        assert!(reply.status != 200 || reply.body == bytes, "damaged bytes");
        reply.status == 200
    });
    assert_eq!(fleet.server.get("/a%20b.bin?direct").status, 403);
    let names: Vec<String> = sources(&fleet.server, "/a%20b.bin")
        .sources
        .into_iter()
        .map(|source| source.member)
        .collect();
    assert!(!names.contains(&"server".to_owned()), "{names:?}");

    fleet.stage.write("a b.bin", &bytes);
    wait_for("the file from the server again", LONG, || {
        let reply = fleet.server.get("/a%20b.bin?direct");
        reply.status == 200 && reply.strong_etag() == Some(root.etag().as_str())
    });
    wait_for("a status without damage", LONG, || {
        let status = fleet.server.status();
        status.catalog.damaged == 0 && status.problems.is_empty()
    });
}
