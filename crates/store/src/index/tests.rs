//! The index across restarts, crashes and damage.

use overspill_core::catalog::{Kind, Stamp};
use tempfile::TempDir;

use super::*;

const INSTANCE_ID: InstanceId = InstanceId(0xabcd);

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    (dir, path)
}

fn open(path: &Path, expected: &IndexState) -> Index {
    let (index, state) = Index::open(path).unwrap();
    assert_eq!(state, *expected);
    index
}

fn written(revision: u64, path: &str) -> Change {
    let entry = Entry {
        kind: Kind::File,
        size: revision * 10,
        mtime_ns: -5,
        mode: 0o644,
        revision: Revision(revision),
        content: None,
        stamp: Some(Stamp {
            dev: 1,
            ino: 2,
            ctime_ns: 3,
        }),
    };
    Change {
        revision: Revision(revision),
        path: CatalogPath::parse(path.as_bytes()).unwrap(),
        entry: Some(Arc::new(entry)),
    }
}

fn deleted(revision: u64, path: &str) -> Change {
    Change {
        entry: None,
        ..written(revision, path)
    }
}

/// An immediate difference without objects.
fn batch(revision: u64, changes: &[Change]) -> IndexBatch<'_> {
    IndexBatch {
        instance: INSTANCE_ID,
        revision: Revision(revision),
        changes,
        reset: Reset::Keep,
        objects_added: &[],
        objects_removed: &[],
        durability: Durability::Immediate,
    }
}

/// Revision and entries: `(revision, [(path, revision)])`.
type Loaded = Option<(u64, Vec<(String, u64)>)>;

fn load(index: &Index) -> Loaded {
    let catalog = index.load().unwrap()?;
    assert_eq!(catalog.instance(), INSTANCE_ID);
    let entries = catalog
        .iter()
        .map(|(path, entry)| {
            let expected = written(entry.revision.0, &path.to_text());
            assert_eq!(Some(entry), expected.entry.as_ref());
            (path.to_string(), entry.revision.0)
        })
        .collect();
    Some((catalog.revision().0, entries))
}

fn expect(revision: u64, entries: &[(&str, u64)]) -> Loaded {
    let entries = entries.iter().map(|&(path, at)| (path.to_owned(), at));
    Some((revision, entries.collect()))
}

fn bad(path: &Path) -> PathBuf {
    path.with_file_name("index.bad")
}

#[test]
fn batches_add_up_across_restarts() {
    let (_dir, path) = place();
    let index = open(&path, &IndexState::Fresh);
    assert_eq!(load(&index), None);
    let changes = [written(1, "b"), written(1, "a"), written(1, "a/x")];
    index.commit(batch(1, &changes)).unwrap();
    drop(index);

    let index = open(&path, &IndexState::Existing);
    assert_eq!(load(&index), expect(1, &[("a", 1), ("a/x", 1), ("b", 1)]));
    let changes = [written(2, "b"), deleted(2, "a/x"), deleted(2, "never")];
    index.commit(batch(2, &changes)).unwrap();
    assert_eq!(load(&index), expect(2, &[("a", 1), ("b", 2)]));
    index.commit(batch(3, &[])).unwrap();
    drop(index);

    let index = open(&path, &IndexState::Existing);
    assert_eq!(load(&index), expect(3, &[("a", 1), ("b", 2)]));
    let snapshot = IndexBatch {
        reset: Reset::Clear,
        ..batch(9, &[])
    };
    let changes = [written(8, "c")];
    let changes = IndexBatch {
        changes: &changes,
        ..snapshot
    };
    index.commit(changes).unwrap();
    drop(index);
    let index = open(&path, &IndexState::Existing);
    assert_eq!(load(&index), expect(9, &[("c", 8)]));
    index.commit(snapshot).unwrap();
    assert_eq!(load(&index), expect(9, &[]));
    assert!(!bad(&path).exists());
}

#[test]
fn objects_are_kept_apart_from_entries() {
    let (_dir, path) = place();
    let index = open(&path, &IndexState::Fresh);
    let root = |byte| Root([byte; 32]);
    assert_eq!(index.objects().unwrap(), []);
    let commit = |objects_removed: &[Root], objects_added: &[(Root, u64)]| {
        let batch = IndexBatch {
            reset: Reset::Clear,
            objects_added,
            objects_removed,
            ..batch(1, &[])
        };
        index.commit(batch).unwrap();
    };
    commit(&[], &[(root(2), 20), (root(1), u64::MAX), (root(3), 0)]);
    let first = [(root(1), u64::MAX), (root(2), 20), (root(3), 0)];
    assert_eq!(index.objects().unwrap(), first);
    commit(&[root(1), root(2), root(9)], &[(root(2), 21)]);
    assert_eq!(index.objects().unwrap(), [(root(2), 21), (root(3), 0)]);
}

#[test]
fn eventual_batches_survive_a_close_and_not_a_crash() {
    let (_dir, path) = place();
    let index = open(&path, &IndexState::Fresh);
    index.commit(batch(1, &[written(1, "a")])).unwrap();
    let changes = [written(2, "b")];
    let eventual = IndexBatch {
        durability: Durability::Eventual,
        ..batch(2, &changes)
    };
    index.commit(eventual).unwrap();
    assert_eq!(load(&index), expect(2, &[("a", 1), ("b", 2)]));

    // What a crash leaves is what is in the file now.
    let crashed = path.with_file_name("crashed");
    fs::copy(&path, &crashed).unwrap();
    let after_crash = open(&crashed, &IndexState::Existing);
    assert_eq!(load(&after_crash), expect(1, &[("a", 1)]));

    drop(index);
    let index = open(&path, &IndexState::Existing);
    assert_eq!(load(&index), expect(2, &[("a", 1), ("b", 2)]));
}

#[test]
fn an_immediate_batch_brings_the_eventual_ones_along() {
    let (_dir, path) = place();
    let index = open(&path, &IndexState::Fresh);
    for (revision, durability) in [(1, Durability::Eventual), (2, Durability::Immediate)] {
        let changes = [written(revision, &format!("at-{revision}"))];
        let batch = IndexBatch {
            durability,
            ..batch(revision, &changes)
        };
        index.commit(batch).unwrap();
    }
    let crashed = path.with_file_name("crashed");
    fs::copy(&path, &crashed).unwrap();
    let after_crash = open(&crashed, &IndexState::Existing);
    assert_eq!(load(&after_crash), expect(2, &[("at-1", 1), ("at-2", 2)]));
}

#[test]
fn an_index_has_one_user() {
    let (_dir, path) = place();
    let first = open(&path, &IndexState::Fresh);
    let error = Index::open(&path).unwrap_err();
    assert!(matches!(error, IndexError::InUse { .. }), "{error:?}");
    assert!(
        error.to_string().contains("its own state folder"),
        "{error}"
    );
    assert!(path.exists() && !bad(&path).exists(), "nor is it put aside");
    drop(first);
    open(&path, &IndexState::Existing);
}

#[test]
fn a_missing_folder_is_an_error_not_damage() {
    let (_dir, path) = place();
    let error = Index::open(&path.join("below")).unwrap_err();
    assert!(matches!(error, IndexError::Storage { .. }), "{error:?}");
}

/// A closed index with enough entries for several pages.
fn filled(path: &Path) -> Loaded {
    let index = open(path, &IndexState::Fresh);
    let changes: Vec<_> = (0..200).map(|at| written(1, &format!("{at:03}"))).collect();
    index.commit(batch(1, &changes)).unwrap();
    index.commit(batch(2, &[written(2, "last")])).unwrap();
    load(&index)
}

#[test]
fn a_useless_file_is_put_aside() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage, &str); 5] = [
        (
            "garbage",
            |path| fs::write(path, [7; 9000]).unwrap(),
            "magic",
        ),
        ("a few bytes", |path| fs::write(path, "x").unwrap(), "magic"),
        ("half of it", |path| cut(path, 2), ""),
        ("a header", |path| cut(path, 100), ""),
        ("another format", |path| write_format(path, 99), "format 99"),
    ];
    for (case, damage, expected) in damages {
        let (_dir, path) = place();
        filled(&path);
        damage(&path);
        let (index, state) = Index::open(&path).unwrap();
        let IndexState::Rebuilt(reason) = state else {
            panic!("{case}: {state:?}");
        };
        assert!(reason.contains(expected), "{case}: {reason}");
        assert_eq!(load(&index), None, "{case}");
        assert!(bad(&path).exists(), "{case}: kept to be looked at");
        index.commit(batch(1, &[written(1, "a")])).unwrap();
        drop(index);
        let index = open(&path, &IndexState::Existing);
        assert_eq!(load(&index), expect(1, &[("a", 1)]), "{case}");
    }
}

fn cut(path: &Path, divisor: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    let bytes = file.metadata().unwrap().len();
    file.set_len(bytes / divisor).unwrap();
}

fn write_format(path: &Path, format: u64) {
    let index = open(path, &IndexState::Existing);
    let write = |database: &Database| {
        let transaction = database.begin_write()?;
        transaction.open_table(META)?.insert(FORMAT_KEY, format)?;
        Ok(transaction.commit()?)
    };
    index.with(write).unwrap();
}

#[test]
fn a_flipped_bit_is_found_or_does_no_harm() {
    let (_dir, path) = place();
    let whole = filled(&path);
    let content = fs::read(&path).unwrap();
    let mut rebuilt = 0;
    // A prime stride: every part of a page is hit somewhere.
    for at in (0..content.len()).step_by(509) {
        let mut flipped = content.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        let (index, state) = Index::open(&path).unwrap();
        match state {
            IndexState::Rebuilt(_) => {
                rebuilt += 1;
                assert_eq!(load(&index), None);
            }
            // In a free page, or in the copy of the header that is not the last.
            IndexState::Existing => assert_eq!(load(&index), whole, "byte {at}"),
            IndexState::Fresh => panic!("byte {at}"),
        }
    }
    assert!(rebuilt > 0, "of {} bytes none mattered", content.len());
}

#[test]
fn records_of_another_version_are_dropped_with_all_entries() {
    let (_dir, path) = place();
    let root = Root([1; 32]);
    let index = open(&path, &IndexState::Fresh);
    let changes = [written(1, "a"), written(1, "b")];
    let held = IndexBatch {
        objects_added: &[(root, 1)],
        ..batch(1, &changes)
    };
    for strange in [&[2, 0][..], &[], &[1; 120]] {
        index.commit(held).unwrap();
        let write = |database: &Database| {
            let transaction = database.begin_write()?;
            transaction
                .open_table(ENTRIES)?
                .insert(&b"b"[..], strange)?;
            Ok(transaction.commit()?)
        };
        index.with(write).unwrap();

        assert_eq!(load(&index), None, "{strange:?}");
        assert_eq!(index.objects().unwrap(), [(root, 1)], "objects are sound");
        index.commit(batch(2, &[written(2, "c")])).unwrap();
        assert_eq!(load(&index), expect(2, &[("c", 2)]), "{strange:?}");
    }
    drop(index);
    open(&path, &IndexState::Existing);
}

#[test]
fn after_a_failure_the_index_is_opened_anew() {
    let (_dir, path) = place();
    let index = open(&path, &IndexState::Fresh);
    index.commit(batch(1, &[written(1, "a")])).unwrap();
    let broken = |_: &Database| Err::<(), _>(redb::Error::PreviousIo);
    assert!(matches!(
        index.with(broken),
        Err(IndexError::Storage { .. })
    ));
    assert_eq!(load(&index), expect(1, &[("a", 1)]));
    index.commit(batch(2, &[written(2, "b")])).unwrap();
    assert_eq!(load(&index), expect(2, &[("a", 1), ("b", 2)]));
}
