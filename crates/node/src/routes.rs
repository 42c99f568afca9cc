//! Everything under `/-/` that both roles answer, and the way into the router.
//!
//! The router runs on hyper and belongs to the control plane. It must never serve a path of the
//! tree; that is `over_hyper`, which asks the same code as the fast path.

use std::{io, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use overspill_net::{Client, HandedOver};
use overspill_wire::{paths, sources::COMPLAINT_BYTES_MAX};
use tower::ServiceExt;

use crate::{complaints, console, explain, metrics, mirrors, outboard, role::Role, sources};

/// Health, readiness, status, metrics, sources, mirrors and the reasons of any node.
pub fn common_routes<R: Role>(role: Arc<R>) -> Router {
    Router::new()
        .route(paths::HEALTH, get(|| async { "ok\n" }))
        .route(paths::READY, get(ready::<R>))
        .route(paths::FLEET, get(status::<R>))
        .route(paths::METRICS, get(metrics::metrics::<R>))
        .route(paths::DECISIONS, get(explain::decisions::<R>))
        .route(paths::MIRRORS, get(mirrors::mirrors::<R>))
        .route(paths::MIRRORS_APT, get(mirrors::mirrors::<R>))
        .route(&format!("{}/", paths::EXPLAIN), get(explain::explain::<R>))
        .route(
            &format!("{}/{{*path}}", paths::EXPLAIN),
            get(explain::explain::<R>),
        )
        .route(
            &format!("{}/{{root}}", paths::OUTBOARD),
            get(outboard::outboard::<R>),
        )
        .route(
            &format!("{}/{{*path}}", paths::SOURCES),
            get(sources::sources::<R>),
        )
        .route(
            paths::COMPLAINT,
            post(complaints::complain::<R>).layer(DefaultBodyLimit::max(COMPLAINT_BYTES_MAX)),
        )
        .merge(console::routes())
        .with_state(role)
}

/// Runs one request through the router.
///
/// Handlers find the [`Client`] among the request's extensions.
pub(crate) async fn route(
    router: Router,
    mut request: http::Request<Incoming>,
    client: Client,
) -> http::Response<HandedOver> {
    request.extensions_mut().insert(client);
    // The router's error type is `Infallible`: it turns everything into a response itself.
    let response: Response = match router.oneshot(request.map(axum::body::Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    response.map(|body| HandedOver::Routed(body.map_err(io::Error::other).boxed_unsync()))
}

async fn ready<R: Role>(State(role): State<Arc<R>>) -> Response {
    if role.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

async fn status<R: Role>(State(role): State<Arc<R>>) -> Response {
    Json(role.status()).into_response()
}
