//! HTTP as the real binary speaks it, byte by byte over raw sockets.

use std::{net::SocketAddr, thread};

use overspill_wire::paths;

use crate::{
    fleet::{Fleet, Setup},
    http::{Reply, Wire, get, request},
    stage::{LONG, Stage, content, wait_for},
};

/// The tree: `hello.txt` holds `hello world`, `big.bin` is larger than any buffer on the way.
fn server() -> (Fleet, SocketAddr) {
    let stage = Stage::new();
    stage.write("hello.txt", b"hello world");
    stage.write("sub/page.html", b"<p>");
    stage.write("big.bin", &content(3, BIG_BYTES));
    let fleet = Fleet::ready(stage, Setup::default());
    wait_for("settled times", LONG, || {
        fleet
            .server
            .get("/big.bin")
            .field("last-modified")
            .is_some()
    });
    let address = fleet.server.address;
    (fleet, address)
}

const BIG_BYTES: usize = 12 << 20;
const FUTURE: &str = "Fri, 31 Dec 2100 00:00:00 GMT";
const PAST: &str = "Sat, 01 Jan 2000 00:00:00 GMT";

/// Fields of a request for `hello.txt`; the status, body and Content-Range they must give.
type Row = (&'static str, u16, &'static str, Option<&'static str>);

const RANGES: &[Row] = &[
    ("", 200, "hello world", None),
    ("Range: bytes=0-4\r\n", 206, "hello", Some("bytes 0-4/11")),
    ("Range: bytes=6-\r\n", 206, "world", Some("bytes 6-10/11")),
    ("Range: bytes=-5\r\n", 206, "world", Some("bytes 6-10/11")),
    (
        "Range: bytes=-500\r\n",
        206,
        "hello world",
        Some("bytes 0-10/11"),
    ),
    (
        "Range: bytes=6-500\r\n",
        206,
        "world",
        Some("bytes 6-10/11"),
    ),
    ("Range: bytes=10-10\r\n", 206, "d", Some("bytes 10-10/11")),
    ("Range: bytes=11-\r\n", 416, "", Some("bytes */11")),
    ("Range: bytes=-0\r\n", 416, "", Some("bytes */11")),
    ("Range: bytes=5-2\r\n", 200, "hello world", None),
    ("Range: lines=1-2\r\n", 200, "hello world", None),
    ("Range: bytes=x\r\n", 200, "hello world", None),
];

const PRECONDITIONS: &[Row] = &[
    ("If-None-Match: ETAG\r\n", 304, "", None),
    ("If-None-Match: W/ETAG\r\n", 304, "", None),
    ("If-None-Match: *\r\n", 304, "", None),
    ("If-None-Match: \"other\", ETAG\r\n", 304, "", None),
    ("If-None-Match: \"other\"\r\n", 200, "hello world", None),
    ("If-None-Match: ETAG\r\nRange: bytes=0-4\r\n", 304, "", None),
    ("If-Modified-Since: FUTURE\r\n", 304, "", None),
    ("If-Modified-Since: PAST\r\n", 200, "hello world", None),
    (
        "If-None-Match: \"other\"\r\nIf-Modified-Since: FUTURE\r\n",
        200,
        "hello world",
        None,
    ),
    ("If-Match: ETAG\r\n", 200, "hello world", None),
    ("If-Match: W/ETAG\r\n", 412, "", None),
    ("If-Match: \"other\"\r\n", 412, "", None),
    ("If-Unmodified-Since: PAST\r\n", 412, "", None),
    ("If-Unmodified-Since: FUTURE\r\n", 200, "hello world", None),
    (
        "If-Range: ETAG\r\nRange: bytes=0-4\r\n",
        206,
        "hello",
        Some("bytes 0-4/11"),
    ),
    (
        "If-Range: \"other\"\r\nRange: bytes=0-4\r\n",
        200,
        "hello world",
        None,
    ),
    (
        "If-Range: \"other\"\r\nRange: bytes=11-\r\n",
        200,
        "hello world",
        None,
    ),
];

#[test]
fn ranges_and_preconditions() {
    let (fleet, address) = server();
    let etag = fleet
        .server
        .get("/hello.txt")
        .strong_etag()
        .unwrap()
        .to_owned();
    for &(fields, status, body, content_range) in RANGES.iter().chain(PRECONDITIONS) {
        let fields = fields
            .replace("ETAG", &etag)
            .replace("FUTURE", FUTURE)
            .replace("PAST", PAST);
        let reply = get(address, "/hello.txt", &fields);
        assert_eq!(reply.status, status, "{fields}");
        assert_eq!(String::from_utf8_lossy(&reply.body), body, "{fields}");
        assert_eq!(reply.field("content-range"), content_range, "{fields}");
        if status == 304 {
            assert_eq!(reply.field("etag"), Some(etag.as_str()), "{fields}");
        }
        assert_head_is_get(address, "/hello.txt", &fields, &reply);
    }
}

/// HEAD gives the fields of GET, but a Range is only for GET (RFC 9110 section 14.2).
fn assert_head_is_get(address: SocketAddr, target: &str, fields: &str, reply: &Reply) {
    if fields.contains("Range: bytes=") {
        return;
    }
    let mut wire = Wire::open(address).unwrap();
    wire.send(request("HEAD", address, target, fields));
    let head = wire.head().unwrap();
    let undated = |head: &str| {
        let lines = head
            .lines()
            .filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        undated(&head.head),
        undated(&reply.head),
        "{target} {fields}"
    );
    assert!(wire.has_ended(), "HEAD {target} {fields} has a body");
}

#[test]
fn head_is_get_without_the_body() {
    let (_fleet, address) = server();
    for target in [
        "/hello.txt",
        "/big.bin",
        "/",
        "/sub/",
        "/sub",
        "/absent",
        "/-/health",
        "/-/ready",
    ] {
        let reply = get(address, target, "");
        assert_head_is_get(address, target, "", &reply);
    }
    let mut wire = Wire::open(address).unwrap();
    wire.send(request(
        "HEAD",
        address,
        "/hello.txt",
        "Range: bytes=0-4\r\n",
    ));
    let head = wire.head().unwrap();
    assert_eq!((head.status, head.length()), (200, 11));
}

#[test]
fn bad_requests_are_refused_and_the_connection_closed() {
    let (_fleet, address) = server();
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(9000));
    let long_head = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let many_fields = format!(
        "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
        "X: y\r\n".repeat(100)
    );
    for (bytes, status) in [
        ("GET /hello.txt HTTP/1.1\r\n\r\n", 400),
        ("GET /hello.txt HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /hello.txt HTTP/1.1\nHost: h\n\n", 400),
        (
            "GET /hello.txt HTTP/1.1\r\nHost: h\r\n folded: x\r\n\r\n",
            400,
        ),
        ("GET /hello.txt HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        ("GET /hello.txt HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", 400),
        ("GET hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET  /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
            400,
        ),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400),
        (&long_target, 414),
        (&long_head, 431),
        (&many_fields, 431),
    ] {
        let mut wire = Wire::open(address).unwrap();
        wire.send(bytes);
        let reply = wire.reply();
        let shown: String = bytes.chars().take(70).collect();
        assert_eq!(reply.status, status, "{shown:?}");
        assert_eq!(reply.field("connection"), Some("close"), "{shown:?}");
        assert!(wire.has_ended(), "{shown:?} leaves the connection open");
    }
}

#[test]
fn paths_that_lead_astray_are_refused() {
    let (_fleet, address) = server();
    for (target, status) in [
        ("/../hello.txt", 400),
        ("/sub/../hello.txt", 400),
        ("/%2e%2e/hello.txt", 400),
        ("/sub/%2E./hello.txt", 400),
        ("/sub%2f..%2fhello.txt", 400),
        ("/hello.txt%00", 400),
        ("/%zz", 400),
        ("/absent", 404),
        ("/hello.txt/", 404),
        ("/sub/absent/", 404),
        ("/sub", 307),
        ("/-/absent", 404),
        ("/hello.txt?cache-buster=1&x", 200),
        ("/hello%2Etxt", 200),
    ] {
        assert_eq!(get(address, target, "").status, status, "{target}");
    }
    assert_eq!(get(address, "/sub", "").field("location"), Some("/sub/"));
}

#[test]
fn methods() {
    let (_fleet, address) = server();
    for (method, status) in [
        ("POST", 405),
        ("PUT", 405),
        ("DELETE", 405),
        ("PATCH", 405),
        ("TRACE", 405),
        ("get", 405),
        ("OPTIONS", 200),
    ] {
        let mut wire = Wire::open(address).unwrap();
        wire.send(request(method, address, "/hello.txt", ""));
        let reply = wire.reply();
        assert_eq!(reply.status, status, "{method}");
        assert_eq!(reply.field("allow"), Some("GET, HEAD, OPTIONS"), "{method}");
    }
}

#[test]
fn connections_are_kept_and_closed_as_asked() {
    let (_fleet, address) = server();
    for (version, field, stays) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: CLOSE, te\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
    ] {
        let mut wire = Wire::open(address).unwrap();
        let head = format!("GET /hello.txt HTTP/{version}\r\nHost: h\r\n{field}\r\n");
        wire.send(&head);
        assert_eq!(wire.reply().body, b"hello world", "{head}");
        if stays {
            wire.send(&head);
            assert_eq!(wire.reply().body, b"hello world", "{head}");
        } else {
            assert!(wire.has_ended(), "{head}");
        }
    }
    let mut old = Wire::open(address).unwrap();
    old.send("GET /hello.txt HTTP/1.0\r\n\r\n");
    assert_eq!(old.reply().status, 200, "HTTP/1.0 needs no Host");
}

/// A chain of requests in one write; each is answered, in order, whatever the kind of the answer.
#[test]
fn pipelined_requests_are_answered_in_order() {
    let (_fleet, address) = server();
    let targets = [
        ("/hello.txt", 200, 11),
        ("/absent", 404, 0),
        ("/big.bin", 200, BIG_BYTES),
        (paths::HEALTH, 200, 3),
        ("/sub/page.html", 200, 3),
        (paths::READY, 200, 6),
        ("/hello.txt", 200, 11),
    ];
    let mut wire = Wire::open(address).unwrap();
    let chain = targets.map(|(target, ..)| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
    wire.send(chain.concat());
    for (target, status, bytes) in targets {
        let reply = wire.reply();
        assert_eq!(reply.status, status, "{target}");
        assert!(!reply.is_cut(), "{target}");
        if status == 200 {
            assert_eq!(reply.body.len(), bytes, "{target}");
        }
    }
    wire.half_close();
    assert!(wire.has_ended(), "bytes nobody asked for");
}

#[test]
fn a_head_may_come_in_any_pieces() {
    let (_fleet, address) = server();
    let head = "GET /hello.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=0-4\r\n\r\n";
    let mut wire = Wire::open(address).unwrap();
    for cut in 1..head.len() {
        wire.send(&head[..cut]);
        thread::yield_now();
        wire.send(&head[cut..]);
        let reply = wire.reply();
        assert_eq!(
            (reply.status, &reply.body[..]),
            (206, &b"hello"[..]),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_client_that_has_said_all_is_still_answered() {
    let (_fleet, address) = server();
    for (target, bytes) in [
        ("/hello.txt", 11),
        ("/big.bin", BIG_BYTES),
        (paths::HEALTH, 3),
    ] {
        let mut wire = Wire::open(address).unwrap();
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        wire.half_close();
        assert_eq!(wire.reply().body.len(), bytes, "{target}");
        assert!(wire.has_ended(), "{target}");
    }
}

/// A body with GET means nothing and must not be taken for the next request.
#[test]
fn request_bodies_are_passed_over() {
    let (_fleet, address) = server();
    let trap = "GET /absent HTTP/1.1\r\nHost: h\r\n\r\n";
    let known = format!("Content-Length: {}\r\n\r\n{trap}", trap.len());
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{trap}\r\n0\r\n\r\n",
        trap.len()
    );
    for body in [known, chunked] {
        let mut wire = Wire::open(address).unwrap();
        wire.send(format!("GET /hello.txt HTTP/1.1\r\nHost: h\r\n{body}"));
        assert_eq!(wire.reply().body, b"hello world", "{body:?}");
        wire.send("GET /sub/page.html HTTP/1.1\r\nHost: h\r\n\r\n");
        // To close is allowed; to answer the trap is not.
        match wire.head() {
            Ok(next) => assert_eq!((next.status, next.length()), (200, 3), "{body:?}"),
            Err(error) => assert_eq!(error.to_string(), "", "{body:?}"),
        }
    }
}

/// After `/-/` the connection is with other code; the tree must look the same from there.
#[test]
fn the_tree_is_the_same_after_a_handover() {
    let (_fleet, address) = server();
    for target in ["/hello.txt", "/big.bin", "/", "/absent", "/sub"] {
        let direct = get(address, target, "");
        let mut wire = Wire::open(address).unwrap();
        wire.send(format!(
            "GET {} HTTP/1.1\r\nHost: {address}\r\n\r\n",
            paths::HEALTH
        ));
        assert_eq!(wire.reply().body, b"ok\n");
        wire.send(request("GET", address, target, ""));
        let after = wire.reply();
        assert_eq!(after.status, direct.status, "{target}");
        assert!(after.body == direct.body, "{target}");
        for name in [
            "etag",
            "content-type",
            "content-length",
            "repr-digest",
            "location",
        ] {
            assert_eq!(after.field(name), direct.field(name), "{name} of {target}");
        }
        assert!(wire.has_ended(), "{target}");
    }
}
