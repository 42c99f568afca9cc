//! Lists, byte for byte, and what they are about.

use overspill_core::catalog::{Content, Entry, InstanceId};
use overspill_core::root::Sha256;

use super::*;
use crate::{holders::Rank, role::Holder};

fn path(bytes: &[u8]) -> CatalogPath {
    CatalogPath::parse(bytes).unwrap()
}

fn entry(kind: Kind, revision: u64, root: Option<u8>) -> Arc<Entry> {
    Arc::new(Entry {
        kind,
        size: 1,
        mtime_ns: 0,
        mode: 0o644,
        revision: Revision(revision),
        content: root.map(|byte| Content {
            root: Root([byte; 32]),
            sha256: Sha256([byte; 32]),
            crc32: 0,
        }),
        stamp: None,
    })
}

/// A folder that changed at 3, beside a file that changed at 9.
fn catalog() -> Catalog {
    let mut catalog = Catalog::new(InstanceId(1));
    let batch = [
        (path(b"a b"), entry(Kind::Folder, 1, None)),
        (path(b"a b/p.deb"), entry(Kind::File, 3, Some(3))),
        (path(b"hot"), entry(Kind::File, 4, None)),
        (path(b"z"), entry(Kind::File, 9, Some(9))),
    ];
    let changes = batch.iter().map(|(path, entry)| (path, Some(entry)));
    catalog.apply(Revision(9), changes);
    catalog
}

#[test]
fn lists_have_the_form_their_readers_want() {
    let ranked = |url: &str, rank| Ranked {
        holder: Holder {
            url: url.to_owned(),
            zone: None,
        },
        rank,
    };
    let holders = [
        ranked("http://m1", Rank::Best),
        ranked("http://m2", Rank::Best),
        ranked("http://m3", Rank::Good),
        ranked("http://s", Rank::Own),
    ];
    for (format, list) in [
        (
            Format::Apt,
            "http://m1/d/\tpriority:1\nhttp://m2/d/\tpriority:1\n\
             http://m3/d/\tpriority:2\nhttp://s/d/\tpriority:3\n",
        ),
        (
            Format::Json,
            "[{\"url\":\"http://m1/d/\",\"prio\":0},{\"url\":\"http://m2/d/\",\"prio\":0},\
             {\"url\":\"http://m3/d/\",\"prio\":1},{\"url\":\"http://s/d/\",\"prio\":2}]\n",
        ),
        (
            Format::Text,
            "# /d/: best first, the server last\n\
             http://m1/d/\nhttp://m2/d/\nhttp://m3/d/\nhttp://s/d/\n",
        ),
    ] {
        assert_eq!(format.list("/d/", &holders), list);
    }
}

#[test]
fn a_mirror_must_have_all_that_a_list_is_about() {
    let subject = |name: &[u8]| Subject::of(&catalog(), &path(name)).unwrap();
    let expected = |path: &str, revision, root| Subject {
        path: path.to_owned(),
        revision: Revision(revision),
        root: Root([root; 32]),
    };
    assert_eq!(subject(b""), expected("/", 9, 0));
    assert_eq!(subject(b"a b"), expected("/a%20b/", 3, 0));
    assert_eq!(subject(b"a b/p.deb"), expected("/a%20b/p.deb", 3, 3));
    assert_eq!(subject(b"hot"), expected("/hot", u64::MAX, 0));
    assert!(Subject::of(&catalog(), &path(b"none")).is_err());
}

#[test]
fn what_is_asked_for_is_read() {
    let json = [("accept", "application/json")].as_slice();
    for (uri, fields, expected) in [
        ("/-/mirrors", &[][..], Ok((Format::Text, "/"))),
        ("/-/mirrors?path=/", &[], Ok((Format::Text, "/"))),
        (
            "/-/mirrors.apt?path=/a%20b",
            &[],
            Ok((Format::Apt, "/a%20b")),
        ),
        (
            "/-/mirrors?format=apt&path=d/e/",
            &[],
            Ok((Format::Apt, "/d/e")),
        ),
        ("/-/mirrors", json, Ok((Format::Json, "/"))),
        ("/-/mirrors?format=text", json, Ok((Format::Text, "/"))),
        ("/-/mirrors", &[("accept", "*/*")], Ok((Format::Text, "/"))),
        (
            "/-/mirrors?format=xml",
            &[],
            Err("format: expected text, apt or json"),
        ),
        (
            "/-/mirrors?path=/a/../b",
            &[],
            Err("path: the path has a . or .. segment; send the path without it"),
        ),
    ] {
        let uri: Uri = uri.parse().unwrap();
        let fields: HeaderMap = fields
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        let read = format(&uri, &fields).and_then(|format| Ok((format, asked_path(&uri)?)));
        let read = read.map(|(format, path)| (format, path.to_url()));
        let read = read.map_err(|error| error.to_string());
        let expected = expected.map(|(format, path)| (format, path.to_owned()));
        assert_eq!(read, expected.map_err(str::to_owned), "{uri}");
    }
}
