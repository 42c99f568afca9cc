//! Listings: the same entries in both forms, nothing unescaped, bounded pages.

use std::{
    fs::{self, File},
    path::PathBuf,
    sync::Arc,
};

use overspill_core::{
    catalog::{Entry, InstanceId, Kind, Revision},
    dispatch::Ticket,
    fleet::MemberId,
    path::encode_component,
    root::{Root, Sha256},
};
use overspill_http1::request::{Limits, Parsed, parse};
use overspill_net::{Body, Clock, FileBody};
use overspill_wire::{listing::ListedKind, status::FleetStatus};

use super::*;
use crate::{
    file::{FileVersion, FoundFile},
    role::{Ask, Found, Route},
};

fn path(bytes: &[u8]) -> CatalogPath {
    CatalogPath::parse(bytes).unwrap()
}

fn entry(kind: Kind, size: u64) -> Arc<Entry> {
    let content = (kind == Kind::File).then_some(overspill_core::catalog::Content {
        root: Root([1; 32]),
        sha256: Sha256([2; 32]),
        crc32: 0,
    });
    Arc::new(Entry {
        kind,
        size,
        mtime_ns: 1_769_860_800_000_000_000,
        mode: 0o644,
        revision: Revision(1),
        content,
        stamp: None,
    })
}

fn catalog(paths: &[(&[u8], Kind, u64)]) -> Catalog {
    let mut catalog = Catalog::new(InstanceId(1));
    let batch: Vec<_> = paths
        .iter()
        .map(|&(name, kind, size)| (path(name), entry(kind, size)))
        .collect();
    catalog.apply(
        Revision(1),
        batch.iter().map(|(path, entry)| (path, Some(entry))),
    );
    catalog
}

/// A role with a catalog and perhaps a folder of files.
struct OnPaper {
    catalog: Arc<Catalog>,
    folder: Option<PathBuf>,
}

impl Role for OnPaper {
    fn has_all(&self, _contents: &overspill_store::archive::Contents) -> bool {
        true
    }

    fn name(&self) -> &str {
        "paper"
    }

    fn find_in_memory(&self, path: &CatalogPath) -> Option<Found> {
        Some(self.find(path))
    }

    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    fn find(&self, path: &CatalogPath) -> Found {
        let Some(folder) = &self.folder else {
            return Found::Elsewhere;
        };
        let entry = self.catalog.entry(path).unwrap();
        let file = File::open(folder.join(path.to_text().as_ref())).unwrap();
        Found::File(FoundFile {
            body: FileBody::Object(Arc::new(file)),
            version: FileVersion::known(entry.size, 0, entry.content.unwrap(), Revision(1)),
        })
    }

    fn route(&self, _ask: &Ask<'_>) -> Route {
        Route::Here
    }

    fn returned_from(&self, _: &MemberId, _: &Ask<'_>) {}

    fn arrived(&self, _ticket: &[u8]) -> Option<Ticket> {
        None
    }

    fn send_back(&self) -> Option<(String, MemberId)> {
        None
    }

    fn status(&self) -> FleetStatus {
        unreachable!("nobody asks")
    }

    fn is_ready(&self) -> bool {
        true
    }
}

/// The head and the body of the answer to a request for a folder.
fn answered(catalog: &Catalog, folder: &[u8], query: &str, fields: &str) -> (String, String) {
    let role = Arc::new(OnPaper {
        catalog: Arc::new(catalog.clone()),
        folder: None,
    });
    answered_by(&role, folder, query, fields)
}

fn answered_by(role: &Arc<OnPaper>, folder: &[u8], query: &str, fields: &str) -> (String, String) {
    let folder = path(folder);
    let url = folder_url(&folder);
    let head = format!("GET {url}?{query} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let Ok(Parsed::Request { request, .. }) = parse(head.as_bytes(), &Limits::default()) else {
        panic!("{head}");
    };
    let parsed = TreeQuery::parse(query.as_bytes()).unwrap();
    let now = Clock::new().now();
    let mut out = Vec::new();
    let context = Context::new(&request, &now, &mut out);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let answer = runtime.block_on(answer(role, &request, &parsed, &folder, context));
    let Answer::Reply(reply) = answer else {
        panic!("handed over");
    };
    let body = match reply.body {
        Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        _ => String::new(),
    };
    (String::from_utf8(out).unwrap(), body)
}

fn rendered(catalog: &Catalog, folder: &[u8], query: &str) -> String {
    answered(catalog, folder, query, "").1
}

fn listed(catalog: &Catalog, folder: &[u8], query: &str) -> Listing {
    serde_json::from_str(&rendered(catalog, folder, &format!("format=json&{query}"))).unwrap()
}

#[test]
fn names_are_escaped_wherever_they_stand() {
    let nasty: &[u8] = b"<script>\"'&\xff.txt";
    let catalog = catalog(&[(nasty, Kind::File, 1536), (b"javascript:x", Kind::File, 1)]);
    let html = rendered(&catalog, b"", "");
    assert!(
        html.contains("&lt;script&gt;&quot;&#39;&amp;\u{fffd}.txt"),
        "{html}"
    );
    assert!(
        html.contains("href=\"./%3Cscript%3E%22%27%26%FF.txt\""),
        "{html}"
    );
    assert_eq!(html.matches("<script").count(), 1, "our own");
    assert!(html.contains("href=\"./javascript%3Ax\""));
    assert!(
        html.contains("title=\"1536 bytes\">1.5 KiB</data>"),
        "{html}"
    );
}

#[test]
fn json_has_what_programs_need() {
    let catalog = catalog(&[(b"d", Kind::Folder, 0), (b"d/a b", Kind::File, 7)]);
    let listing = listed(&catalog, b"d", "");
    assert_eq!(listing.path, "/d/");
    assert_eq!(listing.entries.len(), 1);
    let file = &listing.entries[0];
    assert_eq!(
        (file.name.as_str(), file.href.as_str(), file.size),
        ("a b", "a%20b", Some(7))
    );
    assert_eq!(file.mtime, "2026-01-31T12:00:00Z");
    assert_eq!(
        file.root.as_deref(),
        Some(Root([1; 32]).to_string().as_str())
    );
    let root = listed(&catalog, b"", "");
    assert_eq!(
        (root.entries[0].kind, root.entries[0].href.as_str()),
        (ListedKind::Folder, "d/")
    );
}

#[test]
fn selections_reach_below_the_folder() {
    let catalog = catalog(&[
        (b"d", Kind::Folder, 0),
        (b"d/e", Kind::Folder, 0),
        (b"d/e/x.iso", Kind::File, 7),
        (b"d/y.iso", Kind::File, 9),
        (b"z.iso", Kind::File, 9),
    ]);
    let names = |query| -> Vec<String> {
        listed(&catalog, b"d", query)
            .entries
            .into_iter()
            .map(|entry| entry.name)
            .collect()
    };
    assert_eq!(names("name=*.iso"), ["e/x.iso", "y.iso"]);
    assert_eq!(names("name=*.iso&min_size=8"), ["y.iso"]);
}

#[test]
fn pages_are_bounded_and_lead_on() {
    let names: Vec<_> = (0..page::MAX_PAGE_ENTRIES + 5)
        .map(|at| format!("f{at:06}"))
        .collect();
    let entries: Vec<_> = names
        .iter()
        .map(|name| (name.as_bytes(), Kind::File, 1))
        .collect();
    let catalog = catalog(&entries);
    let first = listed(&catalog, b"", "");
    assert_eq!(first.entries.len(), page::MAX_PAGE_ENTRIES);
    let next = first.next.unwrap();
    let second = listed(&catalog, b"", &format!("cursor={next}"));
    assert_eq!(second.entries.len(), 5);
    assert_eq!(second.next, None);
    assert_eq!(second.entries[0].name, names[page::MAX_PAGE_ENTRIES]);
    assert!(rendered(&catalog, b"", "").contains("rel=\"next\""));
}

#[test]
fn the_policy_names_what_stands_in_the_page() {
    let (head, page) = answered(&catalog(&[]), b"", "", "");
    let policy = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Security-Policy: "))
        .unwrap();
    for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
        let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
        let (inline, rest) = rest.split_once(&format!("</{tag}>")).unwrap();
        assert!(!rest.contains(&format!("<{tag}")), "only one {tag}");
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, inline.as_bytes());
        let digest = Sha256(digest.as_ref().try_into().unwrap()).to_base64();
        let source = format!("{directive} 'sha256-{digest}'");
        assert!(policy.contains(&source), "{source}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for inline in [" style=", " onclick=", " onload=", "http://", "https://"] {
        let markup = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!markup.contains(inline), "{inline}");
    }
}

#[test]
fn the_fixed_part_is_small() {
    let page = rendered(&catalog(&[]), b"", "");
    assert!(page.len() < 20_000, "{} bytes", page.len());
}

#[test]
fn people_get_folders_first_and_numbers_in_order() {
    let catalog = catalog(&[
        (b"part-10", Kind::File, 3),
        (b"part-9", Kind::File, 7),
        (b"z", Kind::Folder, 0),
    ]);
    for (query, expected) in [
        ("", ["z", "part-9", "part-10"]),
        ("sort=name&order=desc", ["z", "part-10", "part-9"]),
        ("sort=size", ["z", "part-10", "part-9"]),
        ("sort=size&order=desc", ["z", "part-9", "part-10"]),
    ] {
        let html = rendered(&catalog, b"", query);
        let at = |name: &str| html.find(&format!("\"./{name}")).unwrap();
        assert!(expected.is_sorted_by_key(|name| at(name)), "{query}");
    }
    let html = rendered(&catalog, b"", "sort=size&order=desc");
    assert!(html.contains(
        "class=\"size\" aria-sort=\"descending\"><a href=\"?sort=size&amp;order=asc\">Size</a>"
    ));
    assert_eq!(html.matches(" aria-sort=").count(), 1);
}

#[test]
fn pages_of_a_sorted_listing_join_without_a_gap() {
    let sizes = [5, 3, 5, 1, 9, 5, 2, 5, 7, 0];
    let names: Vec<_> = (0..sizes.len()).map(|at| format!("f{at}")).collect();
    let mut entries: Vec<_> = names
        .iter()
        .zip(sizes)
        .map(|(name, size)| (name.as_bytes(), Kind::File, size))
        .collect();
    entries.push((b"d", Kind::Folder, 0));
    let catalog = catalog(&entries);
    for query in [
        "sort=size&order=desc",
        "sort=size",
        "sort=name&order=desc",
        "sort=mtime",
    ] {
        let whole = listed(&catalog, b"", query);
        assert_eq!(whole.next, None);
        let mut joined = Vec::new();
        let mut cursor = String::new();
        for _ in 0..=entries.len() {
            let page = listed(&catalog, b"", &format!("{query}&limit=3{cursor}"));
            assert!(page.entries.len() <= 3);
            joined.extend(page.entries);
            let Some(next) = page.next else { break };
            cursor = format!("&cursor={}", encode_component(next.as_bytes()));
        }
        assert_eq!(joined, whole.entries, "{query}");
    }
}

#[test]
fn links_keep_what_was_asked_and_no_secret() {
    let catalog = catalog(&[(b"a&b.iso", Kind::File, 1), (b"c.iso", Kind::File, 2)]);
    let query = "name=*.iso&min_size=1&ticket=SECRET&avoid=m-1&sort=size&limit=1&x=%3Cb%3E";
    let html = rendered(&catalog, b"", query);
    let kept = "?name=%2A.iso&amp;min_size=1";
    for expected in [
        format!("href=\"{kept}&amp;archive=tar.zst\""),
        format!("href=\"SHA256SUMS{kept}\""),
        format!("href=\"{kept}&amp;sort=size&amp;order=asc&amp;limit=1&amp;format=json\""),
        format!("href=\"{kept}&amp;sort=name&amp;order=asc&amp;limit=1\""),
        "&amp;cursor=size%3Afile%3A1%3A%2Fa%2526b.iso\"".to_owned(),
        "value=\"*.iso\"".to_owned(),
        "<input type=\"hidden\" name=\"min_size\" value=\"1\">".to_owned(),
        "<b>name=*.iso, min_size=1</b>".to_owned(),
        "1–1 of 2".to_owned(),
    ] {
        assert!(html.contains(&expected), "{expected}: {html}");
    }
    assert!(!html.contains("SECRET") && !html.contains("m-1"));
}

#[test]
fn hostile_queries_are_escaped() {
    let html = rendered(&catalog(&[]), b"", "name=%22%3E%3Cscript%3E&ext=%3Cb%3E'");
    assert!(
        html.contains("value=\"&quot;&gt;&lt;script&gt;\""),
        "{html}"
    );
    assert_eq!(html.matches("<script").count(), 1, "our own");
    assert!(!html.contains("<b>'"));
}

#[test]
fn a_reload_costs_no_page() {
    let one = catalog(&[(b"a", Kind::File, 1)]);
    let (head, _) = answered(&one, b"", "", "");
    let tag = |head: &str| {
        let tag = head.lines().find_map(|line| line.strip_prefix("ETag: "));
        tag.unwrap().to_owned()
    };
    let etag = tag(&head);
    assert!(etag.starts_with("W/\""), "{etag}");
    let fields = format!("If-None-Match: {etag}\r\n");
    let (again, body) = answered(&one, b"", "", &fields);
    assert!(again.starts_with("HTTP/1.1 304 "), "{again}");
    assert!(
        again.contains("Vary: Accept\r\n") && !again.contains("Content-Length"),
        "{again}"
    );
    assert_eq!(body, "");
    let other = catalog(&[(b"a", Kind::File, 2)]).of_instance(InstanceId(2));
    for changed in [
        answered(&other, b"", "", "").0,
        answered(&one, b"", "sort=size", "").0,
        answered(&one, b"", "", "Accept: application/json\r\n").0,
    ] {
        assert_ne!(tag(&changed), etag);
    }
}

#[test]
fn what_is_too_long_to_sort_comes_by_path() {
    let names: Vec<_> = (0..=page::MAX_SORTED_ENTRIES)
        .map(|at| at.to_string())
        .collect();
    let entries: Vec<_> = names
        .iter()
        .map(|name| (name.as_bytes(), Kind::File, 1))
        .collect();
    let catalog = catalog(&entries);
    let (head, body) = answered(&catalog, b"", "sort=size", "");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(
        head.contains("sort: more than 100000 entries; narrow the listing down"),
        "{head}{body}"
    );
    let html = rendered(&catalog, b"", "");
    assert!(html.contains("in the order of their paths") && !html.contains(" aria-sort="));
    let html = rendered(&catalog, b"", "name=9999*");
    assert!(
        html.contains(" aria-sort="),
        "narrowed down, it can be sorted"
    );
}

/// The page of a folder with these files on disk, at the root.
fn page_with(files: &[(&str, &str)], query: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut entries = Vec::new();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
        entries.push((name.as_bytes(), Kind::File, text.len() as u64));
    }
    let role = Arc::new(OnPaper {
        catalog: Arc::new(catalog(&entries)),
        folder: Some(folder.path().to_owned()),
    });
    answered_by(&role, b"", query, "").1
}

#[test]
fn the_readme_is_shown_below_the_folder_and_nowhere_else() {
    let files = [
        ("README.md", "# Hi <b>"),
        ("README.txt", "plain"),
        ("z", ""),
    ];
    let html = page_with(&files, "");
    assert!(
        html.contains("<article class=\"readme\" aria-label=\"README.md\">\n<h2>Hi &lt;b&gt;</h2>")
    );
    assert!(!html.contains("The rest of"));
    for query in [
        "name=*",
        "limit=1&cursor=name:file:0:/README.md",
        "format=json",
    ] {
        assert!(!page_with(&files, query).contains("<article"), "{query}");
    }
    let html = page_with(&[("README", "a <script>\n  b")], "");
    assert!(html.contains("<pre>a &lt;script&gt;\n  b</pre>"));
    assert!(!page_with(&[("README.md", "")], "").contains("<article"));
    let elsewhere = catalog(&[(b"README.md", Kind::File, 5)]);
    assert!(!rendered(&elsewhere, b"", "").contains("<article"));
}

#[test]
fn a_long_readme_is_cut_at_a_line() {
    let text = "words and words\n".repeat(8 << 10);
    let html = page_with(&[("README.md", &text)], "");
    assert!(html.contains("<a href=\"./README.md\">The rest of README.md</a>"));
    let shown =
        html.matches("words and words\n").count() + html.matches("words and words<").count();
    assert_eq!(shown, (64 << 10) / 16);
}
