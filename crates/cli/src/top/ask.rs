//! Asking the node, each second.
//!
//! It remembers how far it has read the events, and nothing else.

use std::time::Duration;

use overspill_client::{AskError, HttpClient, HttpUrl, decisions, events, fleet_status};
use overspill_wire::{events::EventEntry, explain::DecisionEntry, status::FleetStatus};
use tokio::{sync::mpsc, time::sleep};

use super::model::Input;

/// What a node says at one time.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The fleet.
    pub(super) fleet: FleetStatus,
    /// Its last decisions, newest first; none from a node that takes none.
    pub(super) decisions: Vec<DecisionEntry>,
    /// Events that were not told before, oldest first; none from an older node.
    pub(super) events: Vec<EventEntry>,
}

/// Asks one node again and again.
#[derive(Debug)]
pub(super) struct Asker {
    client: HttpClient,
    url: HttpUrl,
    after: u64,
}

/// How often the node is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Decisions asked for: more than fit on any screen.
const DECISIONS: u32 = 100;
/// Events asked for at once.
const EVENTS: u32 = 1000;

impl Asker {
    /// Asks the node that `url` leads to.
    pub(super) fn new(client: HttpClient, url: HttpUrl) -> Self {
        Self {
            client,
            url,
            after: 0,
        }
    }

    /// What the node says now. That it has no decisions or events to tell is no error.
    pub(super) async fn ask(&mut self) -> Result<Told, AskError> {
        let fleet = fleet_status(&self.client, &self.url).await?;
        let decided = decisions(&self.client, &self.url, DECISIONS).await;
        let told = events(&self.client, &self.url, self.after, EVENTS).await;
        let told = told.unwrap_or_default();
        self.after = told.next;
        Ok(Told {
            fleet,
            decisions: decided.map(|reply| reply.decisions).unwrap_or_default(),
            events: told.events,
        })
    }

    /// Asks until nobody listens.
    pub(super) async fn ask_forever(mut self, inputs: mpsc::Sender<Input>) {
        loop {
            let input = match self.ask().await {
                Ok(told) => Input::Told(Box::new(told)),
                Err(error) => Input::Failed(error.to_string()),
            };
            if inputs.send(input).await.is_err() {
                return;
            }
            sleep(ASK_EVERY).await;
        }
    }
}
