//! Why a request head is refused.
//!
//! The messages are sent to the client, so they must never quote what it sent.

use thiserror::Error;

use crate::status::Status;

/// The first thing found wrong with a request head; the message is one line, meant for the client.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ParseError {
    /// A line ends in LF without CR.
    #[error("a line ends in a bare line feed")]
    BareLineFeed,
    /// The method is CONNECT.
    #[error("this server is no proxy and opens no tunnels")]
    Connect,
    /// Two fields delimit the body differently.
    #[error("both Content-Length and Transfer-Encoding are present")]
    ConflictingFraming,
    /// The head does not end within [`super::Limits::head_bytes`].
    #[error("the request head is too long")]
    HeadTooLong,
    /// `Content-Length` is not one decimal number that fits 64 bits.
    #[error("Content-Length is not a decimal number")]
    InvalidContentLength,
    /// `Host`, or the authority of the target, is no host with an optional port.
    #[error("the host has invalid characters or is empty")]
    InvalidHost,
    /// `Transfer-Encoding` does not end in one `chunked`, or comes with HTTP/1.0.
    #[error("Transfer-Encoding does not delimit the body")]
    InvalidTransferEncoding,
    /// A field name has a byte that is no token character; so begins a folded line, too.
    #[error("malformed field name, space before a colon, or folded line")]
    MalformedFieldName,
    /// A field value has a control byte.
    #[error("control byte in a field value")]
    MalformedFieldValue,
    /// A CR is not followed by LF, or something follows the version.
    #[error("malformed end of line")]
    MalformedLineEnd,
    /// The first line is no `method SP target SP version`.
    #[error("malformed request line")]
    MalformedRequestLine,
    /// The target is in none of the forms that its method allows.
    #[error("malformed request target")]
    MalformedTarget,
    /// HTTP/1.1 without `Host`.
    #[error("the Host field is missing")]
    MissingHost,
    /// A field that may appear only once appears again.
    #[error("more than one {0} field")]
    RepeatedField(&'static str),
    /// The target is longer than [`super::Limits::target_bytes`].
    #[error("the request target is too long")]
    TargetTooLong,
    /// More empty lines before the request line than a careless client sends.
    #[error("too many empty lines before the request")]
    TooManyEmptyLines,
    /// More than [`super::MAX_HEADERS`] fields.
    #[error("too many fields")]
    TooManyFields,
    /// More than [`super::MAX_LINES`] lines of one list-valued field.
    #[error("too many {0} fields")]
    TooManyLines(&'static str),
    /// `Expect` asks for something other than `100-continue`.
    #[error("the only expectation known is 100-continue")]
    UnknownExpectation,
    /// The body is delimited by chunks, but coded in other ways as well.
    #[error("the only transfer coding known is chunked")]
    UnknownTransferCoding,
    /// A major version other than 1, such as HTTP/0.9 or HTTP/2.0.
    #[error("the only versions known in this form are HTTP/1.0 and HTTP/1.1")]
    UnsupportedVersion,
}

impl ParseError {
    /// The status to answer with, before the connection is closed.
    pub const fn status(&self) -> Status {
        match self {
            Self::BareLineFeed
            | Self::ConflictingFraming
            | Self::InvalidContentLength
            | Self::InvalidHost
            | Self::InvalidTransferEncoding
            | Self::MalformedFieldName
            | Self::MalformedFieldValue
            | Self::MalformedLineEnd
            | Self::MalformedRequestLine
            | Self::MalformedTarget
            | Self::MissingHost
            | Self::RepeatedField(_)
            | Self::TooManyEmptyLines => Status::BadRequest,
            Self::TargetTooLong => Status::UriTooLong,
            Self::UnknownExpectation => Status::ExpectationFailed,
            Self::HeadTooLong | Self::TooManyFields | Self::TooManyLines(_) => {
                Status::RequestHeaderFieldsTooLarge
            }
            Self::Connect | Self::UnknownTransferCoding => Status::NotImplemented,
            Self::UnsupportedVersion => Status::HttpVersionNotSupported,
        }
    }
}
