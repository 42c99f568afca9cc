//! TLS and HTTP/2 as they are seen on a connection: versions, ends, sizes, the wrong port.
//!
//! What the answers say is left to the conformance table, which runs over them all.

mod clients;
mod fleets;
pub(crate) mod renewal;

use std::{
    fs,
    io::{Read, Write},
    net::SocketAddr,
    path::PathBuf,
};

use overspill_wire::paths;
use rustls::{
    ClientConnection, HandshakeKind, ProtocolVersion, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

use crate::{
    fleet::{Fleet, Setup},
    http::{self, Wire},
    http2::{self, Broken},
    secure::{self, Session, Terms},
    stage::{LONG, Stage, content, sha256, wait_for},
};

const HELLO: &[u8] = b"hello world";
const LARGE_BYTES: usize = 200 << 20;
/// More than the sockets and queues on the way can hold.
const ARCHIVED_BYTES: usize = 24 << 20;
const HTTP1: &[&str] = &["http/1.1"];

/// A server that speaks both, and where its certificate is.
fn secured(stage: Stage) -> (Fleet, SocketAddr, PathBuf) {
    secured_with(stage, &[])
}

/// The same with more arguments.
fn secured_with(stage: Stage, args: &[&str]) -> (Fleet, SocketAddr, PathBuf) {
    stage.write("hello.txt", HELLO);
    let args = [&["--tls-self-signed", "--tls-listen", "127.0.0.1:0"], args].concat();
    let setup = Setup {
        server: &args,
        mirrors: &[],
    };
    let fleet = Fleet::ready(stage, setup);
    let secure = fleet.server.secure.expect("an https URL");
    let certificate = fleet.stage.path("state/tls/self-signed.pem");
    (fleet, secure, certificate)
}

/// Asks for a file on a session that ends with it; the whole answer.
fn ask(session: &mut Session, target: &str) -> Vec<u8> {
    let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    session.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // Without the alert that ends a session this is an error.
    session.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn both_versions_of_tls_are_spoken_and_resumed() {
    let (_fleet, address, certificate) = secured(Stage::new());
    let versions: [(&SupportedProtocolVersion, _); 2] = [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ];
    for (version, name) in versions {
        // A client without ALPN speaks HTTP/1.1.
        for protocols in [HTTP1, &[]] {
            let terms = Terms::of(&certificate, protocols, &[version]);
            for turn in 0..3 {
                let mut session = terms.shake(address).unwrap();
                assert!(ask(&mut session, "/hello.txt").ends_with(HELLO));
                assert_eq!(session.conn.protocol_version(), Some(name));
                let is_resumed = session.conn.handshake_kind() == Some(HandshakeKind::Resumed);
                assert_eq!(is_resumed, turn > 0, "{name:?}, session {turn}");
            }
        }
    }
}

#[test]
fn http2_is_preferred_to_http1() {
    let (_fleet, address, certificate) = secured(Stage::new());
    for protocols in [["h2", "http/1.1"], ["http/1.1", "h2"]] {
        let terms = Terms::trusting(&certificate, &protocols);
        let session = terms.shake(address).unwrap();
        assert_eq!(session.conn.alpn_protocol(), Some(&b"h2"[..]));
    }
    let unknown = Terms::trusting(&certificate, &["spdy/1"]);
    let error = unknown.shake(address).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
}

#[test]
fn a_client_that_has_said_all_by_an_alert_is_still_answered() {
    let stage = Stage::new();
    stage.write("big.bin", &content(1, 3 << 20));
    let (_fleet, address, certificate) = secured(stage);
    let terms = Terms::trusting(&certificate, HTTP1);
    for (target, bytes) in [
        ("/hello.txt", 11),
        ("/big.bin", 3 << 20),
        (paths::HEALTH, 3),
    ] {
        let mut wire = terms.open(address).unwrap();
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        wire.half_close();
        assert_eq!(wire.reply().body.len(), bytes, "{target}");
        assert!(wire.has_ended(), "{target}");
    }
}

#[test]
fn who_has_the_wrong_port_is_told() {
    let (fleet, secure, certificate) = secured(Stage::new());
    let reply = http::get(secure, "/hello.txt", "");
    let text = String::from_utf8(reply.body).unwrap();
    assert_eq!(reply.status, 400, "{}", reply.head);
    assert!(text.contains("use an https:// URL"), "{text}");

    let Terms(config) = Terms::trusting(&certificate, HTTP1);
    let plain = fleet.server.address;
    let mut hello = Vec::new();
    let mut connection = ClientConnection::new(config, secure::name(plain)).unwrap();
    connection.write_tls(&mut hello).unwrap();
    let mut wire = Wire::open(plain).unwrap();
    wire.send(&hello);
    let reply = wire.reply();
    assert_eq!(reply.status, 400, "{}", reply.head);
    assert_eq!(reply.field("connection"), Some("close"));
    assert!(wire.has_ended());
}

#[test]
fn large_bodies_are_exact() {
    let stage = Stage::new();
    let bytes = content(3, LARGE_BYTES);
    stage.write("large.bin", &bytes);
    let (fleet, secure, certificate) = secured(stage);
    let expected = sha256(&bytes);
    drop(bytes);

    let mut session = Terms::trusting(&certificate, HTTP1).shake(secure).unwrap();
    let answer = ask(&mut session, "/large.bin");
    let body = &answer[answer.len() - LARGE_BYTES..];
    assert!(sha256(body) == expected, "HTTP/1.1 over TLS");
    drop(answer);

    let plain = http2::Client::to(fleet.server.address, None);
    let secured = http2::Client::to(secure, Some(Terms::trusting(&certificate, &["h2"])));
    for (name, client) in [("in the clear", plain), ("over TLS", secured)] {
        let reply = client.exchange("GET", "/large.bin", "").unwrap();
        assert_eq!(reply.body.len(), LARGE_BYTES, "HTTP/2 {name}");
        assert!(sha256(&reply.body) == expected, "HTTP/2 {name}");
    }
}

/// An HTTP/1.0 client knows the end of an archive by the end of the connection.
fn ask_by_http10(mut wire: Wire, before: &str) -> Wire {
    if !before.is_empty() {
        wire.send(format!("GET {before} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(wire.reply().status, 200);
    }
    wire.send("GET /?archive=tar.zst HTTP/1.0\r\nHost: h\r\n\r\n");
    let head = wire.head().unwrap();
    assert_eq!(head.status, 200, "{}", head.head);
    assert_eq!(head.field("transfer-encoding"), None, "{}", head.head);
    assert_eq!(head.field("content-length"), None, "{}", head.head);
    wire
}

/// A server over a large file and a small one, which comes last in an archive.
fn archived() -> (Fleet, SocketAddr, PathBuf) {
    let stage = Stage::new();
    stage.write("a-large", &content(1, ARCHIVED_BYTES));
    stage.write("b-small", b"first");
    secured(stage)
}

#[test]
fn an_archive_is_the_same_over_every_version() {
    let (fleet, secure, certificate) = archived();
    let plain = fleet.server.address;
    let terms = Terms::trusting(&certificate, HTTP1);
    let ask = |client: http2::Client| client.exchange("GET", "/?archive=tar.zst", "").unwrap();
    let expected = ask(http2::Client::to(plain, None));
    assert!(expected.body.len() > ARCHIVED_BYTES);
    for name in ["transfer-encoding", "content-length"] {
        assert_eq!(expected.field(name), None, "{}", expected.head);
    }
    let h2 = Terms::trusting(&certificate, &["h2"]);
    assert!(ask(http2::Client::to(secure, Some(h2))).body == expected.body);
    let mut wire = terms.open(secure).unwrap();
    wire.send(http::request("GET", secure, "/?archive=tar.zst", ""));
    assert_eq!(
        wire.head().unwrap().field("transfer-encoding"),
        Some("chunked")
    );
    assert!(
        wire.chunked_body().unwrap() == expected.body,
        "HTTP/1.1 over TLS"
    );
    for before in ["", paths::HEALTH] {
        let mut wire = ask_by_http10(Wire::open(plain).unwrap(), before);
        assert!(wire.rest().unwrap() == expected.body, "after {before:?}");
        let mut wire = ask_by_http10(terms.open(secure).unwrap(), before);
        assert!(
            wire.rest().unwrap() == expected.body,
            "TLS, after {before:?}"
        );
    }
}

/// Its end would be taken for the archive's, so it must look like none.
#[test]
fn a_cut_archive_has_no_end_over_any_version() {
    let (fleet, secure, certificate) = archived();
    let plain = fleet.server.address;
    let (small, is_odd) = (
        fleet.stage.tree().join("b-small"),
        std::cell::Cell::new(false),
    );
    let change = || {
        let text = if is_odd.replace(!is_odd.get()) {
            "a"
        } else {
            "other"
        };
        fs::write(&small, text).unwrap();
    };
    let settle = || {
        wait_for("the small file to be hashed", LONG, || {
            fleet.has_converged() && fleet.server.get("/b-small").strong_etag().is_some()
        });
    };
    for terms in [None, Some(Terms::trusting(&certificate, &["h2"]))] {
        let address = terms.as_ref().map_or(plain, |_| secure);
        let client = http2::Client::to(address, terms);
        let cut = client.exchange_while("GET", "/?archive=tar.zst", "", change);
        assert!(
            matches!(cut, Err(Broken::Reset(h2::Reason::INTERNAL_ERROR))),
            "{cut:?}"
        );
        settle();
    }
    let terms = Terms::trusting(&certificate, HTTP1);
    for before in ["", paths::HEALTH] {
        let open: [&dyn Fn() -> Wire; 2] = [&|| Wire::open(plain).unwrap(), &|| {
            terms.open(secure).unwrap()
        }];
        for open in open {
            let mut wire = open();
            wire.send(http::request("GET", secure, "/?archive=tar.zst", ""));
            assert_eq!(wire.head().unwrap().status, 200);
            change();
            assert!(wire.chunked_body().is_err(), "a last chunk");
            settle();
            let mut wire = ask_by_http10(open(), before);
            change();
            assert!(wire.rest().is_err(), "a clean end, after {before:?}");
            settle();
        }
    }
}
