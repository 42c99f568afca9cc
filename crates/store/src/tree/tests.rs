//! The tree against a folder full of traps.

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    io::Read,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
        net::UnixListener,
    },
    thread,
};

use rustix::{
    fs::mkdirat,
    thread::{CapabilitySet, capabilities, set_capabilities},
};
use tempfile::TempDir;

use super::*;

/// `pub` is published; `outside` lies next to it.
fn traps() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join("pub").join(name);
    fs::create_dir_all(at("dir")).unwrap();
    fs::create_dir_all(at(".git")).unwrap();
    fs::create_dir(dir.path().join("outside")).unwrap();
    fs::write(dir.path().join("outside/secret"), "secret").unwrap();
    for (name, content) in [
        ("a.txt", "hello"),
        ("dir/inner.txt", "inner"),
        (".hidden", "hidden"),
        (".git/config", "config"),
        ("-x", "no option"),
        ("new\nline", "newline"),
    ] {
        fs::write(at(name), content).unwrap();
    }
    fs::write(
        dir.path().join("pub").join(OsStr::from_bytes(NOT_UTF8)),
        "bytes",
    )
    .unwrap();
    for (target, name) in [
        ("../a.txt", "dir/up"),
        ("..", "dir/ancestor"),
        ("dir", "in"),
        ("../outside/secret", "out"),
        ("../outside", "outdir"),
        ("loop", "loop"),
        ("missing", "nowhere"),
        ("a.txt/x", "through-a-file"),
        ("pipe", "to-pipe"),
    ] {
        symlink(target, at(name)).unwrap();
    }
    symlink(at("a.txt"), at("absolute")).unwrap();
    rustix::fs::mkfifoat(CWD, at("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    drop(UnixListener::bind(at("socket")).unwrap());
    dir
}

const NOT_UTF8: &[u8] = b"\xff\xfe";

fn open(dir: &TempDir, hidden: Hidden) -> Tree {
    Tree::open(&dir.path().join("pub"), hidden).unwrap()
}

fn path(bytes: &[u8]) -> CatalogPath {
    CatalogPath::parse(bytes).unwrap()
}

/// What opening gave, as text.
fn outcome(tree: &Tree, bytes: &[u8]) -> String {
    match tree.open_path(&path(bytes)) {
        Ok(Opened::File(mut live)) => {
            let mut content = String::new();
            live.file.read_to_string(&mut content).unwrap();
            assert_eq!(live.facts.size, content.len() as u64);
            assert!(live.is_unchanged());
            format!("file {content}")
        }
        Ok(Opened::Folder(_)) => "folder".to_owned(),
        Err(OpenError::Io(error)) => panic!("{error}"),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn only_what_lies_in_the_tree_opens() {
    let dir = traps();
    let tree = open(&dir, Hidden::Hide);
    let long = [b'x'; 300];
    for (bytes, expected) in [
        (&b""[..], "folder"),
        (b"a.txt", "file hello"),
        (b"-x", "file no option"),
        (b"new\nline", "file newline"),
        (NOT_UTF8, "file bytes"),
        (b"dir", "folder"),
        (b"dir/inner.txt", "file inner"),
        (b"dir/up", "file hello"),
        (b"dir/ancestor/dir/up", "file hello"),
        (b"in", "folder"),
        (b"in/inner.txt", "file inner"),
        (b"absolute", "Escapes"),
        (b"out", "Escapes"),
        (b"outdir", "Escapes"),
        (b"outdir/secret", "Escapes"),
        (b"loop", "Escapes"),
        (b"nowhere", "NotFound"),
        (b"through-a-file", "NotFound"),
        (b"a.txt/x", "NotFound"),
        (b"missing", "NotFound"),
        (b"pipe", "NotFound"),
        (b"to-pipe", "NotFound"),
        (b"socket", "NotFound"),
        (&long, "NotFound"),
        (b".hidden", "NotFound"),
        (b".git/config", "NotFound"),
        (b"-", "NotFound"),
        (b"-/status", "NotFound"),
    ] {
        assert_eq!(outcome(&tree, bytes), expected, "{:?}", path(bytes));
    }
}

#[test]
fn hidden_paths_open_when_asked_for() {
    let dir = traps();
    let tree = open(&dir, Hidden::Show);
    assert_eq!(outcome(&tree, b".hidden"), "file hidden");
    assert_eq!(outcome(&tree, b".git/config"), "file config");
}

fn names(listing: &FolderListing) -> Vec<(&[u8], &'static str)> {
    let kind = |found: &Found| match found {
        Found::File {
            via: Via::Direct, ..
        } => "file",
        Found::File {
            via: Via::Symlink, ..
        } => "link to file",
        Found::Folder {
            via: Via::Direct, ..
        } => "folder",
        Found::Folder {
            via: Via::Symlink, ..
        } => "link to folder",
    };
    listing
        .children
        .iter()
        .map(|child| (child.0.as_bytes(), kind(&child.1)))
        .collect()
}

fn problems(listing: &FolderListing) -> Vec<String> {
    let mut problems: Vec<_> = listing
        .problems
        .iter()
        .map(|problem| match problem {
            Problem::Unreadable { path, error } => format!("Unreadable {path} {:?}", error.kind()),
            other => format!("{other:?}"),
        })
        .collect();
    problems.sort_unstable();
    problems
}

#[test]
fn a_listing_is_sorted_and_says_what_it_left_out() {
    let dir = traps();
    let listing = open(&dir, Hidden::Hide).list(&CatalogPath::root()).unwrap();
    assert_eq!(
        names(&listing),
        [
            (&b"-x"[..], "file"),
            (b"a.txt", "file"),
            (b"dir", "folder"),
            (b"in", "link to folder"),
            (b"new\nline", "file"),
            (NOT_UTF8, "file"),
        ]
    );
    assert_eq!(
        problems(&listing),
        [
            r#"Dangling { path: "nowhere" }"#,
            r#"Dangling { path: "through-a-file" }"#,
            r#"Escapes { path: "absolute" }"#,
            r#"Escapes { path: "loop" }"#,
            r#"Escapes { path: "out" }"#,
            r#"Escapes { path: "outdir" }"#,
        ]
    );
}

#[test]
fn a_listing_shows_hidden_names_when_asked_to() {
    let dir = traps();
    let tree = open(&dir, Hidden::Show);
    let listing = tree.list(&CatalogPath::root()).unwrap();
    let hidden = &names(&listing)[1..3];
    assert_eq!(hidden, [(&b".git"[..], "folder"), (b".hidden", "file")]);
}

#[test]
fn children_of_a_folder_carry_its_path() {
    let dir = traps();
    let tree = open(&dir, Hidden::Hide);
    let listing = tree.list(&path(b"in")).unwrap();
    assert_eq!(
        names(&listing),
        [
            (&b"in/ancestor"[..], "link to folder"),
            (b"in/inner.txt", "file"),
            (b"in/up", "link to file"),
        ]
    );
    let root = tree.list(&CatalogPath::root()).unwrap();
    let ancestor = listing.children[0].1.facts().stamp;
    assert_eq!(
        (ancestor.dev, ancestor.ino),
        root.identity,
        "a circle shows"
    );
}

#[test]
fn what_is_no_folder_has_no_listing() {
    let dir = traps();
    let tree = open(&dir, Hidden::Hide);
    for (bytes, expected) in [
        (&b"a.txt"[..], "NotFound"),
        (b"missing", "NotFound"),
        (b".git", "NotFound"),
        (b"outdir", "Escapes"),
    ] {
        let error = tree.list(&path(bytes)).unwrap_err();
        assert_eq!(format!("{error:?}"), expected, "{:?}", path(bytes));
    }
}

#[test]
fn facts_are_those_of_the_file_behind_a_link() {
    let dir = traps();
    let file = dir.path().join("pub/a.txt");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let before_1970 = std::time::UNIX_EPOCH - std::time::Duration::from_millis(1500);
    File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(before_1970)
        .unwrap();
    let metadata = fs::metadata(&file).unwrap();
    let expected = FileFacts {
        size: 5,
        mtime_ns: -1_500_000_000,
        mode: 0o640,
        stamp: Stamp {
            dev: metadata.dev(),
            ino: metadata.ino(),
            ctime_ns: metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec(),
        },
    };
    let tree = open(&dir, Hidden::Hide);
    let listing = tree.list(&path(b"dir")).unwrap();
    assert_eq!(listing.children[2].0, path(b"dir/up"));
    assert_eq!(*listing.children[2].1.facts(), expected);
    let Ok(Opened::File(live)) = tree.open_path(&path(b"dir/up")) else {
        panic!("a link within the tree opens");
    };
    assert_eq!(live.facts, expected);
}

/// Root may read everything, so a thread of root gives up that right first; others lack it anyway.
fn without_privilege<T: Send>(check: impl FnOnce() -> T + Send) -> T {
    let dropping = || {
        let mut sets = capabilities(None).unwrap();
        sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        set_capabilities(None, sets).unwrap();
        check()
    };
    thread::scope(|scope| scope.spawn(dropping).join().unwrap())
}

#[test]
fn what_permissions_forbid_is_forbidden_not_absent() {
    let dir = traps();
    let at = |name: &str| dir.path().join("pub").join(name);
    let set = |name: &str, mode| fs::set_permissions(at(name), Permissions::from_mode(mode));
    let tree = open(&dir, Hidden::Hide);
    fs::create_dir(at("closed")).unwrap();
    set("a.txt", 0o000).unwrap();
    set("closed", 0o000).unwrap();
    // Readable and not searchable: names without anything about them.
    set("dir", 0o400).unwrap();
    without_privilege(|| {
        assert_eq!(outcome(&tree, b"a.txt"), "Forbidden");
        assert_eq!(outcome(&tree, b"dir/inner.txt"), "Forbidden");
        let error = tree.list(&path(b"closed")).unwrap_err();
        assert!(matches!(error, OpenError::Forbidden), "{error:?}");
        let listing = tree.list(&path(b"dir")).unwrap();
        assert_eq!(names(&listing), []);
        assert_eq!(
            problems(&listing),
            [
                "Unreadable dir/ancestor PermissionDenied",
                "Unreadable dir/inner.txt PermissionDenied",
                "Unreadable dir/up PermissionDenied",
            ]
        );
        let error = Tree::open(&at("closed"), Hidden::Hide).unwrap_err();
        assert!(matches!(error, TreeError::Unreadable { .. }), "{error:?}");
    });
    set("dir", 0o700).unwrap();
    set("closed", 0o700).unwrap();
}

#[test]
fn a_path_longer_than_the_kernel_takes_is_a_problem_not_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::open(dir.path(), Hidden::Hide).unwrap();
    let segment = "s".repeat(200);
    let mut bytes = Vec::new();
    let mut folder = openat(CWD, dir.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..20 {
        mkdirat(&folder, &segment, Mode::RWXU).unwrap();
        folder = openat(&folder, &segment, OFlags::DIRECTORY, Mode::empty()).unwrap();
        bytes.extend([segment.as_bytes(), b"/"].concat());
    }
    bytes.pop();
    mkdirat(&folder, &segment, Mode::RWXU).unwrap();
    let listing = tree.list(&path(&bytes)).unwrap();
    assert_eq!(names(&listing), []);
    assert!(
        matches!(&listing.problems[..], [Problem::BadName { name, .. }] if *name == segment.as_bytes()),
        "{:?}",
        listing.problems
    );
}

#[test]
fn a_tree_that_cannot_be_published_says_what_to_do() {
    let dir = traps();
    let at = |name: &str| dir.path().join("pub").join(name);
    fs::create_dir_all(at("dir/-")).unwrap();
    for (name, expected) in [
        (
            "gone",
            "does not exist; create the folder or check the path for a typo",
        ),
        ("a.txt", "is not a folder; give the folder that holds it"),
        (
            "dir",
            "/- cannot be published because /-/ is reserved; rename it",
        ),
    ] {
        let error = Tree::open(&at(name), Hidden::Hide).unwrap_err().to_string();
        assert!(error.starts_with(at(name).to_str().unwrap()), "{error}");
        assert!(error.ends_with(expected), "{error}");
    }
}

#[test]
fn a_reserved_name_made_later_is_left_out() {
    let dir = traps();
    let tree = open(&dir, Hidden::Hide);
    fs::create_dir_all(dir.path().join("pub/-")).unwrap();
    fs::create_dir_all(dir.path().join("pub/dir/-")).unwrap();
    let root = tree.list(&CatalogPath::root()).unwrap();
    assert!(problems(&root).contains(&r#"Reserved { path: "-" }"#.to_owned()));
    assert!(!names(&root).contains(&(b"-", "folder")));
    let below = tree.list(&path(b"dir")).unwrap();
    assert!(
        names(&below).contains(&(b"dir/-", "folder")),
        "only the top"
    );
}

#[test]
fn the_watcher_is_told_real_places() {
    let dir = traps();
    symlink("pub", dir.path().join("alias")).unwrap();
    let alias = dir.path().join("alias");
    let tree = Tree::open(&alias, Hidden::Hide).unwrap();
    let real = dir.path().canonicalize().unwrap().join("pub");
    assert_eq!(tree.path(), alias);
    assert_eq!(tree.absolute(&CatalogPath::root()), real);
    assert_eq!(tree.absolute(&path(b"dir/up")), real.join("dir/up"));
    assert_eq!(
        tree.absolute(&path(NOT_UTF8)).as_os_str().len(),
        real.as_os_str().len() + 3
    );
}

#[test]
fn times_that_make_no_sense_saturate() {
    for (seconds, nanos, expected) in [
        (0, 0, 0),
        (1, 5, 1_000_000_005),
        (-2, 500_000_000, -1_500_000_000),
        (i64::MAX, 999_999_999, i64::MAX),
        (1, u64::MAX, 1_000_000_000),
    ] {
        assert_eq!(nanoseconds(seconds, nanos), expected);
    }
}

#[test]
fn a_path_in_memory_opens_without_waiting() {
    let scene = tempfile::tempdir().unwrap();
    fs::create_dir(scene.path().join("folder")).unwrap();
    fs::write(scene.path().join("folder/file"), "x").unwrap();
    let tree = Tree::open(scene.path(), Hidden::Hide).unwrap();
    let in_memory = |path: &str| {
        let path = CatalogPath::parse(path.as_bytes()).unwrap();
        // The kernel has just made them, and a try opens the slow way what it has not.
        tree.open_path_in_memory(&path)
            .unwrap_or_else(|| tree.open_path(&path))
    };
    assert!(matches!(in_memory("folder/file"), Ok(Opened::File(_))));
    assert!(matches!(in_memory(""), Ok(Opened::Folder(_))));
    assert!(matches!(in_memory("absent"), Err(OpenError::NotFound)));
    assert!(matches!(
        tree.open_path_in_memory(&CatalogPath::parse(b".hidden").unwrap()),
        Some(Err(OpenError::NotFound))
    ));
    let file = CatalogPath::parse(b"folder/file").unwrap();
    assert!(tree.open_path_in_memory(&file).is_some());
}
