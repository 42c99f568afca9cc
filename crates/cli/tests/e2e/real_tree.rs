//! A tree that nobody made for a test: tens of thousands of files, as a machine has them.
//!
//! It takes minutes, so it runs only when it is given a tree, best in release:
//! `OVERSPILL_E2E_TREE=/usr/share cargo test --release -p overspill-cli --test e2e real_tree`

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use overspill_core::path::CatalogPath;
use overspill_wire::listing::ListedKind;

use crate::{
    fleet::{Fleet, Node, Setup, TWO, say},
    http::Wire,
    stage::{Stage, sha256, wait_for},
};

/// Hashing and copying a few gigabytes on a small machine.
const PATIENCE: Duration = Duration::from_secs(1200);

#[test]
fn a_real_tree_converges_and_every_file_is_exact() {
    let Some(tree) = env::var_os("OVERSPILL_E2E_TREE").map(PathBuf::from) else {
        return say("skipped a_real_tree_converges_and_every_file_is_exact: no OVERSPILL_E2E_TREE");
    };
    let stage = Stage::alone();
    // The tree itself is the command's argument; only its name has to be in the stage.
    fs::remove_dir(stage.tree()).unwrap();
    symlink(&tree, stage.tree()).unwrap();
    let fleet = Fleet::start(
        stage,
        Setup {
            mirrors: TWO,
            ..Setup::default()
        },
    );
    let took = wait_for("a converged fleet", PATIENCE, || fleet.has_converged());
    let catalog = fleet.server.status().catalog;
    let (files, seconds) = (catalog.files, took.as_secs_f64());
    say(format_args!(
        "{files} files, {} bytes: converged after {seconds:.1} s",
        catalog.bytes
    ));
    let mut connections: Vec<_> = fleet.nodes().map(Keep::new).collect();
    let mut compared = 0;
    for_each_file(&fleet.server, &mut |path, target| {
        let disk = fs::read(tree.join(OsStr::from_bytes(path.as_bytes()))).unwrap();
        let expected = sha256(&disk);
        for connection in &mut connections {
            let body = connection.get(target);
            assert_eq!(
                sha256(&body),
                expected,
                "{target} on {}",
                connection.node.url
            );
        }
        compared += 1;
    });
    assert_eq!(compared, files);
    let on_disk = count(&tree);
    say(format_args!(
        "{compared} files compared on three nodes; {on_disk} plain files on the disk"
    ));
    assert!(files >= on_disk, "{files} of {on_disk} files are published");
}

/// Plain files that are not hidden, without those behind symlinks.
fn count(folder: &Path) -> u64 {
    let mut files = 0;
    for child in fs::read_dir(folder).unwrap() {
        let child = child.unwrap();
        let kind = child.file_type().unwrap();
        if child.file_name().as_bytes().starts_with(b".") {
            continue;
        }
        files += match (kind.is_dir(), kind.is_file()) {
            (true, _) => count(&child.path()),
            (_, true) => 1,
            _ => 0,
        };
    }
    files
}

/// Walks the listings, page by page.
fn for_each_file(node: &Node, see: &mut dyn FnMut(&CatalogPath, &str)) {
    let mut folders = vec!["/".to_owned()];
    while let Some(folder) = folders.pop() {
        let mut page = node.list(&folder);
        loop {
            for entry in &page.entries {
                let target = format!("{folder}{}", entry.href);
                match entry.kind {
                    ListedKind::Folder => folders.push(target),
                    ListedKind::File => {
                        let path = CatalogPath::from_url(target.as_bytes()).unwrap().path;
                        see(&path, &target);
                    }
                }
            }
            let Some(cursor) = page.next else { break };
            let reply = node.get(&format!("{folder}?format=json&cursor={cursor}"));
            page = serde_json::from_slice(&reply.body).unwrap();
        }
    }
}

/// One connection for everything.
struct Keep<'a> {
    node: &'a Node,
    wire: Wire,
}

impl<'a> Keep<'a> {
    fn new(node: &'a Node) -> Self {
        let wire = Wire::open(node.address).unwrap();
        Self { node, wire }
    }

    fn get(&mut self, target: &str) -> Vec<u8> {
        let line = format!("GET {target}?direct HTTP/1.1\r\nHost: h\r\n\r\n");
        self.wire.send(line);
        let reply = self.wire.reply();
        assert_eq!(reply.status, 200, "{target} on {}", self.node.url);
        reply.body
    }
}
