//! The configuration files of the servers we compare with, as their manuals advise for files.
//!
//! nginx: sendfile, tcp_nopush, open_file_cache, no access log, requests per connection without
//! end, a shared cache of sessions. lighttpd: sendfile, the most requests per connection that its
//! setting holds. Caddy: no access log, no admin interface, and one processor for Go.

use super::{Doors, Setting};

/// Descriptors and connections a contender may have, above anything we open.
const DESCRIPTORS: u32 = 16_384;

/// What nginx answers with when it redirects: as long as one of ours, ticket included.
const REDIRECTED_TO: &str = "http://127.0.0.1:65535/1m?ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Who waits for the disk in nginx.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// A pool of threads.
    Threads,
    /// The worker, and with it all other connections: the default.
    Worker,
}

pub(super) fn nginx(setting: &Setting<'_>, folder: &str, doors: Doors, reading: Reading) -> String {
    let aio = match reading {
        Reading::Threads => "aio threads;",
        Reading::Worker => "aio off;",
    };
    let tree = setting.tree.display();
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
events {{ worker_connections {DESCRIPTORS}; use epoll; multi_accept on; }}
http {{
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  {aio}
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
  server {{
    listen {};
    root {tree};
    location = /redirect {{ return 307 {REDIRECTED_TO}; }}
  }}
{}}}
",
        doors.plain,
        nginx_secure(setting, doors),
    )
}

fn nginx_secure(setting: &Setting<'_>, doors: Doors) -> String {
    let Some(secure) = doors.secure else {
        return String::new();
    };
    let pair = setting.pair;
    format!(
        "  server {{
    listen {secure} ssl http2;
    root {};
    ssl_certificate {};
    ssl_certificate_key {};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:SSL:10m;
    ssl_session_timeout 1d;
  }}
",
        setting.tree.display(),
        pair.cert.display(),
        pair.key.display(),
    )
}

pub(super) fn lighttpd(setting: &Setting<'_>, doors: Doors) -> String {
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
        setting.tree.display(),
        doors.plain.ip(),
        doors.plain.port(),
    )
}

pub(super) fn caddy(setting: &Setting<'_>, doors: Doors) -> String {
    let (tree, pair) = (setting.tree.display(), setting.pair);
    let mut text = format!(
        "{{
  admin off
  auto_https off
  servers {{
    protocols h1 h2
  }}
}}
http://{} {{
  root * {tree}
  file_server
}}
",
        doors.plain
    );
    if let Some(secure) = doors.secure {
        text += &format!(
            "https://{secure} {{
  tls {} {}
  root * {tree}
  file_server
}}
",
            pair.cert.display(),
            pair.key.display()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, path::Path};

    use super::{super::Pair, *};
    use crate::bench::machine::Pinning;

    #[test]
    fn configurations_name_the_tree_and_the_addresses() {
        let pair = &Pair {
            cert: "/p/cert".into(),
            key: "/p/key".into(),
        };
        let setting = Setting {
            overspill: Path::new("/o"),
            tree: Path::new("/t"),
            work: Path::new("/w"),
            pair,
            pinning: Pinning::Free,
        };
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let plain = Doors {
            plain: at(4321),
            secure: None,
        };
        let both = Doors {
            secure: Some(at(4322)),
            ..plain
        };
        for (config, lines) in [
            (
                nginx(&setting, "/w", plain, Reading::Worker),
                &["listen 127.0.0.1:4321;", "root /t;", "pid /w/pid;"][..],
            ),
            (
                nginx(&setting, "/w", both, Reading::Threads),
                &[
                    "listen 127.0.0.1:4322 ssl http2;",
                    "aio threads;",
                    "ssl_certificate /p/cert;",
                ],
            ),
            (
                lighttpd(&setting, plain),
                &["document-root = \"/t\"", "port = 4321"],
            ),
            (
                caddy(&setting, both),
                &[
                    "http://127.0.0.1:4321 {",
                    "https://127.0.0.1:4322 {",
                    "tls /p/cert /p/key",
                ],
            ),
        ] {
            for line in lines {
                assert!(config.contains(line), "{line} in {config}");
            }
        }
        assert!(!nginx(&setting, "/w", plain, Reading::Worker).contains("ssl"));
    }
}
