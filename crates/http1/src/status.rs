//! The status codes this server sends.
//!
//! A closed set: what is not here is not sent by the file path. It must never grow a code that no
//! caller can produce, since each variant is a promise to clients.

/// A response status: the code and its reason phrase (RFC 9110 section 15).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u16)]
pub enum Status {
    /// 200: the whole representation follows.
    Ok = 200,
    /// 206: one range of the representation follows.
    PartialContent = 206,
    /// 304: the copy that the client holds is current.
    NotModified = 304,
    /// 307: another node serves this request; the method stays.
    TemporaryRedirect = 307,
    /// 400: the request is malformed.
    BadRequest = 400,
    /// 403: the target exists but is not to be served.
    Forbidden = 403,
    /// 404: there is nothing at this target.
    NotFound = 404,
    /// 405: the target exists but not for this method.
    MethodNotAllowed = 405,
    /// 408: the head did not arrive in time.
    RequestTimeout = 408,
    /// 412: a precondition of the client does not hold.
    PreconditionFailed = 412,
    /// 414: the request target is longer than the server reads.
    UriTooLong = 414,
    /// 416: no part of the range lies within the representation.
    RangeNotSatisfiable = 416,
    /// 417: the client expects something other than `100-continue`.
    ExpectationFailed = 417,
    /// 429: this client asks too much.
    TooManyRequests = 429,
    /// 431: the head is longer, or has more fields, than the server reads.
    RequestHeaderFieldsTooLarge = 431,
    /// 500: the server failed.
    InternalServerError = 500,
    /// 501: the server does not know how to do this for any target.
    NotImplemented = 501,
    /// 503: the fleet has no room now.
    ServiceUnavailable = 503,
    /// 505: the request is not HTTP/1.0 or HTTP/1.1.
    HttpVersionNotSupported = 505,
}

impl Status {
    /// The three-digit code.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// Whether the request was understood and is carried out: 2xx (RFC 9110 section 15.3).
    pub const fn is_success(self) -> bool {
        self.code() / 100 == 2
    }

    /// The reason phrase of RFC 9110, ASCII without line breaks.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::PartialContent => "Partial Content",
            Self::NotModified => "Not Modified",
            Self::TemporaryRedirect => "Temporary Redirect",
            Self::BadRequest => "Bad Request",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::RequestTimeout => "Request Timeout",
            Self::PreconditionFailed => "Precondition Failed",
            Self::UriTooLong => "URI Too Long",
            Self::RangeNotSatisfiable => "Range Not Satisfiable",
            Self::ExpectationFailed => "Expectation Failed",
            Self::TooManyRequests => "Too Many Requests",
            Self::RequestHeaderFieldsTooLarge => "Request Header Fields Too Large",
            Self::InternalServerError => "Internal Server Error",
            Self::NotImplemented => "Not Implemented",
            Self::ServiceUnavailable => "Service Unavailable",
            Self::HttpVersionNotSupported => "HTTP Version Not Supported",
        }
    }
}
