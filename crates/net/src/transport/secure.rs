//! Bytes through TLS: files are read into a buffer, behind what waits to be sent, and encrypted in
//! full records.
//!
//! It works over any stream, so a connection can be tested without a socket. What follows a head is
//! put behind it in one buffer: head and small body share a record, a segment and a system call.

use std::{io, os::fd::BorrowedFd, rc::Rc};

use overspill_http1::range::ByteRange;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::server::TlsStream;

use super::{More, Transport};
use crate::{disk, pool::BufferPool, service::FileBody, shared::SharedStream};

/// A connection whose bytes pass through our memory.
#[derive(Debug)]
pub(crate) struct Secure<T> {
    stream: T,
    /// What waits for more of its response.
    waiting: Vec<u8>,
    buffers: Rc<BufferPool>,
}

/// A stream that can be waited for without a buffer.
pub(crate) trait Readiness {
    /// Waits until there may be something to read.
    fn readable(&mut self) -> impl Future<Output = io::Result<()>>;
}

impl<T> Secure<T> {
    /// Over `stream`, with buffers from `buffers`.
    pub(crate) fn new(stream: T, buffers: Rc<BufferPool>) -> Self {
        Self {
            stream,
            waiting: Vec::new(),
            buffers,
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Readiness + Unpin> Secure<T> {
    /// A buffer to put more behind what waits.
    fn take_waiting(&mut self) -> Vec<u8> {
        if self.waiting.capacity() == 0 {
            self.buffers.take()
        } else {
            std::mem::take(&mut self.waiting)
        }
    }

    async fn send_now(&mut self, buffer: Vec<u8>) -> io::Result<()> {
        let sent = async {
            self.stream.write_all(&buffer).await?;
            self.stream.flush().await
        };
        let sent = sent.await;
        self.buffers.give(buffer);
        sent
    }
}

impl<T: AsyncRead + AsyncWrite + Readiness + Unpin + 'static> Transport for Secure<T> {
    const BY_REFERENCE: bool = false;
    type Stream = T;

    async fn readable(&mut self) -> io::Result<()> {
        self.stream.readable().await
    }

    async fn read(&mut self, input: &mut Vec<u8>) -> io::Result<usize> {
        let room = input.capacity() - input.len();
        (&mut self.stream).take(room as u64).read_buf(input).await
    }

    async fn send(&mut self, bytes: &[u8], more: More) -> io::Result<usize> {
        let mut buffer = self.take_waiting();
        // A part larger than the buffer is sent in pieces that fit.
        let room = self.buffers.capacity_bytes().saturating_sub(buffer.len());
        let taken = bytes.len().min(room.max(1));
        buffer.extend_from_slice(&bytes[..taken]);
        if more == More::Follows && taken == bytes.len() {
            self.waiting = buffer;
        } else {
            self.send_now(buffer).await?;
        }
        Ok(taken)
    }

    async fn send_both(&mut self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        let mut buffer = self.take_waiting();
        buffer.extend_from_slice(head);
        buffer.extend_from_slice(body);
        self.send_now(buffer).await?;
        Ok(head.len() + body.len())
    }

    async fn send_file(&mut self, file: &FileBody, range: ByteRange) -> io::Result<usize> {
        let buffer = self.take_waiting();
        let before = buffer.len();
        let room = self.buffers.capacity_bytes().saturating_sub(before).max(1);
        let wanted = range.len().min(room as u64) as usize;
        let buffer = disk::append(file, range.start, wanted, buffer).await?;
        let bytes = buffer.len() - before;
        self.send_now(buffer).await?;
        Ok(bytes)
    }

    async fn send_pipe(
        &mut self,
        pipe: BorrowedFd<'_>,
        bytes: u64,
        _more: More,
    ) -> io::Result<usize> {
        let mut buffer = self.take_waiting();
        let before = buffer.len();
        let room = self.buffers.capacity_bytes().saturating_sub(before).max(1);
        buffer.resize(before + bytes.min(room as u64) as usize, 0);
        let read = rustix::io::read(pipe, &mut buffer[before..])?;
        buffer.truncate(before + read);
        self.send_now(buffer).await?;
        Ok(read)
    }

    async fn end(&mut self) {
        // Fails only if the client has gone already.
        let _ = self.stream.shutdown().await;
    }

    fn into_stream(self) -> T {
        self.stream
    }
}

impl Readiness for TlsStream<SharedStream> {
    async fn readable(&mut self) -> io::Result<()> {
        // What rustls has decrypted already raises no event on the socket.
        let (stream, session) = self.get_mut();
        match session.process_new_packets() {
            Ok(state) if state.plaintext_bytes_to_read() > 0 => Ok(()),
            Ok(state) if state.peer_has_closed() => Ok(()), // lexicon-ok: rustls' own name
            Ok(_) => stream.readable().await,
            Err(error) => Err(io::Error::other(error)),
        }
    }
}
