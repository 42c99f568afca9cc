//! Whether a client wants a file, or the Metalink document that describes it (RFC 6249 section 6).
//!
//! aria2 names the types of both beside `*/*` with every request, and means the file. So a document
//! must never be the answer to whoever would as soon have the file.

use super::{Quality, Specificity, media_range};
use crate::list;

/// What `Accept` says about Metalink documents, `application/metalink4+xml`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Metalink {
    /// Nothing, or that there is no use for one: a type that would include it does not name it.
    Unnamed,
    /// It could be read.
    Named,
    /// It is wanted more than the file itself.
    Preferred,
}

impl Metalink {
    /// Compares the quality values of the document and of the file's own `content_type`.
    ///
    /// A type that no line mentions has the quality 0, so `Accept: application/metalink4+xml` alone
    /// prefers the document, and with `*/*` beside it the file is preferred.
    pub fn negotiate<'b>(accept: impl IntoIterator<Item = &'b [u8]>, content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let (kind, subtype) = essence.split_once('/').unwrap_or((essence, ""));
        let mut document = Quality::default();
        let mut file = Quality::default();
        for element in accept.into_iter().flat_map(list::elements) {
            if let Some((range, thousandths)) = media_range(element) {
                document.consider(range, thousandths, "application", "metalink4+xml");
                file.consider(range, thousandths, kind, subtype);
            }
        }
        if document.specificity < Specificity::Exact || document.thousandths == 0 {
            Self::Unnamed
        } else if document.thousandths > file.thousandths {
            Self::Preferred
        } else {
            Self::Named
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Metalink::{self, Named, Preferred, Unnamed};

    #[test]
    fn the_document_is_only_for_who_likes_it_better() {
        let cases: &[(&[&str], Metalink)] = &[
            (&[], Unnamed),
            (&["*/*"], Unnamed),
            (&["application/*"], Unnamed),
            (&["application/metalink4+xml;q=0"], Unnamed),
            // What aria2 sends.
            (
                &["*/*,application/metalink4+xml,application/metalink+xml"],
                Named,
            ),
            (&["application/metalink4+xml", "*/*"], Named),
            (&["application/metalink4+xml, application/*"], Named),
            (&["application/metalink4+xml;q=0.1, text/plain"], Preferred),
            (
                &["application/metalink4+xml;q=0.1, application/x-iso"],
                Named,
            ),
            (&["application/metalink4+xml"], Preferred),
            (&["Application/Metalink4+XML; q=0.001"], Preferred),
            (&["application/metalink4+xml, */*;q=0.5"], Preferred),
            (&["*/*;q=0.5", "application/metalink4+xml;q=0.6"], Preferred),
        ];
        for (lines, expected) in cases {
            let found = Metalink::negotiate(
                lines.iter().map(|line| line.as_bytes()),
                "application/x-iso; charset=binary",
            );
            assert_eq!(found, *expected, "{lines:?}");
        }
    }
}
