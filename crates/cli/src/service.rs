//! What `serve` and `mirror` share: limits, logs, folders, signals, addresses for people.
//!
//! It must never decide anything about serving itself.

mod access;
mod agent;
mod config;
mod dispatch;
mod limits;
mod signals;
mod tls;

use std::{
    env,
    io::IsTerminal,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use overspill_core::{fleet::Zones, units::Rate};
use overspill_net::{Binding, ServeLimits};
use overspill_node::{NodeSettings, Relayed, Role, SharedRules};
use tracing_subscriber::EnvFilter;

pub(crate) use self::signals::EndSignals;
use self::{
    access::{Access, AccessArgs},
    agent::{Agent, AgentArgs},
    config::FileConfig,
    dispatch::DispatchArgs,
    limits::LimitArgs,
    tls::{Secured, TlsArgs, Vouched},
};
use crate::serve::with_cause;

/// Options of both services.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Common {
    /// Address and port to listen on; port 0 takes a free one
    ///
    /// A bare port listens on every address; off leaves only https. [default: every address, port
    /// 8080]
    #[arg(long, value_name = "ADDR:PORT", value_parser = Listen::parse)]
    listen: Option<Listen>,
    /// How fast this machine can send, such as 1Gbit/s or 50MiB/s
    ///
    /// Work is shared in proportion. Without it a gigabit is assumed until more is seen.
    #[arg(long, value_name = "RATE")]
    capacity: Option<Rate>,
    /// Hold what mirrors send against the file's BLAKE3 tree before it goes on to a client
    ///
    /// A mirror that sends one wrong byte is left for another in the same response. Costs a copy and a
    /// hash; without it relayed bytes go from socket to socket, and were checked by the mirror alone.
    #[arg(long, help_heading = "Dispatch")]
    check_relayed: bool,
    /// Serving threads [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Configuration file, TOML: [limits] with the options below, [zones] with the
    /// networks of each zone, [[rule]] for headers by path
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// End when the starting process ends
    #[arg(long, hide = true)]
    pub(crate) die_with_parent: bool,
    #[command(flatten)]
    pub(crate) dispatch: DispatchArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    agent: AgentArgs,
}

/// Where plain HTTP is spoken.
#[derive(Clone, Copy, Debug)]
enum Listen {
    At(SocketAddr),
    Off,
}

impl Listen {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            _ => parse_listen(text).map(Self::At),
        }
    }
}

/// What surrounds the serving of both roles. Everything the node has to be given of it beyond its
/// `Config` is here, and taken from here alone.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// Egress capacity, if it is known.
    pub(crate) capacity: Option<Rate>,
    /// Limits towards clients.
    pub(crate) limits: ServeLimits,
    /// Where plain HTTP is spoken, if it is.
    plain: Option<SocketAddr>,
    /// Where https is spoken, if it is.
    secured: Option<Secured>,
    hsts: Option<Duration>,
    relayed: Relayed,
    rules: SharedRules,
    /// Where clients are.
    pub(crate) zones: Zones,
    /// Where a balancer asks, if it does.
    pub(crate) agent: Option<Agent>,
    /// The access log. To be dropped once nobody serves any more.
    pub(crate) access: Access,
}

impl Surroundings {
    /// Where to listen; what others are told comes first. That is https if somebody vouches for it:
    /// clients of either scheme may be sent there.
    pub(crate) fn bindings(&self) -> Vec<Binding> {
        let plain = self.plain.map(|address| Binding { address, tls: None });
        let secured = self.secured.as_ref().map(|secured| Binding {
            address: secured.listen,
            tls: Some(Arc::clone(&secured.tls)),
        });
        let is_vouched_for = |secured: &Secured| secured.trust == Vouched::ByAuthority;
        let both = match self.secured.as_ref().is_some_and(is_vouched_for) {
            true => [secured, plain],
            false => [plain, secured],
        };
        both.into_iter().flatten().collect()
    }

    /// What is set for the answers.
    pub(crate) fn settings(&self) -> NodeSettings {
        NodeSettings {
            access_log: self.access.log(),
            head: self.limits.head,
            hsts: self.hsts,
            relayed: self.relayed,
            striping: None,
            rules: Arc::clone(&self.rules),
        }
    }

    /// The URLs of a node that listens at `addresses`, in the order of the bindings; and what there
    /// is to say about a certificate that nobody vouches for.
    pub(crate) fn urls(&self, addresses: &[SocketAddr]) -> Vec<String> {
        let schemes = self
            .bindings()
            .into_iter()
            .map(|binding| match binding.tls {
                Some(_) => "https",
                None => "http",
            });
        let urls = schemes
            .zip(addresses)
            .map(|(scheme, &address)| reachable_url(scheme, address));
        urls.collect()
    }

    /// Answers balancers for `node` from now on, if any are expected.
    pub(crate) fn answer_for(&mut self, node: Arc<dyn Role>) {
        if let Some(agent) = &mut self.agent {
            agent.answer_for(node);
        }
    }

    /// The service is about to end; balancers are told.
    pub(crate) fn ending(&self) {
        if let Some(agent) = &self.agent {
            agent.ending();
        }
    }

    /// What to say about the agent's address: a paragraph, or nothing.
    pub(crate) fn about_agent(&self) -> String {
        let line = |agent: &Agent| format!("{}\n\n", agent.about());
        self.agent.as_ref().map(line).unwrap_or_default()
    }

    /// What to say about a certificate that nobody vouches for.
    pub(crate) fn about_certificate(&self) -> Option<String> {
        let secured = self.secured.as_ref()?;
        let certificate = secured.tls.describe();
        (secured.trust == Vouched::ByNobody).then(|| {
            format!(
                "Nobody vouches for this certificate. Give clients --ca-file {} (curl: --cacert);\n\
                 its SHA-256 fingerprint is\n{}",
                certificate.file.display(),
                certificate.fingerprint
            )
        })
    }
}

/// The port when none is given.
const DEFAULT_PORT: u16 = 8080;

impl Common {
    /// Where plain HTTP is spoken, unless it is off.
    fn plain(&self) -> Option<SocketAddr> {
        match self.listen {
            Some(Listen::Off) => None,
            Some(Listen::At(address)) => Some(address),
            None => Some(overspill_net::any_address(DEFAULT_PORT)),
        }
    }

    /// Serving threads.
    pub(crate) fn cores(&self) -> usize {
        let available = || thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(available, usize::from)
    }

    /// Checks the limits, reads the certificate and opens the access log; otherwise the complaint.
    pub(crate) fn surroundings(&self, state: &Path) -> Result<Surroundings, String> {
        let file = match &self.config {
            Some(path) => FileConfig::read(path).map_err(|error| error.to_string())?,
            None => FileConfig::default(),
        };
        let rules = file.rules().map_err(|error| error.to_string())?;
        let zones = file.zones().map_err(|error| error.to_string())?;
        let options = self.limits.clone().or(file.limits);
        let limits = options.limits().map_err(|error| error.to_string())?;
        let access = self.access.open().map_err(|error| with_cause(&error))?;
        let secured = self.tls.secured(state)?;
        let agent = self.agent.bind().map_err(|error| error.to_string())?;
        if self.plain().is_none() && secured.is_none() {
            return Err(
                "--listen off leaves nothing to listen on: give --tls-cert and --tls-key, or \
                 --tls-self-signed"
                    .to_owned(),
            );
        }
        Ok(Surroundings {
            plain: self.plain(),
            secured,
            hsts: self.tls.hsts(),
            relayed: match self.check_relayed {
                true => Relayed::Checked,
                false => Relayed::Passed,
            },
            rules: Arc::new(ArcSwap::from_pointee(rules)),
            zones,
            capacity: options.within_egress(self.capacity),
            limits,
            agent,
            access,
        })
    }

    /// Starts logging, and ties this process to its parent if asked to.
    pub(crate) fn begin(&self) {
        let filter =
            EnvFilter::try_from_env("OVERSPILL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .init();
        if self.die_with_parent {
            let signal = Some(rustix::process::Signal::TERM);
            if let Err(error) = rustix::process::set_parent_process_death_signal(signal) {
                tracing::warn!(%error, "cannot be tied to the starting process");
            }
        }
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Ok(overspill_net::any_address(port));
    }
    text.parse()
        .map_err(|_| "expected ADDR:PORT, such as 127.0.0.1:8080, [::]:8080 or 8080".to_owned())
}

/// A URL under which this machine can be reached, as far as it knows itself.
fn reachable_url(scheme: &str, listening: SocketAddr) -> String {
    let ip = match listening.ip() {
        ip if !ip.is_unspecified() => ip,
        _ => outward_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    format!("{scheme}://{}", SocketAddr::new(ip, listening.port()))
}

/// The address this machine uses towards others. Connecting a UDP socket only asks the routing
/// table; nothing is sent. The address is one that documentation is made with (RFC 5737).
fn outward_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

/// A folder of our own below the user's state folder (XDG base directories).
pub(crate) fn state_folder(name: &str) -> PathBuf {
    let home = || env::var_os("HOME").map_or_else(|| PathBuf::from("/var/lib"), PathBuf::from);
    let base = env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| home().join(".local/state"));
    base.join("overspill").join(name)
}

/// A short name for a path or URL, the same each time.
pub(crate) fn short_name(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..12].to_owned()
}
