//! The store through whole receptions, cuts, corruption, crashes, and a full disk.

use std::{
    io::Read,
    process::{Command, Output},
};

use tempfile::TempDir;

use super::*;
use crate::hash::ContentHasher;

fn store() -> (TempDir, ObjectStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = ObjectStore::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

fn root_of(bytes: &[u8]) -> Root {
    let mut hasher = ContentHasher::new();
    hasher.update(bytes);
    hasher.finish().0.root
}

fn begin(store: &ObjectStore, bytes: &[u8]) -> Receiving {
    store.receive(root_of(bytes), bytes.len() as u64).unwrap()
}

/// Writes what is missing and verifies it.
fn received(store: &ObjectStore, bytes: &[u8]) -> Received {
    let mut receiving = begin(store, bytes);
    let offset = usize::try_from(receiving.offset()).unwrap();
    receiving.write(&bytes[offset..]).unwrap();
    receiving.finish().unwrap()
}

fn hold(store: &ObjectStore, bytes: &[u8]) -> Root {
    store.commit(vec![received(store, bytes)]).unwrap();
    root_of(bytes)
}

fn content(store: &ObjectStore, root: &Root) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = store.open_object(root).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Names in a folder of the store, sorted.
fn names(store: &ObjectStore, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(store.dir.join(folder)).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn an_object_above_a_piece_has_its_outboard_beside_it_as_long_as_it_is_there() {
    let (_dir, store) = store();
    let large = hold(&store, &vec![7; (2 << 20) + 1]);
    let small = hold(&store, &vec![7; 1 << 20]);
    let outboard = store.outboards().load(&large).unwrap();
    assert_eq!((outboard.root(), outboard.size()), (large, (2 << 20) + 1));
    assert!(!store.outboards().contains(&small));
    let mut both = [large, small];
    both.sort_unstable();
    assert_eq!(store.present().unwrap(), both, "an outboard is no object");
    store.quarantine(&large).unwrap();
    assert!(store.outboards().contains(&large), "it is still right");
    hold(&store, &vec![7; (2 << 20) + 1]);
    store.remove(&large).unwrap();
    assert!(!store.outboards().contains(&large));
}

#[test]
fn a_received_object_is_there_once_it_is_committed() {
    let (_dir, store) = store();
    for bytes in [&b""[..], b"x", &[9; 300_000]] {
        let root = root_of(bytes);
        let received = received(&store, bytes);
        assert_eq!(received.root(), root);
        assert_eq!(received.size(), bytes.len() as u64);
        assert!(!store.contains(&root), "verified is not committed");
        store.commit(vec![received]).unwrap();
        assert!(store.contains(&root));
        assert_eq!(content(&store, &root), bytes);
    }
    assert_eq!(names(&store, TMP), [""; 0]);
}

#[test]
fn many_objects_commit_at_once() {
    let (_dir, store) = store();
    let contents: Vec<_> = (0..300).map(|at| format!("content {at}")).collect();
    let all = contents
        .iter()
        .map(|text| received(&store, text.as_bytes()));
    store.commit(all.collect()).unwrap();
    store.commit(Vec::new()).unwrap();
    let mut roots: Vec<_> = contents
        .iter()
        .map(|text| root_of(text.as_bytes()))
        .collect();
    roots.sort_unstable();
    assert_eq!(store.present().unwrap(), roots);
    for text in &contents {
        assert_eq!(content(&store, &root_of(text.as_bytes())), text.as_bytes());
    }
}

#[test]
fn few_shards_are_synced_alone_and_many_with_the_whole_disk() {
    for (shards, is_whole) in [(0, false), (1, false), (4, false), (5, true), (256, true)] {
        let folders: BTreeSet<_> = (0..shards).map(|at| format!("{at:02x}").into()).collect();
        let expected = if is_whole {
            NameSync::FileSystem
        } else {
            NameSync::Shards(folders.clone())
        };
        assert_eq!(NameSync::of(folders), expected, "{shards}");
    }
}

#[test]
fn an_object_may_come_twice() {
    let (_dir, store) = store();
    let root = hold(&store, b"same");
    let open_flow = store.open_object(&root).unwrap();
    assert_eq!(hold(&store, b"same"), root);
    assert_eq!(store.present().unwrap(), [root]);
    assert_eq!(io::read_to_string(open_flow).unwrap(), "same");
}

#[test]
fn a_cut_reception_goes_on_where_it_was_cut() {
    let (_dir, store) = store();
    let bytes: Vec<u8> = (0..700_000).map(|at| (at % 249) as u8).collect();
    for cut in [0, 1, 300_000, 699_999, 700_000] {
        let mut receiving = begin(&store, &bytes);
        let offset = usize::try_from(receiving.offset()).unwrap();
        receiving.write(&bytes[offset..cut]).unwrap();
        drop(receiving);
        assert_eq!(begin(&store, &bytes).offset(), cut as u64);
    }
    let root = hold(&store, &bytes);
    assert_eq!(content(&store, &root), bytes);
}

#[test]
fn a_short_reception_keeps_what_came() {
    let (_dir, store) = store();
    let mut receiving = begin(&store, b"0123456789");
    receiving.write(b"0123").unwrap();
    let error = receiving.finish().unwrap_err();
    let expected = ObjectError::Short {
        expected: 10,
        got: 4,
    };
    assert_eq!(format!("{error:?}"), format!("{expected:?}"));
    assert_eq!(begin(&store, b"0123456789").offset(), 4);
}

#[test]
fn too_many_bytes_are_refused_whole() {
    let (_dir, store) = store();
    let mut receiving = begin(&store, b"0123");
    receiving.write(b"01").unwrap();
    let error = receiving.write(b"23+").unwrap_err();
    assert!(
        matches!(error, ObjectError::TooLong { expected: 4 }),
        "{error:?}"
    );
    assert_eq!(receiving.offset(), 2);
    receiving.write(b"23").unwrap();
    store.commit(vec![receiving.finish().unwrap()]).unwrap();
    assert_eq!(content(&store, &root_of(b"0123")), b"0123");
}

#[test]
fn wrong_bytes_are_deleted() {
    let (_dir, store) = store();
    let mut receiving = begin(&store, b"right");
    receiving.write(b"wrong").unwrap();
    let error = receiving.finish().unwrap_err();
    let (right, wrong) = (root_of(b"right"), root_of(b"wrong"));
    assert!(
        matches!(error, ObjectError::Mismatch { expected, got } if (expected, got) == (right, wrong)),
        "{error:?}"
    );
    assert_eq!(names(&store, TMP), [""; 0]);
    assert_eq!(store.present().unwrap(), []);
    hold(&store, b"right");
}

#[test]
fn a_part_file_is_never_believed() {
    let (_dir, store) = store();
    let part = store.part_path(&root_of(b"right"));

    fs::write(&part, "rXg").unwrap();
    let mut receiving = begin(&store, b"right");
    assert_eq!(receiving.offset(), 3);
    receiving.write(b"ht").unwrap();
    let error = receiving.finish().unwrap_err();
    assert!(matches!(error, ObjectError::Mismatch { .. }), "{error:?}");
    assert!(!part.exists(), "the next try begins clean");

    fs::write(&part, "right, and more").unwrap();
    assert_eq!(
        begin(&store, b"right").offset(),
        0,
        "longer than the object"
    );
    hold(&store, b"right");
}

#[test]
fn nobody_else_writes_to_what_is_being_received() {
    let (_dir, store) = store();
    let is_busy = || {
        let again = store.receive(root_of(b"one"), 3);
        matches!(again, Err(ObjectError::Busy { root }) if root == root_of(b"one"))
    };
    let mut receiving = begin(&store, b"one");
    assert!(is_busy(), "while it is received");
    begin(&store, b"another");
    receiving.write(b"one").unwrap();
    let received = receiving.finish().unwrap();
    assert!(is_busy(), "and until it is committed");
    store.commit(vec![received]).unwrap();
    assert!(!is_busy());
}

#[test]
fn a_store_has_one_user() {
    let (_dir, store) = store();
    let dir = store.dir.clone();
    let error = ObjectStore::open(&dir).unwrap_err();
    assert!(matches!(&error, ObjectError::InUse { dir: named } if *named == dir));
    assert!(
        error
            .to_string()
            .ends_with("give each mirror its own --store")
    );
    drop(store);
    ObjectStore::open(&dir).unwrap();
}

/// A process that dies runs no destructor of its store; to the disk it is the same.
#[test]
fn after_a_crash_only_committed_objects_are_there() {
    let (_dir, store) = store();
    let dir = store.dir.clone();
    let held = hold(&store, b"committed");
    drop(received(&store, b"verified only"));
    begin(&store, b"half").write(b"ha").unwrap();
    drop(store);

    let store = ObjectStore::open(&dir).unwrap();
    assert_eq!(store.present().unwrap(), [held]);
    assert_eq!(begin(&store, b"half").offset(), 2);
    assert_eq!(begin(&store, b"verified only").offset(), 13);
    let both = [&b"half"[..], b"verified only"].map(|bytes| received(&store, bytes));
    store.commit(both.into()).unwrap();
    assert_eq!(store.present().unwrap().len(), 3);
}

#[test]
fn a_failed_commit_loses_nothing() {
    let (_dir, store) = store();
    let received = received(&store, b"content");
    let shard = store.shard_path(&received.root());
    fs::write(&shard, "a file in the way").unwrap();
    let error = store.commit(vec![received]).unwrap_err();
    assert!(matches!(&error, ObjectError::Io { path, .. } if *path == shard));
    fs::remove_file(&shard).unwrap();
    assert_eq!(begin(&store, b"content").offset(), 7);
    hold(&store, b"content");
}

#[test]
fn objects_go_by_removal_or_quarantine() {
    let (_dir, store) = store();
    let not_held = |result: Result<File, ObjectError>, root: Root| {
        assert!(!store.contains(&root));
        matches!(result, Err(ObjectError::NotHeld { root: named }) if named == root)
    };
    let [kept, removed, suspect] = [&b"kept"[..], b"removed", b"suspect"].map(|b| hold(&store, b));
    let open_flow = store.open_object(&removed).unwrap();

    store.remove(&removed).unwrap();
    store.remove(&removed).unwrap();
    assert!(not_held(store.open_object(&removed), removed));
    assert_eq!(io::read_to_string(open_flow).unwrap(), "removed");

    store.quarantine(&suspect).unwrap();
    assert!(not_held(store.open_object(&suspect), suspect));
    let again = store.quarantine(&suspect);
    assert!(matches!(again, Err(ObjectError::NotHeld { root }) if root == suspect));
    assert_eq!(names(&store, QUARANTINE), [suspect.to_string()]);
    assert_eq!(store.present().unwrap(), [kept]);
}

#[test]
fn foreign_files_are_neither_objects_nor_ours_to_delete() {
    let (dir, store) = store();
    let held = hold(&store, b"held");
    let stray = Root([7; 32]);
    let foreign = [
        "objects/README".to_owned(),
        "objects/00/README".to_owned(),
        format!("objects/00/{stray}"),
        "tmp/README".to_owned(),
        "tmp/README.part".to_owned(),
        "notes".to_owned(),
        "../outside".to_owned(),
    ]
    .map(|name| store.dir.join(name));
    fs::create_dir_all(store.dir.join("objects/00")).unwrap();
    for path in &foreign {
        fs::write(path, "foreign").unwrap();
    }
    assert_eq!(store.present().unwrap(), [held]);
    store.remove(&stray).unwrap();
    store.quarantine(&stray).unwrap_err();
    assert_eq!(store.clean_tmp(|_| false).unwrap(), 0);
    for path in &foreign {
        assert_eq!(fs::read(path).unwrap(), b"foreign", "{}", path.display());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn stale_parts_are_cleaned_and_wanted_ones_kept() {
    let (_dir, store) = store();
    for bytes in [&b"stale"[..], b"wanted"] {
        begin(&store, bytes).write(b"s").unwrap();
    }
    let _under_way = begin(&store, b"under way");
    let wanted = root_of(b"wanted");
    assert_eq!(store.clean_tmp(|root| *root == wanted).unwrap(), 1);
    let mut left = [wanted, root_of(b"under way")].map(|root| format!("{root}.part"));
    left.sort_unstable();
    assert_eq!(names(&store, TMP), left);
}

/// A file system of 64 KiB, unmounted at the end.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` if this user may not mount, which CI must not be.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = ["-t", "tmpfs", "-o", "size=64k", "overspill-test"];
        let mounted = Command::new("mount").args(options).arg(dir.path()).output();
        match mounted {
            Ok(Output { status, .. }) if status.success() => Some(Self(dir)),
            other => {
                let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
                assert!(!is_ci, "cannot mount a small disk: {other:?}");
                eprintln!("skipped, for only root can mount a small disk: {other:?}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn a_full_disk_is_said_and_survived() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let store = ObjectStore::open(disk.0.path()).unwrap();
    let free_bytes = store.free_bytes().unwrap();
    assert!((1..=64 * 1024).contains(&free_bytes), "{free_bytes}");

    let ballast = hold(&store, &[1; 20_000]);
    let large = [2; 60_000];
    let mut receiving = begin(&store, &large);
    let error = receiving.write(&large).unwrap_err();
    assert!(
        matches!(&error, ObjectError::DiskFull { dir } if dir == disk.0.path()),
        "{error:?}"
    );
    let taken = usize::try_from(receiving.offset()).unwrap();
    assert!((1..large.len()).contains(&taken), "{taken}");
    assert_eq!(store.free_bytes().unwrap(), 0);

    store.remove(&ballast).unwrap();
    receiving.write(&large[taken..]).unwrap();
    store.commit(vec![receiving.finish().unwrap()]).unwrap();
    assert_eq!(content(&store, &root_of(&large)), large);
}
