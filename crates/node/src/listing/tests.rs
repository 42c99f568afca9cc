//! Listings: the same entries in both forms, nothing unescaped, bounded pages.

use std::sync::Arc;

use overspill_core::{
    catalog::{Entry, InstanceId, Revision},
    root::{Root, Sha256},
};

use overspill_wire::listing::ListedKind;

use super::*;

fn path(bytes: &[u8]) -> CatalogPath {
    CatalogPath::parse(bytes).unwrap()
}

fn entry(kind: Kind, size: u64) -> Arc<Entry> {
    let content = (kind == Kind::File).then_some(overspill_core::catalog::Content {
        root: Root([1; 32]),
        sha256: Sha256([2; 32]),
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

fn rendered(catalog: &Catalog, folder: &[u8], query: &str) -> String {
    let query = TreeQuery::parse(query.as_bytes()).unwrap();
    let folder = path(folder);
    let body = document(catalog, &folder, &query, &Lines::default()).body;
    String::from_utf8(body).unwrap()
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
    assert!(!html.contains("<script"));
    assert!(html.contains("href=\"./javascript%3Ax\""));
    assert!(html.contains("title=\"1536 bytes\">1.5 KiB"), "{html}");
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
    let names: Vec<_> = (0..PAGE_ENTRIES + 5)
        .map(|at| format!("f{at:06}"))
        .collect();
    let entries: Vec<_> = names
        .iter()
        .map(|name| (name.as_bytes(), Kind::File, 1))
        .collect();
    let catalog = catalog(&entries);
    let first = listed(&catalog, b"", "");
    assert_eq!(first.entries.len(), PAGE_ENTRIES);
    let next = first.next.unwrap();
    let second = listed(&catalog, b"", &format!("cursor={next}"));
    assert_eq!(second.entries.len(), 5);
    assert_eq!(second.next, None);
    assert_eq!(second.entries[0].name, names[PAGE_ENTRIES]);
    assert!(rendered(&catalog, b"", "").contains("rel=\"next\""));
}

#[test]
fn the_policy_names_the_style_by_its_hash() {
    let style = include_str!("listing.css");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    let digest = Sha256(digest.as_ref().try_into().unwrap());
    assert!(
        POLICY.contains(&format!("'sha256-{}'", digest.to_base64())),
        "{}",
        digest.to_base64()
    );
}
