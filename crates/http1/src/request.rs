//! One request head, read strictly (RFC 9112 sections 2 to 6).
//!
//! Two programs that read one stream of bytes differently can be played against each other, so
//! whatever is malformed or could be understood in two ways is refused, and the connection with it.
//! The reading must never depend on how the stream was cut into reads, never hold more than
//! [`Limits`] allow, and never allocate: a [`Request`] borrows from the caller's buffer.

mod error;
mod fields;
mod head;
mod host;
mod target;

use self::fields::Picked;
use self::head::{Head, Scan, Storage};
use self::target::Target;

pub use self::error::ParseError;
pub use self::fields::{Fields, Lines, MAX_LINES, Upgrade};

/// The most fields a head may have; browsers send about twenty.
pub const MAX_HEADERS: usize = 64;

/// How long a request head may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of the whole head, with any empty lines before it; a longer one is answered 431.
    pub head_bytes: usize,
    /// Bytes of the target as the client sends it; a longer one is answered 414.
    pub target_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 16 * 1024,
            target_bytes: 8 * 1024,
        }
    }
}

/// The method of a request, as far as files are concerned; methods are case-sensitive.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Method {
    /// Send the representation.
    Get,
    /// Send the head that GET would give.
    Head,
    /// Tell what is possible.
    Options,
    /// Any other but CONNECT, which is refused.
    Other,
}

/// The version of HTTP that the client speaks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1, and what a later minor version can be understood as.
    Http11,
}

/// Whether the connection may carry another request after this one (RFC 9112 section 9.3).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeepAlive {
    /// It closes after the response.
    No,
    /// It stays open.
    Yes,
}

/// How the body of a request is delimited (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum BodyLength {
    /// Nothing follows the head; also for `Content-Length: 0`.
    None,
    /// This many bytes follow; never 0.
    Known(u64),
    /// Chunks follow (RFC 9112 section 7.1).
    Chunked,
}

/// What the client waits for before it sends its body (RFC 9110 section 10.1.1).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Expectation {
    /// Nothing.
    #[default]
    None,
    /// A `100 Continue`, or a final response instead.
    Continue,
}

/// A request head that was complete and sound, borrowed from the buffer it was read from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request<'b> {
    /// The method.
    pub method: Method,
    /// The version in the request line.
    pub version: Version,
    /// Path and query, still percent-encoded; valid UTF-8, without `#`.
    ///
    /// It begins with `/`, with two exceptions: `*` for OPTIONS of the server as a whole, and a
    /// bare `?query` left of an absolute-form whose path is empty. [`Self::path`] hides the second.
    pub target: &'b [u8],
    /// Authority the client believes to talk to, with the port if it was given.
    ///
    /// From an absolute-form target if there is one, else from `Host` (RFC 9112 section 3.2.2).
    /// Its characters are checked; empty only for HTTP/1.0 without `Host`.
    pub host: &'b [u8],
    /// Whether the client will go on using the connection.
    pub keep_alive: KeepAlive,
    /// The body that follows the head.
    pub body: BodyLength,
    /// What the client waits for before it sends its body; `None` for HTTP/1.0.
    pub expect_continue: Expectation,
    /// The fields that decide about files.
    pub fields: Fields<'b>,
}

impl<'b> Request<'b> {
    /// The path, percent-encoded as received; begins with `/`, but for `*`.
    pub fn path(&self) -> &'b [u8] {
        match self.target.iter().position(|&byte| byte == b'?') {
            Some(0) => b"/",
            Some(mark) => &self.target[..mark],
            None => self.target,
        }
    }

    /// What follows the first `?`, or `None` if there is none.
    pub fn query(&self) -> Option<&'b [u8]> {
        let mark = self.target.iter().position(|&byte| byte == b'?')?;
        Some(&self.target[mark + 1..])
    }
}

/// What the bytes received so far amount to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "boxing would allocate for each request"
)]
pub enum Parsed<'b> {
    /// Nothing is wrong yet, but the head goes on: read more.
    Partial,
    /// A whole head; its body, if any, and the next request begin at `head_bytes`.
    Request {
        /// The head.
        request: Request<'b>,
        /// Its length in the buffer, with any empty lines before it.
        head_bytes: usize,
    },
    /// The client speaks HTTP/2 (RFC 9113 section 3.4). Only the first bytes of a connection count.
    Http2Preface,
}

/// Reads the request head at the start of `buffer`.
///
/// Call it with all bytes received since the end of the last request. The answer depends on those
/// bytes alone: if some prefix of a stream is refused, each longer one is refused for the same
/// reason, and bytes after the head change nothing. A buffer of `limits.head_bytes` bytes is never
/// [`Parsed::Partial`], so the caller need not read more than that.
///
/// # Errors
/// The request must be answered with [`ParseError::status`] and the connection closed, since the
/// place where the next request begins is not known.
pub fn parse<'b>(buffer: &'b [u8], limits: &Limits) -> Result<Parsed<'b>, ParseError> {
    let mut storage = Storage::new();
    match head::scan(buffer, limits, &mut storage)? {
        Scan::Partial => Ok(Parsed::Partial),
        Scan::Http2Preface => Ok(Parsed::Http2Preface),
        Scan::Complete(head) => Ok(Parsed::Request {
            request: interpret(&head)?,
            head_bytes: head.bytes,
        }),
    }
}

/// Gives a well-formed head its meaning, or refuses it.
fn interpret<'b>(head: &Head<'_, 'b>) -> Result<Request<'b>, ParseError> {
    let picked = Picked::pick(head.fields)?;
    let target = Target::parse(head.method, head.target)?;
    let host = picked.host(head.version)?;
    Ok(Request {
        method: Method::from_token(head.method.as_bytes()),
        version: head.version,
        target: target.path_and_query,
        host: target.authority.unwrap_or(host),
        keep_alive: picked.keep_alive(head.version),
        body: picked.body(head.version)?,
        expect_continue: picked.expectation(head.version),
        fields: picked.fields(head.version),
    })
}

impl Method {
    /// The method of this name.
    pub fn from_token(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests;
