//! Where the files of a tree lie on this machine.
//!
//! It must never follow a symlink below the target, nor make anything outside of it.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Mutex,
    time::SystemTime,
};

use overspill_core::{path::CatalogPath, root::Root};
use tokio::task::spawn_blocking;

use super::below;
use crate::{error::DownloadError, folder::Located, intake::root_of, url::HttpUrl};

/// The target folder.
#[derive(Debug)]
pub(super) struct Local {
    target: PathBuf,
    url: HttpUrl,
    /// Folders that were found or made, so that each is looked at once.
    known: Mutex<HashSet<PathBuf>>,
}

/// How a file of the listing stands here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// It is to be downloaded.
    Wanted,
    /// It is here, so many bytes.
    UpToDate(u64),
}

impl Local {
    pub(super) fn new(target: &Path, url: &HttpUrl) -> Self {
        Self {
            target: target.to_owned(),
            url: url.clone(),
            known: Mutex::default(),
        }
    }

    /// Where an entry goes, the folders above it made; and whether it is there already.
    pub(super) async fn place(
        &self,
        entry: &Located,
    ) -> Result<(PathBuf, Standing), (PathBuf, DownloadError)> {
        let Some(path) = below(&self.url, entry) else {
            let path = self.target.clone();
            let url = entry.url.clone();
            return Err((path, DownloadError::OutOfPlace { url }));
        };
        let local = self.target.join(OsStr::from_bytes(path.as_bytes()));
        let local_error = |doing: &'static str| {
            let path = local.clone();
            move |source| {
                let error = DownloadError::Local {
                    path: path.clone(),
                    doing,
                    source,
                };
                (path, error)
            }
        };
        self.make_folders(&path)
            .map_err(local_error("make its folder"))?;
        let standing = standing(&local, entry).await;
        Ok((local.clone(), standing.map_err(local_error("read"))?))
    }

    /// Makes the folders above a file. A few microseconds each, and each once.
    fn make_folders(&self, path: &CatalogPath) -> io::Result<()> {
        let mut folder = self.target.clone();
        let mut names: Vec<_> = path.as_bytes().split(|&byte| byte == b'/').collect();
        names.pop();
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !known.contains(&folder) {
            // The user's own word: it may be a symlink, and what is above it missing.
            fs::create_dir_all(&folder)?;
            known.insert(folder.clone());
        }
        for name in names {
            folder.push(OsStr::from_bytes(name));
            if !known.contains(&folder) {
                make_folder(&folder)?;
                known.insert(folder.clone());
            }
        }
        Ok(())
    }

    /// Gives a file the time that it has on the server, so that the next run knows it by that.
    pub(super) async fn date(&self, path: &Path, entry: &Located) {
        let Some(time) = mtime(entry) else { return };
        let path = path.to_owned();
        let dated = spawn_blocking(move || File::open(path)?.set_modified(time));
        // Without it the next run compares the content.
        let _ = dated.await;
    }

    /// Makes everything durable that was written below the target.
    pub(super) async fn sync(&self) {
        let target = self.target.clone();
        // What cannot be synced is complained about by the system; the files are verified.
        let _ =
            spawn_blocking(move || Ok::<_, io::Error>(rustix::fs::syncfs(File::open(target)?)?))
                .await;
    }
}

/// Makes a folder, or finds that it is one and no symlink.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            match fs::symlink_metadata(folder)?.is_dir() {
                true => Ok(()),
                false => Err(io::Error::new(
                    io::ErrorKind::NotADirectory,
                    "something that is no folder is in the way; a symlink is not followed",
                )),
            }
        }
        made => made,
    }
}

async fn standing(path: &Path, entry: &Located) -> io::Result<Standing> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(Standing::Wanted);
    };
    if !metadata.is_file() || entry.listed.size != Some(metadata.len()) {
        return Ok(Standing::Wanted);
    }
    let is_dated =
        mtime(entry).is_some_and(|time| metadata.modified().is_ok_and(|own| own == time));
    let root: Option<Root> = entry
        .listed
        .root
        .as_ref()
        .and_then(|root| root.parse().ok());
    let is_equal = match (is_dated, root) {
        (true, _) => true,
        (false, Some(root)) => root_of(File::open(path)?).await? == root,
        (false, None) => false,
    };
    Ok(match is_equal {
        true => Standing::UpToDate(metadata.len()),
        false => Standing::Wanted,
    })
}

/// The time of an entry, in whole seconds as a listing tells it.
fn mtime(entry: &Located) -> Option<SystemTime> {
    humantime::parse_rfc3339(&entry.listed.mtime).ok()
}
