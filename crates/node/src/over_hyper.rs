//! The tree over a connection that hyper has: asked in the same words, answered by the same code.
//!
//! The request head is written out again as HTTP/1.1 and goes through the parser and the service of
//! the fast path; the head that comes back is read into a response whose fields are slices of it. So
//! there is one place where a request for a file is understood, whether it came by HTTP/2 or on a
//! connection that first asked for something under `/-/`. It must never differ.

use std::{io::Write, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use overspill_http1::{
    request::{Parsed, parse},
    response::error_body,
    status::Status,
};
use overspill_net::{Answer, Body, Client, Decision, HandedOver, Label, Now, Shard, Streamed};

use crate::{role::Role, service::NodeService};

/// Answers a request for a path of the tree.
pub(crate) async fn answer<R: Role, B>(
    service: &NodeService<R>,
    request: &Request<B>,
    client: &Client,
    now: &Now,
    shard: &Arc<Shard>,
) -> Response<HandedOver> {
    let mut out = Vec::with_capacity(USUAL_HEAD_BYTES);
    let head = head_bytes(request);
    match parse(&head, &service.head_limits()) {
        Ok(Parsed::Request { request, .. }) => {
            let answer = service.answer_soon(&request, client, now, &mut out).await;
            let about = About {
                path: request.path(),
                client: client.address.ip(),
                shard,
            };
            response(answer, Bytes::from(out), &about)
        }
        Ok(Parsed::Partial | Parsed::Http2Preface) => {
            refusal(Status::BadRequest, "this is no request")
        }
        Err(error) => refusal(error.status(), &error.to_string()),
    }
}

/// The request's head as HTTP/1.1 writes it, without what belongs to the connection.
fn head_bytes<B>(request: &Request<B>) -> Vec<u8> {
    let mut head = Vec::with_capacity(USUAL_HEAD_BYTES);
    // Writing to a Vec cannot fail.
    let _ = match request.uri().path() {
        // HTTP/2 names an authority beside it, to which it must not be joined.
        "*" => write!(head, "{} * HTTP/1.1\r\n", request.method()),
        // Whole, with scheme and authority if it has them: the parser refuses what is not for us.
        _ => write!(head, "{} {} HTTP/1.1\r\n", request.method(), request.uri()),
    };
    let authority = request.uri().authority();
    let authority = authority.map(|authority| authority.as_str().as_bytes());
    let host = request.headers().get(header::HOST);
    if let Some(host) = host.map(HeaderValue::as_bytes).or(authority) {
        push_line(&mut head, b"host", host);
    }
    for (name, value) in request.headers() {
        if !of_the_connection(name) {
            push_line(&mut head, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn push_line(head: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
}

fn of_the_connection(name: &HeaderName) -> bool {
    const NAMES: [HeaderName; 6] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::HOST,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    NAMES.contains(name)
}

/// Fields that say how this connection carries the response: hyper writes its own.
fn of_the_response_connection(name: &HeaderName) -> bool {
    [header::CONNECTION, header::TRANSFER_ENCODING].contains(name)
}

/// What a body is to be counted as.
struct About<'a> {
    path: &'a [u8],
    client: IpAddr,
    shard: &'a Arc<Shard>,
}

fn response(answer: Answer, out: Bytes, about: &About<'_>) -> Response<HandedOver> {
    let Answer::Reply(reply) = answer else {
        return refusal(Status::NotFound, "no such resource");
    };
    let (mut usual, mut many) = ([httparse::EMPTY_HEADER; USUAL_FIELDS], Vec::new());
    let mut head = httparse::Response::new(&mut usual);
    let mut parsed = head.parse(&out);
    if parsed == Err(httparse::Error::TooManyHeaders) {
        many.resize(MAX_FIELDS, httparse::EMPTY_HEADER);
        head = httparse::Response::new(&mut many);
        parsed = head.parse(&out);
    }
    let Ok(httparse::Status::Complete(body_at)) = parsed else {
        let detail = "the answer could not be formed";
        return refusal(Status::InternalServerError, detail);
    };
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
    let body = match reply.body {
        Body::Empty | Body::Notice(_) | Body::Written(_) => HandedOver::Whole(out.slice(body_at..)),
        body => {
            let label = Label::new(about.path, about.client, &reply.decision);
            HandedOver::Streamed(Box::new(Streamed::new(body, about.shard, label)))
        }
    };
    let mut response = Response::new(body);
    if reply.decision != Decision::Serve {
        response.extensions_mut().insert(reply.decision);
    }
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for field in head.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(out.slice_ref(field.value));
        if let (Ok(name), Ok(value)) = (name, value)
            && !of_the_response_connection(&name)
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn refusal(status: Status, detail: &str) -> Response<HandedOver> {
    let text = Bytes::from(error_body(status, detail));
    let mut response = Response::new(HandedOver::Whole(text));
    let code = StatusCode::from_u16(status.code());
    *response.status_mut() = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// Room for most heads.
const USUAL_HEAD_BYTES: usize = 1024;
/// Fields of most answers.
const USUAL_FIELDS: usize = 24;
/// Most fields of an answer: ours, and as many as rules may add.
const MAX_FIELDS: usize = 32 + 4 * crate::rules::Rules::MAX_VALUES;
