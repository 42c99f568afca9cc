//! Moving a response onto a connection.
//!
//! Head and small body go out in one write; larger bodies by reference where the transport can. The
//! last bytes of a live file are held back until the file has been looked at again: a body whose file
//! changed underneath is cut, never completed. It must never send more than [`TURN_BYTES`] for one
//! client without letting the others have a turn.

mod relayed;

use std::{io, time::Instant};

use bytes::Bytes;
use overspill_core::relay::Cut;
use overspill_http1::range::ByteRange;
use rustix::io::Errno;
use thiserror::Error;

use crate::{
    admission::{ConnectionPermit, Pace},
    disk,
    flows::Flow,
    service::{ByteStream, FileBody, Framing, Part, Parts, StreamItem},
    sweeper::Activity,
    transport::{More, Transport},
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
    /// What read a body ahead has panicked; a bug.
    #[error("what read the body ahead has failed")]
    Ahead(#[source] tokio::task::JoinError),
    /// A part of the body could not be made.
    #[error("a part of the response could not be made")]
    Part(#[source] io::Error),
    /// The parts do not add up to what the head promised.
    #[error("the response's parts are not as long as promised")]
    PartLength,
    /// Nobody is left who could go on with the body.
    #[error("the body cannot be completed")]
    Relay(#[source] Cut),
    /// Whoever made a stream gave up.
    #[error("the response's stream ended early")]
    Stream,
}

impl TransmitError {
    /// What it means that `file` ends before its range. A live file was cut by somebody; an object
    /// never changes, so its disk has lost it.
    pub(crate) fn ended(file: &FileBody) -> Self {
        match file {
            FileBody::Hot(_) | FileBody::Live(_) => Self::Changed,
            FileBody::Object(_) => Self::File(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// What it means that sending a file by reference failed: one call reads and sends, and only the
    /// error tells which of them it was.
    fn of_reference(error: io::Error) -> Self {
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        match errno {
            Some(Errno::BADMSG | Errno::INVAL | Errno::IO | Errno::ISDIR | Errno::NODATA) => {
                Self::File(error)
            }
            Some(Errno::NXIO | Errno::STALE | Errno::UCLEAN) => Self::File(error),
            _ => Self::Client(error),
        }
    }
}

/// Most bytes sent for one client before the other tasks of the core get a turn.
const TURN_BYTES: u64 = 2 << 20;
/// Bytes of a live file that are held back until it has been looked at again. Any would do; a page
/// costs little to copy.
const HELD_BACK_BYTES: u64 = 4 << 10;
/// Buffer for bodies that are copied.
const COPY_BYTES: u64 = 128 << 10;

/// One response on its way.
pub(crate) struct Sending<'a, T> {
    transport: &'a mut T,
    activity: &'a Activity,
    /// `None` if nobody keeps a rate.
    permit: Option<&'a ConnectionPermit>,
    /// Bytes that may go before the permit is asked again.
    allowed_bytes: u64,
}

impl<'a, T: Transport> Sending<'a, T> {
    pub(crate) fn new(
        transport: &'a mut T,
        activity: &'a Activity,
        permit: Option<&'a ConnectionPermit>,
    ) -> Self {
        Self {
            transport,
            activity,
            permit,
            allowed_bytes: 0,
        }
    }

    /// How many of `wanted_bytes` of a body may go now; waits until some may.
    async fn allowance(&mut self, wanted_bytes: u64) -> u64 {
        let Some(permit) = self.permit else {
            return wanted_bytes;
        };
        while self.allowed_bytes == 0 && wanted_bytes > 0 {
            match permit.pace(Instant::now(), wanted_bytes) {
                Pace::Go(bytes) => self.allowed_bytes = bytes,
                Pace::Wait(wait) => tokio::time::sleep(wait).await,
            }
        }
        self.allowed_bytes.min(wanted_bytes)
    }

    fn spend(&mut self, bytes: u64) {
        self.allowed_bytes = self.allowed_bytes.saturating_sub(bytes);
    }

    /// Waits until a small body of `bytes` may go, whole.
    pub(crate) async fn wait_for_turn(&mut self, bytes: u64) {
        if self.permit.is_none() {
            return;
        }
        let mut left_bytes = bytes;
        while left_bytes > 0 {
            let allowed_bytes = self.allowance(left_bytes).await;
            self.spend(allowed_bytes);
            left_bytes -= allowed_bytes;
        }
    }

    /// Sends bytes of a body, at the rate that is kept.
    async fn body_bytes(&mut self, mut bytes: &[u8], more: More) -> Result<(), TransmitError> {
        while !bytes.is_empty() {
            let allowed = self.allowance(bytes.len() as u64).await as usize;
            let (now, rest) = bytes.split_at(allowed.min(bytes.len()));
            let more = if rest.is_empty() { more } else { More::Nothing };
            self.bytes(now, more).await?;
            self.spend(now.len() as u64);
            bytes = rest;
        }
        Ok(())
    }

    /// Sends all of `bytes`.
    pub(crate) async fn bytes(
        &mut self,
        mut bytes: &[u8],
        more: More,
    ) -> Result<(), TransmitError> {
        while !bytes.is_empty() {
            let sent = self.transport.send(bytes, more).await;
            let sent = sent.map_err(TransmitError::Client)?;
            self.activity.moved(sent as u64);
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Sends `head` and `body` together, in one call where the transport takes both.
    pub(crate) async fn both(&mut self, head: &[u8], body: &[u8]) -> Result<(), TransmitError> {
        if self.permit.is_some() {
            self.bytes(head, More::Follows).await?;
            return self.body_bytes(body, More::Nothing).await;
        }
        let sent = self.transport.send_both(head, body).await;
        let sent = sent.map_err(TransmitError::Client)?;
        self.activity.moved(sent as u64);
        if sent < head.len() {
            self.bytes(&head[sent..], More::Follows).await?;
        }
        let sent_of_body = sent.saturating_sub(head.len());
        self.bytes(&body[sent_of_body..], More::Nothing).await
    }

    /// Sends `range` of a file.
    pub(crate) async fn file(
        &mut self,
        file: &FileBody,
        range: ByteRange,
        flow: &Flow,
        more: More,
    ) -> Result<(), TransmitError> {
        match file {
            FileBody::Object(_) => self.by_reference(file, range, flow).await,
            FileBody::Hot(_) => self.by_copy(file, range, flow, more).await,
            FileBody::Live(_) => {
                let held_back = range.end - range.len().min(HELD_BACK_BYTES);
                if let Some(first) = ByteRange::new(range.start, held_back) {
                    self.by_reference(file, first, flow).await?;
                }
                match ByteRange::new(held_back, range.end) {
                    Some(last) => self.by_copy(file, last, flow, more).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// Sends every part; together they must be what the flow began with.
    pub(crate) async fn parts(
        &mut self,
        parts: &mut dyn Parts,
        flow: &Flow,
    ) -> Result<(), TransmitError> {
        let mut next = parts.next_part().map_err(TransmitError::Part)?;
        while let Some(part) = next {
            // One part ahead, to know whether bytes may wait for what follows.
            next = parts.next_part().map_err(TransmitError::Part)?;
            let more = if next.is_some() {
                More::Follows
            } else {
                More::Nothing
            };
            match part {
                Part::Bytes(bytes) => {
                    self.body_bytes(&bytes, more).await?;
                    flow.sent(bytes.len() as u64);
                }
                Part::File { file, range } => self.file(&file, range, flow, more).await?,
                Part::Relay(mut relay) => self.relay(&mut relay, flow, more).await?,
            }
        }
        if flow.is_all_sent() {
            Ok(())
        } else {
            Err(TransmitError::PartLength)
        }
    }

    /// Sends what comes out of `stream`, framed as the head says.
    pub(crate) async fn stream(
        &mut self,
        mut stream: ByteStream,
        flow: &Flow,
    ) -> Result<(), TransmitError> {
        if stream.framing == Framing::UntilClose {
            self.activity.reset_at_end();
        }
        while let Some(item) = stream.items.recv().await {
            let StreamItem::Bytes(bytes) = item else {
                if stream.framing == Framing::Chunked {
                    return self.bytes(b"0\r\n\r\n", More::Nothing).await;
                }
                self.activity.end_as_usual();
                return Ok(());
            };
            let sent = bytes.len() as u64;
            self.stream_part(bytes, stream.framing).await?;
            flow.sent(sent);
        }
        Err(TransmitError::Stream)
    }

    async fn stream_part(&mut self, bytes: Bytes, framing: Framing) -> Result<(), TransmitError> {
        if framing == Framing::UntilClose || bytes.is_empty() {
            return self.body_bytes(&bytes, More::Nothing).await;
        }
        let size = format!("{:x}\r\n", bytes.len());
        self.bytes(size.as_bytes(), More::Follows).await?;
        self.body_bytes(&bytes, More::Follows).await?;
        self.bytes(b"\r\n", More::Nothing).await
    }

    /// Lets the transport take the bytes of the file itself.
    async fn by_reference(
        &mut self,
        file: &FileBody,
        range: ByteRange,
        flow: &Flow,
    ) -> Result<(), TransmitError> {
        let mut rest = Some(range);
        let mut in_memory_until = range.start;
        let mut turn_ends = range.start + TURN_BYTES;
        while let Some(range) = rest {
            if T::BY_REFERENCE && range.start >= in_memory_until {
                in_memory_until = disk::bring_in(file, range).await;
            }
            let now_bytes = self.allowance(range.len()).await;
            let now = ByteRange::new(range.start, range.start + now_bytes).unwrap_or(range);
            let sent = self.transport.send_file(file, now).await;
            let sent = sent.map_err(TransmitError::of_reference)? as u64;
            if sent == 0 {
                return Err(TransmitError::ended(file));
            }
            self.spend(sent);
            flow.sent(sent);
            self.activity.moved(sent);
            if range.start + sent >= turn_ends {
                turn_ends = range.start + sent + TURN_BYTES;
                tokio::task::yield_now().await;
            }
            rest = ByteRange::new(range.start + sent, range.end);
        }
        Ok(())
    }

    /// Copies through memory, looking at the file again before the last buffer goes out.
    async fn by_copy(
        &mut self,
        file: &FileBody,
        range: ByteRange,
        flow: &Flow,
        more: More,
    ) -> Result<(), TransmitError> {
        let mut buffer = Vec::new();
        let mut offset = range.start;
        while offset < range.end {
            let wanted = (range.end - offset).min(COPY_BYTES) as usize;
            buffer.clear();
            buffer = disk::append(file, offset, wanted, buffer)
                .await
                .map_err(TransmitError::File)?;
            if buffer.len() < wanted {
                return Err(TransmitError::ended(file));
            }
            offset += wanted as u64;
            let more = if offset == range.end {
                check_unchanged(file).await?;
                more
            } else {
                More::Nothing
            };
            self.body_bytes(&buffer, more).await?;
            flow.sent(wanted as u64);
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Looks at the file again, once its times can tell whether it has changed.
pub(crate) async fn check_unchanged(file: &FileBody) -> Result<(), TransmitError> {
    let rest = file.must_rest_for();
    if !rest.is_zero() {
        tokio::time::sleep(rest).await;
    }
    if file.is_unchanged() {
        Ok(())
    } else {
        Err(TransmitError::Changed)
    }
}
