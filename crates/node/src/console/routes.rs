//! The console's endpoints that every node has: the page, the stream, the minutes before.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response, sse::Sse},
    routing::get,
};
use overspill_net::Client;
use overspill_wire::{live::MemberHistory, paths};
use serde::Deserialize;
use thiserror::Error;

use super::{
    VIEWERS_MAX, VIEWERS_OF_NETWORK_MAX,
    assets::{INDEX, SCRIPT, STYLE},
};
use crate::role::Role;

/// `?member=NAME`.
#[derive(Debug, Deserialize)]
struct HistoryQuery {
    member: String,
}

/// Why there is nothing to show.
#[derive(Debug, Error)]
pub(super) enum ConsoleError {
    #[error("this node has no console")]
    Absent,
    #[error(
        "{VIEWERS_MAX} consoles are open at this node, or {VIEWERS_OF_NETWORK_MAX} in your network, \
         which is the most it serves; close one"
    )]
    Full,
    #[error("nothing is known of a member called {0:?}")]
    Unknown(String),
}

/// Seconds after which a console may try again.
const RETRY_AFTER_S: &str = "10";

/// The page and what it reads; nothing here changes anything.
pub(crate) fn routes<R: Role>() -> Router<Arc<R>> {
    Router::new()
        .route(paths::CONSOLE, get(async |headers| asset(&INDEX, headers)))
        .route(
            "/-/console.js",
            get(async |headers| asset(&SCRIPT, headers)),
        )
        .route(
            "/-/console.css",
            get(async |headers| asset(&STYLE, headers)),
        )
        .route(paths::LIVE, get(live::<R>))
        .route(paths::HISTORY, get(history::<R>))
}

fn asset(asset: &'static super::assets::Asset, headers: HeaderMap) -> Response {
    asset.answer(&headers)
}

async fn live<R: Role>(
    State(role): State<Arc<R>>,
    Extension(client): Extension<Client>,
) -> Result<Response, ConsoleError> {
    let console = role.console().ok_or(ConsoleError::Absent)?;
    let viewer = console.open_stream(&*role, client.address.ip());
    let viewer = viewer.ok_or(ConsoleError::Full)?;
    let mut response = Sse::new(viewer.events()).into_response();
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    let fields = response.headers_mut();
    // A proxy that gathers a second's events would show them late.
    fields.insert(unbuffered, HeaderValue::from_static("no"));
    Ok(response)
}

async fn history<R: Role>(
    State(role): State<Arc<R>>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<MemberHistory>, ConsoleError> {
    let console = role.console().ok_or(ConsoleError::Absent)?;
    let history = console.member_history(&query.member);
    history.map(Json).ok_or(ConsoleError::Unknown(query.member))
}

impl IntoResponse for ConsoleError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Absent | Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut response = (status, format!("{self}\n")).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = HeaderValue::from_static(RETRY_AFTER_S);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
