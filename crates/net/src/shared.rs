//! A TCP stream that is also held by the sweeper.
//!
//! Whoever reads or writes owns the connection; the sweeper only looks, and shuts it down when it
//! has been silent for too long. Every byte that passes is noted, so connections that TLS or hyper
//! have are swept like ours.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::sweeper::Activity;

/// One half-owner of a TCP stream.
#[derive(Clone, Debug)]
pub(crate) struct SharedStream(pub(crate) Rc<Activity>);

impl SharedStream {
    /// Waits until there may be something to read.
    ///
    /// By the one waker that the socket keeps for its reader: the future of `TcpStream::readable`
    /// would bring a place in a list of wakers, for each idle connection.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.0.stream.poll_read_ready(cx)).await
    }

    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        ready: impl Fn(&TcpStream, &mut Context<'_>) -> Poll<io::Result<()>>,
        mut io: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(ready(&self.0.stream, cx))?;
            match io(&self.0.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(bytes) => {
                    self.0.moved(bytes as u64);
                    return Poll::Ready(Ok(bytes));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.poll_io(cx, TcpStream::poll_read_ready, |stream| {
            stream.try_read(buffer.initialize_unfilled())
        });
        read.map_ok(|bytes| buffer.advance(bytes))
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, TcpStream::poll_write_ready, |stream| {
            stream.try_write(bytes)
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = rustix::net::shutdown(&self.0.stream, rustix::net::Shutdown::Write);
        Poll::Ready(result.map_err(Into::into))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, TcpStream::poll_write_ready, |stream| {
            stream.try_write_vectored(parts)
        })
    }
}
