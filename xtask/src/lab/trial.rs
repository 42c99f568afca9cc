//! One run: hosts, nodes on them, clients, perhaps a fault, and what came of it.
//!
//! Each trial has hosts of its own, so that none inherits another's routes, counters or learned
//! rates. Whoever is tried is known by name only where nodes are started.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    runtime::Runtime,
    time::{Instant, sleep_until},
};

use super::{
    cutter::Cutter,
    download::Download,
    load::{Audience, Load},
    net::{Host, Link, Net},
    processor::Ticks,
    redirects::TimeOfDay,
    site::{AccessLogs, Contender, Place, Setting, Site, door},
};

/// What is to be run.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// What distinguishes it from others of its scenario and contender.
    pub(super) variant: String,
    pub(super) contender: Contender,
    pub(super) server: Link,
    pub(super) mirrors: Vec<Link>,
    pub(super) load: Load,
    pub(super) entrance: Entrance,
    pub(super) fault: Option<Fault>,
    /// What is measured, counted from the start of the load. A fault strikes at its start.
    pub(super) start: Duration,
    pub(super) end: Duration,
    /// What the links that work within that time can carry together.
    pub(super) links_mbit_per_s: f64,
}

/// Which node's URL clients have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Entrance {
    FirstMirror,
    Server,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// The host nobody should be sent to any more; `None` if there is none.
    pub(super) sick: Option<&'static str>,
    pub(super) strike: fn(&mut Stage) -> Result<()>,
    /// Whether a cutter stands before the first mirror.
    pub(super) cutter: Standing,
}

/// What stands between clients and the first mirror.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    BeforeFirstMirror,
    Nowhere,
}

/// The hosts of a trial and what runs on them. Dropped from the top: hosts go last.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) site: Site,
    pub(super) cutter: Option<Cutter>,
    pub(super) server: Host,
    pub(super) mirrors: Vec<Host>,
    pub(super) clients: Vec<Host>,
    pub(super) net: Net,
}

/// What a trial brought, before anything is made of it.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) downloads: Vec<Download>,
    /// Bytes each host sent within the measured time.
    pub(super) sent_bytes: BTreeMap<String, u64>,
    pub(super) busy_ratio: f64,
    /// For each client sent to the sick host since the fault: how long after it.
    pub(super) sent_to_sick: Option<Vec<Duration>>,
}

/// What runs trials.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) setting: Arc<Setting>,
    pub(super) runtime: Runtime,
    pub(super) folder: PathBuf,
    pub(super) clients: usize,
}

/// Counters at one moment.
struct Reading {
    sent_bytes: BTreeMap<String, u64>,
    ticks: Ticks,
    at: TimeOfDay,
}

/// Trials and scenarios call the first mirror so.
pub(super) const FIRST_MIRROR: &str = "m1";
/// Mirrors that a trial can have.
pub(super) const MIRRORS_MAX: usize = 3;
const SERVER: &str = "server";

impl Runner {
    /// Runs a trial from nothing to nothing.
    pub(super) fn run(&self, trial: &Trial) -> Result<Run> {
        let folder = self.folder.join("trial");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let ran = self.run_in(trial, &folder);
        // Why it could not be run says more than why it could not be cleaned up after.
        let cleaned = fs::remove_dir_all(&folder).context("cannot clean up");
        ran.and_then(|ran| cleaned.map(|()| ran))
    }

    fn run_in(&self, trial: &Trial, folder: &Path) -> Result<Run> {
        let mut stage = self.build(trial, folder)?;
        let entrance = match trial.entrance {
            Entrance::Server => &stage.server,
            Entrance::FirstMirror => stage.mirrors.first().unwrap_or(&stage.server),
        };
        let audience = Arc::new(Audience::new(
            Arc::clone(&self.setting),
            stage.clients.clone(),
            format!("http://{}", door(entrance)),
            folder.to_owned(),
            trial.end,
        ));
        let begun = Instant::now();
        let load = trial.load.clone().run(audience, begun);
        let (downloads, readings) = self.runtime.block_on(async {
            // Whichever ends first drops the other, and clients with it.
            let interrupted = self.setting.interrupt.clone().wait();
            let both = async { tokio::try_join!(load, watch(trial, &mut stage, begun)) };
            tokio::select! {
                both = both => both,
                error = interrupted => Err(error),
            }
        })?;
        let logs = stage.site.stop()?;
        let [before, after] = readings;
        Ok(Run {
            downloads,
            busy_ratio: after.ticks.busy_ratio_since(before.ticks),
            sent_to_sick: sent_to_sick(trial, &logs, before.at)?,
            sent_bytes: difference(&before.sent_bytes, after.sent_bytes),
        })
    }

    /// Once, over wide links: everything is hashed, and every mirror has all of it.
    pub(super) fn fill_mirrors(&self) -> Result<()> {
        let folder = self.folder.join("filling");
        let mut net = Net::new()?;
        let wide = Link::mbit(10_000.0);
        let mut place = |name: &str| anyhow::Ok(Place::new(net.add_host(name)?, wide));
        let server = place(SERVER)?;
        let mirrors = (1..=MIRRORS_MAX).map(|number| place(&format!("m{number}")));
        let mirrors = mirrors.collect::<Result<Vec<_>>>()?;
        fs::create_dir_all(&folder)?;
        let site = Contender::Overspill.start(&self.setting, &server, &mirrors, &folder);
        site?.stop().map(drop)
    }

    fn build(&self, trial: &Trial, folder: &Path) -> Result<Stage> {
        let mut net = Net::new()?;
        let mut place = |name: &str, link: Link| {
            let host = net.add_host(name)?;
            host.limit(link)?;
            anyhow::Ok(Place::new(host, link))
        };
        let server = place(SERVER, trial.server)?;
        let links = if trial.contender.has_mirrors() {
            &trial.mirrors[..]
        } else {
            &[]
        };
        let mirrors = links.iter().enumerate();
        let mirrors = mirrors.map(|(at, &link)| place(&format!("m{}", at + 1), link));
        let mut mirrors = mirrors.collect::<Result<Vec<_>>>()?;
        let clients = (1..=self.clients).map(|number| net.add_host(&format!("c{number}")));
        let clients = clients.collect::<Result<Vec<_>>>()?;
        let cutter = cutter(trial, mirrors.first_mut())?;
        let site = trial
            .contender
            .start(&self.setting, &server, &mirrors, folder)?;
        Ok(Stage {
            site,
            cutter,
            server: server.host,
            mirrors: mirrors.into_iter().map(|mirror| mirror.host).collect(),
            clients,
            net,
        })
    }
}

fn cutter(trial: &Trial, first: Option<&mut Place>) -> Result<Option<Cutter>> {
    let standing = trial.fault.map(|fault| fault.cutter);
    let (Some(Standing::BeforeFirstMirror), Some(first)) = (standing, first) else {
        return Ok(None);
    };
    let cutter = Cutter::start(&first.host, first.door())?;
    first.public = Some(cutter.address());
    Ok(Some(cutter))
}

/// Reads the counters at both ends of the measured time; lets the fault strike at its start.
async fn watch(trial: &Trial, stage: &mut Stage, begun: Instant) -> Result<[Reading; 2]> {
    sleep_until(begun + trial.start).await;
    let before = Reading::take(&stage.net)?;
    if let Some(fault) = trial.fault {
        (fault.strike)(stage)?;
    }
    sleep_until(begun + trial.end).await;
    Ok([before, Reading::take(&stage.net)?])
}

fn sent_to_sick(
    trial: &Trial,
    logs: &AccessLogs,
    fault: TimeOfDay,
) -> Result<Option<Vec<Duration>>> {
    let Some(sick) = trial.fault.and_then(|fault| fault.sick) else {
        return Ok(None);
    };
    let redirects = logs.redirects_to(sick)?;
    let lasting = trial.end - trial.start;
    let after = redirects
        .iter()
        .filter_map(|redirect| redirect.after(fault));
    Ok(Some(after.filter(|after| *after <= lasting).collect()))
}

/// What was counted between the two.
fn difference(
    before: &BTreeMap<String, u64>,
    after: BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let mut bytes = after;
    for (name, bytes) in &mut bytes {
        *bytes = bytes.saturating_sub(before.get(name).copied().unwrap_or(0));
    }
    bytes
}

impl Reading {
    fn take(net: &Net) -> Result<Self> {
        Ok(Self {
            sent_bytes: net.sent_bytes()?,
            ticks: Ticks::read()?,
            at: TimeOfDay::now(),
        })
    }
}
