//! What happened on a node lately.
//!
//! It only asks; what the node says is neither judged nor changed.

use overspill_net::client::HttpClient;
use overspill_wire::{events::EventsReply, paths::LOGGED};

use crate::{
    ask::{AskError, Document},
    url::HttpUrl,
};

/// Asks the node that `url` leads to for its events after number `after`, at most `limit`, oldest
/// first. Only host and port of the URL count.
pub async fn events(
    client: &HttpClient,
    url: &HttpUrl,
    after: u64,
    limit: u32,
) -> Result<EventsReply, AskError> {
    let asked = url.resolve(&format!("{LOGGED}?after={after}&limit={limit}"))?;
    LAST_EVENTS.fetch_or_told(client, &asked).await
}

/// A thousand events take about half a megabyte.
const LAST_EVENTS: Document = Document {
    name: "Overspill list of events",
    bytes_max: 16 << 20,
};
