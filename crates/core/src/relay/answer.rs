//! Whether the head of a member's answer is the one that continues a body.
//!
//! A body goes on only with exactly the bytes that follow, of exactly the same content: anything else
//! would be a file that never was. So there is one head that is right, and it must never be guessed
//! at: a field that is missing, twice or written otherwise is wrong.

use thiserror::Error;

use super::Span;
use crate::fleet::Evidence;

/// What counts in the head of a member's answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AnswerHead<'a> {
    /// The status code.
    pub status: u16,
    /// `Content-Length`; `None` if it is missing, twice, no number, or there are chunks instead.
    pub content_length: Option<u64>,
    /// `Content-Range`, if it is there once.
    pub content_range: Option<&'a [u8]>,
    /// `ETag`, if it is there once.
    pub etag: Option<&'a [u8]>,
    /// `Content-Encoding`, if it is there.
    pub content_encoding: Option<&'a [u8]>,
}

/// Why whoever fed a body does so no longer.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// No connection.
    #[error("it cannot be connected to")]
    Connect,
    /// This node has no descriptor, port or memory left for a connection.
    #[error("this node cannot open another connection")]
    NoMeans,
    /// What it answered is no HTTP, or its head is too long.
    #[error("its answer is not understood")]
    NotHttp,
    /// The connection broke.
    #[error("its connection broke")]
    Reset,
    /// It ended before all bytes had come.
    #[error("its body ended short")]
    Short,
    /// It sends, and holds up a body that others feed much faster.
    #[error("it is much slower than the others")]
    Slow,
    /// Not a byte came for [`super::STALLED_AFTER`].
    #[error("it sent nothing for {} s", super::STALLED_AFTER.as_secs())]
    Stalled,
    /// Another status than the one asked for.
    #[error("it answered {0}")]
    Status(u16),
    /// This node's own file could not be read.
    #[error("the file here could not be read")]
    Unreadable,
    /// The bytes are not those of the content: they were held against its root.
    #[error("it sent wrong bytes")]
    WrongBytes,
    /// The bytes are coded.
    #[error("it answered in another coding")]
    WrongCoding,
    /// Another length.
    #[error("it answered with another length")]
    WrongLength,
    /// Another range.
    #[error("it answered with another range")]
    WrongRange,
    /// Another content.
    #[error("it answered with another content")]
    WrongTag,
}

impl Fault {
    /// What it says about the member; `None` if it is this node's own fault, or a member in good
    /// health may answer like this: its catalog may be newer than the response that is being sent. Nor
    /// is it a failure to be slow.
    pub fn evidence(self) -> Option<Evidence> {
        match self {
            Self::Status(404 | 410 | 412 | 416) | Self::NoMeans | Self::Slow | Self::Unreadable => {
                None
            }
            Self::WrongBytes => Some(Evidence::Corrupt),
            _ => Some(Evidence::Failure),
        }
    }
}

impl AnswerHead<'_> {
    /// Whether a body of exactly the bytes of `span` follows, of the content with this entity tag.
    ///
    /// # Errors
    /// The first thing that is wrong, the status before the rest.
    pub fn check(&self, span: &Span, etag: &str) -> Result<(), Fault> {
        match self.status {
            206 => self.check_range(span)?,
            200 if span.is_whole() => {}
            // The same content from its beginning: bytes the client already has.
            200 => return Err(Fault::WrongRange),
            status => return Err(Fault::Status(status)),
        }
        if self.etag != Some(etag.as_bytes()) {
            return Err(Fault::WrongTag);
        }
        let coding = self.content_encoding.unwrap_or(b"identity");
        if !coding.eq_ignore_ascii_case(b"identity") {
            return Err(Fault::WrongCoding);
        }
        if self.content_length != Some(span.len()) {
            return Err(Fault::WrongLength);
        }
        Ok(())
    }

    fn check_range(&self, span: &Span) -> Result<(), Fault> {
        let last = span.end.saturating_sub(1);
        let expected = format!("bytes {}-{last}/{}", span.start, span.size);
        let is_right = self.content_range == Some(expected.as_bytes());
        is_right.then_some(()).ok_or(Fault::WrongRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span {
        start: 10,
        end: 30,
        size: 40,
    };

    fn good() -> AnswerHead<'static> {
        AnswerHead {
            status: 206,
            content_length: Some(20),
            content_range: Some(b"bytes 10-29/40"),
            etag: Some(b"\"b3-x\""),
            content_encoding: None,
        }
    }

    fn whole() -> AnswerHead<'static> {
        AnswerHead {
            status: 200,
            content_length: Some(40),
            content_range: None,
            ..good()
        }
    }

    fn fault(change: impl FnOnce(&mut AnswerHead<'static>)) -> Result<(), Fault> {
        let mut head = good();
        change(&mut head);
        head.check(&SPAN, "\"b3-x\"")
    }

    #[test]
    fn only_the_very_bytes_that_follow_are_accepted() {
        assert_eq!(fault(|_| {}), Ok(()));
        for status in [500, 307, 204] {
            assert_eq!(
                fault(|head| head.status = status),
                Err(Fault::Status(status))
            );
        }
        let ranges = [
            "bytes 10-29/*",
            "bytes 11-30/40",
            "bytes 10-29/41",
            "bytes 9-29/40",
            "10-29/40",
        ];
        for range in ranges
            .map(str::as_bytes)
            .map(Some)
            .into_iter()
            .chain([None])
        {
            let found = fault(|head| head.content_range = range);
            assert_eq!(found, Err(Fault::WrongRange), "{range:?}");
        }
        for etag in [None, Some(&b"W/\"b3-x\""[..]), Some(b"\"b3-y\"")] {
            assert_eq!(
                fault(|head| head.etag = etag),
                Err(Fault::WrongTag),
                "{etag:?}"
            );
        }
        for length in [None, Some(19), Some(21)] {
            let found = fault(|head| head.content_length = length);
            assert_eq!(found, Err(Fault::WrongLength), "{length:?}");
        }
        let coded = fault(|head| head.content_encoding = Some(b"gzip"));
        assert_eq!(coded, Err(Fault::WrongCoding));
        let from_the_start = whole().check(&SPAN, "\"b3-x\"");
        assert_eq!(from_the_start, Err(Fault::WrongRange));
    }

    #[test]
    fn a_whole_answer_will_do_for_the_whole() {
        let all = Span {
            start: 0,
            end: 40,
            size: 40,
        };
        assert_eq!(whole().check(&all, "\"b3-x\""), Ok(()));
        let short = AnswerHead {
            content_length: Some(39),
            ..whole()
        };
        assert_eq!(short.check(&all, "\"b3-x\""), Err(Fault::WrongLength));
        let most = Span { end: 39, ..all };
        assert_eq!(whole().check(&most, "\"b3-x\""), Err(Fault::WrongRange));
    }

    #[test]
    fn a_member_is_not_blamed_for_having_moved_on() {
        for status in [404, 410, 412, 416] {
            assert_eq!(Fault::Status(status).evidence(), None);
        }
        assert_eq!(Fault::NoMeans.evidence(), None);
        for fault in [
            Fault::Status(500),
            Fault::Status(200),
            Fault::Short,
            Fault::Stalled,
        ] {
            assert_eq!(fault.evidence(), Some(Evidence::Failure), "{fault}");
        }
    }
}
