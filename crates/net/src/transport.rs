//! How bytes get to a client: straight through the kernel, or through TLS.
//!
//! The connection loop is written once over [`Transport`] and compiled for each, so the plain path
//! pays nothing for the other. It must never decide what is sent; it only sends.

mod direct;
mod secure;

use std::{future::Future, io, os::fd::BorrowedFd};

use overspill_http1::range::ByteRange;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::service::FileBody;

pub(crate) use self::{direct::Direct, secure::Secure};

/// Whether more of the same response follows at once, so that it may share a segment or a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum More {
    /// More follows; these bytes may wait for it.
    Follows,
    /// Nothing more: everything goes out now.
    Nothing,
}

/// A connection to a client.
pub(crate) trait Transport {
    /// Whether file pages are given to the kernel by reference, so that they should be in memory
    /// before they are sent. Otherwise they are read into memory first, off the serving thread if
    /// need be.
    const BY_REFERENCE: bool;

    /// What hyper gets.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    /// Waits until there may be something to read, holding no buffer meanwhile.
    fn readable(&mut self) -> impl Future<Output = io::Result<()>>;

    /// Reads once, when there is something, into the spare room of `input`; 0 at the end.
    fn read(&mut self, input: &mut Vec<u8>) -> impl Future<Output = io::Result<usize>>;

    /// Sends some of `bytes`, and says how many.
    fn send(&mut self, bytes: &[u8], more: More) -> impl Future<Output = io::Result<usize>>;

    /// Sends some of `head` and `body`, together where possible; says how many bytes of both.
    fn send_both(&mut self, head: &[u8], body: &[u8]) -> impl Future<Output = io::Result<usize>>;

    /// Sends some of `range`, and says how many bytes; 0 if the file ends before it.
    fn send_file(
        &mut self,
        file: &FileBody,
        range: ByteRange,
    ) -> impl Future<Output = io::Result<usize>>;

    /// Sends some of the first `bytes` in a pipe, which is not empty, and says how many. What it took
    /// from the pipe is what it sent.
    fn send_pipe(
        &mut self,
        pipe: BorrowedFd<'_>,
        bytes: u64,
        more: More,
    ) -> impl Future<Output = io::Result<usize>>;

    /// Ends our side: no more will be sent.
    fn end(&mut self) -> impl Future<Output = ()>;

    /// The connection itself; nothing may be waiting to be sent.
    fn into_stream(self) -> Self::Stream;
}
