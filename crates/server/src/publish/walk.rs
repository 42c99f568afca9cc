//! Walking the tree: comparing folders with the catalog, entry by entry.
//!
//! A walk reads one folder at a time and says what is new, changed or gone. It follows symlinks only
//! as far as the tree itself does, and never in a circle. It must never call something gone on the
//! strength of a folder it could not read.

use std::{rc::Rc, sync::Arc};

use overspill_core::{
    catalog::{Catalog, Entry, Kind, Revision, Stamp},
    path::CatalogPath,
};
use overspill_store::tree::{FileFacts, FolderListing, Found, OpenError, Problem, Tree, Via};

/// How far down a walk goes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Depth {
    /// The folder asked for, and those that are new or not the same as before.
    News,
    /// Everything.
    All,
}

/// A folder yet to be read, and the folders above it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) folder: CatalogPath,
    above: Option<Rc<Above>>,
    /// Whether a symlink was followed on the way here.
    pub(super) via: Via,
}

#[derive(Debug)]
struct Above {
    identity: (u64, u64),
    above: Option<Rc<Self>>,
}

/// What one folder turned out to hold.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// Device and inode of the folder.
    pub(super) identity: (u64, u64),
    /// New or changed entries, without revision and content.
    pub(super) put: Vec<(CatalogPath, Entry)>,
    /// Known files whose hash is still missing.
    pub(super) unhashed: Vec<(CatalogPath, Arc<Entry>)>,
    /// Entries that are gone.
    pub(super) gone: Vec<CatalogPath>,
    /// Folders to read next.
    pub(super) next: Vec<Step>,
    /// What could not be published.
    pub(super) problems: Vec<Problem>,
    /// Symlinks that lead in a circle.
    pub(super) circles: Vec<CatalogPath>,
}

impl Step {
    /// The beginning of a walk at `folder`; looks up the identities of the folders above it.
    pub(super) fn at(tree: &Tree, folder: &CatalogPath) -> Self {
        let mut chain = Vec::new();
        let mut next = folder.parent();
        while let Some(path) = next {
            next = path.parent();
            chain.push(path);
        }
        let above = chain
            .into_iter()
            .rev()
            .fold(None, |above, path| match tree.open_path(&path) {
                Ok(overspill_store::tree::Opened::Folder(facts)) => {
                    let identity = (facts.stamp.dev, facts.stamp.ino);
                    Some(Rc::new(Above { identity, above }))
                }
                _ => above,
            });
        Self {
            folder: folder.clone(),
            above,
            via: Via::Direct,
        }
    }

    fn is_circle(&self, listing: &FolderListing, child: &FileFacts) -> bool {
        let identity = (child.stamp.dev, child.stamp.ino);
        let mut above = self.above.as_ref();
        while let Some(folder) = above {
            if folder.identity == identity {
                return true;
            }
            above = folder.above.as_ref();
        }
        listing.identity == identity
    }

    fn child(&self, listing: &FolderListing, folder: CatalogPath, via: Via) -> Self {
        let above = Above {
            identity: listing.identity,
            above: self.above.clone(),
        };
        let via = if self.via == Via::Symlink {
            Via::Symlink
        } else {
            via
        };
        Self {
            folder,
            above: Some(Rc::new(above)),
            via,
        }
    }
}

/// Compares one folder with the catalog. `Ok(None)` if the folder itself is gone.
pub(super) fn compare(
    tree: &Tree,
    catalog: &Catalog,
    step: &Step,
    depth: Depth,
) -> Result<Option<Differences>, OpenError> {
    let mut listing = match tree.list(&step.folder) {
        Ok(listing) => listing,
        Err(OpenError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut found = Differences {
        identity: listing.identity,
        problems: std::mem::take(&mut listing.problems),
        ..Differences::default()
    };
    let mut known = catalog.children(&step.folder).peekable();
    for (path, child) in &listing.children {
        while let Some((gone, _)) = known.next_if(|(known, _)| *known < path) {
            found.gone.push(gone.clone());
        }
        let entry = known
            .next_if(|(known, _)| *known == path)
            .map(|(_, entry)| entry);
        found.see(step, &listing, path, child, entry, depth);
    }
    found.gone.extend(known.map(|(path, _)| path.clone()));
    found.spare_unreadable();
    Ok(Some(found))
}

impl Differences {
    fn see(
        &mut self,
        step: &Step,
        listing: &FolderListing,
        path: &CatalogPath,
        child: &Found,
        known: Option<&Arc<Entry>>,
        depth: Depth,
    ) {
        match child {
            Found::File { facts, .. } => match known {
                Some(entry) if is_same_file(entry, facts) => {
                    if entry.content.is_none() {
                        self.unhashed.push((path.clone(), Arc::clone(entry)));
                    }
                }
                _ => self.put.push((path.clone(), file_entry(facts))),
            },
            Found::Folder { facts, via } => {
                if *via == Via::Symlink && step.is_circle(listing, facts) {
                    self.circles.push(path.clone());
                    return;
                }
                let entry = folder_entry(facts);
                let is_known = known
                    .is_some_and(|known| known.kind == Kind::Folder && known.stamp == entry.stamp);
                if !known.is_some_and(|known| known.same_version(&entry)) {
                    self.put.push((path.clone(), entry));
                }
                if depth == Depth::All || !is_known {
                    self.next.push(step.child(listing, path.clone(), *via));
                }
            }
        }
    }

    /// What could not be looked at is not gone.
    fn spare_unreadable(&mut self) {
        let problems = &self.problems;
        self.gone.retain(|gone| {
            !problems
                .iter()
                .any(|problem| matches!(problem, Problem::Unreadable { path, .. } if path == gone))
        });
    }
}

/// Whether the catalog's entry is this very version of the file.
pub(super) fn is_same_file(entry: &Entry, facts: &FileFacts) -> bool {
    entry.kind == Kind::File
        && entry.size == facts.size
        && entry.mtime_ns == facts.mtime_ns
        && entry.mode == facts.mode
        && entry.stamp == Some(facts.stamp)
}

/// The entry of a file that has yet to be hashed.
pub(super) fn file_entry(facts: &FileFacts) -> Entry {
    Entry {
        kind: Kind::File,
        size: facts.size,
        mtime_ns: facts.mtime_ns,
        mode: facts.mode,
        revision: Revision::ZERO,
        content: None,
        stamp: Some(facts.stamp),
    }
}

/// The entry of a folder. Its stamp tells one folder from another under the same name; changes of
/// what is in it are not its own.
fn folder_entry(facts: &FileFacts) -> Entry {
    let stamp = Some(Stamp {
        ctime_ns: 0,
        ..facts.stamp
    });
    Entry {
        kind: Kind::Folder,
        size: 0,
        stamp,
        ..file_entry(facts)
    }
}

#[cfg(test)]
mod tests;
