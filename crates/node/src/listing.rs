//! Folders and selections as a page for people or as JSON.
//!
//! Both come from the catalog, so every node lists the same, and both are revalidated by the
//! catalog's revision. Pages are bounded. It must never put a name into HTML unescaped, nor need a
//! script to be read.

mod html;
mod icon;
mod links;
mod markdown;
mod page;
mod policy;
mod readme;
mod rows;

use bytes::Bytes;
use overspill_core::{catalog::Catalog, path::CatalogPath};
use overspill_http1::{
    negotiate::Listing as Negotiated,
    request::{Lines, Request},
    status::Status,
};
use overspill_net::Answer;
use overspill_wire::listing::{Listed, Listing};

use self::{html::View, links::Links, page::Page, readme::Readme};
use crate::{
    query::{Format, TreeQuery},
    reply::{Context, Generated},
    role::Role,
};

/// Answers a request for a folder, whose URL ends in a slash.
pub(crate) fn answer<R: Role>(
    role: &R,
    request: &Request<'_>,
    query: &TreeQuery,
    folder: &CatalogPath,
    context: Context<'_>,
) -> Answer {
    let catalog = role.catalog();
    let format = format(query, &request.fields.accept);
    let page = match Page::take(&catalog, folder, query, format) {
        Ok(page) => page,
        Err(error) => return context.error(Status::BadRequest, &error.to_string()),
    };
    let readme = match format {
        Format::Html if page.is_plain(query) => Readme::find(role, &catalog, folder),
        _ => None,
    };
    let kind = Generated {
        content_type: match format {
            Format::Html => "text/html; charset=utf-8",
            Format::Json => "application/json",
        },
        etag: etag(&catalog, request, format, readme.as_ref()),
        fields: &[
            ("Content-Security-Policy", policy::text()),
            ("Referrer-Policy", "same-origin"),
            ("Vary", "Accept"),
        ],
    };
    context.generated(&kind, || match format {
        Format::Html => {
            let links = Links::new(request.query().unwrap_or_default(), query);
            let view = View {
                page: &page,
                links: &links,
                readme: readme.as_ref().and_then(Readme::render),
            };
            Bytes::from(view.render())
        }
        Format::Json => Bytes::from(json(&catalog, &page)),
    })
}

fn format(query: &TreeQuery, accept: &Lines<'_>) -> Format {
    query
        .format
        .unwrap_or_else(|| match Negotiated::negotiate(accept.iter()) {
            Negotiated::Html => Format::Html,
            Negotiated::Json => Format::Json,
        })
}

/// A weak tag of all that a listing is made of: it says that nothing changed, not that the bytes are
/// the same, for another version of the program may write them otherwise.
fn etag(
    catalog: &Catalog,
    request: &Request<'_>,
    format: Format,
    readme: Option<&Readme>,
) -> String {
    let format = match format {
        Format::Html => "html",
        Format::Json => "json",
    };
    let root = readme.map(|readme| readme.root().to_string());
    let mut hasher = blake3::Hasher::new();
    for part in [
        env!("CARGO_PKG_VERSION").as_bytes(),
        policy::text().as_bytes(),
        &catalog.instance().0.to_le_bytes(),
        &catalog.revision().0.to_le_bytes(),
        request.path(),
        request.query().unwrap_or_default(),
        format.as_bytes(),
        root.unwrap_or_default().as_bytes(),
    ] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let hex = hasher.finalize().to_hex();
    format!("W/\"ls-{}\"", &hex[..32])
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
        next: page.next.clone(),
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

#[cfg(test)]
mod tests;
