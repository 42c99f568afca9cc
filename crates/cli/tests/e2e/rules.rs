//! Rules by path hold on the server and on its mirrors, in the same words.

use std::fs;

use crate::{
    bad_input::refused,
    fleet::{Fleet, Node, Setup, mirror, serve},
    http::{Reply, Wire, get, request},
    stage::{LONG, Stage, wait_for},
};

const CONFIG: &str = r#"
[limits]
max_connections = 1000

[[rule]]
match = ["*.js"]
cache_control = "public, max-age=60"
content_type = "text/x-special"
headers = { X-From = "rules", "X-Other" = "too" }

[[rule]]
match = ["late.js"]
cache_control = "no-cache"

[[rule]]
match = ["open/*"]
cors = ["*"]

[[rule]]
match = ["some/*"]
cors = ["https://a.example", "https://b.example:8443"]
"#;

const FILES: [&str; 5] = ["app.js", "late.js", "plain.txt", "open/data", "some/data"];

fn fleet() -> Fleet {
    let stage = Stage::new();
    for file in FILES {
        stage.write(file, file.as_bytes());
    }
    let config = stage.path("overspill.toml");
    fs::write(&config, CONFIG).unwrap();
    let setup = Setup {
        server: &["--offload", "never", "--config", config.to_str().unwrap()],
        mirrors: &[&[]],
    };
    let fleet = Fleet::ready(stage, setup);
    for node in fleet.nodes() {
        wait_for("settled times and rules", LONG, || {
            let is_settled = |file: &&str| {
                let reply = node.get(&format!("/{file}"));
                reply.field("last-modified").is_some()
            };
            FILES.iter().all(is_settled) && node.get("/app.js").field("x-from").is_some()
        });
    }
    fleet
}

/// The head without its `Date`.
fn undated(reply: &Reply) -> Vec<&str> {
    let lines = reply.head.lines();
    lines.filter(|line| !line.starts_with("Date:")).collect()
}

#[test]
fn rules_are_kept_by_the_server() {
    let fleet = fleet();
    for (target, name, value) in [
        ("/app.js", "cache-control", Some("public, max-age=60")),
        ("/app.js", "content-type", Some("text/x-special")),
        ("/app.js", "x-from", Some("rules")),
        ("/app.js", "x-other", Some("too")),
        ("/late.js", "cache-control", Some("no-cache")),
        ("/late.js", "x-from", Some("rules")),
        ("/plain.txt", "cache-control", None),
        ("/plain.txt", "x-from", None),
        ("/open/data", "access-control-allow-origin", Some("*")),
        ("/some/data", "access-control-allow-origin", None),
        ("/some/data", "vary", Some("Origin")),
        ("/app.js", "access-control-allow-origin", None),
    ] {
        assert_eq!(
            fleet.server.get(target).field(name),
            value,
            "{target} {name}"
        );
    }
    let etag = fleet.server.get("/app.js");
    let fields = format!("If-None-Match: {}\r\n", etag.strong_etag().unwrap());
    let unchanged = get(fleet.server.address, "/app.js", &fields);
    assert_eq!(unchanged.status, 304);
    let kept = unchanged.field("cache-control");
    assert_eq!(kept, Some("public, max-age=60"), "RFC 9110 section 15.4.5");
}

/// Target, the origin that asks, and the origin that may.
const ORIGINS: [(&str, &str, Option<&str>); 7] = [
    ("/open/data", "https://any.example", Some("*")),
    ("/some/data", "https://a.example", Some("https://a.example")),
    (
        "/some/data",
        "https://b.example:8443",
        Some("https://b.example:8443"),
    ),
    ("/some/data", "https://b.example", None),
    ("/some/data", "https://a.example.evil", None),
    ("/some/data", "null", None),
    ("/plain.txt", "https://a.example", None),
];

#[test]
fn other_origins_may_read_what_a_rule_says_on_every_node() {
    let fleet = fleet();
    for node in fleet.nodes() {
        for (target, origin, allowed) in ORIGINS {
            let asked = format!("{} {target} {origin}", node.url);
            let fields = format!("Origin: {origin}\r\n");
            let reply = get(node.address, target, &fields);
            let field = "access-control-allow-origin";
            assert_eq!(
                (reply.status, reply.field(field)),
                (200, allowed),
                "{asked}"
            );
            let fields = format!(
                "{fields}Access-Control-Request-Method: GET\r\n\
                 Access-Control-Request-Headers: range\r\n"
            );
            let mut wire = Wire::open(node.address).unwrap();
            wire.send(request("OPTIONS", node.address, target, &fields));
            let reply = wire.reply();
            assert_eq!(reply.status / 100, 2, "{asked}: {}", reply.head);
            assert_eq!(reply.field(field), allowed, "preflight {asked}");
            let headers = reply
                .field("access-control-allow-headers")
                .unwrap_or_default();
            assert_eq!(
                headers.contains("Range"),
                allowed.is_some(),
                "preflight {asked}"
            );
        }
    }
}

#[test]
fn a_mirror_answers_in_the_same_words_even_when_its_server_is_away() {
    let mut fleet = fleet();
    let heads = |node: &Node| -> Vec<Vec<String>> {
        let fields = ["", "Range: bytes=1-2\r\n", "Origin: https://a.example\r\n"];
        let asked = FILES
            .iter()
            .flat_map(|file| fields.map(|field| (file, field)));
        let replies = asked.map(|(file, field)| get(node.address, &format!("/{file}"), field));
        let heads = replies.map(|reply| undated(&reply).into_iter().map(str::to_owned).collect());
        heads.collect()
    };
    let expected = heads(&fleet.server);
    assert_eq!(heads(&fleet.mirrors[0]), expected);
    assert!(fleet.server.stop().success());
    assert!(fleet.mirrors[0].stop().success());
    let again = mirror(&fleet.stage, "mirror-1", &fleet.server, &[]);
    fleet.mirrors[0] = Node::start(&fleet.stage, "mirror-1", again);
    assert_eq!(heads(&fleet.mirrors[0]), expected);
}

#[test]
fn bad_configurations_are_named_with_their_line() {
    for (text, words) in [
        (
            "[limits]\n\nmax_conections = 1\n",
            &[":3:", "max_conections"][..],
        ),
        ("[limits]\nmin_rate = \"fast\"\n", &[":2:", "is not a rate"]),
        (
            "[[rule]]\nmatch = [\"*\"]\ncolour = 1\n",
            &[":3:", "colour"],
        ),
        (
            "[[rule]]\nmatch = [\"*\"]\n\n[[rule]]\nmatch = [\"[\"]\n",
            &[":5:9:", "is not a glob"],
        ),
        (
            "\n[[rule]]\nmatch = [\"*\"]\nheaders = { ETag = \"x\" }\n",
            &[":4:11:", "ETag is set by Overspill itself"],
        ),
        (
            "[[rule]]\nmatch = [\"*\"]\nheaders = { X-A = \"a\\r\\nSet-Cookie: b\" }\n",
            &[":3:11:", "X-A: the value has a control character"],
        ),
        (
            "[[rule]]\nmatch = [\"*\"]\ncors = [\"a.example\"]\n",
            &[":3:8:", "is not an origin"],
        ),
        (
            "[limits]\nrate_per_client = \"2MiB/s\"\nmax_egress = \"1MiB/s\"\n",
            &["--rate-per-client", "--max-egress"],
        ),
    ] {
        let stage = Stage::new();
        let config = stage.path("bad.toml");
        fs::write(&config, text).unwrap();
        let args = ["--config", config.to_str().unwrap()];
        refused(text, &mut serve(&stage, "127.0.0.1:0", &args), words);
    }
}
