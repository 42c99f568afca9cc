//! Orders: natural names, folders first, places that survive a change.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::catalog::{Entry, Revision};

type Row = (CatalogPath, Arc<Entry>);

fn row(path: &str, kind: Kind, size: u64, mtime_ns: i64) -> Row {
    let entry = Entry {
        kind,
        size,
        mtime_ns,
        mode: 0o644,
        revision: Revision(1),
        content: None,
        stamp: None,
    };
    (
        CatalogPath::parse(path.as_bytes()).unwrap(),
        Arc::new(entry),
    )
}

fn child(row: &Row) -> Child<'_> {
    (&row.0, &row.1)
}

fn order(key: SortKey, direction: Direction) -> Order {
    Order { key, direction }
}

fn sorted(rows: &[Row], order: Order) -> Vec<String> {
    let mut children: Vec<Child<'_>> = rows.iter().map(child).collect();
    children.sort_by(|one, other| order.compare(*one, *other));
    children
        .iter()
        .map(|(path, _)| path.to_text().into_owned())
        .collect()
}

#[test]
fn names_are_counted_as_people_count() {
    let names = [
        "1.9", "1.10", "2", "02", "a", "A1", "a01", "a2", "a10", "a10b", "b", "B",
    ];
    let mut shuffled = names;
    shuffled.reverse();
    shuffled.sort_by(|one, other| natural(one.as_bytes(), other.as_bytes()));
    // Of equal names the bytes decide: `02` before `2`, `A` before `a`.
    assert_eq!(
        shuffled,
        [
            "1.9", "1.10", "02", "2", "a", "A1", "a01", "a2", "a10", "a10b", "B", "b"
        ]
    );
    let long = "9".repeat(400);
    assert!(natural(b"8", long.as_bytes()).is_lt());
    assert!(natural(b"d/x", b"d-old").is_lt());
    assert!(natural(b"", b"a").is_lt());
}

#[test]
fn folders_come_first_either_way() {
    let rows = [
        row("b.iso", Kind::File, 9, 3),
        row("a.iso", Kind::File, 10, 1),
        row("z", Kind::Folder, 0, 9),
        row("y", Kind::Folder, 0, 2),
        row("c.iso", Kind::File, 9, 2),
    ];
    use {Direction::*, SortKey::*};
    for (key, direction, expected) in [
        (Name, Ascending, ["y", "z", "a.iso", "b.iso", "c.iso"]),
        (Name, Descending, ["z", "y", "c.iso", "b.iso", "a.iso"]),
        (Size, Ascending, ["y", "z", "b.iso", "c.iso", "a.iso"]),
        (Size, Descending, ["y", "z", "a.iso", "b.iso", "c.iso"]),
        (Mtime, Ascending, ["y", "z", "a.iso", "c.iso", "b.iso"]),
        (Mtime, Descending, ["z", "y", "b.iso", "c.iso", "a.iso"]),
    ] {
        assert_eq!(
            sorted(&rows, order(key, direction)),
            expected,
            "{key:?} {direction:?}"
        );
    }
}

#[test]
fn a_place_outlives_its_entry() {
    let by_size = order(SortKey::Size, Direction::Ascending);
    let [small, middle, large] =
        [("b", 1), ("c", 5), ("a", 9)].map(|(path, size)| row(path, Kind::File, size, 0));
    let place = by_size.place(child(&middle));
    assert!(!by_size.is_after(child(&small), &place));
    assert!(
        !by_size.is_after(child(&middle), &place),
        "it was on the page"
    );
    assert!(by_size.is_after(child(&large), &place));
    let grown = row("c", Kind::File, 100, 0);
    assert!(
        by_size.is_after(child(&grown), &place),
        "the place stays where it was"
    );
}

#[test]
fn places_are_written_and_read() {
    let file = row("d/a b", Kind::File, 1536, -7);
    let by_time = order(SortKey::Mtime, Direction::Descending);
    let place = by_time.place(child(&file));
    assert_eq!(place.to_string(), "mtime:file:-7:/d/a%20b");
    assert_eq!(place.to_string().parse(), Ok(place));
    for text in [
        "",
        "/d/x",
        "size",
        "size:file:1",
        "size:file:x:/d",
        "size:thing:1:/d",
        "kind:file:1:/d",
        "name:file:0:/a/../b",
        "name:file:0:a",
    ] {
        assert_eq!(text.parse::<Place>(), Err(PlaceError), "{text}");
    }
}

proptest! {
    #[test]
    fn natural_order_is_total(names in prop::collection::vec("[aB/0-2.]{0,6}", 3)) {
        let [a, b, c] = [0, 1, 2].map(|at: usize| names[at].as_bytes());
        prop_assert_eq!(natural(a, b), natural(b, a).reverse());
        prop_assert_eq!(natural(a, b).is_eq(), a == b);
        if natural(a, b).is_le() && natural(b, c).is_le() {
            prop_assert!(natural(a, c).is_le());
        }
    }
}
