//! What clients do during a trial: the same again and again, or come at given times.
//!
//! Loops are closed: who waits longer asks less often. Arrivals are open: they come whether or not
//! anyone can take them. It must never mix the two, since only the latter can overload anybody.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    download::{Download, End, Kind, Request},
    net::Host,
    site::Setting,
    stock::Size,
};

/// What clients do.
#[derive(Clone, Debug)]
pub(super) enum Load {
    /// They come at these times, with plain curl, and leave unserved when they lose patience.
    Arrivals {
        at: Vec<Duration>,
        size: Size,
        patience: Duration,
    },
    /// Each host downloads large files, one after the other, each with the next kind of client.
    Loops,
}

/// Everything clients need to know.
#[derive(Debug)]
pub(super) struct Audience {
    pub(super) setting: Arc<Setting>,
    pub(super) hosts: Vec<Host>,
    /// Where they are told to go.
    pub(super) url: String,
    /// For what they download.
    pub(super) folder: PathBuf,
    /// When nothing new is begun, counted from the start of the load.
    pub(super) until: Duration,
    started: AtomicUsize,
}

/// Arrivals in one load.
pub(super) const ARRIVALS_MAX: usize = 20_000;
/// How long downloads may go on when nothing new is begun.
const GRACE: Duration = Duration::from_secs(8);
/// How long a loop waits after a failure, as people's scripts do.
const SULK: Duration = Duration::from_millis(250);

impl Audience {
    pub(super) fn new(
        setting: Arc<Setting>,
        hosts: Vec<Host>,
        url: String,
        folder: PathBuf,
        until: Duration,
    ) -> Self {
        let started = AtomicUsize::new(0);
        Self {
            setting,
            hosts,
            url,
            folder,
            until,
            started,
        }
    }

    async fn download(
        &self,
        host: usize,
        kind: Kind,
        size: Size,
        begun: Instant,
        until: Instant,
    ) -> Result<Download> {
        let number = self.started.fetch_add(1, Relaxed);
        let file = self.setting.stock.file(size, number);
        let request = Request {
            kind,
            host: &self.hosts[host % self.hosts.len()],
            url: format!("{}{}", self.url, file.path),
            file,
            to: self.folder.join(format!("download-{number}")),
            overspill: &self.setting.overspill,
            until,
        };
        request.run(begun).await
    }

    async fn repeat(&self, host: usize, kind: Kind, begun: Instant) -> Result<Vec<Download>> {
        let mut downloads = Vec::new();
        let given_up = begun + self.until + GRACE;
        while begun.elapsed() < self.until {
            let download = self
                .download(host, kind, Size::Large, begun, given_up)
                .await?;
            if download.end != End::Right {
                sleep(SULK).await;
            }
            downloads.push(download);
        }
        Ok(downloads)
    }
}

impl Load {
    /// Runs it to its end; what was downloaded, in no order.
    pub(super) async fn run(
        self,
        audience: Arc<Audience>,
        begun: Instant,
    ) -> Result<Vec<Download>> {
        match self {
            Self::Arrivals { at, size, patience } => {
                arrive(audience, begun, at, size, patience).await
            }
            Self::Loops => repeat_all(audience, begun).await,
        }
    }
}

async fn repeat_all(audience: Arc<Audience>, begun: Instant) -> Result<Vec<Download>> {
    let mut loops = JoinSet::new();
    for host in 0..audience.hosts.len() {
        let kind = Kind::ALL[host % Kind::ALL.len()];
        let audience = Arc::clone(&audience);
        loops.spawn(async move { audience.repeat(host, kind, begun).await });
    }
    let mut downloads = Vec::new();
    while let Some(ended) = loops.join_next().await {
        downloads.extend(ended.context("a client panicked")??);
    }
    Ok(downloads)
}

async fn arrive(
    audience: Arc<Audience>,
    begun: Instant,
    at: Vec<Duration>,
    size: Size,
    patience: Duration,
) -> Result<Vec<Download>> {
    let mut running = JoinSet::new();
    for (host, at) in at.into_iter().take(ARRIVALS_MAX).enumerate() {
        sleep_until(begun + at).await;
        let audience = Arc::clone(&audience);
        let until = begun + at + patience;
        running.spawn(async move {
            audience
                .download(host, Kind::Curl, size, begun, until)
                .await
        });
    }
    let mut downloads = Vec::new();
    while let Some(ended) = running.join_next().await {
        downloads.push(ended.context("a client panicked")??);
    }
    Ok(downloads)
}

/// When clients arrive: `per_s` says how many a second at a time, up to `end`.
///
/// Evenly spaced but for a random place within each space, so that the rate is kept as it was asked
/// for: with times drawn freely, a short run would offer now 0.9, now 1.1 of it.
pub(super) fn arrivals(end: Duration, per_s: impl Fn(Duration) -> f64) -> Vec<Duration> {
    /// Steps in which the rate is taken as constant.
    const STEP_S: f64 = 0.01;
    let mut random = fastrand::Rng::with_seed(2);
    let (mut at, mut due, mut mark) = (Vec::new(), 0.0, random.f64());
    let mut time_s = 0.0;
    while time_s < end.as_secs_f64() && at.len() < ARRIVALS_MAX {
        due += per_s(Duration::from_secs_f64(time_s)) * STEP_S;
        while due >= mark && at.len() < ARRIVALS_MAX {
            at.push(Duration::from_secs_f64(time_s));
            mark = (at.len() as f64) + random.f64();
        }
        time_s += STEP_S;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_keep_the_rate_they_were_asked_for() {
        let second = Duration::from_secs;
        let at = arrivals(
            second(10),
            |time| if time < second(5) { 10.0 } else { 30.0 },
        );
        let early = at.iter().filter(|at| **at < second(5)).count();
        assert!((49..=51).contains(&early), "{early}");
        assert!((198..=202).contains(&at.len()), "{}", at.len());
        assert!(at.is_sorted());
        let endless = arrivals(second(1_000_000), |_| 1e9);
        assert_eq!(endless.len(), ARRIVALS_MAX);
    }
}
