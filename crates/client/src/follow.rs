//! Sends a request and follows its redirects.
//!
//! It remembers which member of the fleet the last redirect named, because only a failure behind
//! one can be held against somebody. It must never follow from https to http.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::Full;
use overspill_net::client::{ClientError, HttpClient, Reply};
use overspill_wire::paths::MEMBER_FIELD;

use crate::url::{HttpUrl, UrlError};

/// An answer that is no redirect.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Head and body.
    pub(crate) reply: Reply,
    /// The member we were sent to; `None` when the origin itself answers, or a stranger.
    pub(crate) member: Option<String>,
}

/// A way that led nowhere.
#[derive(Debug)]
pub(crate) struct Lost {
    /// Why.
    pub(crate) reason: LostReason,
    /// The member we were sent to before it failed.
    pub(crate) member: Option<String>,
}

/// Why a way led nowhere.
#[derive(Debug)]
pub(crate) enum LostReason {
    /// The exchange failed.
    Client(ClientError),
    /// A redirect that cannot be followed, from this authority.
    Location(String),
    /// More than [`REDIRECTS_MAX`].
    TooMany,
    /// A URL that must not be asked: the way there leaves https.
    Url(UrlError),
}

/// Where a walk along redirects is.
#[derive(Debug)]
struct Place {
    url: HttpUrl,
    member: Option<String>,
}

/// Asks `url` and follows at most [`REDIRECTS_MAX`] redirects, sending the same fields each time.
pub(crate) async fn follow(
    client: &HttpClient,
    method: &Method,
    url: HttpUrl,
    fields: &HeaderMap,
) -> Result<Arrival, Lost> {
    let mut place = Place { url, member: None };
    for _ in 0..=REDIRECTS_MAX {
        let request = request(method, &place.url, fields);
        let reply = match client.send(request).await {
            Ok(reply) => reply,
            Err(error) => return Err(place.lost(LostReason::Client(error))),
        };
        if !is_redirect(reply.status()) {
            let member = place.member;
            return Ok(Arrival { reply, member });
        }
        place = place.step(&reply)?;
    }
    Err(place.lost(LostReason::TooMany))
}

impl Place {
    fn step(self, reply: &Reply) -> Result<Self, Lost> {
        let Some(location) = reply.field(header::LOCATION.as_str()) else {
            return Err(self.lost(LostReason::Location(reply.authority().to_owned())));
        };
        match self.url.redirected(location) {
            Ok(url) => {
                let member = reply.field(MEMBER_FIELD).map(str::to_owned);
                Ok(Self { url, member })
            }
            Err(error @ UrlError::Downgrade(_)) => Err(self.lost(LostReason::Url(error))),
            Err(_) => Err(self.lost(LostReason::Location(reply.authority().to_owned()))),
        }
    }

    fn lost(self, reason: LostReason) -> Lost {
        let member = self.member;
        Lost { reason, member }
    }
}

pub(crate) fn request(method: &Method, url: &HttpUrl, fields: &HeaderMap) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = method.clone();
    *request.uri_mut() = url.uri().clone();
    *request.headers_mut() = fields.clone();
    let headers = request.headers_mut();
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers.insert(header::ACCEPT_ENCODING, IDENTITY);
    request
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Most redirects on one way.
pub(crate) const REDIRECTS_MAX: usize = 10;

const USER_AGENT: header::HeaderValue =
    header::HeaderValue::from_static(concat!("overspill/", env!("CARGO_PKG_VERSION")));
/// The bytes themselves: a root is of the content, not of some encoding of it.
const IDENTITY: header::HeaderValue = header::HeaderValue::from_static("identity");
