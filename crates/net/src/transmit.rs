//! Moving a response onto a socket.
//!
//! Head and small body go out in one write; larger bodies by sendfile behind a head sent with
//! `MSG_MORE`, so both share a segment. The last bytes of a live file are held back until the file
//! has been looked at again: a body whose file changed underneath is cut, never completed. It must
//! never send more than [`TURN_BYTES`] for one client without letting the others have a turn.

use std::{
    io::{self, IoSlice},
    os::unix::fs::FileExt,
};

use overspill_http1::range::ByteRange;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use thiserror::Error;
use tokio::{io::Interest, net::TcpStream};

use crate::{
    flows::Flow,
    service::{ByteStream, FileBody, Framing, Part, Parts, StreamItem},
    sweeper::Activity,
};

/// Why a body ended early.
#[derive(Debug, Error)]
pub(crate) enum TransmitError {
    /// The file changed while it was sent.
    #[error("the file changed while it was being sent")]
    Changed,
    /// The client went away, or its connection broke.
    #[error("the client's connection failed")]
    Client(#[source] io::Error),
    /// The file could not be read.
    #[error("the file could not be read")]
    File(#[source] io::Error),
    /// A part of the body could not be made.
    #[error("a part of the response could not be made")]
    Part(#[source] io::Error),
    /// The parts do not add up to what the head promised.
    #[error("the response's parts are not as long as promised")]
    PartLength,
    /// Whoever made a stream gave up.
    #[error("the response's stream ended early")]
    Stream,
}

/// Most bytes handed to the kernel in one call.
const CHUNK_BYTES: u64 = 2 << 20;
/// Most bytes sent for one client before the other tasks of the core get a turn.
const TURN_BYTES: u64 = 2 << 20;
/// Bytes of a live file that are held back until it has been looked at again. Any would do; a page
/// costs little to copy.
const HELD_BACK_BYTES: u64 = 4 << 10;
/// Buffer for bodies that are copied.
const COPY_BYTES: u64 = 128 << 10;

/// Sends all of `bytes`.
pub(crate) async fn send_all(
    stream: &TcpStream,
    mut bytes: &[u8],
    flags: SendFlags,
    activity: &Activity,
) -> Result<(), TransmitError> {
    while !bytes.is_empty() {
        let sent = write_ready(stream, || send_once(stream, bytes, flags)).await?;
        activity.progressed();
        bytes = &bytes[sent..];
    }
    Ok(())
}

/// Sends `head` and `body` together, in one call where the socket takes both.
pub(crate) async fn send_both(
    stream: &TcpStream,
    head: &[u8],
    body: &[u8],
    activity: &Activity,
) -> Result<(), TransmitError> {
    let both = [IoSlice::new(head), IoSlice::new(body)];
    let sent = write_ready(stream, || send_vectored(stream, &both)).await?;
    activity.progressed();
    if sent < head.len() {
        let more = SendFlags::MORE | SendFlags::NOSIGNAL;
        send_all(stream, &head[sent..], more, activity).await?;
    }
    let sent_of_body = sent.saturating_sub(head.len());
    send_all(stream, &body[sent_of_body..], SendFlags::NOSIGNAL, activity).await
}

/// Sends `head` and then `range` of the file.
pub(crate) async fn send_file(
    stream: &TcpStream,
    head: &[u8],
    body: &FileBody,
    range: ByteRange,
    flow: &Flow,
    activity: &Activity,
) -> Result<(), TransmitError> {
    send_all(
        stream,
        head,
        SendFlags::MORE | SendFlags::NOSIGNAL,
        activity,
    )
    .await?;
    let sink = Sink {
        stream,
        body,
        flow,
        activity,
    };
    sink.send(range).await
}

/// Sends `head` and then every part.
pub(crate) async fn send_parts(
    stream: &TcpStream,
    head: &[u8],
    parts: &mut dyn Parts,
    flow: &Flow,
    activity: &Activity,
) -> Result<(), TransmitError> {
    let more = SendFlags::MORE | SendFlags::NOSIGNAL;
    send_all(stream, head, more, activity).await?;
    while let Some(part) = parts.next_part().map_err(TransmitError::Part)? {
        match part {
            Part::Bytes(bytes) => {
                send_all(stream, &bytes, more, activity).await?;
                flow.sent(bytes.len() as u64);
            }
            Part::File { file, range } => {
                let sink = Sink {
                    stream,
                    body: &file,
                    flow,
                    activity,
                };
                sink.send(range).await?;
            }
        }
    }
    // Lets go of what `MORE` held back.
    send_all(stream, b"", SendFlags::NOSIGNAL, activity).await?;
    if flow.is_all_sent() {
        Ok(())
    } else {
        Err(TransmitError::PartLength)
    }
}

/// Sends `head` and then what comes out of `body`, framed as the head says.
pub(crate) async fn send_stream(
    stream: &TcpStream,
    head: &[u8],
    mut body: ByteStream,
    flow: &Flow,
    activity: &Activity,
) -> Result<(), TransmitError> {
    send_all(stream, head, SendFlags::NOSIGNAL, activity).await?;
    while let Some(item) = body.items.recv().await {
        let StreamItem::Bytes(bytes) = item else {
            if body.framing == Framing::Chunked {
                send_all(stream, b"0\r\n\r\n", SendFlags::NOSIGNAL, activity).await?;
            }
            return Ok(());
        };
        send_stream_part(stream, &bytes, body.framing, activity).await?;
        flow.sent(bytes.len() as u64);
    }
    Err(TransmitError::Stream)
}

async fn send_stream_part(
    stream: &TcpStream,
    bytes: &[u8],
    framing: Framing,
    activity: &Activity,
) -> Result<(), TransmitError> {
    if framing == Framing::UntilClose || bytes.is_empty() {
        return send_all(stream, bytes, SendFlags::NOSIGNAL, activity).await;
    }
    let more = SendFlags::MORE | SendFlags::NOSIGNAL;
    let size = format!("{:x}\r\n", bytes.len());
    send_all(stream, size.as_bytes(), more, activity).await?;
    send_all(stream, bytes, more, activity).await?;
    send_all(stream, b"\r\n", SendFlags::NOSIGNAL, activity).await
}

struct Sink<'a> {
    stream: &'a TcpStream,
    body: &'a FileBody,
    flow: &'a Flow,
    activity: &'a Activity,
}

impl Sink<'_> {
    async fn send(&self, range: ByteRange) -> Result<(), TransmitError> {
        match self.body {
            FileBody::Object(_) => self.by_reference(range).await,
            FileBody::Hot(_) => self.by_copy(range).await,
            FileBody::Live(_) => {
                let held_back = range.end - range.len().min(HELD_BACK_BYTES);
                if let Some(first) = ByteRange::new(range.start, held_back) {
                    self.by_reference(first).await?;
                }
                match ByteRange::new(held_back, range.end) {
                    Some(last) => self.by_copy(last).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// Lets the kernel take the pages themselves.
    async fn by_reference(&self, range: ByteRange) -> Result<(), TransmitError> {
        let file = self.body.file();
        let mut offset = range.start;
        let mut turn_ends = offset + TURN_BYTES;
        while offset < range.end {
            let wanted = (range.end - offset).min(CHUNK_BYTES) as usize;
            let sent = write_ready(self.stream, || {
                let mut at = offset;
                rustix::fs::sendfile(self.stream, file, Some(&mut at), wanted).map_err(Into::into)
            })
            .await?;
            if sent == 0 {
                return Err(TransmitError::Changed);
            }
            self.sent(sent as u64);
            offset += sent as u64;
            if offset >= turn_ends {
                turn_ends = offset + TURN_BYTES;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Copies through memory, looking at the file again before the last buffer goes out.
    async fn by_copy(&self, range: ByteRange) -> Result<(), TransmitError> {
        let mut buffer = vec![0; range.len().min(COPY_BYTES) as usize];
        let mut offset = range.start;
        while offset < range.end {
            let wanted = (range.end - offset).min(COPY_BYTES) as usize;
            let part = &mut buffer[..wanted];
            self.body
                .file()
                .read_exact_at(part, offset)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => TransmitError::Changed,
                    _ => TransmitError::File(error),
                })?;
            offset += wanted as u64;
            if offset == range.end {
                self.check_unchanged().await?;
            }
            send_all(self.stream, part, SendFlags::NOSIGNAL, self.activity).await?;
            self.flow.sent(wanted as u64);
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Looks at the file again, once its times can tell whether it has changed.
    async fn check_unchanged(&self) -> Result<(), TransmitError> {
        let rest = self.body.must_rest_for();
        if !rest.is_zero() {
            tokio::time::sleep(rest).await;
        }
        if self.body.is_unchanged() {
            Ok(())
        } else {
            Err(TransmitError::Changed)
        }
    }

    fn sent(&self, bytes: u64) {
        self.flow.sent(bytes);
        self.activity.progressed();
    }
}

fn send_once(stream: &TcpStream, bytes: &[u8], flags: SendFlags) -> io::Result<usize> {
    rustix::net::send(stream, bytes, flags).map_err(Into::into)
}

fn send_vectored(stream: &TcpStream, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut control = SendAncillaryBuffer::default();
    rustix::net::sendmsg(stream, parts, &mut control, SendFlags::NOSIGNAL).map_err(Into::into)
}

/// Runs a non-blocking write, at once if the socket can take it, and else when it can.
async fn write_ready(
    stream: &TcpStream,
    mut write: impl FnMut() -> io::Result<usize>,
) -> Result<usize, TransmitError> {
    let result = match stream.try_io(Interest::WRITABLE, &mut write) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            stream.async_io(Interest::WRITABLE, write).await
        }
        result => result,
    };
    result.map_err(TransmitError::Client)
}
