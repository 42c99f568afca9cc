//! What is served: a tree, and copies of it on mirrors that have joined once before.
//!
//! Copying goes over wide links, before anything is measured, and by nodes that are ended again:
//! whoever serves later knows the files, but nothing of what any link can carry. It must never let
//! two files be equal, for those are one object.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The tree, the hashes of its files and the folders of nodes.
#[derive(Debug)]
pub(super) struct Stock {
    folder: PathBuf,
    files: Vec<StockFile>,
}

/// A file of the tree.
#[derive(Clone, Debug)]
pub(super) struct StockFile {
    /// As in a URL.
    pub(super) path: String,
    pub(super) bytes: u64,
    hash: blake3::Hash,
}

/// The two sizes there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Size {
    Large,
    Small,
}

/// Files of each size.
const FILES: usize = 8;

impl Size {
    /// Bytes of a file.
    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::Large => 4 << 20,
            Self::Small => 1 << 20,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Small => "small",
        }
    }
}

impl Stock {
    /// Writes the tree below `folder`.
    pub(super) fn write(folder: &Path) -> Result<Self> {
        let tree = folder.join("tree");
        fs::create_dir_all(&tree).with_context(|| format!("cannot make {}", tree.display()))?;
        let mut random = fastrand::Rng::with_seed(1);
        let mut files = Vec::new();
        for size in [Size::Large, Size::Small] {
            for number in 0..FILES {
                let mut content = vec![0; size.bytes() as usize];
                random.fill(&mut content);
                let path = format!("/{}-{number}", size.name());
                fs::write(tree.join(&path[1..]), &content).context("cannot write a file")?;
                files.push(StockFile {
                    path,
                    bytes: size.bytes(),
                    hash: blake3::hash(&content),
                });
            }
        }
        let folder = folder.to_owned();
        Ok(Self { folder, files })
    }

    pub(super) fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// The state of our server.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The store of our mirror on the host `name`.
    pub(super) fn store(&self, name: &str) -> PathBuf {
        self.folder.join(format!("store-{name}"))
    }

    /// The download numbered `number` takes this file.
    pub(super) fn file(&self, size: Size, number: usize) -> &StockFile {
        let first = match size {
            Size::Large => 0,
            Size::Small => FILES,
        };
        &self.files[first + number % FILES]
    }
}

impl StockFile {
    /// Whether the file at `path` has exactly these bytes.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        fs::read(path).is_ok_and(|content| blake3::hash(&content) == self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_wrong_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let stock = Stock::write(folder.path()).unwrap();
        let file = stock.file(Size::Small, FILES + 1);
        let path = stock.tree().join("small-1");
        assert!(file.is_at(&path));
        let mut content = fs::read(&path).unwrap();
        content[12_345] ^= 1;
        fs::write(&path, &content).unwrap();
        assert!(!file.is_at(&path));
        content[12_345] ^= 1;
        fs::write(&path, &content[1..]).unwrap();
        assert!(!file.is_at(&path));
        assert!(!file.is_at(&folder.path().join("nothing")));
    }
}
