//! Lists of mirrors for apt, zypper and their like: `GET /-/mirrors?path=/debian/`.
//!
//! As plain URLs, as apt reads them (`mirror+http://…/-/mirrors.apt`), or as JSON for zypper. A list
//! names the nodes that have everything below the path in its present version, best first and the
//! server last: they take the next when one fails. It must never be empty, for then nothing could be
//! installed.

use std::sync::Arc;

use axum::{
    extract::{Extension, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use overspill_core::{
    catalog::{Catalog, Kind, Revision, pairs},
    dispatch::{Holding, Manner, Part, Turn},
    path::{CatalogPath, PathError},
    root::Root,
};
use overspill_http1::negotiate::Listing;
use overspill_net::Client;
use overspill_wire::paths::MIRRORS_APT;
use serde::Serialize;
use thiserror::Error;

use crate::{
    holders::{Own, Ranked, holders},
    origin::{origin, scheme_of},
    role::{Ask, Role},
};

/// For how long a list may be used again: members come and go within seconds.
const CACHE_CONTROL: &str = "private, max-age=5";
/// Entries that are looked at for the latest change below a folder. Beyond that the whole catalog's
/// is taken, which at worst leaves a mirror out that is behind somewhere else.
const MAX_WALKED: usize = 100_000;
/// The body for which costs are compared: a package.
const USUAL_BYTES: u64 = 1 << 20;

/// The form of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Apt,
    Json,
    Text,
}

/// Why there is no list.
#[derive(Debug, Error)]
pub(crate) enum MirrorsError {
    #[error("there is no such file or folder")]
    Absent,
    #[error("format: expected text, apt or json")]
    Format,
    #[error("send the name of this node in Host; the list ends with it")]
    Host,
    #[error("path: {0}")]
    Path(#[from] PathError),
}

/// One mirror as zypper reads it.
#[derive(Serialize)]
struct Line {
    url: String,
    prio: u8,
}

/// What a list is about: which nodes may be on it, and what is asked of them.
#[derive(Debug, PartialEq)]
struct Subject {
    /// What follows a node's URL.
    path: String,
    revision: Revision,
    root: Root,
}

/// `GET /-/mirrors` and `GET /-/mirrors.apt`.
pub(crate) async fn mirrors<R: Role>(
    State(role): State<Arc<R>>,
    Extension(client): Extension<Client>,
    uri: Uri,
    fields: HeaderMap,
) -> Result<Response, MirrorsError> {
    let format = format(&uri, &fields)?;
    let origin = origin(&uri, &fields, client.security).ok_or(MirrorsError::Host)?;
    let (path, catalog) = (asked_path(&uri)?, role.catalog());
    // The walk may take some milliseconds.
    let subject = tokio::task::spawn_blocking(move || Subject::of(&catalog, &path)).await;
    // A panic there has been printed.
    let subject = subject.unwrap_or(Err(MirrorsError::Absent))?;
    let ask = Ask {
        revision: subject.revision,
        root: subject.root,
        bytes: USUAL_BYTES,
        part: Part::Whole,
        holding: Holding::Here,
        client: client.address.ip().to_canonical(),
        turn: Turn::First,
        avoid: &[],
        host: b"",
        scheme: scheme_of(client.security),
        links: 0,
        manner: Manner::AsSet,
    };
    let own = if role.is_ready() {
        Own::At(origin)
    } else {
        Own::OnlyAt(origin)
    };
    let holders = holders(&*role, &ask, own);
    Ok(format.response(&subject.path, &holders))
}

impl Format {
    fn response(self, path: &str, holders: &[Ranked]) -> Response {
        let content_type = match self {
            Self::Apt | Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
        };
        let fields = [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, CACHE_CONTROL),
            (header::VARY, "Accept"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (fields, self.list(path, holders)).into_response()
    }

    fn list(self, path: &str, holders: &[Ranked]) -> String {
        let url = |ranked: &Ranked| format!("{}{path}", ranked.holder.url);
        let lines = holders.iter();
        match self {
            Self::Apt => lines
                // Lower is better, and where it is the same apt takes any.
                .map(|ranked| format!("{}\tpriority:{}\n", url(ranked), ranked.rank as u8 + 1))
                .collect(),
            Self::Json => {
                let lines: Vec<Line> = lines
                    .map(|ranked| Line {
                        url: url(ranked),
                        prio: ranked.rank as u8,
                    })
                    .collect();
                // Text and small numbers always have a form in JSON.
                serde_json::to_string(&lines).unwrap_or_default() + "\n"
            }
            Self::Text => {
                let head = format!("# {path}: best first, the server last\n");
                std::iter::once(head)
                    .chain(lines.map(|ranked| url(ranked) + "\n"))
                    .collect()
            }
        }
    }
}

impl Subject {
    fn of(catalog: &Catalog, path: &CatalogPath) -> Result<Self, MirrorsError> {
        // Nobody holds this root, so it is the revision that counts.
        let unheld = Root([0; 32]);
        if path.is_root() {
            return Ok(Self {
                path: "/".to_owned(),
                revision: catalog.revision(),
                root: unheld,
            });
        }
        let entry = catalog.entry(path).ok_or(MirrorsError::Absent)?;
        Ok(match entry.kind {
            Kind::Folder => Self {
                path: path.to_url() + "/",
                revision: latest_below(catalog, path).max(entry.revision),
                root: unheld,
            },
            Kind::File => Self {
                path: path.to_url(),
                // What is not hashed is on the server alone.
                revision: entry.root().map_or(Revision(u64::MAX), |_| entry.revision),
                root: entry.root().unwrap_or(unheld),
            },
        })
    }
}

/// The revision that last changed something below `folder`.
fn latest_below(catalog: &Catalog, folder: &CatalogPath) -> Revision {
    let mut latest = Revision::ZERO;
    for (at, (_, entry)) in catalog.below(folder, None).enumerate() {
        if at == MAX_WALKED {
            return catalog.revision();
        }
        latest = latest.max(entry.revision);
    }
    latest
}

fn format(uri: &Uri, fields: &HeaderMap) -> Result<Format, MirrorsError> {
    let asked = parameter(uri, b"format");
    match asked.as_deref() {
        Some(b"apt") => Ok(Format::Apt),
        Some(b"json") => Ok(Format::Json),
        Some(b"text") => Ok(Format::Text),
        Some(_) => Err(MirrorsError::Format),
        None if uri.path() == MIRRORS_APT => Ok(Format::Apt),
        None => {
            let accept = fields.get_all(header::ACCEPT);
            let accept = accept.iter().map(HeaderValue::as_bytes);
            Ok(match Listing::negotiate(accept) {
                Listing::Html => Format::Text,
                Listing::Json => Format::Json,
            })
        }
    }
}

/// The path that is asked about, with or without slashes around it; the root if none is.
fn asked_path(uri: &Uri) -> Result<CatalogPath, PathError> {
    let path = parameter(uri, b"path").unwrap_or_default();
    let path = path.strip_prefix(b"/").unwrap_or(&path);
    CatalogPath::parse(path.strip_suffix(b"/").unwrap_or(path))
}

fn parameter(uri: &Uri, name: &[u8]) -> Option<Vec<u8>> {
    let query = uri.query().unwrap_or_default();
    let mut found = pairs(query.as_bytes()).filter(|(key, _)| *key == name);
    found.next().map(|(_, value)| value)
}

impl IntoResponse for MirrorsError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Absent => StatusCode::NOT_FOUND,
            Self::Format | Self::Host | Self::Path(_) => StatusCode::BAD_REQUEST,
        };
        (status, format!("{self}\n")).into_response()
    }
}

#[cfg(test)]
mod tests;
