//! What is wanted, held and unused, as catalogs come and go.

use overspill_core::{
    catalog::{Content, Kind},
    path::CatalogPath,
    root::Sha256,
};
use overspill_store::index::Index;

use super::*;

struct Scene {
    replica: Replica,
    _folder: tempfile::TempDir,
}

fn root(byte: u8) -> Root {
    Root([byte; 32])
}

fn path(text: &str) -> CatalogPath {
    CatalogPath::parse(text.as_bytes()).unwrap()
}

fn change(revision: u64, name: &str, content: Option<u8>) -> Change {
    let revision = Revision(revision);
    let entry = content.map(|byte| {
        Arc::new(Entry {
            kind: Kind::File,
            size: 10,
            mtime_ns: 0,
            mode: 0o644,
            revision,
            content: Some(Content {
                root: root(byte),
                sha256: Sha256([0; 32]),
                crc32: 0,
            }),
            stamp: None,
        })
    });
    Change {
        revision,
        path: path(name),
        entry,
    }
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let store = ObjectStore::open(folder.path()).unwrap();
    let (index, _) = Index::open(&folder.path().join("index.redb")).unwrap();
    Scene {
        replica: Replica::open(store, index).unwrap(),
        _folder: folder,
    }
}

fn claimed(replica: &Replica) -> Vec<u8> {
    let mut roots = Vec::new();
    while let Some(missing) = replica.claim(Instant::now()) {
        roots.push(missing.root.0[0]);
    }
    roots
}

#[test]
fn what_is_new_is_wanted_in_order_and_complete_follows() {
    let Scene { replica, _folder } = scene();
    replica.advance(&replica.catalog(), Revision(1), &[change(1, "a", Some(1))]);
    replica.advance(
        &replica.catalog(),
        Revision(2),
        &[change(2, "b", Some(2)), change(2, "c", Some(2))],
    );
    let progress = replica.progress();
    assert_eq!(
        (progress.complete, progress.catalog),
        (Revision(0), Revision(2))
    );
    assert_eq!((progress.missing_objects, progress.missing_bytes), (2, 20));
    assert_eq!(claimed(&replica), [1, 2], "equal files are one object");
    replica.held(&[root(2)]);
    assert_eq!(replica.progress().complete, Revision(0));
    assert_eq!(replica.held_beyond_complete(9), [root(2), root(2)]);
    replica.held(&[root(1)]);
    assert_eq!(replica.progress().complete, Revision(2));
    assert_eq!(replica.progress().missing_bytes, 0);
}

#[test]
fn a_rename_moves_nothing() {
    let Scene { replica, _folder } = scene();
    replica.advance(&replica.catalog(), Revision(1), &[change(1, "a", Some(1))]);
    replica.held(&[root(1)]);
    replica.advance(
        &replica.catalog(),
        Revision(2),
        &[change(2, "a", None), change(2, "b", Some(1))],
    );
    assert_eq!(replica.progress().complete, Revision(2));
    assert_eq!(claimed(&replica), [0; 0]);
}

#[test]
fn what_nobody_wants_any_more_is_not_fetched_and_collected_after_grace() {
    let Scene { replica, _folder } = scene();
    replica.advance(
        &replica.catalog(),
        Revision(1),
        &[change(1, "a", Some(1)), change(1, "b", Some(2))],
    );
    replica.held(&[root(1)]);
    replica.advance(
        &replica.catalog(),
        Revision(2),
        &[change(2, "a", None), change(2, "b", None)],
    );
    assert_eq!(replica.progress().missing_objects, 0);
    let is_known = |byte| replica.state().objects.contains_key(&root(byte));
    replica.collect_garbage(Instant::now() + GRACE + Duration::from_secs(1));
    assert!(is_known(1), "the server may not have named everything yet");
    replica.listed(ListingState::Whole);
    replica.collect_garbage(Instant::now());
    assert!(is_known(1) && !is_known(2));
    replica.collect_garbage(Instant::now() + GRACE + Duration::from_secs(1));
    assert!(!is_known(1));
}

#[test]
fn a_lost_object_is_wanted_again_and_the_complete_revision_steps_back() {
    let Scene { replica, _folder } = scene();
    replica.advance(&replica.catalog(), Revision(1), &[change(1, "a", Some(1))]);
    replica.advance(&replica.catalog(), Revision(2), &[change(2, "b", Some(2))]);
    replica.held(&[root(1), root(2)]);
    assert_eq!(replica.progress().complete, Revision(2));
    assert_eq!(replica.held_but_not_in(&[root(1)]), [root(2)]);
    replica.lost(&[root(2)]);
    assert_eq!(replica.progress().complete, Revision(1));
    assert_eq!(claimed(&replica), [2]);
}

#[test]
fn a_snapshot_replaces_everything_and_keeps_the_objects() {
    let Scene { replica, _folder } = scene();
    replica.advance(
        &replica.catalog(),
        Revision(1),
        &[change(1, "a", Some(1)), change(1, "b", Some(2))],
    );
    replica.held(&[root(1), root(2)]);
    let changes = [change(7, "x", Some(1)), change(7, "y", Some(3))];
    let mut catalog = Catalog::new(InstanceId(9));
    catalog.apply(
        Revision(7),
        changes.iter().map(|c| (&c.path, c.entry.as_ref())),
    );
    replica.replace(&replica.catalog(), catalog, &changes);
    assert_eq!(claimed(&replica), [3]);
    assert!(replica.state().garbage.contains_key(&root(2)));
    assert!(!replica.state().garbage.contains_key(&root(1)));
}

#[test]
fn a_given_back_object_waits_its_pause() {
    let Scene { replica, _folder } = scene();
    replica.advance(&replica.catalog(), Revision(1), &[change(1, "a", Some(1))]);
    let missing = replica.claim(Instant::now()).unwrap();
    replica.give_back(&missing, Duration::from_secs(5));
    assert!(replica.claim(Instant::now()).is_none());
    assert!(
        replica
            .claim(Instant::now() + Duration::from_secs(6))
            .is_some()
    );
}

#[test]
fn a_restart_finds_everything_again() {
    let Scene { replica, _folder } = scene();
    replica.advance(&replica.catalog(), Revision(1), &[change(1, "a", Some(1))]);
    replica.sync_index();
    drop(replica);
    let store = ObjectStore::open(_folder.path()).unwrap();
    let (index, _) = Index::open(&_folder.path().join("index.redb")).unwrap();
    let replica = Replica::open(store, index).unwrap();
    assert_eq!(replica.progress().catalog, Revision(1));
    assert_eq!(claimed(&replica), [1]);
}

#[test]
fn an_object_is_queued_under_its_lowest_revision_and_found_under_another_path() {
    let Scene { replica, _folder } = scene();
    replica.advance(&replica.catalog(), Revision(5), &[change(5, "z", Some(1))]);
    replica.advance(
        &replica.catalog(),
        Revision(50),
        &[change(50, "a", Some(1))],
    );
    replica.held(&[root(1)]);
    replica.lost(&[root(1)]);
    assert_eq!(replica.progress().complete, Revision(4));
    assert_eq!(replica.take_retell(), Retell::Everything);
    let missing = replica.claim(Instant::now()).unwrap();
    assert_eq!(missing.path, path("z"));
    replica.find_again(&missing);
    replica.give_back(&missing, Duration::ZERO);
    assert_eq!(replica.claim(Instant::now()).unwrap().path, path("a"));
}

#[test]
fn changes_to_another_catalog_than_the_current_one_are_dropped() {
    let Scene { replica, _folder } = scene();
    let base = replica.catalog();
    replica.advance(&base, Revision(1), &[change(1, "a", Some(1))]);
    replica.advance(&base, Revision(2), &[change(2, "a", None)]);
    assert_eq!(replica.progress().catalog, Revision(1));
}
