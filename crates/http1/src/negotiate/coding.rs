//! Which content codings a client takes, and which it likes best (RFC 9110 section 12.5.3).
//!
//! It must never offer a coding that the client has not named: what is sent without being asked for
//! ends up on disk as it is.

use super::thousandths;
use crate::list;

/// A content coding of a stored file, in the order in which the server prefers them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Coding {
    /// `zstd` (RFC 8878).
    Zstd,
    /// `br` (RFC 7932).
    Brotli,
    /// `gzip` (RFC 1952), which may also be called `x-gzip`.
    Gzip,
    /// The bytes of the file as they are.
    Identity,
}

impl Coding {
    /// All codings, the most preferred first.
    pub const ALL: [Self; 4] = [Self::Zstd, Self::Brotli, Self::Gzip, Self::Identity];

    /// The name in `Content-Encoding`; `identity` is never written there.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    fn is_named(self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.name().as_bytes())
            || self == Self::Gzip && name.eq_ignore_ascii_case(b"x-gzip")
    }
}

/// The acceptable among the available codings, the best first; empty if there is none.
///
/// RFC 9110 asks for an answer as it is, without a coding, when nothing available is acceptable,
/// unless `identity` is excluded as well; whoever finds this empty decides between that and 406.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Preferred {
    codings: [Coding; Coding::ALL.len()],
    count: usize,
}

impl Preferred {
    /// Orders `available` by the `Accept-Encoding` lines of a request.
    ///
    /// - By quality, then in the order of [`Coding`]. A quality of 0 excludes.
    /// - `*` stands for whatever is not named, `identity` included; the first element that names a
    ///   coding counts.
    /// - `identity` is acceptable, if least liked, unless it is named or `*` covers it.
    /// - Without the field anything is acceptable to the letter; as every server does, only
    ///   `identity` is given then. An empty field says that much itself.
    /// - An element that is malformed says nothing.
    pub fn choose<'b>(
        accept_encoding: impl IntoIterator<Item = &'b [u8]>,
        available: impl IntoIterator<Item = Coding>,
    ) -> Self {
        let mut qualities = Qualities::default();
        for element in accept_encoding.into_iter().flat_map(list::elements) {
            if let Some((name, thousandths)) = weighted(element) {
                qualities.take(name, thousandths);
            }
        }
        let mut offered = [false; Coding::ALL.len()];
        for coding in available {
            offered[coding as usize] = true;
        }
        Self::sorted(offered, &qualities)
    }

    /// The codings, the best first.
    pub fn iter(&self) -> impl Iterator<Item = Coding> + '_ {
        self.codings[..self.count].iter().copied()
    }

    fn sorted(offered: [bool; Coding::ALL.len()], qualities: &Qualities) -> Self {
        let mut codings = Coding::ALL;
        let mut count = 0;
        for coding in Coding::ALL {
            if offered[coding as usize] && qualities.rank(coding).is_some() {
                codings[count] = coding;
                count += 1;
            }
        }
        // Stable, so that the order of the server breaks ties.
        codings[..count].sort_by_key(|&coding| std::cmp::Reverse(qualities.rank(coding)));
        Self { codings, count }
    }
}

/// What the field says of each coding, in thousandths, and of those it does not name.
#[derive(Default)]
struct Qualities {
    named: [Option<u16>; Coding::ALL.len()],
    others: Option<u16>,
}

impl Qualities {
    fn take(&mut self, name: &[u8], thousandths: u16) {
        let slot = match Coding::ALL.into_iter().find(|coding| coding.is_named(name)) {
            Some(coding) => &mut self.named[coding as usize],
            None if name == b"*" => &mut self.others,
            None => return,
        };
        slot.get_or_insert(thousandths);
    }

    /// How much a coding is liked; `None` if it is not acceptable.
    fn rank(&self, coding: Coding) -> Option<u16> {
        match (self.named[coding as usize].or(self.others), coding) {
            (Some(0), _) => None,
            (Some(thousandths), _) => Some(thousandths),
            (None, Coding::Identity) => Some(0),
            (None, _) => None,
        }
    }
}

/// Reads `coding` or `coding;q=weight`; nothing else may follow.
fn weighted(element: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = list::split(element, b';');
    let name = parts.next()?;
    let weight = match parts.next() {
        None => 1000,
        Some([b'q' | b'Q', b'=', value @ ..]) => thousandths(value)?,
        Some(_) => return None,
    };
    parts.next().is_none().then_some((name, weight))
}

#[cfg(test)]
mod tests;
