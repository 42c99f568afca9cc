//! The text files of a checkout, read once for all checks.
//!
//! It walks the folder instead of asking git, so that it sees a file before its first `git add` and
//! works in an unpacked archive. It never follows a symbolic link and never leaves the folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// One text file of the checkout.
#[derive(Clone, Debug)]
pub(super) struct TextFile {
    /// Relative to the checkout, with slashes.
    pub(super) path: String,
    pub(super) text: String,
}

impl TextFile {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The last component of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The folder `x` of a file below `crates/x/`.
    pub(super) fn crate_folder(&self) -> Option<&str> {
        let (folder, _) = self.path.strip_prefix("crates/")?.split_once('/')?;
        Some(folder)
    }

    /// Whether the file is compiled for tests only, judged by its name as our layout fixes it.
    pub(super) fn is_test_code(&self) -> bool {
        self.name().ends_with("tests.rs")
            || self
                .path
                .split('/')
                .any(|component| matches!(component, "benches" | "tests"))
    }

    /// The lines, numbered from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

/// All text files of a checkout, ordered by path.
#[derive(Debug)]
pub(super) struct Checkout {
    files: Vec<TextFile>,
}

impl Checkout {
    /// Reads the checkout at `root`; files that are not UTF-8 are no text and are left out.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            let context = || format!("cannot read {}", folder.display());
            for item in fs::read_dir(&folder).with_context(context)? {
                let item = item.with_context(context)?;
                let kind = item.file_type().with_context(context)?;
                if kind.is_dir() && !IGNORED_FOLDERS.iter().any(|name| item.file_name() == *name) {
                    folders.push(item.path());
                } else if kind.is_file() {
                    files.extend(read_text(root, item.path())?);
                }
            }
        }
        Ok(Self::new(files))
    }

    fn new(mut files: Vec<TextFile>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// A checkout of these paths and texts, for tests.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| TextFile {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Self::new(files.iter().map(file).collect())
    }

    pub(super) fn files(&self) -> &[TextFile] {
        &self.files
    }

    pub(super) fn file(&self, path: &str) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The manifests of the packages below `crates/`, each with its folder.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&str, &TextFile)> {
        self.files.iter().filter_map(|file| {
            let folder = file.crate_folder()?;
            (file.path == format!("crates/{folder}/Cargo.toml")).then_some((folder, file))
        })
    }
}

fn read_text(root: &Path, path: PathBuf) -> Result<Option<TextFile>> {
    let bytes = match fs::read(&path) {
        // An editor's scratch file may go between the listing and the reading.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(None);
    };
    let path = path
        .strip_prefix(root)
        .unwrap_or(&path)
        .to_string_lossy()
        .into_owned();
    Ok(Some(TextFile { path, text }))
}

/// Build output, what npm installs and git's own data, at any depth (`fuzz/target`).
const IGNORED_FOLDERS: [&str; 3] = [".git", "target", "node_modules"];
