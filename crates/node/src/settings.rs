//! What an operator sets for the answers of a node, whichever its role.

use std::{sync::Arc, time::Duration};

use crate::{access_log::AccessLog, rules::SharedRules};

/// Settings of a node's answers.
#[derive(Clone, Debug, Default)]
pub struct NodeSettings {
    /// Where requests are logged, if they are.
    pub access_log: Option<Arc<AccessLog>>,
    /// For how long browsers that came by https are to use nothing else (RFC 6797), if at all.
    pub hsts: Option<Duration>,
    /// What is added to the answers for some paths; on a mirror, what its server says.
    pub rules: SharedRules,
}

impl NodeSettings {
    /// `Strict-Transport-Security` as a line with its CRLF, or nothing.
    pub(crate) fn hsts_line(&self) -> String {
        let line =
            |time: Duration| format!("Strict-Transport-Security: max-age={}\r\n", time.as_secs());
        self.hsts.map(line).unwrap_or_default()
    }
}
