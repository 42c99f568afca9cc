//! The fleet of the demo: its nodes, which of them is missing, and whether all are ready.
//!
//! What it knows of states it asks the server, as `overspill status` does; it must never guess them
//! from what it did itself.

use std::{path::Path, time::Duration};

use anyhow::{Context, Error, Result, anyhow, ensure};
use overspill_client::{HttpClient, HttpUrl, Patience, fleet_status};
use overspill_core::units::display_size;
use overspill_wire::status::{FleetStatus, MemberStatus};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    display::Display,
    nodes::{Launch, Node},
};

/// The server and its mirrors.
#[derive(Debug)]
pub(super) struct Fleet {
    server: Option<Node>,
    pub(super) mirrors: Vec<Mirror>,
    http: HttpClient,
}

/// One place for a mirror.
#[derive(Debug)]
pub(super) struct Mirror {
    /// What the demo calls it.
    pub(super) label: String,
    /// What the fleet calls it.
    pub(super) name: String,
    launch: Launch,
    /// Its process; `None` while it is dead.
    pub(super) node: Option<Node>,
}

/// How far the mirrors are.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Readiness {
    /// Everybody is ready, but for files that the server has not hashed.
    AllButUnhashed(u64),
    Ready,
    /// What is waited for, in words.
    Waiting(String),
}

impl Fleet {
    /// A fleet without nodes.
    pub(super) fn new() -> Self {
        Self {
            server: None,
            mirrors: Vec::new(),
            http: HttpClient::new(Patience::default()),
        }
    }

    /// Starts the server and then the mirrors, with state and stores below `temporary`.
    pub(super) async fn start(
        &mut self,
        tree: &Path,
        temporary: &Path,
        port: u16,
        mirrors: usize,
    ) -> Result<()> {
        let launch = Launch::server(tree, &temporary.join("server"), port, SERVER_CAPACITY);
        let started = launch.start().await;
        // The server knows no --port, so its own remedy does not fit.
        let server = self.server.insert(match port {
            0 => started?,
            _ => started.map_err(|error| anyhow!("{error:#}; --port 0 takes a free port"))?,
        });
        for number in 1..=mirrors {
            let store = temporary.join(format!("mirror-{number}"));
            let launch = Launch::mirror(number, server, &store, mirror_capacity(number))?;
            let node = launch.start().await?;
            self.mirrors.push(Mirror {
                label: node.label.clone(),
                name: node.name.clone(),
                launch,
                node: Some(node),
            });
        }
        Ok(())
    }

    /// The server.
    pub(super) fn server(&self) -> Result<&Node> {
        self.server.as_ref().context("the server is not running")
    }

    /// Everything that runs: the server first.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        let mirrors = self
            .mirrors
            .iter()
            .filter_map(|mirror| mirror.node.as_ref());
        self.server.iter().chain(mirrors)
    }

    /// What the server says of everybody.
    pub(super) async fn status(&self) -> Result<FleetStatus> {
        let server = self.server()?;
        let no_answer = || {
            let words = server.last_words();
            format!(
                "the server at {} does not tell its status; its last words: {words}",
                server.url
            )
        };
        let url = HttpUrl::parse(&server.url)?;
        let asked = timeout(STATUS_PATIENCE, fleet_status(&self.http, &url)).await;
        asked.with_context(no_answer)?.with_context(no_answer)
    }

    /// An error when a node has ended that nobody killed.
    pub(super) fn check_alive(&mut self) -> Result<()> {
        let mirrors = self
            .mirrors
            .iter_mut()
            .filter_map(|mirror| mirror.node.as_mut());
        self.server
            .iter_mut()
            .chain(mirrors)
            .try_for_each(Node::check_alive)
    }

    /// Waits until every mirror holds everything, as long as there is progress.
    pub(super) async fn until_ready(&mut self, display: &mut Display) -> Result<()> {
        let mut last = (Readiness::Waiting(String::new()), Instant::now());
        loop {
            self.check_alive()?;
            let readiness = readiness(&self.status().await?, self.mirrors.len());
            if readiness != last.0 {
                last = (readiness, Instant::now());
            }
            let unchanged = last.1.elapsed();
            match &last.0 {
                Readiness::Ready => return Ok(()),
                // Files that somebody is writing to may never be hashed; the server serves those.
                Readiness::AllButUnhashed(_) if unchanged >= UNHASHED_PATIENCE => return Ok(()),
                Readiness::AllButUnhashed(files) => display.step(&hashing(*files)),
                Readiness::Waiting(what) => {
                    ensure!(unchanged < STALL_PATIENCE, "{}", self.stalled(what));
                    display.step(what);
                }
            }
            sleep(READY_EVERY).await;
        }
    }

    /// Waits for a node to end that nobody killed, and says what is known of it.
    pub(super) async fn until_one_dies(&mut self) -> Error {
        loop {
            if let Err(error) = self.check_alive() {
                return error;
            }
            sleep(ALIVE_EVERY).await;
        }
    }

    /// Ends all nodes, mirrors first: they would only complain about a missing server.
    pub(super) async fn stop(self) {
        let mirrors = self.mirrors.into_iter().filter_map(|mirror| mirror.node);
        // At the same time: each waits for clients that may be on their way.
        let ending: JoinSet<()> = mirrors.map(Node::stop).collect();
        ending.join_all().await;
        if let Some(server) = self.server {
            server.stop().await;
        }
    }

    fn stalled(&self, what: &str) -> String {
        let words: Vec<_> = self
            .nodes()
            .map(|node| format!("{}: {}", node.label, node.last_words()))
            .collect();
        let seconds = STALL_PATIENCE.as_secs();
        format!(
            "no progress for {seconds} s: {what}; last words of {}",
            words.join("; of ")
        )
    }
}

impl Mirror {
    /// Kills its process.
    pub(super) async fn kill(&mut self) -> Result<()> {
        match self.node.take() {
            Some(mut node) => node.kill().await,
            None => Ok(()),
        }
    }

    /// Starts it again, over the store it had.
    pub(super) async fn start_again(&mut self) -> Result<&Node> {
        let node = self.launch.start().await?;
        Ok(self.node.insert(node))
    }

    /// Whether the server takes this very process for a full member.
    pub(super) fn is_ready(&self, status: &FleetStatus) -> bool {
        let mut members = status.members.iter();
        members.any(|member| {
            let is_here = |node: &Node| node.url == member.url;
            member.name == self.name && self.node.as_ref().is_some_and(is_here) && is_full(member)
        })
    }
}

/// The capacity that the mirror of this number, from 1 on, is told to have.
pub(super) fn mirror_capacity(number: usize) -> &'static str {
    MIRROR_CAPACITIES[(number - 1) % MIRROR_CAPACITIES.len()]
}

fn is_full(member: &MemberStatus) -> bool {
    member.state == "ready" && member.lag_revisions == 0 && member.missing_bytes == 0
}

fn readiness(status: &FleetStatus, mirrors: usize) -> Readiness {
    let full = status
        .members
        .iter()
        .filter(|member| is_full(member))
        .count();
    let unhashed = status.catalog.unhashed;
    if status.catalog.files == 0 || unhashed == status.catalog.files {
        return Readiness::Waiting(hashing(unhashed));
    }
    match (full >= mirrors, unhashed) {
        (true, 0) => Readiness::Ready,
        (true, files) => Readiness::AllButUnhashed(files),
        (false, _) => {
            let missing: u64 = status
                .members
                .iter()
                .map(|member| member.missing_bytes)
                .sum();
            let missing = display_size(missing);
            Readiness::Waiting(format!(
                "mirrors copy: {full} of {mirrors} ready, {missing} to fetch, {unhashed} files not \
                 hashed yet"
            ))
        }
    }
}

fn hashing(files: u64) -> String {
    format!("the server hashes its files: {files} to go")
}

/// What the server is told to have: little, as is usual where mirrors are wanted. And a flow that
/// loopback ends within milliseconds stays on a mirror's account until its next report, so that a
/// server told to have more keeps nearly everything (measured: 87 % with 400, 200, 100 MiB/s).
pub(super) const SERVER_CAPACITY: &str = "100MiB/s";
pub(super) const MIRROR_CAPACITIES: [&str; 2] = ["400MiB/s", "200MiB/s"];
const STATUS_PATIENCE: Duration = Duration::from_secs(10);
const ALIVE_EVERY: Duration = Duration::from_millis(500);
const READY_EVERY: Duration = Duration::from_millis(100);
/// Without any change for so long nothing will change.
const STALL_PATIENCE: Duration = Duration::from_secs(60);
const UNHASHED_PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn status(files: u64, unhashed: u64, members: &[(&str, u64, u64)]) -> FleetStatus {
        let members: Vec<_> = members
            .iter()
            .map(|(state, lag, missing)| {
                serde_json::json!({
                    "name": "m-1", "url": "http://h:1", "state": state, "version": "1",
                    "lag_revisions": lag, "missing_bytes": missing, "flows": 0,
                    "egress_bytes_per_s": 0, "capacity_bytes_per_s": 0, "flows_served": 0,
                    "bytes_served": 0, "error_ratio": 0.0,
                })
            })
            .collect();
        let json = serde_json::json!({
            "node": {
                "role": "server", "name": "server", "version": "1", "uptime_s": 0, "flows": 0,
                "egress_bytes_per_s": 0, "capacity_bytes_per_s": 0, "flows_served": 0,
                "bytes_served": 0,
            },
            "instance": "1",
            "catalog": {
                "revision": 1, "files": files, "folders": 0, "bytes": 0, "unhashed": unhashed,
                "complete": 1, "missing_objects": 0, "missing_bytes": 0, "resident_bytes": 0,
            },
            "members": members,
            "problems": [],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn mirrors_are_ready_when_they_hold_everything() {
        let full = ("ready", 0, 0);
        let copying = |text: &str| Readiness::Waiting(format!("mirrors copy: {text}"));
        for (status, expected) in [
            (status(3, 0, &[full, full]), Readiness::Ready),
            (status(3, 1, &[full, full]), Readiness::AllButUnhashed(1)),
            (
                status(3, 3, &[full, full]),
                Readiness::Waiting("the server hashes its files: 3 to go".to_owned()),
            ),
            (
                status(0, 0, &[full, full]),
                Readiness::Waiting("the server hashes its files: 0 to go".to_owned()),
            ),
            (
                status(3, 0, &[full]),
                copying("1 of 2 ready, 0 B to fetch, 0 files not hashed yet"),
            ),
            (
                status(3, 1, &[full, ("ready", 1, 0)]),
                copying("1 of 2 ready, 0 B to fetch, 1 files not hashed yet"),
            ),
            (
                status(3, 0, &[("suspect", 0, 0), ("ready", 0, 2048)]),
                copying("0 of 2 ready, 2.0 KiB to fetch, 0 files not hashed yet"),
            ),
        ] {
            assert_eq!(readiness(&status, 2), expected);
        }
    }

    #[test]
    fn capacities_repeat() {
        let capacities = [1, 2, 3, 4].map(mirror_capacity);
        assert_eq!(capacities, ["400MiB/s", "200MiB/s", "400MiB/s", "200MiB/s"]);
    }
}
