//! The endpoints of the control plane.
//!
//! Each checks the proof before it reads the body's meaning.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Extension, Query, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{
        IntoResponse, Response,
        sse::{Event as SseEvent, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, stream};
use overspill_core::{
    catalog::Revision,
    fleet::{FleetError, Input, MemberId},
    secret::Key,
};
use overspill_net::Client;
use overspill_node::{Rules, SharedDispatcher, SharedRules};
use overspill_wire::{
    PROTOCOL,
    auth::{AUTH_FIELD, Proof, SessionId},
    fleet::{
        Event, HelloRequest, JoinReply, JoinRequest, MAX_MESSAGE_BYTES, ReportMessage, SignedEvent,
    },
    paths,
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::{
    orders::order,
    sessions::{AuthError, Sessions},
    view::{view_every, view_for},
};
use crate::{
    feed::{self, FeedQuery},
    orders::KeptOrders,
    publish::{Published, lock},
};

/// What the endpoints share.
pub(crate) struct Control {
    pub(crate) sessions: Mutex<Sessions>,
    pub(crate) dispatcher: Arc<SharedDispatcher>,
    /// Carried out one at a time.
    pub(crate) orders: Mutex<KeptOrders>,
    pub(crate) published: Arc<Published>,
    /// Told to mirrors, so that their answers are ours.
    pub(crate) rules: SharedRules,
}

/// Silence on an event stream after which the server says that it is alive.
const PING_EVERY: Duration = Duration::from_secs(1);

/// A refusal: a status and one line of text.
pub(crate) type Refusal = (StatusCode, String);

/// The control plane's routes.
pub(crate) fn control_routes(control: Arc<Control>) -> Router {
    Router::new()
        .route(paths::HELLO, post(hello))
        .route(paths::JOIN, post(join))
        .route(paths::EVENTS, get(events))
        .route(paths::ORDER, post(order))
        .route(paths::REPORT, post(report))
        .route(paths::CATALOG, get(catalog))
        .layer(DefaultBodyLimit::max(MAX_MESSAGE_BYTES))
        .with_state(control)
}

async fn hello(State(control): State<Arc<Control>>, body: Bytes) -> Result<Response, Refusal> {
    let hello: HelloRequest = read(&body)?;
    if hello.protocol != PROTOCOL {
        let text = format!(
            "this server speaks protocol {PROTOCOL}, the mirror {}; run the same version on both\n",
            hello.protocol
        );
        return Err((StatusCode::CONFLICT, text));
    }
    let member: Result<MemberId, _> = hello.member.parse();
    member.map_err(bad_request)?;
    let reply = lock(&control.sessions).hello(Instant::now(), hello, random_nonce()?);
    Ok(Json(reply.map_err(refuse)?).into_response())
}

async fn join(
    State(control): State<Arc<Control>>,
    Extension(client): Extension<Client>,
    body: Bytes,
) -> Result<Json<JoinReply>, Refusal> {
    let join: JoinRequest = read(&body)?;
    let url = public_url(&join, client.address);
    let hello = join.to_hello(url.clone()).map_err(bad_request)?;
    let session = SessionId(random_u64()?);
    lock(&control.sessions)
        .join(&join, &hello.member, session)
        .map_err(refuse)?;
    control
        .dispatcher
        .handle(&Input::Joined(&hello))
        .map_err(refuse_member)?;
    tracing::info!(
        event = "member-joined", member = %hello.member, %url, version = %hello.version,
        "a member has joined; it gets clients once it has reported"
    );
    Ok(Json(JoinReply {
        session: session.to_string(),
        url,
    }))
}

async fn report(
    State(control): State<Arc<Control>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let (member, _, _) = control.verify("POST", &uri, &headers, &body)?;
    let message: ReportMessage = read(&body)?;
    let report = message.into_report().map_err(bad_request)?;
    control
        .dispatcher
        .handle(&Input::Reported(&member, &report))
        .map_err(refuse_member)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn catalog(
    State(control): State<Arc<Control>>,
    uri: Uri,
    Query(query): Query<FeedQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if !control.published.is_restored() {
        let text = "the catalog is being read; try again in a moment\n";
        return Err((StatusCode::SERVICE_UNAVAILABLE, text.to_owned()));
    }
    let key = match headers.contains_key(AUTH_FIELD) {
        true => Some(control.verify("GET", &uri, &headers, b"")?.1),
        false => None,
    };
    Ok(feed::answer(&control.published, &query, &headers, key))
}

async fn events(
    State(control): State<Arc<Control>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (member, key, session) = control.verify("GET", &uri, &headers, b"")?;
    control
        .dispatcher
        .handle(&Input::StreamOpened(&member))
        .map_err(refuse_member)?;
    let open = OpenStream {
        control: Arc::clone(&control),
        member,
        session,
    };
    Ok(Sse::new(event_stream(open, key)).into_response())
}

/// Closes the stream in the fleet's eyes when the connection is dropped.
struct OpenStream {
    control: Arc<Control>,
    member: MemberId,
    session: SessionId,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        // A member that has joined again has another stream; this one's end means nothing then.
        if lock(&self.control.sessions).is_open(self.session) {
            let _ = self
                .control
                .dispatcher
                .handle(&Input::StreamClosed(&self.member));
        }
    }
}

struct EventState {
    open: OpenStream,
    key: Key,
    revisions: watch::Receiver<Revision>,
    seq: u64,
    /// What is yet to be said before everything else.
    first: Option<Event>,
    /// The rules that were told last.
    rules: Arc<Rules>,
    /// When the fleet is to be told again.
    view_due: Instant,
}

/// The rules and the revision at once, each again when it changes, and the revision in every silent
/// second.
fn event_stream(open: OpenStream, key: Key) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    let mut revisions = open.control.published.revisions();
    revisions.mark_changed();
    let rules = open.control.rules.load_full();
    let first = Some(rules_event(&rules));
    let state = EventState {
        open,
        key,
        revisions,
        seq: 0,
        first,
        rules,
        view_due: Instant::now(),
    };
    stream::unfold(state, |mut state| async move {
        let event = state.next_event().await?;
        if !lock(&state.open.control.sessions).is_open(state.open.session) {
            return None;
        }
        state.seq += 1;
        let signed = SignedEvent::sign(&state.key, state.seq, &event);
        let text = serde_json::to_string(&signed).unwrap_or_default();
        Some((Ok(SseEvent::default().data(text)), state))
    })
}

fn rules_event(rules: &Rules) -> Event {
    // Strings and maps of strings always serialize.
    let text = serde_json::to_string(rules.texts()).unwrap_or_default();
    Event::Rules { text }
}

impl EventState {
    /// Waits for something to say; `None` when there will be nothing more.
    async fn next_event(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let rules = self.open.control.rules.load_full();
        if !Arc::ptr_eq(&rules, &self.rules) {
            let event = rules_event(&rules);
            self.rules = rules;
            return Some(event);
        }
        let now = Instant::now();
        if now >= self.view_due {
            return Some(self.view_event(now));
        }
        let patience = PING_EVERY.min(self.view_due - now);
        let changed = tokio::time::timeout(patience, self.revisions.changed()).await;
        Some(match changed {
            // Before that there is nothing to follow; the revision rings again when there is.
            _ if !self.open.control.published.is_restored() => Event::Ping,
            Ok(Ok(())) => self.catalog_event(),
            Ok(Err(_)) => return None,
            // Said again in silence, for whether it is everything changes without a revision.
            Err(_) => self.catalog_event(),
        })
    }

    fn view_event(&mut self, now: Instant) -> Event {
        let control = &self.open.control;
        let (event, members) = control.dispatcher.look(|dispatcher| {
            let (fleet, zone) = (dispatcher.fleet(), dispatcher.settings().zone.as_ref());
            (
                view_for(&self.open.member, fleet, zone),
                fleet.members().len(),
            )
        });
        self.view_due = now + view_every(members);
        event
    }

    fn catalog_event(&mut self) -> Event {
        let revision = self.revisions.borrow_and_update().0;
        let published = &self.open.control.published;
        let instance = published.catalog().instance().to_string();
        let listing = published.listing();
        Event::Catalog {
            instance,
            revision,
            listing,
        }
    }
}

impl Control {
    fn verify(
        &self,
        method: &str,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(MemberId, Key, SessionId), Refusal> {
        let field = headers
            .get(AUTH_FIELD)
            .and_then(|value| value.to_str().ok());
        let proof: Proof = field.unwrap_or_default().parse().map_err(bad_request)?;
        let path = uri.path_and_query().map_or("", |target| target.as_str());
        let verified = lock(&self.sessions).verify(&proof, method, path, body);
        verified
            .map(|(member, key)| (member, key, proof.session))
            .map_err(refuse)
    }
}

/// The URL clients are sent to: the one the mirror gave, or the address it came from.
fn public_url(join: &JoinRequest, client: SocketAddr) -> String {
    if !join.url.is_empty() {
        return join.url.trim_end_matches('/').to_owned();
    }
    let address = SocketAddr::new(client.ip(), join.port);
    format!("{}://{address}", join.scheme.as_str())
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(bad_request)
}

pub(super) fn bad_request(error: impl ToString) -> Refusal {
    (StatusCode::BAD_REQUEST, format!("{}\n", error.to_string()))
}

pub(super) fn refuse(error: AuthError) -> Refusal {
    let status = match error {
        AuthError::WrongToken => StatusCode::FORBIDDEN,
        AuthError::NoHello | AuthError::NoSession | AuthError::Replayed | AuthError::Unsigned => {
            StatusCode::UNAUTHORIZED
        }
    };
    (status, format!("{error}\n"))
}

fn refuse_member(error: FleetError) -> Refusal {
    let status = match error {
        FleetError::Full => StatusCode::SERVICE_UNAVAILABLE,
        FleetError::Removed(_) => StatusCode::GONE,
        _ => StatusCode::UNAUTHORIZED,
    };
    (status, format!("{error}\n"))
}

fn random_nonce() -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn random_u64() -> Result<u64, Refusal> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

fn fill(bytes: &mut [u8]) -> Result<(), Refusal> {
    let no_randomness = |_| {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "no randomness\n".to_owned(),
        )
    };
    aws_lc_rs::rand::fill(bytes).map_err(no_randomness)
}
