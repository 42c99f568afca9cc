//! The tie to the server: join, follow, report; and again when it breaks.
//!
//! While the server is away the mirror goes on serving; the link says so once and tries again with
//! growing, jittered pauses. It must never give up for good once it has been joined, unless the
//! operator has removed it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::Method;
use overspill_core::{catalog::Revision, fleet::Input, secret::FleetToken};
use overspill_net::client::{ClientError, HttpClient, Patience, Reply, Trust};
use overspill_node::{Meter, Rules, SharedDispatcher};
use overspill_wire::{
    feed::FeedKind,
    fleet::{Event, SignedEvent},
    paths,
    view::{self, MemberMessage},
};
use thiserror::Error;
use tokio::{sync::watch, time::sleep};

use crate::{
    drain::{Drain, Wanted},
    feed::{Feed, FeedError},
    replica::Replica,
    report::{Arrivals, Reporter},
    rules::KeptRules,
    session::{Applicant, ServerUrl, Session, SessionError, join},
    sync::Syncer,
};

/// How the mirror stands with its server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Link {
    /// Trying, for the reason given if it had been connected or tried before.
    Away(Option<String>),
    /// Joined and following; the server is at this revision.
    Connected(Revision),
    /// Turned away in a way that no further try will change.
    Refused(Refusal),
}

/// Why a mirror was turned away.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0}")]
pub struct Refusal(pub String);

/// Everything the link works with.
pub(crate) struct Tie {
    pub(crate) server: ServerUrl,
    pub(crate) token: FleetToken,
    pub(crate) trust: Trust,
    pub(crate) applicant: Applicant,
    pub(crate) replica: Arc<Replica>,
    pub(crate) syncer: Arc<Syncer>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) drain: Arc<Drain>,
    pub(crate) rules: KeptRules,
    pub(crate) dispatcher: Arc<SharedDispatcher>,
    pub(crate) state: watch::Sender<Link>,
}

/// First pause after a failure; doubled each time up to [`MAX_PAUSE`], with full jitter.
const MIN_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between tries: a server that is back is found within seconds.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// A server that says nothing for so long is gone: it pings every second.
const SILENCE: Duration = Duration::from_secs(5);
/// Longest event line.
const MAX_EVENT_BYTES: usize = 2 * Rules::MAX_TEXT_BYTES;

/// Why following ended.
#[derive(Debug, Error)]
enum LinkError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the server closed the event stream")]
    Closed,
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error("an event is not to be believed: {0}")]
    Forged(String),
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Tie {
    /// Keeps the tie for ever; returns only when the first join was refused for good, or any because
    /// the operator wants this mirror out.
    pub(crate) async fn keep(self) {
        let patience = Patience {
            silence: SILENCE,
            ..Patience::default()
        };
        let client = HttpClient::with_trust(patience, self.trust.clone());
        let mut tries = 0;
        loop {
            let begun = Instant::now();
            let error = self.follow(&client).await;
            let was_connected = matches!(*self.state.borrow(), Link::Connected(_));
            let is_first = *self.state.borrow() == Link::Away(None);
            if let LinkError::Session(refused) = &error
                && (refused.is_removal() || (refused.is_final() && is_first))
            {
                self.state
                    .send_replace(Link::Refused(Refusal(error.to_string())));
                return;
            }
            self.say_away(&error);
            self.lose_sight_of_server();
            if was_connected && begun.elapsed() > MAX_PAUSE {
                tries = 0;
            }
            sleep(pause(tries)).await;
            tries += 1;
        }
    }

    /// Says once that the server is away, whatever the reasons are afterwards.
    fn say_away(&self, error: &LinkError) {
        let server = self.server.as_str();
        let was_away = matches!(*self.state.borrow(), Link::Away(Some(_)));
        if was_away {
            tracing::debug!(%server, %error, "still away");
        } else {
            tracing::warn!(
                event = "server-away", %server, %error,
                "the server is away; serving goes on, and joining is tried again"
            );
        }
        self.state.send_replace(Link::Away(Some(error.to_string())));
    }

    /// Nobody is sent to a server that does not answer; the rest of the last view stands.
    fn lose_sight_of_server(&self) {
        if let Ok(server) = view::SERVER.parse() {
            // Unknown before the first view.
            let _ = self.dispatcher.handle(&Input::StreamClosed(&server));
        }
    }

    /// One life of a session, from join to failure.
    async fn follow(&self, client: &HttpClient) -> LinkError {
        let session = match join(client, &self.server, &self.token, &self.applicant).await {
            Ok(session) => session,
            Err(error) => return error.into(),
        };
        let reporter = Reporter {
            session: &session,
            client,
            replica: &self.replica,
            syncer: &self.syncer,
            meter: &self.meter,
            dispatcher: &self.dispatcher,
            arrivals: &self.arrivals,
            drain: &self.drain,
            epoch: self.applicant.epoch,
        };
        let events = session
            .send(client, Method::GET, paths::EVENTS, Vec::new())
            .await;
        let events = match events {
            Ok(events) => events,
            Err(error) => return error.into(),
        };
        let mut events = Events {
            reply: events,
            buffer: Vec::new(),
            seq: 0,
        };
        // Reports speak of revisions, so they begin when both sides mean the same by them.
        while !matches!(*self.state.borrow(), Link::Connected(_)) {
            if let Err(error) = self.take_event(client, &session, &mut events).await {
                return error;
            }
        }
        let follow = async {
            loop {
                if let Err(error) = self.take_event(client, &session, &mut events).await {
                    return error;
                }
            }
        };
        // Whichever ends first ends the session. A change that is being applied then is finished all
        // the same; the replica takes no second one for the same revision.
        tokio::select! {
            error = follow => error,
            error = reporter.run() => error.into(),
        }
    }

    /// Waits for an event and does what it asks for.
    async fn take_event(
        &self,
        client: &HttpClient,
        session: &Session,
        events: &mut Events,
    ) -> Result<(), LinkError> {
        let (revision, instance, listing) = match events.next(session).await? {
            Event::Catalog {
                revision,
                instance,
                listing,
            } => (revision, instance, listing),
            Event::Ping => return Ok(()),
            Event::Fleet {
                members,
                is_drained,
            } => {
                self.drain.ordered(match is_drained {
                    true => Wanted::Nothing,
                    false => Wanted::Work,
                });
                return self.take_view(members);
            }
            Event::Rules { text } => {
                if let Err(error) = self.rules.take(&text) {
                    tracing::warn!(
                        event = "rules-refused", %error,
                        "the server's rules are not in force here; run the same version on both"
                    );
                }
                return Ok(());
            }
        };
        let target = Revision(revision);
        let have = self.replica.catalog();
        if have.revision() != target || have.instance().to_string() != instance {
            self.catch_up(client, session).await?;
        }
        self.replica.listed(listing);
        self.state.send_replace(Link::Connected(target));
        Ok(())
    }

    /// Lets the dispatcher see the fleet as the server does.
    fn take_view(&self, members: Vec<MemberMessage>) -> Result<(), LinkError> {
        let server = self.server.as_str();
        let views = members
            .into_iter()
            .take(view::MAX_MEMBERS)
            .map(|member| member.into_view(server));
        let views = views
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| LinkError::Forged(error.to_string()))?;
        // A view concerns whom it names, so nobody can be unknown.
        let _ = self.dispatcher.handle(&Input::Viewed(&views));
        Ok(())
    }

    /// Brings the catalog to the server's revision.
    async fn catch_up(&self, client: &HttpClient, session: &Session) -> Result<(), LinkError> {
        let have = self.replica.catalog();
        let feed = Feed::read(client, session, &have).await?;
        let replica = Arc::clone(&self.replica);
        // A snapshot of a large tree is work for a while; the reports must go on meanwhile.
        let applied = tokio::task::spawn_blocking(move || {
            match feed.kind {
                FeedKind::Snapshot => replica.replace(&have, feed.to_catalog(), &feed.changes),
                FeedKind::Changes => replica.advance(&have, feed.revision, &feed.changes),
            }
            replica.sync_index_when_complete();
        });
        match applied.await {
            Ok(()) => Ok(()),
            Err(panic) => Err(LinkError::Forged(panic.to_string())),
        }
    }
}

/// The event stream, split into events.
struct Events {
    reply: Reply,
    buffer: Vec<u8>,
    seq: u64,
}

impl Events {
    async fn next(&mut self, session: &Session) -> Result<Event, LinkError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if let Some(data) = line.strip_prefix(b"data:") {
                    return self.open(data, session);
                }
                continue;
            }
            if self.buffer.len() > MAX_EVENT_BYTES {
                return Err(LinkError::Forged("it does not end".to_owned()));
            }
            match self.reply.next_part().await? {
                Some(part) => self.buffer.extend_from_slice(&part),
                None => return Err(LinkError::Closed),
            }
        }
    }

    fn open(&mut self, data: &[u8], session: &Session) -> Result<Event, LinkError> {
        let forged = |error: &dyn ToString| LinkError::Forged(error.to_string());
        let signed: SignedEvent = serde_json::from_slice(data).map_err(|error| forged(&error))?;
        let event = signed.open(session.key()).map_err(|error| forged(&error))?;
        if signed.seq <= self.seq {
            return Err(forged(&"it is a replay"));
        }
        self.seq = signed.seq;
        Ok(event)
    }
}

/// Full jitter: anything between nothing and the doubled pause (so a fleet does not return as one).
fn pause(tries: u32) -> Duration {
    let longest = MIN_PAUSE.saturating_mul(1 << tries.min(10)).min(MAX_PAUSE);
    longest.mul_f64(fastrand::f64()).max(MIN_PAUSE / 2)
}
