//! Checksums for everybody else's tools: `FILE?sha256`, `FILE.sha256` and `FOLDER/SHA256SUMS`.
//!
//! All are made from the catalog's hashes, so they are the same on every node and cost no reading,
//! and a file of that name in the tree goes before one that is made. They describe published
//! versions: a list that would have to leave out a file whose hash is not known yet is not sent at
//! all but answered 503, for nobody checks what a list does not name. It must never hash anything.

use std::sync::Arc;

use bytes::Bytes;
use overspill_core::{
    catalog::{Catalog, Child, Kind},
    path::{CatalogPath, UrlForm, UrlPath},
    root::{Root, Sha256},
};
use overspill_http1::status::Status;
use overspill_net::Answer;
use thiserror::Error;

use crate::{
    query::{Aspect, Depth, TreeQuery},
    reply::{Context, Generated},
    role::{Found, Role},
};

/// Most files in one list: some 10 MiB.
const MAX_FILES: usize = 100_000;
/// The name of a folder's list.
const LIST_NAME: &[u8] = b"SHA256SUMS";
/// What stands behind the name of a file.
const EXTENSION: &[u8] = b".sha256";

/// Something asked for that is made of checksums.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// The bare sum of a file.
    Bare(CatalogPath),
    /// One line for `sha256sum -c`.
    Line(CatalogPath),
    /// A line for each file of a folder.
    List(CatalogPath),
}

/// Why there are no sums.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum SumsError {
    /// There is no such file or folder.
    #[error("there is no such file")]
    Absent,
    /// It is a folder.
    #[error("a folder has no sum of its own; ask for {0}/SHA256SUMS")]
    Folder(String),
    /// Some file has no known hash.
    #[error("not hashed yet: {0}; try again soon, or select other files, as by name=*.iso")]
    Hot(String),
    /// Too many files for one list.
    #[error("more than {MAX_FILES} files; select fewer, as by name=*.iso, or ask for each folder")]
    TooMany,
}

impl Wanted {
    /// What a query asks of the file at `url`, if that is a sum.
    pub(crate) fn by_query(url: &UrlPath, query: &TreeQuery) -> Option<Self> {
        let is_sum = query.aspect == Aspect::Sha256 && url.form == UrlForm::File;
        is_sum.then(|| Self::Bare(url.path.clone()))
    }

    /// What the name of a file asks for that is not in the tree.
    pub(crate) fn by_name(path: &CatalogPath) -> Option<Self> {
        if path.name() == LIST_NAME {
            return path.parent().map(Self::List);
        }
        let of = path.as_bytes().strip_suffix(EXTENSION)?;
        let of = CatalogPath::parse(of).ok()?;
        // `d/.sha256` is nobody's sum.
        (!of.is_root()).then_some(Self::Line(of))
    }

    /// Answers with the sums, which another thread puts together: a list may be long, and a single
    /// file is looked at before its sum is told.
    pub(crate) async fn answer<R: Role>(
        self,
        role: &Arc<R>,
        query: &TreeQuery,
        context: Context<'_>,
    ) -> Answer {
        let (role, query) = (Arc::clone(role), query.clone());
        let sums = tokio::task::spawn_blocking(move || self.sums(&*role, &query)).await;
        // A panic there has been printed.
        match sums.unwrap_or(Err(SumsError::Absent)) {
            Ok(sums) => {
                let kind = Generated {
                    content_type: "text/plain; charset=utf-8",
                    // The tag that a file with these bytes would have.
                    etag: Root(*blake3::hash(&sums).as_bytes()).etag(),
                    fields: &[],
                };
                context.generated(&kind, || Bytes::from(sums))
            }
            Err(error) => {
                let status = match error {
                    SumsError::Absent => Status::NotFound,
                    SumsError::Folder(_) | SumsError::TooMany => Status::BadRequest,
                    SumsError::Hot(_) => Status::ServiceUnavailable,
                };
                context.error(status, &error.to_string())
            }
        }
    }
}

impl Wanted {
    fn sums<R: Role>(&self, role: &R, query: &TreeQuery) -> Result<Vec<u8>, SumsError> {
        match self {
            Self::Bare(path) => sum(role, path).map(|sum| format!("{sum}\n").into_bytes()),
            Self::Line(path) => sum(role, path).map(|sum| line(path.name(), &sum)),
            Self::List(folder) => list(&role.catalog(), folder, query),
        }
    }
}

/// The sum of the file that this node would send; of one that is elsewhere, what the catalog says.
fn sum<R: Role>(role: &R, path: &CatalogPath) -> Result<Sha256, SumsError> {
    let content = match role.find(path) {
        Found::File(file) => file.version.content.map(|(content, _)| content),
        Found::Elsewhere | Found::Unreadable => {
            let catalog = role.catalog();
            catalog.entry(path).and_then(|entry| entry.content)
        }
        Found::Folder => return Err(SumsError::Folder(path.to_url())),
        Found::Absent => return Err(SumsError::Absent),
    };
    let content = content.ok_or_else(|| SumsError::Hot(path.to_url()))?;
    Ok(content.sha256)
}

/// The files of `folder`, or everything below it that is selected, as `sha256sum -c` takes it in
/// that folder; in path order.
fn list(catalog: &Catalog, folder: &CatalogPath, query: &TreeQuery) -> Result<Vec<u8>, SumsError> {
    if !catalog.is_folder(folder) {
        return Err(SumsError::Absent);
    }
    let mut text = Vec::new();
    for (at, (path, entry)) in files(catalog, folder, query).enumerate() {
        if at == MAX_FILES {
            return Err(SumsError::TooMany);
        }
        let Some(content) = entry.content else {
            return Err(SumsError::Hot(path.to_url()));
        };
        let skip = folder.as_bytes().len() + usize::from(!folder.is_root());
        text.extend(line(&path.as_bytes()[skip..], &content.sha256));
    }
    Ok(text)
}

fn files<'a>(
    catalog: &'a Catalog,
    folder: &CatalogPath,
    query: &'a TreeQuery,
) -> Box<dyn Iterator<Item = Child<'a>> + 'a> {
    match (&query.selection, query.depth) {
        (Some(selection), _) => Box::new(
            catalog
                .below(folder, None)
                .filter(|(path, entry)| selection.matches(path, entry)),
        ),
        (None, Depth::Below) => Box::new(catalog.below(folder, None).filter(is_file)),
        (None, Depth::Children) => Box::new(catalog.children(folder).filter(is_file)),
    }
}

fn is_file((_, entry): &Child<'_>) -> bool {
    entry.kind == Kind::File
}

/// One line as `sha256sum` writes it: a name with a line break or a backslash is escaped, which a
/// backslash before the sum announces.
fn line(name: &[u8], sum: &Sha256) -> Vec<u8> {
    let needs_escape = |byte: &u8| matches!(byte, b'\\' | b'\n' | b'\r');
    let mark = if name.iter().any(needs_escape) {
        "\\"
    } else {
        ""
    };
    let mut line = format!("{mark}{sum}  ").into_bytes();
    for &byte in name {
        match byte {
            b'\\' => line.extend(b"\\\\"),
            b'\n' => line.extend(b"\\n"),
            b'\r' => line.extend(b"\\r"),
            byte => line.push(byte),
        }
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests;
