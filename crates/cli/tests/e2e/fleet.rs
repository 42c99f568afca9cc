//! Real nodes: started as child processes, watched, killed.
//!
//! Every node listens on a free port of the loopback and ends with its test. When a test fails each
//! of its nodes shows the end of its log. It must never wait for time to pass, only for conditions.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use overspill_wire::{listing::Listing, paths, status::FleetStatus};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    http::{self, Reply},
    stage::{LONG, Stage, wait_for},
};

/// The command under test.
pub(crate) const OVERSPILL: &str = env!("CARGO_BIN_EXE_overspill");

/// A running node.
pub(crate) struct Node {
    /// Where it serves, without a slash at the end.
    pub(crate) url: String,
    /// The same as an address.
    pub(crate) address: SocketAddr,
    /// Where it speaks https, if it does.
    pub(crate) secure: Option<SocketAddr>,
    /// What it printed at its start.
    greeting: String,
    child: Child,
    log: PathBuf,
}

/// Bytes of its log that a node of a failed test shows.
const TAIL_BYTES: usize = 3000;

impl Node {
    /// Starts a node by a command that prints its URL.
    pub(crate) fn start(stage: &Stage, name: &str, mut command: Command) -> Self {
        let (out, log) = (
            stage.path(format!("{name}.out")),
            stage.path(format!("{name}.log")),
        );
        let append = || File::options().create(true).append(true).open(&log);
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("a file for the output"))
            .stderr(append().expect("a file for the log"))
            .spawn();
        let mut node = Self {
            url: String::new(),
            address: ([127, 0, 0, 1], 0).into(),
            secure: None,
            greeting: String::new(),
            child: child.expect("the command under test"),
            log,
        };
        wait_for(&format!("the URL of {name}"), LONG, || {
            let ended = node.child.try_wait().expect("a child");
            assert!(ended.is_none(), "{name} ended at once: {}", node.log());
            node.greeting = fs::read_to_string(&out).unwrap_or_default();
            node.greeting
                .lines()
                .last()
                .is_some_and(|last| last.starts_with("St"))
        });
        node.secure = node.address_after("    https://");
        node.address = node.address_after("    http://").expect("a URL");
        node.url = format!("http://{}", node.address);
        node
    }

    /// The address in the line of the greeting that begins so.
    fn address_after(&self, start: &str) -> Option<SocketAddr> {
        let mut lines = self.greeting.lines();
        let authority = lines.find_map(|line| line.strip_prefix(start))?;
        Some(authority.trim_end_matches('/').parse().expect("an address"))
    }

    /// Where it answers agent checks, if it does.
    pub(crate) fn agent(&self) -> Option<SocketAddr> {
        self.address_after("Agent checks at ")
    }

    /// The fleet token that a server printed.
    pub(crate) fn token(&self) -> String {
        let (_, rest) = self
            .greeting
            .split_once("OVERSPILL_TOKEN=")
            .expect("a token");
        rest.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Where it serves https, if it does, without a slash at the end.
    pub(crate) fn secure_url(&self) -> Option<String> {
        let lines = self.greeting.lines().map(str::trim);
        let mut urls = lines.filter(|line| line.starts_with("https://"));
        urls.next().map(|url| url.trim_end_matches('/').to_owned())
    }

    /// GET on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Reply {
        http::get(self.address, target, "")
    }

    /// What it says about itself and its fleet.
    pub(crate) fn status(&self) -> FleetStatus {
        let reply = self.get(paths::FLEET);
        serde_json::from_slice(&reply.body).expect("a status")
    }

    /// A folder as JSON; `folder` is encoded and ends in a slash.
    pub(crate) fn list(&self, folder: &str) -> Listing {
        let reply = self.get(&format!("{folder}?format=json"));
        assert_eq!(reply.status, 200, "{folder}: {}", reply.head);
        serde_json::from_slice(&reply.body).expect("a listing")
    }

    /// Everything it has logged, over all its lives.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running node");
        self.child.wait().expect("a child");
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended, for whatever reason it has.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.wait()
    }

    fn wait(&mut self) -> ExitStatus {
        wait_for("a node that ends", LONG, || {
            self.child.try_wait().expect("a child").is_some()
        });
        self.child.wait().expect("a child")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("a running node");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let start = log.floor_char_boundary(log.len().saturating_sub(TAIL_BYTES));
            say(format_args!(
                "--- {} {}\n{}",
                self.url,
                self.log.display(),
                &log[start..]
            ));
        }
    }
}

/// A server and its mirrors.
pub(crate) struct Fleet {
    /// The mirrors, in the order they were started.
    pub(crate) mirrors: Vec<Node>,
    /// The server.
    pub(crate) server: Node,
    /// Their folder; dropped last.
    pub(crate) stage: Stage,
}

/// How a fleet is set up.
#[derive(Clone, Copy, Default)]
pub(crate) struct Setup<'a> {
    /// More arguments for the server.
    pub(crate) server: &'a [&'a str],
    /// More arguments for each mirror; there are as many mirrors.
    pub(crate) mirrors: &'a [&'a [&'a str]],
}

/// Two mirrors without further arguments.
pub(crate) const TWO: &[&[&str]] = &[&[], &[]];

impl Fleet {
    /// Starts a fleet over the stage's tree.
    pub(crate) fn start(stage: Stage, setup: Setup<'_>) -> Self {
        let server = Node::start(&stage, "server", serve(&stage, "127.0.0.1:0", setup.server));
        let mut fleet = Self {
            mirrors: Vec::new(),
            server,
            stage,
        };
        for args in setup.mirrors {
            let name = format!("mirror-{}", fleet.mirrors.len() + 1);
            let command = mirror(&fleet.stage, &name, &fleet.server, args);
            fleet
                .mirrors
                .push(Node::start(&fleet.stage, &name, command));
        }
        fleet
    }

    /// Starts a fleet and waits until it has converged.
    pub(crate) fn ready(stage: Stage, setup: Setup<'_>) -> Self {
        let fleet = Self::start(stage, setup);
        fleet.converge();
        fleet
    }

    /// Waits until every file is hashed, and every mirror has it and is known to have it.
    pub(crate) fn converge(&self) {
        wait_for("a fleet that has converged", LONG, || self.has_converged());
    }

    /// Whether every file is hashed, and every mirror has it and is known to have it.
    pub(crate) fn has_converged(&self) -> bool {
        let status = self.server.status();
        let revision = status.catalog.revision;
        let is_current = |node: &Node| {
            let catalog = node.status().catalog;
            (catalog.complete, catalog.missing_objects) == (revision, 0)
                && node.get(paths::READY).status == 200
        };
        let ready = status
            .members
            .iter()
            .filter(|member| (member.state.as_str(), member.lag_revisions) == ("ready", 0));
        self.server.get(paths::READY).status == 200
            && status.catalog.unhashed == 0
            && ready.count() == self.mirrors.len()
            && self
                .mirrors
                .iter()
                .all(|mirror| mirror.get(paths::READY).status == 200)
            && self.mirrors.iter().all(is_current)
    }

    /// All nodes, the server first.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.server).chain(&self.mirrors)
    }

    /// Asks the server until it sends a client elsewhere; the redirect.
    pub(crate) fn redirect(&self, target: &str) -> Reply {
        let mut redirect = None;
        wait_for("a redirect", LONG, || {
            let reply = self.server.get(target);
            redirect = (reply.status == 307).then_some(reply);
            redirect.is_some()
        });
        redirect.expect("a redirect")
    }
}

/// The command that serves the stage's tree.
pub(crate) fn serve(stage: &Stage, listen: &str, args: &[&str]) -> Command {
    let mut command = overspill(["serve", "--die-with-parent", "--listen", listen, "--state"]);
    command
        .arg(stage.path("state"))
        .args(args)
        .arg(stage.tree());
    command
}

/// The command that runs a mirror of `server`.
pub(crate) fn mirror(stage: &Stage, name: &str, server: &Node, args: &[&str]) -> Command {
    let mut command = overspill(["mirror", "--die-with-parent", "--listen", "127.0.0.1:0"]);
    command
        .arg("--store")
        .arg(stage.path(name))
        .args(args)
        .arg(&server.url)
        .env("OVERSPILL_TOKEN", server.token());
    command
}

/// The command under test, with nothing of our own surroundings that could change what it does.
pub(crate) fn overspill<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(OVERSPILL);
    command.args(args);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"OVERSPILL_") {
            command.env_remove(name);
        }
    }
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env_remove(name);
    }
    // People read them when a test fails.
    command.env("OVERSPILL_LOG_FORMAT", "text");
    // Nor with passwords of whoever runs the tests.
    command.env("NETRC", "/dev/null");
    command
}

/// A line for whoever runs the tests, shown even when they pass.
pub(crate) fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
