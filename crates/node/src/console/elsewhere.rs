//! What a mirror answers to whoever would give orders: where to go.
//!
//! It must never take a token: the mirror has no business knowing it.

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use overspill_wire::{admin::SessionReply, paths};

/// Refuses logins and orders, naming the server at this URL.
pub fn orders_elsewhere(server: &str) -> Router {
    let console = format!("{server}{}", paths::CONSOLE);
    let refusal = format!("this is a mirror and takes no orders; give them at {console}\n");
    let refuse = async move || -> Response { (StatusCode::FORBIDDEN, refusal).into_response() };
    let session = SessionReply {
        is_admin: false,
        server: Some(console),
    };
    Router::new()
        .route(paths::LOGIN, post(refuse.clone()))
        .route(paths::LOGOUT, post(refuse.clone()))
        .route(paths::ADMIN_ORDER, post(refuse))
        .route(paths::SESSION, get(async move || Json(session)))
}
