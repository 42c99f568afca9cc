//! Who has a file: `GET /-/sources/PATH`, for clients that pull from many nodes.
//!
//! Who may be a source for a client is dispatch's own finding, the one that `/-/explain` shows. It
//! must never name a node that this client would not be sent to, nor count anything.

use std::{cmp::Ordering, sync::Arc};

use axum::{
    Json,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use overspill_core::{
    catalog::{Content, Revision},
    dispatch::{Considered, Dispatcher, Explanation, Manner, Part, Turn},
    fleet::MemberId,
    root::Root,
};
use overspill_net::Client;
use overspill_store::outboards::OUTBOARD_FROM_BYTES;
use overspill_wire::{
    paths::SOURCES,
    sources::{SOURCES_MAX, Source, SourcesReply},
};
use thiserror::Error;

use crate::{
    explain::{ExplainError, Looked, look_up},
    origin::{origin, scheme_of},
    query::TreeQuery,
    role::{Ask, Role},
};

/// Why there are no sources to tell.
#[derive(Debug, Error)]
pub(crate) enum SourcesError {
    #[error(transparent)]
    File(#[from] ExplainError),
    #[error("the request does not say which host it asks")]
    NoHost,
}

/// The node that answers, as this client sees it.
struct Here<'a> {
    name: &'a str,
    url: String,
}

/// `GET /-/sources/PATH`.
pub(crate) async fn sources<R: Role>(
    State(role): State<Arc<R>>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<SourcesReply>, SourcesError> {
    let here = Here {
        name: role.name(),
        url: origin(&uri, &headers, client.security).ok_or(SourcesError::NoHost)?,
    };
    let looked = look_up(&role, &uri, SOURCES).await?;
    // What else stands in the query is not ours.
    let query = TreeQuery::parse(uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let sources = match (looked.content, role.dispatcher()) {
        (Some(content), Some(dispatcher)) => {
            let ask = ask(&looked, content, &client, &query.avoid);
            dispatcher.explain(&ask, |explanation, dispatcher| {
                here.sources(explanation, dispatcher)
            })
        }
        _ => vec![here.alone()],
    };
    let root = looked.content.map(|(content, _)| content.root);
    Ok(Json(SourcesReply {
        path: looked.path.to_url(),
        bytes: looked.bytes,
        root: root.map(|root| root.to_string()),
        revision: looked.content.map(|(_, revision)| revision.0),
        mtime_unix_ns: looked.mtime_ns,
        has_outboard: match root {
            Some(root) if looked.bytes > OUTBOARD_FROM_BYTES => has_outboard(&role, root).await,
            _ => false,
        },
        node: here.name.to_owned(),
        url: here.url,
        sources,
    }))
}

fn ask<'a>(
    looked: &Looked,
    (content, revision): (Content, Revision),
    client: &Client,
    avoid: &'a [MemberId],
) -> Ask<'a> {
    Ask {
        revision,
        root: content.root,
        bytes: looked.bytes,
        part: Part::Whole,
        holding: looked.holding,
        client: client.address.ip().to_canonical(),
        turn: Turn::First,
        avoid,
        host: b"",
        scheme: scheme_of(client.security),
        links: 0,
        manner: Manner::AsSet,
    }
}

async fn has_outboard<R: Role>(role: &Arc<R>, root: Root) -> bool {
    let Some(desk) = role.outboards() else {
        return false;
    };
    // A disk is asked. A panic there has been printed.
    let stored = tokio::task::spawn_blocking(move || desk.is_stored(&root)).await;
    stored.unwrap_or(false)
}

impl Here<'_> {
    /// Who is able, cheapest first.
    fn sources(&self, explanation: &Explanation, dispatcher: &Dispatcher) -> Vec<Source> {
        let mut able: Vec<&Considered> = explanation
            .considered
            .iter()
            .filter(|one| one.is_open_to_client())
            .collect();
        able.sort_by(|a, b| by_cost(a, b));
        able.truncate(SOURCES_MAX);
        let sources = able.iter().filter_map(|one| self.source(one, dispatcher));
        sources.collect()
    }

    fn source(&self, one: &Considered, dispatcher: &Dispatcher) -> Option<Source> {
        let (member, url) = match &one.member {
            None => (self.name.to_owned(), self.url.clone()),
            Some(id) => {
                let members = dispatcher.fleet().members();
                let member = members.iter().find(|member| member.id() == id)?;
                (id.to_string(), member.url().to_owned())
            }
        };
        Some(Source {
            member,
            url,
            zone: one.zone.as_ref().map(ToString::to_string),
            capacity_bytes_per_s: one.capacity_bytes_per_s as u64,
            cost_s: one.terms.total_s().min(f64::MAX),
        })
    }

    /// This node as the only source, of a content that nobody else can have.
    fn alone(&self) -> Source {
        Source {
            member: self.name.to_owned(),
            url: self.url.clone(),
            zone: None,
            capacity_bytes_per_s: 0,
            cost_s: 0.0,
        }
    }
}

fn by_cost(a: &Considered, b: &Considered) -> Ordering {
    a.terms.total_s().total_cmp(&b.terms.total_s())
}

impl IntoResponse for SourcesError {
    fn into_response(self) -> Response {
        match self {
            Self::File(error) => error.into_response(),
            Self::NoHost => (StatusCode::BAD_REQUEST, format!("{self}\n")).into_response(),
        }
    }
}
