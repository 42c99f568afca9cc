//! Giving a connection to hyper: everything that is not a plain request for a file.
//!
//! The bytes already read go first, so hyper sees the connection from its beginning. The API, event
//! streams and uploads live there; they are rare, and hyper is right about more of HTTP than we need
//! to be. A handed-over connection never comes back.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

use overspill_http1::range::ByteRange;

use crate::{
    flows::Flow,
    listener::Core,
    service::{FileBody, Service},
};

/// The future of a routed response.
pub type RouterFuture = Pin<Box<dyn Future<Output = http::Response<HandedOver>>>>;

/// The body of a routed response.
pub type HandedOver = UnsyncBoxBody<Bytes, io::Error>;

/// The client's address, as an extension of a routed request.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub SocketAddr);

/// Serves a connection with hyper, `first_bytes` before what the socket still holds.
pub(crate) async fn serve<S: Service>(
    stream: TcpStream,
    first_bytes: Vec<u8>,
    client: SocketAddr,
    core: Rc<Core<S>>,
) {
    let io = TokioIo::new(Rewound {
        first_bytes: Bytes::from(first_bytes),
        stream,
        ending: None,
    });
    let limits = core.limits;
    let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ClientAddress(client));
        let response = core.service.route(request);
        async { Ok::<_, Infallible>(response.await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .serve_connection(io, service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%client, %error, "handed-over connection ended");
    }
}

/// A stream with some bytes put back in front of it.
struct Rewound {
    first_bytes: Bytes,
    stream: TcpStream,
    ending: Option<Pin<Box<Sleep>>>,
}

/// How long the end of what a client sends is kept from hyper, which would drop a request in flight
/// for it: a client that has said all may still be waiting for its answer. Short, because on an event
/// stream the end means that a member has died.
const END_HELD_BACK: Duration = Duration::from_millis(50);

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first_bytes.is_empty() {
            let filled = buffer.filled().len();
            if self.ending.is_none() {
                ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
                if buffer.filled().len() > filled || buffer.remaining() == 0 {
                    return Poll::Ready(Ok(()));
                }
            }
            let ending = self
                .ending
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(END_HELD_BACK)));
            return ending.as_mut().poll(cx).map(Ok);
        }
        let count = self.first_bytes.len().min(buffer.remaining());
        buffer.put_slice(&self.first_bytes.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }
}

/// A range of a file as a hyper body, read part by part.
///
/// Looks at a live file again before its last part, like the sendfile path.
#[derive(Debug)]
pub struct StreamedFile {
    file: FileBody,
    range: ByteRange,
    flow: Option<Flow>,
    resting: Option<Pin<Box<Sleep>>>,
}

/// Bytes read at a time for a hyper body.
const PART_BYTES: u64 = 64 << 10;

impl StreamedFile {
    /// A body of `range` that counts as `flow`.
    pub fn new(file: FileBody, range: ByteRange, flow: Flow) -> Self {
        Self {
            file,
            range,
            flow: Some(flow),
            resting: None,
        }
    }

    fn next_part(&mut self) -> io::Result<Option<Bytes>> {
        use std::os::unix::fs::FileExt;

        let wanted = (self.range.end - self.range.start).min(PART_BYTES);
        if wanted == 0 {
            return Ok(None);
        }
        let mut part = vec![0; wanted as usize];
        self.file
            .file()
            .read_exact_at(&mut part, self.range.start)?;
        self.range.start += wanted;
        if self.range.start == self.range.end && !self.file.is_unchanged() {
            return Err(io::Error::other("the file changed while it was being sent"));
        }
        if let Some(flow) = &self.flow {
            flow.sent(wanted);
        }
        if self.range.start == self.range.end
            && let Some(flow) = self.flow.take()
        {
            flow.finish();
        }
        Ok(Some(Bytes::from(part)))
    }
}

impl http_body::Body for StreamedFile {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        // A file of a moment ago: by the time of its last part its own times must be able to tell
        // whether it has changed since, so it rests first.
        let rest = self.file.must_rest_for();
        if !rest.is_zero() && self.resting.is_none() {
            self.resting = Some(Box::pin(tokio::time::sleep(rest)));
        }
        if let Some(resting) = &mut self.resting {
            ready!(resting.as_mut().poll(cx));
            self.resting = None;
        }
        Poll::Ready(
            self.next_part()
                .map(|part| part.map(Frame::data))
                .transpose(),
        )
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.range.end - self.range.start)
    }
}
