//! What one answer of a server means for a download: a pure judgement of its head.
//!
//! It must never let bytes of two versions come together: a continuation counts only if it begins
//! exactly where we stopped and carries the very tag and size we began with.

use std::{ops::Range, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use overspill_core::root::Root;

/// Which bytes these are, as far as the server tells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Version {
    /// The strong entity tag, quotes included; `None` when there is none or a weak one.
    pub(crate) tag: Option<String>,
    /// Size in bytes, if told.
    pub(crate) size_bytes: Option<u64>,
}

/// What a request asks for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wanted {
    /// The version we have a part of.
    pub(crate) version: Version,
    /// How much of it; 0 asks for all of whatever is there now.
    pub(crate) offset: u64,
}

/// The fields of an answer's head that matter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    /// Whether it says `Accept-Ranges: bytes`.
    pub(crate) does_ranges: bool,
    tag: Option<String>,
    length: Option<u64>,
    range: Option<ContentRange>,
}

/// `Content-Range`, RFC 9110 section 14.4.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ContentRange {
    Satisfied { first: u64, last: u64, total: u64 },
    Unsatisfied { total: u64 },
}

/// An answer we can use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// What we have is all there is.
    Complete,
    /// The rest, from the wanted offset on.
    Rest(Version),
    /// The whole of this version, from its first byte.
    Whole(Version),
}

/// An answer we cannot use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// 401 or 403.
    Forbidden,
    /// The same tag with another size.
    Length { expected: u64, actual: u64 },
    /// 404 or 410.
    Missing,
    /// The file ends before the wanted offset.
    PastEnd,
    /// Not the range that was asked for.
    Range(&'static str),
    /// Any other status that will not pass.
    Rejected,
    /// A status that may pass.
    Transient,
}

impl Version {
    /// The root in the tag, when it is one of ours.
    pub(crate) fn root(&self) -> Option<Root> {
        Root::from_etag(self.tag.as_deref()?.as_bytes())
    }

    /// Whether `other` is not, or can no longer be shown to be, the version tagged here.
    pub(crate) fn differs_from(&self, other: &Self) -> bool {
        self.tag.is_some() && self.tag != other.tag
    }
}

impl Wanted {
    /// The fields that ask for it. Without a strong tag there is no safe resume, hence no range.
    pub(crate) fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        let tag = self.version.tag.as_deref().map(HeaderValue::from_str);
        let range = HeaderValue::from_str(&format!("bytes={}-", self.offset));
        if let (1.., Some(Ok(tag)), Ok(range)) = (self.offset, tag, range) {
            fields.insert(header::RANGE, range);
            fields.insert(header::IF_RANGE, tag);
        }
        fields
    }
}

impl Head {
    pub(crate) fn read(status: StatusCode, fields: &HeaderMap) -> Self {
        let text = |name| fields.get(name).and_then(|value| value.to_str().ok());
        Self {
            status,
            retry_after: text(header::RETRY_AFTER)
                .and_then(|text| text.trim().parse().ok())
                .map(Duration::from_secs),
            does_ranges: text(header::ACCEPT_RANGES).is_some_and(|text| text.trim() == "bytes"),
            tag: text(header::ETAG).and_then(strong_tag),
            length: text(header::CONTENT_LENGTH).and_then(|text| text.trim().parse().ok()),
            range: text(header::CONTENT_RANGE).and_then(content_range),
        }
    }
}

/// A span of the file, as a request for pieces asks for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Part<'a> {
    /// The strong tag it must have; `None` where none is known.
    pub(crate) tag: Option<&'a str>,
    /// Its bytes; `end` is exclusive.
    pub(crate) span: Range<u64>,
    /// The size of the whole.
    pub(crate) size_bytes: u64,
}

/// Why an answer is not the part that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RangeRefusal {
    /// It contradicts itself or the request.
    Broken(&'static str),
    /// 429 or 503: the host asks to be left alone.
    Busy,
    /// The whole file, of the right version: it does not do ranges.
    NoRanges,
    /// A status that will not pass.
    Refused,
    /// Another version of the file.
    Stale(&'static str),
    /// A status that may pass.
    Transient,
}

/// Decides whether `head` is that of the part that was `wanted`: exactly it, of exactly this version.
pub(crate) fn judge_part(wanted: &Part<'_>, head: &Head) -> Result<(), RangeRefusal> {
    let same_tag = wanted
        .tag
        .is_none_or(|tag| head.tag.as_deref() == Some(tag));
    match head.status.as_u16() {
        206 if !same_tag => Err(RangeRefusal::Stale("another entity tag")),
        206 => check_part(wanted, head),
        200 if same_tag && head.length.is_none_or(|length| length == wanted.size_bytes) => {
            Err(RangeRefusal::NoRanges)
        }
        200 => Err(RangeRefusal::Stale("another version, and all of it")),
        412 => Err(RangeRefusal::Stale("it no longer has this version")),
        416 => Err(RangeRefusal::Stale("it is shorter there")),
        429 | 503 => Err(RangeRefusal::Busy),
        408 | 500..=599 => Err(RangeRefusal::Transient),
        _ => Err(RangeRefusal::Refused),
    }
}

fn check_part(wanted: &Part<'_>, head: &Head) -> Result<(), RangeRefusal> {
    let Some(ContentRange::Satisfied { first, last, total }) = head.range else {
        return Err(RangeRefusal::Broken("no usable Content-Range"));
    };
    let span = &wanted.span;
    if total != wanted.size_bytes {
        Err(RangeRefusal::Stale("another size"))
    } else if first != span.start || last + 1 != span.end {
        Err(RangeRefusal::Broken("other bytes than asked for"))
    } else if head
        .length
        .is_some_and(|length| length != span.end - span.start)
    {
        Err(RangeRefusal::Broken("its length contradicts its range"))
    } else {
        Ok(())
    }
}

/// Decides what `head` is, given what was `wanted`.
pub(crate) fn judge(wanted: &Wanted, head: &Head) -> Result<Answer, Refusal> {
    match head.status.as_u16() {
        200 => whole(wanted, head),
        206 => rest(wanted, head),
        401 | 403 => Err(Refusal::Forbidden),
        404 | 410 => Err(Refusal::Missing),
        408 | 429 | 500..=599 => Err(Refusal::Transient),
        416 => past_end(wanted, head),
        _ => Err(Refusal::Rejected),
    }
}

fn whole(wanted: &Wanted, head: &Head) -> Result<Answer, Refusal> {
    let version = Version {
        tag: head.tag.clone(),
        size_bytes: head.length,
    };
    let same = version.tag.is_some() && version.tag == wanted.version.tag;
    match (wanted.version.size_bytes, version.size_bytes) {
        (Some(expected), Some(actual)) if same && expected != actual => {
            Err(Refusal::Length { expected, actual })
        }
        _ => Ok(Answer::Whole(version)),
    }
}

fn rest(wanted: &Wanted, head: &Head) -> Result<Answer, Refusal> {
    let Some(ContentRange::Satisfied { first, last, total }) = head.range else {
        return Err(Refusal::Range("no usable Content-Range"));
    };
    let expected = wanted.version.size_bytes.unwrap_or(total);
    let reason = if head.tag.is_none() || head.tag != wanted.version.tag {
        "another entity tag"
    } else if total != expected {
        let actual = total;
        return Err(Refusal::Length { expected, actual });
    } else if wanted.offset == 0 || first != wanted.offset {
        "another first byte"
    } else if last + 1 != total {
        "it stops before the end"
    } else if head.length.is_some_and(|length| length != total - first) {
        "its length contradicts its range"
    } else {
        let tag = head.tag.clone();
        let size_bytes = Some(total);
        return Ok(Answer::Rest(Version { tag, size_bytes }));
    };
    Err(Refusal::Range(reason))
}

fn past_end(wanted: &Wanted, head: &Head) -> Result<Answer, Refusal> {
    let ContentRange::Unsatisfied { total } = head.range.ok_or(Refusal::PastEnd)? else {
        return Err(Refusal::PastEnd);
    };
    let known = wanted.version.size_bytes.unwrap_or(total);
    if wanted.offset == total && known == total {
        Ok(Answer::Complete)
    } else {
        Err(Refusal::PastEnd)
    }
}

fn strong_tag(text: &str) -> Option<String> {
    let opaque = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    (!opaque.contains('"')).then(|| text.trim().to_owned())
}

/// A range whose ends contradict each other is none.
fn content_range(text: &str) -> Option<ContentRange> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let total = total.parse().ok()?;
    if range == "*" {
        return Some(ContentRange::Unsatisfied { total });
    }
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < total).then_some(ContentRange::Satisfied { first, last, total })
}

#[cfg(test)]
mod tests;
