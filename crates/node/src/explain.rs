//! Telling people and programs why a file would be served by whom, and what was decided lately.
//!
//! It must never count, learn or decide anything, nor show more of a client than its network, but to
//! itself.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{Extension, Query, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use overspill_core::{
    catalog::{Content, Kind, Revision},
    dispatch::{
        By, Choice, Considered, Decided, Dispatcher, Explanation, Ground, Holding, Journal, Manner,
        Offload, Part, Turn,
    },
    fleet::{Member, MemberId, Scheme},
    path::{CatalogPath, PathError, UrlForm},
    policy::{CostTerms, Place},
    root::Root,
};
use overspill_net::{Client, Security};
use overspill_wire::{
    explain::{
        ByName, CostParts, DecisionEntry, DecisionName, DecisionsReply, ExplainReply,
        ExplainedCandidate, ExplainedExclusion, GroundName, OffloadName, PartName, network_of,
    },
    paths::EXPLAIN,
};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    dispatcher::SharedDispatcher,
    role::{Ask, Found, Role},
};

/// Decisions told when nobody says how many.
const USUAL_DECISIONS: usize = 100;

/// `?from=ADDRESS`.
#[derive(Debug, Deserialize)]
pub(crate) struct ExplainQuery {
    from: Option<String>,
}

/// `?limit=N`.
#[derive(Debug, Deserialize)]
pub(crate) struct DecisionsQuery {
    limit: Option<String>,
}

/// Why there is nothing to tell.
#[derive(Debug, Error)]
pub(crate) enum ExplainError {
    #[error("there is no such file")]
    Absent,
    #[error("{0:?} is no IP address; write for example from=192.0.2.1")]
    Address(String),
    #[error("this is a folder; ask about a file in it")]
    Folder,
    #[error("{0:?} is no number of decisions; up to {max} are remembered", max = Journal::LENGTH)]
    Limit(String),
    #[error("this node dispatches nobody; ask the server")]
    NoDispatcher,
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("the file is there but cannot be read; its owner has been told")]
    Unreadable,
    #[error("it is served by the server alone until it is hashed")]
    Unhashed,
}

/// The content a question is about.
struct Subject {
    path: CatalogPath,
    root: Root,
    bytes: u64,
    revision: Revision,
    holding: Holding,
}

/// A file that somebody asks about.
pub(crate) struct Looked {
    pub(crate) path: CatalogPath,
    /// `None` while it is not hashed.
    pub(crate) content: Option<(Content, Revision)>,
    pub(crate) bytes: u64,
    pub(crate) mtime_ns: i64,
    /// Whether this node has the bytes.
    pub(crate) holding: Holding,
}

/// `GET /-/explain/PATH`.
pub(crate) async fn explain<R: Role>(
    State(role): State<Arc<R>>,
    Extension(client): Extension<Client>,
    uri: Uri,
    Query(query): Query<ExplainQuery>,
) -> Result<Json<ExplainReply>, ExplainError> {
    let dispatcher = role.dispatcher().ok_or(ExplainError::NoDispatcher)?;
    let address = match query.from {
        None => client.address.ip(),
        Some(text) => text.parse().map_err(|_| ExplainError::Address(text))?,
    };
    let subject = subject(&role, &uri).await?;
    let ask = Ask {
        revision: subject.revision,
        root: subject.root,
        bytes: subject.bytes,
        part: Part::Whole,
        holding: subject.holding,
        client: address.to_canonical(),
        turn: Turn::First,
        manner: Manner::AsSet,
        avoid: &[],
        host: b"",
        links: 0,
        scheme: match client.security {
            Security::Plain => Scheme::Http,
            Security::Tls => Scheme::Https,
        },
    };
    let names = Names(role.name());
    let reply = dispatcher.explain(&ask, |explanation, dispatcher| {
        names.reply(&subject, ask.client, explanation, dispatcher)
    });
    Ok(Json(reply))
}

/// `GET /-/api/decisions`.
pub(crate) async fn decisions<R: Role>(
    State(role): State<Arc<R>>,
    Query(query): Query<DecisionsQuery>,
) -> Result<Json<DecisionsReply>, ExplainError> {
    let dispatcher: Arc<SharedDispatcher> = role.dispatcher().ok_or(ExplainError::NoDispatcher)?;
    let limit = match query.limit {
        None => USUAL_DECISIONS,
        Some(text) => text.parse().map_err(|_| ExplainError::Limit(text))?,
    };
    let (now, names) = (Instant::now(), Names(role.name()));
    let decided = dispatcher.decisions(limit);
    Ok(Json(DecisionsReply {
        node: role.name().to_owned(),
        decisions: decided.iter().map(|one| names.entry(one, now)).collect(),
    }))
}

/// The decisions after the one of this number, newest first, at most `limit`, each with its time
/// and root.
pub(crate) fn decided_after<R: Role>(
    role: &R,
    number: u64,
    limit: usize,
    now: Instant,
) -> Vec<(Instant, Root, DecisionEntry)> {
    let Some(dispatcher) = role.dispatcher() else {
        return Vec::new();
    };
    let names = Names(role.name());
    let decided = dispatcher.decisions(limit);
    let new = decided.iter().take_while(|one| one.number > number);
    new.map(|one| (one.at, one.root, names.entry(one, now)))
        .collect()
}

async fn subject<R: Role>(role: &Arc<R>, uri: &Uri) -> Result<Subject, ExplainError> {
    let looked = look_up(role, uri, EXPLAIN).await?;
    let (content, revision) = looked.content.ok_or(ExplainError::Unhashed)?;
    Ok(Subject {
        path: looked.path,
        root: content.root,
        bytes: looked.bytes,
        revision,
        holding: looked.holding,
    })
}

/// The file whose path follows `prefix`, wherever its bytes are.
pub(crate) async fn look_up<R: Role>(
    role: &Arc<R>,
    uri: &Uri,
    prefix: &str,
) -> Result<Looked, ExplainError> {
    let asked = uri.path().strip_prefix(prefix).unwrap_or_default();
    let url = CatalogPath::from_url(asked.as_bytes())?;
    let (path, form) = (url.path, url.form);
    match (look(role, &path).await, form) {
        (Found::File(file), UrlForm::File) => Ok(Looked {
            path,
            content: file.version.content,
            bytes: file.version.size,
            mtime_ns: file.version.mtime_ns,
            holding: Holding::Here,
        }),
        (Found::Folder, _) => Err(ExplainError::Folder),
        (lost, UrlForm::File) if let Some(looked) = named(role, &path) => match lost {
            Found::Unreadable if looked.content.is_none() => Err(ExplainError::Unreadable),
            _ => Ok(looked),
        },
        (Found::Unreadable, _) => Err(ExplainError::Unreadable),
        (Found::Absent | Found::Elsewhere | Found::File(_), _) => Err(ExplainError::Absent),
    }
}

/// What the catalog says of a file whose bytes are not here, or are no longer.
fn named<R: Role>(role: &Arc<R>, path: &CatalogPath) -> Option<Looked> {
    let catalog = role.catalog();
    let entry = catalog
        .entry(path)
        .filter(|entry| entry.kind == Kind::File)?;
    Some(Looked {
        content: entry.content.map(|content| (content, entry.revision)),
        bytes: entry.size,
        mtime_ns: entry.mtime_ns,
        holding: Holding::Elsewhere,
        path: path.clone(),
    })
}

/// What is at `path`, off the serving thread where a disk may have to be asked.
async fn look<R: Role>(role: &Arc<R>, path: &CatalogPath) -> Found {
    if let Some(found) = role.find_in_memory(path) {
        return found;
    }
    let (role, path) = (Arc::clone(role), path.clone());
    let found = tokio::task::spawn_blocking(move || role.find(&path)).await;
    // A panic there has been printed.
    found.unwrap_or(Found::Unreadable)
}

/// Names nodes, seen from the one of this name.
#[derive(Clone, Copy)]
struct Names<'a>(&'a str);

impl Names<'_> {
    fn of(self, member: Option<&MemberId>) -> String {
        member.map_or(self.0, MemberId::as_str).to_owned()
    }

    fn reply(
        self,
        subject: &Subject,
        client: IpAddr,
        explanation: &Explanation,
        dispatcher: &Dispatcher,
    ) -> ExplainReply {
        let settings = dispatcher.settings();
        let members = dispatcher.fleet().members();
        let choice = explanation.chosen.map(|place| match place {
            Place::Here => None,
            Place::Member(slot) => members.get(slot).map(Member::id),
        });
        let mut considered: Vec<&Considered> = explanation.considered.iter().collect();
        considered.sort_by(|a, b| a.terms.total_s().total_cmp(&b.terms.total_s()));
        let excluded = explanation.excluded.iter();
        ExplainReply {
            path: subject.path.to_url(),
            root: subject.root.to_string(),
            bytes: subject.bytes,
            client,
            client_zone: explanation.client_zone.as_ref().map(ToString::to_string),
            node: self.0.to_owned(),
            policy: settings.policy.name().to_owned(),
            offload: offload_name(settings.offload),
            is_offloading: dispatcher.is_offloading(),
            is_browned_out: dispatcher.is_browned_out(),
            waiting: dispatcher.waiting() as u64,
            choice: choice.map(|member| self.of(member)),
            ground: ground_name(explanation.ground),
            candidates: considered.iter().map(|one| self.candidate(one)).collect(),
            excluded: excluded
                .map(|one| ExplainedExclusion {
                    node: self.of(one.member.as_ref()),
                    reason: one.why.to_string(),
                })
                .collect(),
        }
    }

    fn candidate(self, considered: &Considered) -> ExplainedCandidate {
        ExplainedCandidate {
            node: self.of(considered.member.as_ref()),
            by: considered.by.map(|by| match by {
                By::Redirect => ByName::Redirect,
                By::Relay => ByName::Relay,
            }),
            zone: considered.zone.as_ref().map(ToString::to_string),
            is_weighed: considered.is_weighed,
            flows: considered.flows,
            capacity_bytes_per_s: considered.capacity_bytes_per_s as u64,
            cost: cost_parts(&considered.terms),
        }
    }

    fn entry(self, decided: &Decided, now: Instant) -> DecisionEntry {
        let (decision, choice) = match &decided.choice {
            Choice::Here => (DecisionName::Serve, Some(self.of(None))),
            Choice::Member(member) => (DecisionName::Redirect, Some(self.of(Some(member)))),
            Choice::Relay(member) => (DecisionName::Relay, Some(self.of(Some(member)))),
            Choice::Rejected => (DecisionName::Reject, None),
        };
        DecisionEntry {
            number: decided.number,
            age_ms: millis(now.saturating_duration_since(decided.at)),
            client: network_of(decided.client),
            path: None,
            root: decided.root.to_string(),
            bytes: decided.bytes,
            part: match decided.part {
                Part::Rest(_) => PartName::Rest,
                Part::Span => PartName::Span,
                Part::Whole => PartName::Whole,
            },
            decision,
            choice,
            instead_of: decided.instead_of.as_ref().map(ToString::to_string),
            cost_s: finite(decided.cost_s),
            candidates: decided.candidates as u64,
        }
    }
}

fn cost_parts(terms: &CostTerms) -> CostParts {
    CostParts {
        net_s: finite(terms.net_s),
        send_s: finite(terms.send_s),
        share_s: finite(terms.share_s),
        client_s: finite(terms.client_s),
        penalty: finite(terms.penalty),
        bias: finite(terms.bias),
        total_s: finite(terms.total_s()),
    }
}

/// JSON has no word for what is infinite.
fn finite(seconds: f64) -> f64 {
    seconds.min(f64::MAX)
}

pub(crate) fn millis(age: Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

fn offload_name(offload: Offload) -> OffloadName {
    match offload {
        Offload::Never => OffloadName::Never,
        Offload::Share => OffloadName::Share,
        Offload::WhenBusy => OffloadName::WhenBusy,
    }
}

fn ground_name(ground: Ground) -> GroundName {
    match ground {
        Ground::Cost => GroundName::Cost,
        Ground::Full => GroundName::Full,
        Ground::Nowhere => GroundName::Nowhere,
        Ground::Stays => GroundName::Stays,
        Ground::TooSmall => GroundName::TooSmall,
    }
}

impl IntoResponse for ExplainError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Absent | Self::NoDispatcher => StatusCode::NOT_FOUND,
            Self::Address(_) | Self::Folder | Self::Limit(_) | Self::Path(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Unreadable => StatusCode::FORBIDDEN,
            Self::Unhashed => StatusCode::CONFLICT,
        };
        (status, format!("{self}\n")).into_response()
    }
}
