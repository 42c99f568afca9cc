//! Why a file would be served by whom, and what was decided lately, as JSON: `GET /-/explain/PATH`
//! and `GET /-/api/decisions`.
//!
//! Public and read-only: it must never hold a secret, nor the whole address of anybody but who asks.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What a node would decide about one file for one client, laid open. Nothing is counted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ExplainReply {
    /// The file, as a URL writes its path.
    pub path: String,
    /// Its root in hexadecimal.
    pub root: String,
    /// Its size.
    pub bytes: u64,
    /// The client it was judged for.
    pub client: IpAddr,
    /// Where that client is, if the operator said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_zone: Option<String>,
    /// The node that decides.
    pub node: String,
    /// The policy in force.
    pub policy: String,
    /// When this node offloads, as it is set.
    pub offload: OffloadName,
    /// Whether it is so busy now that it sends away what it would otherwise serve.
    pub is_offloading: bool,
    /// Whether flows are let in at half the least rate, so that fewer are refused.
    pub is_browned_out: bool,
    /// Clients waiting for a slot.
    pub waiting: u64,
    /// Who would serve; absent if nobody would now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// What that is decided by.
    pub ground: GroundName,
    /// Who is able, cheapest first.
    pub candidates: Vec<ExplainedCandidate>,
    /// Who is not.
    pub excluded: Vec<ExplainedExclusion>,
}

/// A node that is able, and what the flow would cost there.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ExplainedCandidate {
    /// Its name.
    pub node: String,
    /// How the flow would get from there to the client; absent for the node that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ByName>,
    /// Where it stands, if anybody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whether the policy may choose it: not if it is far and a near one is good enough, nor beside
    /// a node that serves whatever it can.
    pub is_weighed: bool,
    /// Flows on it, dispatches on their way included.
    pub flows: u64,
    /// Bytes per second it is believed to send.
    pub capacity_bytes_per_s: u64,
    /// The cost, in parts.
    pub cost: CostParts,
}

/// A cost in seconds: `(net_s + max(send_s + share_s, client_s) * penalty) * bias`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct CostParts {
    /// Redirect, handshakes and slow start; where a relay stands in for a redirect that cannot work,
    /// what the flow costs the node that decides, too.
    pub net_s: f64,
    /// The flow alone at the node's capacity.
    pub send_s: f64,
    /// What it shares with the flows already there, and takes from them.
    pub share_s: f64,
    /// The flow at the rate this client has been seen to take; 0 when unknown.
    pub client_s: f64,
    /// Factor for recent failures; 1 for none.
    pub penalty: f64,
    /// Factor on everything for the node that decides.
    pub bias: f64,
    /// All of it.
    pub total_s: f64,
}

/// A node that is not able.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ExplainedExclusion {
    /// Its name.
    pub node: String,
    /// Why not, in words.
    pub reason: String,
}

/// When a node offloads.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OffloadName {
    /// Never.
    Never,
    /// When the policy says so.
    Share,
    /// When it is busy or lacks the bytes.
    WhenBusy,
}

/// How a flow gets to a client from a member.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByName {
    /// The client is sent there.
    Redirect,
    /// Through the node that decides.
    Relay,
}

/// What a decision is taken by.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroundName {
    /// By the policy, among those who are weighed.
    Cost,
    /// Nobody able has a slot free.
    Full,
    /// Nobody who could be reached has it.
    Nowhere,
    /// The node that decides serves what it can.
    Stays,
    /// Too small to be worth a redirect.
    TooSmall,
}

impl GroundName {
    /// The ground in words, as the end of a sentence that begins with who serves.
    pub fn as_text(self) -> &'static str {
        match self {
            Self::Cost => "chosen by the policy",
            Self::Full => "nobody able has a slot free; it would wait, or be refused",
            Self::Nowhere => "nobody who could be reached has it",
            Self::Stays => "this node serves what it can while it is set so, or not busy",
            Self::TooSmall => "too small to be worth a redirect",
        }
    }
}

/// The last decisions of a node, newest first.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct DecisionsReply {
    /// The node that decided.
    pub node: String,
    /// What it decided.
    pub decisions: Vec<DecisionEntry>,
}

/// One decision.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct DecisionEntry {
    /// Counts up from 1 since the node started.
    pub number: u64,
    /// How long ago.
    pub age_ms: u64,
    /// The network of the client, such as `192.0.2.0/24`: the page is public.
    pub client: String,
    /// The file, as a URL writes its path, if the node remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The content, in hexadecimal.
    pub root: String,
    /// Bytes of the body.
    pub bytes: u64,
    /// Which part of the content.
    pub part: PartName,
    /// What was decided.
    pub decision: DecisionName,
    /// Who serves; absent if nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// Who fed the body before and failed, if it was under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// The cost of the chosen one, or the wait that was too long.
    pub cost_s: f64,
    /// Among how many candidates.
    pub candidates: u64,
}

/// Which part of a content.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartName {
    /// From somewhere to the end.
    Rest,
    /// Something else.
    Span,
    /// All of it.
    Whole,
}

/// What was decided, in the words of the lexicon.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecisionName {
    /// To send the client to another node.
    Redirect,
    /// To refuse for now.
    Reject,
    /// To pass on what another node sends.
    Relay,
    /// To answer with our own bytes.
    Serve,
}

impl PartName {
    /// The name as JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Span => "span",
            Self::Whole => "whole",
        }
    }
}

impl DecisionName {
    /// The name as JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Reject => "reject",
            Self::Relay => "relay",
            Self::Serve => "serve",
        }
    }
}

/// The network an address is told as: /24 of IPv4, /48 of IPv6.
pub fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            let network = std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0);
            format!("{network}/48")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_the_network_is_told() {
        for (address, network) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
            ("::1", "::/48"),
        ] {
            assert_eq!(network_of(address.parse().unwrap()), network);
        }
    }

    #[test]
    fn names_are_what_json_has() {
        for part in [PartName::Rest, PartName::Span, PartName::Whole] {
            assert_eq!(serde_json::to_value(part).unwrap(), part.as_str());
        }
        for name in [
            DecisionName::Redirect,
            DecisionName::Reject,
            DecisionName::Relay,
            DecisionName::Serve,
        ] {
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
    }
}
