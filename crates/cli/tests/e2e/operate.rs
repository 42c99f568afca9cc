//! Operating a fleet: draining, removing, changing the policy, ending without losing anybody.

use std::{fs, process::Output, thread};

use overspill_wire::{
    PROTOCOL,
    fleet::{HelloReply, HelloRequest},
    order::{Nonces, OPERATOR, OrderRequest},
    paths,
};
use rustix::process::Signal;

use crate::{
    fleet::{Fleet, Node, Setup, TWO, mirror, overspill, serve},
    http::{self, Reply, Wire, request, split},
    stage::{LONG, Stage, content, wait_for},
    tools::run_within,
};

/// More than the sockets on the way hold, so a flow lasts until its client reads on.
const SIZE_BYTES: usize = 24 << 20;
const REQUESTS: usize = 24;
/// Enough to be worth a redirect.
const SMALL_BYTES: usize = 100_000;

fn fleet(mirrors: &[&[&str]]) -> Fleet {
    let stage = Stage::new();
    stage.write("file", &content(1, SIZE_BYTES));
    for number in 0..REQUESTS {
        stage.write(small(number), &content(number as u64, SMALL_BYTES));
    }
    let server = &["--policy", "round-robin"];
    Fleet::ready(stage, Setup { server, mirrors })
}

fn name_of(mirror: &Node) -> String {
    mirror.status().node.name
}

fn state_of(fleet: &Fleet, name: &str) -> String {
    let members = fleet.server.status().members;
    let member = members.into_iter().find(|member| member.name == name);
    member.map_or_else(String::new, |member| member.state)
}

/// Gives an order with this token.
fn order_with(fleet: &Fleet, token: &str, words: &[&str]) -> Output {
    let mut command = overspill(words);
    command.args(["--server", &fleet.server.url]);
    run_within(LONG, command.env("OVERSPILL_TOKEN", token))
}

/// Gives an order that must be carried out; what the server said.
fn order(fleet: &Fleet, words: &[&str]) -> String {
    let output = order_with(fleet, &fleet.server.token(), words);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The name of a file; each request has its own, because one who returns for a file is answered alike.
fn small(number: usize) -> String {
    format!("small-{number}")
}

/// How many of some requests the server sends to this mirror.
fn sent_to(fleet: &Fleet, mirror: &Node) -> usize {
    let replies = (0..REQUESTS).map(|number| fleet.server.get(&format!("/{}", small(number))));
    let is_there = |reply: &Reply| {
        let location = reply.field("location");
        location.is_some_and(|location| location.starts_with(&mirror.url))
    };
    replies.filter(is_there).count()
}

/// A download from this mirror, its head read and not yet its body.
fn begin(fleet: &Fleet, mirror: &Node) -> (Wire, Reply) {
    let mut begun = None;
    wait_for("a redirect to the mirror", LONG, || {
        let reply = fleet.server.get("/file");
        let Some(location) = reply.field("location") else {
            return false;
        };
        if !location.starts_with(&mirror.url) {
            return false;
        }
        let (address, target) = split(location);
        let mut wire = Wire::open(address).unwrap();
        wire.send(request("GET", address, &target, ""));
        begun = Some(wire);
        true
    });
    let mut wire = begun.expect("a download");
    let head = wire.head().unwrap();
    assert_eq!(head.status, 200, "{}", head.head);
    (wire, head)
}

#[test]
fn a_drained_mirror_gets_nothing_new_and_finishes_what_runs() {
    let fleet = fleet(TWO);
    let bytes = content(1, SIZE_BYTES);
    let (drained, other) = (&fleet.mirrors[0], &fleet.mirrors[1]);
    let name = name_of(drained);
    let (mut wire, head) = begin(&fleet, drained);
    let said = order(&fleet, &["drain", &name]);
    assert!(said.contains(&format!("{name} gets no new work")), "{said}");
    assert_eq!(state_of(&fleet, &name), "draining");
    assert_eq!(sent_to(&fleet, drained), 0);
    assert!(sent_to(&fleet, other) > 0);
    assert!(wire.body(head.length()) == bytes, "cut");

    order(&fleet, &["undrain", &name]);
    assert_eq!(state_of(&fleet, &name), "ready");
    wait_for("work for it again", LONG, || sent_to(&fleet, drained) > 0);
}

#[test]
fn orders_survive_a_restart_of_the_server() {
    let mut fleet = fleet(TWO);
    let names: Vec<String> = fleet.mirrors.iter().map(name_of).collect();
    order(&fleet, &["drain", &names[0]]);
    order(&fleet, &["remove", &names[1]]);
    let kept = fs::read_to_string(fleet.stage.path("state/orders")).unwrap();
    assert!(kept.contains(&format!("drained {}\n", names[0])), "{kept}");
    assert!(kept.contains(&format!("removed {}\n", names[1])), "{kept}");

    // Its store is free for another process only then.
    assert_eq!(fleet.mirrors.remove(1).ended().code(), Some(1));
    let address = fleet.server.address.to_string();
    fleet.server.kill();
    let command = serve(&fleet.stage, &address, &["--policy", "round-robin"]);
    fleet.server = Node::start(&fleet.stage, "server", command);
    wait_for("the drained mirror, drained", LONG, || {
        state_of(&fleet, &names[0]) == "draining"
    });
    assert_eq!(sent_to(&fleet, &fleet.mirrors[0]), 0);
    let command = mirror(&fleet.stage, "mirror-2", &fleet.server, &[]);
    assert_is_turned_away(&fleet, command, &names[1]);

    let said = order(&fleet, &["undrain", &names[1]]);
    assert!(said.contains("may join again"), "{said}");
    let command = mirror(&fleet.stage, "mirror-2", &fleet.server, &[]);
    let back = Node::start(&fleet.stage, "mirror-2", command);
    wait_for("the removed mirror back", LONG, || {
        state_of(&fleet, &names[1]) == "ready"
    });
    assert_eq!(name_of(&back), names[1]);
}

/// A mirror of this name that is started comes to an end by itself and says why.
fn assert_is_turned_away(fleet: &Fleet, mut mirror: std::process::Command, name: &str) {
    let output = run_within(LONG, &mut mirror);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("overspill: {name} was removed from the fleet; `overspill undrain");
    assert!(complaint(&output).contains(&expected), "{output:?}");
    assert_eq!(state_of(fleet, name), "");
}

#[test]
fn a_removed_mirror_ends_and_is_not_let_in_again() {
    let mut fleet = fleet(TWO);
    let name = name_of(&fleet.mirrors[0]);
    order(&fleet, &["remove", &name]);
    assert_eq!(state_of(&fleet, &name), "");
    let removed = fleet.mirrors.remove(0);
    assert_eq!(sent_to(&fleet, &removed), 0);
    let ended = removed.ended();
    assert_eq!(ended.code(), Some(1));
    let log = fs::read_to_string(fleet.stage.path("mirror-1.log")).unwrap();
    assert!(log.contains("was removed from the fleet"), "{log}");
    let again = mirror(&fleet.stage, "mirror-1", &fleet.server, &[]);
    assert_is_turned_away(&fleet, again, &name);
}

#[test]
fn orders_that_cannot_be_carried_out_say_why() {
    let fleet = fleet(&[&[]]);
    let name = name_of(&fleet.mirrors[0]);
    let token = fleet.server.token();
    for (token, words, code, text) in [
        ("A".repeat(43), &["drain", &name][..], 8, "the fleet token"),
        ("x".to_owned(), &["drain", &name], 1, "not a fleet token"),
        (token.clone(), &["drain", "nobody"], 2, &name),
        (token.clone(), &["undrain", "nobody"], 2, "nobody"),
        (token.clone(), &["drain", "No Name"], 1, "MEMBER"),
        (token, &["policy", "best"], 1, "round-robin"),
    ] {
        let output = order_with(&fleet, &token, words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        assert!(complaint(&output).contains(text), "{words:?}: {output:?}");
    }
    assert_eq!(state_of(&fleet, &name), "ready");
    assert!(
        !fleet.stage.path("state/orders").exists(),
        "nothing to keep"
    );
    // A mirror carries nothing out.
    let mut command = overspill(["drain", &name, "--server", &fleet.mirrors[0].url]);
    command.env("OVERSPILL_TOKEN", fleet.server.token());
    let output = run_within(LONG, &mut command);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("not to a mirror"), "{output:?}");
}

fn post(node: &Node, path: &str, body: &str) -> Reply {
    let fields = format!("Content-Length: {}\r\n", body.len());
    let mut wire = Wire::open(node.address).unwrap();
    wire.send(request("POST", node.address, path, &fields) + body);
    wire.reply()
}

/// What was heard on the way cannot be said again.
#[test]
fn an_order_cannot_be_replayed_nor_forged() {
    let fleet = fleet(&[&[]]);
    let name = name_of(&fleet.mirrors[0]);
    let own_nonce = "7".repeat(64);
    let hello = HelloRequest {
        protocol: PROTOCOL,
        member: OPERATOR.to_owned(),
        nonce: own_nonce.clone(),
    };
    let greet = || -> HelloReply {
        let text = serde_json::to_string(&hello).unwrap();
        let reply = post(&fleet.server, paths::HELLO, &text);
        serde_json::from_slice(&reply.body).expect("a greeting")
    };
    let token = fleet.server.token().parse().unwrap();
    let seal = |server: &str| {
        let operator = &own_nonce;
        let order = format!("drain {name}").parse().unwrap();
        OrderRequest::seal(&token, Nonces { operator, server }, &order)
    };
    let give = |request: &OrderRequest| {
        let text = serde_json::to_string(request).unwrap();
        post(&fleet.server, paths::ORDER, &text).status
    };
    let good = seal(&greet().nonce);
    let forged = OrderRequest {
        order: format!("remove {name}"),
        ..seal(&greet().nonce)
    };
    assert_eq!(give(&forged), 403);
    assert_eq!(give(&good), 200);
    assert_eq!(state_of(&fleet, &name), "draining");
    order(&fleet, &["undrain", &name]);
    assert_eq!(give(&good), 401, "said again");
    let later = OrderRequest {
        nonce: greet().nonce,
        ..good
    };
    assert_eq!(give(&later), 403, "said again in another exchange");
    assert_eq!(state_of(&fleet, &name), "ready");
}

#[test]
fn the_policy_changes_while_it_runs() {
    let fleet = fleet(&[&[]]);
    let policy = || fleet.server.status().policy.unwrap();
    assert_eq!(policy(), "round-robin");
    let said = order(&fleet, &["policy", "alternate"]);
    assert!(said.contains("not kept"), "{said}");
    assert_eq!(policy(), "alternate");
}

/// A download that is done by one redirect, without a second try.
fn download(fleet: &Fleet, bytes: &[u8]) {
    let reply = fleet.server.get("/file");
    let reply = match reply.field("location") {
        None => reply,
        Some(location) => {
            let (address, target) = split(location);
            http::get(address, &target, "")
        }
    };
    assert_eq!(reply.status, 200, "{}", reply.head);
    assert!(reply.body == bytes, "{} bytes", reply.body.len());
}

/// Some read, some have only begun, some are yet to ask: none is cut, refused or sent back.
#[test]
fn a_mirror_that_is_asked_to_end_loses_no_download() {
    let fleet = fleet(TWO);
    let bytes = content(1, SIZE_BYTES);
    let ending = &fleet.mirrors[0];
    let name = name_of(ending);
    // Redirected, but not there yet: the mirror cannot know of them.
    let late = (0..REQUESTS).filter_map(|number| {
        let reply = fleet.server.get(&format!("/{}", small(number)));
        let location = reply.field("location")?;
        let is_there = location.starts_with(&ending.url);
        is_there.then(|| (number as u64, split(location)))
    });
    let late: Vec<_> = late.collect();
    assert!(!late.is_empty());
    let (mut slow, head) = begin(&fleet, ending);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..3 {
                        download(&fleet, &bytes);
                    }
                })
            })
            .collect();
        ending.signal(Signal::TERM);
        let told = wait_for("the server to know", LONG, || {
            state_of(&fleet, &name) == "draining"
        });
        crate::fleet::say(format_args!(
            "a mirror that ends is draining after {} ms",
            told.as_millis()
        ));
        assert_eq!(sent_to(&fleet, ending), 0);
        for (seed, (address, target)) in &late {
            let reply = http::get(*address, target, "");
            assert_eq!(reply.status, 200, "{}", reply.head);
            assert!(reply.body == content(*seed, SMALL_BYTES));
        }
        for client in clients {
            client.join().unwrap();
        }
    });
    assert_eq!(state_of(&fleet, &name), "draining", "ended too soon");
    assert!(slow.body(head.length()) == bytes, "cut");
    drop(slow);
    let mut fleet = fleet;
    let ended = fleet.mirrors.remove(0).ended();
    assert!(ended.success(), "{ended}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut fleet = fleet(&[&[]]);
    let (slow, _) = begin(&fleet, &fleet.mirrors[0]);
    let mut direct = Wire::open(fleet.server.address).unwrap();
    let address = fleet.server.address;
    direct.send(request("GET", address, "/file?direct", ""));
    direct.head().unwrap();
    for (node, file) in [
        (fleet.mirrors.remove(0), "mirror-1.log"),
        (fleet.server, "server.log"),
    ] {
        node.signal(Signal::TERM);
        let log = fleet.stage.path(file);
        wait_for("a node that is ending", LONG, || {
            fs::read_to_string(&log)
                .unwrap()
                .contains("ask again to end at once")
        });
        node.signal(Signal::TERM);
        assert_eq!(node.ended().code(), Some(130));
    }
    drop((slow, direct));
}
