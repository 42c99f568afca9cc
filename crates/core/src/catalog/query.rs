//! Selections: which entries a `find`, a listing or an archive is about.
//!
//! The same parameters mean the same everywhere: `name` (a glob), `ext`, `min_size`, `max_size`,
//! `after`, `before`. It must never walk anything itself: it only says yes or no to an entry.

use std::os::unix::ffi::OsStrExt;
use std::{ffi::OsStr, path::Path};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use thiserror::Error;

use super::{Entry, Kind};
use crate::{
    path::{CatalogPath, decode_component},
    units::{UnitError, parse_date_ns, parse_size},
};

/// A conjunction of conditions on entries; several `name`s or `ext`s are alternatives.
#[derive(Clone, Debug)]
pub struct Selection {
    names: Option<GlobSet>,
    extensions: Vec<Vec<u8>>,
    min_size: u64,
    max_size: u64,
    after_ns: i64,
    before_ns: i64,
}

/// Why a selection could not be understood.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum QueryError {
    /// A parameter's value is no text where text is needed.
    #[error("{0} is not UTF-8")]
    NotText(&'static str),
    /// A glob does not parse.
    #[error("name={0:?} is not a glob: {1}")]
    Glob(String, String),
    /// More alternatives than [`Selection::MAX_ALTERNATIVES`].
    #[error("more than {max} values of {0}", max = Selection::MAX_ALTERNATIVES)]
    TooMany(&'static str),
    /// A size or date does not parse.
    #[error("{0}: {1}")]
    Unit(&'static str, UnitError),
}

impl Selection {
    /// Most values of `name` or of `ext` in one selection.
    pub const MAX_ALTERNATIVES: usize = 16;
    /// Longest glob accepted, in bytes.
    pub const MAX_GLOB_BYTES: usize = 256;

    /// Reads the selection out of a query string; parameters that are not its own are ignored.
    /// `None` when the query holds no condition at all.
    pub fn from_query(query: &[u8]) -> Result<Option<Self>, QueryError> {
        let mut selection = Self::everything();
        let mut globs = Vec::new();
        let mut conditions = 0;
        for (name, value) in pairs(query) {
            conditions += 1;
            match name {
                // What an HTML form sends for a field that was left empty.
                b"name" if value.is_empty() => conditions -= 1,
                b"name" => globs.push(text("name", value)?),
                b"ext" => selection.extensions.push(extension(&value)),
                b"min_size" => selection.min_size = size("min_size", value)?,
                b"max_size" => selection.max_size = size("max_size", value)?,
                b"after" => selection.after_ns = date("after", value)?,
                b"before" => selection.before_ns = date("before", value)?,
                _ => conditions -= 1,
            }
        }
        if selection.extensions.len() > Self::MAX_ALTERNATIVES {
            return Err(QueryError::TooMany("ext"));
        }
        selection.names = compile(&globs)?;
        Ok((conditions > 0).then_some(selection))
    }

    /// The selection that matches every file.
    pub fn everything() -> Self {
        Self {
            names: None,
            extensions: Vec::new(),
            min_size: 0,
            max_size: u64::MAX,
            after_ns: i64::MIN,
            before_ns: i64::MAX,
        }
    }

    /// Whether `entry` at `path` is a file that meets all conditions.
    ///
    /// A glob without a slash is matched against the name, one with a slash against the whole path.
    /// `after` includes its instant, `before` does not.
    pub fn matches(&self, path: &CatalogPath, entry: &Entry) -> bool {
        entry.kind == Kind::File
            && (self.min_size..=self.max_size).contains(&entry.size)
            && (self.after_ns..self.before_ns).contains(&entry.mtime_ns)
            && self.extension_matches(path.name())
            && self.name_matches(path)
    }

    fn extension_matches(&self, name: &[u8]) -> bool {
        self.extensions.is_empty()
            || self.extensions.iter().any(|extension| {
                name.len() > extension.len()
                    && name[name.len() - extension.len()..].eq_ignore_ascii_case(extension)
            })
    }

    fn name_matches(&self, path: &CatalogPath) -> bool {
        let as_path = |bytes| Path::new(OsStr::from_bytes(bytes)).to_owned();
        self.names.as_ref().is_none_or(|names| {
            names.is_match(as_path(path.name())) || names.is_match(as_path(path.as_bytes()))
        })
    }
}

/// The pairs of a query string, values decoded; a name without `=` has an empty value.
pub fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], Vec<u8>)> {
    query
        .split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let at = pair
                .iter()
                .position(|&byte| byte == b'=')
                .unwrap_or(pair.len());
            (
                &pair[..at],
                decode_component(pair.get(at + 1..).unwrap_or_default()),
            )
        })
}

fn compile(globs: &[String]) -> Result<Option<GlobSet>, QueryError> {
    if globs.is_empty() {
        return Ok(None);
    }
    if globs.len() > Selection::MAX_ALTERNATIVES {
        return Err(QueryError::TooMany("name"));
    }
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let error = |reason: String| QueryError::Glob(glob.clone(), reason);
        if glob.len() > Selection::MAX_GLOB_BYTES {
            return Err(error(format!(
                "longer than {} bytes",
                Selection::MAX_GLOB_BYTES
            )));
        }
        // The crate's Display repeats the glob, which our message already names.
        let built = GlobBuilder::new(glob).literal_separator(true).build();
        set.add(built.map_err(|source| error(source.kind().to_string()))?);
    }
    set.build()
        .map(Some)
        .map_err(|source| QueryError::Glob(globs.join(" "), source.to_string()))
}

fn text(parameter: &'static str, value: Vec<u8>) -> Result<String, QueryError> {
    String::from_utf8(value).map_err(|_| QueryError::NotText(parameter))
}

/// `iso` and `.iso` both mean names that end in `.iso`.
fn extension(value: &[u8]) -> Vec<u8> {
    [b".", value.strip_prefix(b".").unwrap_or(value)].concat()
}

fn size(parameter: &'static str, value: Vec<u8>) -> Result<u64, QueryError> {
    parse_size(&text(parameter, value)?).map_err(|error| QueryError::Unit(parameter, error))
}

fn date(parameter: &'static str, value: Vec<u8>) -> Result<i64, QueryError> {
    parse_date_ns(&text(parameter, value)?).map_err(|error| QueryError::Unit(parameter, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Revision;

    fn selected(query: &str, path: &str, size: u64, date: &str) -> bool {
        let entry = Entry {
            kind: Kind::File,
            size,
            mtime_ns: parse_date_ns(date).unwrap(),
            mode: 0o644,
            revision: Revision(1),
            content: None,
            stamp: None,
        };
        let path = CatalogPath::parse(path.as_bytes()).unwrap();
        let selection = Selection::from_query(query.as_bytes()).unwrap().unwrap();
        selection.matches(&path, &entry)
    }

    #[test]
    fn conditions_are_joined_and_alternatives_are_not() {
        for (query, expected) in [
            ("name=*.iso", true),
            ("name=*.ISO", false),
            ("name=*.img&name=*.iso", true),
            ("name=iso/*.iso", true),
            ("name=*/*.iso", true),
            ("name=other/*.iso", false),
            ("name=**/big.iso", true),
            ("name=b%2Ag.iso", true),
            ("ext=iso", true),
            ("ext=.ISO", true),
            ("ext=so", false),
            ("min_size=10MiB", true),
            ("min_size=10485761", false),
            ("max_size=10MiB", true),
            ("max_size=1", false),
            ("after=2026-01-31", true),
            ("after=2026-02-01", false),
            ("before=2026-01-31", false),
            ("before=2026-02-01", true),
            ("name=*.iso&max_size=1", false),
            ("ticket=abc&name=*.iso", true),
        ] {
            assert_eq!(
                selected(query, "iso/big.iso", 10 << 20, "2026-01-31"),
                expected,
                "{query}"
            );
        }
    }

    #[test]
    fn a_query_without_conditions_selects_nothing_special() {
        assert!(Selection::from_query(b"").unwrap().is_none());
        assert!(Selection::from_query(b"name=").unwrap().is_none());
        assert!(
            Selection::from_query(b"ticket=abc&format=json")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn errors_name_the_parameter_and_the_remedy() {
        let many = "name=a&".repeat(Selection::MAX_ALTERNATIVES + 1);
        let long = format!("name={}", "a".repeat(Selection::MAX_GLOB_BYTES + 1));
        for (query, message) in [
            (
                "min_size=big",
                "min_size: \"big\" is not a size; write for example 500, 10MiB or 4.7GB",
            ),
            (
                "after=now",
                "after: \"now\" is not a date; write 2026-01-31 or 2026-01-31T12:00:00Z",
            ),
            ("name=%ff", "name is not UTF-8"),
            (
                "name=%5Ba",
                "name=\"[a\" is not a glob: unclosed character class; missing ']'",
            ),
            (&many, "more than 16 values of name"),
        ] {
            let error = Selection::from_query(query.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), message, "{query}");
        }
        assert!(Selection::from_query(long.as_bytes()).is_err());
    }
}
