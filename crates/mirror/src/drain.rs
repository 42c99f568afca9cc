//! Ending so that nobody notices: first no new work, then no work.
//!
//! A mirror that is asked to end says so in a report of its own, at once; from the moment the server
//! has acknowledged that, nobody is sent here any more. It must never end sooner than those who are
//! on their way can have arrived, and never be waited for without end: its caller sets the patience.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use overspill_core::fleet::Condition;
use overspill_node::Meter;
use tokio::{
    sync::watch,
    time::{sleep, sleep_until},
};

use crate::link::Link;

/// Whether this mirror is about to end, and whether the operator wants it to have no work.
#[derive(Debug)]
pub(crate) struct Drain(watch::Sender<Stage>, AtomicBool);

/// What the operator wants of this mirror, as the server told it last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// That it takes nothing new.
    Nothing,
    /// That it works.
    Work,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// It takes work.
    Working,
    /// It wants no more, and says so in the next report.
    Asked,
    /// The server has acknowledged that, then.
    Told(Instant),
}

/// How long a client takes from its redirect to here, at most: whoever has a ticket that is older
/// and has not come is not expected any more.
const ARRIVAL: Duration = Duration::from_secs(2);
/// How often the flows are looked at; only ending waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Default for Drain {
    fn default() -> Self {
        Self(watch::Sender::new(Stage::Working), AtomicBool::new(false))
    }
}

impl Drain {
    /// Wants no new work from now on.
    pub(crate) fn begin(&self) {
        self.0.send_if_modified(|stage| {
            let is_new = *stage == Stage::Working;
            if is_new {
                *stage = Stage::Asked;
            }
            is_new
        });
    }

    /// The server has told what is wanted.
    pub(crate) fn ordered(&self, wanted: Wanted) {
        self.1.store(wanted == Wanted::Nothing, Relaxed);
    }

    /// Whether it wants no new work, or is not to have any.
    pub(crate) fn is_on(&self) -> bool {
        *self.0.borrow() != Stage::Working || self.1.load(Relaxed)
    }

    /// What to report, where otherwise it would be `condition`.
    pub(crate) fn condition_or(&self, condition: Condition) -> Condition {
        match *self.0.borrow() {
            Stage::Working => condition,
            Stage::Asked | Stage::Told(_) => Condition::Draining,
        }
    }

    /// The server has acknowledged a report of this condition.
    pub(crate) fn told(&self, now: Instant, condition: Condition) {
        self.0.send_if_modified(|stage| {
            let is_news = *stage == Stage::Asked && condition == Condition::Draining;
            if is_news {
                *stage = Stage::Told(now);
            }
            is_news
        });
    }

    /// Waits until nobody is sent here any more, whoever was has arrived, and all flows are through.
    pub(crate) async fn finished(&self, mut link: watch::Receiver<Link>, meter: &Meter) {
        let is_away = |link: &Link| !matches!(link, Link::Connected(_));
        // Both only wait. A server that is away sends nobody, and cannot be told.
        tokio::select! {
            () = self.all_arrived() => {}
            _ = link.wait_for(is_away) => {}
        }
        while meter.read(Instant::now()).load.flows() > 0 {
            sleep(LOOK_EVERY).await;
        }
    }

    async fn all_arrived(&self) {
        let mut stages = self.0.subscribe();
        let is_told = |stage: &Stage| matches!(stage, Stage::Told(_));
        let told = stages.wait_for(is_told).await.map(|stage| *stage);
        // The sender is `self`, so it cannot be gone.
        if let Ok(Stage::Told(at)) = told {
            sleep_until((at + ARRIVAL).into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use overspill_core::catalog::Revision;
    use overspill_net::FlowTable;
    use overspill_node::capacity_prior;
    use tokio::time::timeout;

    use super::*;

    /// Whether all is over by the time that was given.
    async fn finishes(drain: &Drain, link: Link, meter: &Meter, within: Duration) -> bool {
        let (_state, link) = watch::channel(link);
        timeout(within, drain.finished(link, meter)).await.is_ok()
    }

    fn run(test: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().unwrap();
        runtime.block_on(test);
    }

    #[test]
    fn only_an_acknowledged_drain_is_told() {
        let (drain, now) = (Drain::default(), Instant::now());
        assert_eq!(drain.condition_or(Condition::DiskFull), Condition::DiskFull);
        drain.told(now, Condition::Draining);
        assert_eq!(*drain.0.borrow(), Stage::Working);
        drain.begin();
        assert_eq!(drain.condition_or(Condition::DiskFull), Condition::Draining);
        drain.told(now, Condition::Normal);
        assert_eq!(*drain.0.borrow(), Stage::Asked, "that was a report before");
        drain.told(now, Condition::Draining);
        drain.begin();
        assert_eq!(*drain.0.borrow(), Stage::Told(now));
    }

    #[test]
    fn it_waits_for_the_servers_word_the_latecomers_and_the_flows() {
        let flows = Arc::new(FlowTable::new(1));
        let meter = Meter::new(Arc::clone(&flows), capacity_prior(None), Instant::now());
        let connected = Link::Connected(Revision(1));
        let soon = Duration::from_millis(50);
        run(async {
            let drain = Drain::default();
            drain.begin();
            assert!(!finishes(&drain, connected.clone(), &meter, soon).await);
            let away = Link::Away(None);
            assert!(finishes(&drain, away.clone(), &meter, soon).await);
            let flow = flows.shard(0).begin(10);
            assert!(!finishes(&drain, away, &meter, soon).await);
            drop(flow);
            drain.told(Instant::now(), Condition::Draining);
            let early = finishes(&drain, connected.clone(), &meter, ARRIVAL / 2).await;
            assert!(!early, "somebody may be on the way");
            assert!(finishes(&drain, connected, &meter, ARRIVAL).await);
        });
    }
}
