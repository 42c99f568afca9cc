//! Subjects: the files that the clients of the demo download, with what they must turn out to be.
//!
//! The roots are computed here, from the files on disk, by the `blake3` crate alone. They must
//! never be taken from anything that the server says, or the check would prove nothing.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use overspill_core::{path::CatalogPath, root::Root};
use tokio_util::sync::CancellationToken;

/// A file to download.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Subject {
    pub(super) path: CatalogPath,
    pub(super) bytes: u64,
    pub(super) root: Root,
}

/// What the tree holds.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// All files that the server will publish.
    pub(super) files: u64,
    /// Their sizes together.
    pub(super) bytes: u64,
    /// The files the clients download: those that can be read and are not too large.
    pub(super) subjects: Vec<Subject>,
}

/// Looks at every file below `folder` and hashes at most [`SUBJECTS_MAX`] of them.
pub(super) fn survey(folder: &Path, seed: u64, stop: &CancellationToken) -> Result<Survey> {
    let mut paths = Vec::new();
    let mut survey = Survey::default();
    collect(folder, &CatalogPath::root(), &mut paths, stop)?;
    for (_, bytes) in &paths {
        survey.files += 1;
        survey.bytes += bytes;
    }
    fastrand::Rng::with_seed(seed).shuffle(&mut paths);
    paths.retain(|(_, bytes)| *bytes <= SUBJECT_BYTES_MAX);
    for (path, _) in paths.into_iter().take(SUBJECTS_MAX) {
        let on_disk = folder.join(Path::new(&OsString::from(std::ffi::OsStr::from_bytes(
            path.as_bytes(),
        ))));
        match hash(&on_disk, stop) {
            Ok((root, bytes)) => survey.subjects.push(Subject { path, bytes, root }),
            // The server will refuse it just the same.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", on_disk.display()));
            }
        }
    }
    ensure!(
        !survey.subjects.is_empty(),
        "{} has no readable file of at most 1 GiB to download; name another folder, or none for a \
         sample tree",
        folder.display()
    );
    Ok(survey)
}

/// The BLAKE3 hash of a file, and its size.
pub(super) fn hash(path: &Path, stop: &CancellationToken) -> io::Result<(Root, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        if stop.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match file.read(&mut chunk)? {
            0 => break,
            bytes => hasher.update(&chunk[..bytes]),
        };
    }
    Ok((Root(*hasher.finalize().as_bytes()), hasher.count()))
}

/// Adds all files that a server publishes by default: no dotfiles, no links, nothing named `-` at
/// the top.
fn collect(
    tree: &Path,
    folder: &CatalogPath,
    files: &mut Vec<(CatalogPath, u64)>,
    stop: &CancellationToken,
) -> Result<()> {
    let on_disk = tree.join(std::ffi::OsStr::from_bytes(folder.as_bytes()));
    let cannot_list = || format!("cannot list {}", on_disk.display());
    for entry in fs::read_dir(&on_disk).with_context(cannot_list)? {
        ensure!(!stop.is_cancelled(), "interrupted");
        let entry = entry.with_context(cannot_list)?;
        let name = entry.file_name();
        if name.as_bytes().starts_with(b".") || folder.is_root() && name == "-" {
            continue;
        }
        // Neither fails for what was just listed, unless it is gone again.
        let (Ok(path), Ok(facts)) = (folder.join(name.as_bytes()), entry.metadata()) else {
            continue;
        };
        if facts.is_dir() {
            collect(tree, &path, files, stop)?;
        } else if facts.is_file() {
            files.push((path, facts.len()));
        }
    }
    Ok(())
}

/// Chooses subjects: mostly small ones, some large.
#[derive(Debug)]
pub(super) struct Mix {
    /// Subjects by class; never all empty.
    classes: Vec<(u32, Vec<usize>)>,
    weight: u32,
}

impl Mix {
    /// A mix of these subjects, of which there must be some.
    pub(super) fn new(subjects: &[Subject]) -> Self {
        let mut classes: Vec<_> = CLASSES.map(|(_, weight)| (weight, Vec::new())).into();
        for (at, subject) in subjects.iter().enumerate() {
            let above = |&(bytes_min, _): &(u64, u32)| subject.bytes >= bytes_min;
            let class = CLASSES.iter().rposition(above).unwrap_or(0);
            classes[class].1.push(at);
        }
        classes.retain(|(_, members)| !members.is_empty());
        let weight = classes.iter().map(|(weight, _)| weight).sum();
        assert!(weight > 0, "a mix of nothing");
        Self { classes, weight }
    }

    /// The next subject to download.
    pub(super) fn pick(&self, random: &mut fastrand::Rng) -> usize {
        let mut drawn = random.u32(0..self.weight);
        for (weight, members) in &self.classes {
            match drawn.checked_sub(*weight) {
                Some(rest) => drawn = rest,
                None => return members[random.usize(0..members.len())],
            }
        }
        unreachable!("less than the sum of all weights was drawn")
    }
}

/// Smallest size of a class and how many of a hundred downloads it gets. With the sample tree that
/// makes four fifths of the bytes those of large files, and four fifths of the downloads small.
const CLASSES: [(u64, u32); 3] = [(0, 78), (1 << 20, 19), (32 << 20, 3)];
/// Enough for a lively mix; hashing a tree of millions would keep the user waiting.
const SUBJECTS_MAX: usize = 4096;
/// A larger file would not be done within the demo.
const SUBJECT_BYTES_MAX: u64 = 1 << 30;
const CHUNK_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str, bytes: u64) -> Subject {
        Subject {
            path: CatalogPath::parse(name.as_bytes()).unwrap(),
            bytes,
            root: Root([0; 32]),
        }
    }

    #[test]
    fn the_mix_follows_its_weights_and_reaches_every_subject() {
        let sizes = [0, 5, 1 << 20, 8 << 20, 32 << 20, 1 << 30];
        let subjects: Vec<_> = sizes.map(|bytes| subject("a", bytes)).into();
        let mix = Mix::new(&subjects);
        let mut random = fastrand::Rng::with_seed(1);
        let mut picked = [0_u32; 6];
        (0..10_000).for_each(|_| picked[mix.pick(&mut random)] += 1);
        for (class, weight) in [(0, 78), (2, 19), (4, 3)] {
            let of_class = picked[class] + picked[class + 1];
            assert!(of_class.abs_diff(weight * 100) < 150, "{picked:?}");
            assert!(picked[class] > 0 && picked[class + 1] > 0, "{picked:?}");
        }
    }

    #[test]
    fn a_class_without_subjects_leaves_its_part_to_the_others() {
        let mix = Mix::new(&[subject("a", 40 << 20)]);
        let mut random = fastrand::Rng::with_seed(1);
        assert!((0..100).all(|_| mix.pick(&mut random) == 0));
    }

    #[test]
    fn a_survey_finds_what_a_server_publishes() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path();
        for (path, text) in [
            ("a b/c", "xyz"),
            ("d", ""),
            (".e", "1"),
            ("-/f", "2"),
            ("a b/-", "3"),
        ] {
            fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
            fs::write(tree.join(path), text).unwrap();
        }
        std::os::unix::fs::symlink("d", tree.join("link")).unwrap();
        let mut found = survey(tree, 1, &CancellationToken::new()).unwrap();
        found.subjects.sort_by(|a, b| a.path.cmp(&b.path));
        let expected = [("a b/-", "3"), ("a b/c", "xyz"), ("d", "")].map(|(path, text)| Subject {
            root: Root(*blake3::hash(text.as_bytes()).as_bytes()),
            ..subject(path, text.len() as u64)
        });
        assert_eq!(found.subjects, expected);
        assert_eq!((found.files, found.bytes), (3, 4));
    }

    #[test]
    fn a_tree_without_files_is_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let error = survey(folder.path(), 1, &CancellationToken::new()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with("name another folder, or none for a sample tree"),
            "{text}"
        );
    }
}
