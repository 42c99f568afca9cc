//! What our own query parameters ask of a path of the tree.
//!
//! Parameters that are not ours are ignored, as every file server does; `cache-buster=1` must not
//! break a download. It must never decide what to do.

use std::num::NonZeroUsize;

use overspill_core::{
    catalog::{Direction, Order, Place, PlaceError, QueryError, Selection, SortKey, pairs},
    fleet::MemberId,
    path::{CatalogPath, PathError},
};
use overspill_wire::paths::{AVOID, DIRECT, RELAY, TICKET};
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
    /// The order of a listing; without one it is up to the form.
    pub order: Option<Order>,
    /// Where the page of a listing begins: after this.
    pub cursor: Option<Cursor>,
    /// Most entries on the page of a listing, at least one.
    pub limit: Option<NonZeroUsize>,
    /// How far down a list of checksums reaches.
    pub depth: Depth,
    /// What is asked of a file.
    pub aspect: Aspect,
    /// The archive asked for instead of a listing.
    pub archive: Option<ArchiveFormat>,
    /// A selection instead of a folder's children.
    pub selection: Option<Selection>,
}

/// Which node the bytes may come from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Whence {
    /// Any node that has them.
    #[default]
    Anywhere,
    /// This one, as a mirror that copies needs it, or a node that relays.
    Here,
    /// Another, through this one.
    Relayed,
}

/// Where a page of a listing begins: behind what stood last on the page before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cursor {
    /// In path order.
    Path(CatalogPath),
    /// In a sorted listing.
    Place(Place),
}

/// How far down from a folder.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Depth {
    /// Everything below it.
    Below,
    /// What is directly in it.
    #[default]
    Children,
}

/// What is asked of a file; of a folder, who has it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Aspect {
    /// Its bytes.
    #[default]
    Content,
    /// The Metalink document that describes it (RFC 5854).
    Meta4,
    /// The same in the older form.
    Metalink,
    /// Who has it, and who has not and why.
    MirrorList,
    /// The SHA-256 of its bytes.
    Sha256,
}

/// The form of a listing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// A page for people.
    Html,
    /// For programs.
    Json,
}

/// The form of an archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ArchiveFormat {
    /// tar.
    Tar,
    /// tar, compressed by gzip.
    TarGz,
    /// tar, compressed by Zstandard.
    TarZst,
    /// ZIP, not compressed.
    Zip,
}

/// Why a query is not understood: the client's fault, answered 400.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum TreeQueryError {
    /// An unknown `archive`.
    #[error("archive: expected tar, tar.gz, tar.zst or zip")]
    Archive,
    /// An unknown `format`.
    #[error("format: expected html or json")]
    Format,
    /// A cursor that is no path.
    #[error("cursor: {0}")]
    Cursor(PathError),
    /// A cursor of a sorted listing that is no place.
    #[error("cursor: {0}")]
    Place(#[from] PlaceError),
    /// A cursor taken from a listing in another order.
    #[error("cursor: it was taken in another order; ask with the same sort as before")]
    OtherOrder,
    /// An unknown `sort`.
    #[error("sort: expected name, size or mtime")]
    Sort,
    /// An unknown `order`.
    #[error("order: expected asc or desc")]
    Direction,
    /// A `limit` that is no number or zero.
    #[error("limit: expected the most entries of a page, 1 or more")]
    Limit,
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
        let (mut key, mut direction) = (None, None);
        for (name, value) in pairs(query) {
            match name {
                _ if name == TICKET.as_bytes() => parsed.ticket = Some(value),
                _ if name == AVOID.as_bytes() => parsed.avoid = members(&value),
                _ if name == DIRECT.as_bytes() => parsed.whence = Whence::Here,
                // The other has the last word: a request that was relayed is not relayed again.
                _ if name == RELAY.as_bytes() && parsed.whence == Whence::Anywhere => {
                    parsed.whence = Whence::Relayed;
                }
                b"format" => parsed.format = Some(format(&value)?),
                b"archive" => parsed.archive = Some(archive(&value)?),
                b"cursor" => parsed.cursor = Some(cursor(&value)?),
                b"limit" => parsed.limit = Some(limit(&value)?),
                b"sort" => key = Some(sort_key(&value)?),
                b"order" => direction = Some(self::direction(&value)?),
                b"recursive" => parsed.depth = Depth::Below,
                // With a value it is none of ours: somebody's own parameter of that name.
                b"meta4" if value.is_empty() => parsed.aspect = Aspect::Meta4,
                b"metalink" if value.is_empty() => parsed.aspect = Aspect::Metalink,
                b"mirrorlist" if value.is_empty() => parsed.aspect = Aspect::MirrorList,
                b"sha256" if value.is_empty() => parsed.aspect = Aspect::Sha256,
                _ => {}
            }
        }
        parsed.order = (key.is_some() || direction.is_some()).then(|| Order {
            key: key.unwrap_or_default(),
            direction: direction.unwrap_or_default(),
        });
        parsed.check_cursor()?;
        Ok(parsed)
    }

    fn check_cursor(&self) -> Result<(), TreeQueryError> {
        match (&self.cursor, self.order) {
            (Some(Cursor::Path(_)), Some(_)) => Err(TreeQueryError::OtherOrder),
            (Some(Cursor::Place(place)), Some(order)) if place.key() != order.key => {
                Err(TreeQueryError::OtherOrder)
            }
            _ => Ok(()),
        }
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

/// Paths begin with a slash, places with the name of their sort key.
fn cursor(value: &[u8]) -> Result<Cursor, TreeQueryError> {
    if value.first().is_none_or(|&first| first == b'/') {
        let url = CatalogPath::from_url(value).map_err(TreeQueryError::Cursor)?;
        return Ok(Cursor::Path(url.path));
    }
    Ok(Cursor::Place(String::from_utf8_lossy(value).parse()?))
}

fn limit(value: &[u8]) -> Result<NonZeroUsize, TreeQueryError> {
    let text = std::str::from_utf8(value).map_err(|_| TreeQueryError::Limit)?;
    text.parse().map_err(|_| TreeQueryError::Limit)
}

fn sort_key(value: &[u8]) -> Result<SortKey, TreeQueryError> {
    let text = String::from_utf8_lossy(value);
    text.parse().map_err(|_| TreeQueryError::Sort)
}

fn direction(value: &[u8]) -> Result<Direction, TreeQueryError> {
    match value {
        b"asc" => Ok(Direction::Ascending),
        b"desc" => Ok(Direction::Descending),
        _ => Err(TreeQueryError::Direction),
    }
}

fn archive(value: &[u8]) -> Result<ArchiveFormat, TreeQueryError> {
    match value {
        b"tar" => Ok(ArchiveFormat::Tar),
        b"tar.gz" => Ok(ArchiveFormat::TarGz),
        b"tar.zst" => Ok(ArchiveFormat::TarZst),
        b"zip" => Ok(ArchiveFormat::Zip),
        _ => Err(TreeQueryError::Archive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_parameters_are_read_and_others_ignored() {
        let query =
            TreeQuery::parse(b"x=1&ticket=abc&avoid=m-1,m-2,BAD&direct&format=json&archive=tar.gz")
                .unwrap();
        assert_eq!(query.ticket.as_deref(), Some(b"abc".as_slice()));
        let names: Vec<_> = query.avoid.iter().map(MemberId::as_str).collect();
        assert_eq!(names, ["m-1", "m-2"]);
        assert_eq!(query.whence, Whence::Here);
        assert_eq!(query.format, Some(Format::Json));
        assert_eq!(query.archive, Some(ArchiveFormat::TarGz));
        assert!(query.selection.is_none());
    }

    #[test]
    fn a_listing_is_ordered_and_cut_into_pages() {
        let query = TreeQuery::parse(b"sort=size&order=desc&limit=7&cursor=size:file:9:/d/x");
        let query = query.unwrap();
        let order = Order {
            key: SortKey::Size,
            direction: Direction::Descending,
        };
        assert_eq!(query.order, Some(order));
        assert_eq!(query.limit.map(NonZeroUsize::get), Some(7));
        assert!(matches!(query.cursor, Some(Cursor::Place(place)) if place.key() == SortKey::Size));
        let by_path = TreeQuery::parse(b"cursor=/d/x").unwrap();
        assert!(matches!(by_path.cursor, Some(Cursor::Path(_))));
        let descending = TreeQuery::parse(b"order=desc").unwrap();
        assert_eq!(descending.order.map(|order| order.key), Some(SortKey::Name));
    }

    #[test]
    fn a_sum_is_asked_for_without_a_value() {
        for (query, aspect) in [
            ("meta4", Aspect::Meta4),
            ("metalink", Aspect::Metalink),
            ("mirrorlist", Aspect::MirrorList),
            ("mirrorlist=1", Aspect::Content),
        ] {
            assert_eq!(TreeQuery::parse(query.as_bytes()).unwrap().aspect, aspect);
        }
        assert_eq!(TreeQuery::parse(b"sha256").unwrap().aspect, Aspect::Sha256);
        let foreign = TreeQuery::parse(b"sha256=0badcafe").unwrap();
        assert_eq!(foreign.aspect, Aspect::Content);
        assert_eq!(TreeQuery::parse(b"recursive").unwrap().depth, Depth::Below);
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
            (
                "archive=rar",
                "archive: expected tar, tar.gz, tar.zst or zip",
            ),
            ("format=xml", "format: expected html or json"),
            (
                "cursor=%2Fa%2F..",
                "cursor: the path has a . or .. segment; send the path without it",
            ),
            (
                "cursor=size:file",
                "cursor: not a place in a sorted listing; pass on what `next` said, unchanged",
            ),
            (
                "sort=size&cursor=/d/x",
                "cursor: it was taken in another order; ask with the same sort as before",
            ),
            (
                "sort=size&cursor=name:file:0:/d/x",
                "cursor: it was taken in another order; ask with the same sort as before",
            ),
            ("sort=colour", "sort: expected name, size or mtime"),
            ("order=up", "order: expected asc or desc"),
            (
                "limit=0",
                "limit: expected the most entries of a page, 1 or more",
            ),
            (
                "limit=-1",
                "limit: expected the most entries of a page, 1 or more",
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
