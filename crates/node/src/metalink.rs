//! Metalink documents: `FILE.meta4` (RFC 5854), and `FILE.metalink` in the older form, which is all
//! that dnf reads.
//!
//! A document says what a file is (size and SHA-256, from the catalog) and who has it, best first;
//! download programs take the next URL when one fails. There are no hashes of pieces: the catalog
//! has none by SHA-256. A file of that name in the tree goes before one that is made. It must never
//! name a node that has not proved to hold this very version: wget2 asks a first URL that fails for
//! ever.

mod document;

use overspill_core::path::{CatalogPath, UrlForm, UrlPath};

pub(crate) use self::document::Document;
use crate::query::{Aspect, TreeQuery};

/// The version of the format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// Metalink 3.
    Three,
    /// RFC 5854.
    Four,
}

/// A document that was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    /// The file it is about.
    pub(crate) path: CatalogPath,
    pub(crate) format: Format,
    /// What follows the URL of the file in that of the document.
    pub(crate) ending: &'static str,
}

impl Asked {
    /// What a query asks of the file at `url`, if that is a document.
    pub(crate) fn by_query(url: &UrlPath, query: &TreeQuery) -> Option<Self> {
        let (format, ending) = match query.aspect {
            Aspect::Meta4 => (Format::Four, "?meta4"),
            Aspect::Metalink => (Format::Three, "?metalink"),
            Aspect::Content | Aspect::MirrorList | Aspect::Sha256 => return None,
        };
        (url.form == UrlForm::File).then(|| Self {
            path: url.path.clone(),
            format,
            ending,
        })
    }

    /// What the name of a file asks for that is not in the tree.
    pub(crate) fn by_name(path: &CatalogPath) -> Option<Self> {
        let names = [(Format::Four, ".meta4"), (Format::Three, ".metalink")];
        names.into_iter().find_map(|(format, ending)| {
            let of = path.as_bytes().strip_suffix(ending.as_bytes())?;
            let path = CatalogPath::parse(of).ok()?;
            // `/.meta4` is nobody's.
            (!path.is_root()).then_some(Self {
                path,
                format,
                ending,
            })
        })
    }
}

impl Format {
    /// The media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Three => "application/metalink+xml",
            Self::Four => "application/metalink4+xml",
        }
    }

    /// What its files are called after the last dot of their names.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Three => "metalink",
            Self::Four => "meta4",
        }
    }
}

#[cfg(test)]
mod tests;
