//! Giving a connection to hyper: HTTP/2, and everything that is not a plain request for a file.
//!
//! The bytes already read go first, so hyper sees the connection from its beginning. The API, event
//! streams and uploads live there; hyper is right about more of HTTP than we need to be. A
//! handed-over connection never comes back, but the sweeper keeps its eye on it.

mod in_flight;
mod measure;
mod rewound;

use std::{
    convert::Infallible,
    io, mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::spawn_local,
};

use self::{
    in_flight::{InFlight, Watched},
    rewound::Rewound,
};
use crate::{
    admission::{ConnectionPermit, RetryAfter},
    listener::Core,
    service::{Client, Decision, Service},
    streamed::Streamed,
    sweeper::Registered,
};

/// The body of a routed response.
#[derive(Debug)]
pub enum HandedOver {
    /// From the router.
    Routed(UnsyncBoxBody<Bytes, io::Error>),
    /// From a file, or made while it is sent. Boxed: hyper moves bodies about.
    Streamed(Box<Streamed>),
    /// All of it, in memory.
    Whole(Bytes),
}

impl Body for HandedOver {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Routed(body) => Pin::new(body).poll_frame(cx),
            Self::Streamed(body) => Pin::new(&mut **body).poll_frame(cx),
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Routed(body) => body.is_end_stream(),
            Self::Streamed(body) => body.is_end_stream(),
            Self::Whole(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Routed(body) => body.size_hint(),
            Self::Streamed(body) => body.size_hint(),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

/// Requests of one HTTP/2 connection that may be under way at the same time; RFC 9113 section 6.5.2
/// asks for no fewer than 100.
const MAX_STREAMS: u32 = 128;
/// Bytes of one HTTP/2 response that wait in memory for the client's window.
const MAX_WAITING_BYTES: usize = 512 << 10;
/// With what a connection begins if it speaks HTTP/2 (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// What a handed-over connection speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// What the first bytes of a connection say.
    pub(crate) fn of(first_bytes: &[u8]) -> Self {
        if first_bytes.starts_with(HTTP2_PREFACE) {
            Self::Http2
        } else {
            Self::Http1
        }
    }
}

/// A connection that hyper is to have.
pub(crate) struct Connection<T> {
    pub(crate) stream: T,
    pub(crate) protocol: Protocol,
    /// What was read of it already.
    pub(crate) first_bytes: Vec<u8>,
    pub(crate) client: Client,
    pub(crate) registered: Registered,
    pub(crate) permit: Option<Rc<ConnectionPermit>>,
    /// Requests in `first_bytes` that the permit was asked for already.
    pub(crate) permitted: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Connection<T> {
    /// Serves it until its end.
    pub(crate) async fn serve<S: Service>(self, core: Rc<Core<S>>) {
        let io = TokioIo::new(Rewound::new(self.first_bytes, self.stream));
        let (client, head_limits, idle) = (self.client, core.head, core.limits().idle);
        let in_flight = InFlight::new(
            Rc::clone(&self.registered.activity),
            self.permit,
            self.permitted,
        );
        let service = service_fn(move |request| {
            answer(request, client, Rc::clone(&core), Rc::clone(&in_flight))
        });
        let served = match self.protocol {
            Protocol::Http1 => {
                // Event streams last as long as the process; nobody waits for them at its end.
                self.registered.activity.excuse();
                conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(idle)
                    .serve_connection(io, service)
                    .await
            }
            Protocol::Http2 => {
                let head_bytes = u32::try_from(head_limits.head_bytes).unwrap_or(u32::MAX);
                conn::http2::Builder::new(OnThisCore)
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(MAX_STREAMS)
                    .max_header_list_size(head_bytes)
                    .max_send_buf_size(MAX_WAITING_BYTES)
                    .serve_connection(io, service)
                    .await
            }
        };
        if let Err(error) = served {
            tracing::debug!(client = %client.address, %error, "handed-over connection ended");
        }
    }
}

async fn answer<S: Service>(
    request: http::Request<Incoming>,
    client: Client,
    core: Rc<Core<S>>,
    in_flight: Rc<InFlight>,
) -> Result<http::Response<Watched<S>>, Infallible> {
    let mut watch = in_flight.begin(&request, client, Rc::clone(&core));
    let response = match in_flight.permit_request() {
        Ok(()) => core.service.route(request, client).await,
        Err(retry_after) => too_many_requests(retry_after),
    };
    watch.answering(&response);
    Ok(response.map(|body| Watched::new(body, watch)))
}

fn too_many_requests(retry_after: RetryAfter) -> http::Response<HandedOver> {
    let text = Bytes::from(format!("429 Too Many Requests\n{retry_after}\n"));
    let mut response = http::Response::new(HandedOver::Whole(text));
    *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
    let seconds = http::HeaderValue::from(retry_after.seconds());
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    let fields = response.headers_mut();
    fields.insert(http::header::RETRY_AFTER, seconds);
    fields.insert(http::header::CONTENT_TYPE, plain);
    response.extensions_mut().insert(Decision::Reject);
    response
}

/// Runs hyper's tasks on the core that has the connection.
#[derive(Clone, Copy, Debug)]
struct OnThisCore;

impl<F> hyper::rt::Executor<F> for OnThisCore
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}
