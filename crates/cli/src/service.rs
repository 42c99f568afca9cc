//! What `serve` and `mirror` share: limits, logs, folders, signals, addresses for people.
//!
//! It must never decide anything about serving itself.

mod access;
mod agent;
mod dispatch;
mod limits;
mod reload;
mod signals;
mod tls;

use std::{
    env,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use overspill_core::units::Rate;
use overspill_net::{Binding, ServeLimits};
use overspill_node::{
    ConfigurationProblem, LiveSettings, NodeSettings, Relayed, Role, SharedLive, SharedRules,
};

use self::{
    access::{Access, AccessArgs, ReopenSignal},
    agent::{Agent, AgentArgs},
    dispatch::DispatchArgs,
    limits::LimitArgs,
    tls::{Secured, TlsArgs, Vouched},
};
pub(crate) use self::{
    reload::{Due, Refused, Reloading},
    signals::EndSignals,
};
use crate::{
    config::{Effective, ServiceArgs, Settled},
    logging::{self, LogArgs},
    serve::with_cause,
};

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
    /// Configuration file; `overspill config init` writes one with every option
    ///
    /// Read again on SIGHUP and when it changes. It may also hold [zones], the networks of each zone,
    /// and [[rule]], headers by path.
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
    #[command(flatten)]
    log: LogArgs,
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

/// Options that cannot both be meant, or one that the disk does not bear out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Contradiction {
    /// The options, as they are written on the command line.
    pub(crate) options: Vec<&'static str>,
    /// What is wrong; what to do.
    pub(crate) message: String,
}

/// What surrounds the serving of both roles: what is open, and what serving threads share.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// Where plain HTTP is spoken, if it is.
    plain: Option<SocketAddr>,
    /// Where https is spoken, if it is.
    secured: Option<Secured>,
    hsts: Option<Duration>,
    live: SharedLive,
    rules: SharedRules,
    /// Where a balancer asks, if it does.
    pub(crate) agent: Option<Agent>,
    /// The access log. To be dropped once nobody serves any more.
    access: Access,
    reopen: ReopenSignal,
    configuration: ConfigurationProblem,
}

/// A balancer that asks once a second has heard of the end by then.
const BALANCER_HEARS: Duration = Duration::from_secs(2);

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
    pub(crate) fn settings(&self, limits: &ServeLimits) -> NodeSettings {
        NodeSettings {
            configuration: Arc::clone(&self.configuration),
            events: logging::kept(),
            head: limits.head,
            hsts: self.hsts,
            live: Arc::clone(&self.live),
            rules: Arc::clone(&self.rules),
        }
    }

    /// Takes over what both roles can change while they serve: certificate files, the access log, how
    /// bodies are relayed. Either all of it, or nothing.
    ///
    /// # Errors
    /// When the certificate or the log is of no use.
    pub(crate) fn take_over(&self, before: &Common, after: &Common) -> Result<(), Refused> {
        let is_same_log = after.access.is_same_as(&before.access);
        let log = match is_same_log {
            true => self.access.log(),
            false => after
                .access
                .open()
                .map_err(|error| Refused(with_cause(&error)))?,
        };
        if let Some(secured) = &self.secured {
            secured
                .take_over(&after.tls)
                .map_err(|error| Refused(error.to_string()))?;
        }
        let live = self.live.load();
        // Striping that goes on keeps its memory.
        let striping = match after.dispatch.stripe == before.dispatch.stripe {
            true => live.striping.clone(),
            false => after.dispatch.striping(),
        };
        self.live.store(Arc::new(LiveSettings {
            access_log: log.clone(),
            relayed: after.relayed(),
            striping,
        }));
        if !is_same_log {
            self.access.replace(log);
        }
        Ok(())
    }

    /// Puts the rules of a configuration in force; files get them as they are looked at again.
    pub(crate) fn take_over_rules(&self, effective: &Effective) {
        if effective.rules.texts() != self.rules.load().texts() {
            self.rules.store(Arc::clone(&effective.rules));
        }
    }

    /// Reopens the access log and reloads the configuration as often as there is reason to; returns
    /// when the service is to end with its terminal. What was put in force stays so.
    pub(crate) async fn tend<T: ServiceArgs>(
        &mut self,
        reloading: &mut Reloading<T>,
        mut take_over: impl FnMut(&Self, &Settled<T>, &Settled<T>) -> Result<(), Refused>,
    ) {
        loop {
            // Both only wait.
            tokio::select! {
                never = self.reopen.obey(&self.access) => match never {},
                due = reloading.due() => {
                    if due == Due::End {
                        return;
                    }
                }
            }
            reloading.reload(|before, after| take_over(self, before, after));
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

    /// The service is about to end: a balancer in front is told, and given the time to hear it.
    pub(crate) async fn ending(&self) {
        if let Some(agent) = &self.agent {
            agent.ending();
            tokio::time::sleep(BALANCER_HEARS).await;
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

    /// The limits towards clients.
    pub(crate) fn serve_limits(&self) -> ServeLimits {
        self.limits.limits()
    }

    /// Egress capacity, if it is known.
    pub(crate) fn egress_capacity(&self) -> Option<Rate> {
        self.limits.within_egress(self.capacity)
    }

    fn relayed(&self) -> Relayed {
        match self.check_relayed {
            true => Relayed::Checked,
            false => Relayed::Passed,
        }
    }

    /// Values that cannot be meant together.
    pub(crate) fn contradictions(&self) -> Vec<Contradiction> {
        let mut found = self.limits.contradictions();
        if self.plain().is_none() && !self.tls.is_given() {
            found.push(Contradiction {
                options: vec!["--listen"],
                message:
                    "--listen off leaves nothing to listen on; give --tls-cert and --tls-key, \
                          or --tls-self-signed"
                        .to_owned(),
            });
        }
        found
    }

    /// Values that name what the disk does not have.
    pub(crate) fn disk_problems(&self) -> Vec<Contradiction> {
        let mut found = self.tls.disk_problems();
        found.extend(self.access.disk_problems());
        found
    }

    /// Reads the certificate and opens the access log; otherwise the complaint.
    pub(crate) fn surroundings(
        &self,
        state: &Path,
        effective: &Effective,
        configuration: ConfigurationProblem,
    ) -> Result<Surroundings, String> {
        let log = self.access.open().map_err(|error| with_cause(&error))?;
        let live = LiveSettings {
            access_log: log.clone(),
            relayed: self.relayed(),
            striping: self.dispatch.striping(),
        };
        Ok(Surroundings {
            plain: self.plain(),
            secured: self.tls.secured(state)?,
            hsts: self.tls.hsts(),
            live: Arc::new(ArcSwap::from_pointee(live)),
            rules: Arc::new(ArcSwap::new(Arc::clone(&effective.rules))),
            access: Access::new(log),
            reopen: ReopenSignal::new(),
            configuration,
            agent: self.agent.bind().map_err(|error| error.to_string())?,
        })
    }

    /// Starts logging, and ties this process to its parent if asked to.
    pub(crate) fn begin(&self) {
        self.log.begin();
        if self.die_with_parent {
            let signal = Some(rustix::process::Signal::TERM);
            if let Err(error) = rustix::process::set_parent_process_death_signal(signal) {
                tracing::warn!(
                    event = "parent-not-watched", %error,
                    "cannot be tied to the starting process; end this one by hand"
                );
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

/// Why a file cannot be written, as far as can be told without writing it; `None` if it can.
fn unwritable(path: &Path) -> Option<String> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let target = if path.exists() { path } else { folder };
    let allowed = rustix::fs::access(target, rustix::fs::Access::WRITE_OK);
    let error = allowed.err().map(std::io::Error::from)?;
    Some(format!("{}: {error}", target.display()))
}

/// Why a folder cannot be made or written to; `None` if it can.
pub(crate) fn unusable_folder(path: &Path) -> Option<String> {
    let existing = path.ancestors().find(|folder| folder.exists())?;
    if !existing.is_dir() {
        return Some(format!("{} is not a folder", existing.display()));
    }
    unwritable(&existing.join("."))
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
