//! What an operator sets for the answers of a node, whichever its role.

use std::sync::Arc;

use crate::access_log::AccessLog;

/// Settings of a node's answers.
#[derive(Clone, Debug, Default)]
pub struct NodeSettings {
    /// Where requests are logged, if they are.
    pub access_log: Option<Arc<AccessLog>>,
}
