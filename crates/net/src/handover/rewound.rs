//! A stream with some bytes put back in front of it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// A stream that begins with bytes that were read from it before.
pub(super) struct Rewound<T> {
    first_bytes: Bytes,
    stream: T,
    ending: Option<Pin<Box<Sleep>>>,
}

/// How long the end of what a client sends is kept from hyper, which would drop a request in flight
/// for it: a client that has said all may still be waiting for its answer. Short, because on an event
/// stream the end means that a member has died.
const END_HELD_BACK: Duration = Duration::from_millis(50);

impl<T> Rewound<T> {
    pub(super) fn new(first_bytes: Vec<u8>, stream: T) -> Self {
        Self {
            first_bytes: Bytes::from(first_bytes),
            stream,
            ending: None,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
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

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
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
