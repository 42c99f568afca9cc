//! Compressed forms that lie beside their file, as clients meet them: negotiated, each with a tag of
//! its own, resumed on any node, and never one that is out of date.

use std::{
    fs::{self, File},
    time::{Duration, SystemTime},
};

use crate::{
    fleet::{Fleet, Node, Setup},
    http::{Reply, get, split},
    stage::{LONG, Stage, content, wait_for},
};

/// What they hold need not be compressed: a node looks at names and times only.
const PLAIN_BYTES: usize = 900_000;
const CODINGS: [(&str, &str, usize); 3] = [
    ("zstd", "zst", 700_000),
    ("br", "br", 600_000),
    ("gzip", "gz", 800_000),
];

fn write_with_forms(stage: &Stage, name: &str) {
    stage.write(name, &content(50, PLAIN_BYTES));
    for (seed, (_, ending, bytes)) in (51..).zip(CODINGS) {
        stage.write(format!("{name}.{ending}"), &content(seed, bytes));
    }
}

fn fleet(server: &[&str], mirrors: &[&[&str]]) -> Fleet {
    let stage = Stage::new();
    for name in ["app.js", "data.tar", "never/app.js"] {
        write_with_forms(&stage, name);
    }
    let config = stage.path("overspill.toml");
    let rules = "[[rule]]\nmatch = [\"*.tar\"]\nprecompressed = true\n\
                 [[rule]]\nmatch = [\"never/*\"]\nprecompressed = false\n";
    fs::write(&config, rules).unwrap();
    let args = [&["--config", config.to_str().unwrap()], server].concat();
    let fleet = Fleet::ready(
        stage,
        Setup {
            server: &args,
            mirrors,
        },
    );
    for node in fleet.nodes() {
        wait_for("forms", LONG, || {
            let reply = ask(node, "/data.tar", "br", "");
            reply.status == 307 || reply.field("content-encoding").is_some()
        });
    }
    fleet
}

fn ask(node: &Node, target: &str, accepted: &str, fields: &str) -> Reply {
    let fields = format!("Accept-Encoding: {accepted}\r\n{fields}");
    get(node.address, target, &fields)
}

/// What a client accepts, and the coding it is sent.
const NEGOTIATED: [(&str, Option<&str>); 13] = [
    ("zstd", Some("zstd")),
    ("br", Some("br")),
    ("gzip", Some("gzip")),
    ("x-gzip", Some("gzip")),
    ("gzip, deflate, br, zstd", Some("zstd")),
    ("gzip, deflate, br", Some("br")),
    ("gzip;q=1.0, br;q=0.5", Some("gzip")),
    ("br;q=0, gzip", Some("gzip")),
    ("gzip;q=0", None),
    ("identity", None),
    ("deflate", None),
    ("identity, gzip;q=0.5", None),
    ("", None),
];

#[test]
fn each_client_gets_the_form_it_likes_best_on_every_node() {
    let fleet = fleet(&["--offload", "never"], &[&[]]);
    for node in fleet.nodes() {
        let plain = node.get("/app.js");
        plain.assert_honest();
        for (accepted, coding) in NEGOTIATED {
            let asked = format!("{} {accepted:?}", node.url);
            let reply = ask(node, "/app.js", accepted, "");
            assert_eq!(reply.field("content-encoding"), coding, "{asked}");
            assert_eq!(reply.field("vary"), Some("Accept-Encoding"), "{asked}");
            assert_eq!(
                reply.field("content-type"),
                plain.field("content-type"),
                "{asked}"
            );
            let form = CODINGS.into_iter().find(|(name, ..)| Some(*name) == coding);
            let bytes = form.map_or(PLAIN_BYTES, |(_, _, bytes)| bytes);
            assert_eq!(reply.body.len(), bytes, "{asked}");
            // The tag is that of the very bytes, so every form has its own.
            reply.assert_honest();
        }
    }
}

#[test]
fn ranges_and_preconditions_are_about_the_form_that_is_sent() {
    let fleet = fleet(&["--offload", "never"], &[&[]]);
    for node in fleet.nodes() {
        let (plain, form) = (node.get("/app.js"), ask(node, "/app.js", "br", ""));
        let (plain_tag, form_tag) = (plain.strong_etag().unwrap(), form.strong_etag().unwrap());
        let part = ask(node, "/app.js", "br", "Range: bytes=1000-1999\r\n");
        assert_eq!(part.status, 206, "{}", part.head);
        assert_eq!(part.field("content-range"), Some("bytes 1000-1999/600000"));
        assert_eq!(part.field("content-encoding"), Some("br"));
        assert!(part.body == form.body[1000..2000]);
        for (accepted, tags, status, tag) in [
            ("br", form_tag, 304, form_tag),
            ("br", plain_tag, 200, form_tag),
            ("identity", plain_tag, 304, plain_tag),
            ("identity", form_tag, 200, plain_tag),
            ("br", &format!("{plain_tag}, {form_tag}"), 304, form_tag),
            (
                "identity",
                &format!("{form_tag}, {plain_tag}"),
                304,
                plain_tag,
            ),
        ] {
            let fields = format!("If-None-Match: {tags}\r\n");
            let reply = ask(node, "/app.js", accepted, &fields);
            let asked = format!("{accepted} {tags}: {}", reply.head);
            assert_eq!(
                (reply.status, reply.strong_etag()),
                (status, Some(tag)),
                "{asked}"
            );
            assert_eq!(reply.field("vary"), Some("Accept-Encoding"), "{asked}");
        }
        // A part of one form is never continued with another.
        let fields = format!("If-Range: {form_tag}\r\nRange: bytes=10-\r\n");
        assert_eq!(ask(node, "/app.js", "br", &fields).status, 206);
        assert_eq!(ask(node, "/app.js", "gzip", &fields).status, 200);
        assert_eq!(ask(node, "/app.js", "identity", &fields).status, 200);
    }
}

#[test]
fn a_form_is_redirected_and_resumed_like_a_file() {
    let fleet = fleet(&["--capacity", "1KiB/s"], &[&[]]);
    let mut redirect = None;
    wait_for("a redirect", LONG, || {
        let reply = ask(&fleet.server, "/app.js", "br", "");
        redirect = (reply.status == 307).then_some(reply);
        redirect.is_some()
    });
    let redirect = redirect.unwrap();
    let (mirror, target) = split(redirect.field("location").unwrap());
    assert_eq!(mirror, fleet.mirrors[0].address);
    let form = ask(&fleet.mirrors[0], &target, "br", "");
    form.assert_honest();
    assert_eq!(form.field("content-encoding"), Some("br"));
    assert_eq!(form.body.len(), 600_000);
    let etag = form.strong_etag().unwrap();
    let fields = format!("If-Range: {etag}\r\nRange: bytes=250000-\r\n");
    for (node, target) in [
        (&fleet.mirrors[0], target.as_str()),
        (&fleet.server, "/app.js?direct=1"),
    ] {
        let rest = ask(node, target, "br", &fields);
        assert_eq!(rest.status, 206, "{target}: {}", rest.head);
        assert_eq!(rest.strong_etag(), Some(etag), "{target}");
        assert!(rest.body == form.body[250_000..], "{target}");
    }
}

#[test]
fn a_form_that_is_gone_or_older_than_its_file_is_not_used() {
    let fleet = fleet(&["--offload", "never"], &[&[]]);
    let tree = fleet.stage.tree();
    let coding_of = |node: &Node| {
        let reply = ask(node, "/app.js", "zstd, br, gzip", "");
        // While a mirror still fetches, it sends its clients back.
        (reply.status == 200).then(|| {
            reply.assert_honest();
            reply.field("content-encoding").map(str::to_owned)
        })
    };
    let all_send = |coding: Option<&str>| {
        for node in fleet.nodes() {
            wait_for(&format!("{coding:?} of {}", node.url), LONG, || {
                coding_of(node).is_some_and(|sent| sent.as_deref() == coding)
            });
        }
    };
    all_send(Some("zstd"));
    fs::remove_file(tree.join("app.js.zst")).unwrap();
    all_send(Some("br"));
    let older = SystemTime::now() - Duration::from_secs(3600);
    let form = File::options()
        .write(true)
        .open(tree.join("app.js.br"))
        .unwrap();
    form.set_modified(older).unwrap();
    drop(form);
    all_send(Some("gzip"));
    // The file itself is newer now than what was made of it.
    fleet.stage.write("app.js", b"new");
    all_send(None);
    fleet.stage.write("app.js.gz", b"new as gzip");
    all_send(Some("gzip"));
}

#[test]
fn rules_say_where_forms_are_used() {
    let fleet = fleet(&["--offload", "never"], &[&[]]);
    for node in fleet.nodes() {
        let reply = ask(node, "/data.tar", "gzip", "");
        assert_eq!(
            reply.field("content-encoding"),
            Some("gzip"),
            "{}",
            reply.head
        );
        let reply = ask(node, "/never/app.js", "gzip", "");
        assert_eq!(reply.field("content-encoding"), None, "{}", reply.head);
        assert_eq!(reply.field("vary"), None, "{}", reply.head);
        // Asked for by its own name it is a file like any other.
        let reply = ask(node, "/app.js.gz", "gzip", "");
        assert_eq!(reply.field("content-encoding"), None, "{}", reply.head);
        assert_eq!(reply.body.len(), 800_000);
    }
}
