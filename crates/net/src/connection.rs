//! One connection: read heads, have them answered, send, again.
//!
//! Requests that arrive together are answered in order, small answers in one write. It must never
//! read more than a head ahead of what it has answered, and never leave an error answer to be
//! destroyed by a reset: it drains what the client still sends first.

use std::{mem, rc::Rc, time::Instant};

use overspill_http1::{
    request::{BodyLength, KeepAlive, Method, ParseError, Parsed, Request, Version, parse},
    response::{HeadWriter, error_body},
    status::Status,
};

use crate::{
    admission::{ConnectionPermit, RetryAfter},
    evidence::{self, Look},
    flows::{Flow, Label},
    handover::{self, Protocol},
    listener::Core,
    observe::{self, Asked, Exchange, Outcome},
    service::{Answer, Body, Client, Decision, Reply, Service},
    sweeper::{Phase, Registered},
    tally::{DecisionKind, Ending, Gathered},
    transmit::{Sending, TransmitError},
    transport::{More, Transport},
};

/// Bytes drained after an error answer before the connection is closed anyway.
const MAX_LINGER_BYTES: usize = 256 << 10;
/// Bodies up to this size are put behind their head in one write; larger ones are not copied.
const MAX_JOINED_BYTES: usize = 16 << 10;
/// Answers to pipelined requests are gathered up to this size before they are written.
const MAX_GATHERED_BYTES: usize = 64 << 10;

/// What to do after one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Close,
    HandOver,
    Linger,
    More,
}

/// A connection while it is ours.
pub(crate) struct Connection<S, T> {
    core: Rc<Core<S>>,
    transport: T,
    client: Client,
    registered: Registered,
    permit: Option<Rc<ConnectionPermit>>,
    /// Bytes read and not answered yet.
    input: Vec<u8>,
}

/// How our part of a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// For good.
    Closed,
    /// Hyper has to go on with it.
    HandOver,
}

impl<S: Service, T: Transport> Connection<S, T> {
    pub(crate) fn new(
        core: Rc<Core<S>>,
        transport: T,
        client: Client,
        registered: Registered,
        permit: Option<Rc<ConnectionPermit>>,
    ) -> Self {
        Self {
            core,
            transport,
            client,
            registered,
            permit,
            input: Vec::new(),
        }
    }

    /// Serves until either side is done, or hyper has to go on.
    pub(crate) async fn serve(&mut self) -> Ended {
        loop {
            // An idle connection is this future and no more: no buffer, and the rest is boxed.
            if self.transport.readable().await.is_err() {
                return Ended::Closed;
            }
            match Box::pin(self.burst()).await {
                Ok(Next::More) => {}
                Ok(Next::Close) => {
                    // The client may have said all and still be reading: over TLS, an end that is
                    // not announced would look to it like an attack.
                    self.transport.end().await;
                    return Ended::Closed;
                }
                Ok(Next::HandOver) => return Ended::HandOver,
                Ok(Next::Linger) => {
                    Box::pin(self.linger()).await;
                    return Ended::Closed;
                }
                Err(error) => {
                    tracing::debug!(client = %self.client.address, %error, "response cut");
                    return Ended::Closed;
                }
            }
        }
    }

    /// Has hyper go on.
    pub(crate) async fn hand_over(self) {
        let protocol = Protocol::of(&self.input);
        let connection = handover::Connection {
            stream: self.transport.into_stream(),
            protocol,
            // A preface is no request; anything else was one, and the permit was asked for it.
            permitted: match protocol {
                Protocol::Http1 => 1,
                Protocol::Http2 => 0,
            },
            first_bytes: self.input,
            client: self.client,
            registered: self.registered,
            permit: self.permit,
        };
        connection.serve(self.core).await;
    }

    /// Reads once and answers every request that is complete.
    async fn burst(&mut self) -> Result<Next, TransmitError> {
        if self.input.capacity() == 0 {
            self.input = self.core.pool.take();
        }
        if !T::BY_REFERENCE {
            // Something has arrived, but perhaps not a whole record: from here it may not be dripped.
            self.registered.activity.enter(Phase::Reading);
        }
        // A head that fills the buffer is refused by the parser, so there is always room.
        let bytes = self.transport.read(&mut self.input).await.unwrap_or(0);
        if bytes == 0 {
            return Ok(Next::Close);
        }
        self.registered.activity.moved(bytes as u64);
        let mut turn = Turn {
            used: 0,
            output: Vec::new(),
            gathered: Gathered::default(),
            sent_bytes: 0,
            connection: self,
        };
        let next = turn.answer_buffered().await;
        let flushed = match next {
            Ok(_) => turn.flush().await,
            Err(_) => Ok(()),
        };
        let used = turn.used;
        self.forget(used);
        flushed?;
        if matches!(next, Ok(Next::More)) && self.input.is_empty() {
            self.registered.activity.enter(Phase::Idle);
        }
        next
    }

    /// Forgets what has been answered; an empty buffer goes back to the pool.
    fn forget(&mut self, used: usize) {
        self.input.drain(..used);
        if self.input.is_empty() {
            self.core.pool.give(mem::take(&mut self.input));
        }
    }

    /// Ends our side and reads what the client still sends, so that closing does not reset the
    /// connection while our last answer is on its way.
    async fn linger(&mut self) {
        self.registered.activity.enter(Phase::Reading);
        self.transport.end().await;
        let mut drained_bytes = 0;
        let mut buffer = Vec::with_capacity(4096);
        while drained_bytes < MAX_LINGER_BYTES {
            buffer.clear();
            match self.transport.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(bytes) => drained_bytes += bytes,
            }
        }
    }
}

/// The requests of one read.
struct Turn<'a, S, T> {
    connection: &'a mut Connection<S, T>,
    /// Bytes of the input that have been answered.
    used: usize,
    /// Answers not yet written.
    output: Vec<u8>,
    /// What is to be counted once they are.
    gathered: Gathered,
    /// Bytes of the latest body that the kernel has accepted, or will with the output.
    sent_bytes: u64,
}

impl<S: Service, T: Transport> Turn<'_, S, T> {
    /// Answers every complete request in the buffer.
    async fn answer_buffered(&mut self) -> Result<Next, TransmitError> {
        while self.used < self.connection.input.len() {
            let input = mem::take(&mut self.connection.input);
            let next = self.answer_next(&input[self.used..]).await;
            self.connection.input = input;
            match next? {
                (0, Next::More) => break,
                (bytes, Next::More) => self.used += bytes,
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
        let core = Rc::clone(&self.connection.core);
        let (request, head_bytes) = match parse(input, &core.head) {
            Ok(Parsed::Partial) => {
                self.connection.registered.activity.enter(Phase::Reading);
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
            Err(error) => return Ok((input.len(), self.refuse(input, &error).await?)),
        };
        self.connection.registered.activity.enter(Phase::Sending);
        if let Some(permit) = &self.connection.permit
            && let Err(retry_after) = permit.request(Instant::now())
        {
            let asked = Asked::of_request(&input[..head_bytes], &request);
            let next = self.refuse_for_now(asked, &request, retry_after).await?;
            return Ok((end_of(&request, head_bytes, input.len()), next));
        }
        let now = core.clock.now();
        let mut output = self.take_output();
        let head_at = output.len();
        let answer = core
            .service
            .answer(&request, &self.connection.client, now, &mut output)
            .await;
        self.output = output;
        let Answer::Reply(reply) = answer else {
            return Ok((0, Next::HandOver));
        };
        let decision = DecisionKind::of(&reply.decision);
        let status = observe::status_of(&self.output[head_at..]);
        core.shard
            .tally()
            .answered(request.method, status, decision);
        let next = if core.service.observes() {
            let asked = Asked::of_request(&input[..head_bytes], &request);
            self.send_observed(reply, asked, head_at, now.instant)
                .await?
        } else {
            self.send(reply, request.path(), now.instant).await?
        };
        Ok((end_of(&request, head_bytes, input.len()), next))
    }

    /// Sends the answer to a request for `path` that came at `asked`.
    async fn send(
        &mut self,
        reply: Reply,
        path: &[u8],
        asked: Instant,
    ) -> Result<Next, TransmitError> {
        self.sent_bytes = 0;
        match reply.body {
            Body::Empty => self.gathered.add(asked, 0),
            Body::Notice(bytes) => {
                self.sent_bytes = bytes;
                self.gathered.add(asked, bytes);
            }
            Body::Written(bytes) => {
                self.sending().wait_for_turn(bytes).await;
                self.count_joined(asked, bytes);
            }
            Body::Bytes(bytes) if bytes.len() <= MAX_JOINED_BYTES => {
                self.sending().wait_for_turn(bytes.len() as u64).await;
                self.output.extend_from_slice(&bytes);
                self.count_joined(asked, bytes.len() as u64);
            }
            body => {
                let client = self.connection.client.address.ip();
                let label = Label::new(path, client, &reply.decision);
                let shard = &self.connection.core.shard;
                let flow = shard.begin_labelled(body.planned_bytes(), label);
                let began = self.look_before(body.planned_bytes());
                let sent = Box::pin(self.send_flow(body, &flow)).await;
                self.sent_bytes = flow.sent_bytes();
                self.count_flow(&flow, asked, sent.as_ref().err());
                sent?;
                self.learn_from(began);
                flow.finish();
            }
        }
        Ok(next_after(reply.keep_alive))
    }

    /// Counts a flow that is over, and the answers that went out ahead of it in one write.
    fn count_flow(&mut self, flow: &Flow, asked: Instant, error: Option<&TransmitError>) {
        let tally = self.connection.core.shard.tally();
        let ending = self.ending(error);
        let is_out = error.is_none() || flow.sent_bytes() > 0;
        let before = if is_out { Ending::Complete } else { ending };
        self.gathered.settle(tally, before);
        tally.ended(ending, 1, flow.sent_bytes());
        if let Some(first_byte) = flow.first_byte() {
            tally.first_byte(first_byte.saturating_duration_since(asked), 1);
        }
        if ending == Ending::Complete {
            tally.finished(asked.elapsed(), flow.sent_bytes());
        }
    }

    /// How an answer ended, given what went wrong.
    fn ending(&self, error: Option<&TransmitError>) -> Ending {
        let ended = self.connection.registered.activity.ended();
        error.map_or(Ending::Complete, |error| error.outcome(ended).into())
    }

    fn count_joined(&mut self, asked: Instant, bytes: u64) {
        self.connection.core.shard.sent_at_once(bytes);
        self.gathered.add(asked, bytes);
        self.sent_bytes = bytes;
    }

    /// A look at the connection before a body that is large enough to learn from.
    fn look_before(&self, planned_bytes: u64) -> Option<Look> {
        let is_large = planned_bytes >= evidence::SAMPLED_BYTES;
        is_large
            .then(|| self.connection.registered.activity.look(Instant::now()))
            .flatten()
    }

    /// What a body said of its client, if the sweep had no time to see it.
    fn learn_from(&self, began: Option<Look>) {
        let Some(began) = began else {
            return;
        };
        let (connection, now) = (&self.connection, Instant::now());
        if now.saturating_duration_since(began.at) >= evidence::SHORT_BODY {
            return;
        }
        let address = connection.client.address.ip();
        let ended = connection.registered.activity.look(now);
        let sample = ended.and_then(|ended| evidence::of_short_body(&began, &ended, address));
        if let Some(sample) = sample {
            connection.core.shard.learned(sample);
        }
    }

    /// Sends a body that is worth counting while it is under way.
    async fn send_flow(&mut self, body: Body, flow: &Flow) -> Result<(), TransmitError> {
        let head = mem::take(&mut self.output);
        let mut sending = self.sending();
        match body {
            Body::Empty | Body::Notice(_) | Body::Written(_) => {
                sending.bytes(&head, More::Nothing).await?
            }
            Body::Bytes(bytes) => {
                sending.both(&head, &bytes).await?;
                flow.sent(bytes.len() as u64);
            }
            Body::File { file, range } => {
                sending.bytes(&head, More::Follows).await?;
                sending.file(&file, range, flow, More::Nothing).await?;
            }
            Body::Relay(mut relay) => {
                sending.bytes(&head, More::Follows).await?;
                sending.relay(&mut relay, flow, More::Nothing).await?;
            }
            Body::Striped(mut striped) => {
                sending.bytes(&head, More::Follows).await?;
                sending.striped(&mut striped, flow).await?;
            }
            Body::Parts { bytes: 0, .. } => sending.bytes(&head, More::Nothing).await?,
            Body::Parts { mut parts, .. } => {
                sending.bytes(&head, More::Follows).await?;
                sending.parts(&mut *parts, flow).await?;
            }
            Body::Stream(stream) => {
                sending.bytes(&head, More::Nothing).await?;
                sending.stream(stream, flow).await?;
            }
        }
        self.connection.core.pool.give(head);
        Ok(())
    }

    /// Sends, and tells the service how it went. Written out at once, so that it can be told.
    async fn send_observed(
        &mut self,
        reply: Reply,
        asked: Asked<'_>,
        head_at: usize,
        began: Instant,
    ) -> Result<Next, TransmitError> {
        let status = observe::status_of(&self.output[head_at..]);
        let decision = reply.decision.clone();
        let planned_bytes = reply.body.planned_bytes();
        let sent = match self.send(reply, asked.path(), began).await {
            Ok(next) => self.flush().await.map(|()| next),
            Err(error) => Err(error),
        };
        let ended = self.connection.registered.activity.ended();
        self.connection.core.service.observe(&Exchange {
            client: &self.connection.client,
            request: asked,
            status,
            // A stream has no plan; what it came to is what it was to be.
            planned_bytes: planned_bytes.max(self.sent_bytes),
            sent_bytes: self.sent_bytes,
            outcome: sent
                .as_ref()
                .map_or_else(|error| error.outcome(ended), |_| Outcome::Complete),
            decision: &decision,
            lasted: began.elapsed(),
        });
        sent
    }

    /// Refuses a head that was not understood.
    async fn refuse(&mut self, head: &[u8], error: &ParseError) -> Result<Next, TransmitError> {
        let mut output = self.take_output();
        let head_at = output.len();
        let body = error_body(error.status(), &error.to_string());
        let mut writer = HeadWriter::start(&mut output, Version::Http11, error.status());
        writer
            .date(&self.connection.core.clock.now().date)
            .field("Content-Type", b"text/plain; charset=utf-8")
            .field_u64("Content-Length", body.len() as u64)
            .connection(KeepAlive::No);
        writer.finish();
        output.extend_from_slice(body.as_bytes());
        self.output = output;
        let refusal = refusal(Body::Notice(body.len() as u64), KeepAlive::No);
        self.send_refusal(refusal, Asked::of_head(head), head_at)
            .await
    }

    /// Refuses a request of a client that asks too often.
    async fn refuse_for_now(
        &mut self,
        asked: Asked<'_>,
        request: &Request<'_>,
        retry_after: RetryAfter,
    ) -> Result<Next, TransmitError> {
        let status = Status::TooManyRequests;
        let mut output = self.take_output();
        let head_at = output.len();
        let text = error_body(status, &retry_after.to_string());
        let mut writer = HeadWriter::start(&mut output, request.version, status);
        writer
            .date(&self.connection.core.clock.now().date)
            .field("Content-Type", b"text/plain; charset=utf-8")
            .field_u64("Retry-After", retry_after.seconds())
            .field_u64("Content-Length", text.len() as u64)
            .connection(request.keep_alive);
        writer.finish();
        let body = match request.method {
            Method::Head => Body::Empty,
            _ => {
                output.extend_from_slice(text.as_bytes());
                Body::Notice(text.len() as u64)
            }
        };
        self.output = output;
        self.send_refusal(refusal(body, request.keep_alive), asked, head_at)
            .await
    }

    async fn send_refusal(
        &mut self,
        refusal: Reply,
        asked: Asked<'_>,
        head_at: usize,
    ) -> Result<Next, TransmitError> {
        let (core, now) = (Rc::clone(&self.connection.core), Instant::now());
        let method = Method::from_token(asked.method);
        let status = observe::status_of(&self.output[head_at..]);
        core.shard
            .tally()
            .answered(method, status, DecisionKind::Reject);
        if core.service.observes() {
            self.send_observed(refusal, asked, head_at, now).await
        } else {
            self.send(refusal, asked.path(), now).await
        }
    }

    async fn flush(&mut self) -> Result<(), TransmitError> {
        if self.output.is_empty() {
            return Ok(());
        }
        let output = mem::take(&mut self.output);
        let sent = self.sending().bytes(&output, More::Nothing).await;
        let ending = self.ending(sent.as_ref().err());
        let core = &self.connection.core;
        self.gathered.settle(core.shard.tally(), ending);
        core.pool.give(output);
        sent
    }

    fn sending(&mut self) -> Sending<'_, T> {
        let connection = &mut *self.connection;
        Sending::new(
            &mut connection.transport,
            &connection.registered.activity,
            connection.permit.as_deref(),
        )
    }

    fn take_output(&mut self) -> Vec<u8> {
        if self.output.capacity() == 0 {
            return self.connection.core.pool.take();
        }
        mem::take(&mut self.output)
    }
}

fn refusal(body: Body, keep_alive: KeepAlive) -> Reply {
    Reply {
        body,
        keep_alive,
        decision: Decision::Reject,
    }
}

fn next_after(keep_alive: KeepAlive) -> Next {
    match keep_alive {
        KeepAlive::Yes => Next::More,
        KeepAlive::No => Next::Linger,
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
