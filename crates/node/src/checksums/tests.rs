//! Sums: names, lists and their limits.

use std::sync::Arc;

use overspill_core::catalog::{Content, Entry, InstanceId, Revision};

use super::*;

fn path(bytes: &[u8]) -> CatalogPath {
    CatalogPath::parse(bytes).unwrap()
}

fn entry(kind: Kind, sum: Option<u8>) -> Arc<Entry> {
    Arc::new(Entry {
        kind,
        size: 1,
        mtime_ns: 0,
        mode: 0o644,
        revision: Revision(1),
        content: sum.map(|byte| Content {
            root: Root([byte; 32]),
            sha256: Sha256([byte; 32]),
            crc32: 0,
        }),
        stamp: None,
    })
}

fn catalog(entries: impl IntoIterator<Item = (Vec<u8>, Arc<Entry>)>) -> Catalog {
    let mut catalog = Catalog::new(InstanceId(1));
    let batch: Vec<_> = entries
        .into_iter()
        .map(|(name, entry)| (path(&name), entry))
        .collect();
    let changes = batch.iter().map(|(path, entry)| (path, Some(entry)));
    catalog.apply(Revision(1), changes);
    catalog
}

fn tree() -> Catalog {
    let file = |name: &str, sum| (name.as_bytes().to_vec(), entry(Kind::File, Some(sum)));
    let folder = |name: &str| (name.as_bytes().to_vec(), entry(Kind::Folder, None));
    catalog([
        folder("d"),
        file("d/a.iso", 1),
        folder("d/e"),
        file("d/e/b.iso", 2),
        file("d/e/c.txt", 3),
        file("z", 4),
    ])
}

fn listed(folder: &[u8], query: &str) -> Result<String, SumsError> {
    let query = TreeQuery::parse(query.as_bytes()).unwrap();
    let text = list(&tree(), &path(folder), &query)?;
    Ok(String::from_utf8(text).unwrap())
}

fn expected(lines: &[(&str, &str)]) -> String {
    let lines = lines.iter();
    lines
        .map(|(digits, name)| format!("{}  {name}\n", digits.repeat(32)))
        .collect()
}

#[test]
fn a_list_names_the_files_of_its_folder() {
    for (folder, query, lines) in [
        (&b""[..], "", &[("04", "z")][..]),
        (b"d", "", &[("01", "a.iso")]),
        (
            b"d",
            "recursive",
            &[("01", "a.iso"), ("02", "e/b.iso"), ("03", "e/c.txt")],
        ),
        (b"d", "name=*.iso", &[("01", "a.iso"), ("02", "e/b.iso")]),
        (b"d/e", "name=*.iso", &[("02", "b.iso")]),
        (b"d", "name=*.none", &[]),
    ] {
        assert_eq!(listed(folder, query).unwrap(), expected(lines), "{query}");
    }
    assert_eq!(listed(b"none", ""), Err(SumsError::Absent));
    assert_eq!(listed(b"z", ""), Err(SumsError::Absent));
}

#[test]
fn a_list_is_never_silently_incomplete() {
    let hot = (b"d e/hot".to_vec(), entry(Kind::File, None));
    let known = (b"d e/a".to_vec(), entry(Kind::File, Some(1)));
    let folder = (b"d e".to_vec(), entry(Kind::Folder, None));
    let catalog = catalog([folder, known, hot]);
    let list = |query: &str| {
        let query = TreeQuery::parse(query.as_bytes()).unwrap();
        list(&catalog, &path(b"d e"), &query)
    };
    assert_eq!(
        list("").unwrap_err().to_string(),
        "not hashed yet: /d%20e/hot; try again soon, or select other files, as by name=*.iso"
    );
    assert!(list("name=a").is_ok(), "what is selected is known");
}

#[test]
fn a_list_has_an_end() {
    let name = |at: usize| (format!("{at}").into_bytes(), entry(Kind::File, Some(1)));
    let full = catalog((0..MAX_FILES).map(name));
    let query = TreeQuery::default();
    let lines = list(&full, &CatalogPath::root(), &query).unwrap();
    assert_eq!(
        lines.iter().filter(|&&byte| byte == b'\n').count(),
        MAX_FILES
    );
    let over = catalog((0..=MAX_FILES).map(name));
    let error = list(&over, &CatalogPath::root(), &query).unwrap_err();
    assert_eq!(
        error.to_string(),
        "more than 100000 files; select fewer, as by name=*.iso, or ask for each folder"
    );
}

#[test]
fn names_are_escaped_as_sha256sum_does() {
    let sum = Sha256([0xab; 32]);
    let hex = "ab".repeat(32);
    for (name, expected) in [
        (
            &b"plain name"[..],
            format!("{hex}  plain name\n").into_bytes(),
        ),
        (b"a\\b", format!("\\{hex}  a\\\\b\n").into_bytes()),
        (b"a\nb\rc", format!("\\{hex}  a\\nb\\rc\n").into_bytes()),
        (b"\xff", [hex.as_bytes(), b"  \xff\n"].concat()),
    ] {
        assert_eq!(line(name, &sum), expected);
    }
}

#[test]
fn names_that_ask_for_sums() {
    for (name, expected) in [
        (&b"a.iso.sha256"[..], Some(Wanted::Line(path(b"a.iso")))),
        (
            b"d/a.sha256.sha256",
            Some(Wanted::Line(path(b"d/a.sha256"))),
        ),
        (b"SHA256SUMS", Some(Wanted::List(path(b"")))),
        (b"d/SHA256SUMS", Some(Wanted::List(path(b"d")))),
        (b"sha256sums", None),
        (b".sha256", None),
        (b"d/.sha256", None),
        (b"a.iso", None),
    ] {
        assert_eq!(Wanted::by_name(&path(name)), expected);
    }
}
