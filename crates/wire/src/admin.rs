//! What an admin does from the console: logging in, and giving orders without the fleet token.
//!
//! The admin token is shown to the server once and answered by a session; an order says in JSON what
//! [`crate::order`] says in a proof. No answer here ever holds a secret.

use serde::{Deserialize, Serialize};

use crate::{WireError, order::Order};

/// The field that a script on another site cannot set without being asked first.
pub const CONSOLE_FIELD: &str = "overspill-console";
/// The cookie that holds the session.
pub const SESSION_COOKIE: &str = "overspill-admin";
/// Most bytes of a login or an order.
pub const MAX_ADMIN_BYTES: usize = 4 << 10;

/// `POST /-/api/login`.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct LoginRequest {
    /// The admin token.
    pub token: String,
}

/// `GET /-/api/session`: who asks.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionReply {
    /// Whether whoever asks may give orders here.
    pub is_admin: bool,
    /// Where orders are given, if not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// `POST /-/api/order`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OrderCall {
    /// `drain`, `undrain`, `remove` or `policy`.
    pub order: String,
    /// The member, for all but `policy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The policy, for `policy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// The answer to an order that was carried out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OrderSaid {
    /// What is the case now, in words.
    pub said: String,
}

impl std::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginRequest(..)")
    }
}

impl OrderCall {
    /// Checks the order.
    pub fn into_order(self) -> Result<Order, WireError> {
        let object = match (self.order.as_str(), self.member, self.policy) {
            ("policy", None, Some(policy)) => policy,
            ("policy", _, _) => {
                return Err(WireError::new(
                    "order",
                    "policy takes a policy and no member",
                ));
            }
            (_, Some(member), None) => member,
            _ => return Err(WireError::new("order", "it takes a member and no policy")),
        };
        format!("{} {object}", self.order).parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_nonsense_is_refused() {
        for (text, order) in [
            (r#"{"order":"drain","member":"m-1"}"#, Some("drain m-1")),
            (r#"{"order":"undrain","member":"m-1"}"#, Some("undrain m-1")),
            (r#"{"order":"remove","member":"m-1"}"#, Some("remove m-1")),
            (
                r#"{"order":"policy","policy":"random"}"#,
                Some("policy random"),
            ),
            (r#"{"order":"policy","policy":"best"}"#, None),
            (r#"{"order":"policy","member":"m-1"}"#, None),
            (
                r#"{"order":"policy","policy":"random","member":"m-1"}"#,
                None,
            ),
            (r#"{"order":"drain","policy":"random"}"#, None),
            (r#"{"order":"drain"}"#, None),
            (r#"{"order":"drain","member":"M 1"}"#, None),
            (r#"{"order":"halt","member":"m-1"}"#, None),
        ] {
            let call: OrderCall = serde_json::from_str(text).unwrap();
            let read = call.into_order().ok().map(|order| order.to_string());
            assert_eq!(read.as_deref(), order, "{text}");
        }
        let unknown = r#"{"order":"drain","member":"m-1","force":true}"#;
        assert!(serde_json::from_str::<OrderCall>(unknown).is_err());
    }

    #[test]
    fn a_login_is_not_debug_printed() {
        let token = "secret".to_owned();
        assert_eq!(format!("{:?}", LoginRequest { token }), "LoginRequest(..)");
    }
}
