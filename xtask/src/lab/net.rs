//! Hosts: network namespaces on one bridge, which lies in a namespace of its own.
//!
//! Everything is made inside namespaces whose names carry our process id, and goes away with its
//! handle. It must never touch an interface, address or route of the machine's own namespace.

mod link;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::Path,
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

pub(super) use self::link::Link;

/// Hosts that reach each other, and nothing else reaches them.
#[derive(Debug)]
pub(super) struct Net {
    prefix: String,
    /// Those of the hosts and of the bridge, to be removed.
    namespaces: Vec<String>,
    hosts: u8,
}

/// A host: a namespace with one interface, `eth0`.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// What it is called here, and its cable at the bridge.
    pub(super) name: String,
    pub(super) address: Ipv4Addr,
    namespace: String,
}

/// Hosts that fit into the address range.
const HOSTS_MAX: u8 = 250;
/// An interface's name has at most 15 bytes.
const NAME_BYTES_MAX: usize = 15;
/// The other end of a cable, to be followed by the namespace it is in.
const PAIRED: &str = "type veth peer name eth0 netns"; // lexicon-ok: the words are those of `ip`
/// Nobody has it: locally administered, and handed out by no kernel.
const NOBODY: &str = "02:00:00:00:00:01";

/// So that nets of one process do not share names either.
static NETS: AtomicU32 = AtomicU32::new(0);

impl Net {
    /// A bridge without hosts.
    pub(super) fn new() -> Result<Self> {
        let number = NETS.fetch_add(1, Relaxed);
        let mut net = Self {
            prefix: format!("ovslab{}x{number}", process::id()),
            namespaces: Vec::new(),
            hosts: 0,
        };
        let bridge = net.add_namespace("bridge")?;
        ip(&format!("-n {bridge} link add name br0 type bridge"))?;
        ip(&format!("-n {bridge} link set dev br0 up"))?;
        Ok(net)
    }

    /// A host of this name, connected by a cable without limit.
    pub(super) fn add_host(&mut self, name: &str) -> Result<Host> {
        ensure!(name.len() <= NAME_BYTES_MAX, "{name} is too long a name");
        ensure!(self.hosts < HOSTS_MAX, "no more than {HOSTS_MAX} hosts");
        self.hosts += 1;
        let host = Host {
            name: name.to_owned(),
            address: Ipv4Addr::new(10, 231, 8, self.hosts),
            namespace: self.add_namespace(name)?,
        };
        let (bridge, inside) = (self.bridge(), &host.namespace);
        // Made inside: others' interfaces are left alone.
        ip(&format!(
            "-n {bridge} link add name {name} {PAIRED} {inside}"
        ))?;
        ip(&format!("-n {bridge} link set dev {name} master br0 up"))?;
        ip(&format!(
            "-n {inside} addr add {}/24 dev eth0",
            host.address
        ))?;
        ip(&format!("-n {inside} link set dev eth0 up"))?;
        Ok(host)
    }

    /// Bytes each host has sent so far, counted where its cable meets the bridge.
    pub(super) fn sent_bytes(&self) -> Result<BTreeMap<String, u64>> {
        let links = ip(&format!("-n {} -j -s link show", self.bridge()))?;
        parse_counters(&links).context("cannot make sense of what ip says")
    }

    /// Pulls the cable of `host`.
    pub(super) fn unplug(&self, host: &Host) -> Result<()> {
        ip(&format!(
            "-n {} link set dev {} down",
            self.bridge(),
            host.name
        ))
        .map(drop)
    }

    fn bridge(&self) -> &str {
        &self.namespaces[0]
    }

    fn add_namespace(&mut self, name: &str) -> Result<String> {
        let name = format!("{}-{name}", self.prefix);
        ip(&format!("netns add {name}"))?;
        self.namespaces.push(name.clone());
        ip(&format!("-n {name} link set dev lo up"))?;
        Ok(name)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in self.namespaces.iter().rev() {
            // What is left behind is shown by `ip netns`; cables go with their namespaces.
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

impl Host {
    /// Limits what it sends, from now on.
    pub(super) fn limit(&self, link: Link) -> Result<()> {
        let limit = link.queueing();
        run(
            "tc",
            &format!("-n {} qdisc replace dev eth0 root {limit}", self.namespace),
        )
        .map(drop)
    }

    /// Drops in silence, from now on, what it sends to `other`.
    pub(super) fn lose(&self, other: &Self) -> Result<()> {
        let (inside, to) = (&self.namespace, other.address);
        // The frame goes to a station that is not there; a route would answer with an error, which
        // is more than a firewall does.
        let lost = format!("neigh replace {to} lladdr {NOBODY} dev eth0 nud permanent");
        ip(&format!("-n {inside} {lost}")).map(drop)
    }

    /// Answers at once, from now on, that `other` cannot be reached.
    pub(super) fn refuse(&self, other: &Self) -> Result<()> {
        ip(&format!(
            "-n {} route add unreachable {}/32",
            self.namespace, other.address
        ))
        .map(drop)
    }

    /// A command that runs `program` on this host, with its arguments still to be added. Its
    /// process id is the program's.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace])
            .arg(program);
        command
    }

    /// Does `work` on this host, in a thread of its own: sockets made there are the host's.
    pub(super) fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let there = || {
            self.enter()?;
            work()
        };
        thread::scope(|scope| scope.spawn(there).join())
            .map_err(|_| anyhow!("a thread on {} panicked", self.name))?
    }

    /// Moves the calling thread to this host for good.
    pub(super) fn enter(&self) -> Result<()> {
        let path = Path::new("/run/netns").join(&self.namespace);
        let namespace = std::fs::File::open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), network)
            .with_context(|| format!("cannot enter {}", self.namespace))
    }
}

/// Runs `ip` with the words of `line`; what it printed.
fn ip(line: &str) -> Result<String> {
    run("ip", line)
}

fn run(program: &str, line: &str) -> Result<String> {
    let output = Command::new(program).args(line.split(' ')).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{program} {line}` failed: {}", said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What each cable has brought to the bridge, by name.
fn parse_counters(links: &str) -> Option<BTreeMap<String, u64>> {
    let links: Vec<Value> = serde_json::from_str(links).ok()?;
    links
        .iter()
        .map(|link| {
            let name = link.get("ifname")?.as_str()?.to_owned();
            Some((name, link.pointer("/stats64/rx/bytes")?.as_u64()?))
        })
        .collect()
}

#[cfg(test)]
mod tests;
