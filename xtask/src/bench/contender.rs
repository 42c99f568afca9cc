//! The servers that are compared, each with one worker and set up as its makers advise for files.
//!
//! All get the same folder, processor, certificate and limits. It must never leave one a log to
//! write, a limit to meet or a copy to make that it could be spared.

mod config;

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    fetch,
    machine::{self, Pinning, Side},
    pace,
    process::Process,
};

/// A server that can be measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Contender {
    Caddy,
    Lighttpd,
    Nginx,
    /// nginx whose reading from a disk is done by a pool of threads.
    NginxThreads,
    Overspill,
}

/// What every contender is started with.
#[derive(Clone, Debug)]
pub(super) struct Setting<'a> {
    /// The release build of ours.
    pub(super) overspill: &'a Path,
    /// What is served.
    pub(super) tree: &'a Path,
    /// For configurations, logs and state.
    pub(super) work: &'a Path,
    /// What is shown over TLS.
    pub(super) pair: &'a Pair,
    pub(super) pinning: Pinning,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

/// Where a contender listens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Doors {
    pub(super) plain: SocketAddr,
    pub(super) secure: Option<SocketAddr>,
}

/// A contender that is up.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) contender: Contender,
    pub(super) doors: Doors,
    pub(super) process: Process,
}

/// How long a server may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(30);

impl Contender {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Caddy => "caddy",
            Self::Lighttpd => "lighttpd",
            Self::Nginx => "nginx",
            Self::NginxThreads => "nginx, aio threads",
            Self::Overspill => "overspill",
        }
    }

    /// What is installed to have it, and what its folder is called.
    fn program(self) -> &'static str {
        match self {
            Self::NginxThreads => "nginx",
            other => other.name(),
        }
    }

    /// Why it cannot be measured on this machine, or over TLS if that is wanted; `None` if it can.
    pub(super) fn absence(self, setting: &Setting<'_>, doors: DoorKind) -> Option<String> {
        match self {
            Self::Overspill if doors == DoorKind::PlainAndSecure => {
                (!offers_tls(setting)).then(|| "not available: it has no --tls-listen".to_owned())
            }
            Self::Overspill => None,
            rival => (!machine::is_installed(rival.program())).then(|| {
                let name = rival.program();
                format!("not available: install with apt-get install {name}")
            }),
        }
    }

    /// Starts it and waits until it has served the file at `path`.
    pub(super) fn start(self, setting: &Setting<'_>, doors: DoorKind, path: &str) -> Result<Site> {
        let folder = self.folder(setting)?;
        let doors = doors.open()?;
        let mut command = self.command(setting, &folder, doors)?;
        let mut process = Process::start(&mut command, &folder.join("log"))?;
        let name = self.name();
        pace::until(name, pace::FINE, START_PATIENCE, || {
            process.check()?;
            Ok(fetch::get(doors.plain, path)
                .ok()
                .filter(|response| response.status == 200))
        })
        .with_context(|| format!("{name} does not serve {path}"))?;
        Ok(Site {
            contender: self,
            doors,
            process,
        })
    }

    /// A folder of its own for what it writes.
    pub(super) fn folder(self, setting: &Setting<'_>) -> Result<PathBuf> {
        let mut builder = tempfile::Builder::new();
        Ok(builder
            .prefix(self.program())
            .tempdir_in(setting.work)?
            .keep())
    }

    fn command(self, setting: &Setting<'_>, folder: &Path, doors: Doors) -> Result<Command> {
        let command = |program: &Path| setting.pinning.command(Side::Server, program);
        let write = |name: &str, text: String| -> Result<PathBuf> {
            let path = folder.join(name);
            fs::write(&path, text)?;
            Ok(path)
        };
        let here = folder.display().to_string();
        Ok(match self {
            Self::Caddy => {
                let mut command = command(Path::new("caddy"));
                command.args(["run", "--adapter", "caddyfile", "--config"]);
                command.arg(write("Caddyfile", config::caddy(setting, doors))?);
                // One worker, as the others have; and its state where it can be thrown away.
                command.env("GOMAXPROCS", "1").env("HOME", folder);
                command
            }
            Self::Overspill => overspill(setting, folder, doors),
            Self::Nginx | Self::NginxThreads => {
                let reading = match self {
                    Self::NginxThreads => config::Reading::Threads,
                    _ => config::Reading::Worker,
                };
                let config = config::nginx(setting, &here, doors, reading);
                let mut command = command(Path::new("nginx"));
                command.arg("-c").arg(write("nginx.conf", config)?);
                command.arg("-e").arg(folder.join("error.log"));
                command
            }
            Self::Lighttpd => {
                let mut command = command(Path::new("lighttpd"));
                command.arg("-D").arg("-f");
                command.arg(write("lighttpd.conf", config::lighttpd(setting, doors))?);
                command
            }
        })
    }
}

/// Which listeners a contender is to have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DoorKind {
    Plain,
    PlainAndSecure,
}

impl DoorKind {
    pub(super) fn open(self) -> Result<Doors> {
        Ok(Doors {
            plain: free_address()?,
            secure: match self {
                Self::Plain => None,
                Self::PlainAndSecure => Some(free_address()?),
            },
        })
    }
}

fn overspill(setting: &Setting<'_>, folder: &Path, doors: Doors) -> Command {
    let mut command = setting.pinning.command(Side::Server, setting.overspill);
    serve_arguments(
        &mut command,
        setting.tree,
        &folder.join("state"),
        doors.plain,
    );
    command.args(["--threads", "1"]);
    if let Some(secure) = doors.secure {
        command.args(["--tls-listen", &secure.to_string()]);
        command.arg("--tls-cert").arg(&setting.pair.cert);
        command.arg("--tls-key").arg(&setting.pair.key);
    }
    command
}

/// Whether our build knows the option; asked of itself, so that no version has to be compared.
fn offers_tls(setting: &Setting<'_>) -> bool {
    let help = Command::new(setting.overspill)
        .args(["serve", "--help"])
        .output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--tls-listen"))
}

/// Adds what `overspill serve` needs to serve `tree` for a benchmark.
pub(crate) fn serve_arguments(
    command: &mut Command,
    tree: &Path,
    state: &Path,
    address: SocketAddr,
) {
    command
        .args(["serve", "--die-with-parent", "--listen"])
        .arg(address.to_string())
        .args([OsStr::new("--state"), state.as_os_str(), tree.as_os_str()]);
}

/// An address that was free a moment ago: not every server can be asked which port it was given.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
