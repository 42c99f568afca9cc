//! The endpoints of admins: login, logout, session, orders.
//!
//! A session counts only with proof that the console's own page asks: the page's origin, and a field
//! that a page elsewhere could set only after asking us first, which we never answer. It must never
//! carry an order out on the strength of a cookie alone.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Extension, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use overspill_net::{Client, Security};
use overspill_wire::{
    admin::{
        CONSOLE_FIELD, LoginRequest, MAX_ADMIN_BYTES, OrderCall, OrderSaid, SESSION_COOKIE,
        SessionReply,
    },
    paths,
};
use thiserror::Error;

use super::{
    logins::{LoginError, Logins, SESSION_FOR},
    token::hex,
};
use crate::{
    control::{Control, Refusal},
    publish::lock,
};

/// What the endpoints share.
pub(crate) struct Admin {
    pub(crate) logins: Mutex<Logins>,
    pub(crate) control: Arc<Control>,
}

/// Why an admin's request is refused.
#[derive(Debug, Error)]
enum AdminError {
    #[error("this is no {what}: {reason}")]
    Bad { what: &'static str, reason: String },
    #[error(
        "this must come from the console's own page; programs send the admin token as `Authorization: Bearer`"
    )]
    Foreign,
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error("the system's random source failed")]
    NoRandomness,
    #[error(
        "only an admin may give orders; log in, or send the admin token as `Authorization: Bearer`"
    )]
    NotAdmin,
    #[error("{}", .0.1.trim_end())]
    Order(Refusal),
}

/// The admins' routes.
pub(crate) fn admin_routes(admin: Arc<Admin>) -> Router {
    Router::new()
        .route(paths::LOGIN, post(login))
        .route(paths::LOGOUT, post(logout))
        .route(paths::SESSION, get(session))
        .route(paths::ADMIN_ORDER, post(order))
        .layer(DefaultBodyLimit::max(MAX_ADMIN_BYTES))
        .with_state(admin)
}

async fn login(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AdminError> {
    prove_own_page(&uri, &headers)?;
    let request: LoginRequest = serde_json::from_slice(&body).map_err(|error| AdminError::Bad {
        what: "login",
        // What it says of a value may be the secret.
        reason: format!("{:?} error at column {}", error.classify(), error.column()),
    })?;
    let mut id = [0; 32];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| AdminError::NoRandomness)?;
    let (now, id) = (Instant::now(), hex(&id));
    admin.check(now, &client, &request.token)?;
    lock(&admin.logins).open(now, &id);
    tracing::info!(
        event = "admin-logged-in", client = %client.address.ip(),
        "an admin has logged in"
    );
    Ok(with_cookie(&client, &id, SESSION_FOR.as_secs(), true))
}

async fn logout(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, AdminError> {
    prove_own_page(&uri, &headers)?;
    if let Some(id) = session_id(&headers) {
        lock(&admin.logins).close(id);
    }
    Ok(with_cookie(&client, "", 0, false))
}

async fn session(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Json<SessionReply> {
    Json(SessionReply {
        is_admin: admin.has_session(&headers),
        server: None,
    })
}

async fn order(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<OrderSaid>, AdminError> {
    match bearer(&headers) {
        Some(token) => admin.check(Instant::now(), &client, token)?,
        None if admin.has_session(&headers) => prove_own_page(&uri, &headers)?,
        None => return Err(AdminError::NotAdmin),
    }
    let bad = |reason: String| AdminError::Bad {
        what: "order",
        reason,
    };
    let call: OrderCall = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
    let order = call.into_order().map_err(|error| bad(error.to_string()))?;
    let said = admin.control.order(client.address.ip(), order).await;
    Ok(Json(OrderSaid {
        said: said.map_err(AdminError::Order)?,
    }))
}

impl Admin {
    fn check(&self, now: Instant, client: &Client, token: &str) -> Result<(), LoginError> {
        let client = client.address.ip();
        let checked = lock(&self.logins).check(now, client, token);
        if let Err(error) = &checked {
            tracing::warn!(
                event = "admin-refused", %client, %error,
                "somebody is not let in as an admin"
            );
        }
        checked
    }

    fn has_session(&self, headers: &HeaderMap) -> bool {
        session_id(headers).is_some_and(|id| lock(&self.logins).is_open(Instant::now(), id))
    }
}

/// That the page which asks is ours: its origin has our authority, and it has set our field.
///
/// The authority alone is compared, for a proxy may speak https where we speak http.
fn prove_own_page(uri: &Uri, headers: &HeaderMap) -> Result<(), AdminError> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let authority = || uri.authority().map(|authority| authority.as_str());
    let asked = text(header::HOST).or_else(authority);
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let is_own = match (asked, origin) {
        (Some(asked), Some((_, origin))) => asked.eq_ignore_ascii_case(origin),
        _ => false,
    };
    match is_own && headers.contains_key(CONSOLE_FIELD) {
        true => Ok(()),
        false => Err(AdminError::Foreign),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let field = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The id in the session's cookie.
fn session_id(headers: &HeaderMap) -> Option<&str> {
    let fields = headers.get_all(header::COOKIE).iter();
    let pairs = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named.find_map(|(name, id)| (name == SESSION_COOKIE).then_some(id))
}

fn with_cookie(client: &Client, id: &str, age_s: u64, is_admin: bool) -> Response {
    let secure = match client.security {
        Security::Plain => "",
        Security::Tls => "; Secure",
    };
    let cookie = format!(
        "{SESSION_COOKIE}={id}; Path={}; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}",
        paths::PREFIX
    );
    let reply = SessionReply {
        is_admin,
        server: None,
    };
    let mut response = Json(reply).into_response();
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Bad { .. } => StatusCode::BAD_REQUEST,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Login(LoginError::TooMany { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Self::Login(LoginError::Wrong) | Self::NotAdmin => StatusCode::UNAUTHORIZED,
            Self::NoRandomness => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Order((status, _)) => *status,
        };
        let mut response = (status, format!("{self}\n")).into_response();
        let fields = response.headers_mut();
        if let Self::Login(LoginError::TooMany { retry_after_s }) = self {
            fields.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
        if status == StatusCode::UNAUTHORIZED {
            fields.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_our_own_page_proves_itself() {
        let field = (CONSOLE_FIELD, "1");
        for (host, origin, is_own) in [
            (Some("h:8080"), Some("http://h:8080"), true),
            (Some("H:8080"), Some("https://h:8080"), true),
            (None, Some("http://in-the-uri"), true),
            (Some("h:8080"), Some("http://h:8081"), false),
            (Some("h:8080"), Some("http://h"), false),
            (Some("h"), Some("http://h.evil.example"), false),
            (Some("h"), Some("null"), false),
            (Some("h"), None, false),
        ] {
            let fields = [("host", host), ("origin", origin)];
            let given = fields
                .iter()
                .filter_map(|(name, value)| Some((*name, (*value)?)));
            let mut given: Vec<_> = given.collect();
            let uri = Uri::from_static("http://in-the-uri/-/api/order");
            let without = prove_own_page(&uri, &headers(&given));
            assert!(without.is_err(), "without the field");
            given.push(field);
            let proved = prove_own_page(&uri, &headers(&given));
            assert_eq!(proved.is_ok(), is_own, "{host:?} {origin:?}");
        }
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        for (cookies, id) in [
            (&["overspill-admin=ab"][..], Some("ab")),
            (&["a=b; overspill-admin=ab; c=d"], Some("ab")),
            (&["a=b", "overspill-admin=ab"], Some("ab")),
            (&["not-overspill-admin=ab"], None),
            (&["overspill-admin"], None),
            (&[], None),
        ] {
            let fields: Vec<_> = cookies.iter().map(|cookie| ("cookie", *cookie)).collect();
            assert_eq!(session_id(&headers(&fields)), id, "{cookies:?}");
        }
    }

    #[test]
    fn the_cookie_never_leaves_https_once_it_came_by_it() {
        let at = |security| Client {
            address: ([192, 0, 2, 1], 1).into(),
            security,
        };
        for (security, is_secure) in [(Security::Plain, false), (Security::Tls, true)] {
            let response = with_cookie(&at(security), "ab", 5, true);
            let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
            let usual = "overspill-admin=ab; Path=/-/; Max-Age=5; HttpOnly; SameSite=Strict";
            assert!(cookie.starts_with(usual), "{cookie}");
            assert_eq!(cookie.ends_with("; Secure"), is_secure, "{cookie}");
        }
    }

    #[test]
    fn a_bearer_is_read_in_any_case_and_nothing_else() {
        for (field, token) in [
            ("Bearer ab", Some("ab")),
            ("bearer ab", Some("ab")),
            ("Basic ab", None),
            ("Bearer", None),
        ] {
            assert_eq!(
                bearer(&headers(&[("authorization", field)])),
                token,
                "{field}"
            );
        }
    }
}
