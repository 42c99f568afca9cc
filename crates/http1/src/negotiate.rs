//! Which form of a folder listing a client prefers (`Accept`, RFC 9110 section 12.5.1), in `metalink`
//! whether it would rather have the description of a file, and in `coding` which coding of a file.
//!
//! It must never refuse: a client that accepts neither form is given HTML, for a readable page
//! helps more than a 406.

mod coding;
mod metalink;

use crate::list;

pub use self::{
    coding::{Coding, Preferred},
    metalink::Metalink,
};

/// The form a folder listing is sent in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listing {
    /// A page for people: the answer to browsers and to `Accept: */*`.
    Html,
    /// Entries for programs.
    Json,
}

impl Listing {
    /// Chooses by the quality values of the `Accept` lines.
    ///
    /// JSON only when its quality is strictly above that of HTML; so curl's `*/*`, a browser's
    /// list and an absent field all give HTML. For each form the most specific range counts.
    /// Parameters other than `q` are passed over, and so is an element with a malformed `q`.
    pub fn negotiate<'b>(accept: impl IntoIterator<Item = &'b [u8]>) -> Self {
        let mut html = Quality::default();
        let mut json = Quality::default();
        for element in accept.into_iter().flat_map(list::elements) {
            if let Some((range, thousandths)) = media_range(element) {
                html.consider(range, thousandths, "text", "html");
                json.consider(range, thousandths, "application", "json");
            }
        }
        if json.thousandths > html.thousandths {
            Self::Json
        } else {
            Self::Html
        }
    }
}

/// The quality of one media type so far, with how exactly it was named.
#[derive(Default)]
struct Quality {
    specificity: Specificity,
    thousandths: u16,
}

impl Quality {
    fn consider(&mut self, range: MediaRange<'_>, thousandths: u16, kind: &str, subtype: &str) {
        let specificity = range.specificity_for(kind, subtype);
        if specificity > self.specificity {
            *self = Self {
                specificity,
                thousandths,
            };
        }
    }
}

#[derive(Clone, Copy, Default, Eq, Ord, PartialEq, PartialOrd)]
enum Specificity {
    #[default]
    Unnamed,
    Anything,
    Kind,
    Exact,
}

#[derive(Clone, Copy)]
struct MediaRange<'b> {
    kind: &'b [u8],
    subtype: &'b [u8],
}

impl MediaRange<'_> {
    fn specificity_for(self, kind: &str, subtype: &str) -> Specificity {
        let same_kind = self.kind.eq_ignore_ascii_case(kind.as_bytes());
        match (self.kind, self.subtype) {
            (b"*", b"*") => Specificity::Anything,
            (_, b"*") if same_kind => Specificity::Kind,
            (_, named) if same_kind && named.eq_ignore_ascii_case(subtype.as_bytes()) => {
                Specificity::Exact
            }
            _ => Specificity::Unnamed,
        }
    }
}

/// Reads `type/subtype;parameters` with its quality in thousandths.
fn media_range(element: &[u8]) -> Option<(MediaRange<'_>, u16)> {
    let mut parts = list::split(element, b';');
    let name = parts.next()?;
    let slash = name.iter().position(|&byte| byte == b'/')?;
    let range = MediaRange {
        kind: &name[..slash],
        subtype: &name[slash + 1..],
    };
    let weight = parts.find_map(|part| match part {
        [b'q' | b'Q', b'=', value @ ..] => Some(value),
        _ => None,
    });
    Some((range, weight.map_or(Some(1000), thousandths)?))
}

/// Reads a qvalue: 0 to 1 with at most three decimals (RFC 9110 section 12.4.2).
pub(crate) fn thousandths(qvalue: &[u8]) -> Option<u16> {
    let (whole, decimals) = match qvalue {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let digits = std::iter::once(whole).chain(decimals).chain(b"000");
    let value = digits.take(4).try_fold(0, |value: u16, &digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + u16::from(digit - b'0'))
    })?;
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests;
