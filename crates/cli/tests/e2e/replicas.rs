//! Copies are exact: bytes, validators, fields and listings are the same on every node.

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, chown, symlink},
        process::CommandExt,
    },
    path::Path,
};

use overspill_core::path::encode_component;
use overspill_wire::listing::{Listed, ListedKind};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::{
    fleet::{Fleet, Node, OVERSPILL, Setup, TWO, serve},
    http::Reply,
    stage::{LONG, Stage, content, sha256, wait_for},
};

/// Names that have broken file servers: spaces, escapes, separators of URLs, other encodings.
const ODD_NAMES: [&[u8]; 14] = [
    b"two words.txt",
    b"per%cent%20",
    b"hash#tag",
    b"what?",
    b"plus+and&amp;",
    b"new\nline",
    b"not-utf8-\xff\xfe",
    "\u{fc}n\u{ef}c\u{f8}de \u{1f600}".as_bytes(),
    b"<script>alert(1)</script>",
    b"quote\"s'",
    b"back\\slash",
    b"semi;colon:colon",
    b"dots..",
    b"~tilde",
];

/// Fields that must not depend on the node.
const SAME_EVERYWHERE: [&str; 6] = [
    "etag",
    "last-modified",
    "content-type",
    "content-length",
    "repr-digest",
    "accept-ranges",
];

/// Fills the tree with everything that a real one has; the files that are to be served.
fn odd_tree(stage: &Stage) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut files: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (seed, name) in ODD_NAMES.iter().enumerate() {
        files.push((name.to_vec(), content(seed as u64, 100 + seed)));
        files.push(([b"deep/er/", *name].concat(), content(seed as u64, 3000)));
    }
    for (path, bytes) in [
        ("empty", 0),
        ("page.html", 1 << 10),
        ("one-group", 64 << 10),
        ("one-over", (64 << 10) + 1),
        ("nested/a/b/c/d/e/f/big.iso", 3 << 20),
        ("target/inside.bin", 5000),
    ] {
        files.push((path.into(), content(bytes as u64, bytes)));
    }
    for (path, bytes) in &files {
        stage.write(OsStr::from_bytes(path), bytes);
    }
    fs::create_dir(stage.tree().join("no-files")).unwrap();
    let inside = content(5000, 5000);
    files.push((b"link-to-file".to_vec(), inside.clone()));
    files.push((b"link-to-folder/inside.bin".to_vec(), inside));
    refused_entries(stage);
    files
}

/// Adds what must never be served: hidden, escaping, dangling, endless, special.
fn refused_entries(stage: &Stage) {
    let tree = stage.tree();
    symlink("target/inside.bin", tree.join("link-to-file")).unwrap();
    symlink("target", tree.join("link-to-folder")).unwrap();
    stage.write(".hidden", b"secret");
    stage.write(".git/config", b"secret");
    fs::write(stage.path("outside"), b"secret").unwrap();
    for (link, target) in [
        ("escape-up", "../outside"),
        ("escape-root", "/etc/passwd"),
        ("escape-folder", "/etc"),
        ("dangling", "nowhere"),
        ("loop", "loop"),
        ("loop-a", "loop-b"),
        ("loop-b", "loop-a"),
    ] {
        symlink(target, tree.join(link)).unwrap();
    }
    mknodat(CWD, tree.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
}

const REFUSED: [&str; 12] = [
    "/.hidden",
    "/.git/",
    "/.git/config",
    "/escape-up",
    "/escape-root",
    "/escape-folder/passwd",
    "/dangling",
    "/loop",
    "/loop-a",
    "/fifo",
    "/absent",
    "/empty/below-a-file",
];

fn url_path(path: &[u8]) -> String {
    let parts = path.split(|&byte| byte == b'/').map(encode_component);
    format!("/{}", parts.collect::<Vec<_>>().join("/"))
}

fn same_fields(reply: &Reply) -> Vec<Option<&str>> {
    let fields = SAME_EVERYWHERE.iter().map(|name| reply.field(name));
    fields.collect()
}

#[test]
fn every_file_is_the_same_on_every_node() {
    let stage = Stage::new();
    let files = odd_tree(&stage);
    let fleet = Fleet::ready(
        stage,
        Setup {
            mirrors: TWO,
            ..Setup::default()
        },
    );
    // A time of the current second may still change unnoticed and is not told (RFC 9110, 8.8.2.2).
    wait_for("settled times", LONG, || {
        fleet
            .nodes()
            .all(|node| node.get("/empty").field("last-modified").is_some())
    });
    for (path, bytes) in &files {
        let target = url_path(path);
        // `direct` keeps the server from sending us to a mirror.
        let reference = fleet.server.get(&format!("{target}?direct"));
        for node in fleet.nodes() {
            let reply = node.get(&format!("{target}?direct"));
            assert_eq!(reply.status, 200, "{target} on {}", node.url);
            reply.assert_honest();
            assert_eq!(
                sha256(&reply.body),
                sha256(bytes),
                "{target} on {}",
                node.url
            );
            assert!(reply.strong_etag().is_some(), "{target} on {}", node.url);
            assert!(
                reply.field("repr-digest").is_some(),
                "{target}: {}",
                reply.head
            );
            assert_eq!(
                same_fields(&reply),
                same_fields(&reference),
                "{target} on {}",
                node.url
            );
        }
    }
    for (node, target) in fleet
        .nodes()
        .flat_map(|node| REFUSED.map(|target| (node, target)))
    {
        let reply = node.get(target);
        assert_eq!(reply.status, 404, "{target} on {}", node.url);
        assert!(!reply.body.windows(6).any(|part| part == b"secret"));
    }
    let listed: usize = list_all(&fleet).len();
    assert_eq!(listed, files.len(), "files listed");
}

/// Walks the listings of all nodes at once, which must agree; the files found.
fn list_all(fleet: &Fleet) -> Vec<String> {
    let mut folders = vec!["/".to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let mut reference = fleet.server.list(&folder);
        reference.revision = 0;
        for node in &fleet.mirrors {
            let mut listing = node.list(&folder);
            listing.revision = 0;
            assert_eq!(listing, reference, "{folder} on {}", node.url);
        }
        for Listed { href, kind, .. } in &reference.entries {
            match kind {
                ListedKind::File => files.push(format!("{folder}{href}")),
                ListedKind::Folder => folders.push(format!("{folder}{href}")),
            }
        }
    }
    files
}

/// Root reads everything, so the server runs as somebody else if the test is root.
#[test]
fn an_unreadable_file_is_told_and_the_rest_goes_on() {
    const NOBODY: u32 = 65534;
    let stage = Stage::new();
    stage.write("locked", b"not for everybody");
    stage.write("open", b"for everybody");
    let locked = stage.tree().join("locked");
    fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
    let mut command = serve(&stage, "127.0.0.1:0", &[]);
    if rustix::process::getuid().is_root() {
        let binary = stage.path("overspill");
        fs::copy(OVERSPILL, &binary).unwrap();
        fs::set_permissions(stage.path(""), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(stage.path("state")).unwrap();
        chown(stage.path("state"), Some(NOBODY), Some(NOBODY)).unwrap();
        let args: Vec<_> = command.get_args().map(OsStr::to_owned).collect();
        command = std::process::Command::new(Path::new(&binary));
        command.args(args).uid(NOBODY).gid(NOBODY);
    }
    let server = Node::start(&stage, "server", command);
    wait_for("the open file's hash", LONG, || {
        server.get("/open").strong_etag().is_some()
    });
    assert_eq!(server.get("/locked").status, 403);
    wait_for("a problem that names the file", LONG, || {
        let problems = server.status().problems;
        problems.iter().any(|problem| problem.contains("locked"))
    });
    // Once it can be read it is published like any other.
    fs::set_permissions(&locked, Permissions::from_mode(0o644)).unwrap();
    wait_for("the file to be served", LONG, || {
        server.get("/locked").strong_etag().is_some()
    });
    wait_for("the problem to be settled", LONG, || {
        server.status().problems.is_empty()
    });
}
