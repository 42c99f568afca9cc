//! One page of a folder or of a selection: which entries, in which order, and what comes next.
//!
//! Without an order a page is a walk from the cursor on and costs what it shows, however large the
//! folder; a sorted page costs a look at every entry of the listing, so that has a cap. It must never
//! hold entries itself, only point into the catalog.

use std::num::NonZeroUsize;

use overspill_core::{
    catalog::{Catalog, Child, Order, Place},
    path::CatalogPath,
};
use thiserror::Error;

use crate::query::{Cursor, Format, TreeQuery};

/// Most entries on one page, whatever `limit` says.
pub(super) const MAX_PAGE_ENTRIES: usize = 10_000;
/// Entries on a page for people. Chromium on a busy machine of two cores laid 2,000 rows out in 0.4 s
/// and answered a key in the filter in 0.1 s; 10,000 took 1.2 s and 0.7 s.
pub(super) const HTML_PAGE_ENTRIES: usize = 2_000;
/// Most entries that are sorted for one page: picking the first 2,000 of so many takes 10 ms, about as
/// long as finding them. A larger listing comes in path order.
pub(super) const MAX_SORTED_ENTRIES: usize = 100_000;

/// One page of a folder, or of the selection below it.
pub(super) struct Page<'a> {
    /// The folder.
    pub(super) folder: &'a CatalogPath,
    /// What is on the page, in its order.
    pub(super) entries: Vec<Child<'a>>,
    /// The order; `None` is the order of paths by bytes.
    pub(super) order: Option<Order>,
    /// Where the page stands in the whole, when the whole was looked at.
    pub(super) span: Option<Span>,
    /// The cursor of the next page.
    pub(super) next: Option<String>,
}

/// Which part of a listing a page is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Span {
    /// Entries before the page.
    pub(super) before: usize,
    /// Entries of all pages.
    pub(super) total: usize,
}

/// Why there is no such page.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(super) enum PageError {
    /// More entries than [`MAX_SORTED_ENTRIES`].
    #[error(
        "sort: more than {max} entries; narrow the listing down, as by name=*.iso, or ask without sort",
        max = MAX_SORTED_ENTRIES
    )]
    TooManyToSort,
}

impl<'a> Page<'a> {
    /// The page that `query` asks for.
    ///
    /// People get a listing by name unless they ask otherwise or it is too long for that; programs
    /// get path order, which is cheap however long it is.
    pub(super) fn take(
        catalog: &'a Catalog,
        folder: &'a CatalogPath,
        query: &TreeQuery,
        format: Format,
    ) -> Result<Self, PageError> {
        let default = match format {
            Format::Html => HTML_PAGE_ENTRIES,
            Format::Json => MAX_PAGE_ENTRIES,
        };
        let limit = query.limit.map_or(default, NonZeroUsize::get);
        let limit = limit.min(MAX_PAGE_ENTRIES);
        let (order, place) = match (&query.cursor, query.order, format) {
            (Some(Cursor::Path(cursor)), ..) => {
                return Ok(Self::by_path(catalog, folder, query, Some(cursor), limit));
            }
            (Some(Cursor::Place(place)), order, _) => {
                let direction = order.unwrap_or_default().direction;
                let key = place.key();
                (Order { key, direction }, Some(place))
            }
            (None, Some(order), _) => (order, None),
            (None, None, Format::Html) => (Order::default(), None),
            (None, None, Format::Json) => {
                return Ok(Self::by_path(catalog, folder, query, None, limit));
            }
        };
        let all = entries(catalog, folder, query, None);
        let all: Vec<_> = all.take(MAX_SORTED_ENTRIES + 1).collect();
        if all.len() <= MAX_SORTED_ENTRIES {
            Ok(Self::sorted(all, folder, order, place, limit))
        } else if query.order.is_some() || place.is_some() {
            Err(PageError::TooManyToSort)
        } else {
            Ok(Self::by_path(catalog, folder, query, None, limit))
        }
    }

    /// Whether this is the folder as such: its first page, without conditions.
    pub(super) fn is_plain(&self, query: &TreeQuery) -> bool {
        query.selection.is_none() && query.cursor.is_none()
    }

    fn by_path(
        catalog: &'a Catalog,
        folder: &'a CatalogPath,
        query: &TreeQuery,
        cursor: Option<&CatalogPath>,
        limit: usize,
    ) -> Self {
        let cursor = cursor.filter(|cursor| cursor.is_below(folder));
        let entries = entries(catalog, folder, query, cursor);
        let mut entries: Vec<_> = entries.take(limit + 1).collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().filter(|_| more);
        let next = last.map(|(path, _)| path.to_url());
        Self {
            folder,
            entries,
            order: None,
            span: None,
            next,
        }
    }

    /// The first `limit` of `all` after `place`. Only those are sorted; the others are only known to
    /// come later.
    fn sorted(
        mut all: Vec<Child<'a>>,
        folder: &'a CatalogPath,
        order: Order,
        place: Option<&Place>,
        limit: usize,
    ) -> Self {
        let total = all.len();
        if let Some(place) = place {
            all.retain(|child| order.is_after(*child, place));
        }
        let before = total - all.len();
        let more = all.len() > limit;
        if more {
            all.select_nth_unstable_by(limit, |one, other| order.compare(*one, *other));
            all.truncate(limit);
        }
        all.sort_unstable_by(|one, other| order.compare(*one, *other));
        let last = all.last().filter(|_| more);
        let next = last.map(|child| order.place(*child).to_string());
        Self {
            folder,
            entries: all,
            order: Some(order),
            span: Some(Span { before, total }),
            next,
        }
    }
}

/// The folder's children, or everything below it that is selected, in path order after `cursor`.
fn entries<'a, 'q>(
    catalog: &'a Catalog,
    folder: &CatalogPath,
    query: &'q TreeQuery,
    cursor: Option<&'q CatalogPath>,
) -> Box<dyn Iterator<Item = Child<'a>> + 'q>
where
    'a: 'q,
{
    match &query.selection {
        Some(selection) => Box::new(
            catalog
                .below(folder, cursor)
                .filter(|(path, entry)| selection.matches(path, entry)),
        ),
        None => Box::new(
            catalog
                .children(folder)
                .filter(move |(path, _)| cursor.is_none_or(|cursor| *path > cursor)),
        ),
    }
}
