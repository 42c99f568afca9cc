//! What an operator sets for the answers of a node, whichever its role.

use std::{sync::Arc, time::Duration};

use overspill_http1::request::Limits;

use crate::{
    events::EventStore,
    live::{ConfigurationProblem, SharedLive},
    rules::SharedRules,
};

/// Room for what a rewritten head has more than the one that came.
const REWRITTEN_BYTES: usize = 4 << 10;
/// Room for `https://` and an authority, the longest of which has a name of 253 bytes.
const AUTHORITY_BYTES: usize = 272;

/// Settings of a node's answers.
#[derive(Clone, Debug, Default)]
pub struct NodeSettings {
    /// What is wrong with the configuration, to be shown among the problems of the node.
    pub configuration: ConfigurationProblem,
    /// The last events of this process.
    pub events: Arc<EventStore>,
    /// How long a request head may be, on whatever connection.
    pub head: Limits,
    /// For how long browsers that came by https are to use nothing else (RFC 6797), if at all.
    pub hsts: Option<Duration>,
    /// What may change while the node serves: the access log, and how bodies are relayed.
    pub live: SharedLive,
    /// What is added to the answers for some paths; on a mirror, what its server says.
    pub rules: SharedRules,
}

/// What is done with bytes that are relayed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Relayed {
    /// They are held against the content's root before they go out.
    Checked,
    /// They go from socket to socket; the member has checked them when it got them.
    #[default]
    Passed,
}

impl NodeSettings {
    /// The limits for a head that is written out again as HTTP/1.1: scheme and authority stand in its
    /// target then, and each field has a line's ending.
    pub(crate) fn rewritten_head(&self) -> Limits {
        Limits {
            head_bytes: self.head.head_bytes + REWRITTEN_BYTES,
            target_bytes: self.head.target_bytes + AUTHORITY_BYTES,
        }
    }

    /// `Strict-Transport-Security` as a line with its CRLF, or nothing.
    pub(crate) fn hsts_line(&self) -> String {
        let line =
            |time: Duration| format!("Strict-Transport-Security: max-age={}\r\n", time.as_secs());
        self.hsts.map(line).unwrap_or_default()
    }
}
