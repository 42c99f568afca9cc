//! Telling the server who sent wrong bytes. It looks for itself; nothing depends on its answer.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use overspill_core::root::Root;
use overspill_net::client::HttpClient;
use overspill_wire::{paths::COMPLAINT, sources::ComplaintMessage};
use tokio::{task::JoinSet, time::timeout};

use crate::url::HttpUrl;

/// Complaints under way.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    sent: JoinSet<()>,
}

impl Complaints {
    /// Sends one, unless there are too many already.
    pub(super) fn complain(
        &mut self,
        client: &HttpClient,
        url: &HttpUrl,
        member: &str,
        (root, offset): (Root, u64),
    ) {
        let message = ComplaintMessage {
            member: member.to_owned(),
            path: url.path().to_owned(),
            root: root.to_string(),
            offset,
        };
        let (Ok(target), Ok(body)) = (url.resolve(COMPLAINT), serde_json::to_vec(&message)) else {
            return;
        };
        let request = Request::post(target.uri().clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)));
        let (Ok(request), true) = (request, self.sent.len() < COMPLAINTS_MAX) else {
            return;
        };
        let client = client.clone();
        self.sent.spawn(async move {
            match client.send(request).await {
                Ok(reply) => tracing::debug!(status = %reply.status(), "complaint sent"),
                Err(error) => tracing::debug!(%error, "complaint not sent"),
            }
        });
    }

    /// Gives those under way a little time.
    pub(super) async fn settle(&mut self) {
        let all = async { while self.sent.join_next().await.is_some() {} };
        // Whoever is not there to hear it loses a hint.
        let _ = timeout(PATIENCE, all).await;
    }
}

/// At once; one source gets one complaint.
const COMPLAINTS_MAX: usize = 32;
/// What a complaint may delay the end of a download.
const PATIENCE: Duration = Duration::from_secs(2);
