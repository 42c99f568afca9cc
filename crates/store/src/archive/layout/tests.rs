//! Layouts against the naive archive: everything written one after the other.

use proptest::prelude::*;

use super::*;
use crate::archive::samples::{Tree, bytes, content};

const BOTH: [Container; 2] = [Container::Tar, Container::Zip];

fn layout(tree: Tree, container: Container) -> Arc<Layout> {
    Arc::new(Layout::plan(tree.contents(b"", b""), container).unwrap())
}

/// The whole archive, and every offset in it at which something begins.
fn naive(tree: Tree, container: Container) -> (Vec<u8>, Vec<u64>) {
    let items: Vec<Item> = tree.contents(b"", b"").after(None).collect();
    let (mut out, mut central, mut edges) = (Vec::new(), Vec::new(), Vec::new());
    let mut headers = Vec::new();
    for item in &items {
        let (offset, bytes) = (
            out.len() as u64,
            content(item.path.as_bytes(), 0..item.size()),
        );
        container.push_lead(item, &mut out);
        edges.push(out.len() as u64);
        out.extend(&bytes);
        edges.push(out.len() as u64);
        container.push_tail(item, crc32fast::hash(&bytes), &mut out);
        edges.push(out.len() as u64);
        if container == Container::Zip {
            headers.push(central.len() as u64);
            zip::push_central(item, offset, crc32fast::hash(&bytes), &mut central);
        }
    }
    let sums = Sums {
        items: items.len() as u64,
        hot: 0,
        bytes: out.len() as u64,
        central_bytes: central.len() as u64,
    };
    edges.extend(headers.iter().map(|header| sums.bytes + header));
    out.extend(central);
    edges.push(out.len() as u64);
    match container {
        Container::Tar => tar::push_zeros(tar::end_bytes(sums.bytes), &mut out),
        Container::Zip => directory(sums).push_end(&mut out),
    }
    edges.push(out.len() as u64);
    (out, edges)
}

/// More items than lie between two marks, of every form.
fn large_tree() -> Tree {
    (0_u64..700).fold(Tree::default().folder(b"d"), |tree, at| {
        let long = "n".repeat(at as usize % 300 * 10);
        let name = |path: &str| [path.as_bytes(), long.as_bytes(), &at.to_be_bytes()[7..]].concat();
        match at % 5 {
            0 => tree.folder(format!("d/sub{at}").as_bytes()),
            1 => tree.file(format!("d/{at:04}").as_bytes(), 0),
            2 if at % 256 != u64::from(b'/') && at % 256 != 0 => tree.file(&name("d/x"), at),
            _ => tree.file(format!("d/sub0/{at:04}").as_bytes(), at * 3),
        }
    })
}

#[test]
fn an_archive_can_be_begun_and_ended_at_any_boundary() {
    for container in BOTH {
        let (whole, edges) = naive(large_tree(), container);
        let layout = layout(large_tree(), container);
        assert_eq!(layout.length(), whole.len() as u64);
        assert!(layout.marks.len() > 2, "{}", layout.marks.len());
        assert!(bytes(&layout, 0..layout.length()) == whole, "{container:?}");
        // Thirteen has no divisor in common with the edges of an item, so all kinds are met.
        let last = edges.iter().rev().take(3);
        for edge in edges.iter().step_by(13).chain(last) {
            for start in edge.saturating_sub(1)..=edge.saturating_add(1).min(layout.length()) {
                let end = (start + 700).min(layout.length());
                let expected = &whole[start as usize..end as usize];
                assert!(bytes(&layout, start..end) == expected, "{start}..{end}");
            }
        }
    }
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-c]{1,3}".prop_map(String::into_bytes),
        "[ä-ü]{1,60}".prop_map(String::into_bytes),
        prop::collection::vec(128_u8..=255, 1..200),
        "[a-z]{90,220}".prop_map(String::into_bytes),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let path = prop::collection::vec(name(), 1..5).prop_map(|names| names.join(&b'/'));
    let file = (path, 0_u64..1500, 0..4);
    prop::collection::btree_map("[a-e]{1,2}", prop::collection::vec(file, 0..4), 0..12).prop_map(
        |folders| {
            folders
                .iter()
                .fold(Tree::default(), |tree, (folder, files)| {
                    let tree = tree.folder(folder.as_bytes());
                    files.iter().fold(tree, |tree, (path, size, kind)| {
                        let path = [folder.as_bytes(), b"/", path].concat();
                        match kind {
                            0 => tree.hot(&path, *size),
                            _ => tree.file(&path, *size),
                        }
                    })
                })
        },
    )
}

proptest! {
    #[test]
    fn a_layout_is_the_naive_archive(
        tree in tree(),
        ends in prop::collection::vec((0.0..=1.0, 0.0..=1.0), 8),
    ) {
        for container in BOTH {
            let (whole, _) = naive(tree.clone(), container);
            let layout = layout(tree.clone(), container);
            prop_assert_eq!(layout.length(), whole.len() as u64);
            prop_assert!(bytes(&layout, 0..layout.length()) == whole);
            for (start, end) in ends.iter().filter(|_| !layout.needs_checksums()) {
                let at = |ratio: &f64| (whole.len() as f64 * ratio) as u64;
                let (start, end) = (at(start).min(at(end)), at(start).max(at(end)));
                let expected = &whole[start as usize..end as usize];
                prop_assert!(bytes(&layout, start..end) == expected);
            }
        }
    }
}

fn small_tree() -> Tree {
    Tree::default()
        .folder(b"d")
        .file(b"d/a.txt", 5)
        .file(b"d/empty", 0)
        .folder(b"d/sub")
        .file("d/sub/ä".as_bytes(), 600)
        .file(b"d/sub/\xff", 1)
        .file(&[b"d/sub/".as_slice(), &[b'n'; 200]].concat(), 2)
}

/// What clients resumed yesterday must be what they get today: a change of these bytes needs a new
/// version of the identity.
#[test]
fn the_bytes_of_a_tree_are_pinned() {
    for (container, digest) in [
        (
            Container::Tar,
            "6a580f3a63fb8d9c8eac601e14f990748cc4a4fa2ca9ae8e2086976fa86757f3",
        ),
        (
            Container::Zip,
            "f4f1205d3af2d8591d807fa31d3246381a36ba89203161fbfcdc374109027c1b",
        ),
    ] {
        let layout = layout(small_tree(), container);
        let found = blake3::hash(&bytes(&layout, 0..layout.length()));
        assert_eq!(found.to_hex().as_str(), digest, "{container:?}");
    }
}

#[test]
fn an_empty_archive_is_an_archive() {
    let tar = layout(Tree::default(), Container::Tar);
    assert_eq!(bytes(&tar, 0..tar.length()), [0; 10_240]);
    let zip = layout(Tree::default(), Container::Zip);
    let end = [&b"PK\x05\x06"[..], &[0; 18]].concat();
    assert_eq!(bytes(&zip, 0..zip.length()), end);
}

#[test]
fn the_identity_follows_everything_that_is_in_the_archive() {
    let identity = |tree: Tree| match layout(tree, Container::Zip).identity() {
        Identity::Exact(digest) => format!("exact {digest}"),
        Identity::Vague(digest) => format!("vague {digest}"),
    };
    let one = || Tree::default().file(b"a", 3);
    let before = identity(one());
    assert!(before.starts_with("exact"), "{before}");
    // Neither batches nor inodes are in it: a mirror has others.
    let elsewhere = one().with(|entry| {
        entry.stamp = None;
        entry.revision = overspill_core::catalog::Revision(0);
    });
    assert_eq!(identity(elsewhere), before);
    for (case, tree) in [
        ("name", Tree::default().file(b"b", 3)),
        ("size", one().with(|entry| entry.size = 4)),
        ("mode", one().with(|entry| entry.mode = 0o755)),
        ("mtime", one().with(|entry| entry.mtime_ns += 1_000_000_000)),
        ("more", one().file(b"b", 0)),
        (
            "content",
            one().with(|entry| {
                let content = entry.content.as_mut().unwrap();
                content.root.0[0] ^= 1;
            }),
        ),
        ("hot", Tree::default().hot(b"a", 3)),
    ] {
        assert_ne!(identity(tree), before, "{case}");
    }
    let hot = identity(Tree::default().hot(b"a", 3));
    assert!(hot.starts_with("vague"), "{hot}");
    let touched = Tree::default()
        .hot(b"a", 3)
        .with(|entry| entry.mtime_ns += 1);
    assert_ne!(identity(touched), hot);
}

#[test]
fn names_begin_at_the_folder_that_is_asked_for() {
    let tree = || {
        Tree::default()
            .folder(b"x")
            .folder(b"x/y")
            .file(b"x/y/a", 1)
            .file(b"x/y/b.iso", 1)
            .folder(b"x/y/z")
            .file(b"x/y-not", 1)
    };
    let names = |folder: &[u8], query: &[u8]| -> Vec<String> {
        let contents = tree().contents(folder, query);
        let items = contents.after(None);
        items
            .map(|item| String::from_utf8_lossy(item.name()).into_owned())
            .collect()
    };
    assert_eq!(names(b"x/y", b""), ["y", "y/a", "y/b.iso", "y/z"]);
    assert_eq!(names(b"x/y", b"ext=iso"), ["y/b.iso"]);
    let all = ["x", "x/y", "x/y-not", "x/y/a", "x/y/b.iso", "x/y/z"];
    assert_eq!(names(b"", b""), all);
    assert_eq!(names(b"", b"name=nothing"), [""; 0]);
}

#[test]
fn what_is_too_much_is_refused_with_the_remedy() {
    for (tree, message) in [
        (
            Tree::default().file(b"a", u64::MAX),
            "the archive would be too long; ask for a folder further down or add a selection",
        ),
        (
            Tree::default().file(b"a", MAX_BYTES).file(b"b", 1),
            "the archive would be too long; ask for a folder further down or add a selection",
        ),
    ] {
        for container in BOTH {
            let error = Layout::plan(tree.clone().contents(b"", b""), container).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
    let mut sums = Sums {
        items: MAX_ITEMS,
        ..Sums::default()
    };
    let error = sums.add(&Tree::default().file(b"a", 1).item(), Container::Tar);
    assert_eq!(
        error.unwrap_err().to_string(),
        "the archive would have more than 1000000 files and folders; ask for a folder further down \
         or add a selection such as name=*.iso"
    );
}
