//! Several hosts: server, mirror and client in network namespaces of their own, joined by a bridge.

use std::{
    fs,
    path::Path,
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use crate::{
    fleet::{Node, OVERSPILL},
    stage::{LONG, Stage, content, wait_for},
    tools::{Need, has, run},
};

const SERVER: &str = "10.231.7.1";
const MIRROR: &str = "10.231.7.2";
const CLIENT: &str = "10.231.7.3";
const PORT: u16 = 8080;
/// The other end of a cable, to be followed by the namespace it is in.
const PAIRED: &str = "type veth peer name eth0 netns"; // lexicon-ok: the words are those of `ip`

/// Namespaces on one bridge, which lives in a namespace of its own and so touches nothing here.
struct Net {
    prefix: String,
    names: Vec<String>,
}

/// So that tests of one process do not share names either.
static NETS: AtomicU32 = AtomicU32::new(0);

fn ip(line: &str) {
    run(Command::new("ip").args(line.split(' ')));
}

impl Net {
    fn new() -> Self {
        let prefix = format!("ovs{}x{}", process::id(), NETS.fetch_add(1, Relaxed));
        let mut net = Self {
            prefix,
            names: Vec::new(),
        };
        let bridge = net.namespace("br");
        ip(&format!("-n {bridge} link add br0 type bridge"));
        ip(&format!("-n {bridge} link set br0 up"));
        net
    }

    fn namespace(&mut self, name: &str) -> String {
        let name = format!("{}-{name}", self.prefix);
        ip(&format!("netns add {name}"));
        self.names.push(name.clone());
        ip(&format!("-n {name} link set lo up"));
        name
    }

    /// A host with this address on the bridge; its namespace.
    fn host(&mut self, name: &str, address: &str) -> String {
        let bridge = self.names[0].clone();
        let host = self.namespace(name);
        // Made inside: names of interfaces here are at most 15 bytes, and others' are left alone.
        ip(&format!("-n {bridge} link add {name} {PAIRED} {host}"));
        ip(&format!("-n {bridge} link set {name} master br0"));
        ip(&format!("-n {bridge} link set {name} up"));
        ip(&format!("-n {host} addr add {address}/24 dev eth0"));
        ip(&format!("-n {host} link set eth0 up"));
        host
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in self.names.iter().rev() {
            // What is left behind is shown by the next run of `ip netns`.
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn inside(host: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", host, program]);
    command
}

fn get(host: &str, url: &str, to: &Path) -> process::Output {
    let mut get = inside(host, OVERSPILL);
    run(get.args(["get", "--json", "-o"]).arg(to).arg(url))
}

/// A server and a mirror, each on its host.
fn start(stage: &Stage, on_server: &str, on_mirror: &str) -> [Node; 2] {
    let listen = format!("0.0.0.0:{PORT}");
    let mut serve = inside(on_server, OVERSPILL);
    serve.args([
        "serve",
        "--die-with-parent",
        "--listen",
        &listen,
        "--capacity",
        "1KiB/s",
    ]);
    serve
        .arg("--state")
        .arg(stage.path("state"))
        .arg(stage.tree());
    let server = Node::start(stage, "server", serve);
    let mut mirror = inside(on_mirror, OVERSPILL);
    mirror.args([
        "mirror",
        "--die-with-parent",
        "--listen",
        &listen,
        "--store",
    ]);
    mirror
        .arg(stage.path("mirror"))
        .arg(format!("http://{SERVER}:{PORT}"));
    mirror.env("OVERSPILL_TOKEN", server.token());
    [Node::start(stage, "mirror", mirror), server]
}

/// What curl says about a download in `format`.
fn curl(host: &str, args: &[&str], format: &str, to: &Path, url: &str) -> String {
    let mut curl = inside(host, "curl");
    curl.args(["-q", "-sSf", "--noproxy", "*", "-w", format, "-o"])
        .arg(to)
        .args(args);
    let output = run(curl.arg(url));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_client_is_sent_across_hosts() {
    let needs = [Need::Root, Need::Program("ip"), Need::Program("curl")];
    if !has("a_client_is_sent_across_hosts", &needs) {
        return;
    }
    let stage = Stage::new();
    let bytes = content(1, 1 << 20);
    stage.write("file", &bytes);
    let mut net = Net::new();
    let (on_server, on_mirror) = (net.host("server", SERVER), net.host("mirror", MIRROR));
    let client = net.host("client", CLIENT);
    let _nodes = start(&stage, &on_server, &on_mirror);

    // The server has only seen where the mirror came from; that is where clients are to go.
    let there = format!("http://{MIRROR}:{PORT}/file?ticket=");
    let file = format!("http://{SERVER}:{PORT}/file");
    let to = stage.path("curl");
    wait_for("a redirect to the other host", LONG, || {
        curl(&client, &[], "%{redirect_url}", &to, &file).starts_with(&there)
    });
    let from = curl(&client, &["-L"], "%{url_effective}", &to, &file);
    assert!(from.starts_with(&there), "{from}");
    assert!(fs::read(&to).unwrap() == bytes);
    let to = stage.path("get");
    get(&client, &file, &to);
    assert!(fs::read(&to).unwrap() == bytes);
}
