//! Metrics: what a monitoring system gets, read by a strict reader of ours and by the real one.
//!
//! The rules and the dashboard that we ship may name only what a node really says, and the table in
//! the documentation is written from what it says.

mod openmetrics;
mod prometheus;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use overspill_wire::paths;

use self::openmetrics::Family as Metrics;
use crate::{
    fleet::{Fleet, Node, Setup, serve},
    http::{self, Wire, request},
    stage::{LONG, Stage, content, wait_for},
};

const OPEN_METRICS: &str = "Accept: application/openmetrics-text;version=1.0.0\r\n";
const BIG_BYTES: usize = 8 << 20;

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// A server and a mirror.
fn fleet() -> Fleet {
    let stage = Stage::new();
    stage.write("small", b"small");
    stage.write("big", &content(7, BIG_BYTES));
    let server = &["--offload", "never"];
    let mirrors = &[&[][..]];
    Fleet::ready(stage, Setup { server, mirrors })
}

fn metrics_of(node: &Node) -> BTreeMap<String, Metrics> {
    let reply = http::get(node.address, paths::METRICS, OPEN_METRICS);
    assert_eq!(reply.status, 200, "{}", reply.head);
    let kind = reply.field("content-type");
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(kind, Some(expected));
    let families = openmetrics::read(std::str::from_utf8(&reply.body).unwrap());
    let named = families
        .into_iter()
        .map(|family| (family.name.clone(), family));
    named.collect()
}

fn value(node: &Node, family: &str, labels: &[(&str, &str)]) -> f64 {
    let metrics = metrics_of(node);
    let family = metrics.get(family).unwrap_or_else(|| panic!("no {family}"));
    family.value(labels).unwrap_or(0.0)
}

#[test]
fn requests_are_counted_by_what_became_of_them() {
    let fleet = fleet();
    let server = &fleet.server;
    let of = |class: &str| {
        let labels = [("method", "GET"), ("class", class), ("decision", "serve")];
        value(server, "overspill_requests", &labels)
    };
    let ended = |family: &str, outcome| value(server, family, &[("outcome", outcome)]);
    let before = (
        of("2xx"),
        of("4xx"),
        ended("overspill_responses", "complete"),
    );
    let bytes_before = ended("overspill_response_bytes", "complete");
    assert_eq!(server.get("/small").status, 200);
    assert_eq!(server.get("/big").status, 200);
    assert_eq!(server.get("/absent").status, 404);
    let after = (
        of("2xx"),
        of("4xx"),
        ended("overspill_responses", "complete"),
    );
    assert_eq!((after.0 - before.0, after.1 - before.1), (2.0, 1.0));
    assert_eq!(after.2 - before.2, 3.0);
    let bytes = ended("overspill_response_bytes", "complete") - bytes_before;
    let body_bytes = (BIG_BYTES + 5) as f64;
    assert!(bytes > body_bytes && bytes < body_bytes + 200.0, "{bytes}");
    assert!(value(server, "overspill_sent_bytes", &[]) >= body_bytes);

    // One that leaves in the middle.
    let mut wire = Wire::open(server.address).unwrap();
    wire.send(request("GET", server.address, "/big", ""));
    wire.head().unwrap();
    drop(wire);
    wait_for("a response cut by its client", LONG, || {
        ended("overspill_responses", "cut-by-client") == 1.0
    });
    assert_eq!(ended("overspill_responses", "cut-by-node"), 0.0);
    let metrics = metrics_of(server);
    let first_byte = &metrics["overspill_first_byte_seconds"].samples;
    let counted = first_byte
        .iter()
        .find(|sample| sample.name.ends_with("_count"));
    assert!(counted.unwrap().value >= 3.0, "{counted:?}");
}

#[test]
fn what_one_connection_asks_in_one_go_is_all_counted() {
    let fleet = fleet();
    let server = &fleet.server;
    let before = value(server, "overspill_responses", &[("outcome", "complete")]);
    let mut wire = Wire::open(server.address).unwrap();
    let targets = ["/small", "/absent", "/big", "/small", "/small"];
    let together = targets.map(|target| {
        request("GET", server.address, target, "").replace("Connection: close\r\n", "")
    });
    wire.send(together.concat());
    for target in targets {
        let head = wire.head().unwrap();
        wire.body(head.length());
        assert_eq!(head.status, if target == "/absent" { 404 } else { 200 });
    }
    wait_for("five responses", LONG, || {
        value(server, "overspill_responses", &[("outcome", "complete")]) - before == 5.0
    });
}

#[test]
fn what_hyper_serves_is_counted_alike_and_the_nodes_own_paths_apart() {
    let fleet = fleet();
    let server = &fleet.server;
    let control = [("method", "GET"), ("class", "2xx"), ("decision", "control")];
    let complete = [("outcome", "complete")];
    let responses = value(server, "overspill_responses", &complete);
    let bytes = value(server, "overspill_response_bytes", &complete);
    let own = value(server, "overspill_requests", &control);
    // What comes after a path of the node's own stays with hyper.
    let mut wire = Wire::open(server.address).unwrap();
    for target in [paths::HEALTH, "/big", "/small"] {
        let head = request("GET", server.address, target, "");
        wire.send(head.replace("Connection: close\r\n", ""));
        assert_eq!(wire.reply().status, 200, "{target}");
    }
    wait_for("two responses", LONG, || {
        value(server, "overspill_responses", &complete) - responses == 2.0
    });
    let sent = value(server, "overspill_response_bytes", &complete) - bytes;
    assert_eq!(sent, (BIG_BYTES + 5) as f64);
    // The health of the node, and that it was asked for metrics.
    assert!(value(server, "overspill_requests", &control) - own >= 2.0);
}

#[test]
fn what_limits_turn_away_is_counted_by_limit() {
    let stage = Stage::new();
    let limits = &["--max-connections-per-client", "3"];
    let server = Node::start(&stage, "server", serve(&stage, "127.0.0.1:0", limits));
    let open: Vec<_> = (0..5).map(|_| http::tcp(server.address).unwrap()).collect();
    let read = || {
        // As another client, whose connections are counted apart.
        let elsewhere = Ipv4Addr::new(127, 0, 0, 2).into();
        let mut wire = Wire::open_from(elsewhere, server.address).unwrap();
        wire.send(request("GET", server.address, paths::METRICS, OPEN_METRICS));
        let families = openmetrics::read(std::str::from_utf8(&wire.reply().body).unwrap());
        move |name: &str, labels: &[(&str, &str)]| {
            let family = families.iter().find(|family| family.name == name);
            family.and_then(|family| family.value(labels)).unwrap()
        }
    };
    wait_for("two connections turned away", LONG, || {
        read()("overspill_connections_refused", &[("limit", "client")]) == 2.0
    });
    let value = read();
    assert_eq!(
        value("overspill_connections_refused", &[("limit", "all")]),
        0.0
    );
    // Those three, and the one that asks; one that has asked may not be gone yet.
    assert!(value("overspill_connections", &[]) >= 4.0);
    assert!(value("overspill_connections_accepted", &[]) >= 4.0);
    drop(open);
}

#[test]
fn a_server_tells_of_its_mirror_and_the_mirror_of_itself() {
    let fleet = fleet();
    let (server, mirror) = (&fleet.server, &fleet.mirrors[0]);
    let name = mirror.status().node.name;
    let state = [("member", &*name), ("state", "ready")];
    assert_eq!(value(server, "overspill_member_state", &state), 1.0);
    assert_eq!(
        value(server, "overspill_members", &[("state", "ready")]),
        1.0
    );
    assert_eq!(value(server, "overspill_catalog_files", &[]), 2.0);
    let lag = value(
        server,
        "overspill_member_lag_revisions",
        &[("member", &name)],
    );
    assert_eq!(lag, 0.0);
    let fetched = value(mirror, "overspill_sync_fetched_bytes", &[]);
    assert_eq!(fetched, (BIG_BYTES + 5) as f64);
    assert_eq!(value(mirror, "overspill_sync_fetched_objects", &[]), 2.0);
    assert_eq!(value(mirror, "overspill_store_objects", &[]), 2.0);
    assert_eq!(value(mirror, "overspill_server_connected", &[]), 1.0);
    let build = [("role", "mirror"), ("node", &*name)];
    assert_eq!(value(mirror, "overspill_build", &build), 1.0);
}

#[test]
fn no_metric_names_a_client_a_path_or_a_secret() {
    let fleet = fleet();
    fleet.server.get("/big");
    for node in fleet.nodes() {
        let reply = node.get(paths::METRICS);
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        assert_eq!(
            reply.field("content-type"),
            Some(kind),
            "for everybody else"
        );
        let text = String::from_utf8(reply.body).unwrap();
        for secret in [&*fleet.server.token(), "127.0.0.1", "big", "small\""] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

/// Every metric that a text names, by what a query calls it.
fn named_in(text: &str) -> BTreeSet<String> {
    let is_part =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let words = text.split(|letter| !is_part(letter));
    let ours = words.filter(|word| word.starts_with("overspill_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

#[test]
fn rules_dashboard_and_documentation_name_only_what_there_is() {
    let fleet = fleet();
    let metrics: Vec<_> = fleet.nodes().map(metrics_of).collect();
    let families = metrics.iter().flat_map(BTreeMap::values);
    let samples: BTreeSet<String> = families.clone().flat_map(Metrics::sample_names).collect();
    // People may speak of a histogram as a whole, queries cannot.
    let histograms = families.filter(|family| family.kind == "histogram");
    let told: BTreeSet<String> = histograms.map(|family| family.name.clone()).collect();
    let told = &told | &samples;
    for (path, there_is) in [
        ("contrib/grafana/overspill.json", &samples),
        ("contrib/prometheus/alerts.yml", &samples),
        ("contrib/prometheus/alerts_test.yml", &samples),
        ("docs/metrics.md", &told),
    ] {
        let text = fs::read_to_string(repository(path)).unwrap();
        let named = named_in(&text);
        assert!(named.len() > 5, "{path} names {named:?}");
        let unknown: Vec<_> = named.difference(there_is).collect();
        assert!(
            unknown.is_empty(),
            "{path} names {unknown:?}, which no node has"
        );
    }
}

#[test]
fn the_documentation_shows_the_configuration_that_is_tested() {
    let text = fs::read_to_string(repository("docs/metrics.md")).unwrap();
    let (_, rest) = text.split_once("```haproxy\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let shipped = fs::read_to_string(repository("contrib/haproxy/haproxy.cfg")).unwrap();
    assert!(
        shown.lines().count() > 5 && shipped.contains(shown),
        "{shown}"
    );
}

/// A load report goes to whoever asks for it, in each form, and to nobody else.
#[test]
fn a_balancer_that_asks_is_told_the_load_in_the_answer() {
    let fleet = fleet();
    let load = |target: &str, fields: &str| {
        let reply = http::get(fleet.server.address, target, fields);
        reply.field("endpoint-load-metrics").map(str::to_owned)
    };
    let asking = |format: &str| format!("Endpoint-Load-Metrics-Format: {format}\r\n");
    for target in ["/small", "/big", "/absent", "/", "/small?sha256"] {
        assert_eq!(load(target, ""), None, "{target}");
        let text = load(target, &asking("text")).expect(target);
        let figures = text.strip_prefix("TEXT ").expect("the form");
        let names: Vec<&str> = figures
            .split(", ")
            .map(|figure| figure.split('=').next().unwrap())
            .collect();
        let expected = [
            "cpu_utilization",
            "application_utilization",
            "rps_fractional",
            "eps",
        ];
        assert_eq!(names, expected);
        let json = load(target, &asking("JSON")).expect(target);
        let json = json.strip_prefix("JSON ").expect("the form");
        let figures: BTreeMap<String, f64> = serde_json::from_str(json).unwrap();
        assert_eq!(figures.len(), names.len());
        assert_eq!(load(target, &asking("BIN")), None, "a form we do not have");
    }
}

/// The table of the documentation, as the nodes have it.
fn table(server: &BTreeMap<String, Metrics>, mirror: &BTreeMap<String, Metrics>) -> String {
    let mut table = "| metric | labels | where | meaning |\n|---|---|---|---|\n".to_owned();
    let mut all: BTreeMap<_, _> = server.iter().collect();
    all.extend(mirror);
    for (name, family) in all {
        let place = match (server.contains_key(name), mirror.contains_key(name)) {
            (true, true) => "every node",
            (true, false) => "server",
            _ => "mirror",
        };
        let suffix = match family.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        // Both may have it, with other labels: a server has more to tell.
        let family = server.get(name).unwrap_or(family);
        let labels = family.labels().join(", ");
        let _ = writeln!(
            table,
            "| `{name}{suffix}` | {labels} | {place} | {} |",
            family.help
        );
    }
    table
}

/// Run with `OVERSPILL_WRITE_DOCS=1` to write it.
#[test]
fn the_table_in_the_documentation_is_what_the_nodes_say() {
    let fleet = fleet();
    let table = table(&metrics_of(&fleet.server), &metrics_of(&fleet.mirrors[0]));
    let path = repository("docs/metrics.md");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- table: begin -->\n", "<!-- table: end -->");
    let (before, rest) = text.split_once(begin).expect("a place for the table");
    let (old, after) = rest.split_once(end).expect("its end");
    if std::env::var_os("OVERSPILL_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(old, table, "run this test with OVERSPILL_WRITE_DOCS=1");
}
