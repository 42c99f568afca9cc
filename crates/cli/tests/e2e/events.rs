//! What operators read: one event for each change, in order, with its reason.
//!
//! Ids and fields are looked at, words are not: they may change.

use std::os::unix::fs::symlink;

use overspill_wire::{
    events::{EventEntry, EventsReply},
    paths,
};
use serde_json::Value;

use crate::{
    fleet::{Fleet, Node, Setup, TWO},
    stage::{LONG, Stage, content, wait_for},
};

const JSON: &[&str] = &["--log-format", "json"];

/// All events of a node.
fn events(node: &Node) -> Vec<EventEntry> {
    let reply = node.get(&format!("{}?limit=1000", paths::LOGGED));
    assert_eq!(reply.status, 200, "{}", reply.head);
    let reply: EventsReply = serde_json::from_slice(&reply.body).expect("events");
    reply.events
}

/// What became of a member: the state it went to, and why.
fn states(events: &[EventEntry], member: &str) -> Vec<(String, String)> {
    let of_member = events
        .iter()
        .filter(|entry| entry.event == "member-state" && entry.fields["member"] == member);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    of_member
        .map(|entry| (text(&entry.fields["to"]), text(&entry.fields["reason"])))
        .collect()
}

/// Each line of the log as JSON.
fn lines(node: &Node) -> Vec<Value> {
    let log = node.log();
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    log.lines().map(parse).collect()
}

#[test]
fn a_killed_mirror_is_one_event_for_each_of_its_states() {
    let stage = Stage::new();
    stage.write("file", &content(1, 10_000));
    let setup = Setup {
        server: JSON,
        mirrors: TWO,
    };
    let mut fleet = Fleet::ready(stage, setup);
    let (killed, other) = (&fleet.mirrors[0], &fleet.mirrors[1]);
    let (killed, other) = (killed.status().node.name, other.status().node.name);
    fleet.mirrors[0].kill();
    wait_for("a member that is down", LONG, || {
        let states = states(&events(&fleet.server), &killed);
        states.last().is_some_and(|(to, _)| to == "down")
    });

    let told = events(&fleet.server);
    let expected = [
        ("ready", "it reports"),
        ("suspect", "its connection to the server broke"),
        ("down", "no report for 10 s"),
    ];
    let expected = expected.map(|(to, reason)| (to.to_owned(), reason.to_owned()));
    assert_eq!(states(&told, &killed), expected);
    assert_eq!(states(&told, &other), expected[..1], "it lives on");
    for (at, entry) in told.iter().enumerate() {
        assert_eq!(entry.seq, at as u64 + 1);
    }
    let started = told.iter().filter(|entry| entry.event == "node-started");
    assert_eq!(started.count(), 1);

    // The log says the same, line by line.
    let logged: Vec<Value> = lines(&fleet.server);
    let ids = |events: Vec<&Value>| events.into_iter().cloned().collect::<Vec<_>>();
    let logged = ids(logged.iter().map(|line| &line["event"]).collect());
    let told: Vec<Value> = told
        .iter()
        .map(|entry| entry.event.clone().into())
        .collect();
    assert_eq!(logged, told);
}

#[test]
fn events_are_asked_for_from_where_one_left_off() {
    let stage = Stage::new();
    let fleet = Fleet::ready(stage, Setup::default());
    wait_for("two events", LONG, || events(&fleet.server).len() >= 2);
    let page = |query: &str| fleet.server.get(&format!("{}?{query}", paths::LOGGED));
    let first: EventsReply = serde_json::from_slice(&page("after=0&limit=1").body).unwrap();
    assert_eq!((first.events.len(), first.next), (1, 1));
    let second: EventsReply = serde_json::from_slice(&page("after=1&limit=1").body).unwrap();
    assert_eq!(second.events[0].seq, 2);
    for query in ["after=x", "limit=-1"] {
        assert_eq!(page(query).status, 400, "{query}");
    }
}

/// A name that ends the line and begins another one, as grave as can be.
const FORGED: &str = "a\n{\"level\":\"error\",\"event\":\"disk-full\"}\u{1b}[31m";

#[test]
fn the_name_of_a_file_forges_no_line() {
    for format in ["json", "text"] {
        let stage = Stage::new();
        symlink("/etc/hostname", stage.tree().join(FORGED)).unwrap();
        let args = ["--log-format", format];
        let setup = Setup {
            server: &args,
            mirrors: &[],
        };
        let fleet = Fleet::ready(stage, setup);
        let has_told = || {
            events(&fleet.server)
                .iter()
                .any(|entry| entry.event == "tree-problem")
        };
        wait_for("a problem with the tree", LONG, has_told);
        let log = fleet.server.log();
        assert!(
            log.lines().all(|line| !line.starts_with("{\"level\"")),
            "{log}"
        );
        assert!(!log.contains('\u{1b}'), "{log:?}");
        if format == "json" {
            let graves = lines(&fleet.server);
            let graves = graves.iter().filter(|line| line["level"] == "error");
            assert_eq!(graves.count(), 0, "{log}");
        }
    }
}
