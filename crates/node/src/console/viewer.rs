//! One stream of the console: a snapshot, then a sample a second.
//!
//! Whoever reads too slowly for each sample gets a snapshot instead, and never an ever longer queue.

use std::{convert::Infallible, sync::Arc};

use axum::response::sse::Event;
use futures_util::{Stream, stream};
use overspill_core::limit::Prefix;
use overspill_wire::live::{SAMPLE, SNAPSHOT};
use tokio::sync::watch;

use super::{Console, frame::Frame};

/// What all streams are told.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// The node is about to stop.
    Closed,
    /// A second has passed.
    Frame(Arc<Frame>),
    /// Nobody has watched yet.
    Nothing,
}

/// A stream's place among those that there may be; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Viewer {
    console: Arc<Console>,
    network: Prefix,
    told: watch::Receiver<Told>,
    /// The number of the frame that was sent last.
    sent: Option<u64>,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.console.viewers().leave(self.network);
    }
}

impl Viewer {
    pub(super) fn new(
        console: Arc<Console>,
        network: Prefix,
        mut told: watch::Receiver<Told>,
    ) -> Self {
        told.mark_changed();
        Self {
            console,
            network,
            told,
            sent: None,
        }
    }

    /// The events, until the node stops.
    pub(super) fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut viewer| async move {
            let event = viewer.next_event().await?;
            Some((Ok(event), viewer))
        })
    }

    async fn next_event(&mut self) -> Option<Event> {
        let (name, text) = self.next().await?;
        Some(Event::default().event(name).data(text))
    }

    /// The next event's name and text. Cancel-safe: what was not returned is waited for again.
    pub(super) async fn next(&mut self) -> Option<(&'static str, String)> {
        loop {
            self.told.changed().await.ok()?;
            let frame = match &*self.told.borrow_and_update() {
                Told::Closed => return None,
                Told::Frame(frame) => Arc::clone(frame),
                Told::Nothing => continue,
            };
            let seq = frame.seq();
            let follows = self.sent.replace(seq).map(|sent| sent + 1 == seq);
            return Some(match follows {
                Some(true) => (SAMPLE, frame.sample.clone()),
                _ => {
                    let snapshot = self.console.snapshot(&frame);
                    // Strings, numbers and lists of them always serialize.
                    (
                        SNAPSHOT,
                        serde_json::to_string(&snapshot).unwrap_or_default(),
                    )
                }
            });
        }
    }
}
