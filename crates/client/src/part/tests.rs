//! Locking, publishing and the state, on a real disk.

use overspill_core::root::Root;
use tempfile::TempDir;

use super::*;
use crate::{answer::Version, exit::Exit};

fn url() -> HttpUrl {
    HttpUrl::parse("http://h/a").unwrap()
}

fn version(tag: &str, size_bytes: Option<u64>) -> Version {
    Version {
        tag: Some(tag.to_owned()),
        size_bytes,
    }
}

fn open(folder: &TempDir) -> PartFile {
    PartFile::open(&folder.path().join("a")).unwrap()
}

#[test]
fn a_part_has_one_holder() {
    let folder = TempDir::new().unwrap();
    let part = open(&folder);
    let error = PartFile::open(&folder.path().join("a")).unwrap_err();
    assert_eq!(error.exit(), Exit::LocalFile);
    assert!(matches!(error, DownloadError::Locked { path } if path == part.path()));
    drop(part);
    open(&folder);
}

#[test]
fn only_a_part_with_bytes_stays() {
    for (bytes, stays) in [(&b""[..], false), (b"x", true)] {
        let folder = TempDir::new().unwrap();
        let mut part = open(&folder);
        part.append(bytes).unwrap();
        part.save(&State::new(&url(), &version("\"1\"", None)).unwrap())
            .unwrap();
        drop(part);
        for name in ["a.part", "a.part.json"] {
            assert_eq!(folder.path().join(name).exists(), stays, "{name}");
        }
    }
}

#[test]
fn a_symlink_is_no_part() {
    let folder = TempDir::new().unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    std::os::unix::fs::symlink(&victim, folder.path().join("a.part")).unwrap();
    let error = PartFile::open(&folder.path().join("a")).unwrap_err();
    assert!(matches!(error, DownloadError::Local { doing: "open", .. }));
    assert_eq!(fs::read(&victim).unwrap(), b"mine");
}

#[test]
fn publishing_never_replaces_what_it_may_not() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("a");
    let mut part = open(&folder);
    part.append(b"new").unwrap();
    part.save(&State::new(&url(), &version("\"1\"", None)).unwrap())
        .unwrap();
    fs::write(&target, "old").unwrap();
    let refused = part
        .publish(OnExisting::Refuse, Durability::Now)
        .unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&target).unwrap(), b"old");
    part.publish(OnExisting::Replace, Durability::Now).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"new");
    let left: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn state_counts_only_where_it_fits() {
    let ours = Root([1; 32]).etag();
    let elsewhere = HttpUrl::parse("http://other/a").unwrap();
    let folder = TempDir::new().unwrap();
    let mut part = open(&folder);
    part.append(b"12345").unwrap();
    for (tag, size, asked, counts) in [
        ("\"1\"", Some(5), url(), true),
        ("\"1\"", None, url(), true),
        ("\"1\"", Some(4), url(), false),
        ("\"1\"", Some(9), elsewhere.clone(), false),
        (&ours, Some(9), elsewhere, true),
    ] {
        let state = State::new(&url(), &version(tag, size)).unwrap();
        part.save(&state).unwrap();
        let expected = counts.then_some(state);
        assert_eq!(part.state(&asked), expected, "{tag} {size:?} {asked}");
    }
    part.forget().unwrap();
    part.forget().unwrap();
    assert_eq!(part.state(&url()), None);
}

#[test]
fn damaged_state_is_no_state() {
    let folder = TempDir::new().unwrap();
    let part = open(&folder);
    let zeroes = "\0".repeat(80);
    let later = r#"{"v":2,"url":"http://h/a","etag":"\"1\""}"#;
    for text in ["", "{", &zeroes, later, r#"{"v":1}"#] {
        fs::write(folder.path().join("a.part.json"), text).unwrap();
        assert_eq!(part.state(&url()), None, "{text}");
    }
}
