//! One connection: read heads, have them answered, send, again.
//!
//! Requests that arrive together are answered in order, small answers in one write. It must never
//! read more than a head ahead of what it has answered, and never leave an error answer to be
//! destroyed by a reset: it drains what the client still sends first.

use std::{io, mem, net::SocketAddr, rc::Rc, time::Instant};

use overspill_http1::{
    request::{BodyLength, KeepAlive, ParseError, Parsed, Request, Version, parse},
    response::{HeadWriter, error_body},
};
use rustix::net::SendFlags;
use tokio::{io::Interest, net::TcpStream};

use crate::{
    handover,
    listener::Core,
    service::{Answer, Body, Reply, Service},
    sweeper::{Phase, Registered},
    transmit::{self, TransmitError},
};

/// Bytes drained after an error answer before the connection is closed anyway.
const MAX_LINGER_BYTES: usize = 256 << 10;
/// Bodies up to this size are put behind their head in one write; larger ones are not copied.
const MAX_JOINED_BYTES: usize = 16 << 10;
/// Answers to pipelined requests are gathered up to this size before they are written.
const MAX_GATHERED_BYTES: usize = 64 << 10;

/// What to do after one request.
enum Next {
    Close,
    HandOver,
    Linger,
    More,
}

/// Serves `stream` until either side is done with it.
pub(crate) async fn serve<S: Service>(stream: TcpStream, client: SocketAddr, core: Rc<Core<S>>) {
    let stream = Rc::new(stream);
    let registered = core.sweeper.register(Rc::clone(&stream), Instant::now());
    let mut connection = Connection {
        core: &core,
        stream: &stream,
        client,
        registered: &registered,
        input: Vec::new(),
        used: 0,
        output: Vec::new(),
    };
    let next = connection.run().await;
    let first_bytes = connection.take_unused();
    match next {
        Ok(Next::HandOver) => {
            drop(registered);
            // The registration held the only other reference to the stream.
            if let Some(stream) = Rc::into_inner(stream) {
                // Boxed: it is rare, and would make every connection's task as large as itself.
                Box::pin(handover::serve(stream, first_bytes, client, core)).await;
            }
        }
        Ok(Next::Linger) => Box::pin(linger(&stream, &registered)).await,
        Ok(Next::Close | Next::More) => {}
        Err(error) => tracing::debug!(%client, %error, "response cut"),
    }
}

struct Connection<'a, S: Service> {
    core: &'a Core<S>,
    stream: &'a Rc<TcpStream>,
    client: SocketAddr,
    registered: &'a Registered,
    /// Bytes read, of which the first `used` have been answered.
    input: Vec<u8>,
    used: usize,
    /// Answers not yet written.
    output: Vec<u8>,
}

impl<S: Service> Connection<'_, S> {
    async fn run(&mut self) -> Result<Next, TransmitError> {
        loop {
            match self.answer_buffered().await? {
                Next::More => {}
                other => {
                    self.flush().await?;
                    return Ok(other);
                }
            }
            self.flush().await?;
            if self.read_more().await == 0 {
                return Ok(Next::Close);
            }
        }
    }

    /// Answers every complete request in the buffer.
    async fn answer_buffered(&mut self) -> Result<Next, TransmitError> {
        while self.used < self.input.len() {
            let input = mem::take(&mut self.input);
            let next = self.answer_next(&input[self.used..]).await;
            self.input = input;
            match next? {
                (0, Next::More) => break,
                (bytes, Next::More) => self.used += bytes,
                (_, Next::HandOver) => return Ok(Next::HandOver),
                (bytes, next) => {
                    self.used += bytes;
                    return Ok(next);
                }
            }
            if self.output.len() >= MAX_GATHERED_BYTES {
                self.flush().await?;
            }
        }
        Ok(Next::More)
    }

    /// Answers the request at the start of `input`; says how many bytes it took, 0 if incomplete.
    async fn answer_next(&mut self, input: &[u8]) -> Result<(usize, Next), TransmitError> {
        let (request, head_bytes) = match parse(input, &self.core.limits.head) {
            Ok(Parsed::Partial) => {
                self.registered.activity.enter(Phase::Reading);
                return Ok((0, Next::More));
            }
            Ok(Parsed::Http2Preface) => return Ok((0, Next::HandOver)),
            Ok(Parsed::Request {
                request,
                head_bytes,
            }) => (
                with_known_end(request, input.len() - head_bytes),
                head_bytes,
            ),
            Err(error) => {
                self.refuse(&error);
                return Ok((input.len(), Next::Linger));
            }
        };
        self.registered.activity.enter(Phase::Sending);
        let now = self.core.clock.now();
        let mut output = self.take_output();
        let answer = self
            .core
            .service
            .answer(&request, self.client, now, &mut output)
            .await;
        self.output = output;
        match answer {
            Answer::HandOver => Ok((0, Next::HandOver)),
            Answer::Reply(reply) => {
                let next = self.send(reply).await?;
                Ok((end_of(&request, head_bytes, input.len()), next))
            }
        }
    }

    async fn send(&mut self, reply: Reply) -> Result<Next, TransmitError> {
        match reply.body {
            Body::Empty => {}
            Body::Written(bytes) => self.core.shard.sent_at_once(bytes),
            Body::Bytes(bytes) => self.send_bytes(&bytes).await?,
            Body::File { file, range } => {
                let flow = self.core.shard.begin(range.len());
                let head = mem::take(&mut self.output);
                let activity = &self.registered.activity;
                Box::pin(transmit::send_file(
                    self.stream,
                    &head,
                    &file,
                    range,
                    &flow,
                    activity,
                ))
                .await?;
                flow.finish();
                self.core.pool.give(head);
            }
            Body::Parts { bytes, mut parts } => {
                let flow = self.core.shard.begin(bytes);
                let head = mem::take(&mut self.output);
                let activity = &self.registered.activity;
                Box::pin(transmit::send_parts(
                    self.stream,
                    &head,
                    &mut *parts,
                    &flow,
                    activity,
                ))
                .await?;
                flow.finish();
            }
            Body::Stream(stream) => {
                let flow = self.core.shard.begin(0);
                let head = mem::take(&mut self.output);
                let activity = &self.registered.activity;
                Box::pin(transmit::send_stream(
                    self.stream,
                    &head,
                    stream,
                    &flow,
                    activity,
                ))
                .await?;
                flow.finish();
            }
        }
        Ok(match reply.keep_alive {
            KeepAlive::Yes => Next::More,
            KeepAlive::No => Next::Linger,
        })
    }

    async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), TransmitError> {
        if bytes.len() <= MAX_JOINED_BYTES {
            self.output.extend_from_slice(bytes);
            self.core.shard.sent_at_once(bytes.len() as u64);
            return Ok(());
        }
        let flow = self.core.shard.begin(bytes.len() as u64);
        let activity = &self.registered.activity;
        let head = mem::take(&mut self.output);
        Box::pin(transmit::send_both(self.stream, &head, bytes, activity)).await?;
        self.core.pool.give(head);
        flow.sent(bytes.len() as u64);
        flow.finish();
        Ok(())
    }

    fn refuse(&mut self, error: &ParseError) {
        let mut output = self.take_output();
        let body = error_body(error.status(), &error.to_string());
        let mut head = HeadWriter::start(&mut output, Version::Http11, error.status());
        head.date(&self.core.clock.now().date)
            .field("Content-Type", b"text/plain; charset=utf-8")
            .field_u64("Content-Length", body.len() as u64)
            .connection(KeepAlive::No);
        head.finish();
        output.extend_from_slice(body.as_bytes());
        self.output = output;
    }

    async fn flush(&mut self) -> Result<(), TransmitError> {
        if self.output.is_empty() {
            return Ok(());
        }
        let output = mem::take(&mut self.output);
        let activity = &self.registered.activity;
        transmit::send_all(self.stream, &output, SendFlags::NOSIGNAL, activity).await?;
        self.core.pool.give(output);
        Ok(())
    }

    /// Waits for bytes and reads them; 0 when the client is done, or not heard of any more.
    async fn read_more(&mut self) -> usize {
        self.drop_answered();
        if self.input.is_empty() {
            self.registered.activity.enter(Phase::Idle);
        }
        // A buffer is taken once there is something to put into it, not while idle.
        if self.stream.readable().await.is_err() {
            return 0;
        }
        if self.input.capacity() == 0 {
            self.input = self.core.pool.take();
        }
        // A head that fills the buffer is refused by the parser, so there is always room.
        let bytes = read_once(self.stream, &mut self.input).await.unwrap_or(0);
        self.registered.activity.progressed();
        bytes
    }

    /// Forgets what has been answered; an empty buffer goes back to the pool.
    fn drop_answered(&mut self) {
        self.input.drain(..self.used);
        self.used = 0;
        if self.input.is_empty() {
            self.core.pool.give(mem::take(&mut self.input));
        }
    }

    fn take_output(&mut self) -> Vec<u8> {
        if self.output.capacity() == 0 {
            return self.core.pool.take();
        }
        mem::take(&mut self.output)
    }

    fn take_unused(&mut self) -> Vec<u8> {
        self.input.split_off(self.used)
    }
}

/// The request, as the last of its connection if its body has not all arrived: a file server has no
/// use for it, and where the next request begins is not worth waiting for.
fn with_known_end(request: Request<'_>, buffered_bytes: usize) -> Request<'_> {
    match request.body {
        BodyLength::None => request,
        BodyLength::Known(bytes) if bytes <= buffered_bytes as u64 => request,
        BodyLength::Known(_) | BodyLength::Chunked => Request {
            keep_alive: KeepAlive::No,
            ..request
        },
    }
}

/// Where the next request begins. If the body has not all arrived, the connection closes anyway.
fn end_of(request: &Request<'_>, head_bytes: usize, buffered: usize) -> usize {
    match request.body {
        BodyLength::None => head_bytes,
        BodyLength::Known(bytes) => buffered.min(head_bytes.saturating_add(bytes as usize)),
        BodyLength::Chunked => buffered,
    }
}

/// Reads once, when there is something to read, into the spare room of `input`.
async fn read_once(stream: &TcpStream, input: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        let room = input.capacity() - input.len();
        match stream.try_read_buf(input) {
            Ok(bytes) => {
                if bytes < room {
                    // A short read has emptied the socket. Saying so now saves the system call that
                    // would only find it out; the next bytes raise a fresh event.
                    let _ = stream.try_io(Interest::READABLE, || {
                        Err::<(), _>(io::ErrorKind::WouldBlock.into())
                    });
                }
                return Ok(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.readable().await?,
            Err(error) => return Err(error),
        }
    }
}

/// Ends our side and reads what the client still sends, so that closing does not reset the
/// connection while our last answer is on its way.
async fn linger(stream: &TcpStream, registered: &Registered) {
    registered.activity.enter(Phase::Reading);
    let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Write);
    let mut drained_bytes = 0;
    let mut buffer = Vec::with_capacity(4096);
    while drained_bytes < MAX_LINGER_BYTES {
        buffer.clear();
        match read_once(stream, &mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(bytes) => drained_bytes += bytes,
        }
    }
}
