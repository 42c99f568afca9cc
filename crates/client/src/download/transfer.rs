//! The ways of a file to its sink, and when one leads to another.
//!
//! One request where that is all it takes, pieces from everyone where there are some; a change on
//! the server begins anew. It must never begin anew more often than a file that rests would need.

use super::{
    OnChange, Received, Sink,
    asking::Asking,
    session::{Ended, Session, Split},
};
use crate::{
    error::DownloadError,
    progress::Observer,
    pull::{Engine, Found, Plan, Stopped, Width, find},
};

/// One file on its way.
pub(super) struct Transfer<'run> {
    pub(super) asking: Asking<'run>,
    pub(super) on_change: OnChange,
    pub(super) width: Width,
    pub(super) hint: Hint,
    /// How it is to be pulled, where that was told beforehand.
    pub(super) plan: Option<Plan>,
}

/// What is known of a file before anybody is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hint {
    /// It comes by one request.
    Small,
    None,
}

impl Transfer<'_> {
    /// Tries until all bytes are where they belong, or nothing more can be done.
    pub(super) async fn run(mut self, mut sink: Sink) -> Result<(Sink, Received), DownloadError> {
        let mut split = Split::Allowed;
        let mut changes = 0;
        let mut found = match self.plan.take() {
            Some(plan) => Found::Plan(Box::new(plan)),
            None if self.hint == Hint::Small => Found::Whole,
            None => find(&mut self.asking).await?,
        };
        loop {
            found = match found {
                Found::Whole => {
                    let session = Session::prepare(self.asking, sink, (self.on_change, split));
                    match session.await?.run().await? {
                        Ended::Complete { sink, received } => return Ok((sink, received)),
                        Ended::Splittable {
                            asking,
                            sink: back,
                            plan,
                        } => {
                            self.asking = asking;
                            sink = back;
                            self.better_than(plan).await?
                        }
                    }
                }
                Found::Plan(plan) => {
                    let observer: &mut dyn Observer = &mut *self.asking.observer;
                    let ends = (self.asking.client, observer);
                    let engine = Engine::prepare(*plan, sink, ends, self.width).await?;
                    match engine.run().await {
                        Ok(pulled) => return Ok((pulled.sink, pulled.received)),
                        Err(Stopped::Final(error)) => return Err(error),
                        Err(Stopped::Disproved(back, alone)) => {
                            sink = back;
                            Found::Plan(alone)
                        }
                        Err(Stopped::NoRanges(back)) => {
                            sink = back;
                            split = Split::Refused;
                            Found::Whole
                        }
                        Err(Stopped::Changed(back)) => {
                            sink = back;
                            changes += 1;
                            self.may_restart(changes)?;
                            find(&mut self.asking).await?
                        }
                    }
                }
            };
        }
    }

    /// A tag of ours where no sources were told: the node may have been too busy to tell them.
    async fn better_than(&mut self, plan: Box<Plan>) -> Result<Found, DownloadError> {
        if plan.root.is_none() {
            return Ok(Found::Plan(plan));
        }
        Ok(match find(&mut self.asking).await? {
            Found::Whole => Found::Plan(plan),
            better => better,
        })
    }

    fn may_restart(&self, changes: u32) -> Result<(), DownloadError> {
        if self.on_change == OnChange::Restart && changes <= CHANGES_MAX {
            return Ok(());
        }
        let url = self.asking.origin();
        Err(DownloadError::Changed { url })
    }
}

/// A file that changed so often within one download is still being written.
pub(super) const CHANGES_MAX: u32 = 5;
