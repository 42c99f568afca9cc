//! The forms of a request target (RFC 9112 section 3.2).
//!
//! It must never decode or normalise: percent-encoding and dot segments are for those who know the
//! tree of files.

use super::{ParseError, host};

/// A request target with the proxy form reduced to what an origin needs.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Target<'b> {
    /// As in [`super::Request::target`].
    pub(super) path_and_query: &'b [u8],
    /// Present for the absolute-form; it replaces `Host`.
    pub(super) authority: Option<&'b [u8]>,
}

impl<'b> Target<'b> {
    /// Reads the target of a request with this method.
    ///
    /// CONNECT has a form of its own and nothing to do with files: it is refused as a method.
    pub(super) fn parse(method: &str, target: &'b str) -> Result<Self, ParseError> {
        let target = target.as_bytes();
        if method == "CONNECT" {
            return Err(ParseError::Connect);
        }
        // A client keeps the fragment to itself; with one, two readers may see two paths.
        if target.contains(&b'#') {
            return Err(ParseError::MalformedTarget);
        }
        match target {
            [b'/', ..] => Ok(Self {
                path_and_query: target,
                authority: None,
            }),
            b"*" if method == "OPTIONS" => Ok(Self {
                path_and_query: target,
                authority: None,
            }),
            _ => Self::absolute(target),
        }
    }

    /// Reads `http://authority[/path][?query]`, which every server must accept.
    fn absolute(target: &'b [u8]) -> Result<Self, ParseError> {
        let rest = without_scheme(target).ok_or(ParseError::MalformedTarget)?;
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?'))
            .unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(end);
        Ok(Self {
            path_and_query: if path_and_query.is_empty() {
                b"/"
            } else {
                path_and_query
            },
            authority: Some(host::check(authority)?),
        })
    }
}

/// What follows `http://` or `https://`; schemes are case-insensitive.
fn without_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"]
        .into_iter()
        .find_map(|scheme| {
            let (start, rest) = target.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        })
}
