//! The file that grows: `NAME.part`, locked, with its advisory state beside it.
//!
//! One process at a time holds it. It is either a prefix of the version that its [`State`] names, or
//! pieces with gaps ([`PieceState`]). It must never get its final name by any way but
//! [`PartFile::publish`].

mod pieces;
mod state;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{CWD, FallocateFlags, OFlags, RenameFlags, fallocate, renameat_with};

pub(crate) use self::{pieces::PieceState, state::State};
use crate::{
    download::{Durability, OnExisting},
    error::DownloadError,
    url::HttpUrl,
};

/// An open, locked part file. Dropping it keeps file and state for a later run, unless it is empty.
#[derive(Debug)]
pub(crate) struct PartFile {
    /// Shared with threads that write to it. The lock lasts as long as any of them.
    file: Arc<File>,
    path: PathBuf,
    target: PathBuf,
}

impl PartFile {
    /// Opens or creates the part of `target` and locks it; an error if another process has it.
    pub(crate) fn open(target: &Path) -> Result<Self, DownloadError> {
        let path = with_suffix(target, ".part");
        let error = |doing| {
            let path = path.clone();
            move |source| DownloadError::Local {
                path,
                doing,
                source,
            }
        };
        for _ in 0..OPEN_TRIES {
            let file = open_regular(&path).map_err(error("open"))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(DownloadError::Locked { path }),
                Err(TryLockError::Error(source)) => return Err(error("lock")(source)),
            }
            // Between our open and our lock the former holder may have renamed it.
            if is_at(&file, &path) {
                let (file, target) = (Arc::new(file), target.to_owned());
                return Ok(Self { file, path, target });
            }
        }
        Err(DownloadError::Locked { path })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The same, for another thread.
    pub(crate) fn shared_file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Makes it as long as the file will be. Room is taken where the file system can, so that a full
    /// disk is noticed now; elsewhere it stays sparse.
    pub(crate) fn reserve(&self, size_bytes: u64) -> io::Result<()> {
        if self.length()? > size_bytes {
            self.file.set_len(size_bytes)?;
        }
        if size_bytes == 0 {
            return Ok(());
        }
        match fallocate(&*self.file, FallocateFlags::empty(), 0, size_bytes) {
            Err(
                rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL,
            ) => self.file.set_len(size_bytes),
            result => Ok(result?),
        }
    }

    /// Its length now.
    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The state of an earlier run, if it can be relied on for `url` and the length fits.
    pub(crate) fn state(&self, url: &HttpUrl) -> Option<State> {
        let state = State::read(&self.state_path())?;
        let length = self.length().ok()?;
        let fits = state.size.is_none_or(|size| length <= size);
        (fits && state.holds_for(url)).then_some(state)
    }

    /// Writes the state, at once or not at all.
    pub(crate) fn save(&self, state: &State) -> io::Result<()> {
        state.write(&self.state_path())
    }

    /// Forgets the state: what is in the part cannot be continued.
    pub(crate) fn forget(&self) -> io::Result<()> {
        match fs::remove_file(self.state_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Adds bytes at the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)
    }

    /// Drops everything from `length` on.
    pub(crate) fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        (&*self.file).seek(SeekFrom::Start(length)).map(drop)
    }

    /// Makes it durable and gives it its final name.
    ///
    /// `AlreadyExists` when something has that name and may not be replaced. The state goes last: a
    /// crash before leaves a stale state, which the next run ignores.
    pub(crate) fn publish(
        &self,
        on_existing: OnExisting,
        durability: Durability,
    ) -> io::Result<()> {
        if durability == Durability::Now {
            self.file.sync_all()?;
        }
        match on_existing {
            OnExisting::Refuse => rename_new(&self.path, &self.target)?,
            OnExisting::Replace => fs::rename(&self.path, &self.target)?,
        }
        if durability == Durability::Now {
            File::open(folder_of(&self.target))?.sync_all()?;
        }
        self.forget()
    }

    /// Deletes part and state.
    pub(crate) fn discard(&self) -> io::Result<()> {
        self.forget()?;
        fs::remove_file(&self.path)
    }

    /// Where its state is.
    pub(crate) fn state_path(&self) -> PathBuf {
        with_suffix(&self.path, ".json")
    }
}

impl Drop for PartFile {
    /// A download that never had a byte leaves nothing behind.
    fn drop(&mut self) {
        if self.length().is_ok_and(|length| length == 0) && is_at(&self.file, &self.path) {
            // Nothing depends on it: an empty part is as good as none.
            let _ = self.discard();
        }
    }
}

/// Opens without following a symlink, for a shared folder may hold a trap of the expected name.
fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Renames unless the new name exists, atomically where the file system can.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            if fs::symlink_metadata(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        result => Ok(result?),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Each failed round means that another process finished in the very moment between open and lock.
const OPEN_TRIES: usize = 8;

#[cfg(test)]
mod tests;
