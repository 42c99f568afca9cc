//! A configuration that changes while its service runs: nothing is cut, what can be is in force, and
//! what cannot is said.

use std::{
    fs,
    os::unix::fs::{OpenOptionsExt, symlink},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

use rustix::{
    fs::OFlags,
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

use crate::{
    fleet::{Fleet, Node, Setup, serve},
    stage::{LONG, Stage, content, sha256, wait_for},
    tls::renewal::Pair,
    tools::{Need, has},
};

mod kinds;

/// A configuration file of a stage.
pub(crate) struct File {
    path: PathBuf,
}

impl File {
    pub(crate) fn new(stage: &Stage, text: &str) -> Self {
        let path = stage.path("overspill.toml");
        fs::write(&path, text).unwrap();
        Self { path }
    }

    pub(crate) fn args(&self) -> [&str; 2] {
        ["--config", self.path.to_str().unwrap()]
    }

    /// Puts another file in its place, as careful programs do.
    pub(crate) fn replace(&self, text: &str) {
        let new = self.path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &self.path).unwrap();
    }
}

const TAKEN: &str = "configuration changed";
const NOT_TAKEN: &str = "is not taken over";

/// How often a node's log says something.
pub(crate) fn said(node: &Node, text: &str) -> usize {
    node.log().matches(text).count()
}

/// Waits until a node's log has said something once more than so often.
pub(crate) fn said_again(node: &Node, text: &str, before: usize) {
    wait_for(text, LONG, || said(node, text) > before);
}

/// Bytes of a download that outlasts all changes.
const LONG_BYTES: usize = 6 << 20;
const DOWNLOADS: usize = 50;
const CHANGES: usize = 20;

/// A configuration with marks of its number.
fn good(number: usize) -> String {
    let policies = ["random", "two-choices", "marginal-cost"];
    format!(
        "[serve]\npolicy = {:?}\noffload = \"never\"\nscan_every = {}\n\
         [limits]\nmax_connections = {}\nidle_timeout = \"{}s\"\nmax_egress = \"{}GiB/s\"\n\
         [[rule]]\nmatch = [\"*\"]\nheaders = {{ X-Change = \"{number}\" }}\n",
        policies[number % policies.len()],
        30 + number,
        1000 + number,
        60 + number,
        1 + number
    )
}

fn download(fleet: &Fleet, number: usize) -> Child {
    let url = format!("{}/long.bin", fleet.server.url);
    let out = fleet.stage.path(format!("long.{number}"));
    Command::new("curl")
        .args(["-sS", "--fail", "--limit-rate", "300K", "-o"])
        .arg(out)
        .arg(url)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wrk(fleet: &Fleet) -> Child {
    let url = format!("{}/small.txt", fleet.server.url);
    Command::new("wrk")
        .args(["-t1", "-c16", "-d18s", "--timeout", "30s"])
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Changes the file, good and bad in turn, seen by itself or by a signal; each has its effect before
/// the next one comes.
fn change(fleet: &Fleet, file: &File, number: usize) {
    let is_bad = number % 2 == 1;
    let (text, sign) = match is_bad {
        true => ("[limits]\nmax_conections = 1\n".to_owned(), NOT_TAKEN),
        false => (good(number), TAKEN),
    };
    let before = said(&fleet.server, sign);
    file.replace(&text);
    if number % 4 >= 2 {
        fleet.server.signal(Signal::HUP);
    }
    said_again(&fleet.server, sign, before);
    wait_for("the status", LONG, || {
        let problems = fleet.server.status().problems;
        is_bad
            == problems
                .iter()
                .any(|problem| problem.contains("max_conections"))
    });
}

#[test]
fn twenty_changes_under_load_cut_nothing() {
    let needs = [Need::Program("curl"), Need::Program("wrk")];
    if !has("twenty_changes_under_load_cut_nothing", &needs) {
        return;
    }
    let stage = Stage::alone();
    let long = content(7, LONG_BYTES);
    stage.write("long.bin", &long);
    stage.write("small.txt", b"hello world");
    let file = File::new(&stage, &good(0));
    let setup = Setup {
        server: &file.args(),
        mirrors: &[],
    };
    let fleet = Fleet::ready(stage, setup);
    let downloads: Vec<_> = (0..DOWNLOADS)
        .map(|number| download(&fleet, number))
        .collect();
    let load = wrk(&fleet);
    for number in 1..=CHANGES {
        change(&fleet, &file, number);
    }
    let under_way = fleet.server.status().node.flows;
    for (number, download) in downloads.into_iter().enumerate() {
        let ended = download.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "download {number}: {told}");
        let bytes = fs::read(fleet.stage.path(format!("long.{number}"))).unwrap();
        assert_eq!(sha256(&bytes), sha256(&long), "download {number}");
    }
    assert!(under_way > 0, "the changes outlasted the downloads");
    let report = String::from_utf8(load.wait_with_output().unwrap().stdout).unwrap();
    assert!(report.contains("requests in"), "{report}");
    for failure in ["Non-2xx", "Socket errors"] {
        assert!(!report.contains(failure), "{report}");
    }
    let last = fleet.server.get("/small.txt");
    let number = CHANGES.to_string();
    assert_eq!(last.field("x-change"), Some(&*number), "{}", last.head);
    crate::fleet::say(format_args!(
        "{CHANGES} changes, {DOWNLOADS} downloads whole, {}",
        report
            .lines()
            .find(|line| line.contains("requests in"))
            .unwrap_or_default()
            .trim()
    ));
}

#[test]
fn new_limits_are_in_force() {
    let stage = Stage::alone();
    stage.write("big.bin", &content(9, 6 << 20));
    stage.write("small.txt", b"hello world");
    let file = File::new(&stage, "[limits]\nrate_per_client = \"1GiB/s\"\n");
    let setup = Setup {
        server: &file.args(),
        mirrors: &[],
    };
    let fleet = Fleet::ready(stage, setup);
    file.replace("[limits]\nrate_per_client = \"2MiB/s\"\n");
    said_again(&fleet.server, TAKEN, 0);
    // Cores look once a second: it is in force when a download takes as long as it has to.
    wait_for("a rate that is kept", LONG, || {
        let begun = Instant::now();
        assert_eq!(fleet.server.get("/big.bin").status, 200);
        begun.elapsed().as_secs_f64() > 1.5
    });
    file.replace("[limits]\nmax_requests_per_client = 3\n");
    said_again(&fleet.server, "max_requests_per_client", 0);
    wait_for("a client that asks too often", LONG, || {
        (0..10).any(|_| fleet.server.get("/small.txt").status == 429)
    });
    file.replace("");
    wait_for("a client that may ask again", LONG, || {
        (0..10).all(|_| fleet.server.get("/small.txt").status == 200)
    });
    wait_for("a client that may have all at once", LONG, || {
        let begun = Instant::now();
        let status = fleet.server.get("/big.bin").status;
        status == 200 && begun.elapsed().as_secs_f64() < 1.0
    });
}

#[test]
fn what_needs_a_restart_is_said_and_what_wins_over_the_file_too() {
    let stage = Stage::new();
    stage.write("small.txt", b"hello world");
    let file = File::new(&stage, "[serve]\nthreads = 1\npolicy = \"random\"\n");
    let args = [&file.args()[..], &["--policy", "two-choices"]].concat();
    let setup = Setup {
        server: &args,
        mirrors: &[],
    };
    let fleet = Fleet::ready(stage, setup);
    file.replace("[serve]\nthreads = 2\nhidden = true\npolicy = \"alternate\"\nscan_every = 77\n");
    fleet.server.signal(Signal::HUP);
    said_again(&fleet.server, "needs a restart: hidden, threads", 0);
    let log = fleet.server.log();
    let line = |key: &str| {
        log.lines()
            .find(|line| line.contains(key))
            .map(str::to_owned)
    };
    let changed = line("serve.scan_every").unwrap();
    assert!(changed.contains("from=60 to=77"), "{changed}");
    let overridden = line("serve.policy").unwrap();
    assert!(
        overridden.contains("overridden") && overridden.contains("--policy"),
        "{overridden}"
    );
    // Still not in force, so it is said again.
    fleet.server.signal(Signal::HUP);
    said_again(&fleet.server, "needs a restart: hidden, threads", 1);
    assert_eq!(said(&fleet.server, "serve.scan_every"), 1);
}

#[test]
fn a_hang_up_without_a_file_ends_nothing() {
    let stage = Stage::new();
    let fleet = Fleet::ready(stage, Setup::default());
    fleet.server.signal(Signal::HUP);
    said_again(&fleet.server, "nothing has changed", 0);
    assert_eq!(fleet.server.get("/").status, 200);
}

#[test]
fn a_service_at_a_terminal_ends_with_it() {
    let stage = Stage::new();
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = fs::File::options()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed())
        .open(name);
    let mut command = serve(&stage, "127.0.0.1:0", &[]);
    let log = stage.path("log");
    let child = command
        .stdin(terminal.unwrap())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn();
    let mut child = child.unwrap();
    // The command holds the terminal open, too.
    drop(command);
    let hang_up = |child: &Child| {
        let pid = Pid::from_child(child);
        kill_process(pid, Signal::HUP).unwrap();
    };
    let said = |text: &str| fs::read_to_string(&log).unwrap().contains(text);
    wait_for("a start", LONG, || said("node-started"));
    hang_up(&child);
    wait_for("a reload", LONG, || said("nothing has changed"));
    drop(master);
    hang_up(&child);
    wait_for("its end", LONG, || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_folder_of_links_that_is_swapped_at_once_is_noticed() {
    let stage = Stage::new();
    stage.write("small.txt", b"hello world");
    // As Kubernetes mounts a ConfigMap.
    let mount = stage.path("mount");
    for (version, text) in [("v1", ""), ("v2", "[serve]\nscan_every = 88\n")] {
        fs::create_dir_all(mount.join(version)).unwrap();
        fs::write(mount.join(version).join("overspill.toml"), text).unwrap();
    }
    symlink("v1", mount.join("..data")).unwrap();
    symlink("..data/overspill.toml", mount.join("overspill.toml")).unwrap();
    let config = mount.join("overspill.toml");
    let setup = Setup {
        server: &["--config", config.to_str().unwrap()],
        mirrors: &[],
    };
    let fleet = Fleet::ready(stage, setup);
    symlink("v2", mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    said_again(&fleet.server, "to=88", 0);
    fs::remove_dir_all(mount.join("v2")).unwrap();
    said_again(&fleet.server, "give a readable file", 0);
    let problems = fleet.server.status().problems;
    assert!(
        problems.iter().any(|one| one.contains("is not in force")),
        "{problems:?}"
    );
}
