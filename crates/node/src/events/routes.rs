//! `GET /-/api/events`.
//!
//! It tells what the store holds and nothing else.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use overspill_wire::paths;
use serde::Deserialize;

use super::store::EventStore;

/// Events told when nobody says how many.
const USUAL_EVENTS: usize = 100;

/// `?after=SEQ&limit=N`.
#[derive(Debug, Deserialize)]
struct EventsQuery {
    after: Option<String>,
    limit: Option<String>,
}

/// The route to the last events of this process.
pub fn event_routes(store: &Arc<EventStore>) -> Router {
    Router::new()
        .route(paths::LOGGED, get(events))
        .with_state(Arc::clone(store))
}

async fn events(
    State(store): State<Arc<EventStore>>,
    Query(query): Query<EventsQuery>,
) -> Response {
    let after = query.after.as_deref().unwrap_or("0").parse();
    let limit = query.limit.map_or(Ok(USUAL_EVENTS), |limit| limit.parse());
    match (after, limit) {
        (Ok(after), Ok(limit)) => Json(store.after(after, limit)).into_response(),
        _ => {
            let text = format!(
                "after= and limit= are numbers; up to {} events are remembered\n",
                EventStore::LENGTH
            );
            (StatusCode::BAD_REQUEST, text).into_response()
        }
    }
}
