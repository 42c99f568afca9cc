//! Orders of a listing: by name, size or time, either way, folders before files.
//!
//! An order is total, so that a sorted listing can be cut into pages: a [`Place`] carries the sort
//! key beside the path and means the same position even when the entry it was taken from has
//! changed or gone. It must never look anything up: it compares what it is given.

use std::{cmp::Ordering, fmt, str::FromStr};

use thiserror::Error;

use super::{Child, Kind};
use crate::path::CatalogPath;

/// What a listing is sorted by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SortKey {
    /// Time of the last change, to the nanosecond.
    Mtime,
    /// Name, in natural order: see [`natural`].
    #[default]
    Name,
    /// Size in bytes; folders, which have none, come by name.
    Size,
}

/// Which way a listing is sorted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Direction {
    /// The least first.
    #[default]
    Ascending,
    /// The greatest first.
    Descending,
}

/// A total order of entries: folders first either way, then by key, and equal keys by name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Order {
    /// What is compared.
    pub key: SortKey,
    /// Which way.
    pub direction: Direction,
}

/// A place in a sorted listing, written `size:file:1536:/d/x`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    key: SortKey,
    kind: Kind,
    number: i128,
    path: CatalogPath,
}

/// Text that names no place in a listing.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not a place in a sorted listing; pass on what `next` said, unchanged")]
pub struct PlaceError;

impl SortKey {
    /// Its name in queries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mtime => "mtime",
            Self::Name => "name",
            Self::Size => "size",
        }
    }
}

impl FromStr for SortKey {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        match text {
            "mtime" => Ok(Self::Mtime),
            "name" => Ok(Self::Name),
            "size" => Ok(Self::Size),
            _ => Err(PlaceError),
        }
    }
}

impl Direction {
    /// Its name in queries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }

    /// The other way.
    pub const fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

impl Order {
    /// Which of two entries comes first; equal only for the same path.
    pub fn compare(self, one: Child<'_>, other: Child<'_>) -> Ordering {
        self.compare_ranks(&self.rank(one), &self.rank(other))
    }

    /// The place of an entry.
    pub fn place(self, child: Child<'_>) -> Place {
        let rank = self.rank(child);
        Place {
            key: self.key,
            kind: rank.kind,
            number: rank.number,
            path: rank.path.clone(),
        }
    }

    /// Whether an entry comes after a place of the same sort key.
    pub fn is_after(self, child: Child<'_>, place: &Place) -> bool {
        let rank = Rank {
            kind: place.kind,
            number: place.number,
            path: &place.path,
        };
        self.compare_ranks(&self.rank(child), &rank).is_gt()
    }

    fn rank(self, (path, entry): Child<'_>) -> Rank<'_> {
        let number = match (self.key, entry.kind) {
            (SortKey::Mtime, _) => entry.mtime_ns.into(),
            (SortKey::Size, Kind::File) => entry.size.into(),
            (SortKey::Size, Kind::Folder) | (SortKey::Name, _) => 0,
        };
        let kind = entry.kind;
        Rank { kind, number, path }
    }

    fn compare_ranks(self, one: &Rank<'_>, other: &Rank<'_>) -> Ordering {
        let directed = |ordering: Ordering| match self.direction {
            Direction::Ascending => ordering,
            Direction::Descending => ordering.reverse(),
        };
        let by_name = || natural(one.path.as_bytes(), other.path.as_bytes());
        let kinds = is_file(one.kind).cmp(&is_file(other.kind));
        kinds.then_with(|| match self.key {
            SortKey::Name => directed(by_name()),
            SortKey::Mtime | SortKey::Size => {
                directed(one.number.cmp(&other.number)).then_with(by_name)
            }
        })
    }
}

impl Place {
    /// What the listing was sorted by.
    pub fn key(&self) -> SortKey {
        self.key
    }

    /// The entry it was taken from.
    pub fn path(&self) -> &CatalogPath {
        &self.path
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::File => "file",
            Kind::Folder => "folder",
        };
        let (key, path) = (self.key.as_str(), self.path.to_url());
        write!(f, "{key}:{kind}:{}:{path}", self.number)
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let mut parts = text.splitn(4, ':');
        let mut part = || parts.next().ok_or(PlaceError);
        let key = part()?.parse()?;
        let kind = match part()? {
            "file" => Kind::File,
            "folder" => Kind::Folder,
            _ => return Err(PlaceError),
        };
        let number = part()?.parse().map_err(|_| PlaceError)?;
        let url = CatalogPath::from_url(part()?.as_bytes()).map_err(|_| PlaceError)?;
        let path = url.path;
        Ok(Self {
            key,
            kind,
            number,
            path,
        })
    }
}

/// Compares names as people count: `part-9` before `part-10`, `a.txt` beside `A.txt`.
///
/// Runs of digits compare by their value, however long; a slash comes before everything, so a
/// folder's content stays together; ASCII letters compare without case. What is equal so far is
/// compared by bytes, so that only equal names are equal. Right for versions, dates and parts; wrong
/// for decimal fractions (`0.25` comes after `0.5`) and without meaning for hashes.
pub fn natural(one: &[u8], other: &[u8]) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        let ordering = match (left, right) {
            ([], []) => return one.cmp(other),
            ([], _) => Ordering::Less,
            (_, []) => Ordering::Greater,
            ([a, ..], [b, ..]) if a.is_ascii_digit() && b.is_ascii_digit() => {
                let (a, b) = (take_number(&mut left), take_number(&mut right));
                a.len().cmp(&b.len()).then_with(|| a.cmp(b))
            }
            ([a, ..], [b, ..]) => {
                let ordering = weight(*a).cmp(&weight(*b));
                (left, right) = (&left[1..], &right[1..]);
                ordering
            }
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

/// Takes a run of digits off the front; what counts of it, without leading zeros.
fn take_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = |is: fn(&u8) -> bool, bytes: &[u8]| {
        let end = bytes.iter().position(|byte| !is(byte));
        end.unwrap_or(bytes.len())
    };
    let (digits, rest) = text.split_at(end(u8::is_ascii_digit, text));
    *text = rest;
    &digits[end(|&byte| byte == b'0', digits)..]
}

const fn weight(byte: u8) -> u8 {
    match byte {
        b'/' => 0,
        byte => byte.to_ascii_lowercase(),
    }
}

fn is_file(kind: Kind) -> bool {
    kind == Kind::File
}

/// What is compared of an entry.
struct Rank<'a> {
    kind: Kind,
    number: i128,
    path: &'a CatalogPath,
}

#[cfg(test)]
mod tests;
