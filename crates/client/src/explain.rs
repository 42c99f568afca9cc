//! Why a node would send a file from where, and what it decided lately.
//!
//! It only asks; what the node says is neither judged nor changed.

use std::net::IpAddr;

use overspill_net::client::HttpClient;
use overspill_wire::{
    explain::{DecisionsReply, ExplainReply},
    paths::{DECISIONS, EXPLAIN},
};

use crate::{
    ask::{AskError, Document},
    url::HttpUrl,
};

/// Asks the node of `url` who would serve the file that `url` names, to this client or to `from`.
///
/// # Errors
/// [`AskError::Told`] when the node has nothing to explain and says why: there is no such file, it is
/// not hashed yet.
pub async fn explain(
    client: &HttpClient,
    url: &HttpUrl,
    from: Option<IpAddr>,
) -> Result<ExplainReply, AskError> {
    let query = from.map_or_else(String::new, |address| format!("?from={address}"));
    let asked = url.resolve(&format!("{EXPLAIN}{}{query}", url.uri().path()))?;
    EXPLANATION.fetch_or_told(client, &asked).await
}

/// Asks the node that `url` leads to for its last decisions, at most `limit`, newest first.
pub async fn decisions(
    client: &HttpClient,
    url: &HttpUrl,
    limit: u32,
) -> Result<DecisionsReply, AskError> {
    let asked = url.resolve(&format!("{DECISIONS}?limit={limit}"))?;
    LAST_DECISIONS.fetch_or_told(client, &asked).await
}

/// A thousand members take about half a megabyte.
const EXPLANATION: Document = Document {
    name: "Overspill explanation",
    bytes_max: 16 << 20,
};
/// Ten thousand decisions take about three megabytes.
const LAST_DECISIONS: Document = Document {
    name: "Overspill list of decisions",
    bytes_max: 16 << 20,
};
