//! A mirror that cannot keep a promise sends the client back, and nothing in a URL can be abused.

use std::{fs, process::Command};

use overspill_core::{
    dispatch::{DispatchId, Ticket},
    root::Root,
    secret::{FleetToken, Purpose},
};

use crate::{
    fleet::{Fleet, Node, Setup, TWO},
    http::{self, Reply, split},
    stage::{LONG, Stage, content, wait_for},
    tools::{Need, has, run},
};

const SIZE_BYTES: usize = 256 << 10;
const TINY: &[&str] = &["--capacity", "1KiB/s"];

fn fleet(mirrors: &[&[&str]]) -> (Fleet, Vec<u8>) {
    let stage = Stage::new();
    let bytes = content(8, SIZE_BYTES);
    stage.write("file.bin", &bytes);
    stage.write("other.bin", &content(9, SIZE_BYTES));
    let server = TINY;
    (Fleet::ready(stage, Setup { server, mirrors }), bytes)
}

fn location(reply: &Reply) -> &str {
    assert_eq!(reply.status, 307, "{}", reply.head);
    reply.field("location").expect("a location")
}

/// Where a mirror keeps the content of `file.bin`.
fn object_of(fleet: &Fleet, mirror: &str) -> std::path::PathBuf {
    let listing = fleet.server.list("/");
    let listed = listing
        .entries
        .iter()
        .find(|entry| entry.name == "file.bin");
    let root = listed.and_then(|entry| entry.root.clone()).expect("a root");
    let object = fleet
        .stage
        .path(mirror)
        .join("objects")
        .join(&root[..2])
        .join(&root);
    assert!(object.is_file(), "{}", object.display());
    object
}

fn go(url: &str) -> Reply {
    let (address, target) = split(url);
    http::get(address, &target, "")
}

#[test]
fn a_redirect_says_all_that_a_client_needs_and_is_never_cached() {
    let (fleet, bytes) = fleet(&[&[]]);
    let reply = fleet.server.get("/file.bin");
    let location = location(&reply);
    assert!(location.starts_with(&format!("{}/file.bin?ticket=", fleet.mirrors[0].url)));
    assert_eq!(reply.field("cache-control"), Some("private, no-store"));
    assert_eq!(reply.field("content-length"), Some("0"));
    let name = fleet.mirrors[0].status().node.name;
    assert_eq!(reply.field("overspill-member"), Some(name.as_str()));
    let body = go(location);
    body.assert_honest();
    assert!(body.body == bytes);
    // HEAD is answered here: a redirect of it would cost and save nothing.
    assert_eq!(
        http::get(fleet.server.address, "/file.bin", "Range: bytes=0-1\r\n").status,
        206
    );
}

/// The object is deleted under the mirror's hands; the client ends with the server's bytes.
#[test]
fn a_mirror_that_lost_the_object_sends_the_client_back() {
    let (fleet, bytes) = fleet(&[&[]]);
    let object = object_of(&fleet, "mirror-1");
    fs::remove_file(&object).unwrap();
    let mirror = &fleet.mirrors[0];
    let there = fleet.server.get("/file.bin");
    let back = go(location(&there));
    let expected = format!(
        "{}/file.bin?avoid={}",
        fleet.server.url,
        mirror.status().node.name
    );
    assert_eq!(location(&back), expected);
    let body = go(location(&back));
    body.assert_honest();
    assert!(body.body == bytes);
    assert!(fleet.server.status().decisions.unwrap().avoided >= 1);
    wait_for("the lost object to be fetched again", LONG, || {
        object.is_file()
    });
    wait_for("the mirror to serve it again", LONG, || {
        mirror.get("/file.bin").status == 200
    });
}

#[test]
fn curl_gets_its_file_although_every_mirror_lost_it() {
    if !has(
        "curl_gets_its_file_although_every_mirror_lost_it",
        &[Need::Program("curl")],
    ) {
        return;
    }
    let (fleet, bytes) = fleet(TWO);
    for mirror in ["mirror-1", "mirror-2"] {
        fs::remove_file(object_of(&fleet, mirror)).unwrap();
    }
    let to = fleet.stage.path("got");
    let url = format!("{}/file.bin", fleet.server.url);
    let mut curl = Command::new("curl");
    // Each mirror is tried once at most: there, back, there, back.
    run(curl
        .args(["-q", "-sSfL", "--max-redirs", "4", "-o"])
        .arg(&to)
        .arg(&url));
    assert!(fs::read(&to).unwrap() == bytes);
}

#[test]
fn avoided_mirrors_are_avoided() {
    let (fleet, bytes) = fleet(TWO);
    let names: Vec<String> = fleet
        .mirrors
        .iter()
        .map(|node| node.status().node.name)
        .collect();
    for (avoid, allowed) in [(0, 1), (1, 0)] {
        for _ in 0..10 {
            let reply = fleet
                .server
                .get(&format!("/file.bin?avoid={}", names[avoid]));
            assert!(location(&reply).starts_with(&fleet.mirrors[allowed].url));
            let expected = format!("&avoid={}", names[avoid]);
            assert!(
                location(&reply).ends_with(&expected),
                "the next node must know it, too"
            );
        }
    }
    let reply = fleet
        .server
        .get(&format!("/file.bin?avoid={},{}", names[0], names[1]));
    reply.assert_honest();
    assert!(reply.body == bytes);
}

/// A ticket grants nothing, so a bad one takes nothing away.
#[test]
fn bad_tickets_are_harmless() {
    let (fleet, bytes) = fleet(&[&[]]);
    let good = location(&fleet.server.get("/file.bin")).to_owned();
    let (_, good) = good.split_once("ticket=").unwrap();
    let key = |token: &FleetToken| token.derive(Purpose::Ticket, b"");
    let ours: FleetToken = fleet.server.token().parse().unwrap();
    let strangers = FleetToken::from_random([7; 32]);
    let evil = Ticket {
        dispatch: DispatchId(1),
        root: Root([0; 32]),
        expires_s: u64::MAX,
        origin: "http://evil.example".to_owned(),
    };
    let expired = Ticket {
        expires_s: 1,
        ..evil.clone()
    };
    let forged = [
        "x".to_owned(),
        String::new(),
        good[1..].to_owned(),
        good.repeat(40),
        evil.seal(&key(&strangers)),
        expired.seal(&key(&ours)),
    ];
    let mirror = &fleet.mirrors[0];
    for ticket in &forged {
        let reply = mirror.get(&format!("/file.bin?ticket={ticket}"));
        reply.assert_honest();
        assert!(reply.body == bytes, "{ticket}");
    }
    fs::remove_file(object_of(&fleet, "mirror-1")).unwrap();
    for ticket in &forged {
        assert_leads_home(&fleet, mirror, ticket);
    }
}

/// Without its object the mirror sends the client to its own server, not where the ticket says.
fn assert_leads_home(fleet: &Fleet, mirror: &Node, ticket: &str) {
    let reply = mirror.get(&format!("/file.bin?ticket={ticket}"));
    // It may have fetched the object again meanwhile.
    if reply.status == 307 {
        let home = format!("{}/file.bin?avoid=", fleet.server.url);
        assert!(
            location(&reply).starts_with(&home),
            "{ticket}: {}",
            reply.head
        );
    } else {
        reply.assert_honest();
    }
}
