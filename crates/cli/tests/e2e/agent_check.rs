//! A balancer in front: what it is told, and that the real HAProxy goes by it.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    fleet::{Fleet, Node, Setup, mirror, overspill},
    http::{self, Wire, request},
    stage::{LONG, Stage, content, wait_for},
    tools::{Need, has, run_within},
};

const SIZE_BYTES: usize = 8 << 20;
/// So little that one client of the loopback takes all of it.
const CAPACITY: &[&str] = &["--capacity", "1MiB/s", "--agent-check", "127.0.0.1:0"];
/// How far the machine's own business may keep a weight down; the pressure of the processors is an
/// average over ten seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// A server and a mirror that answer agent checks.
fn fleet(stage: Stage) -> Fleet {
    stage.write("file", &content(3, SIZE_BYTES));
    stage.write("small", b"small");
    let server = [CAPACITY, &["--offload", "never"]].concat();
    let mirrors = &[CAPACITY];
    Fleet::ready(
        stage,
        Setup {
            server: &server,
            mirrors,
        },
    )
}

/// The line that a balancer reads.
fn ask(agent: SocketAddr) -> String {
    let mut line = String::new();
    let mut stream = http::tcp(agent).unwrap();
    stream.read_to_string(&mut line).unwrap();
    line
}

fn order(fleet: &Fleet, words: &[&str]) {
    let mut command = overspill(words);
    command.args(["--server", &fleet.server.url]);
    let output = run_within(LONG, command.env("OVERSPILL_TOKEN", fleet.server.token()));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {complaint}");
}

#[test]
fn an_agent_says_ready_then_drain_when_it_is_ordered_and_when_it_ends() {
    let fleet = fleet(Stage::new());
    let (server, mirror) = (&fleet.server, &fleet.mirrors[0]);
    let [server_agent, mirror_agent] = [server, mirror].map(|node| node.agent().unwrap());
    for agent in [server_agent, mirror_agent] {
        let line = ask(agent);
        let weight = line
            .strip_prefix("ready up ")
            .and_then(|rest| rest.strip_suffix("%\n"));
        let weight: u32 = weight
            .unwrap_or_else(|| panic!("{line:?}"))
            .parse()
            .unwrap();
        assert!((1..=100).contains(&weight), "{line}");
    }
    let name = mirror.status().node.name;
    order(&fleet, &["drain", &name]);
    wait_for("a drained mirror that says so", LONG, || {
        ask(mirror_agent) == "drain\n"
    });
    order(&fleet, &["undrain", &name]);
    wait_for("work for it again", LONG, || {
        ask(mirror_agent).starts_with("ready up ")
    });

    // A download keeps the server alive after it was asked to end.
    let mut wire = Wire::open(server.address).unwrap();
    wire.send(request("GET", server.address, "/file", ""));
    let head = wire.head().unwrap();
    server.signal(Signal::TERM);
    wait_for("a server that is about to end", LONG, || {
        ask(server_agent) == "drain\n"
    });
    assert_eq!(wire.body(head.length()).len(), SIZE_BYTES);
}

#[test]
fn a_mirror_stays_up_without_its_server_if_it_has_all_files() {
    let mut fleet = fleet(Stage::new());
    fleet.server.kill();
    let complete = &fleet.mirrors[0];
    wait_for("a mirror that has lost its server", LONG, || {
        complete.status().node.server.as_deref() == Some("away")
    });
    let said = ask(complete.agent().unwrap());
    assert!(said.starts_with("ready up "), "{said}");
    // One that has nothing yet cannot know what there is.
    let command = mirror(&fleet.stage, "empty", &fleet.server, CAPACITY);
    let empty = Node::start(&fleet.stage, "empty", command);
    let said = ask(empty.agent().unwrap());
    assert_eq!(said, "down #not all files are here yet\n");
}

#[test]
fn an_agent_bears_whatever_is_done_to_it() {
    let fleet = fleet(Stage::new());
    let agent = fleet.server.agent().unwrap();
    // More than it has room for, and silent.
    let silent: Vec<_> = (0..64).map(|_| http::tcp(agent).unwrap()).collect();
    let mut talker = http::tcp(agent).unwrap();
    // It may be gone before all of it is said.
    let _ = talker.write_all(&[b'x'; 64 << 10]);
    wait_for("an answer all the same", LONG, || !ask(agent).is_empty());
    drop(silent);
}

/// A HAProxy of this test alone.
struct HaProxy {
    child: Child,
    address: SocketAddr,
    socket: PathBuf,
}

/// What HAProxy makes of a node.
#[derive(Debug)]
struct Seen {
    status: String,
    weight: u32,
}

impl HaProxy {
    /// Starts it over the configuration that we ship, with the addresses of `fleet` in it.
    fn start(fleet: &Fleet) -> Self {
        let stage = &fleet.stage;
        let (socket, own) = (stage.path("haproxy.sock"), stage.path("own.cfg"));
        let shipped = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../contrib/haproxy/haproxy.cfg"
        );
        let mut config = fs::read_to_string(shipped).unwrap();
        let address = free_address();
        let mut put = |example: String, real: String| {
            assert!(
                config.contains(&example),
                "{example} is not in the configuration"
            );
            config = config.replace(&example, &real);
        };
        for (node, number) in fleet.nodes().zip(11..) {
            let agent = node.agent().unwrap();
            let check = format!("agent-addr 192.0.2.{number} agent-port 8081");
            put(
                check,
                format!("agent-addr {} agent-port {}", agent.ip(), agent.port()),
            );
            let name = ["server", "mirror"][number - 11];
            let line = format!("server {name} 192.0.2.{number}:8080");
            put(line, format!("server {name} {}", node.address));
        }
        put("bind 192.0.2.10:80".to_owned(), format!("bind {address}"));
        let shipped = stage.path("haproxy.cfg");
        fs::write(&shipped, config).unwrap();
        fs::write(
            &own,
            format!("global\n    stats socket {}\n", socket.display()),
        )
        .unwrap();
        let child = Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(&own)
            .arg("-f")
            .arg(&shipped)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(stage.path("haproxy.log")).unwrap())
            .spawn();
        let haproxy = Self {
            child: child.unwrap(),
            address,
            socket,
        };
        wait_for("a HAProxy that answers", LONG, || {
            UnixStream::connect(&haproxy.socket).is_ok()
        });
        haproxy
    }

    /// How a server of its configuration stands: `show stat` as CSV.
    fn seen(&self, server: &str) -> Seen {
        let mut socket = UnixStream::connect(&self.socket).unwrap();
        socket.write_all(b"show stat\n").unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let head = lines.next().unwrap();
        let column = |name: &str| {
            head.iter()
                .position(|title| title.trim_start_matches("# ") == name)
        };
        let row = lines.find(|row| row.get(1) == Some(&server)).unwrap();
        let field = |name: &str| row[column(name).unwrap()].to_owned();
        Seen {
            status: field("status"),
            weight: field("weight").parse().unwrap(),
        }
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tells that something is over, also when the test fails meanwhile.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// An address that was free a moment ago: HAProxy does not tell which port it took.
fn free_address() -> SocketAddr {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    taken.local_addr().unwrap()
}

#[test]
fn a_real_haproxy_follows_a_load_and_a_drain() {
    let test = "a_real_haproxy_follows_a_load_and_a_drain";
    if !has(test, &[Need::Program("haproxy")]) {
        return;
    }
    let fleet = fleet(Stage::alone());
    let haproxy = HaProxy::start(&fleet);
    for name in ["server", "mirror"] {
        wait_for("a node that is up", PATIENCE, || {
            let seen = haproxy.seen(name);
            seen.status == "UP" && seen.weight > 1
        });
    }
    let reply = http::get(haproxy.address, "/small", "");
    assert_eq!((reply.status, &*reply.body), (200, &b"small"[..]));

    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = Over(&is_over);
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                http::get(fleet.server.address, "/file", "");
            }
        });
        let loaded = || haproxy.seen("server").weight == 1;
        wait_for("a busy server that gets next to nothing", PATIENCE, loaded);
        drop(load);
    });
    wait_for("its weight again", PATIENCE, || {
        haproxy.seen("server").weight > 1
    });

    let name = fleet.mirrors[0].status().node.name;
    order(&fleet, &["drain", &name]);
    wait_for("a drained mirror", LONG, || {
        haproxy.seen("mirror").status.starts_with("DRAIN")
    });
    assert_eq!(http::get(haproxy.address, "/small", "").status, 200);
    order(&fleet, &["undrain", &name]);
    wait_for("the mirror back", LONG, || {
        haproxy.seen("mirror").status == "UP"
    });
}
