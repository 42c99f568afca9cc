//! Sources come and go, and the accounts at the end.

use std::time::Instant;

use super::{Engine, Event, HostId, News, Progress, Pulled, SourceId, Stopped, Store};
use crate::{
    download::{Completion, Received, Served, Sink},
    error::DownloadError,
    pull::{Holder, sink},
};

impl Engine<'_> {
    /// The scheduler learns of a holder, or that it is there again.
    pub(super) fn add(&mut self, at: usize) {
        let Some(holder) = self.plan.holders.get(at) else {
            return;
        };
        let authority = |holder: &Holder| holder.url.uri().authority().cloned();
        let same = |other: &Holder| authority(other) == authority(holder);
        let host = self.plan.holders.iter().position(same).unwrap_or(at);
        let added = Event::Added {
            source: SourceId(at as u32),
            host: HostId(host as u32),
        };
        self.scheduler.handle(Instant::now(), added);
        if self.requests.is_empty() {
            let source = holder.name.clone();
            self.observer.observe(&Progress::SourceAdded { source });
        }
    }

    pub(super) fn add_holder(&mut self, holder: Holder) {
        if self.plan.holders.len() < overspill_core::transfer::SOURCES_MAX {
            self.plan.holders.push(holder);
            self.add(self.plan.holders.len() - 1);
        }
    }

    pub(super) fn tell(&mut self, id: SourceId, news: News) {
        let Some(holder) = self.plan.holders.get(id.0 as usize) else {
            return;
        };
        let source = holder.name.clone();
        let progress = match news {
            News::Banned => {
                self.banned.push(id);
                Progress::SourceBanned { source }
            }
            News::Left => {
                let fault = self.last.as_ref().map(ToString::to_string);
                let reason = fault.unwrap_or_else(|| "it failed".to_owned());
                Progress::SourceLeft { source, reason }
            }
            News::Restored => Progress::SourceRestored { source },
            News::Slow { pause } => Progress::SourceLeft {
                source,
                reason: format!(
                    "it is far slower than the others, and left alone for {} s",
                    pause.as_secs()
                ),
            },
        };
        self.observer.observe(&progress);
    }

    /// Writes under way end before the file is given to anybody else.
    pub(super) async fn settle_writes(&mut self) {
        while let Some(stored) = self.store.stored().await {
            // A disk that failed was told before; a piece more is a piece more.
            let _ = self.stored(stored);
        }
    }

    /// All pieces are there: what is left to prove is proved.
    pub(super) async fn finish(mut self) -> Result<Pulled, Stopped> {
        if let (Some(digest), Store::Part(store)) = (self.plan.digest, &self.store) {
            let file = store.part.shared_file();
            match digest.matches(file, self.plan.size_bytes).await {
                Ok(true) => {}
                Ok(false) => return Err(self.disproved()),
                Err(error) => return Err(Stopped::Final(self.local("read", error))),
            }
        }
        let bytes = self.plan.size_bytes;
        let received_bytes = self.received_bytes;
        self.observer.observe(&Progress::Bytes {
            position_bytes: bytes,
            received_bytes,
        });
        if let Some(root) = self.plan.root {
            self.observer.observe(&Progress::Verified { root });
        }
        let received = Received {
            completion: Completion::Downloaded,
            bytes,
            received_bytes,
            verification: self.plan.verification(),
            served: self.served(),
        };
        if let Some(keeper) = self.keeper.take() {
            keeper.done();
        }
        Ok(Pulled {
            sink: self.into_sink(),
            received,
        })
    }

    /// Nothing tells which of the bytes are wrong: none are kept. Of several sources any may be to
    /// blame; the one that was asked first is asked alone.
    fn disproved(mut self) -> Stopped {
        if let Some(keeper) = self.keeper.take() {
            keeper.done();
        }
        let plan = self.plan.clone();
        let url = plan.url.clone();
        let Sink::Part(part) = self.into_sink() else {
            return Stopped::Final(DownloadError::DigestMismatch { url });
        };
        if let Some(alone) = plan.only_origin()
            && part.shared_file().set_len(0).is_ok()
        {
            return Stopped::Disproved(Sink::Part(part), Box::new(alone));
        }
        if let Err(error) = part.discard() {
            tracing::debug!(%error, "part not deleted");
        }
        Stopped::Final(DownloadError::DigestMismatch { url })
    }

    fn served(&self) -> Vec<Served> {
        let served = self.plan.holders.iter().enumerate().map(|(at, holder)| {
            let id = SourceId(at as u32);
            let tally = self.scheduler.tally(id);
            Served {
                source: holder.name.clone(),
                bytes: tally.received_bytes,
                pieces: tally.pieces,
                errors: tally.errors,
                wasted_bytes: tally.wasted_bytes,
                is_banned: self.banned.contains(&id),
            }
        });
        served.filter(|it| it.bytes > 0 || it.errors > 0).collect()
    }

    /// What the pull wrote to; its state is saved first.
    pub(super) fn into_sink(self) -> Sink {
        drop(self.keeper);
        sink::into_sink(self.store)
    }
}
