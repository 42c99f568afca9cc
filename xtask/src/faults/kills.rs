//! Origins that are killed while they feed bodies, at random moments, under load.
//!
//! One is dead at a time, and it is back before the next is killed. It must never kill an origin
//! that feeds nobody: that would prove nothing.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::{Result, anyhow};

use super::{
    contender::Site,
    download::{Client, Expected, Request},
    tally::Tally,
};
use crate::bench::pace;

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) kills: u64,
    /// Bodies that the killed were feeding.
    pub(super) struck: u64,
    pub(super) tally: Tally,
}

/// Downloads at a time.
const CLIENTS: usize = 8;
/// What each of them takes a second, so that most of the time of a download its bytes are still with
/// the origin, and not in sockets on the way.
const RATE_BYTES_PER_S: u32 = 4 << 20;
/// Longest from a revival to the next kill.
const PAUSE_MS_MAX: u64 = 500;
/// How long a load may take to reach the origins.
const LOAD_PATIENCE: Duration = Duration::from_secs(60);

/// Kills so often, with downloads going on all the time into `folder`.
pub(super) fn run(
    site: &mut Site,
    kills: u32,
    expected: &Expected,
    folder: &Path,
    patience: Duration,
) -> Result<Outcome> {
    let is_over = AtomicBool::new(false);
    let url = site.url(expected.path);
    let (mut outcome, tallies) = thread::scope(|scope| {
        let load = |number: usize| {
            let request = Request {
                client: Client::CurlPaced(RATE_BYTES_PER_S),
                url: url.clone(),
                expected,
                to: folder.join(format!("kills-{number}")),
                patience,
            };
            let is_over = &is_over;
            move || download_until(is_over, &request)
        };
        let loads: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(load(number)))
            .collect();
        let outcome = kill_again_and_again(site, kills);
        // However it went: the others wait for it.
        is_over.store(true, Relaxed);
        let tallies = loads.into_iter().map(|load| {
            let joined = load.join();
            joined.map_err(|_| anyhow!("a client's thread panicked"))?
        });
        anyhow::Ok((outcome?, tallies.collect::<Result<Vec<_>>>()?))
    })?;
    for tally in tallies {
        outcome.tally.add(tally);
    }
    Ok(outcome)
}

fn download_until(is_over: &AtomicBool, request: &Request<'_>) -> Result<Tally> {
    let mut tally = Tally::default();
    while !is_over.load(Relaxed) {
        tally.count(request.run()?);
    }
    Ok(tally)
}

fn kill_again_and_again(site: &mut Site, kills: u32) -> Result<Outcome> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut outcome = Outcome::default();
    for _ in 0..kills {
        pace::pause(Duration::from_millis(random.u64(..PAUSE_MS_MAX)));
        let (flows, origin) = pace::until("bodies to be fed", pace::FINE, LOAD_PATIENCE, || {
            let all = (0..site.origins()).map(|origin| Ok((site.flows_of(origin)?, origin)));
            let busiest = all.collect::<Result<Vec<_>>>()?.into_iter().max();
            Ok(busiest.filter(|(flows, _)| *flows > 0))
        })?;
        site.kill(origin);
        outcome.kills += 1;
        outcome.struck += flows;
        site.revive(origin)?;
    }
    Ok(outcome)
}
