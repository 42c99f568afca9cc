//! Opening the files of an archive when their turn comes.
//!
//! Hours may have passed since the head was sent. It must never give out another version than the
//! one that the layout was made of.

use overspill_core::{catalog::Entry, path::CatalogPath};
use overspill_net::FileBody;
use overspill_store::archive::Item;
use thiserror::Error;

use crate::{
    file::FoundFile,
    role::{Found, Role},
};

/// The file is not what was promised, so the archive cannot go on.
#[derive(Debug, Error)]
#[error("{path} changed or vanished while the archive was sent; ask for the archive again")]
pub(super) struct ChangedFile {
    path: CatalogPath,
}

/// The content of `item`, in the version of its entry.
pub(super) fn open<R: Role>(role: &R, item: &Item) -> Result<FileBody, ChangedFile> {
    match role.find(&item.path) {
        Found::File(file) if is_promised(&file, &item.entry) => Ok(file.body),
        _ => Err(ChangedFile {
            path: item.path.clone(),
        }),
    }
}

/// The same bytes where they are known, and else the same file that nobody has touched.
fn is_promised(file: &FoundFile, entry: &Entry) -> bool {
    let found = file.version.content.map(|(content, _)| content.root);
    let same = match (entry.root(), &file.body) {
        (Some(root), _) => found == Some(root),
        (None, FileBody::Hot(live) | FileBody::Live(live)) => {
            live.facts.mtime_ns == entry.mtime_ns && Some(live.facts.stamp) == entry.stamp
        }
        (None, FileBody::Object(_)) => false,
    };
    same && file.version.size == entry.size
}
