//! What one client may take, and how long it may keep a connection without use.

use std::{
    io::Read,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    process::Command,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use overspill_wire::paths;
use socket2::{Domain, Socket, Type};

use crate::{
    carrier::{ALL, CARRIERS},
    fleet::{Fleet, Setup, say},
    http::{Wire, request},
    stage::{LONG, Stage, content, wait_for},
    tools::{Need, has, run},
};

/// Far more than the sockets on the way hold.
const SIZE_BYTES: usize = 24 << 20;
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// How far a measured rate may be from the one that was set: a quarter.
const TOLERANCE: f64 = 0.25;
/// Anything that ends a connection for want of use does so within this on a busy machine, and within
/// what a [`Wire`] waits for.
const SOON: Duration = Duration::from_secs(12);

fn fleet(stage: Stage, args: &[&str]) -> Fleet {
    stage.write("small.txt", b"hello world");
    stage.write("big.bin", &content(40, SIZE_BYTES));
    let args = [&ALL[..], args].concat();
    Fleet::ready(
        stage,
        Setup {
            server: &args,
            mirrors: &[],
        },
    )
}

const SMALL: &str = "GET /small.txt HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn connections_are_counted_by_client() {
    let fleet = fleet(Stage::new(), &["--max-connections-per-client", "2"]);
    let address = fleet.server.address;
    // Those with which the fleet was watched are gone by then.
    let mut held = Vec::new();
    wait_for("two connections", LONG, || {
        let mut wire = Wire::open(address).unwrap();
        wire.send(SMALL);
        if wire.head().is_ok_and(|reply| reply.status == 200) {
            held.push(wire);
        }
        held.len() == 2
    });
    for _ in 0..3 {
        let mut third = Wire::open(address).unwrap();
        let refused = third.reply();
        assert_eq!(refused.status, 429);
        assert!(refused.field("retry-after").is_some(), "{}", refused.head);
        assert!(third.has_ended());
    }
    let mut other = Wire::open_from(OTHER, address).unwrap();
    other.send(SMALL);
    assert_eq!(other.reply().status, 200);
    held.pop();
    wait_for("a place that is free again", LONG, || {
        let mut wire = Wire::open(address).unwrap();
        wire.send(SMALL);
        wire.head().is_ok_and(|reply| reply.status == 200)
    });
}

#[test]
fn requests_are_counted_by_client_and_the_connection_is_kept() {
    let stage = Stage::new();
    stage.write("small.txt", b"hello world");
    let setup = Setup {
        server: &["--max-requests-per-client", "20"],
        mirrors: &[],
    };
    // Not asked whether it is ready: that would take requests of this client.
    let fleet = Fleet::start(stage, setup);
    let health = format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", paths::HEALTH);
    for (name, request) in [("tree", SMALL), ("routed", &health)] {
        let mut wire = Wire::open(fleet.server.address).unwrap();
        let mut refused = None;
        for _ in 0..500 {
            wire.send(request);
            let reply = wire.reply();
            if reply.status == 429 {
                refused = Some(reply);
                break;
            }
        }
        let refused = refused.unwrap_or_else(|| panic!("{name}: 500 requests were answered"));
        assert_eq!(refused.field("retry-after"), Some("1"), "{name}");
        let text = String::from_utf8_lossy(&refused.body);
        assert!(text.contains("too many requests"), "{name}: {text}");
        wait_for("an answer on the same connection", LONG, || {
            wire.send(request);
            wire.reply().status == 200
        });
        let mut other = Wire::open_from(OTHER, fleet.server.address).unwrap();
        other.send(request);
        assert_eq!(other.reply().status, 200, "{name}: another client");
    }
}

/// By HTTP/2, too: some are refused, and none costs the connection.
#[test]
fn requests_of_one_http2_connection_are_counted() {
    if !has("requests by HTTP/2", &[Need::Program("curl")]) {
        return;
    }
    let stage = Stage::new();
    stage.write("small.txt", b"hello world");
    let log = stage.path("access.log");
    let access = ["--access-log", log.to_str().unwrap()];
    let args = [&ALL[..], &access, &["--max-requests-per-client", "20"]].concat();
    let setup = Setup {
        server: &args,
        mirrors: &[],
    };
    let fleet = Fleet::start(stage, setup);
    // Some versions of curl lose connections that begin without TLS.
    let mut all = CARRIERS.into_iter();
    let carrier = all.find(|carrier| carrier.version == "2.0" && carrier.tls);
    let carrier = carrier.unwrap();
    let mut command = carrier.curl();
    let form = "\nresult %{http_code} %{num_connects}\n";
    command.args(["--write-out", form]);
    command.arg(carrier.url(&fleet.server, "/small.txt?[1-200]"));
    let output = run(&mut command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let results: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("result "))
        .collect();
    let count = |result: &str| {
        results
            .iter()
            .filter(|line| line.starts_with(result))
            .count()
    };
    assert_eq!(count("200 ") + count("429 "), 200, "{carrier:?}");
    assert!(
        count("200 ") >= 20 && count("429 ") > 0,
        "{carrier:?}: {results:?}"
    );
    let connects = results.iter().filter(|line| line.ends_with(" 1")).count();
    assert_eq!(connects, 1, "{carrier:?}: the connection was not kept");
    wait_for("refusals in the log", LONG, || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let mut lines = text.lines();
        lines
            .any(|line| line.contains("\"status\":429") && line.contains("\"decision\":\"reject\""))
    });
}

/// Seconds that so many bytes take at 4 MiB/s, after a quarter of a second's worth at once.
fn expected_s(bytes: usize) -> f64 {
    bytes as f64 / f64::from(4 << 20) - 0.25
}

fn assert_rate(what: &str, bytes: usize, took: Duration) {
    let (took_s, expected_s) = (took.as_secs_f64(), expected_s(bytes));
    say(format_args!(
        "{what}: {bytes} bytes in {took_s:.2} s, {expected_s:.2} s at the rate that was set"
    ));
    assert!(
        (took_s / expected_s - 1.0).abs() <= TOLERANCE,
        "{what}: {took_s:.2} s, expected {expected_s:.2} s"
    );
}

const RATE: [&str; 2] = ["--rate-per-client", "4MiB/s"];
const CONNECTIONS: usize = 4;
const PART_BYTES: usize = 2 << 20;

#[test]
fn a_client_is_sent_its_rate_over_all_its_connections() {
    let fleet = fleet(Stage::alone(), &RATE);
    let address = fleet.server.address;
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut wire = Wire::open(address).unwrap();
                let range = format!("Range: bytes=0-{}\r\n", PART_BYTES - 1);
                wire.send(request("GET", address, "/big.bin", &range));
                assert_eq!(wire.reply().body.len(), PART_BYTES);
            });
        }
    });
    assert_rate(
        "four connections",
        CONNECTIONS * PART_BYTES,
        begun.elapsed(),
    );
}

#[test]
fn a_client_is_sent_its_rate_by_http2() {
    if !has("rates of HTTP/2", &[Need::Program("curl")]) {
        return;
    }
    let fleet = fleet(Stage::alone(), &RATE);
    for carrier in CARRIERS
        .into_iter()
        .filter(|carrier| carrier.version == "2.0")
    {
        let url = carrier.url(&fleet.server, "/big.bin");
        let range = format!("0-{}", PART_BYTES - 1);
        let mut command: Command = carrier.curl();
        command.args(["--parallel", "--range", &range]);
        command.args(["--write-out", "%{size_download} "]);
        if !carrier.tls {
            // Some versions of curl break off when the streams of such a connection begin together.
            command.arg("--parallel-immediate");
        }
        for _ in 0..CONNECTIONS {
            command.args(["-o", "/dev/null", &url]);
        }
        let begun = Instant::now();
        let output = run(&mut command);
        let took = begun.elapsed();
        let sizes = format!("{PART_BYTES} ").repeat(CONNECTIONS);
        assert_eq!(String::from_utf8_lossy(&output.stdout), sizes);
        assert_rate(&format!("{carrier:?}"), CONNECTIONS * PART_BYTES, took);
        let refilled = Instant::now();
        wait_for("a client at rest", LONG, || {
            refilled.elapsed() > Duration::from_secs(1)
        });
    }
}

#[test]
fn the_total_is_shared_by_two_clients() {
    let fleet = fleet(Stage::alone(), &["--max-egress", "4MiB/s"]);
    let address = fleet.server.address;
    let took = [AtomicU64::new(0), AtomicU64::new(0)];
    let sum = || took.iter().map(|bytes| bytes.load(Relaxed)).sum::<u64>();
    const UNTIL_BYTES: u64 = 8 << 20;
    let download = |client: usize| {
        let source = [IpAddr::V4(Ipv4Addr::LOCALHOST), OTHER][client];
        let mut wire = Wire::open_from(source, address).unwrap();
        wire.send(request("GET", address, "/big.bin", ""));
        wire.head().unwrap();
        while sum() < UNTIL_BYTES {
            let bytes = wire.body(4 << 10).len() as u64;
            assert!(bytes > 0, "cut");
            took[client].fetch_add(bytes, Relaxed);
        }
    };
    let begun = Instant::now();
    thread::scope(|scope| {
        for client in 0..2 {
            let download = &download;
            scope.spawn(move || download(client));
        }
    });
    assert_rate("two clients", sum() as usize, begun.elapsed());
    let shares = took.map(|bytes| bytes.into_inner() as f64 / UNTIL_BYTES as f64);
    say(format_args!("shares of two clients: {shares:.3?}"));
    assert!((shares[0] - 0.5).abs() <= TOLERANCE / 2.0, "{shares:?}");
}

/// Waits for the end of a connection; everything that came before it.
fn until_ended(what: &str, mut wire: Wire) -> Vec<u8> {
    let begun = Instant::now();
    let rest = wire.body(u64::MAX);
    let took = begun.elapsed();
    assert!(took < SOON, "{what} was kept for {took:?}");
    rest
}

#[test]
fn connections_without_use_are_ended() {
    let fleet = fleet(
        Stage::new(),
        &["--idle-timeout", "1s", "--head-timeout", "1s"],
    );
    let (address, secure) = (fleet.server.address, secure_address(&fleet));
    let health = format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", paths::HEALTH);
    let post = format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
         Content-Length: 1000\r\n\r\n{{",
        paths::HELLO
    );
    // RFC 9113 sections 3.4 and 6.5: the preface, and settings that set nothing.
    let http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for (what, address, sent) in [
        ("a connection that says nothing", address, ""),
        (
            "a connection that says nothing at the port of TLS",
            secure,
            "",
        ),
        ("a TLS handshake that stops", secure, "\x16\x03\x01\x02"),
        ("a connection after its request", address, SMALL),
        ("half a head", address, "GET / HTTP/1.1\r\nHo"),
        ("a routed connection after its request", address, &health),
        (
            "half a head after a routed request",
            address,
            &format!("{health}GET /-"),
        ),
        ("a body that does not come", address, &post),
        ("HTTP/2 without a request", address, http2),
    ] {
        let mut wire = Wire::open(address).unwrap();
        wire.send(sent);
        until_ended(what, wire);
    }
}

fn secure_address(fleet: &Fleet) -> SocketAddr {
    let url = fleet.server.secure_url().unwrap();
    url.strip_prefix("https://").unwrap().parse().unwrap()
}

/// However it is sent: an answer that nobody takes is ended, and the log says why.
#[test]
fn an_answer_that_nobody_takes_is_ended() {
    let stage = Stage::new();
    let log = stage.path("access.log");
    let access = ["--access-log", log.to_str().unwrap()];
    let fleet = fleet(stage, &[&access[..], &["--send-timeout", "1s"]].concat());
    let address = fleet.server.address;
    let outcomes = || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.matches("\"outcome\":\"cut-idle\"").count()
    };
    let big = "GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\n";
    let routed = format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n{big}", paths::HEALTH);
    for (so_far, sent) in [big, &routed].into_iter().enumerate() {
        let mut wire = Wire::open(address).unwrap();
        wire.send(sent);
        wait_for(&format!("the end of {sent:?}"), LONG, || {
            outcomes() > so_far
        });
        let taken = until_ended(sent, wire);
        assert!(taken.len() < SIZE_BYTES, "{sent:?} came whole");
    }
    if !has(
        "answers by curl that nobody takes",
        &[Need::Program("curl")],
    ) {
        return;
    }
    for (so_far, carrier) in (2..).zip(CARRIERS) {
        let download = carrier.begin(&fleet.server, "/big.bin", &[]);
        wait_for(&format!("the end of {carrier:?}"), LONG, || {
            outcomes() > so_far
        });
        let (taken, is_content) = download.rest();
        assert!(taken.len() < SIZE_BYTES && !is_content, "{carrier:?}");
    }
}

/// A client that takes little at a time, but always some, is not silent: its buffers and ours are
/// full for longer than the timeout, and it reads all the while.
#[test]
fn a_slow_reader_is_not_taken_for_a_silent_one() {
    const STEP: Duration = Duration::from_millis(100);
    const STEP_BYTES: usize = 2 << 10;
    let fleet = fleet(Stage::new(), &["--send-timeout", "2s"]);
    let mut stream = connect_over_ethernet(fleet.server.address);
    let head = request("GET", fleet.server.address, "/big.bin", "");
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut taken = vec![0; STEP_BYTES];
    let begun = Instant::now();
    let mut steps = 0;
    while begun.elapsed() < Duration::from_secs(8) {
        wait_for("its next bite", LONG, || {
            begun.elapsed() > STEP * (steps + 1)
        });
        stream.read_exact(&mut taken).expect("a kept connection");
        steps += 1;
    }
    let mut rest_bytes = 0;
    let mut part = vec![0; 64 << 10];
    loop {
        match stream.read(&mut part).expect("a kept connection") {
            0 => break,
            bytes => rest_bytes += bytes,
        }
    }
    assert!(STEP_BYTES * steps as usize + rest_bytes > SIZE_BYTES, "cut");
}

/// A connection with segments as long as those of Ethernet, and a buffer of a few of them. A kernel
/// tells that its reader has taken something only once there is room for a good part of its buffer;
/// on the loopback that would be every few seconds at this rate.
fn connect_over_ethernet(address: SocketAddr) -> TcpStream {
    const SEGMENT_BYTES: u32 = 1460;
    const BUFFER_BYTES: usize = 8 << 10;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_tcp_mss(SEGMENT_BYTES).unwrap();
    socket.set_recv_buffer_size(BUFFER_BYTES).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}
