//! Hashes against known answers, and files that do not hold still.

use std::{
    fs::{self, FileTimes},
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use overspill_core::path::CatalogPath;
use rustix::process::getpriority_process;

use super::*;
use crate::tree::{Hidden, Opened, Tree};

fn digests(bytes: &[u8]) -> Content {
    let mut hasher = ContentHasher::new();
    hasher.update(bytes);
    let (content, seen) = hasher.finish();
    assert_eq!(seen, bytes.len() as u64);
    content
}

#[test]
fn digests_are_those_of_the_standards() {
    for (bytes, blake3, sha256, crc32) in [
        (
            &b""[..],
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            0,
        ),
        (
            b"abc",
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            0x3524_41c2,
        ),
    ] {
        let content = digests(bytes);
        assert_eq!(content.root.to_string(), blake3);
        assert_eq!(content.sha256.to_string(), sha256);
        assert_eq!(content.crc32, crc32);
    }
}

fn live(folder: &Path) -> LiveFile {
    let tree = Tree::open(folder, Hidden::Hide).unwrap();
    match tree.open_path(&CatalogPath::parse(b"file").unwrap()) {
        Ok(Opened::File(live)) => live,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_of_any_length_hashes_to_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    for bytes in [
        0,
        1,
        BUFFER_BYTES - 1,
        BUFFER_BYTES,
        BUFFER_BYTES + 1,
        3 * BUFFER_BYTES + 7,
    ] {
        let content: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
        fs::write(&file, &content).unwrap();
        let expected = digests(&content);
        assert_eq!(hash_live(&live(dir.path())).unwrap().0, expected, "{bytes}");
        let (found, seen) = hash_open(&File::open(&file).unwrap()).unwrap();
        assert_eq!((found, seen), (expected, bytes as u64));
    }
}

/// Changes the file until its change time moves, whatever the tick of the file system's clock.
fn write_with_old_mtime(path: &Path, content: &[u8], before: &LiveFile) {
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for _ in 0..200_000 {
        fs::write(path, content).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_times(FileTimes::new().set_modified(old)).unwrap();
        if !before.is_unchanged() {
            return;
        }
    }
    panic!("the file system's clock stands still");
}

#[test]
fn a_file_that_changed_has_no_hash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let cases: [(&str, &[u8]); 4] = [
        ("grown", b"0123456789+"),
        ("shrunk", b"012345678"),
        ("emptied", b""),
        ("rewritten, with size and mtime put back", b"9876543210"),
    ];
    for (case, content) in cases {
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::write(&path, "0123456789").unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(old)
            .unwrap();
        let live = live(dir.path());
        assert!(hash_live(&live).is_ok(), "{case}: not yet");
        write_with_old_mtime(&path, content, &live);
        let error = hash_live(&live).unwrap_err();
        assert!(matches!(error, HashError::Changed), "{case}: {error:?}");
    }
}

#[test]
fn a_file_that_only_lied_about_its_size_has_no_hash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, vec![7; 4 * BUFFER_BYTES]).unwrap();
    for size in [0, 1, 4 * BUFFER_BYTES as u64 + 1] {
        let mut live = live(dir.path());
        live.facts.size = size;
        let error = hash_live(&live).unwrap_err();
        assert!(matches!(error, HashError::Changed), "{size}: {error:?}");
    }
    let seen = read(&File::open(&path).unwrap(), 0).unwrap().bytes();
    assert_eq!(seen, BUFFER_BYTES as u64, "one read past the end is enough");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let folder = File::open(dir.path()).unwrap();
    assert_eq!(
        hash_open(&folder).unwrap_err().kind(),
        io::ErrorKind::IsADirectory
    );
}

#[test]
fn only_the_calling_thread_becomes_nice() {
    let nice = || getpriority_process(Some(gettid())).unwrap();
    let before = nice();
    let lowered = thread::spawn(move || {
        lower_thread_priority();
        nice()
    });
    assert_eq!(lowered.join().unwrap(), NICEST);
    assert_eq!(nice(), before);
}
