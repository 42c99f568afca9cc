//! The catalog as a value: totals, children, subtrees.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn path(text: &str) -> CatalogPath {
    CatalogPath::parse(text.as_bytes()).unwrap()
}

fn entry(kind: Kind, size: u64) -> Arc<Entry> {
    Arc::new(Entry {
        kind,
        size,
        mtime_ns: 0,
        mode: 0o644,
        revision: Revision(1),
        content: None,
        stamp: None,
    })
}

fn catalog(paths: &[(&str, Kind)]) -> Catalog {
    let mut catalog = Catalog::new(InstanceId(1));
    let batch: Vec<_> = paths
        .iter()
        .map(|&(name, kind)| (path(name), entry(kind, 1)))
        .collect();
    catalog.apply(
        Revision(1),
        batch.iter().map(|(path, entry)| (path, Some(entry))),
    );
    catalog
}

fn names<'a>(children: impl Iterator<Item = Child<'a>>) -> Vec<String> {
    children.map(|(path, _)| path.to_string()).collect()
}

#[test]
fn children_skip_what_is_nested_but_not_siblings_that_sort_between() {
    use Kind::{File, Folder};
    let catalog = catalog(&[
        ("a", Folder),
        ("a-b", File),
        ("a/x", Folder),
        ("a/x/deep", File),
        ("a/y", File),
        ("a0", File),
        ("b", File),
    ]);
    assert_eq!(
        names(catalog.children(&CatalogPath::root())),
        ["a", "a-b", "a0", "b"]
    );
    assert_eq!(names(catalog.children(&path("a"))), ["a/x", "a/y"]);
    assert_eq!(names(catalog.children(&path("b"))), [""; 0]);
    assert_eq!(
        names(catalog.below(&path("a"), None)),
        ["a/x", "a/x/deep", "a/y"]
    );
    assert_eq!(
        names(catalog.below(&path("a"), Some(&path("a/x/deep")))),
        ["a/y"]
    );
}

#[test]
fn totals_follow_inserts_replacements_and_deletes() {
    let mut catalog = catalog(&[("d", Kind::Folder), ("d/f", Kind::File)]);
    let before = catalog.clone();
    let bigger = entry(Kind::File, 10);
    catalog.apply(
        Revision(2),
        [(&path("d/f"), Some(&bigger)), (&path("gone"), None)],
    );
    assert_eq!(
        catalog.totals(),
        Totals {
            files: 1,
            folders: 1,
            bytes: 10,
            unhashed: 1
        }
    );
    catalog.apply(Revision(3), [(&path("d/f"), None)]);
    assert_eq!(
        catalog.totals(),
        Totals {
            files: 0,
            folders: 1,
            bytes: 0,
            unhashed: 0
        }
    );
    assert_eq!(catalog.revision(), Revision(3));
    assert_eq!(before.totals().bytes, 1, "a clone is not disturbed");
    assert!(catalog.is_folder(&path("d")) && catalog.is_folder(&CatalogPath::root()));
}

proptest! {
    #[test]
    fn children_agree_with_a_naive_listing(
        names_in in proptest::collection::btree_set("[ab/0-]{1,6}", 0..40),
        folder in "[ab/0-]{0,4}",
    ) {
        let valid: BTreeSet<CatalogPath> =
            names_in.iter().filter_map(|name| CatalogPath::parse(name.as_bytes()).ok()).collect();
        let Ok(folder) = CatalogPath::parse(folder.as_bytes()) else { return Ok(()) };
        let mut catalog = Catalog::new(InstanceId(1));
        let file = entry(Kind::File, 1);
        catalog.apply(Revision(1), valid.iter().map(|path| (path, Some(&file))));
        let naive: Vec<String> = valid
            .iter()
            .filter(|path| path.parent().as_ref() == Some(&folder))
            .map(ToString::to_string)
            .collect();
        prop_assert_eq!(names(catalog.children(&folder)), naive);
        let naive: Vec<String> =
            valid.iter().filter(|path| path.is_below(&folder)).map(ToString::to_string).collect();
        prop_assert_eq!(names(catalog.below(&folder, None)), naive);
    }
}
