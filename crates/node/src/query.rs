//! What our own query parameters ask of a path of the tree.
//!
//! Parameters that are not ours are ignored, as every file server does; `cache-buster=1` must not
//! break a download. It must never decide what to do.

use overspill_core::{
    catalog::{QueryError, Selection, pairs},
    fleet::MemberId,
    path::{CatalogPath, PathError},
};
use overspill_wire::paths::{AVOID, DIRECT, TICKET};
use thiserror::Error;

/// The parsed query of a request for a path of the tree.
#[derive(Clone, Debug, Default)]
pub struct TreeQuery {
    /// The sealed ticket.
    pub ticket: Option<Vec<u8>>,
    /// Members that failed this client, the latest last.
    pub avoid: Vec<MemberId>,
    /// Whether the bytes must come from this very node.
    pub whence: Whence,
    /// The form of listing asked for.
    pub format: Option<Format>,
    /// Where the page of a listing begins: after this path.
    pub cursor: Option<CatalogPath>,
    /// A selection instead of a folder's children.
    pub selection: Option<Selection>,
}

/// Which node the bytes may come from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Whence {
    /// Any node that has them.
    #[default]
    Anywhere,
    /// This one, as a mirror that copies needs it.
    Here,
}

/// The form of a listing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// A page for people.
    Html,
    /// For programs.
    Json,
}

/// Why a query is not understood: the client's fault, answered 400.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum TreeQueryError {
    /// An unknown `format`.
    #[error("format: expected html or json")]
    Format,
    /// A cursor that is no path.
    #[error("cursor: {0}")]
    Cursor(PathError),
    /// A bad selection.
    #[error("{0}")]
    Selection(#[from] QueryError),
}

/// Most members a client may ask to avoid; a longer list keeps the latest.
const MAX_AVOID: usize = 16;

impl TreeQuery {
    /// Reads a query string.
    pub fn parse(query: &[u8]) -> Result<Self, TreeQueryError> {
        let mut parsed = Self {
            selection: Selection::from_query(query)?,
            ..Self::default()
        };
        for (name, value) in pairs(query) {
            match name {
                _ if name == TICKET.as_bytes() => parsed.ticket = Some(value),
                _ if name == AVOID.as_bytes() => parsed.avoid = members(&value),
                _ if name == DIRECT.as_bytes() => parsed.whence = Whence::Here,
                b"format" => parsed.format = Some(format(&value)?),
                b"cursor" => parsed.cursor = Some(cursor(&value)?),
                _ => {}
            }
        }
        Ok(parsed)
    }
}

/// Names that cannot be a member's are left out: avoiding nobody is no error.
fn members(list: &[u8]) -> Vec<MemberId> {
    let text = String::from_utf8_lossy(list);
    let mut members: Vec<MemberId> = text
        .split(',')
        .filter_map(|name| name.parse().ok())
        .collect();
    members.split_off(members.len().saturating_sub(MAX_AVOID))
}

fn format(value: &[u8]) -> Result<Format, TreeQueryError> {
    match value {
        b"html" => Ok(Format::Html),
        b"json" => Ok(Format::Json),
        _ => Err(TreeQueryError::Format),
    }
}

fn cursor(value: &[u8]) -> Result<CatalogPath, TreeQueryError> {
    CatalogPath::from_url(value)
        .map(|url| url.path)
        .map_err(TreeQueryError::Cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_parameters_are_read_and_others_ignored() {
        let query =
            TreeQuery::parse(b"x=1&ticket=abc&avoid=m-1,m-2,BAD&direct&format=json").unwrap();
        assert_eq!(query.ticket.as_deref(), Some(b"abc".as_slice()));
        let names: Vec<_> = query.avoid.iter().map(MemberId::as_str).collect();
        assert_eq!(names, ["m-1", "m-2"]);
        assert_eq!(query.whence, Whence::Here);
        assert_eq!(query.format, Some(Format::Json));
        assert!(query.selection.is_none());
    }

    #[test]
    fn only_the_latest_failures_are_kept() {
        let list: Vec<_> = (0..40).map(|at| format!("m-{at}")).collect();
        let query = TreeQuery::parse(format!("avoid={}", list.join(",")).as_bytes()).unwrap();
        assert_eq!(query.avoid.len(), MAX_AVOID);
        assert_eq!(query.avoid.last().map(MemberId::as_str), Some("m-39"));
    }

    #[test]
    fn errors_name_the_parameter() {
        for (query, message) in [
            ("format=xml", "format: expected html or json"),
            (
                "cursor=%2Fa%2F..",
                "cursor: the path has a . or .. segment; send the path without it",
            ),
            (
                "min_size=x",
                "min_size: \"x\" is not a size; write for example 500, 10MiB or 4.7GB",
            ),
        ] {
            let error = TreeQuery::parse(query.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), message, "{query}");
        }
    }
}
