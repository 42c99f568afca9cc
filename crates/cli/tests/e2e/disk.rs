//! A mirror whose disk is full stops fetching, keeps serving, says so, and recovers.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    fleet::{Fleet, Setup, TWO},
    stage::{LONG, Stage, content, wait_for},
    tools::{Need, has, run},
};

const FILES: u64 = 40;
const FILE_BYTES: usize = 1 << 20;

/// A small disk outside the stage, which nodes leave before it is taken away.
pub(crate) struct Disk {
    at: TempDir,
}

impl Disk {
    pub(crate) fn mount(size: &str) -> Self {
        let at = tempfile::Builder::new()
            .prefix("overspill-e2e-disk-")
            .tempdir();
        let at = at.unwrap();
        let mut mount = Command::new("mount");
        mount.args([
            "-t",
            "tmpfs",
            "-o",
            &format!("size={size}"),
            "overspill-e2e",
        ]);
        run(mount.arg(at.path()));
        Self { at }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.at.path()
    }

    fn resize(&self, size: &str) {
        let mut mount = Command::new("mount");
        run(mount
            .args(["-o", &format!("remount,size={size}")])
            .arg(self.at.path()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a mirror that is just being killed may still have files open.
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.at.path())
            .status();
    }
}

#[test]
fn a_full_disk_stops_fetching_and_nothing_else() {
    let needs = [Need::Root, Need::Program("mount")];
    if !has("a_full_disk_stops_fetching_and_nothing_else", &needs) {
        return;
    }
    let stage = Stage::new();
    for seed in 0..FILES {
        stage.write(format!("file-{seed}"), &content(seed, FILE_BYTES));
    }
    let disk = Disk::mount("8m");
    symlink(disk.at.path(), stage.path("mirror-1")).unwrap();
    let fleet = Fleet::start(
        stage,
        Setup {
            mirrors: TWO,
            ..Setup::default()
        },
    );
    let full = &fleet.mirrors[0];
    wait_for("a mirror that says its disk is full", LONG, || {
        full.status()
            .problems
            .iter()
            .any(|problem| problem.contains("disk"))
    });
    let name = full.status().node.name;
    wait_for("a server that shows it", LONG, || {
        condition(&fleet, &name).contains("disk full")
    });
    assert_served_exactly(&fleet, disk.at.path());
    let held = objects(disk.at.path());
    assert!(held > 0, "it holds nothing: the test shows nothing");
    // Those with room are not held up.
    wait_for("the other mirror to be complete", LONG, || {
        fleet.mirrors[1].status().catalog.missing_objects == 0
    });
    assert!(full.status().catalog.missing_objects > 0);
    assert_eq!(full.log().matches("is full").count(), 1, "{}", full.log());

    disk.resize("128m");
    fleet.converge();
    assert_eq!(objects(disk.at.path()), FILES);
    assert_eq!(full.status().problems, Vec::<String>::new());
    wait_for("a server that shows no condition", LONG, || {
        condition(&fleet, &name).is_empty()
    });
}

fn condition(fleet: &Fleet, name: &str) -> String {
    let members = fleet.server.status().members;
    let member = members.into_iter().find(|member| member.name == name);
    member
        .and_then(|member| member.condition)
        .unwrap_or_default()
}

fn objects(store: &Path) -> u64 {
    let shards = fs::read_dir(store.join("objects")).unwrap();
    let count = |shard: fs::DirEntry| fs::read_dir(shard.path()).unwrap().count() as u64;
    shards.map(|shard| count(shard.unwrap())).sum()
}

/// What it has it serves; for the rest it sends clients back.
fn assert_served_exactly(fleet: &Fleet, store: &Path) {
    let full = &fleet.mirrors[0];
    let mut served = 0;
    for seed in 0..FILES {
        let reply = full.get(&format!("/file-{seed}"));
        if reply.status == 307 {
            let home = format!("{}/file-{seed}?avoid=", fleet.server.url);
            assert!(
                reply
                    .field("location")
                    .is_some_and(|to| to.starts_with(&home))
            );
            continue;
        }
        reply.assert_honest();
        assert!(reply.body == content(seed, FILE_BYTES), "file-{seed}");
        served += 1;
    }
    assert!(served <= objects(store), "more was served than is there");
    // Through the server everybody gets everything.
    for seed in 0..FILES {
        let reply = fleet.server.get(&format!("/file-{seed}?direct"));
        assert!(reply.body == content(seed, FILE_BYTES), "file-{seed}");
    }
}
