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

use std::sync::Arc;

use bytes::Bytes;
use overspill_core::{catalog::Catalog, path::CatalogPath};
use overspill_http1::{
    negotiate::Listing as Negotiated,
    request::{Lines, Request},
    status::Status,
};
use overspill_net::Answer;
use overspill_wire::listing::{Listed, Listing};

use self::{
    html::View,
    links::Links,
    page::{Page, PageError},
    readme::Readme,
};
use crate::{
    query::{Format, TreeQuery},
    reply::{Context, Generated},
    role::Role,
};

/// A listing that was asked for, apart from the request, so that another thread can make it: finding
/// and sorting are work for a while where folders are large.
#[derive(Clone, Debug)]
struct Asked {
    folder: CatalogPath,
    query: TreeQuery,
    /// Path and query as they were written.
    path: Vec<u8>,
    raw_query: Vec<u8>,
    format: Format,
}

/// A listing, ready to be sent.
struct Made {
    etag: String,
    body: Bytes,
}

/// Answers a request for a folder, whose URL ends in a slash.
pub(crate) async fn answer<R: Role>(
    role: &Arc<R>,
    request: &Request<'_>,
    query: &TreeQuery,
    folder: &CatalogPath,
    context: Context<'_>,
) -> Answer {
    let asked = Asked {
        folder: folder.clone(),
        query: query.clone(),
        path: request.path().to_vec(),
        raw_query: request.query().unwrap_or_default().to_vec(),
        format: format(query, &request.fields.accept),
    };
    let content_type = match asked.format {
        Format::Html => "text/html; charset=utf-8",
        Format::Json => "application/json",
    };
    let role = Arc::clone(role);
    let made = match tokio::task::spawn_blocking(move || asked.make(&*role)).await {
        Ok(Ok(made)) => made,
        Ok(Err(error)) => return context.error(Status::BadRequest, &error.to_string()),
        // It has been printed.
        Err(_) => return context.error(Status::InternalServerError, "the listing failed"),
    };
    let kind = Generated {
        content_type,
        etag: made.etag,
        fields: &[
            ("Content-Security-Policy", policy::text()),
            ("Referrer-Policy", "same-origin"),
            ("Vary", "Accept"),
        ],
    };
    context.generated(&kind, || made.body)
}

impl Asked {
    fn make<R: Role>(&self, role: &R) -> Result<Made, PageError> {
        let catalog = role.catalog();
        let page = Page::take(&catalog, &self.folder, &self.query, self.format)?;
        let readme = match self.format {
            Format::Html if page.is_plain(&self.query) => {
                Readme::find(role, &catalog, &self.folder)
            }
            _ => None,
        };
        let body = match self.format {
            Format::Html => {
                let view = View {
                    page: &page,
                    links: &Links::new(&self.raw_query, &self.query),
                    readme: readme.as_ref().and_then(Readme::render),
                };
                Bytes::from(view.render())
            }
            Format::Json => Bytes::from(json(&catalog, &page)),
        };
        Ok(Made {
            etag: self.etag(&catalog, readme.as_ref()),
            body,
        })
    }

    /// A weak tag of all that a listing is made of: it says that nothing changed, not that the bytes
    /// are the same, for another version of the program may write them otherwise.
    fn etag(&self, catalog: &Catalog, readme: Option<&Readme>) -> String {
        let format = match self.format {
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
            &self.path,
            &self.raw_query,
            format.as_bytes(),
            root.unwrap_or_default().as_bytes(),
        ] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let hex = hasher.finalize().to_hex();
        format!("W/\"ls-{}\"", &hex[..32])
    }
}

fn format(query: &TreeQuery, accept: &Lines<'_>) -> Format {
    query
        .format
        .unwrap_or_else(|| match Negotiated::negotiate(accept.iter()) {
            Negotiated::Html => Format::Html,
            Negotiated::Json => Format::Json,
        })
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
