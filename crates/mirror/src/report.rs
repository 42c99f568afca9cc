//! Telling the server how the mirror is.
//!
//! Once a second with jitter, and at once when a client has arrived or something was verified, lost
//! or filled up. What has been told is only believed told when the server said so; after any failure
//! everything is told again. It must never send more roots at once than a report may hold.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::Method;
use overspill_core::{
    catalog::Revision,
    dispatch::DispatchId,
    fleet::{Held, Report},
    load::Pressure,
};
use overspill_net::client::HttpClient;
use overspill_node::Meter;
use overspill_wire::{
    fleet::{MAX_ACKNOWLEDGED, ReportMessage},
    paths,
};
use tokio::time::{sleep, timeout};

use crate::{
    replica::{Replica, Retell},
    session::{Session, SessionError},
    sync::Syncer,
};

/// Usual distance between reports; a tenth of it is left to chance.
const EVERY: Duration = Duration::from_secs(1);
/// Least distance between reports, however much happens.
const AT_MOST_EVERY: Duration = Duration::from_millis(100);

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
    pub(crate) arrivals: &'a Arrivals,
    pub(crate) epoch: u64,
}

/// What the server is known to have been told.
struct Told {
    complete: Option<Revision>,
    seq: u64,
}

impl Reporter<'_> {
    /// Reports until the session ends.
    pub(crate) async fn run(&self) -> SessionError {
        let mut told = Told {
            complete: None,
            seq: 0,
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
                Ok(_) => told.complete = Some(report.complete),
                Err(error) => return error,
            }
            sleep(AT_MOST_EVERY).await;
            let rest = EVERY
                .mul_f64(0.9 + 0.2 * fastrand::f64())
                .saturating_sub(AT_MOST_EVERY);
            let _ = timeout(rest, self.replica.changed.notified()).await;
        }
    }

    fn report(&self, told: &mut Told) -> Report {
        told.seq += 1;
        let progress = self.replica.progress();
        let reading = self.meter.read(Instant::now());
        Report {
            epoch: self.epoch,
            seq: told.seq,
            condition: self.syncer.condition(),
            load: reading.load,
            flows_limited_by_client: 0,
            egress_bytes_per_s: reading.egress_bytes_per_s,
            capacity: reading.capacity,
            pressure: Pressure::new(
                reading.egress_bytes_per_s / reading.capacity.bytes_per_s(),
                0.0,
                0.0,
            ),
            complete: progress.complete,
            catalog: progress.catalog,
            held: self.held(told, progress.complete),
            acknowledged: self.arrivals.take(),
            clients: Vec::new(),
            missing_objects: progress.missing_objects,
            missing_bytes: progress.missing_bytes,
            flows_served: reading.totals.finished,
            flows_cut: reading.totals.cut,
            errors: 0,
            bytes_served: reading.totals.bytes,
        }
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
