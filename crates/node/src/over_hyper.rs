//! The tree over a connection that hyper has: asked in the same words, answered by the same code.
//!
//! The request head is written out again as HTTP/1.1 and goes through the parser and the service of
//! the fast path; the head that comes back is read into a response. So there is one place where a
//! request for a file is understood, however it arrived. It is rare (a connection that first asked
//! for something under `/-/`), so it need not be fast; it must never differ.

use std::{io, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use overspill_http1::request::{Limits, Parsed, parse};
use overspill_net::{Answer, Body, Client, Clock, HandedOver, Shard, Streamed};

use crate::{role::Role, service::NodeService};

/// Answers a request for a path of the tree.
pub(crate) async fn answer<R: Role, B>(
    service: &NodeService<R>,
    request: &Request<B>,
    client: &Client,
    shard: &Arc<Shard>,
) -> Response<HandedOver> {
    let now = Clock::new().now();
    let mut out = Vec::new();
    let head = head_bytes(request);
    match parse(&head, &Limits::default()) {
        Ok(Parsed::Request { request, .. }) => {
            let answer = service.answer_tree(&request, client, &now, &mut out).await;
            response(answer, &out, shard)
        }
        Ok(Parsed::Partial | Parsed::Http2Preface) => {
            refusal(StatusCode::BAD_REQUEST, "bad request")
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status().code());
            refusal(
                status.unwrap_or(StatusCode::BAD_REQUEST),
                &error.to_string(),
            )
        }
    }
}

/// The request's head as HTTP/1.1 writes it, without what belongs to the connection.
fn head_bytes<B>(request: &Request<B>) -> Vec<u8> {
    // Whole, with scheme and authority if it has them: the parser refuses what is not for us.
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    let host = request
        .headers()
        .get(header::HOST)
        .map(HeaderValue::as_bytes)
        .or(authority);
    let of_the_file = request
        .headers()
        .iter()
        .filter(|(name, _)| !of_the_connection(name));
    let fields = of_the_file.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    for (name, value) in host
        .map(|host| (&b"host"[..], host))
        .into_iter()
        .chain(fields)
    {
        head.extend([name, b": ", value, b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
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

fn response(answer: Answer, out: &[u8], shard: &Arc<Shard>) -> Response<HandedOver> {
    let Answer::Reply(reply) = answer else {
        return refusal(StatusCode::NOT_FOUND, "no such resource");
    };
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(body_at)) = head.parse(out) else {
        return refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer could not be formed",
        );
    };
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
    let body: HandedOver = match reply.body {
        Body::Empty | Body::Written(_) => in_memory(Bytes::copy_from_slice(&out[body_at..])),
        body => Streamed::new(body, shard).boxed_unsync(),
    };
    let mut response = Response::new(body);
    response.extensions_mut().insert(reply.decision);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for field in head.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(field.value))
            && !of_the_response_connection(&name)
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn refusal(status: StatusCode, detail: &str) -> Response<HandedOver> {
    let mut response = Response::new(in_memory(Bytes::from(format!("{detail}\n"))));
    *response.status_mut() = status;
    response
}

fn in_memory(bytes: Bytes) -> HandedOver {
    Full::new(bytes)
        .map_err(|never: std::convert::Infallible| -> io::Error { match never {} })
        .boxed_unsync()
}
