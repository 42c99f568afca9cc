//! The relays of one measurement, before one origin.
//!
//! The origin is a mirror of ours, joined to our relay, and runs on the side of the load. It must
//! never be asked for a file by another path than a relay's own clients use, but for `?direct`, which
//! keeps it from sending others' clients on.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use overspill_wire::{paths::FLEET, status::FleetStatus};

use super::{LARGE, SMALLER};
use crate::{
    bench::{
        contender::{Setting, free_address, serve_arguments},
        fetch,
        machine::{Side, is_installed},
        note, pace,
        process::Process,
    },
    faults::{Care, Ways, haproxy, nginx},
};

/// Who relays, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Relay {
    HaproxySplice,
    NginxBuffered,
    NginxUnbuffered,
    Overspill,
}

/// Relays that are up. Each ends before the origin.
#[derive(Debug)]
pub(super) struct Rig {
    others: Vec<Front>,
    /// Also where the origin has its files from; not measured unless it is wanted.
    ours: Front,
    wanted: Vec<Relay>,
    _origin: Process,
}

#[derive(Debug)]
struct Front {
    relay: Relay,
    door: SocketAddr,
    process: Process,
}

/// How long anything may take to start, copy and prove.
const PATIENCE: Duration = Duration::from_secs(60);
/// What makes the decision plain: the mirror, always.
const SERVER_CAPACITY: &str = "1Gbit/s";
const MIRROR_CAPACITY: &str = "1000GiB/s";
/// Splicing in all directions and whenever it can.
const SPLICE: &str = "  option splice-auto\n  option splice-response\n";

impl Relay {
    const ALL: [Self; 4] = [
        Self::Overspill,
        Self::HaproxySplice,
        Self::NginxUnbuffered,
        Self::NginxBuffered,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HaproxySplice => "HAProxy, splice",
            Self::NginxBuffered => "nginx",
            Self::NginxUnbuffered => "nginx, buffering off",
            Self::Overspill => "overspill",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::HaproxySplice => "haproxy",
            Self::NginxBuffered | Self::NginxUnbuffered => "nginx",
            Self::Overspill => "overspill",
        }
    }

    /// Those on this machine, ours first; says which are not.
    pub(super) fn present() -> Vec<Self> {
        let mut all = Self::ALL.to_vec();
        all.retain(|relay| {
            let (name, program) = (relay.name(), relay.program());
            let is_here = *relay == Self::Overspill || is_installed(program);
            if !is_here {
                note(&format!(
                    "{name}: not available: install with apt-get install {program}"
                ));
            }
            is_here
        });
        all
    }
}

impl Rig {
    /// Starts the `wanted` relays and waits until each serves.
    pub(super) fn start(setting: &Setting<'_>, wanted: &[Relay]) -> Result<Self> {
        let folder = tempfile::tempdir_in(setting.work)?.keep();
        let (ours, origin, origin_door) = start_ours(setting, &folder)?;
        let mut others = Vec::new();
        for relay in wanted.iter().copied() {
            if relay != Relay::Overspill {
                others.push(start_other(relay, setting, origin_door, &folder)?);
            }
        }
        Ok(Self {
            others,
            ours,
            wanted: wanted.to_vec(),
            _origin: origin,
        })
    }

    /// The relays that are measured, in their order.
    pub(super) fn relays(&self) -> impl Iterator<Item = Relay> {
        self.wanted.iter().copied()
    }

    /// Where it listens.
    pub(super) fn door(&self, relay: Relay) -> SocketAddr {
        self.front(relay).door
    }

    /// What its clients ask for to have the file at `path`.
    pub(super) fn path(&self, relay: Relay, path: &'static str) -> &'static str {
        match (relay, path) {
            (Relay::Overspill, path) => path,
            (_, SMALLER) => "/1m?direct",
            (_, LARGE) => "/large?direct",
            (_, other) => other,
        }
    }

    /// CPU time so far.
    pub(super) fn cpu(&self, relay: Relay) -> Result<Duration> {
        self.front(relay).process.cpu()
    }

    /// Memory now.
    pub(super) fn resident_bytes(&self, relay: Relay) -> Result<u64> {
        Ok(self.front(relay).process.usage()?.resident_bytes)
    }

    /// Requests that our server answered from its own files since its start.
    pub(super) fn served_by_ours(&self) -> Result<u64> {
        let decisions = status(self.ours.door)?.decisions;
        Ok(decisions.context("no decisions in the status")?.serve)
    }

    fn front(&self, relay: Relay) -> &Front {
        let mut others = self.others.iter();
        let front = others.find(|front| front.relay == relay);
        front.unwrap_or(&self.ours)
    }
}

/// Our server, a mirror that has everything, and where that is.
fn start_ours(setting: &Setting<'_>, folder: &Path) -> Result<(Front, Process, SocketAddr)> {
    let (door, origin_door) = (free_address()?, free_address()?);
    let state = folder.join("state");
    let mut command = setting.pinning.command(Side::Server, setting.overspill);
    serve_arguments(&mut command, setting.tree, &state, door);
    command.args(["--threads", "1", "--offload", "relay"]);
    command.args(["--capacity", SERVER_CAPACITY]);
    let mut process = Process::start(&mut command, &folder.join("log"))?;
    wait_until_served(&mut process, door)?;
    let mut command = setting.pinning.command(Side::Load, setting.overspill);
    command
        .args(["mirror", &format!("http://{door}"), "--die-with-parent"])
        .args(["--threads", "1", "--listen", &origin_door.to_string()])
        .args(["--capacity", MIRROR_CAPACITY])
        .arg("--token-file")
        .arg(state.join("token"))
        .arg("--store")
        .arg(folder.join("store"));
    let origin = Process::start(&mut command, &folder.join("origin.log"))?;
    pace::until("a relayed answer", pace::COARSE, PATIENCE, || {
        process.check()?;
        let relayed = |status: FleetStatus| status.decisions.map_or(0, |all| all.relay);
        let before = relayed(status(door)?);
        fetch::get(door, SMALLER)?;
        Ok((relayed(status(door)?) > before).then_some(()))
    })?;
    let front = Front {
        relay: Relay::Overspill,
        door,
        process,
    };
    Ok((front, origin, origin_door))
}

fn start_other(
    relay: Relay,
    setting: &Setting<'_>,
    origin: SocketAddr,
    folder: &Path,
) -> Result<Front> {
    let folder = tempfile::tempdir_in(folder)?.keep();
    let door = free_address()?;
    let ways = &Ways {
        door,
        origins: &[origin],
        folder: &folder.display().to_string(),
    };
    let text = match relay {
        Relay::HaproxySplice => haproxy(ways, Care::Default, SPLICE),
        Relay::NginxBuffered => nginx(ways, Care::Default, ""),
        Relay::NginxUnbuffered => nginx(ways, Care::Default, "    proxy_buffering off;\n"),
        Relay::Overspill => String::new(),
    };
    let config = folder.join("config");
    fs::write(&config, text)?;
    let mut command: Command = setting
        .pinning
        .command(Side::Server, Path::new(relay.program()));
    match relay {
        Relay::HaproxySplice => command.args(["-db", "-f"]).arg(&config),
        _ => command
            .arg("-e")
            .arg(folder.join("error.log"))
            .arg("-c")
            .arg(&config),
    };
    let mut process = Process::start(&mut command, &folder.join("log"))?;
    let served = wait_until_served(&mut process, door);
    served.with_context(|| format!("cannot start {}", relay.name()))?;
    Ok(Front {
        relay,
        door,
        process,
    })
}

fn wait_until_served(process: &mut Process, door: SocketAddr) -> Result<()> {
    pace::until("a relay", pace::FINE, PATIENCE, || {
        process.check()?;
        // Refused until it listens.
        let answer = fetch::get(door, SMALLER).ok();
        Ok(answer.filter(|answer| answer.status == 200).map(drop))
    })
}

fn status(door: SocketAddr) -> Result<FleetStatus> {
    let body = fetch::get(door, FLEET)?.body;
    serde_json::from_slice(&body).context("the status makes no sense")
}
