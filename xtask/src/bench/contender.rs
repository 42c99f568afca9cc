//! The servers that are compared, each with one worker and set up as its makers advise for files.
//!
//! All get the same folder, processor and limits. It must never leave one a log to write, a limit
//! to meet or a copy to make that it could be spared.

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    fetch,
    machine::{Pinning, Side},
    pace,
    process::Process,
};

/// A server that can be measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Contender {
    Lighttpd,
    Nginx,
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
    pub(super) pinning: Pinning,
}

/// A contender that is up.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) contender: Contender,
    pub(super) address: SocketAddr,
    pub(super) process: Process,
}

/// How long a server may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(30);

impl Contender {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lighttpd => "lighttpd",
            Self::Nginx => "nginx",
            Self::Overspill => "overspill",
        }
    }

    /// Starts it and waits until it has served the file at `path`.
    pub(super) fn start(self, setting: &Setting<'_>, path: &str) -> Result<Site> {
        let folder = tempfile::Builder::new()
            .prefix(self.name())
            .tempdir_in(setting.work)?
            .keep();
        let address = free_address()?;
        let mut command = self.command(setting, &folder, address)?;
        let mut process = Process::start(&mut command, &folder.join("log"))?;
        let name = self.name();
        pace::until(name, pace::FINE, START_PATIENCE, || {
            process.check()?;
            Ok(fetch::get(address, path)
                .ok()
                .filter(|response| response.status == 200))
        })
        .with_context(|| format!("{name} does not serve {path}"))?;
        Ok(Site {
            contender: self,
            address,
            process,
        })
    }

    fn command(self, setting: &Setting<'_>, folder: &Path, address: SocketAddr) -> Result<Command> {
        let command = |program: &Path| setting.pinning.command(Side::Server, program);
        Ok(match self {
            Self::Overspill => {
                let mut command = command(setting.overspill);
                serve_arguments(&mut command, setting.tree, &folder.join("state"), address);
                command.args(["--threads", "1"]);
                command
            }
            Self::Nginx => {
                let config = folder.join("nginx.conf");
                fs::write(&config, nginx_config(setting.tree, folder, address))?;
                let mut command = command(Path::new("nginx"));
                command.arg("-c").arg(config);
                command.arg("-e").arg(folder.join("error.log"));
                command
            }
            Self::Lighttpd => {
                let config = folder.join("lighttpd.conf");
                fs::write(&config, lighttpd_config(setting.tree, address))?;
                let mut command = command(Path::new("lighttpd"));
                command.arg("-D").arg("-f").arg(config);
                command
            }
        })
    }
}

/// Adds what `overspill serve` needs to serve `tree` for a benchmark.
pub(super) fn serve_arguments(
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
pub(super) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

fn nginx_config(tree: &Path, folder: &Path, address: SocketAddr) -> String {
    let (tree, folder) = (tree.display(), folder.display());
    // Started by root, its worker would become another user, who cannot read our folder.
    let user = if rustix::process::geteuid().is_root() {
        "user root root;"
    } else {
        ""
    };
    format!(
        "{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {DESCRIPTORS};
pid {folder}/pid;
events {{ worker_connections {DESCRIPTORS}; use epoll; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  open_file_cache max=1000 inactive=60s;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen {address}; root {tree}; }}
}}
"
    )
}

fn lighttpd_config(tree: &Path, address: SocketAddr) -> String {
    // 65535 is the most requests per connection that its 16-bit setting can hold.
    format!(
        "server.document-root = \"{}\"
server.bind = \"{}\"
server.port = {}
server.network-backend = \"sendfile\"
server.max-fds = {DESCRIPTORS}
server.max-connections = {DESCRIPTORS}
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 3600
mimetype.assign = ( \"\" => \"application/octet-stream\" )
",
        tree.display(),
        address.ip(),
        address.port(),
    )
}

/// Descriptors and connections a contender may have, above anything we open.
const DESCRIPTORS: u32 = 16_384;

/// The programs a comparison needs that are not here.
pub(super) fn missing_programs(is_installed: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let needed = ["nginx", "lighttpd", "wrk"];
    needed
        .into_iter()
        .filter(|name| !is_installed(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(missing_programs(|_| true), [""; 0]);
        assert_eq!(missing_programs(|name| name != "wrk"), ["wrk"]);
        assert_eq!(missing_programs(|_| false), ["nginx", "lighttpd", "wrk"]);
    }

    #[test]
    fn configurations_name_the_tree_and_the_address() {
        let address = SocketAddr::from(([127, 0, 0, 1], 4321));
        let nginx = nginx_config(Path::new("/t"), Path::new("/w"), address);
        for line in [
            "listen 127.0.0.1:4321; root /t;",
            "pid /w/pid;",
            "access_log off;",
        ] {
            assert!(nginx.contains(line), "{line}");
        }
        let lighttpd = lighttpd_config(Path::new("/t"), address);
        for line in [
            "document-root = \"/t\"",
            "bind = \"127.0.0.1\"",
            "port = 4321",
        ] {
            assert!(lighttpd.contains(line), "{line}");
        }
    }
}
