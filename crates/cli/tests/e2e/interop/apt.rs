//! apt, with a repository of one package and all its state in the test's own folder.
//!
//! It must never read the machine's sources, nor touch what is installed.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::{
    fleet::{Fleet, Node, Setup, TWO},
    stage::{Stage, content, sha256},
    tools::{Need, has, run},
};

/// Incompressible, so that the package is large enough to be redirected.
const PAYLOAD_BYTES: usize = 300 << 10;
const PACKAGE: &str = "overspill-sample";
const FILE: &str = "overspill-sample_1.0_all.deb";
const CONTROL: &str = "Package: overspill-sample\nVersion: 1.0\nArchitecture: all\n\
                       Maintainer: Nobody <nobody@example.org>\nDescription: a sample\n";

fn is_possible(test: &str) -> bool {
    has(test, &["apt-get", "dpkg-deb", "gpg"].map(Need::Program))
}

/// A flat repository in `debian/` of the tree; the bytes of its package.
fn repository(stage: &Stage) -> Vec<u8> {
    let package = stage.path("package");
    fs::create_dir_all(package.join("DEBIAN")).unwrap();
    fs::create_dir_all(package.join("usr/share/sample")).unwrap();
    fs::write(package.join("DEBIAN/control"), CONTROL).unwrap();
    let payload = content(43, PAYLOAD_BYTES);
    fs::write(package.join("usr/share/sample/data"), payload).unwrap();
    let built = stage.path(FILE);
    let mut build = Command::new("dpkg-deb");
    build.args(["--build", "--root-owner-group"]);
    run(build.arg(&package).arg(&built));
    let bytes = fs::read(&built).unwrap();
    let index = format!(
        "{CONTROL}Filename: ./{FILE}\nSize: {}\nSHA256: {}\n\n",
        bytes.len(),
        hex(&bytes)
    );
    let release = format!(
        "Date: Thu, 01 Jan 2026 00:00:00 UTC\nSuite: test\nSHA256:\n {} {} Packages\n",
        hex(index.as_bytes()),
        index.len()
    );
    stage.write(format!("debian/{FILE}"), &bytes);
    stage.write("debian/Packages", index.as_bytes());
    fs::write(stage.path("Release"), release).unwrap();
    sign(stage);
    bytes
}

/// Signs `Release` as `debian/InRelease` of the tree, by a new key whose public half is `key.gpg`.
///
/// Without a signature apt asks every mirror for one that is nowhere, and takes a dead mirror for the
/// reason that it is not found.
fn sign(stage: &Stage) {
    let home = stage.path("gnupg");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = |args: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--homedir"]).arg(&home);
        run(gpg.current_dir(stage.path("")).args(args));
    };
    let algorithm = ["ed25519", "sign", "never"];
    let make = ["--passphrase", "", "--quick-gen-key", "sample@example.org"];
    gpg(&[make.as_slice(), &algorithm].concat());
    gpg(&[
        "--clearsign",
        "--output",
        "tree/debian/InRelease",
        "Release",
    ]);
    gpg(&["--output", "key.gpg", "--export"]);
    let mut end = Command::new("gpgconf");
    run(end.arg("--homedir").arg(&home).args(["--kill", "all"]));
}

fn hex(bytes: &[u8]) -> String {
    let sum = sha256(bytes);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fleet() -> (Fleet, Vec<u8>) {
    let stage = Stage::new();
    let package = repository(&stage);
    let setup = Setup {
        mirrors: TWO,
        ..Setup::default()
    };
    (Fleet::ready(stage, setup), package)
}

/// An apt of its own below `folder`, with one source.
struct Apt<'a> {
    folder: &'a Path,
}

impl<'a> Apt<'a> {
    fn new(stage: &Stage, folder: &'a Path, source: &str) -> Self {
        for part in [
            "state/lists/partial",
            "cache/archives/partial",
            "etc/none",
            "log",
        ] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        fs::write(folder.join("state/status"), "").unwrap();
        let key = stage.path("key.gpg");
        let line = format!("deb [signed-by={}] {source} ./\n", key.display());
        fs::write(folder.join("etc/sources.list"), line).unwrap();
        let none = folder.join("etc/none");
        let config = format!(
            "Dir \"{folder}\";\nDir::State \"{folder}/state\";\n\
             Dir::State::status \"{folder}/state/status\";\nDir::Cache \"{folder}/cache\";\n\
             Dir::Etc::sourcelist \"{folder}/etc/sources.list\";\n\
             Dir::Etc::sourceparts \"{none}\";\nDir::Etc::main \"/dev/null\";\n\
             Dir::Etc::parts \"{none}\";\nDir::Etc::trustedparts \"{none}\";\n\
             Dir::Etc::preferencesparts \"{none}\";\nDir::Log \"{folder}/log\";\n\
             APT::Sandbox::User \"\";\nAPT::Architecture \"amd64\";\n\
             APT::Architectures {{ \"amd64\"; }};\nAcquire::Languages \"none\";\n\
             Acquire::Retries \"0\";\n",
            folder = folder.display(),
            none = none.display(),
        );
        fs::write(folder.join("apt.conf"), config).unwrap();
        Self { folder }
    }

    /// Runs apt-get; what it printed.
    fn run(&self, args: &[&str]) -> String {
        let mut apt = Command::new("apt-get");
        apt.env("APT_CONFIG", self.folder.join("apt.conf"));
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy"] {
            apt.env_remove(name);
        }
        let output = run(apt.current_dir(self.folder).args(args));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Fetches the index and then the package, each time from whom the list says; what was printed
    /// about the index.
    fn fetch(&self, package: &[u8]) -> String {
        let told = self.run(&["update", "--error-on=any"]);
        self.run(&["download", PACKAGE]);
        assert!(fs::read(self.folder.join(FILE)).unwrap() == package);
        self.run(&["--yes", "--download-only", "install", PACKAGE]);
        let cached = self.folder.join("cache/archives").join(FILE);
        assert!(fs::read(cached).unwrap() == package);
        told
    }
}

fn list_url(node: &Node) -> String {
    format!("{}/-/mirrors.apt?path=/debian", node.url)
}

#[test]
fn apt_installs_by_the_list_of_any_node() {
    if !is_possible("apt_installs_by_the_list_of_any_node") {
        return;
    }
    let (fleet, package) = fleet();
    for (at, node) in fleet.nodes().enumerate() {
        let folder = fleet.stage.path(format!("apt-{at}"));
        let source = format!("mirror+{}", list_url(node));
        Apt::new(&fleet.stage, &folder, &source).fetch(&package);
    }
}

#[test]
fn apt_goes_on_when_a_mirror_of_its_list_is_dead() {
    if !is_possible("apt_goes_on_when_a_mirror_of_its_list_is_dead") {
        return;
    }
    let (mut fleet, package) = fleet();
    let list = fleet.server.get("/-/mirrors.apt?path=/debian").body;
    fleet.mirrors[0].kill();
    let path = fleet.stage.path("mirrors.txt");
    fs::write(&path, dead_first(&list, &fleet.mirrors[0])).unwrap();
    let kept = fleet.stage.path("apt-kept");
    let source = format!("mirror+file:{}", path.display());
    let told = Apt::new(&fleet.stage, &kept, &source).fetch(&package);
    assert!(
        told.contains("//127.0.0.2:"),
        "the dead one was asked: {told}"
    );
    let asked = fleet.stage.path("apt-asked");
    let source = format!("mirror+{}", list_url(&fleet.server));
    Apt::new(&fleet.stage, &asked, &source).fetch(&package);
}

/// The list with the dead mirror before all others, at an address of its own: apt remembers a dead
/// address without its port, and here all nodes share one.
fn dead_first(list: &[u8], dead: &Node) -> String {
    let list = String::from_utf8_lossy(list);
    let is_dead = |line: &&str| line.starts_with(&dead.url);
    assert_eq!(list.lines().filter(is_dead).count(), 1, "{list}");
    let moved = dead.url.replace("127.0.0.1", "127.0.0.2");
    let alive = list.lines().filter(|line| !is_dead(line));
    let lines = alive.map(|line| format!("{line}\n"));
    format!("{moved}/debian/\tpriority:0\n") + &lines.collect::<String>()
}
