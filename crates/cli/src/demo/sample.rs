//! The sample tree: what a demo without a folder of the user's publishes.
//!
//! The plan is pure and comes from a seed, so every demo shows the same tree. The content is BLAKE3
//! output, which no file system and no network can compress; it must never be taken for data worth
//! keeping, and lies in a temporary folder only.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tokio_util::sync::CancellationToken;

/// A file to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Planned {
    /// Relative to the tree.
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// The files of the tree, small ones first; the same for the same seed.
pub(super) fn plan(seed: u64) -> Vec<Planned> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut files: Vec<_> = (0..SMALL_FILES)
        .map(|at| {
            let shelf = char::from(b'a' + (at % 16) as u8);
            Planned {
                path: format!("packages/{shelf}/tool-{at:03}.pkg").into(),
                bytes: small_bytes(&mut random),
            }
        })
        .collect();
    files.extend((0..MEDIUM_FILES).map(|at| Planned {
        path: format!("datasets/2026/spring/part-{at:02}.bin").into(),
        bytes: random.u64(MIB..=8 * MIB),
    }));
    let images = LARGE_MIB.iter().enumerate();
    files.extend(images.map(|(at, mib)| Planned {
        path: format!("images/disk-{at}.img").into(),
        bytes: mib * MIB,
    }));
    let odd = [(ODD_NAME, 300 << 10), ("packages/empty.pkg", 0)];
    files.extend(odd.map(|(path, bytes)| Planned {
        path: path.into(),
        bytes,
    }));
    files
}

/// Makes the planned files below `folder`, unless it is stopped, which is an error, too.
pub(super) fn make(folder: &Path, plan: &[Planned], stop: &CancellationToken) -> io::Result<()> {
    for file in plan {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        write_noise(&path, file, stop)?;
    }
    Ok(())
}

/// Fills a file with the BLAKE3 output that its own path seeds.
fn write_noise(path: &Path, file: &Planned, stop: &CancellationToken) -> io::Result<()> {
    let mut noise = blake3::Hasher::new()
        .update(file.path.as_os_str().as_encoded_bytes())
        .finalize_xof();
    let mut out = File::create(path)?;
    let mut chunk = vec![0; CHUNK_BYTES.min(file.bytes as usize)];
    let mut left = file.bytes;
    while left > 0 {
        if stop.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let part = &mut chunk[..left.min(CHUNK_BYTES as u64) as usize];
        noise.fill(part);
        out.write_all(part)?;
        left -= part.len() as u64;
    }
    Ok(())
}

/// From 1 to 191 KiB, each order of magnitude as likely as the next: half are below 14 KiB, as in
/// real package trees.
fn small_bytes(random: &mut fastrand::Rng) -> u64 {
    (1024.0 * 191_f64.powf(random.f64())) as u64
}

const MIB: u64 = 1 << 20;
const SMALL_FILES: usize = 400;
const MEDIUM_FILES: usize = 24;
const LARGE_MIB: [u64; 3] = [64, 88, 112];
/// Space, per cent, hash, question mark, quotes and bytes beyond ASCII: all that URLs choke on.
const ODD_NAME: &str = "odd names/100% #1, \"grün & gut\"? (ja).txt";
const CHUNK_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_gives_one_tree_of_the_promised_shape() {
        let files = plan(7);
        assert_eq!(files, plan(7));
        assert_ne!(files, plan(8));
        let paths: HashSet<_> = files.iter().map(|file| &file.path).collect();
        assert_eq!(paths.len(), files.len(), "a path twice");
        let between = |low: u64, high: u64| {
            let sized = |file: &&Planned| (low..high).contains(&file.bytes);
            files.iter().filter(sized).count()
        };
        assert_eq!(between(0, 1), 1);
        assert_eq!(between(1, MIB), SMALL_FILES + 1);
        assert_eq!(between(MIB, 8 * MIB + 1), MEDIUM_FILES);
        assert_eq!(between(64 * MIB, 128 * MIB + 1), LARGE_MIB.len());
        let total: u64 = files.iter().map(|file| file.bytes).sum();
        assert!(total < 600 * MIB, "{total}");
    }

    #[test]
    fn files_are_made_as_planned_and_differ() {
        let folder = tempfile::tempdir().unwrap();
        let plan: Vec<_> = [
            ("a/one", 70_000),
            ("a/two", 70_000),
            (ODD_NAME, 3),
            ("z", 0),
        ]
        .map(|(path, bytes)| Planned {
            path: path.into(),
            bytes,
        })
        .into();
        make(folder.path(), &plan, &CancellationToken::new()).unwrap();
        let read = |at: usize| fs::read(folder.path().join(&plan[at].path)).unwrap();
        for (at, file) in plan.iter().enumerate() {
            assert_eq!(read(at).len() as u64, file.bytes, "{:?}", file.path);
        }
        assert_ne!(read(0), read(1));
    }

    #[test]
    fn making_can_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        let error = make(folder.path(), &plan(1), &stop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}
