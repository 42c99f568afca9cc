//! The state of a fleet, as any of its nodes tells it.

use overspill_net::client::HttpClient;
use overspill_wire::{paths::FLEET, status::FleetStatus};

use crate::{
    ask::{AskError, Document},
    url::HttpUrl,
};

/// Asks the node that `url` leads to; only its host and port count.
pub async fn fleet_status(client: &HttpClient, url: &HttpUrl) -> Result<FleetStatus, AskError> {
    let asked = url.resolve(FLEET)?;
    match STATUS.fetch(client, &asked).await {
        // Any other HTTP server says that it has no such thing.
        Err(AskError::NotFound { url }) => Err(AskError::Foreign {
            url,
            expected: STATUS.name,
            reason: "it was not found".to_owned(),
        }),
        result => result,
    }
}

/// A thousand members take about half a megabyte.
const STATUS: Document = Document {
    name: "Overspill fleet status",
    bytes_max: 16 << 20,
};
