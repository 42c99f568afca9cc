//! Outboards as side files: `DIR/ab/ab12….ob`, one for each large content.
//!
//! They can be made again from the content at any time, so they are written without syncing and read
//! with doubt: what does not lead to its root is no outboard. Losing one costs time. Writing one must
//! never keep a content from being published or received.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use overspill_core::root::Root;
use thiserror::Error;

use crate::outboard::{Outboard, VerifyError};

/// A folder of outboards; it is made when the first one is kept.
#[derive(Clone, Debug)]
pub struct Outboards {
    dir: PathBuf,
}

/// Contents of up to this many bytes have no outboard: they are one piece, and their root proves it.
pub const OUTBOARD_FROM_BYTES: u64 = 1 << 20;
/// Longest outboard that is read: 4 Mi groups, the most that are ever made.
const FILE_BYTES_MAX: u64 = 8 + 64 * (4 << 20);

/// Why a piece of a file is not good.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PieceError {
    /// It cannot be read, or the file is shorter than that.
    #[error("cannot read the piece")]
    Io(#[from] io::Error),
    /// Its bytes are wrong.
    #[error(transparent)]
    Wrong(#[from] VerifyError),
}

/// Reads a piece of a file, some whole groups, and verifies it.
pub fn verify_piece(file: &File, outboard: &Outboard, piece: Range<u64>) -> Result<(), PieceError> {
    let length = usize::try_from(piece.end.saturating_sub(piece.start));
    let mut bytes = vec![0; length.map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, piece.start)?;
    Ok(outboard.verify(piece.start, &bytes)?)
}

impl Outboards {
    /// The outboards in `dir`, which need not be there yet.
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Keeps an outboard, in place of one that may be there. Not synced.
    pub fn keep(&self, outboard: &Outboard) -> io::Result<()> {
        let path = self.path(&outboard.root());
        let part = path.with_extension(PART);
        if let Some(shard) = path.parent() {
            fs::create_dir_all(shard)?;
        }
        let written = File::create(&part)
            .and_then(|mut file| file.write_all(&outboard.to_bytes()))
            .and_then(|()| fs::rename(&part, &path));
        if written.is_err() {
            // A full disk is not helped by half an outboard; what cannot be removed is swept later.
            let _ = fs::remove_file(&part);
        }
        written
    }

    /// Keeps an outboard if its content is large enough to have one and the disk takes it.
    ///
    /// When not, it is made again once somebody asks for it.
    pub fn keep_if_possible(&self, outboard: &Outboard) {
        if outboard.size() <= OUTBOARD_FROM_BYTES {
            return;
        }
        if let Err(error) = self.keep(outboard) {
            let root = outboard.root();
            tracing::debug!(%root, %error, "an outboard is not kept; it is made again when needed");
        }
    }

    /// Whether there is a file for it; see [`Outboards::load`] for whether it is good.
    pub fn contains(&self, root: &Root) -> bool {
        self.path(root).is_file()
    }

    /// Opens an outboard without looking at it.
    pub fn open(&self, root: &Root) -> io::Result<File> {
        File::open(self.path(root))
    }

    /// Reads an outboard and holds it against its root.
    ///
    /// One that is damaged is removed and counts as not found; the size is the one the file names.
    pub fn load(&self, root: &Root) -> io::Result<Outboard> {
        let file = self.open(root)?;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        let parsed = bytes.first_chunk().and_then(|size| {
            let size = u64::from_le_bytes(*size);
            Outboard::parse(*root, size, &bytes).ok()
        });
        parsed.ok_or_else(|| {
            tracing::warn!(
                event = "outboard-damaged", %root,
                "a stored outboard is damaged; it is made again when needed"
            );
            // If it cannot be removed, it is found damaged again.
            let _ = self.remove(root);
            ErrorKind::NotFound.into()
        })
    }

    /// Removes an outboard. One that is not there is fine.
    pub fn remove(&self, root: &Root) -> io::Result<()> {
        match fs::remove_file(self.path(root)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes what `is_wanted` does not want and nobody has touched for `grace`; says how many.
    ///
    /// Touches only files that are outboards by their names. The grace is for those whose contents
    /// are about to be named, and for clients that are in the middle of a download.
    pub fn sweep(&self, grace: Duration, is_wanted: impl Fn(&Root) -> bool) -> io::Result<usize> {
        let mut removed = 0;
        for shard in self.shards()? {
            for file in fs::read_dir(shard)? {
                let path = file?.path();
                let Some((root, state)) = parse_name(&path) else {
                    continue;
                };
                let is_useless = state == State::Part || !is_wanted(&root);
                if is_useless && is_older(&path, grace) && fs::remove_file(&path).is_ok() {
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    fn shards(&self) -> io::Result<Vec<PathBuf>> {
        let shards = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            shards => shards?,
        };
        let mut folders = Vec::new();
        for shard in shards {
            let shard = shard?;
            if shard.file_type()?.is_dir() {
                folders.push(shard.path());
            }
        }
        Ok(folders)
    }

    fn path(&self, root: &Root) -> PathBuf {
        let shard = format!("{:02x}", root.0[0]);
        self.dir.join(shard).join(format!("{root}.{WHOLE}"))
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Part,
    Whole,
}

fn parse_name(path: &Path) -> Option<(Root, State)> {
    let (root, extension) = path.file_name()?.to_str()?.split_once('.')?;
    let state = match extension {
        PART => State::Part,
        WHOLE => State::Whole,
        _ => return None,
    };
    Some((root.parse().ok()?, state))
}

/// Whether a file has been as it is for at least `age`; what cannot be asked counts as new.
fn is_older(path: &Path, age: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|facts| facts.modified());
    modified.is_ok_and(|modified| {
        let since = SystemTime::now().duration_since(modified);
        since.is_ok_and(|since| since >= age)
    })
}

/// Extension of an outboard.
const WHOLE: &str = "ob";
/// Extension of one that is being written.
const PART: &str = "ob-part";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outboard::OutboardBuilder;

    fn outboard(size: usize) -> Outboard {
        let mut builder = OutboardBuilder::new();
        builder.update(&vec![7; size]);
        builder.finish().1
    }

    fn large() -> Outboard {
        outboard(OUTBOARD_FROM_BYTES as usize + 1)
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let outboards = Outboards::at(dir.path().join("made/when/needed"));
        let (large, small) = (large(), outboard(OUTBOARD_FROM_BYTES as usize));
        assert_eq!(
            outboards.load(&large.root()).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        outboards.keep_if_possible(&large);
        outboards.keep_if_possible(&small);
        assert_eq!(outboards.load(&large.root()).unwrap(), large);
        assert!(!outboards.contains(&small.root()), "a piece needs none");
        outboards.remove(&large.root()).unwrap();
        outboards.remove(&large.root()).unwrap();
        assert!(!outboards.contains(&large.root()));
    }

    #[test]
    fn a_damaged_file_is_no_outboard_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let outboards = Outboards::at(dir.path().to_owned());
        let large = large();
        let whole = large.to_bytes();
        let mut flipped = whole.clone();
        flipped[70] ^= 1;
        for damaged in [&flipped[..], &whole[..100], &[], &vec![0; whole.len()]] {
            outboards.keep(&large).unwrap();
            fs::write(outboards.path(&large.root()), damaged).unwrap();
            assert_eq!(
                outboards.load(&large.root()).unwrap_err().kind(),
                ErrorKind::NotFound
            );
            assert!(!outboards.contains(&large.root()));
        }
    }

    #[test]
    fn a_piece_of_a_file_is_right_wrong_or_missing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, large) = (dir.path().join("file"), large());
        let mut bytes = vec![7; OUTBOARD_FROM_BYTES as usize + 1];
        let look = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let piece = large.piece_around(0).unwrap();
            verify_piece(&File::open(&path).unwrap(), &large, piece)
        };
        assert!(look(&bytes).is_ok());
        assert!(matches!(look(&bytes[..9]), Err(PieceError::Io(_))));
        bytes[70_000] = 8;
        let wrong = look(&bytes).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "of the 65536 bytes at 65536, some are wrong"
        );
    }

    #[test]
    fn where_nothing_can_be_written_nothing_fails() {
        let dir = tempfile::tempdir().unwrap();
        let taken = dir.path().join("a-file");
        fs::write(&taken, b"").unwrap();
        let outboards = Outboards::at(taken);
        assert!(outboards.keep(&large()).is_err());
        outboards.keep_if_possible(&large());
        assert!(outboards.load(&large().root()).is_err());
    }

    #[test]
    fn a_sweep_takes_what_is_unwanted_and_old() {
        let dir = tempfile::tempdir().unwrap();
        let outboards = Outboards::at(dir.path().to_owned());
        assert_eq!(outboards.sweep(Duration::ZERO, |_| false).unwrap(), 0);
        let (wanted, unwanted) = (large(), outboard(3 << 20));
        outboards.keep(&wanted).unwrap();
        outboards.keep(&unwanted).unwrap();
        let beside = outboards.path(&unwanted.root()).with_extension("");
        let half = outboards.path(&wanted.root()).with_extension(PART);
        fs::write(&beside, b"an object").unwrap();
        fs::write(&half, b"half").unwrap();
        let is_wanted = |root: &Root| *root == wanted.root();
        let soon = Duration::from_secs(3600);
        assert_eq!(outboards.sweep(soon, is_wanted).unwrap(), 0);
        assert_eq!(outboards.sweep(Duration::ZERO, is_wanted).unwrap(), 2);
        assert!(outboards.contains(&wanted.root()) && beside.is_file());
        assert!(!outboards.contains(&unwanted.root()) && !half.exists());
    }
}
