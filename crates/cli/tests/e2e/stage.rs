//! A stage: a folder for one test, the tree in it, and its turn on the machine.
//!
//! It must never leave anything behind, nor touch the home folder of whoever runs the tests.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use tempfile::TempDir;

/// A folder that goes with the test, and the right to use the machine meanwhile.
pub(crate) struct Stage {
    folder: TempDir,
    _turn: Turn,
}

/// Whether other tests may run at the same time.
enum Turn {
    Alone {
        _guard: RwLockWriteGuard<'static, ()>,
    },
    Shared {
        _guard: RwLockReadGuard<'static, ()>,
    },
}

/// Tests that measure time run alone, all others side by side.
static MACHINE: RwLock<()> = RwLock::new(());

impl Stage {
    /// A stage beside those of other tests.
    pub(crate) fn new() -> Self {
        let guard = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
        Self::with(Turn::Shared { _guard: guard })
    }

    /// A stage for a test that measures time, when no other test runs.
    pub(crate) fn alone() -> Self {
        let guard = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        Self::with(Turn::Alone { _guard: guard })
    }

    fn with(turn: Turn) -> Self {
        let folder = tempfile::Builder::new().prefix("overspill-e2e-").tempdir();
        let folder = folder.expect("a temporary folder");
        fs::create_dir(folder.path().join("tree")).expect("the tree's folder");
        Self {
            folder,
            _turn: turn,
        }
    }

    /// A path of the stage.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder that is published.
    pub(crate) fn tree(&self) -> PathBuf {
        self.path("tree")
    }

    /// Writes a file of the tree, and the folders above it.
    pub(crate) fn write(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = self.tree().join(path);
        fs::create_dir_all(path.parent().expect("below the tree")).expect("a folder");
        let mut file = File::create(&path).expect("a file of the tree");
        file.write_all(bytes).expect("room for a file");
    }
}

/// Bytes that look random and are the same each time.
pub(crate) fn content(seed: u64, bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    fastrand::Rng::with_seed(seed).fill(&mut content);
    content
}

/// SHA-256, which shares no code with the roots that the nodes compare.
pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// How long anything may take on a busy machine before it counts as never.
pub(crate) const LONG: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Waits until `condition` holds, and says how long that took.
///
/// # Panics
/// With `what`, when it does not hold within `limit`. The nodes of the test show the end of their
/// logs then.
pub(crate) fn wait_for(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> bool,
) -> Duration {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < limit,
            "waited {limit:?} in vain for: {what}"
        );
        thread::park_timeout(POLL);
    }
    begun.elapsed()
}
