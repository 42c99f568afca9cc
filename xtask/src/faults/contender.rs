//! The relays that are tried, each before two origins with the same files.
//!
//! Origins are nodes of ours for everyone: mirrors behind our server, servers behind the others. It
//! must never give ours a way to the bytes that the others lack, so our server counts as too slow to
//! send any file itself while a mirror can.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use overspill_wire::{
    paths::{FLEET, READY},
    status::FleetStatus,
};

use super::{
    config::{self, Care, Ways},
    way::Way,
};
use crate::bench::{
    contender::{free_address, serve_arguments},
    fetch,
    machine::{Pinning, Side, is_installed},
    pace,
    process::Process,
};

/// A relay, and how it is set up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Contender {
    Caddy,
    Haproxy(Care),
    Nginx(Care),
    Overspill,
}

/// A relay that is up, and its origins.
#[derive(Debug)]
pub(super) struct Site {
    contender: Contender,
    door: SocketAddr,
    /// Before the first origin, if that is to fail.
    way: Option<Way>,
    /// Ended before its origins.
    _front: Process,
    origins: Vec<Origin>,
}

/// A node that relays get bytes from.
#[derive(Debug)]
struct Origin {
    address: SocketAddr,
    program: PathBuf,
    arguments: Vec<OsString>,
    log: PathBuf,
    process: Process,
}

/// What all are started with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    pub(super) overspill: &'a Path,
    pub(super) tree: &'a Path,
    pub(super) work: &'a Path,
}

/// What stands before the first origin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Before {
    Nothing,
    Way,
}

/// How long anything may take to start, or to be in step.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// Origins of each relay.
const ORIGINS: usize = 2;
/// So slow that a mirror is always better, and so fast that the first is: it has more than half of
/// all capacity, so that it is not put aside for its failures.
const SERVER_CAPACITY: &str = "1Gbit/s";
const MIRROR_CAPACITIES: [&str; ORIGINS] = ["100Gbit/s", "10Gbit/s"];
/// Where nothing fails on purpose, both are equal.
const EQUAL_CAPACITY: &str = "100Gbit/s";

impl Contender {
    pub(super) const ALL: [Self; 6] = [
        Self::Overspill,
        Self::Nginx(Care::Default),
        Self::Nginx(Care::Most),
        Self::Haproxy(Care::Default),
        Self::Haproxy(Care::Most),
        Self::Caddy,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Caddy => "Caddy, retries",
            Self::Haproxy(Care::Default) => "HAProxy",
            Self::Haproxy(Care::Most) => "HAProxy, all retries",
            Self::Nginx(Care::Default) => "nginx",
            Self::Nginx(Care::Most) => "nginx, all retries",
            Self::Overspill => "overspill",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Caddy => "caddy",
            Self::Haproxy(_) => "haproxy",
            Self::Nginx(_) => "nginx",
            Self::Overspill => "overspill",
        }
    }

    /// Why it cannot be tried on this machine; `None` if it can.
    pub(super) fn absence(self) -> Option<String> {
        let name = self.program();
        (self != Self::Overspill && !is_installed(name))
            .then(|| format!("not available: install with apt-get install {name}"))
    }

    /// Starts it and its origins, with what they write in a folder of its own.
    pub(super) fn start(self, setting: Setting<'_>, before: Before) -> Result<Site> {
        let mut builder = tempfile::Builder::new();
        let folder = builder.prefix(self.program()).tempdir_in(setting.work)?;
        let folder = folder.keep();
        let site = match self {
            Self::Overspill => start_ours(setting, before, &folder),
            rival => start_rival(rival, setting, before, &folder),
        };
        site.with_context(|| format!("cannot start {}", self.name()))
    }
}

impl Site {
    /// Where clients find a file.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.door)
    }

    /// What stands before the first origin.
    pub(super) fn way(&self) -> Result<&Way> {
        self.way.as_ref().context("a site without a faulty way")
    }

    /// How many origins there are.
    pub(super) fn origins(&self) -> usize {
        self.origins.len()
    }

    /// Bodies that an origin is sending now.
    pub(super) fn flows_of(&self, origin: usize) -> Result<u64> {
        Ok(status(self.origins[origin].address)?.node.flows)
    }

    /// Kills an origin, as a crash would.
    pub(super) fn kill(&mut self, origin: usize) {
        self.origins[origin].process.kill();
    }

    /// Starts it again, and waits until the relay may use it.
    pub(super) fn revive(&mut self, origin: usize) -> Result<()> {
        let Origin {
            address,
            program,
            arguments,
            log,
            process,
        } = &mut self.origins[origin];
        *process = Process::start(Command::new(program).args(arguments), log)?;
        wait_until_ready(process, *address)?;
        match self.contender {
            Contender::Overspill => wait_until_in_step(self.door, &[*address]),
            _ => Ok(()),
        }
    }
}

impl Origin {
    /// Starts one whose command line is that of `command`.
    fn start(address: SocketAddr, command: &mut Command, log: PathBuf) -> Result<Self> {
        Ok(Self {
            address,
            program: command.get_program().into(),
            arguments: command.get_args().map(Into::into).collect(),
            process: Process::start(command, &log)?,
            log,
        })
    }
}

fn start_ours(setting: Setting<'_>, before: Before, folder: &Path) -> Result<Site> {
    let (door, state) = (free_address()?, folder.join("state"));
    let mut command = Command::new(setting.overspill);
    serve_arguments(&mut command, setting.tree, &state, door);
    command.args(["--offload", "relay", "--capacity", SERVER_CAPACITY]);
    let mut front = Process::start(&mut command, &folder.join("log"))?;
    wait_until_ready(&mut front, door)?;
    let (mut origins, mut way, mut publics) = (Vec::new(), None, Vec::new());
    for (at, unequal) in MIRROR_CAPACITIES.into_iter().enumerate() {
        let address = free_address()?;
        let mut command = Command::new(setting.overspill);
        command
            .args(["mirror", &format!("http://{door}"), "--die-with-parent"])
            .args(["--listen", &address.to_string()])
            .arg("--token-file")
            .arg(state.join("token"))
            .arg("--store")
            .arg(folder.join(format!("store-{at}")));
        let capacity = match before {
            Before::Nothing => EQUAL_CAPACITY,
            Before::Way => unequal,
        };
        command.args(["--capacity", capacity]);
        let mut public = address;
        if at == 0 && before == Before::Way {
            public = way.insert(Way::start(address)?).address();
            command.args(["--public-url", &format!("http://{public}")]);
        }
        publics.push(public);
        let log = folder.join(format!("mirror-{at}.log"));
        origins.push(Origin::start(address, &mut command, log)?);
    }
    wait_until_in_step(door, &publics)?;
    Ok(Site {
        contender: Contender::Overspill,
        door,
        way,
        _front: front,
        origins,
    })
}

fn start_rival(
    contender: Contender,
    setting: Setting<'_>,
    before: Before,
    folder: &Path,
) -> Result<Site> {
    let mut origins = Vec::new();
    for at in 0..ORIGINS {
        let address = free_address()?;
        let mut command = Command::new(setting.overspill);
        let state = folder.join(format!("state-{at}"));
        serve_arguments(&mut command, setting.tree, &state, address);
        let log = folder.join(format!("origin-{at}.log"));
        let mut origin = Origin::start(address, &mut command, log)?;
        wait_until_ready(&mut origin.process, address)?;
        origins.push(origin);
    }
    let doors = [origins[0].address, origins[1].address];
    let front = start_before(contender, doors, before, folder)?;
    Ok(Site { origins, ..front })
}

/// A relay before `origins` that are there already, the first behind a faulty way.
#[cfg(test)]
pub(super) fn before_origins(
    contender: Contender,
    origins: [SocketAddr; ORIGINS],
    folder: &Path,
) -> Result<Site> {
    start_before(contender, origins, Before::Way, folder)
}

/// The relay alone.
fn start_before(
    contender: Contender,
    mut origins: [SocketAddr; ORIGINS],
    before: Before,
    folder: &Path,
) -> Result<Site> {
    let way = match before {
        Before::Nothing => None,
        Before::Way => Some(Way::start(origins[0])?),
    };
    if let Some(way) = &way {
        origins[0] = way.address();
    }
    let door = free_address()?;
    let ways = Ways {
        door,
        origins: &origins,
        folder: &folder.display().to_string(),
    };
    let mut command = command(contender, &ways, folder)?;
    let mut front = Process::start(&mut command, &folder.join("log"))?;
    wait_until_ready(&mut front, door)?;
    Ok(Site {
        contender,
        door,
        way,
        _front: front,
        origins: Vec::new(),
    })
}

fn command(contender: Contender, ways: &Ways<'_>, folder: &Path) -> Result<Command> {
    let (text, before) = match contender {
        Contender::Caddy => (
            config::caddy(ways),
            &["run", "--adapter", "caddyfile", "--config"][..],
        ),
        Contender::Haproxy(care) => (config::haproxy(ways, care, ""), &["-db", "-f"][..]),
        Contender::Nginx(care) => (config::nginx(ways, care, ""), &["-c"][..]),
        Contender::Overspill => bail!("ours is configured by its options"),
    };
    let path = folder.join("config");
    fs::write(&path, text)?;
    let mut command = Pinning::Free.command(Side::Server, Path::new(contender.program()));
    command.args(before).arg(path).env("HOME", folder);
    if let Contender::Nginx(_) = contender {
        command.arg("-e").arg(folder.join("error.log"));
    }
    Ok(command)
}

fn wait_until_ready(process: &mut Process, address: SocketAddr) -> Result<()> {
    pace::until("a node", pace::FINE, START_PATIENCE, || {
        process.check()?;
        // Refused until it listens.
        let answer = fetch::get(address, READY).ok();
        Ok(answer.filter(|answer| answer.status == 200).map(drop))
    })
}

/// Waits until the mirrors at `publics` have everything, and the server at `door` knows it.
fn wait_until_in_step(door: SocketAddr, publics: &[SocketAddr]) -> Result<()> {
    pace::until("the mirrors", pace::COARSE, START_PATIENCE, || {
        let FleetStatus {
            catalog, members, ..
        } = status(door)?;
        let is_ready = |public: &SocketAddr| {
            let url = format!("http://{public}");
            let mut members = members.iter();
            let member = members.find(|member| member.url.trim_end_matches('/') == url);
            member.is_some_and(|member| {
                member.state == "ready" && (member.lag_revisions, member.missing_bytes) == (0, 0)
            })
        };
        let is_known = catalog.unhashed == 0 && catalog.files > 0;
        Ok((is_known && publics.iter().all(is_ready)).then_some(()))
    })
}

fn status(address: SocketAddr) -> Result<FleetStatus> {
    let body = fetch::get(address, FLEET)?.body;
    serde_json::from_slice(&body).context("the status makes no sense")
}
