//! Our server with a mirror joined, so slow itself and the mirror so fast that it redirects all it
//! may.
//!
//! It must never measure a redirect that was none: see [`RedirectSite::served`].

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result};
use overspill_wire::{paths::FLEET, status::FleetStatus};

use super::{
    contender::{Contender, Doors, Setting, Site, free_address, serve_arguments},
    fetch,
    machine::Side,
    pace,
    process::Process,
};

/// A server and the mirror it sends everyone to.
#[derive(Debug)]
pub(super) struct RedirectSite {
    pub(super) site: Site,
    /// Ends with this; its own work is not measured.
    _mirror: Process,
}

/// How long joining, copying and proving may take.
const JOIN_PATIENCE: Duration = Duration::from_secs(60);
/// What makes the decision plain whatever is in flight.
const SERVER_CAPACITY: &str = "1KiB/s";
const MIRROR_CAPACITY: &str = "1000GiB/s";

impl RedirectSite {
    /// Starts both and waits until `path` is answered with 307.
    pub(super) fn start(setting: &Setting<'_>, path: &str) -> Result<Self> {
        let folder = Contender::Overspill.folder(setting)?;
        let (plain, state) = (free_address()?, folder.join("state"));
        let mut command = setting.pinning.command(Side::Server, setting.overspill);
        serve_arguments(&mut command, setting.tree, &state, plain);
        command.args(["--threads", "1", "--capacity", SERVER_CAPACITY]);
        let mut process = Process::start(&mut command, &folder.join("log"))?;
        pace::until("our server", pace::FINE, JOIN_PATIENCE, || {
            process.check()?;
            Ok(fetch::get(plain, path).ok())
        })?;
        let mirror = start_mirror(setting, &folder, plain)?;
        pace::until("a redirect", pace::COARSE, JOIN_PATIENCE, || {
            process.check()?;
            let answer = fetch::get(plain, path)?;
            Ok((answer.status == 307).then_some(()))
        })?;
        let doors = Doors {
            plain,
            secure: None,
        };
        Ok(Self {
            site: Site {
                contender: Contender::Overspill,
                doors,
                process,
            },
            _mirror: mirror,
        })
    }

    /// Requests that the server answered itself since its start.
    pub(super) fn served(&self) -> Result<u64> {
        let body = fetch::get(self.site.doors.plain, FLEET)?.body;
        let status: FleetStatus = serde_json::from_slice(&body)?;
        Ok(status
            .decisions
            .context("no decisions in the status")?
            .serve)
    }
}

fn start_mirror(setting: &Setting<'_>, folder: &Path, server: SocketAddr) -> Result<Process> {
    let mut command = setting.pinning.command(Side::Load, setting.overspill);
    command
        .args(["mirror", &format!("http://{server}")])
        .args(["--die-with-parent", "--threads", "1"])
        .args(["--listen", "127.0.0.1:0", "--capacity", MIRROR_CAPACITY])
        .arg("--token-file")
        .arg(folder.join("state/token"))
        .arg("--store")
        .arg(folder.join("store"));
    Process::start(&mut command, &folder.join("mirror.log"))
}
