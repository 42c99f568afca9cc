//! Folders and selections as a page for people or as JSON.
//!
//! Both come from the catalog, so every node lists the same. Pages are bounded. It must never put a
//! name into HTML unescaped, nor need a script to be read.

mod html;

use overspill_core::{
    catalog::{Catalog, Child, Kind},
    path::CatalogPath,
};
use overspill_http1::{negotiate::Listing as Negotiated, request::Lines};
use overspill_wire::listing::{Listed, Listing};

pub(crate) use self::html::POLICY;
use crate::query::{Format, TreeQuery};

/// Most entries on one page; the next page begins at the cursor.
const PAGE_ENTRIES: usize = 10_000;

/// A rendered listing.
pub(crate) struct Document {
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

/// One page of a folder, or of the selection below it.
pub(crate) struct Page<'a> {
    pub(crate) folder: &'a CatalogPath,
    pub(crate) entries: Vec<Child<'a>>,
    pub(crate) next: Option<CatalogPath>,
}

/// Renders the page that `query` asks for in the form the client prefers.
pub(crate) fn document(
    catalog: &Catalog,
    folder: &CatalogPath,
    query: &TreeQuery,
    accept: &Lines<'_>,
) -> Document {
    let page = page(catalog, folder, query);
    let format = query
        .format
        .unwrap_or_else(|| match Negotiated::negotiate(accept.iter()) {
            Negotiated::Html => Format::Html,
            Negotiated::Json => Format::Json,
        });
    match format {
        Format::Html => Document {
            content_type: "text/html; charset=utf-8",
            body: html::render(&page).into_bytes(),
        },
        Format::Json => Document {
            content_type: "application/json",
            body: json(catalog, &page),
        },
    }
}

/// The folder's children, or everything below it that is selected, after the cursor.
fn page<'a>(catalog: &'a Catalog, folder: &'a CatalogPath, query: &TreeQuery) -> Page<'a> {
    let cursor = query
        .cursor
        .as_ref()
        .filter(|cursor| cursor.is_below(folder));
    let mut entries: Vec<Child<'a>> = match &query.selection {
        Some(selection) => catalog
            .below(folder, cursor)
            .filter(|(path, entry)| selection.matches(path, entry))
            .take(PAGE_ENTRIES + 1)
            .collect(),
        None => catalog
            .children(folder)
            .filter(|(path, _)| cursor.is_none_or(|cursor| *path > cursor))
            .take(PAGE_ENTRIES + 1)
            .collect(),
    };
    let more = entries.len() > PAGE_ENTRIES;
    entries.truncate(PAGE_ENTRIES);
    let next = entries
        .last()
        .filter(|_| more)
        .map(|(path, _)| (*path).clone());
    Page {
        folder,
        entries,
        next,
    }
}

fn json(catalog: &Catalog, page: &Page<'_>) -> Vec<u8> {
    let listing = Listing {
        path: folder_url(page.folder),
        revision: catalog.revision().0,
        entries: page
            .entries
            .iter()
            .map(|(path, entry)| Listed::new(page.folder, path, entry))
            .collect(),
        next: page.next.as_ref().map(CatalogPath::to_url),
    };
    // Strings and numbers always serialize.
    let mut body = serde_json::to_vec(&listing).unwrap_or_default();
    body.push(b'\n');
    body
}

/// The URL path of a folder, with its slash at the end.
fn folder_url(folder: &CatalogPath) -> String {
    if folder.is_root() {
        "/".to_owned()
    } else {
        format!("{}/", folder.to_url())
    }
}

/// Folders before files, each by name.
fn folders_first<'a>(entries: &'a [Child<'a>]) -> impl Iterator<Item = Child<'a>> {
    let of_kind = |kind| {
        entries
            .iter()
            .copied()
            .filter(move |(_, entry)| entry.kind == kind)
    };
    of_kind(Kind::Folder).chain(of_kind(Kind::File))
}

#[cfg(test)]
mod tests;
