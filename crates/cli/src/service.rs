//! What `serve` and `mirror` share: limits, logs, folders, signals, addresses for people.
//!
//! It must never decide anything about serving itself.

mod access;
mod limits;

use std::{
    env,
    io::IsTerminal,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::PathBuf,
    thread,
};

use overspill_core::units::Rate;
use overspill_net::{Binding, ServeLimits};
use overspill_node::NodeSettings;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use self::{
    access::{Access, AccessArgs},
    limits::LimitArgs,
};
use crate::serve::with_cause;

/// Options of both services.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Common {
    /// Address and port to listen on; port 0 takes a free one
    ///
    /// A bare port listens on every address. [default: every address, port 8080]
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
    pub(crate) listen: Option<SocketAddr>,
    /// How fast this machine can send, such as 1Gbit/s or 50MiB/s
    ///
    /// Work is shared in proportion. Without it a gigabit is assumed until more is seen.
    #[arg(long, value_name = "RATE")]
    capacity: Option<Rate>,
    /// Serving threads [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// End when the starting process ends
    #[arg(long, hide = true)]
    pub(crate) die_with_parent: bool,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    access: AccessArgs,
}

/// What surrounds the serving of both roles. Everything the node has to be given of it beyond its
/// `Config` is here, and taken from here alone.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// Egress capacity, if it is known.
    pub(crate) capacity: Option<Rate>,
    /// Limits towards clients.
    pub(crate) limits: ServeLimits,
    /// The access log. To be dropped once nobody serves any more.
    pub(crate) access: Access,
}

impl Surroundings {
    /// What is set for the answers.
    pub(crate) fn settings(&self) -> NodeSettings {
        NodeSettings {
            access_log: self.access.log(),
        }
    }
}

/// The port when none is given.
const DEFAULT_PORT: u16 = 8080;

impl Common {
    /// Where to listen.
    pub(crate) fn bindings(&self) -> Vec<Binding> {
        let default = || overspill_net::any_address(DEFAULT_PORT);
        vec![Binding {
            address: self.listen.unwrap_or_else(default),
            tls: None,
        }]
    }

    /// Serving threads.
    pub(crate) fn cores(&self) -> usize {
        let available = || thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(available, usize::from)
    }

    /// Checks the limits and opens the access log; otherwise the complaint.
    pub(crate) fn surroundings(&self) -> Result<Surroundings, String> {
        let limits = self.limits.limits().map_err(|error| error.to_string())?;
        let access = self.access.open().map_err(|error| with_cause(&error))?;
        Ok(Surroundings {
            capacity: self.limits.within_egress(self.capacity),
            limits,
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

/// Waits until the process is asked to end, or has to; meanwhile reopens the access log when asked.
pub(crate) async fn until_asked_to_end(failed: &CancellationToken, access: &mut Access) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        // Without signal handlers the default action ends the process; nothing to wait for.
        return failed.cancelled().await;
    };
    // All of them only wait, and what waits for the log never returns.
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = failed.cancelled() => {}
        () = access.reopen_when_asked() => {}
    }
}

/// A URL under which this machine can be reached, as far as it knows itself.
pub(crate) fn reachable_url(addresses: &[SocketAddr]) -> String {
    let unspecified = || overspill_net::any_address(DEFAULT_PORT);
    let listening = addresses.first().copied().unwrap_or_else(unspecified);
    let ip = match listening.ip() {
        ip if !ip.is_unspecified() => ip,
        _ => outward_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    format!("http://{}", SocketAddr::new(ip, listening.port()))
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
