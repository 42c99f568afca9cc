//! What an operator orders of a running server: `POST /-/fleet/order`.
//!
//! Proved like joining. The operator greets (`/-/fleet/hello`, under the name [`OPERATOR`]) with a
//! nonce; the server answers with its own and a proof that it knows the token; only then goes the
//! order, signed over both nonces. A nonce of the server is good for one order, so none can be
//! replayed, and its answer is signed, too, so nobody can claim that an order was carried out.

use std::{fmt, str::FromStr};

use overspill_core::{
    fleet::MemberId,
    policy::PolicyKind,
    secret::{FleetToken, Key, Purpose, Tag},
};
use serde::{Deserialize, Serialize};

use crate::WireError;

/// The name under which an operator greets.
pub const OPERATOR: &str = "operator";

/// An order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// No new work for this member.
    Drain(MemberId),
    /// Another policy from now on.
    Policy(PolicyKind),
    /// This member out of the fleet, and not back.
    Remove(MemberId),
    /// No order for this member any more.
    Undrain(MemberId),
}

/// An order on its way, with the operator's proof.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OrderRequest {
    /// The server's nonce, to find the pending hello.
    pub nonce: String,
    /// The [`Order`] as text.
    pub order: String,
    /// `HMAC(order key, "operator", operator's nonce, server's nonce, order)`.
    pub proof: String,
}

/// The server's answer to an order that it carried out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OrderReply {
    /// What is the case now, in words.
    pub said: String,
    /// `HMAC(order key, "server", operator's nonce, server's nonce, said)`.
    pub proof: String,
}

/// The nonces of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Nonces<'a> {
    /// The operator's.
    pub operator: &'a str,
    /// The server's.
    pub server: &'a str,
}

impl Nonces<'_> {
    fn parts<'a>(&'a self, who: &'a str, text: &'a str) -> [&'a [u8]; 4] {
        [who, self.operator, self.server, text].map(str::as_bytes)
    }
}

impl OrderRequest {
    /// Signs an order.
    pub fn seal(token: &FleetToken, nonces: Nonces<'_>, order: &Order) -> Self {
        let order = order.to_string();
        let proof = key(token).sign(&nonces.parts(OPERATOR, &order));
        Self {
            nonce: nonces.server.to_owned(),
            order,
            proof: proof.to_string(),
        }
    }

    /// Whether whoever greeted with this nonce knows the token and means this order.
    pub fn is_proved(&self, token: &FleetToken, operators_nonce: &str) -> bool {
        let nonces = Nonces {
            operator: operators_nonce,
            server: &self.nonce,
        };
        is_signed(token, &nonces.parts(OPERATOR, &self.order), &self.proof)
    }
}

impl OrderReply {
    /// Signs an answer.
    pub fn seal(token: &FleetToken, nonces: Nonces<'_>, said: String) -> Self {
        let proof = key(token).sign(&nonces.parts("server", &said));
        Self {
            proof: proof.to_string(),
            said,
        }
    }

    /// Whether the server said so, in answer to this very order.
    pub fn is_proved(&self, token: &FleetToken, nonces: Nonces<'_>) -> bool {
        is_signed(token, &nonces.parts("server", &self.said), &self.proof)
    }
}

fn key(token: &FleetToken) -> Key {
    token.derive(Purpose::Order, b"")
}

fn is_signed(token: &FleetToken, parts: &[&[u8]], proof: &str) -> bool {
    let tag = proof.parse::<Tag>();
    tag.is_ok_and(|tag| key(token).verify(parts, &tag))
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain(member) => write!(f, "drain {member}"),
            Self::Policy(policy) => write!(f, "policy {}", policy.name()),
            Self::Remove(member) => write!(f, "remove {member}"),
            Self::Undrain(member) => write!(f, "undrain {member}"),
        }
    }
}

impl FromStr for Order {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let unknown = || WireError::new("order", format!("{text:?} is none"));
        let member = |name: &str| name.parse().map_err(|error| WireError::new("order", error));
        let (verb, object) = text.split_once(' ').ok_or_else(unknown)?;
        match verb {
            "drain" => member(object).map(Self::Drain),
            "policy" => {
                let policy = object.parse();
                let policy = policy.map_err(|error| WireError::new("order", error))?;
                Ok(Self::Policy(policy))
            }
            "remove" => member(object).map(Self::Remove),
            "undrain" => member(object).map(Self::Undrain),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCES: Nonces<'static> = Nonces {
        operator: "a",
        server: "b",
    };

    #[test]
    fn orders_print_and_parse() {
        for text in [
            "drain m-1",
            "undrain m-1",
            "remove m-1",
            "policy round-robin",
        ] {
            assert_eq!(text.parse::<Order>().unwrap().to_string(), text);
        }
        for text in ["", "drain", "drain M", "drain m-1 m-2", "policy x", "x m-1"] {
            assert!(text.parse::<Order>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_proof_is_of_one_order_in_one_exchange() {
        let (ours, other) = (
            FleetToken::from_random([1; 32]),
            FleetToken::from_random([2; 32]),
        );
        let request = OrderRequest::seal(&ours, NONCES, &"drain m-1".parse().unwrap());
        assert!(request.is_proved(&ours, "a"));
        assert!(!request.is_proved(&other, "a"), "another token");
        assert!(!request.is_proved(&ours, "c"), "another operator's nonce");
        for forged in [
            OrderRequest {
                order: "drain m-2".to_owned(),
                ..request.clone()
            },
            OrderRequest {
                nonce: "c".to_owned(),
                ..request.clone()
            },
            OrderRequest {
                proof: "x".to_owned(),
                ..request
            },
        ] {
            assert!(!forged.is_proved(&ours, "a"), "{forged:?}");
        }
    }

    #[test]
    fn an_answer_is_the_servers_own() {
        let token = FleetToken::from_random([1; 32]);
        let reply = OrderReply::seal(&token, NONCES, "done".to_owned());
        assert!(reply.is_proved(&token, NONCES));
        let request = OrderRequest::seal(&token, NONCES, &"drain m-1".parse().unwrap());
        let echoed = OrderReply {
            said: request.order,
            proof: request.proof,
        };
        assert!(!echoed.is_proved(&token, NONCES), "an order is no answer");
        let elsewhere = Nonces {
            server: "c",
            ..NONCES
        };
        assert!(!reply.is_proved(&token, elsewhere));
    }
}
