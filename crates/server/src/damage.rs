//! Files whose bytes are no longer those that were hashed, though nobody changed them.
//!
//! The server does not send them; who holds a copy does. A mark is good for one version of a file as
//! it lies on the disk: whoever restores the file changes its times, and the mark is void. It must
//! never outlive that, nor mark a version that was not read wrong.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use overspill_core::{
    catalog::{Catalog, Entry, Stamp},
    path::CatalogPath,
    root::Root,
    units::counted,
};

/// The marks. Looked at for each file that is opened, so looking takes no lock.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    marks: ArcSwap<Marks>,
    /// Held while the marks are changed.
    changing: Mutex<()>,
}

type Marks = BTreeMap<CatalogPath, Version>;

/// What the catalog says of a file that was read wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Version {
    root: Option<Root>,
    stamp: Option<Stamp>,
}

/// Most files marked. A disk that has more is no disk to serve from, and the log says so.
const MARKS_MAX: usize = 10_000;
/// Files named in the status.
const NAMED_MAX: usize = 5;

impl Version {
    fn of(entry: &Entry) -> Self {
        Self {
            root: entry.root(),
            stamp: entry.stamp,
        }
    }

    fn is_in(&self, catalog: &Catalog, path: &CatalogPath) -> bool {
        let entry = catalog.entry(path);
        entry.is_some_and(|entry| Self::of(entry) == *self)
    }
}

/// The paths of versions that the catalog still has.
fn current<'a>(marks: &'a Marks, catalog: &Catalog) -> impl Iterator<Item = &'a CatalogPath> {
    let current = marks
        .iter()
        .filter(|(path, version)| version.is_in(catalog, path));
    current.map(|(path, _)| path)
}

impl Damage {
    /// Whether this version of the file was read wrong.
    pub(crate) fn is_marked(&self, path: &CatalogPath, entry: &Entry) -> bool {
        let marks = self.marks.load();
        !marks.is_empty() && marks.get(path) == Some(&Version::of(entry))
    }

    /// Marks a version; says whether that is news.
    pub(crate) fn mark(&self, path: &CatalogPath, entry: &Entry) -> bool {
        self.change(|marks| {
            let has_room = marks.len() < MARKS_MAX || marks.contains_key(path);
            let version = Version::of(entry);
            has_room && marks.insert(path.clone(), version) != Some(version)
        })
    }

    /// Takes the mark from a file that reads right again.
    pub(crate) fn clear(&self, path: &CatalogPath) {
        if self.marks.load().contains_key(path) {
            self.change(|marks| marks.remove(path));
        }
    }

    /// Forgets marks of versions that the catalog no longer has.
    pub(crate) fn forget_old(&self, catalog: &Catalog) {
        if !self.marks.load().is_empty() {
            self.change(|marks| marks.retain(|path, version| version.is_in(catalog, path)));
        }
    }

    /// How many of the catalog's files are marked.
    pub(crate) fn files(&self, catalog: &Catalog) -> u64 {
        let marks = self.marks.load();
        current(&marks, catalog).count() as u64
    }

    /// What a person has to be told.
    pub(crate) fn problem(&self, catalog: &Catalog) -> Option<String> {
        let marks = self.marks.load();
        let files = current(&marks, catalog).count() as u64;
        let named: Vec<String> = current(&marks, catalog)
            .take(NAMED_MAX)
            .map(|path| format!("/{path}"))
            .collect();
        let more = if files > NAMED_MAX as u64 {
            ", ..."
        } else {
            ""
        };
        (files > 0).then(|| {
            format!(
                "damaged on the disk: {}; only mirrors serve what is damaged, put back what was \
                 there: {}{more}",
                counted(files, "file"),
                named.join(", ")
            )
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Marks) -> T) -> T {
        // The marks are swapped whole; a panic in between changes nothing.
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut marks = Marks::clone(&self.marks.load());
        let result = change(&mut marks);
        self.marks.store(Arc::new(marks));
        result
    }
}

#[cfg(test)]
mod tests {
    use overspill_core::{
        catalog::{Content, InstanceId, Kind, Revision},
        root::Sha256,
    };

    use super::*;

    fn entry(root: u8, ctime_ns: i64) -> Entry {
        Entry {
            kind: Kind::File,
            size: 5,
            mtime_ns: 0,
            mode: 0o644,
            revision: Revision(1),
            content: Some(Content {
                root: Root([root; 32]),
                sha256: Sha256([0; 32]),
                crc32: 0,
            }),
            stamp: Some(Stamp {
                dev: 1,
                ino: 1,
                ctime_ns,
            }),
        }
    }

    fn catalog(path: &CatalogPath, entry: &Entry) -> Catalog {
        let mut catalog = Catalog::new(InstanceId(1));
        catalog.apply(Revision(1), [(path, Some(&Arc::new(entry.clone())))]);
        catalog
    }

    #[test]
    fn a_mark_is_good_for_one_version_on_the_disk() {
        let (damage, path) = (Damage::default(), CatalogPath::parse(b"d/file").unwrap());
        let (spoilt, restored) = (entry(1, 10), entry(1, 11));
        assert!(!damage.is_marked(&path, &spoilt));
        assert!(damage.mark(&path, &spoilt));
        assert!(!damage.mark(&path, &spoilt), "told once");
        assert!(damage.is_marked(&path, &spoilt));
        assert!(!damage.is_marked(&path, &restored));
        assert!(!damage.is_marked(&path, &entry(2, 10)));
        let before = catalog(&path, &spoilt);
        damage.forget_old(&before);
        assert_eq!(damage.files(&before), 1);
        assert_eq!(
            damage.problem(&before).unwrap(),
            "damaged on the disk: 1 file; only mirrors serve what is damaged, put back what was \
             there: /d/file"
        );
        let after = catalog(&path, &restored);
        assert_eq!((damage.files(&after), damage.problem(&after)), (0, None));
        damage.forget_old(&after);
        assert!(!damage.is_marked(&path, &spoilt), "forgotten");
    }

    #[test]
    fn what_reads_right_again_is_cleared() {
        let (damage, path) = (Damage::default(), CatalogPath::parse(b"file").unwrap());
        damage.mark(&path, &entry(1, 1));
        damage.clear(&path);
        assert!(!damage.is_marked(&path, &entry(1, 1)));
    }
}
