//! Telling the server how the mirror is.
//!
//! Once a second with jitter, and at once when a client has arrived, something was verified, lost or
//! filled up, the load has jumped, or the node has no slot left or one again. What has been told is only believed told when the server said so; after any failure
//! everything is told again. It must never send more roots at once than a report may hold.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::Method;
use overspill_core::{
    catalog::Revision,
    dispatch::{DispatchId, Dispatcher},
    fleet::{Condition, Held, Report},
    load::ClientSample,
};
use overspill_net::client::HttpClient;
use overspill_node::{Meter, SharedDispatcher};
use overspill_wire::{
    fleet::{MAX_ACKNOWLEDGED, ReportMessage},
    paths,
};
use tokio::time::{sleep, timeout};

use crate::{
    drain::Drain,
    replica::{Replica, Retell},
    session::{Session, SessionError},
    sync::Syncer,
};

/// Usual distance between reports; a tenth of it is left to chance.
const EVERY: Duration = Duration::from_secs(1);
/// Least distance between reports, however much happens.
const AT_MOST_EVERY: Duration = Duration::from_millis(100);
/// A change of the flows or bytes in flight by more than this share is told at once.
const JUMP: f64 = 0.25;

/// Dispatches whose clients have arrived, waiting to be acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<Vec<DispatchId>>);

impl Arrivals {
    /// Notes an arrival; beyond the cap it is left to expire as unacknowledged.
    pub(crate) fn note(&self, dispatch: DispatchId) {
        let mut arrived = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if arrived.len() < MAX_ACKNOWLEDGED {
            arrived.push(dispatch);
        }
    }

    fn take(&self) -> Vec<DispatchId> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes and sends the reports of one session.
pub(crate) struct Reporter<'a> {
    pub(crate) session: &'a Session,
    pub(crate) client: &'a HttpClient,
    pub(crate) replica: &'a Arc<Replica>,
    pub(crate) syncer: &'a Arc<Syncer>,
    pub(crate) meter: &'a Meter,
    pub(crate) dispatcher: &'a SharedDispatcher,
    pub(crate) arrivals: &'a Arrivals,
    pub(crate) drain: &'a Drain,
    pub(crate) epoch: u64,
}

/// What the server is known to have been told.
struct Told {
    complete: Option<Revision>,
    seq: u64,
    condition: Condition,
    flows: u64,
    bytes: u64,
}

impl Reporter<'_> {
    /// Reports until the session ends.
    pub(crate) async fn run(&self) -> SessionError {
        let mut told = Told {
            complete: None,
            seq: 0,
            condition: Condition::Normal,
            flows: 0,
            bytes: 0,
        };
        loop {
            let report = self.report(&mut told);
            let path = paths::REPORT;
            // Strings and numbers always serialize.
            let body = serde_json::to_vec(&ReportMessage::from(&report)).unwrap_or_default();
            match self
                .session
                .send(self.client, Method::POST, path, body)
                .await
            {
                Ok(_) => {
                    told.complete = Some(report.complete);
                    self.drain.told(Instant::now(), report.condition);
                }
                Err(error) => return error,
            }
            sleep(AT_MOST_EVERY).await;
            let rest = EVERY
                .mul_f64(0.9 + 0.2 * fastrand::f64())
                .saturating_sub(AT_MOST_EVERY);
            let _ = timeout(rest, self.something_to_tell(&told)).await;
        }
    }

    /// Waits for a change that the server should know of at once.
    async fn something_to_tell(&self, told: &Told) {
        let changed = self.replica.changed.notified();
        let jumped = async {
            while !self.has_jumped(told) {
                sleep(AT_MOST_EVERY).await;
            }
        };
        // Whichever comes first; a notification that is left over is told of next time.
        tokio::select! {
            () = changed => {}
            () = jumped => {}
        }
    }

    fn has_jumped(&self, told: &Told) -> bool {
        let load = self.meter.load();
        // Of few flows each is a jump, and has to be: a slow mirror whose only flow has ended is idle
        // until the server knows.
        differ(load.flows(), told.flows)
            || differ(load.bytes(), told.bytes)
            || self.condition() != told.condition
    }

    fn condition(&self) -> Condition {
        match self.drain.condition_or(self.syncer.condition()) {
            Condition::Normal if self.dispatcher.look(Dispatcher::is_full) => Condition::Overloaded,
            condition => condition,
        }
    }

    fn report(&self, told: &mut Told) -> Report {
        told.seq += 1;
        let progress = self.replica.progress();
        let now = Instant::now();
        let reading = self.meter.read(now);
        told.condition = self.condition();
        (told.flows, told.bytes) = (reading.load.flows(), reading.load.bytes());
        Report {
            epoch: self.epoch,
            seq: told.seq,
            condition: told.condition,
            load: reading.load,
            flows_limited_by_client: reading.flows_limited_by_client,
            egress_bytes_per_s: reading.egress_bytes_per_s,
            capacity: reading.capacity,
            footing: reading.footing,
            pressure: reading.pressure,
            complete: progress.complete,
            catalog: progress.catalog,
            held: self.held(told, progress.complete),
            acknowledged: self.arrivals.take(),
            clients: self.clients(),
            missing_objects: progress.missing_objects,
            missing_bytes: progress.missing_bytes,
            flows_served: reading.totals.finished,
            flows_cut: reading.totals.cut,
            errors: reading.totals.errors,
            bytes_served: reading.totals.bytes,
        }
    }

    /// What was seen of clients since the last report, the latest of it.
    fn clients(&self) -> Vec<ClientSample> {
        let mut seen = self.meter.client_samples();
        self.dispatcher.see_own_clients(&seen);
        seen.split_off(seen.len().saturating_sub(Report::MAX_CLIENTS))
    }

    /// All roots beyond the complete revision when that has moved, otherwise only the new ones.
    fn held(&self, told: &Told, complete: Revision) -> Held {
        if told.complete == Some(complete) && self.replica.take_retell() == Retell::News {
            Held::Add(self.replica.take_news(Held::MAX_PER_REPORT))
        } else {
            Held::Replace(self.replica.held_beyond_complete(Held::MAX_PER_REPORT))
        }
    }
}

/// Whether two figures differ by more than [`JUMP`] of the larger.
fn differ(one: u64, other: u64) -> bool {
    let (less, more) = (one.min(other), one.max(other));
    (more - less) as f64 > more as f64 * JUMP
}
