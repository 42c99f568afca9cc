//! Single questions to single nodes, for whoever looks into what is wrong.
//!
//! Each asks once and says exactly what came back. Nothing here may try again or go elsewhere, but
//! for [`through`], which is about just that.

use std::{
    ops::Range,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use overspill_net::client::{HttpClient, Reply};
use thiserror::Error;

use crate::{
    follow::{LostReason, follow, request},
    url::HttpUrl,
};

/// An answer to a plain question.
#[derive(Clone, Debug)]
pub struct Glance {
    /// Its status.
    pub status: StatusCode,
    /// The time at which the node says it answered, to the second.
    pub date: Option<SystemTime>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Some bytes of a file.
#[derive(Clone, Debug)]
pub struct SpanReply {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The member that sent them, if a redirect led to one.
    pub member: Option<String>,
    /// From the question to the last byte.
    pub took: Duration,
}

/// Why a question had no answer, or not the right one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// No answer.
    #[error(transparent)]
    Client(#[from] overspill_net::client::ClientError),
    /// A redirect that cannot be followed.
    #[error("a redirect of {0} leads nowhere")]
    Redirect(String),
    /// It answers, but with other bytes than it was asked for.
    #[error("it answers {found} where {expected} is right")]
    Wrong {
        /// What came.
        found: String,
        /// What should have come.
        expected: String,
    },
}

/// Asks `url` and follows nothing; at most `bytes_max` of the body are read.
///
/// # Errors
/// Without an answer, and if the body is longer.
pub async fn glance(
    client: &HttpClient,
    url: &HttpUrl,
    bytes_max: usize,
) -> Result<Glance, ProbeError> {
    let question = request(&Method::GET, url, &HeaderMap::new());
    let reply = client.send(question).await?;
    let date = reply.field(header::DATE.as_str());
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    Ok(Glance {
        status: reply.status(),
        date,
        body: reply.collect(bytes_max).await?,
    })
}

/// Asks the node of `url` itself for `span` of the content `root`, as one member asks another.
///
/// # Errors
/// If anything but exactly these bytes of that content comes.
pub async fn direct(
    client: &HttpClient,
    url: &HttpUrl,
    root: &str,
    span: Range<u64>,
) -> Result<SpanReply, ProbeError> {
    let begun = Instant::now();
    let question = request(&Method::GET, url, &fields(root, &span));
    let reply = client.send(question).await?;
    taken(reply, root, span, begun, None).await
}

/// Asks for `span` of the content `root` as a client does: wherever it is sent.
///
/// # Errors
/// If anything but exactly these bytes of that content comes, or a redirect leads nowhere.
pub async fn through(
    client: &HttpClient,
    url: &HttpUrl,
    root: &str,
    span: Range<u64>,
) -> Result<SpanReply, ProbeError> {
    let begun = Instant::now();
    let arrival = follow(client, &Method::GET, url.clone(), &fields(root, &span)).await;
    let arrival = arrival.map_err(|lost| match lost.reason {
        LostReason::Client(error) => ProbeError::Client(error),
        LostReason::Location(authority) => ProbeError::Redirect(authority),
        LostReason::TooMany => ProbeError::Redirect("too many".to_owned()),
        LostReason::Url(error) => ProbeError::Redirect(error.to_string()),
    })?;
    taken(arrival.reply, root, span, begun, arrival.member).await
}

fn fields(root: &str, span: &Range<u64>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let range = format!("bytes={}-{}", span.start, span.end.saturating_sub(1));
    for (name, value) in [(header::RANGE, range), (header::IF_MATCH, etag(root))] {
        // A root that is none cannot be asked for; the answer will say so.
        if let Ok(value) = HeaderValue::from_str(&value) {
            fields.insert(name, value);
        }
    }
    fields
}

async fn taken(
    reply: Reply,
    root: &str,
    span: Range<u64>,
    begun: Instant,
    member: Option<String>,
) -> Result<SpanReply, ProbeError> {
    let bytes = span.end.saturating_sub(span.start);
    let wrong = |found: String, expected: String| Err(ProbeError::Wrong { found, expected });
    if reply.status() != StatusCode::PARTIAL_CONTENT {
        return wrong(reply.status().to_string(), "206 Partial Content".to_owned());
    }
    let tag = reply.field(header::ETAG.as_str()).unwrap_or("no ETag");
    if tag != etag(root) {
        return wrong(tag.to_owned(), etag(root));
    }
    let body = reply.collect(usize::try_from(bytes).unwrap_or(usize::MAX));
    let body = body.await?;
    if body.len() as u64 != bytes {
        return wrong(format!("{} bytes", body.len()), format!("{bytes} bytes"));
    }
    Ok(SpanReply {
        bytes: body,
        member,
        took: begun.elapsed(),
    })
}

/// The strong entity tag of a content: the same on every node.
fn etag(root: &str) -> String {
    format!("\"b3-{root}\"")
}
