//! Our server and our mirrors, by nothing but their command line and public answers.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, Result};
use overspill_wire::{paths::FLEET, status::FleetStatus};

use super::{Node, PORT, Place, START_PATIENCE, Setting, Site, Told, wait_until_up};
use crate::bench::{fetch, pace, process::Process};

pub(super) fn start(
    setting: &Setting,
    server: &Place,
    mirrors: &[Place],
    folder: &Path,
    told: Told,
) -> Result<Site> {
    let mut command = server.host.command(&setting.overspill);
    command
        .arg("serve")
        .arg("--state")
        .arg(setting.stock.state());
    common(&mut command, server, folder, told);
    command
        .args(&setting.serve_options)
        .arg(setting.stock.tree());
    let mut node = launch(server, command, folder)?;
    wait_until_up(&mut node, &setting.interrupt)?;
    let mut nodes = vec![node];
    for mirror in mirrors {
        let mut command = mirror.host.command(&setting.overspill);
        command.arg("mirror").arg("--store");
        command.arg(setting.stock.store(&mirror.host.name));
        command
            .arg("--token-file")
            .arg(setting.stock.state().join("token"));
        command.args(["--public-url", &format!("http://{}", mirror.public())]);
        common(&mut command, mirror, folder, told);
        command.args(&setting.mirror_options);
        command.arg(format!("http://{}", server.door()));
        nodes.push(launch(mirror, command, folder)?);
    }
    let names = wait_until_in_step(setting, &mut nodes, server, mirrors)?;
    Ok(Site { nodes, names })
}

/// What both roles are started with.
fn common(command: &mut Command, place: &Place, folder: &Path, told: Told) {
    command.args(["--die-with-parent", "--listen", &format!("0.0.0.0:{PORT}")]);
    let log = folder.join(format!("{}.access", place.host.name));
    command.arg("--access-log").arg(log);
    if told == Told::Links {
        command.args(["--capacity", &format!("{}Mbit/s", place.link)]);
    }
}

fn launch(place: &Place, mut command: Command, folder: &Path) -> Result<Node> {
    fs::create_dir_all(folder)?;
    let name = &place.host.name;
    Ok(Node {
        host: place.host.clone(),
        process: Process::start(&mut command, &folder.join(format!("{name}.log")))?,
        access_log: folder.join(format!("{name}.access")),
    })
}

/// Waits until everything is hashed and every mirror has all of it; which name means which host.
fn wait_until_in_step(
    setting: &Setting,
    nodes: &mut [Node],
    server: &Place,
    mirrors: &[Place],
) -> Result<BTreeMap<String, String>> {
    pace::until("the mirrors", pace::COARSE, START_PATIENCE, || {
        setting.interrupt.check()?;
        for node in nodes.iter_mut() {
            let name = &node.host.name;
            node.process.check().with_context(|| format!("on {name}"))?;
        }
        let door = server.door();
        let body = server.host.within(|| Ok(fetch::get(door, FLEET)?.body))?;
        let status = serde_json::from_slice(&body).context("the status makes no sense")?;
        Ok(names_in_step(&status, mirrors))
    })
}

/// The host of each member by its name; `None` while one of `mirrors` is not ready.
fn names_in_step(status: &FleetStatus, mirrors: &[Place]) -> Option<BTreeMap<String, String>> {
    if status.catalog.unhashed > 0 || status.catalog.files == 0 {
        return None;
    }
    mirrors
        .iter()
        .map(|mirror| {
            let url = format!("http://{}", mirror.public());
            let mut members = status.members.iter();
            let member = members.find(|member| member.url.trim_end_matches('/') == url)?;
            let is_ready = member.state == "ready" && member.missing_bytes == 0;
            let host = mirror.host.name.clone();
            (is_ready && member.lag_revisions == 0).then(|| (member.name.clone(), host))
        })
        .collect()
}
