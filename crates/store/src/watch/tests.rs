//! Real events of a real folder, and the few that cannot be made to happen.

use std::{
    fs::{self, File},
    io::Write,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use notify::event::{CreateKind, DataChange, Flag, MetadataKind, RemoveKind};
use tempfile::TempDir;

use super::*;

/// Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(20);

struct Watched {
    dir: TempDir,
    watcher: TreeWatcher,
    hints: Receiver<Hint>,
}

/// A tree with the folders `a` and `a/b`; the root is watched.
fn watched() -> Watched {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    let (sender, hints) = mpsc::channel();
    let path = dir.path().canonicalize().unwrap();
    let mut watcher =
        TreeWatcher::start(&path, move |hint| sender.send(hint).unwrap_or(())).unwrap();
    watcher.watch(&CatalogPath::root()).unwrap();
    Watched {
        dir,
        watcher,
        hints,
    }
}

impl Watched {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits for a hint, and returns those before it.
    fn until(&self, wanted: &Hint) -> Vec<Hint> {
        let mut before = Vec::new();
        loop {
            match self.hints.recv_timeout(PATIENCE) {
                Ok(hint) if hint == *wanted => return before,
                Ok(hint) => before.push(hint),
                Err(_) => panic!("no {wanted:?} after {before:?}"),
            }
        }
    }

    /// Makes something happen last of all, and returns every hint before it.
    fn drain(&self) -> Vec<Hint> {
        fs::write(self.at("marker"), "").unwrap();
        let before = self.until(&settled("marker"));
        fs::remove_file(self.at("marker")).unwrap();
        self.until(&dirty(""));
        before
    }
}

fn path(text: &str) -> CatalogPath {
    CatalogPath::parse(text.as_bytes()).unwrap()
}

fn dirty(folder: &str) -> Hint {
    Hint::Dirty(path(folder))
}

fn settled(file: &str) -> Hint {
    Hint::Settled(path(file))
}

#[test]
fn a_written_file_is_dirty_at_first_and_settled_on_close() {
    let watched = watched();
    let mut file = File::create(watched.at("file")).unwrap();
    file.write_all(b"half").unwrap();
    watched.until(&dirty(""));
    drop(file);
    let before = watched.until(&settled("file"));
    assert!(before.iter().all(|hint| *hint == dirty("")), "{before:?}");
}

#[test]
fn each_kind_of_change_gives_its_hint() {
    type Change = fn(&Watched);
    let changes: [(&str, Change, Hint); 7] = [
        (
            "moved in",
            |w| fs::rename(w.at("f"), w.at("a/f")).unwrap(),
            settled("a/f"),
        ),
        (
            "moved out",
            |w| fs::rename(w.at("a/f"), w.at("f")).unwrap(),
            dirty("a"),
        ),
        (
            "a folder made",
            |w| fs::create_dir(w.at("a/c")).unwrap(),
            dirty("a"),
        ),
        (
            "a folder moved",
            |w| fs::rename(w.at("a/c"), w.at("a/d")).unwrap(),
            settled("a/d"),
        ),
        (
            "linked",
            |w| fs::hard_link(w.at("f"), w.at("a/g")).unwrap(),
            dirty("a"),
        ),
        (
            "a time changed",
            |w| {
                let file = File::open(w.at("a/g")).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            },
            dirty("a"),
        ),
        (
            "deleted",
            |w| fs::remove_file(w.at("a/g")).unwrap(),
            dirty("a"),
        ),
    ];
    let mut watched = watched();
    watched.watcher.watch(&path("a")).unwrap();
    fs::write(watched.at("f"), "f").unwrap();
    for (case, change, expected) in changes {
        watched.drain();
        change(&watched);
        let hints = watched.drain();
        assert!(hints.contains(&expected), "{case}: {hints:?}");
    }
}

#[test]
fn reading_gives_no_hint() {
    let watched = watched();
    fs::write(watched.at("file"), "content").unwrap();
    watched.drain();
    let nothing_happened = watched.drain();
    assert_eq!(fs::read(watched.at("file")).unwrap(), b"content");
    fs::read_dir(watched.at("a")).unwrap().for_each(drop);
    assert_eq!(watched.drain(), nothing_happened);
}

#[test]
fn a_folder_is_silent_before_and_after_it_is_watched() {
    let mut watched = watched();
    let inside = settled("a/b/file");
    let write = |watched: &Watched| {
        fs::write(watched.at("a/b/file"), "content").unwrap();
        watched.drain()
    };
    assert!(!write(&watched).contains(&inside));
    watched.watcher.watch(&path("a/b")).unwrap();
    assert!(write(&watched).contains(&inside));
    watched.watcher.unwatch(&path("a/b"));
    assert!(!write(&watched).contains(&inside));
}

#[test]
fn a_vanished_folder_is_no_error() {
    let mut watched = watched();
    watched.watcher.watch(&path("never/there")).unwrap();
    watched.watcher.unwatch(&path("never/there"));
    fs::write(watched.at("file"), "content").unwrap();
    watched.watcher.watch(&path("file/below-a-file")).unwrap();
    watched.watcher.watch(&path("a")).unwrap();
    watched.watcher.watch(&path("a/b")).unwrap();
    watched.drain();
    fs::remove_dir_all(watched.at("a")).unwrap();
    let hints = watched.drain();
    assert!(
        hints.contains(&dirty("a")) && hints.contains(&dirty("")),
        "{hints:?}"
    );
    watched.watcher.unwatch(&path("a/b"));
    fs::create_dir_all(watched.at("a/b")).unwrap();
    watched.watcher.watch(&path("a/b")).unwrap();
    fs::write(watched.at("a/b/again"), "").unwrap();
    watched.until(&settled("a/b/again"));
}

#[test]
fn events_mean_what_the_table_says() {
    use EventKind::{Access, Any, Create, Modify, Other, Remove};
    let hints = hints_with(&["", "a"]);
    for (kind, at, expected) in [
        (
            Access(AccessKind::Close(AccessMode::Write)),
            "a/f",
            Some(settled("a/f")),
        ),
        (Access(AccessKind::Close(AccessMode::Read)), "a/f", None),
        (Access(AccessKind::Open(AccessMode::Any)), "a/f", None),
        (
            Modify(ModifyKind::Name(RenameMode::To)),
            "a/f",
            Some(settled("a/f")),
        ),
        (
            Modify(ModifyKind::Name(RenameMode::From)),
            "a/f",
            Some(dirty("a")),
        ),
        (Modify(ModifyKind::Name(RenameMode::Both)), "a/f", None),
        (
            Modify(ModifyKind::Data(DataChange::Any)),
            "a/f",
            Some(dirty("a")),
        ),
        (
            Modify(ModifyKind::Metadata(MetadataKind::Any)),
            "a",
            Some(dirty("")),
        ),
        (Create(CreateKind::Folder), "a/new", Some(dirty("a"))),
        (Remove(RemoveKind::Folder), "a", Some(dirty(""))),
        (Remove(RemoveKind::File), "", Some(dirty(""))),
        (Create(CreateKind::File), "a/unwatched/f", Some(dirty("a"))),
        (Any, "a/f", Some(dirty("a"))),
        (Other, "a/f", Some(dirty("a"))),
        (Create(CreateKind::File), "../elsewhere", None),
    ] {
        let event = Event::new(kind).add_path(Path::new("/tree").join(at));
        let event = match at {
            "../elsewhere" => Event::new(kind).add_path("/elsewhere".into()),
            _ => event,
        };
        assert_eq!(
            told(&hints, Ok(event)),
            Vec::from_iter(expected),
            "{kind:?} {at}"
        );
    }
}

#[test]
fn lost_events_and_errors_ask_for_a_rescan() {
    let hints = hints_with(&[""]);
    let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
    assert_eq!(told(&hints, Ok(overflow)), [Hint::Rescan]);
    let error = notify::Error::generic("broken");
    assert_eq!(told(&hints, Err(error)), [Hint::Rescan]);
}

#[test]
fn errors_name_the_remedy() {
    let io = |kind: io::ErrorKind| notify::Error::io(kind.into());
    for (error, expected) in [
        (
            notify::Error::new(ErrorKind::MaxFilesWatch),
            Some("sysctl fs.inotify.max_user_watches="),
        ),
        (
            io(io::ErrorKind::PermissionDenied),
            Some("cannot watch /tree/a"),
        ),
        (notify::Error::path_not_found(), None),
        (io(io::ErrorKind::NotFound), None),
        (io(io::ErrorKind::NotADirectory), None),
    ] {
        let message = watch_error(Path::new("/tree/a"), error).map(|error| error.to_string());
        match (&message, expected) {
            (Some(message), Some(expected)) => assert!(message.contains(expected), "{message}"),
            _ => assert_eq!(message.is_some(), expected.is_some(), "{message:?}"),
        }
    }
}

fn hints_with(watched: &[&str]) -> Hints {
    let folders = Folders::default();
    folders.lock().extend(watched.iter().map(|text| path(text)));
    Hints {
        tree_path: "/tree".into(),
        folders,
    }
}

fn told(hints: &Hints, event: notify::Result<Event>) -> Vec<Hint> {
    let told = std::cell::RefCell::new(Vec::new());
    hints.of(event, &|hint| told.borrow_mut().push(hint));
    told.into_inner()
}
