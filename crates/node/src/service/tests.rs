//! The life of a request against a role made of a folder and a script.

mod relay;

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Mutex,
};

use overspill_core::{
    catalog::{Catalog, Content, Entry, InstanceId, Kind, Revision},
    dispatch::{DispatchId, Holding, Manner, Ticket},
    fleet::MemberId,
    root::{Root, Sha256},
};
use overspill_http1::range::ByteRange;
use overspill_http1::request::{Limits, Parsed, parse};
use overspill_net::{Body, Clock, FileBody, Part, Security};
use overspill_store::archive::Contents;
use overspill_wire::status::FleetStatus;

use super::*;
use crate::file::FileVersion;
use crate::{Ask, FoundFile, Holder, Route};

/// Runs to the end on a runtime of its own.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// What the service asked of its role.
#[derive(Default)]
struct Asked {
    finds: usize,
    returned: Vec<String>,
    avoided: Vec<Vec<String>>,
    led: Vec<(Holding, Manner)>,
}

struct Script {
    folder: PathBuf,
    away_to: Option<(String, MemberId)>,
    /// The member that everything is offloaded to, if to any.
    offloads_to: Option<MemberId>,
    /// Whether its files are known to be bad, and everything is relayed.
    is_unreadable: bool,
    /// Empty unless the files are bad.
    catalog: Catalog,
    asked: Mutex<Asked>,
}

impl Script {
    /// Makes its files bad; the catalog says what they were.
    fn damage(&mut self) {
        self.is_unreadable = true;
        for name in ["large.bin", "small.txt"] {
            let entry = Arc::new(Entry {
                kind: Kind::File,
                size: fs::metadata(self.folder.join(name)).unwrap().len(),
                mtime_ns: 1_000_000_000,
                mode: 0o644,
                revision: Revision(3),
                content: Some(CONTENT),
                stamp: None,
            });
            let path = CatalogPath::parse(name.as_bytes()).unwrap();
            self.catalog.apply(Revision(3), [(&path, Some(&entry))]);
        }
    }
}

const ROOT: Root = Root([7; 32]);

const CONTENT: Content = Content {
    root: ROOT,
    sha256: Sha256([0; 32]),
    crc32: 0,
};

const CLIENT: Client = Client {
    address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1),
    security: Security::Plain,
};

impl Role for Script {
    fn name(&self) -> &str {
        "script"
    }

    fn catalog(&self) -> Arc<Catalog> {
        Arc::new(self.catalog.clone())
    }

    fn find_in_memory(&self, path: &CatalogPath) -> Option<Found> {
        // As if its folder had to be read from the disk first.
        let is_cold = path.as_bytes() == b"medium.bin";
        (!is_cold).then(|| self.find(path))
    }

    fn find(&self, path: &CatalogPath) -> Found {
        self.asked.lock().unwrap().finds += 1;
        match path.to_text().as_ref() {
            "elsewhere" => return Found::Elsewhere,
            "" | "folder" => return Found::Folder,
            "secret" => return Found::Unreadable,
            _ if self.is_unreadable => return Found::Unreadable,
            _ => {}
        }
        let Ok(file) = File::open(self.folder.join(path.to_text().as_ref())) else {
            return Found::Absent;
        };
        let size = file.metadata().unwrap().len();
        Found::File(FoundFile {
            body: FileBody::Object(Arc::new(file)),
            version: FileVersion::known(size, 1_000_000_000, CONTENT, Revision(3)),
        })
    }

    fn has_all(&self, _contents: &Contents) -> bool {
        self.away_to.is_none()
    }

    fn route(&self, ask: &Ask<'_>) -> Route {
        assert_eq!(
            (ask.revision, ask.root, ask.host),
            (Revision(3), ROOT, &b"h"[..])
        );
        let avoid = ask.avoid.iter().map(ToString::to_string).collect();
        let mut asked = self.asked.lock().unwrap();
        asked.avoided.push(avoid);
        asked.led.push((ask.holding, ask.manner));
        match &self.offloads_to {
            None => Route::Here,
            Some(member) if self.is_unreadable => Route::Relay {
                member: member.clone(),
                url: "http://m".into(),
                ticket: "T".into(),
            },
            Some(member) => Route::Redirect {
                member: member.clone(),
                url: "http://m".into(),
                ticket: "T".into(),
                links: vec![Holder {
                    url: "http://m".into(),
                    zone: None,
                }],
            },
        }
    }

    fn returned_from(&self, member: &MemberId, _: &Ask<'_>) {
        self.asked.lock().unwrap().returned.push(member.to_string());
    }

    fn arrived(&self, ticket: &[u8]) -> Option<Ticket> {
        (ticket == b"good").then(|| Ticket {
            dispatch: DispatchId(1),
            root: ROOT,
            expires_s: 0,
            origin: "http://asked-first".into(),
        })
    }

    fn send_back(&self) -> Option<(String, MemberId)> {
        self.away_to.clone()
    }

    fn status(&self) -> FleetStatus {
        unreachable!("nobody asks")
    }

    fn is_ready(&self) -> bool {
        true
    }
}

struct Scene {
    service: NodeService<Script>,
    _folder: tempfile::TempDir,
}

fn scene(change: impl FnOnce(&mut Script)) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.txt"), "hello").unwrap();
    fs::write(folder.path().join("large.bin"), vec![b'x'; 300 << 10]).unwrap();
    fs::write(folder.path().join("medium.bin"), vec![b'x'; 3000]).unwrap();
    let mut script = Script {
        folder: folder.path().to_owned(),
        away_to: None,
        offloads_to: None,
        is_unreadable: false,
        catalog: Catalog::new(InstanceId(1)),
        asked: Mutex::default(),
    };
    change(&mut script);
    let flows = Arc::new(FlowTable::new(1));
    let service = NodeService::new(
        Arc::new(script),
        Router::new(),
        flows,
        &NodeSettings::default(),
        0,
    );
    Scene {
        service,
        _folder: folder,
    }
}

impl Scene {
    /// The head and in-place body of the answer, and what is to follow.
    fn ask(&self, head: &str) -> (String, Body) {
        let head = format!("{}\r\nHost: h\r\n\r\n", head.replace('\n', "\r\n"));
        let Ok(Parsed::Request { request, .. }) = parse(head.as_bytes(), &Limits::default()) else {
            panic!("{head}");
        };
        let mut out = Vec::new();
        let now = Clock::new().now();
        match finish(self.service.answer_tree(&request, &CLIENT, &now, &mut out)) {
            Answer::Reply(reply) => (String::from_utf8_lossy(&out).into_owned(), reply.body),
            Answer::HandOver => panic!("handed over"),
        }
    }

    fn status(&self, head: &str) -> u16 {
        let (text, _) = self.ask(head);
        text.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.service.role.asked.lock().unwrap()
    }
}

#[test]
fn a_small_file_is_one_write_and_one_look() {
    let scene = scene(|_| {});
    let (text, body) = scene.ask("GET /small.txt HTTP/1.1");
    assert!(
        text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\nhello"),
        "{text}"
    );
    assert!(
        text.contains(&format!("ETag: {}\r\n", ROOT.etag())),
        "{text}"
    );
    assert!(matches!(body, Body::Written(5)));
    scene.ask("GET /small.txt HTTP/1.1");
    assert_eq!(scene.asked().finds, 1, "the second came from the cache");
}

/// The answers to a GET for a large file that names its origin, under a rule for `cors`.
fn for_origin(cors: &[&str], origin: &str) -> String {
    let scene = scene(|script| script.offloads_to = Some("m-1".parse().unwrap()));
    let rule = crate::RuleText {
        paths: vec!["*".to_owned()],
        cors: cors.iter().map(ToString::to_string).collect(),
        ..crate::RuleText::default()
    };
    let rules = crate::Rules::compile(vec![rule]).unwrap();
    scene.service.rules.store(Arc::new(rules));
    let head = format!("GET /large.bin HTTP/1.1\nOrigin: {origin}");
    scene.ask(&head).0
}

#[test]
fn a_browser_is_let_through_to_a_mirror_or_served_here() {
    let any = for_origin(&["*"], "https://a.example");
    assert!(any.starts_with("HTTP/1.1 307 "), "{any}");
    assert!(
        any.contains("\r\nAccess-Control-Allow-Origin: *\r\n"),
        "{any}"
    );
    // Behind the redirect its origin would be `null`, which the rule does not name.
    let named = for_origin(&["https://a.example"], "https://a.example");
    assert!(named.starts_with("HTTP/1.1 200 "), "{named}");
    assert!(
        named.contains("Access-Control-Allow-Origin: https://a.example\r\n"),
        "{named}"
    );
}

#[test]
fn a_redirect_is_exact_to_the_byte() {
    let scene = scene(|script| script.offloads_to = Some("m-1".parse().unwrap()));
    let accept = "Accept: application/metalink4+xml, */*";
    let (text, _) = scene.ask(&format!("GET /large.bin?avoid=m-2 HTTP/1.1\n{accept}"));
    let (_, undated) = text.split_once("GMT\r\n").unwrap();
    let zeros = "A".repeat(43);
    let expected = [
        "Location: http://m/large.bin?ticket=T&avoid=m-2",
        "Cache-Control: private, no-store",
        &format!("Digest: SHA-256={zeros}="),
        "Link: <http://m/large.bin?ticket=T&avoid=m-2>; rel=duplicate; pri=1",
        "Link: <http://h/large.bin?meta4>; rel=describedby; type=\"application/metalink4+xml\"",
        "Content-Length: 0",
        "overspill-member: m-1",
        "\r\n",
    ];
    assert_eq!(undated, expected.join("\r\n"));
    // Here a HEAD is answered from here, so there is nothing to say of elsewhere.
    let (text, _) = scene.ask("HEAD /large.bin HTTP/1.1");
    assert!(!text.contains("\r\nLink: "), "{text}");
}

#[test]
fn a_promise_of_a_path_that_is_not_known_yet_goes_back() {
    let scene = scene(|script| {
        script.away_to = Some(("http://s".to_owned(), "m-1".parse().unwrap()));
    });
    assert_eq!(scene.status("GET /not-yet?ticket=good HTTP/1.1"), 307);
    assert_eq!(scene.status("GET /not-yet HTTP/1.1"), 404);
}

#[test]
fn a_large_file_is_named_and_a_head_has_no_body() {
    let scene = scene(|_| {});
    let (text, body) = scene.ask("GET /large.bin HTTP/1.1\nRange: bytes=10-19");
    assert!(
        text.contains("Content-Range: bytes 10-19/307200\r\n"),
        "{text}"
    );
    assert!(matches!(
        body,
        Body::File {
            range: ByteRange { start: 10, end: 20 },
            ..
        }
    ));
    let (get, _) = scene.ask("GET /large.bin HTTP/1.1");
    let (head, body) = scene.ask("HEAD /large.bin HTTP/1.1");
    assert_eq!(get, head);
    assert!(matches!(body, Body::Empty));
}

#[test]
fn statuses() {
    let scene = scene(|_| {});
    for (head, status) in [
        ("GET /nothing HTTP/1.1", 404),
        ("GET /small.txt/ HTTP/1.1", 404),
        ("GET /secret HTTP/1.1", 403),
        ("GET /a/../b HTTP/1.1", 400),
        ("GET /%zz HTTP/1.1", 400),
        ("GET /a/./../b HTTP/1.1", 400),
        ("GET //a%2fb HTTP/1.1", 400),
        ("GET /.//small.txt HTTP/1.1", 307),
        ("GET /small.txt?min_size=x HTTP/1.1", 400),
        ("GET /small.txt?unknown=1 HTTP/1.1", 200),
        ("POST /small.txt HTTP/1.1", 405),
        ("OPTIONS /small.txt HTTP/1.1", 200),
        ("GET /folder HTTP/1.1", 307),
        ("GET /folder/ HTTP/1.1", 200),
        ("GET /small.txt HTTP/1.1\nRange: bytes=9-", 416),
        ("GET /small.txt HTTP/1.1\nIf-None-Match: *", 304),
        ("GET /small.txt HTTP/1.1\nIf-Match: \"other\"", 412),
        ("GET /elsewhere HTTP/1.1", 503),
    ] {
        assert_eq!(scene.status(head), status, "{head}");
    }
}

#[test]
fn a_path_is_made_canonical_and_its_query_kept() {
    let scene = scene(|_| {});
    for (target, location) in [
        ("//small.txt", "/small.txt"),
        ("/./small.txt?a=//b&c=./d", "/small.txt?a=//b&c=./d"),
        ("//evil.example/?x", "/evil.example/?x"),
        ("/folder//", "/folder/"),
    ] {
        let (text, _) = scene.ask(&format!("GET {target} HTTP/1.1"));
        let line = format!("\r\nLocation: {location}\r\n");
        assert!(text.contains(&line), "{target}: {text}");
    }
}

/// What `parts` give, with `x` for each byte of a file.
fn received(body: Body) -> String {
    match body {
        Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Body::Parts { bytes, mut parts } => {
            let mut text = String::new();
            while let Some(part) = parts.next_part().unwrap() {
                match part {
                    Part::Bytes(bytes) => text.push_str(str::from_utf8(&bytes).unwrap()),
                    Part::File { range, .. } => text.push_str(&"x".repeat(range.len() as usize)),
                    Part::Relay(_) => panic!("relayed"),
                }
            }
            assert_eq!(text.len() as u64, bytes);
            text
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn several_ranges_are_parts_from_disk_and_from_memory_alike() {
    let scene = scene(|_| {});
    for (target, length) in [("/large.bin", 300 << 10), ("/medium.bin", 3000)] {
        let head = format!("GET {target} HTTP/1.1\nRange: bytes=-2,0-4");
        let (text, body) = scene.ask(&head);
        assert!(text.starts_with("HTTP/1.1 206 "), "{text}");
        assert!(!text.contains("Content-Range"), "{text}");
        let (_, rest) = text.split_once("multipart/byteranges; boundary=").unwrap();
        let boundary = &rest[..32];
        let last = length - 1;
        let head = "Content-Type: application/octet-stream\r\nContent-Range: bytes ";
        let expected = format!(
            "--{boundary}\r\n{head}{}-{last}/{length}\r\n\r\nxx\r\n\
             --{boundary}\r\n{head}0-4/{length}\r\n\r\nxxxxx\r\n--{boundary}--\r\n",
            length - 2
        );
        assert_eq!(received(body), expected);
        let promised = format!("Content-Length: {}\r\n", expected.len());
        assert!(text.contains(&promised), "{text}");
    }
}

#[test]
fn digests_are_sent_as_they_are_wanted() {
    let scene = scene(|_| {});
    for (field, modern, legacy) in [
        ("X: y", true, false),
        ("Want-Repr-Digest: sha-256=0", false, false),
        ("Want-Repr-Digest: sha-256=5", true, false),
        ("Want-Digest: SHA-256", true, true),
        ("Want-Digest: SHA-256;q=0", true, false),
    ] {
        let (text, _) = scene.ask(&format!("GET /small.txt HTTP/1.1\n{field}"));
        let zeros = format!("{}=", "A".repeat(43));
        let (new, old) = (
            format!("\r\nRepr-Digest: sha-256=:{zeros}:\r\n"),
            format!("\r\nDigest: SHA-256={zeros}\r\n"),
        );
        assert_eq!(text.contains(&new), modern, "{field}: {text}");
        assert_eq!(text.contains(&old), legacy, "{field}: {text}");
    }
}

#[test]
fn a_redirect_carries_the_ticket_and_whom_to_avoid() {
    let scene = scene(|script| script.offloads_to = Some("m-1".parse().unwrap()));
    let (text, body) = scene.ask("GET /large.bin?avoid=m-7,m-8 HTTP/1.1");
    assert!(text.starts_with("HTTP/1.1 307 "), "{text}");
    assert!(
        text.contains("Location: http://m/large.bin?ticket=T&avoid=m-7,m-8\r\n"),
        "{text}"
    );
    assert!(
        text.contains("Cache-Control: private, no-store\r\n"),
        "{text}"
    );
    assert!(text.contains("overspill-member: m-1\r\n"), "{text}");
    assert!(matches!(body, Body::Empty));
    assert_eq!(
        scene.asked().returned,
        ["m-8"],
        "only the latest failure is news"
    );
    assert_eq!(scene.asked().avoided, [["m-7", "m-8"]]);
}

#[test]
fn nobody_is_redirected_without_a_body_or_against_their_will() {
    let scene = scene(|script| script.offloads_to = Some("m-1".parse().unwrap()));
    for head in [
        "HEAD /large.bin HTTP/1.1",
        "GET /large.bin?direct HTTP/1.1",
        "GET /large.bin HTTP/1.1\nIf-None-Match: *",
        "GET /large.bin HTTP/1.1\nRange: bytes=999999-",
    ] {
        assert_ne!(scene.status(head), 307, "{head}");
    }
}

#[test]
fn who_cannot_be_served_is_sent_back_to_where_it_asked_first() {
    let me = Some(("http://server".to_owned(), "m-1".parse().unwrap()));
    let scene = scene(|script| script.away_to = me);
    for (query, location) in [
        ("", "http://server/elsewhere?avoid=m-1"),
        ("?ticket=forged", "http://server/elsewhere?avoid=m-1"),
        ("?ticket=good", "http://asked-first/elsewhere?avoid=m-1"),
        (
            "?ticket=good&avoid=m-9",
            "http://asked-first/elsewhere?avoid=m-9,m-1",
        ),
    ] {
        let (text, _) = scene.ask(&format!("GET /elsewhere{query} HTTP/1.1"));
        assert!(
            text.contains(&format!("Location: {location}\r\n")),
            "{query}: {text}"
        );
    }
}

/// hyper takes targets apart by rules of its own; the parser of the usual path has the last word.
#[test]
fn over_hyper_no_other_target_is_taken() {
    let scene = scene(|_| {});
    let shard = scene.service.flows.shard(0);
    for (target, status) in [
        ("/small.txt", 200),
        ("http://h/small.txt", 200),
        ("https://h/small.txt", 200),
        ("ftp://h/small.txt", 400),
        ("http://user@h/small.txt", 400),
        ("small.txt", 400),
        ("//small.txt", 307),
    ] {
        let request = http::Request::get(target).header("host", "h").body(());
        let request = request.unwrap();
        let response = finish(over_hyper::answer(
            &scene.service,
            &request,
            &CLIENT,
            &Clock::new().now(),
            &shard,
        ));
        assert_eq!(response.status(), status, "{target}");
    }
}

#[test]
fn over_hyper_the_answer_is_the_same() {
    let scene = scene(|_| {});
    let (text, _) = scene.ask("GET /small.txt HTTP/1.1");
    let request = http::Request::get("/small.txt")
        .header("host", "h")
        .body(())
        .unwrap();
    let shard = scene.service.flows.shard(0);
    let response = finish(over_hyper::answer(
        &scene.service,
        &request,
        &CLIENT,
        &Clock::new().now(),
        &shard,
    ));
    assert_eq!(response.status(), 200);
    for (name, value) in response.headers() {
        let line = format!("{name}: {}\r\n", value.to_str().unwrap()).to_ascii_lowercase();
        assert!(text.to_ascii_lowercase().contains(&line), "{line}");
    }
    assert_eq!(response.headers()["etag"], ROOT.etag().as_str());
}

#[test]
fn an_archive_that_is_not_all_here_is_asked_for_elsewhere() {
    let target = "/folder/?archive=zip&name=*.iso&ticket=t&avoid=m-1&direct";
    let away = scene(|script| {
        script.away_to = Some(("http://server".into(), "me".parse().unwrap()));
    });
    let (head, body) = away.ask(&format!("GET {target} HTTP/1.1"));
    assert!(head.starts_with("HTTP/1.1 307 "), "{head}");
    let location = "Location: http://server/folder/?archive=zip&name=*.iso&avoid=m-1,me\r\n";
    assert!(head.contains(location), "{head}");
    assert!(matches!(body, Body::Empty));
}

#[test]
fn an_empty_archive_is_described_like_a_file() {
    let scene = scene(|_| {});
    let (head, body) = scene.ask("GET /folder/?archive=zip HTTP/1.1");
    for field in [
        "HTTP/1.1 200 OK\r\n",
        "ETag: \"zip-",
        "Content-Type: application/zip\r\n",
        "Content-Disposition: attachment; filename=\"folder.zip\"\r\n",
        "Accept-Ranges: bytes\r\n",
        "Content-Length: 22\r\n",
    ] {
        assert!(head.contains(field), "{head}");
    }
    assert!(matches!(body, Body::Parts { bytes: 22, .. }));
    let (head, body) = scene.ask("HEAD /?archive=tar.zst HTTP/1.0");
    for field in [
        "Connection: close\r\n",
        "ETag: W/\"tar.zst-",
        "Content-Disposition: attachment; filename=\"files.tar.zst\"\r\n",
        "Accept-Ranges: none\r\n",
    ] {
        assert!(head.contains(field), "{head}");
    }
    assert!(!head.contains("Content-Length") && !head.contains("Transfer-Encoding"));
    assert!(matches!(body, Body::Empty));
}
