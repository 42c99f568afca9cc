//! The requests that hyper has in flight on one connection: for the sweeper, and for the log.
//!
//! Hyper does not say what a connection is doing, so it is counted from outside: a request counts
//! from its head to the end of its response's body, however that ends.

use std::{
    cell::Cell,
    io, mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::{HandedOver, measure::Measure};
use crate::{
    admission::{ConnectionPermit, Pace, RetryAfter},
    listener::Core,
    observe::{Asked, AskedVersion, Exchange, Outcome},
    service::{Client, Decision, Service},
    streamed::outcome_of,
    sweeper::{Activity, Phase},
};

/// How many requests are where.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Rc<Activity>,
    permit: Option<Rc<ConnectionPermit>>,
    /// Requests that have not arrived whole: their bodies may still be on their way to us.
    arriving: Cell<usize>,
    /// Requests that have arrived whole and are not answered: the delay is ours.
    unanswered: Cell<usize>,
    /// Requests that the client was permitted before hyper had them.
    permitted: Cell<usize>,
    /// Responses whose bodies are not over.
    answering: Cell<usize>,
}

impl InFlight {
    pub(super) fn new(
        activity: Rc<Activity>,
        permit: Option<Rc<ConnectionPermit>>,
        permitted: usize,
    ) -> Rc<Self> {
        Rc::new(Self {
            activity,
            permit,
            arriving: Cell::new(0),
            unanswered: Cell::new(0),
            permitted: Cell::new(permitted),
            answering: Cell::new(0),
        })
    }

    /// Whether the client may ask now.
    pub(super) fn permit_request(&self) -> Result<(), RetryAfter> {
        if let Some(left) = self.permitted.get().checked_sub(1) {
            self.permitted.set(left);
            return Ok(());
        }
        match &self.permit {
            Some(permit) => permit.request(Instant::now()),
            None => Ok(()),
        }
    }

    /// A request has arrived.
    pub(super) fn begin<S: Service, B: Body>(
        self: &Rc<Self>,
        request: &http::Request<B>,
        client: Client,
        core: Rc<Core<S>>,
    ) -> Watch<S> {
        let stage = if request.body().is_end_stream() {
            Stage::Unanswered
        } else {
            Stage::Arriving
        };
        self.count(stage, 1);
        self.show();
        let notes = core
            .service
            .observes()
            .then(|| Box::new(Notes::of(request, client)));
        Watch {
            in_flight: Rc::clone(self),
            stage,
            version: request.version(),
            ends: Ends::Marked,
            core,
            measure: Measure::of(request),
            notes,
        }
    }

    fn show(&self) {
        let (arriving, unanswered) = (self.arriving.get(), self.unanswered.get());
        let phase = match (arriving, unanswered, self.answering.get()) {
            (0, 0, 0) => Phase::Idle,
            (_, 0, 0) => Phase::Reading,
            (_, _, 0) => Phase::Sending,
            _ => Phase::Exchanging,
        };
        self.activity.enter(phase);
    }

    fn count(&self, stage: Stage, by: isize) {
        let counter = match stage {
            Stage::Arriving => &self.arriving,
            Stage::Unanswered => &self.unanswered,
            Stage::Answering => &self.answering,
        };
        counter.set(counter.get().saturating_add_signed(by));
    }
}

/// Where a request is.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Arriving,
    Unanswered,
    Answering,
}

/// How a client sees that a body is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ends {
    /// By the end of the connection, as ever with HTTP/1.0 and a length that nobody knows.
    Close,
    /// By a length, a last chunk, or a flag of HTTP/2.
    Marked,
}

/// One request in flight; over when it is dropped.
pub(super) struct Watch<S: Service> {
    in_flight: Rc<InFlight>,
    stage: Stage,
    version: http::Version,
    ends: Ends,
    core: Rc<Core<S>>,
    measure: Measure,
    notes: Option<Box<Notes>>,
}

impl<S: Service> Watch<S> {
    /// Its response has begun.
    pub(super) fn answering(&mut self, response: &http::Response<HandedOver>) {
        let in_flight = &self.in_flight;
        in_flight.count(self.stage, -1);
        self.stage = Stage::Answering;
        in_flight.count(self.stage, 1);
        in_flight.show();
        let length = response.body().size_hint().exact();
        if self.version == http::Version::HTTP_10 && length.is_none() {
            self.ends = Ends::Close;
            in_flight.activity.reset_at_end();
        }
        self.measure.answered(response);
        if let Some(notes) = &mut self.notes {
            notes.planned_bytes = length;
            if let Some(decision) = response.extensions().get::<Decision>() {
                notes.decision = decision.clone();
            }
        }
    }
}

impl<S: Service> Drop for Watch<S> {
    fn drop(&mut self) {
        self.in_flight.count(self.stage, -1);
        self.in_flight.show();
        if self.measure.outcome == Outcome::CutByClient {
            self.measure.outcome = Outcome::of_client(self.in_flight.activity.ended());
        }
        self.measure.count(self.core.shard.tally());
        if let Some(notes) = &self.notes {
            self.core.service.observe(&notes.exchange(&self.measure));
        }
    }
}

/// What the log will say; only made if somebody reads it.
struct Notes {
    client: Client,
    method: http::Method,
    target: String,
    version: AskedVersion,
    fields: HeaderMap,
    planned_bytes: Option<u64>,
    decision: Decision,
}

impl Notes {
    fn of<B>(request: &http::Request<B>, client: Client) -> Self {
        let target = request.uri().path_and_query();
        Self {
            client,
            method: request.method().clone(),
            target: target.map_or_else(|| "*".to_owned(), ToString::to_string),
            version: match request.version() {
                http::Version::HTTP_10 => AskedVersion::Http10,
                http::Version::HTTP_2 => AskedVersion::Http2,
                _ => AskedVersion::Http11,
            },
            fields: logged_fields(request),
            planned_bytes: None,
            decision: Decision::Serve,
        }
    }

    fn exchange(&self, measure: &Measure) -> Exchange<'_> {
        let field = |name: HeaderName| self.fields.get(name).map(|value| value.as_bytes());
        Exchange {
            client: &self.client,
            request: Asked {
                method: self.method.as_str().as_bytes(),
                target: self.target.as_bytes(),
                version: self.version,
                host: field(header::HOST).unwrap_or_default(),
                range: field(header::RANGE),
                referer: field(header::REFERER),
                user_agent: field(header::USER_AGENT),
            },
            status: measure.status,
            planned_bytes: self.planned_bytes.unwrap_or(measure.sent_bytes),
            sent_bytes: measure.sent_bytes,
            outcome: measure.outcome,
            decision: &self.decision,
            lasted: measure.lasted(),
        }
    }
}

/// The fields that the log is about, with the authority of HTTP/2 as `Host`.
fn logged_fields<B>(request: &http::Request<B>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for name in [
        header::HOST,
        header::RANGE,
        header::REFERER,
        header::USER_AGENT,
    ] {
        if let Some(value) = request.headers().get(&name) {
            fields.insert(name, value.clone());
        }
    }
    if let Some(authority) = request.uri().authority()
        && let Ok(value) = http::HeaderValue::from_str(authority.as_str())
    {
        fields.insert(header::HOST, value);
    }
    fields
}

/// A body whose end is noticed, and which keeps the client's rate.
pub(super) struct Watched<S: Service> {
    body: HandedOver,
    watch: Watch<S>,
    /// Bytes that have been made and not been allowed yet.
    waiting: Bytes,
    /// Until when they wait; `None` if nobody has been asked about them.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S: Service> Watched<S> {
    pub(super) fn new(body: HandedOver, mut watch: Watch<S>) -> Self {
        if body.is_end_stream() {
            watch.measure.outcome = Outcome::Complete;
        }
        Self {
            body,
            watch,
            waiting: Bytes::new(),
            until: None,
        }
    }
}

impl<S: Service> Watched<S> {
    /// As much of what waits as the client's rate allows now; nothing if it has to wait longer.
    fn paced(&mut self) -> Option<Bytes> {
        let Some(permit) = &self.watch.in_flight.permit else {
            return Some(mem::take(&mut self.waiting));
        };
        let waiting_bytes = self.waiting.len();
        match permit.pace(Instant::now(), waiting_bytes as u64) {
            Pace::Go(allowed) => Some(self.waiting.split_to(waiting_bytes.min(allowed as usize))),
            Pace::Wait(wait) => {
                // The delay is ours, and no silence of the client's.
                self.watch.in_flight.activity.moved(1);
                self.until = Some(Box::pin(sleep(wait)));
                None
            }
        }
    }

    /// The next bytes that are due.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(until) = &mut self.until {
                ready!(until.as_mut().poll(cx));
                self.until = None;
            }
            if self.waiting.is_empty() {
                match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(bytes) => self.waiting = bytes,
                        Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                    },
                    end => return Poll::Ready(end),
                }
            }
            if let Some(due) = self.paced() {
                return Poll::Ready(Some(Ok(Frame::data(due))));
            }
        }
    }

    fn note(&mut self, frame: Option<&Result<Frame<Bytes>, io::Error>>) {
        let is_end = frame.is_none() || self.is_end_stream();
        let measure = &mut self.watch.measure;
        match frame {
            Some(Ok(frame)) => {
                measure.sent(frame.data_ref().map_or(0, |data| data.len() as u64));
            }
            Some(Err(error)) if let Some(outcome) = outcome_of(error) => measure.outcome = outcome,
            Some(Err(_)) => measure.outcome = Outcome::CutFileUnreadable,
            None => {}
        }
        if is_end && measure.outcome == Outcome::CutByClient {
            measure.outcome = Outcome::Complete;
        }
    }
}

impl<S: Service> Body for Watched<S> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = ready!(self.poll_due(cx));
        if let (None, Ends::Close) = (&frame, self.watch.ends) {
            self.watch.in_flight.activity.end_as_usual();
        }
        self.note(frame.as_ref());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let waiting_bytes = self.waiting.len() as u64;
        match self.body.size_hint().exact() {
            Some(bytes) => SizeHint::with_exact(bytes + waiting_bytes),
            None => SizeHint::default(),
        }
    }
}
