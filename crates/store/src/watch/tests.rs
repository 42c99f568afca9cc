//! Real events of a real folder, and the few that cannot be made to happen.

use std::{
    cell::RefCell,
    fs::{self, File},
    io::Write,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::symlink,
    },
    sync::mpsc::{self, Receiver, TryRecvError},
    time::Duration,
};

use rustix::{fs::inotify::ReadFlags, io::Errno};
use tempfile::TempDir;

use super::{
    folders::WatchId,
    hints::{Batch, Event},
    *,
};

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
fn nothing_is_asked_for_that_reading_causes() {
    let watched = watched();
    let fd = watched.watcher.folders.lock().inotify().as_raw_fd();
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
    let masks: Vec<_> = about
        .lines()
        .filter_map(|line| line.strip_prefix("inotify ")?.split_once(" mask:"))
        .map(|(_, rest)| u32::from_str_radix(rest.split(' ').next().unwrap(), 16).unwrap())
        .map(ReadFlags::from_bits_retain)
        .collect();
    assert_eq!(masks.len(), 1, "{about}");
    let reading = ReadFlags::OPEN | ReadFlags::ACCESS | ReadFlags::CLOSE_NOWRITE;
    assert!(!masks[0].intersects(reading), "{about}");
}

#[test]
fn a_moved_folder_is_silent_until_it_is_watched_again() {
    type Move = fn(&Watched);
    let moves: [(&str, Move, &str); 3] = [
        (
            "beside",
            |w| fs::rename(w.at("a"), w.at("moved")).unwrap(),
            "moved/b/f",
        ),
        (
            "to where nobody watches",
            |w| {
                fs::create_dir(w.at("c")).unwrap();
                fs::rename(w.at("a"), w.at("c/a")).unwrap();
            },
            "c/a/b/f",
        ),
        (
            "and another put in its place",
            |w| {
                fs::rename(w.at("a"), w.at("moved")).unwrap();
                fs::create_dir_all(w.at("a/b")).unwrap();
            },
            "moved/b/f",
        ),
    ];
    for (case, change, now_at) in moves {
        let mut watched = watched();
        watched.watcher.watch(&path("a")).unwrap();
        watched.watcher.watch(&path("a/b")).unwrap();
        change(&watched);
        let told = watched.drain();
        assert!(told.contains(&dirty("")), "{case}: {told:?}");

        fs::write(watched.at(now_at), "content").unwrap();
        assert_eq!(watched.drain(), [dirty("")], "{case}");
        let folder = path(now_at).parent().unwrap();
        watched.watcher.watch(&folder).unwrap();
        fs::write(watched.at(now_at), "longer content").unwrap();
        let told = watched.drain();
        assert!(told.contains(&settled(now_at)), "{case}: {told:?}");
        assert!(!told.contains(&settled("a/b/f")), "{case}: {told:?}");
    }
}

#[test]
fn a_folder_moved_out_of_an_unwatched_one_is_forgotten() {
    let mut watched = watched();
    watched.watcher.watch(&path("a/b")).unwrap();
    fs::rename(watched.at("a/b"), watched.at("b")).unwrap();
    let mut told = watched.drain();
    // Of the folder above, and of the marker: in one batch or in two.
    told.dedup();
    assert_eq!(told, [settled("b"), dirty("")]);
    fs::write(watched.at("b/f"), "content").unwrap();
    assert_eq!(watched.drain(), [dirty("")]);
}

#[test]
fn a_folder_moved_along_with_an_unwatched_one_is_forgotten() {
    let mut watched = watched();
    watched.watcher.watch(&path("a/b")).unwrap();
    fs::rename(watched.at("a"), watched.at("c")).unwrap();
    let told = watched.drain();
    assert!(told.contains(&settled("c")), "{told:?}");
    fs::write(watched.at("c/b/f"), "content").unwrap();
    assert_eq!(watched.drain(), [dirty("")]);
}

/// Events are read after the fact, and a folder may have been watched anew in between.
#[test]
fn a_watch_younger_than_the_move_outlives_it() {
    type Moves = fn(&mut Folders, &Path);
    let cases: [(&str, Moves, &[&str]); 4] = [
        (
            "moved",
            |_, tree| fs::rename(tree.join("a"), tree.join("z")).unwrap(),
            &["a-b"],
        ),
        (
            "moved and back",
            |_, tree| {
                fs::rename(tree.join("a"), tree.join("z")).unwrap();
                fs::rename(tree.join("z"), tree.join("a")).unwrap();
            },
            &["a", "a-b", "a/b"],
        ),
        (
            "moved and watched there",
            |folders, tree| {
                fs::rename(tree.join("a"), tree.join("z")).unwrap();
                folders.watch(&path("z")).unwrap();
            },
            &["a-b", "z"],
        ),
        (
            "replaced, and the new one watched",
            |folders, tree| {
                fs::rename(tree.join("a"), tree.join("z")).unwrap();
                fs::create_dir_all(tree.join("a/b")).unwrap();
                folders.watch(&path("a")).unwrap();
            },
            &["a", "a-b"],
        ),
    ];
    for (case, moves, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::create_dir(dir.path().join("a-b")).unwrap();
        let mut folders = Folders::start(dir.path()).unwrap();
        for folder in ["", "a", "a/b", "a-b"] {
            folders.watch(&path(folder)).unwrap();
        }
        let [root, a] = ["", "a"].map(|at| watch_of(&folders, at).unwrap());
        moves(&mut folders, dir.path());

        let moved_from = ReadFlags::MOVED_FROM | ReadFlags::ISDIR;
        told(&mut folders, &[event(root, moved_from, "a")]);
        told(&mut folders, &[event(a, ReadFlags::MOVE_SELF, "")]);
        let watched = ["a", "a-b", "a/b", "z"];
        let watched = watched.map(|at| watch_of(&folders, at).map(|_| at));
        assert_eq!(
            Vec::from_iter(watched.into_iter().flatten()),
            expected,
            "{case}"
        );
    }
}

#[test]
fn the_root_is_watched_under_whatever_name() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().canonicalize().unwrap().join("tree");
    fs::create_dir(&tree).unwrap();
    let (sender, hints) = mpsc::channel();
    let mut watcher =
        TreeWatcher::start(&tree, move |hint| sender.send(hint).unwrap_or(())).unwrap();
    watcher.watch(&CatalogPath::root()).unwrap();
    let moved = dir.path().join("moved");
    fs::rename(&tree, &moved).unwrap();
    fs::write(moved.join("f"), "").unwrap();
    let watched = Watched {
        dir,
        watcher,
        hints,
    };
    let before = watched.until(&settled("f"));
    assert!(before.iter().all(|hint| *hint == dirty("")), "{before:?}");
}

#[test]
fn a_symlink_does_not_take_over_what_it_leads_to() {
    let mut watched = watched();
    symlink("a", watched.at("link")).unwrap();
    watched.watcher.watch(&path("a")).unwrap();
    watched.watcher.watch(&path("link")).unwrap();
    watched.drain();
    fs::write(watched.at("a/f"), "").unwrap();
    let told = watched.drain();
    assert!(told.contains(&settled("a/f")), "{told:?}");
    assert!(!told.contains(&settled("link/f")), "{told:?}");
}

#[test]
fn when_it_is_dropped_its_thread_has_ended() {
    let Watched {
        dir,
        watcher,
        hints,
    } = watched();
    fs::write(dir.path().join("file"), "content").unwrap();
    drop(watcher);
    for _under_way in hints.try_iter() {}
    // The thread owned the sender, so it is gone, not merely silent.
    assert_eq!(hints.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn events_mean_what_the_table_says() {
    use ReadFlags as What;
    // The root, `a` and `a/b/c`; `a/b` is not watched.
    let [root, a, c, forgotten] = [1, 2, 3, 4];
    for (watch, what, name, expected) in [
        (a, What::CLOSE_WRITE, "f", Some(settled("a/f"))),
        (root, What::MOVED_TO, "f", Some(settled("f"))),
        (a, What::MOVED_TO | What::ISDIR, "d", Some(settled("a/d"))),
        (a, What::MOVED_FROM, "f", Some(dirty("a"))),
        (a, What::MOVED_FROM | What::ISDIR, "b", Some(dirty("a"))),
        (a, What::MODIFY, "f", Some(dirty("a"))),
        (a, What::ATTRIB, "f", Some(dirty("a"))),
        (a, What::CREATE | What::ISDIR, "new", Some(dirty("a"))),
        (root, What::DELETE, "f", Some(dirty(""))),
        (a, What::ATTRIB | What::ISDIR, "", Some(dirty(""))),
        (a, What::DELETE_SELF, "", Some(dirty(""))),
        (c, What::DELETE_SELF, "", Some(dirty("a"))),
        (c, What::MOVE_SELF, "", Some(dirty("a"))),
        (c, What::UNMOUNT, "", Some(dirty("a"))),
        (root, What::MOVE_SELF, "", Some(dirty(""))),
        (root, What::DELETE_SELF, "", Some(dirty(""))),
        (a, What::IGNORED, "", None),
        (forgotten, What::CLOSE_WRITE, "f", None),
        (-1, What::QUEUE_OVERFLOW, "", Some(Hint::Rescan)),
    ] {
        let mut folders = folders_nowhere(&[(root, ""), (a, "a"), (c, "a/b/c")]);
        let told = told(&mut folders, &[event(watch, what, name)]);
        assert_eq!(told, Vec::from_iter(expected), "{watch} {what:?} {name}");
    }
}

#[test]
fn an_ended_watch_leaves_its_path_to_another() {
    let mut folders = folders_nowhere(&[(1, ""), (2, "a")]);
    told(&mut folders, &[event(2, ReadFlags::IGNORED, "")]);
    assert_eq!(folders.path(2), None);
    folders.enter(3, &path("a"));
    // Late, of the folder that was there before.
    told(&mut folders, &[event(2, ReadFlags::IGNORED, "")]);
    assert_eq!(folders.path(3), Some(&path("a")));
}

#[test]
fn a_path_too_long_to_publish_dirties_its_folder() {
    let long = vec!["n".repeat(250); 16].join("/");
    let mut folders = folders_nowhere(&[(1, &long)]);
    let name = "f".repeat(CatalogPath::MAX_BYTES - long.len());
    let told = told(&mut folders, &[event(1, ReadFlags::CLOSE_WRITE, &name)]);
    assert_eq!(told, [dirty(&long)]);
}

#[test]
fn a_batch_tells_each_hint_once_and_the_next_one_again() {
    use ReadFlags as What;
    let growing = [
        event(1, What::CREATE, "f"),
        event(1, What::MODIFY, "f"),
        event(1, What::MODIFY, "g"),
        event(1, What::MODIFY, "f"),
        event(1, What::CLOSE_WRITE, "f"),
        event(1, What::MODIFY, "g"),
        event(1, What::CLOSE_WRITE, "f"),
        event(1, What::CLOSE_WRITE, "g"),
    ];
    let expected = [dirty(""), settled("f"), settled("g")];
    let mut folders = folders_nowhere(&[(1, "")]);
    let mut batch = Batch::default();
    for _ in 0..2 {
        for event in growing {
            batch.take(event, &mut folders);
        }
        assert_eq!(batch.drain().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn an_overflown_queue_asks_for_a_rescan() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (sender, hints) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let mut watcher = TreeWatcher::start(dir.path(), move |hint| {
        // Returns at once when the other end is gone.
        let _ = held.recv();
        sender.send(hint).unwrap_or(());
    })
    .unwrap();
    watcher.watch(&CatalogPath::root()).unwrap();
    // Two events each, and one read takes no more than 4,096 off the queue.
    let [f, g] = ["f", "g"].map(|name| dir.path().join(name));
    fs::write(&f, "").unwrap();
    for _ in 0..limit.div_ceil(4) + 2048 {
        fs::rename(&f, &g).unwrap();
        fs::rename(&g, &f).unwrap();
    }
    drop(release);
    while hints.recv_timeout(PATIENCE).unwrap() != Hint::Rescan {}
}

#[test]
fn a_reader_that_fails_asks_for_a_rescan_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let folders = Folders::start(dir.path()).unwrap();
    // A folder can be polled and not read.
    let no_inotify: OwnedFd = File::open(dir.path()).unwrap().into();
    let (stopped, _stop) = io::pipe().unwrap();
    let told = RefCell::new(Vec::new());
    let reader = Reader {
        folders: SharedFolders(Arc::new(Mutex::new(folders))),
        inotify: Arc::new(no_inotify),
        stopped,
        sink: |hint| told.borrow_mut().push(hint),
    };
    reader.run();
    assert_eq!(told.into_inner(), [Hint::Rescan]);
}

#[test]
fn errors_name_the_remedy() {
    for (errno, expected) in [
        (Errno::NOSPC, Some("sysctl fs.inotify.max_user_watches=")),
        (Errno::ACCESS, Some("cannot watch /tree/a")),
        (Errno::NOENT, None),
        (Errno::NOTDIR, None),
    ] {
        let message = watch_error("/tree/a".into(), errno.into()).map(|error| error.to_string());
        match (&message, expected) {
            (Some(message), Some(expected)) => assert!(message.contains(expected), "{message}"),
            _ => assert_eq!(message.is_some(), expected.is_some(), "{message:?}"),
        }
    }
}

/// Folders whose tree is not there, with watches that the kernel does not know.
fn folders_nowhere(watched: &[(WatchId, &str)]) -> Folders {
    let mut folders = Folders::start(Path::new("/nowhere")).unwrap();
    for (watch, folder) in watched {
        folders.enter(*watch, &path(folder));
    }
    folders
}

fn watch_of(folders: &Folders, folder: &str) -> Option<WatchId> {
    (1..64).find(|watch| folders.path(*watch) == Some(&path(folder)))
}

/// An event of an entry, or of the folder itself if `name` is empty.
fn event(watch: WatchId, what: ReadFlags, name: &str) -> Event<'_> {
    Event {
        watch,
        what,
        name: (!name.is_empty()).then_some(name.as_bytes()),
    }
}

fn told(folders: &mut Folders, events: &[Event<'_>]) -> Vec<Hint> {
    let mut batch = Batch::default();
    for event in events {
        batch.take(*event, folders);
    }
    batch.drain().collect()
}
