//! Files that do not read as the catalog says.
//!
//! Nobody can change a file's bytes and not its times, so these tests change what the catalog says
//! instead: to the scrub both are a file that reads wrong although its facts are the same.

use overspill_core::catalog::{InstanceId, Kind};
use overspill_store::{hash::hash_live, tree::Hidden};
use tempfile::TempDir;

use super::*;

struct Scene {
    folder: TempDir,
    scrub: Scrub,
}

fn path(name: &str) -> CatalogPath {
    CatalogPath::parse(name.as_bytes()).unwrap()
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tree")).unwrap();
        let tree = Tree::open(&folder.path().join("tree"), Hidden::Hide).unwrap();
        let scrub = Scrub {
            tree: Arc::new(tree),
            published: Arc::new(Published::new(InstanceId(1))),
            damage: Arc::default(),
            counts: Arc::default(),
            outboards: Outboards::at(folder.path().join("outboards")),
            complaints: Arc::default(),
            rate: overspill_core::units::Rate::GIGABIT.into(),
            place: folder.path().join("place"),
            shutdown: CancellationToken::new(),
        };
        Self { folder, scrub }
    }

    /// Writes a file and publishes it, with a root that `spoil` may change.
    fn publish(&self, name: &str, spoil: impl FnOnce(&mut Root)) {
        fs::write(
            self.folder.path().join("tree").join(name),
            name.repeat(1000),
        )
        .unwrap();
        let Ok(Opened::File(live)) = self.scrub.tree.open_path(&path(name)) else {
            panic!("{name} is there");
        };
        let (mut content, _) = hash_live(&live).unwrap();
        spoil(&mut content.root);
        let mut catalog = Catalog::clone(&self.scrub.published.catalog());
        let revision = catalog.revision().next();
        let entry = Entry {
            kind: Kind::File,
            size: live.facts.size,
            mtime_ns: live.facts.mtime_ns,
            mode: 0o644,
            revision,
            content: Some(content),
            stamp: Some(live.facts.stamp),
        };
        catalog.apply(revision, [(&path(name), Some(&Arc::new(entry)))]);
        self.scrub.published.publish(catalog, [path(name)]);
    }

    fn is_marked(&self, name: &str) -> bool {
        let catalog = self.scrub.published.catalog();
        let entry = catalog.entry(&path(name)).unwrap();
        self.scrub.damage.is_marked(&path(name), entry)
    }
}

#[test]
fn a_file_that_reads_wrong_is_marked_and_no_other() {
    let scene = Scene::new();
    scene.publish("a-good", |_| {});
    scene.publish("b-bad", |root| root.0[0] ^= 1);
    scene.publish("c-good", |_| {});
    let mut place = None;
    scene.scrub.pass(&mut place);
    assert_eq!(place, Some(path("c-good")), "it went through");
    assert!(!scene.is_marked("a-good") && scene.is_marked("b-bad") && !scene.is_marked("c-good"));
    // Put back, it is another version; the mark is void at once.
    scene.publish("b-bad", |_| {});
    assert!(!scene.is_marked("b-bad"));
    scene.scrub.pass(&mut None);
    assert!(!scene.is_marked("b-bad"));
}

#[test]
fn a_file_that_was_changed_is_not_damaged() {
    let scene = Scene::new();
    scene.publish("file", |root| root.0[0] ^= 1);
    let other = "other bytes, which the publisher will find";
    fs::write(scene.folder.path().join("tree/file"), other).unwrap();
    scene.scrub.pass(&mut None);
    assert!(!scene.is_marked("file"));
}

#[test]
fn a_complaint_has_the_file_read_before_its_turn() {
    let scene = Scene::new();
    scene.publish("bad", |root| root.0[0] ^= 1);
    let root = scene
        .scrub
        .published
        .catalog()
        .entry(&path("bad"))
        .unwrap()
        .root()
        .unwrap();
    let complain = |root| {
        let complaint = Complaint {
            member: "server".parse().unwrap(),
            path: path("bad"),
            root,
            offset: 0,
        };
        let client = [127, 0, 0, 1].into();
        scene
            .scrub
            .complaints
            .take_in(Instant::now(), client, complaint);
        scene.scrub.hear_complaints();
    };
    complain(Root([9; 32]));
    assert!(!scene.is_marked("bad"), "of another version");
    complain(root);
    assert!(scene.is_marked("bad"));
}

#[test]
fn the_place_survives_a_restart() {
    let scene = Scene::new();
    for name in ["a", "b"] {
        scene.publish(name, |root| root.0[0] ^= 1);
    }
    assert_eq!(scene.scrub.remembered_place(), None);
    scene.scrub.remember(Some(&path("a")));
    let mut place = scene.scrub.remembered_place();
    assert_eq!(place, Some(path("a")));
    scene.scrub.pass(&mut place);
    assert!(
        !scene.is_marked("a") && scene.is_marked("b"),
        "it went on after a"
    );
    scene.scrub.remember(None);
    assert_eq!(scene.scrub.remembered_place(), None);
}

#[test]
fn a_scrub_that_is_told_to_stop_accuses_nobody() {
    let scene = Scene::new();
    scene.publish("bad", |root| root.0[0] ^= 1);
    scene.scrub.shutdown.cancel();
    scene.scrub.pass(&mut None);
    assert!(!scene.is_marked("bad"));
}
