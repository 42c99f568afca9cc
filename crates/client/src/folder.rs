//! Folders: what is in them, and what of it meets a selection.
//!
//! A folder is read page by page and never held as a whole. Names come from the server: they must
//! never be used as local paths.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use http::{Method, header};
use overspill_core::{
    catalog::{QueryError, Selection},
    path::{CatalogPath, encode_component},
};
use overspill_net::client::HttpClient;
use overspill_wire::listing::{Listed, ListedKind, Listing};

use crate::{
    ask::{AskError, Document, ask},
    url::HttpUrl,
};

mod date;

/// A folder on a server, read page by page.
#[derive(Clone, Debug)]
pub struct Folder {
    url: HttpUrl,
    /// Conditions as a query string, without `format` and `cursor`.
    conditions: String,
    cursor: Cursor,
    /// Hashes of the cursors seen: 8 bytes a page, whatever the server puts into them.
    seen: HashSet<u64>,
}

/// An entry and where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Located {
    /// Its URL.
    pub url: HttpUrl,
    /// Its path within the server's tree, decoded; `None` when the URL has none.
    pub path: Option<CatalogPath>,
    /// What the server says of it.
    pub listed: Listed,
}

#[derive(Clone, Debug)]
enum Cursor {
    End,
    Next(String),
    Start,
}

impl Folder {
    /// What lies directly in the folder at `url`, with or without a slash at its end.
    pub fn list(url: &HttpUrl) -> Result<Self, AskError> {
        Ok(Self {
            url: url.as_folder()?,
            conditions: String::new(),
            cursor: Cursor::Start,
            seen: HashSet::new(),
        })
    }

    /// The files at any depth below the folder at `url` that meet all `conditions`.
    ///
    /// Conditions are names and values as in [`Selection::from_query`]; none selects every file.
    pub fn find(url: &HttpUrl, conditions: &[(&str, &str)]) -> Result<Self, AskError> {
        let mut folder = Self::list(url)?;
        folder.conditions = match conditions {
            [] => query(&[("min_size", "0")]),
            conditions => query(conditions),
        };
        Ok(folder)
    }

    /// Checks conditions without asking anybody.
    pub fn check(conditions: &[(&str, &str)]) -> Result<(), QueryError> {
        Selection::from_query(query(conditions).as_bytes()).map(drop)
    }

    /// The next entries, in the server's order; `None` after the last page.
    pub async fn next_page(
        &mut self,
        client: &HttpClient,
    ) -> Result<Option<Vec<Located>>, AskError> {
        let Some(url) = self.page_url()? else {
            return Ok(None);
        };
        let listing: Listing = PAGE.fetch(client, &url).await?;
        self.advance(listing.next)?;
        let located = listing
            .entries
            .into_iter()
            .map(|listed| self.locate(listed));
        located.collect::<Result<_, _>>().map(Some)
    }

    fn page_url(&self) -> Result<Option<HttpUrl>, AskError> {
        let base = match self.conditions.as_str() {
            "" => self.url.clone(),
            conditions => self.url.resolve(&format!("?{conditions}"))?,
        };
        let page = base.with_parameter("format", "json")?;
        Ok(match &self.cursor {
            Cursor::Start => Some(page),
            Cursor::Next(cursor) => Some(page.with_parameter("cursor", cursor)?),
            Cursor::End => None,
        })
    }

    fn advance(&mut self, next: Option<String>) -> Result<(), AskError> {
        let Some(cursor) = next else {
            self.cursor = Cursor::End;
            return Ok(());
        };
        let mut hasher = DefaultHasher::new();
        cursor.hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            let url = self.url.clone();
            return Err(AskError::Endless { url });
        }
        self.cursor = Cursor::Next(cursor);
        Ok(())
    }

    fn locate(&self, listed: Listed) -> Result<Located, AskError> {
        let url = self.url.resolve(&listed.href)?;
        let path = path_of(&url);
        Ok(Located { url, path, listed })
    }
}

impl Located {
    /// The one file at `url`, by its head: for a URL that is no folder.
    pub async fn file(client: &HttpClient, url: &HttpUrl) -> Result<Self, AskError> {
        let arrival = ask(client, &Method::HEAD, url).await?;
        let field = |name: header::HeaderName| arrival.reply.field(name.as_str());
        let path = path_of(url);
        let tag = field(header::ETAG).unwrap_or_default();
        let root = overspill_core::root::Root::from_etag(tag.as_bytes());
        let name = path.as_ref().map(CatalogPath::name).unwrap_or_default();
        Ok(Self {
            url: url.clone(),
            listed: Listed {
                name: String::from_utf8_lossy(name).into_owned(),
                href: encode_component(name),
                kind: ListedKind::File,
                size: field(header::CONTENT_LENGTH).and_then(|text| text.parse().ok()),
                mtime: field(header::LAST_MODIFIED)
                    .and_then(date::to_iso_8601)
                    .unwrap_or_default(),
                root: root.map(|root| root.to_string()),
                sha256: None,
                crc32: None,
            },
            path,
        })
    }
}

fn path_of(url: &HttpUrl) -> Option<CatalogPath> {
    let url_path = CatalogPath::from_url(url.path().as_bytes()).ok()?;
    Some(url_path.path)
}

fn query(conditions: &[(&str, &str)]) -> String {
    let pair =
        |(name, value): &(&str, &str)| format!("{name}={}", encode_component(value.as_bytes()));
    conditions.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// A page of ten thousand entries with long names stays below this.
const PAGE: Document = Document {
    name: "Overspill folder",
    bytes_max: 32 << 20,
};

#[cfg(test)]
mod tests;
