//! The nodes of one trial, each on its host: ours, or nginx in one of two ways.
//!
//! They end with their handle, before their hosts go. It must never give one contender a file, a
//! link or a log that the others lack.

mod nginx;
mod overspill;

use std::{
    collections::BTreeMap,
    mem,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{
    interrupt::Interrupt,
    net::{Host, Link},
    redirects::{self, Redirect},
    stock::Stock,
};
use crate::bench::{fetch, pace, process::Process};

/// Who is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Contender {
    /// nginx on the server, and no mirrors.
    NginxAlone,
    /// nginx everywhere; `split_clients` on the server sends equal shares to all, by 302.
    NginxSplit,
    /// Ours, told nothing.
    Overspill,
    /// Ours, each node told its link by `--capacity`.
    OverspillTold,
}

/// What the nodes of all trials have in common.
#[derive(Debug)]
pub(super) struct Setting {
    /// The release build of ours.
    pub(super) overspill: PathBuf,
    pub(super) stock: Stock,
    /// Added to the command lines of our nodes.
    pub(super) serve_options: Vec<String>,
    pub(super) mirror_options: Vec<String>,
    pub(super) interrupt: Interrupt,
}

/// A host that is to have a node.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) host: Host,
    pub(super) link: Link,
    /// Where others are told to find the node, if not at its own door.
    pub(super) public: Option<SocketAddr>,
}

/// A server and its mirrors, up and in step.
#[derive(Debug)]
pub(super) struct Site {
    nodes: Vec<Node>,
    /// The name each mirror has in logs, and the host it means.
    names: BTreeMap<String, String>,
}

/// What the nodes of a site wrote of their requests.
#[derive(Debug)]
pub(super) struct AccessLogs {
    files: Vec<PathBuf>,
    names: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Node {
    host: Host,
    process: Process,
    access_log: PathBuf,
}

/// Where every node listens; each has its host for itself.
const PORT: u16 = 8080;
/// How long a node may take until it answers, and all until they are in step.
const START_PATIENCE: Duration = Duration::from_secs(60);

impl Contender {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NginxAlone => "nginx alone",
            Self::NginxSplit => "nginx split",
            Self::Overspill => "overspill",
            Self::OverspillTold => "overspill, told",
        }
    }

    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Overspill | Self::OverspillTold)
    }

    /// Whether it has any use for mirrors.
    pub(super) fn has_mirrors(self) -> bool {
        self != Self::NginxAlone
    }

    /// Starts the server and `mirrors`, with what they write in `folder`.
    pub(super) fn start(
        self,
        setting: &Setting,
        server: &Place,
        mirrors: &[Place],
        folder: &Path,
    ) -> Result<Site> {
        match self {
            Self::NginxAlone | Self::NginxSplit => nginx::start(setting, server, mirrors, folder),
            Self::Overspill => overspill::start(setting, server, mirrors, folder, Told::Nothing),
            Self::OverspillTold => overspill::start(setting, server, mirrors, folder, Told::Links),
        }
    }
}

/// What our nodes are told of their links.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Links,
    Nothing,
}

impl Place {
    /// A host with a node at its own door.
    pub(super) fn new(host: Host, link: Link) -> Self {
        Self {
            host,
            link,
            public: None,
        }
    }

    /// Where its node listens.
    pub(super) fn door(&self) -> SocketAddr {
        door(&self.host)
    }

    /// Where others find it.
    fn public(&self) -> SocketAddr {
        self.public.unwrap_or_else(|| self.door())
    }
}

/// Where the node on `host` listens.
pub(super) fn door(host: &Host) -> SocketAddr {
    (host.address, PORT).into()
}

impl Site {
    /// Kills the node on `host`, as a crash would.
    pub(super) fn kill(&mut self, host: &str) -> Result<()> {
        let node = self.nodes.iter_mut().find(|node| node.host.name == host);
        node.with_context(|| format!("no node on {host}"))?
            .process
            .kill();
        Ok(())
    }

    /// Ends all nodes in order, mirrors first; the logs they leave are complete.
    pub(super) fn stop(&mut self) -> Result<AccessLogs> {
        let mut files = Vec::new();
        while let Some(node) = self.nodes.pop() {
            node.process.stop()?;
            files.push(node.access_log);
        }
        let names = mem::take(&mut self.names);
        Ok(AccessLogs { files, names })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // One after the other, mirrors first: a server that ended first would leave them waiting.
        while self.nodes.pop().is_some() {}
    }
}

impl AccessLogs {
    /// Everyone that a node sent to the mirror on `host`, in any order.
    ///
    /// It is an error if nobody was: mirrors are sent clients before anything strikes them, so we
    /// would not have seen those after it either.
    pub(super) fn redirects_to(&self, host: &str) -> Result<Vec<Redirect>> {
        let mut found = Vec::new();
        for file in &self.files {
            found.extend(redirects::read(file, &self.names, host)?);
        }
        ensure!(
            !found.is_empty(),
            "no access log names a client sent to {host}"
        );
        Ok(found)
    }
}

/// Waits until a node answers at its door.
fn wait_until_up(node: &mut Node, interrupt: &Interrupt) -> Result<()> {
    pace::until("a node to answer", pace::COARSE, START_PATIENCE, || {
        interrupt.check()?;
        node.process.check()?;
        let there = door(&node.host);
        // Refused until it listens.
        let answer = node.host.within(|| Ok(fetch::get(there, "/").ok()))?;
        let Some(answer) = answer else {
            return Ok(None);
        };
        ensure!(
            answer.status < 500,
            "{}: status {}",
            node.host.name,
            answer.status
        );
        Ok(Some(()))
    })
}
