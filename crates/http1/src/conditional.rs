//! Entity tags and preconditions (RFC 9110 sections 8.8 and 13).
//!
//! One function holds the whole order of section 13.2.2, so that no caller can evaluate a part of
//! it. It must never let a weak or doubtful validator glue two versions of a file together: where
//! the RFC leaves a choice, the answer here costs bytes, not correctness.

use crate::date::{self, UnixSeconds};
use crate::list;
use crate::request::{Lines, Method, Request};

/// How much an equal entity tag promises (RFC 9110 section 8.8.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Strength {
    /// Equal tags mean equal bytes.
    Strong,
    /// Equal tags mean an equivalent representation only.
    Weak,
}

/// An entity tag (RFC 9110 section 8.8.3).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ETag<'a> {
    /// Whether the tag was prefixed by `W/`.
    pub strength: Strength,
    /// What stands between the quotes.
    pub opaque: &'a [u8],
}

impl<'a> ETag<'a> {
    /// Reads exactly one entity tag, as in `ETag` and `If-Range`.
    pub fn parse(field: &'a [u8]) -> Option<Self> {
        match Self::parse_prefix(field)? {
            (tag, b"") => Some(tag),
            _ => None,
        }
    }

    /// Equality that promises equal bytes: both strong and the same (section 8.8.3.2).
    pub fn strongly_matches(self, other: ETag<'_>) -> bool {
        self.strength == Strength::Strong
            && other.strength == Strength::Strong
            && self.opaque == other.opaque
    }

    /// Equality that promises equivalence: the same between the quotes (section 8.8.3.2).
    pub fn weakly_matches(self, other: ETag<'_>) -> bool {
        self.opaque == other.opaque
    }

    fn parse_prefix(field: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (strength, quoted) = match field {
            [b'W', b'/', quoted @ ..] => (Strength::Weak, quoted),
            quoted => (Strength::Strong, quoted),
        };
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&byte| !is_etag_byte(byte))?;
        let rest = inner[end..].strip_prefix(b"\"")?;
        Some((
            Self {
                strength,
                opaque: &inner[..end],
            },
            rest,
        ))
    }
}

/// What is known of the current version of a representation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Validators<'a> {
    /// The entity tag, if there is one.
    pub etag: Option<ETag<'a>>,
    /// The modification time, if there is one.
    pub last_modified: Option<UnixSeconds>,
}

impl Validators<'_> {
    /// The modification time as it may be shown to clients at `now`.
    ///
    /// `None` until the second of the modification is over. Within it the file may change again
    /// without a change of the date, and a client that has been told the date could later resume
    /// the one version with bytes of the other (RFC 9110 section 8.8.2.2).
    pub fn settled_last_modified(&self, now: UnixSeconds) -> Option<UnixSeconds> {
        self.last_modified.filter(|&modified| modified < now)
    }
}

/// What the preconditions of a request decide.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Precondition {
    /// Answer as if there were none.
    Proceed,
    /// Answer 304: the copy of the client is current.
    NotModified,
    /// Answer 412.
    Failed,
}

/// Evaluates the preconditions of a request for a representation that exists.
///
/// The order is that of RFC 9110 section 13.2.2: `If-Match`, else `If-Unmodified-Since`; then
/// `If-None-Match`, else `If-Modified-Since`. The second of each pair is not looked at when the
/// first is present, whatever it says. A malformed date, or a date when the representation has
/// none, is ignored; a malformed entity tag matches nothing. OPTIONS has no preconditions
/// (section 13.2.1). `If-Range` is not one of these: see [`range_condition_holds`].
pub fn evaluate(request: &Request<'_>, validators: &Validators<'_>) -> Precondition {
    if request.method == Method::Options {
        return Precondition::Proceed;
    }
    if !may_be_acted_on(request, validators) {
        return Precondition::Failed;
    }
    match (client_is_current(request, validators), request.method) {
        (false, _) => Precondition::Proceed,
        (true, Method::Get | Method::Head) => Precondition::NotModified,
        (true, Method::Options | Method::Other) => Precondition::Failed,
    }
}

/// Whether `If-Range` lets the `Range` of this request be applied (RFC 9110 section 13.1.5).
///
/// An absent field does. An entity tag does if it matches strongly. A date does if it equals the
/// modification time exactly and lies at least one second before `now`: a file that may yet change
/// within the same second has no date that tells its versions apart (section 8.8.2.2).
pub fn range_condition_holds(
    request: &Request<'_>,
    validators: &Validators<'_>,
    now: UnixSeconds,
) -> bool {
    let Some(field) = request.fields.if_range else {
        return true;
    };
    if let Some(tag) = ETag::parse(field) {
        return validators
            .etag
            .is_some_and(|etag| etag.strongly_matches(tag));
    }
    let date = date::parse(field);
    date.is_some() && date == validators.settled_last_modified(now)
}

/// Steps 1 and 2: does the request still mean this version?
fn may_be_acted_on(request: &Request<'_>, validators: &Validators<'_>) -> bool {
    let fields = &request.fields;
    if !fields.if_match.is_empty() {
        return matches_any(&fields.if_match, validators, |a, b| a.strongly_matches(b));
    }
    match (
        fields.if_unmodified_since.and_then(date::parse),
        validators.last_modified,
    ) {
        (Some(since), Some(modified)) => modified <= since,
        _ => true,
    }
}

/// Steps 3 and 4: does the client hold this version already?
fn client_is_current(request: &Request<'_>, validators: &Validators<'_>) -> bool {
    let fields = &request.fields;
    if !fields.if_none_match.is_empty() {
        return matches_any(&fields.if_none_match, validators, |a, b| {
            a.weakly_matches(b)
        });
    }
    if !matches!(request.method, Method::Get | Method::Head) {
        return false;
    }
    match (
        fields.if_modified_since.and_then(date::parse),
        validators.last_modified,
    ) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

fn matches_any(
    lines: &Lines<'_>,
    validators: &Validators<'_>,
    matches: fn(ETag<'_>, ETag<'_>) -> bool,
) -> bool {
    if lines.iter().eq([b"*"]) {
        return true;
    }
    let Some(current) = validators.etag else {
        return false;
    };
    lines
        .iter()
        .flat_map(entity_tags)
        .any(|tag| matches(tag, current))
}

/// The entity tags of one field line, up to the first that is malformed.
///
/// The generic list splitter will not do: in an entity tag a backslash escapes nothing.
fn entity_tags(line: &[u8]) -> impl Iterator<Item = ETag<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
        let (tag, after) = ETag::parse_prefix(rest)?;
        rest = list::trim(after);
        matches!(rest, [] | [b',', ..]).then_some(tag)
    })
}

/// `etagc`: visible ASCII but the quote, and obs-text (RFC 9110 section 8.8.3).
const fn is_etag_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}

#[cfg(test)]
mod tests;
