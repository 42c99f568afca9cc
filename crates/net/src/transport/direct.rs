//! Plain TCP: one system call for each send, pages by reference.

use std::{
    io::{self, IoSlice},
    os::fd::BorrowedFd,
};

use overspill_http1::range::ByteRange;
use rustix::{
    net::{SendAncillaryBuffer, SendFlags, Shutdown},
    pipe::{SpliceFlags, splice},
};
use tokio::{io::Interest, net::TcpStream};

use super::{More, Transport};
use crate::{service::FileBody, shared::SharedStream};

/// A plain TCP connection.
#[derive(Debug)]
pub(crate) struct Direct(pub(crate) SharedStream);

/// Most bytes handed to the kernel in one call.
const CALL_BYTES: u64 = 2 << 20;

impl Direct {
    fn stream(&self) -> &TcpStream {
        &self.0.0.stream
    }
}

impl Transport for Direct {
    const BY_REFERENCE: bool = true;
    type Stream = SharedStream;

    async fn readable(&mut self) -> io::Result<()> {
        self.0.readable().await
    }

    async fn read(&mut self, input: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            let room = input.capacity() - input.len();
            match self.stream().try_read_buf(input) {
                Ok(bytes) => {
                    if bytes < room {
                        // A short read has emptied the socket. Saying so now saves the system call
                        // that would only find it out; the next bytes raise a fresh event.
                        let _ = self.stream().try_io(Interest::READABLE, || {
                            Err::<(), _>(io::ErrorKind::WouldBlock.into())
                        });
                    }
                    return Ok(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.0.readable().await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn send(&mut self, bytes: &[u8], more: More) -> io::Result<usize> {
        let flags = match more {
            More::Follows => SendFlags::NOSIGNAL | SendFlags::MORE,
            More::Nothing => SendFlags::NOSIGNAL,
        };
        when_writable(self.stream(), || {
            Ok(rustix::net::send(self.stream(), bytes, flags)?)
        })
        .await
    }

    async fn send_both(&mut self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        let parts = [IoSlice::new(head), IoSlice::new(body)];
        let flags = SendFlags::NOSIGNAL;
        when_writable(self.stream(), || {
            let mut control = SendAncillaryBuffer::default();
            Ok(rustix::net::sendmsg(
                self.stream(),
                &parts,
                &mut control,
                flags,
            )?)
        })
        .await
    }

    async fn send_file(&mut self, file: &FileBody, range: ByteRange) -> io::Result<usize> {
        let wanted = range.len().min(CALL_BYTES) as usize;
        when_writable(self.stream(), || {
            let mut at = range.start;
            Ok(rustix::fs::sendfile(
                self.stream(),
                file.file(),
                Some(&mut at),
                wanted,
            )?)
        })
        .await
    }

    async fn send_pipe(
        &mut self,
        pipe: BorrowedFd<'_>,
        bytes: u64,
        more: More,
    ) -> io::Result<usize> {
        let wanted = bytes.min(CALL_BYTES) as usize;
        let usual = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let flags = match more {
            More::Follows => usual | SpliceFlags::MORE,
            More::Nothing => usual,
        };
        when_writable(self.stream(), || {
            Ok(splice(pipe, None, self.stream(), None, wanted, flags)?)
        })
        .await
    }

    async fn end(&mut self) {
        // Fails only if the client has gone already.
        let _ = rustix::net::shutdown(self.stream(), Shutdown::Write);
    }

    fn into_stream(self) -> SharedStream {
        self.0
    }
}

/// Runs a non-blocking write, at once if the socket can take it, and else when it can.
async fn when_writable(
    stream: &TcpStream,
    mut write: impl FnMut() -> io::Result<usize>,
) -> io::Result<usize> {
    match stream.try_io(Interest::WRITABLE, &mut write) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            stream.async_io(Interest::WRITABLE, write).await
        }
        result => result,
    }
}
