//! The configuration files of the relays we compare with: two origins in turn.
//!
//! Each is tried as it comes, and with all that its manual offers for origins that fail. A relay
//! must never stop asking the faulty origin here: otherwise its faults would be missed, not mended.

use std::net::SocketAddr;

/// Where a relay listens, what it relays, and where it may write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways<'a> {
    pub(crate) door: SocketAddr,
    pub(crate) origins: &'a [SocketAddr],
    pub(crate) folder: &'a str,
}

/// How much of what helps against failing origins is switched on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Care {
    /// What comes by itself.
    Default,
    /// All there is.
    Most,
}

/// What a silent origin is given before it counts as failed, where that can be chosen: as much as
/// ours gives it.
const SILENCE_S: u32 = 5;

pub(crate) fn nginx(ways: &Ways<'_>, care: Care, more: &str) -> String {
    let Ways { door, folder, .. } = ways;
    let servers: String = each(ways, |_, origin| {
        format!("    server {origin} max_fails=0;\n")
    });
    // Started by root, its worker would become another user, who cannot write to our folder.
    let user = if rustix::process::geteuid().is_root() {
        "user root root;"
    } else {
        ""
    };
    let retries = match care {
        Care::Default => String::new(),
        Care::Most => format!(
            "    proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504 \
             http_403 http_404 http_429;
    proxy_connect_timeout 2s;
    proxy_read_timeout {SILENCE_S}s;
"
        ),
    };
    format!(
        "{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/pid;
events {{ worker_connections 16384; use epoll; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  upstream origins {{ # lexicon-ok: nginx's word
{servers}    keepalive 64;
  }}
  server {{
    listen {door};
    location / {{ proxy_pass http://origins; }}
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
{retries}{more}  }}
}}
"
    )
}

pub(crate) fn haproxy(ways: &Ways<'_>, care: Care, more: &str) -> String {
    let servers: String = each(ways, |at, origin| format!("  server o{at} {origin}\n"));
    let retries = match care {
        Care::Default => "  timeout server 60s\n".to_owned(),
        Care::Most => format!(
            "  timeout server {SILENCE_S}s
  retries 3
  option redispatch 1
  retry-on all-retryable-errors
"
        ),
    };
    // One section that listens and relays.
    format!(
        "global
  maxconn 4096
  nbthread 1
listen relay
  mode http
  bind {}
  balance roundrobin
  timeout connect 2s
  timeout client 90s
{retries}{more}{servers}",
        ways.door
    )
}

pub(crate) fn caddy(ways: &Ways<'_>) -> String {
    let servers: String = each(ways, |_, origin| format!(" {origin}"));
    format!(
        "{{
  admin off
  auto_https off
}}
http://{} {{
  reverse_proxy{servers} {{
    lb_policy round_robin
    lb_retries 3
    lb_try_duration 10s
    transport http {{
      dial_timeout 2s
      response_header_timeout {SILENCE_S}s
      read_timeout {SILENCE_S}s
    }}
  }}
}}
",
        ways.door
    )
}

fn each(ways: &Ways<'_>, line: impl Fn(usize, &SocketAddr) -> String) -> String {
    let origins = ways.origins.iter().enumerate();
    origins.map(|(at, origin)| line(at, origin)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_name_the_door_and_the_origins() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let ways = &Ways {
            door: at(4321),
            origins: &[at(1111), at(2222)],
            folder: "/w",
        };
        for (config, lines) in [
            (
                nginx(ways, Care::Default, ""),
                &[
                    "listen 127.0.0.1:4321;",
                    "server 127.0.0.1:2222 max_fails=0;",
                ][..],
            ),
            (
                nginx(ways, Care::Most, ""),
                &[
                    "proxy_next_upstream error timeout",
                    "proxy_read_timeout 5s;",
                ],
            ),
            (
                haproxy(ways, Care::Most, "  option splice-response\n"),
                &[
                    "  server o1 127.0.0.1:2222",
                    "option splice-response",
                    "redispatch 1",
                ],
            ),
            (
                caddy(ways),
                &["reverse_proxy 127.0.0.1:1111 127.0.0.1:2222 {"],
            ),
        ] {
            for line in lines {
                assert!(config.contains(line), "{line} in {config}");
            }
        }
        assert!(!nginx(ways, Care::Default, "").contains("next_upstream"));
    }
}
