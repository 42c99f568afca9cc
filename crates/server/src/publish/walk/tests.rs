//! One folder against the catalog: what is new, changed, gone, or leads in a circle.

use std::{fs, os::unix::fs::symlink};

use overspill_core::catalog::InstanceId;
use overspill_store::tree::Hidden;

use super::*;

struct Scene {
    folder: tempfile::TempDir,
    tree: Tree,
    catalog: Catalog,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::open(folder.path(), Hidden::Hide).unwrap();
        Self {
            folder,
            tree,
            catalog: Catalog::new(InstanceId(1)),
        }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Walks everything and takes it into the catalog, as the publisher does.
    fn walk(&mut self) -> Differences {
        let mut all = Differences::default();
        let mut steps = vec![Step::at(&self.tree, &CatalogPath::root())];
        while let Some(step) = steps.pop() {
            let found = compare(&self.tree, &self.catalog, &step, Depth::All).unwrap();
            let mut found = found.expect("the folder is there");
            steps.append(&mut found.next);
            all.put.append(&mut found.put);
            all.gone.append(&mut found.gone);
            all.unhashed.append(&mut found.unhashed);
            all.circles.append(&mut found.circles);
            all.problems.append(&mut found.problems);
        }
        let revision = self.catalog.revision().next();
        let entries: Vec<_> = all
            .put
            .iter()
            .map(|(path, entry)| {
                (
                    path.clone(),
                    Arc::new(Entry {
                        revision,
                        ..entry.clone()
                    }),
                )
            })
            .collect();
        let put = entries.iter().map(|(path, entry)| (path, Some(entry)));
        let gone = all.gone.iter().map(|path| (path, None));
        self.catalog.apply(revision, put.chain(gone));
        all
    }
}

fn sorted(paths: impl IntoIterator<Item = CatalogPath>) -> Vec<String> {
    let mut names: Vec<_> = paths.into_iter().map(|path| path.to_string()).collect();
    names.sort();
    names
}

fn put(found: &Differences) -> Vec<String> {
    sorted(found.put.iter().map(|(path, _)| path.clone()))
}

#[test]
fn a_first_walk_finds_everything_and_a_second_nothing_new() {
    let mut scene = Scene::new();
    scene.write("a.txt", "a");
    scene.write("d/e/f.txt", "f");
    assert_eq!(put(&scene.walk()), ["a.txt", "d", "d/e", "d/e/f.txt"]);
    let again = scene.walk();
    assert_eq!((put(&again), sorted(again.gone)), (vec![], vec![]));
    assert_eq!(
        sorted(again.unhashed.into_iter().map(|(path, _)| path)),
        ["a.txt", "d/e/f.txt"]
    );
}

#[test]
fn changes_and_removals_are_told() {
    let mut scene = Scene::new();
    scene.write("a.txt", "a");
    scene.write("b.txt", "b");
    scene.write("d/f.txt", "f");
    scene.walk();
    scene.write("a.txt", "longer");
    fs::remove_file(scene.folder.path().join("b.txt")).unwrap();
    fs::remove_dir_all(scene.folder.path().join("d")).unwrap();
    let found = scene.walk();
    assert_eq!(put(&found), ["a.txt"]);
    assert_eq!(sorted(found.gone), ["b.txt", "d"]);
}

#[test]
fn symlinks_are_followed_inside_and_never_in_a_circle() {
    let mut scene = Scene::new();
    scene.write("d/f.txt", "f");
    symlink("d", scene.folder.path().join("to-d")).unwrap();
    symlink("..", scene.folder.path().join("d/up")).unwrap();
    symlink("/etc", scene.folder.path().join("out")).unwrap();
    let found = scene.walk();
    assert_eq!(put(&found), ["d", "d/f.txt", "to-d", "to-d/f.txt"]);
    assert_eq!(sorted(found.circles), ["d/up", "to-d/up"]);
    assert!(
        found
            .problems
            .iter()
            .any(|problem| matches!(problem, Problem::Escapes { .. }))
    );
}

#[test]
fn a_news_walk_reads_only_what_is_new() {
    let mut scene = Scene::new();
    scene.write("old/f.txt", "f");
    scene.walk();
    scene.write("new/g.txt", "g");
    let step = Step::at(&scene.tree, &CatalogPath::root());
    let found = compare(&scene.tree, &scene.catalog, &step, Depth::News)
        .unwrap()
        .unwrap();
    assert_eq!(
        sorted(found.next.into_iter().map(|step| step.folder)),
        ["new"]
    );
}

#[test]
fn another_folder_under_the_same_name_is_read_again() {
    let mut scene = Scene::new();
    scene.write("d/f.txt", "f");
    scene.walk();
    fs::rename(
        scene.folder.path().join("d"),
        scene.folder.path().join("aside"),
    )
    .unwrap();
    scene.write("d/g.txt", "g");
    let step = Step::at(&scene.tree, &CatalogPath::root());
    let found = compare(&scene.tree, &scene.catalog, &step, Depth::News)
        .unwrap()
        .unwrap();
    assert_eq!(
        sorted(found.next.into_iter().map(|step| step.folder)),
        ["aside", "d"]
    );
}

#[test]
fn a_folder_that_went_away_is_no_error() {
    let scene = Scene::new();
    let gone = CatalogPath::parse(b"gone").unwrap();
    let step = Step::at(&scene.tree, &gone);
    assert!(
        compare(&scene.tree, &scene.catalog, &step, Depth::All)
            .unwrap()
            .is_none()
    );
}
