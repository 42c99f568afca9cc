//! The access log tells what really happened, whatever a request came by.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    carrier::{ALL, CARRIERS, Carrier},
    fleet::{Fleet, Setup},
    http::{Wire, get, request, split},
    stage::{LONG, Stage, content, wait_for},
    tools::{Need, has},
};

/// Far more than the sockets on the way hold.
const SIZE_BYTES: usize = 24 << 20;
const SMALL: &[u8] = b"hello world";

/// A log that is being written.
struct Log(PathBuf);

impl Log {
    /// The whole lines so far.
    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        whole.lines().map(parse).collect()
    }

    /// The lines of requests with this user agent, as soon as there are so many.
    fn of_agent(&self, agent: &str, lines: usize) -> Vec<Value> {
        let mut found = Vec::new();
        wait_for(&format!("{lines} lines of {agent}"), LONG, || {
            found = self.lines();
            found.retain(|line| line["user_agent"] == agent);
            found.len() >= lines
        });
        assert_eq!(found.len(), lines, "{found:?}");
        found
    }

    /// The first line of which `is_it` holds.
    fn find(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut found = None;
        wait_for(what, LONG, || {
            found = self.lines().into_iter().find(|line| is_it(line));
            found.is_some()
        });
        found.expect("it was found")
    }
}

fn fleet(more: &[&str]) -> (Fleet, Log) {
    let stage = Stage::new();
    stage.write("small.txt", SMALL);
    stage.write("big.bin", &content(21, SIZE_BYTES));
    let log = stage.path("access.log");
    let access = ["--access-log", log.to_str().unwrap()];
    let args = [&access, &ALL[..], more].concat();
    let setup = Setup {
        server: &args,
        mirrors: &[],
    };
    (Fleet::ready(stage, setup), Log(log))
}

/// Target and more arguments for curl; status, offset, and the decision.
type Row = (
    &'static str,
    &'static [&'static str],
    u16,
    Option<u64>,
    &'static str,
);

const ROWS: &[Row] = &[
    ("/big.bin", &[], 200, None, "serve"),
    ("/small.txt", &[], 200, None, "serve"),
    ("/small.txt", &["-I"], 200, None, "serve"),
    ("/big.bin", &["-r", "1000-8999"], 206, Some(1000), "serve"),
    ("/small.txt", &["-r", "6-"], 206, Some(6), "serve"),
    (
        "/small.txt",
        &["-H", "If-None-Match: *"],
        304,
        None,
        "serve",
    ),
    ("/small.txt", &["-r", "99-"], 416, None, "serve"),
    ("/absent", &[], 404, None, "serve"),
    ("/-/health", &[], 200, None, "serve"),
];

#[test]
fn every_exchange_has_its_line_and_the_bytes_add_up() {
    if !has("the access log", &[Need::Program("curl")]) {
        return;
    }
    let (fleet, log) = fleet(&[]);
    let mut received_bytes = 0;
    let mut logged_bytes = 0;
    for (at, carrier) in CARRIERS.into_iter().enumerate() {
        for (row, &(target, args, status, offset, decision)) in ROWS.iter().enumerate() {
            let agent = format!("agent-{at}-{row}");
            let args = [args, &["-A", &agent]].concat();
            let (came, bytes) = carrier.ask(&fleet.server, target, &args);
            let line = &log.of_agent(&agent, 1)[0];
            let what = format!("{carrier:?} {target} {args:?} {line}");
            assert_eq!((came, &line["status"]), (status, &status.into()), "{what}");
            assert_eq!(line["offset"].as_u64(), offset, "{what}");
            assert_eq!(line["decision"], decision, "{what}");
            assert_eq!(line["outcome"], "complete", "{what}");
            assert_eq!(line["version"], carrier.version, "{what}");
            assert_eq!(line.get("tls").is_some(), carrier.tls, "{what}");
            assert_eq!(line["target"], target, "{what}");
            assert_eq!(line["client"], "127.0.0.1", "{what}");
            assert_eq!(line["planned_bytes"], line["sent_bytes"], "{what}");
            assert_eq!(line["sent_bytes"], bytes, "{what}");
            received_bytes += bytes;
            logged_bytes += line["sent_bytes"].as_u64().unwrap();
        }
    }
    assert_eq!(logged_bytes, received_bytes);
    assert!(received_bytes > 4 * SIZE_BYTES as u64);
}

#[test]
fn a_client_that_leaves_in_the_middle_is_told_from_one_that_stays() {
    if !has("clients that leave", &[Need::Program("curl")]) {
        return;
    }
    let (fleet, log) = fleet(&[]);
    for (at, carrier) in CARRIERS.into_iter().enumerate() {
        let agent = format!("leaving-{at}");
        let mut download = carrier.begin(&fleet.server, "/big.bin", &["-A", &agent]);
        let read_bytes = download.read(100_000).len() as u64;
        drop(download);
        let line = &log.of_agent(&agent, 1)[0];
        assert_eq!(line["outcome"], "cut-by-client", "{carrier:?} {line}");
        assert_eq!(line["planned_bytes"], SIZE_BYTES, "{carrier:?} {line}");
        let sent_bytes = line["sent_bytes"].as_u64().unwrap();
        assert!(
            (read_bytes..SIZE_BYTES as u64).contains(&sent_bytes),
            "{carrier:?} {line}"
        );
    }
}

/// Each way is cut when the file changes, and says so; what had come was of one version.
#[test]
fn a_file_that_changes_is_named_as_the_reason() {
    if !has("files that change", &[Need::Program("curl")]) {
        return;
    }
    let (fleet, log) = fleet(&[]);
    for (at, carrier) in CARRIERS.into_iter().enumerate() {
        let name = format!("changing-{at}.bin");
        let old = content(30, SIZE_BYTES);
        fleet.stage.write(&name, &old);
        let path = fleet.stage.tree().join(&name);
        wait_for("a file that is served", LONG, || {
            let mut wire = Wire::open(fleet.server.address).unwrap();
            let target = format!("/{name}");
            wire.send(request("HEAD", fleet.server.address, &target, ""));
            wire.head().unwrap().strong_etag().is_some()
        });
        let body = download_while_it_changes(carrier, &fleet, &path, &name);
        assert!(old.starts_with(&body), "{carrier:?}: a torn body");
        let line = &log.of_agent(&name, 1)[0];
        assert_eq!(line["outcome"], "cut-file-changed", "{carrier:?} {line}");
        let sent_bytes = line["sent_bytes"].as_u64().unwrap();
        assert!(
            (body.len() as u64..SIZE_BYTES as u64).contains(&sent_bytes),
            "{carrier:?} {line}"
        );
    }
}

/// What came before the cut. The name of the file is the user agent.
fn download_while_it_changes(carrier: Carrier, fleet: &Fleet, path: &Path, name: &str) -> Vec<u8> {
    let mut download = carrier.begin(&fleet.server, &format!("/{name}"), &["-A", name]);
    let mut body = download.read(100_000);
    // The end, which has not been read: the beginning is on its way already.
    let file = fs::File::options().append(true).open(path).unwrap();
    std::io::Write::write_all(&mut &file, b"more").unwrap();
    let (rest, is_content) = download.rest();
    assert!(!is_content, "{carrier:?}: curl took a cut body for whole");
    body.extend(rest);
    body
}

#[test]
fn refusals_are_logged_with_what_they_cost() {
    let stage = Stage::new();
    stage.write("small.txt", SMALL);
    let log = stage.path("access.log");
    let access = ["--access-log", log.to_str().unwrap()];
    let setup = Setup {
        server: &[&access[..], &["--max-requests-per-client", "20"]].concat(),
        mirrors: &[],
    };
    // Not asked whether it is ready: that would take requests of this client.
    let (fleet, log) = (Fleet::start(stage, setup), Log(log));
    let mut wire = Wire::open(fleet.server.address).unwrap();
    wire.send("GET /no-host HTTP/1.1\r\n\r\n");
    let refused = wire.reply();
    assert_eq!(refused.status, 400);
    let line = log.find("the refused head", |line| line["target"] == "/no-host");
    assert_eq!(line["status"], 400, "{line}");
    assert_eq!(line["decision"], "reject", "{line}");
    assert_eq!(line["sent_bytes"], refused.body.len(), "{line}");

    let mut wire = Wire::open(fleet.server.address).unwrap();
    let often = "GET /small.txt?often HTTP/1.1\r\nHost: h\r\nUser-Agent: often\r\n\r\n";
    let replies = (0..500).map(|_| {
        wire.send(often);
        wire.reply()
    });
    let refused = replies.into_iter().find(|reply| reply.status == 429);
    let refused = refused.expect("a refusal among 500 requests");
    let line = log.find("the refused request", |line| line["status"] == 429);
    assert_eq!(line["decision"], "reject", "{line}");
    assert_eq!(line["user_agent"], "often", "{line}");
    assert_eq!(line["host"], "h", "{line}");
    assert_eq!(line["sent_bytes"], refused.body.len(), "{line}");
}

#[test]
fn a_redirect_names_the_member_and_hides_the_ticket() {
    let stage = Stage::new();
    stage.write("file.bin", &content(22, 1 << 20));
    let (ours, theirs) = (stage.path("server.access"), stage.path("mirror.access"));
    let setup = Setup {
        server: &[
            "--capacity",
            "1KiB/s",
            "--access-log",
            ours.to_str().unwrap(),
        ],
        mirrors: &[&["--access-log", theirs.to_str().unwrap()]],
    };
    let fleet = Fleet::ready(stage, setup);
    let redirect = fleet.redirect("/file.bin");
    let (mirror, target) = split(redirect.field("location").unwrap());
    let (_, ticket) = target.split_once("ticket=").unwrap();
    assert_eq!(get(mirror, &target, "").status, 200);

    let (ours, theirs) = (Log(ours), Log(theirs));
    let line = ours.find("the redirect", |line| line["status"] == 307);
    assert_eq!(line["decision"], "redirect", "{line}");
    let member = redirect.field("overspill-member").unwrap();
    assert_eq!(line["member"], member, "{line}");
    let line = theirs.find("the download", |line| {
        line["target"].as_str().unwrap().contains("ticket")
    });
    assert_eq!(line["sent_bytes"], 1 << 20, "{line}");
    assert_eq!(line["node"], member, "{line}");
    for log in [ours, theirs] {
        let text = fs::read_to_string(log.0).unwrap();
        assert!(!text.contains(ticket), "a ticket in the log: {text}");
    }
}

#[test]
fn combined_lines_are_those_of_nginx_with_ours_behind() {
    let (fleet, log) = fleet(&["--access-log-format", "combined"]);
    let fields = "User-Agent: a \"quoted\" one\r\nReferer: http://r.example/\r\n\
                  Range: bytes=6-8\r\n";
    assert_eq!(get(fleet.server.address, "/small.txt", fields).body, b"wor");
    let mut line = String::new();
    wait_for("the line", LONG, || {
        let text = fs::read_to_string(&log.0).unwrap_or_default();
        let found = text.lines().find(|line| line.contains("r.example"));
        line = found.unwrap_or_default().to_owned();
        !line.is_empty()
    });
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    let request = "] \"GET /small.txt HTTP/1.1\" 206 3 \"http://r.example/\" ";
    assert!(line.contains(request), "{line}");
    assert!(
        line.contains("\"a \\x22quoted\\x22 one\" planned_bytes=3 "),
        "{line}"
    );
    assert!(line.contains(" outcome=complete "), "{line}");
    assert!(line.contains(" offset=6 "), "{line}");
}
