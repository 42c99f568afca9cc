//! nginx: alone on the server, or splitting its clients between itself and mirrors.
//!
//! One process for each node, so that killing it kills all of it. The answers of all nodes have the
//! same validators, since they serve the same files: downloads can be resumed anywhere.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::Result;

use super::{Node, PORT, Place, Setting, Site, wait_until_up};
use crate::bench::process::Process;

pub(super) fn start(
    setting: &Setting,
    server: &Place,
    mirrors: &[Place],
    folder: &Path,
) -> Result<Site> {
    let others: Vec<_> = mirrors.iter().map(Place::public).collect();
    let mut nodes = vec![start_one(setting, server, &others, folder)?];
    for mirror in mirrors {
        nodes.push(start_one(setting, mirror, &[], folder)?);
    }
    let names = mirrors.iter().map(|mirror| {
        let host = mirror.host.name.clone();
        (mirror.public().to_string(), host)
    });
    let names = names.collect();
    Ok(Site { nodes, names })
}

fn start_one(
    setting: &Setting,
    place: &Place,
    others: &[SocketAddr],
    folder: &Path,
) -> Result<Node> {
    let folder = folder.join(&place.host.name);
    fs::create_dir_all(&folder)?;
    let file = folder.join("nginx.conf");
    fs::write(&file, config(&setting.stock.tree(), &folder, others))?;
    let mut command = place.host.command(Path::new("nginx"));
    command.arg("-c").arg(&file);
    command.arg("-e").arg(folder.join("error.log"));
    let mut node = Node {
        host: place.host.clone(),
        process: Process::start(&mut command, &folder.join("log"))?,
        access_log: folder.join("access.log"),
    };
    wait_until_up(&mut node, &setting.interrupt)?;
    Ok(node)
}

fn config(tree: &Path, folder: &Path, others: &[SocketAddr]) -> String {
    let (tree, here) = (tree.display(), folder.display());
    let (split, redirect) = split(others);
    format!(
        "user root root;
daemon off;
master_process off;
worker_rlimit_nofile 16384;
pid {here}/pid;
events {{ worker_connections 8192; }}
http {{
  log_format lab '$msec $status $sent_http_location';
  access_log {here}/access.log lab;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  client_body_temp_path {here}/body;
  proxy_temp_path {here}/proxy;
  fastcgi_temp_path {here}/fastcgi;
  uwsgi_temp_path {here}/uwsgi;
  scgi_temp_path {here}/scgi;
{split}  server {{
    listen {PORT};
    root {tree};
    location = / {{ return 200 up; }}
    location / {{ {redirect}}}
  }}
}}
"
    )
}

/// The map from request to node, and the line that redirects by it.
fn split(others: &[SocketAddr]) -> (String, &'static str) {
    if others.is_empty() {
        return (String::new(), "");
    }
    // The server keeps a share like any other. The id is random, so that one client is not always
    // sent to one node.
    let share = 100.0 / (others.len() + 1) as f64;
    let to = others.iter();
    let to: String = to
        .map(|other| format!("    {share:.2}% \"http://{other}\";\n"))
        .collect();
    let map = format!("  split_clients $request_id $node {{\n{to}    * \"\";\n  }}\n");
    (map, "if ($node) { return 302 $node$request_uri; } ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_keeps_a_share_like_any_other() {
        let others = [([10, 0, 0, 2], 8080).into(), ([10, 0, 0, 3], 8081).into()];
        let text = config(Path::new("/t"), Path::new("/w"), &others);
        for line in [
            "    33.33% \"http://10.0.0.2:8080\";",
            "    33.33% \"http://10.0.0.3:8081\";",
            "    * \"\";",
            "    root /t;",
            "    location / { if ($node) { return 302 $node$request_uri; } }",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        let alone = config(Path::new("/t"), Path::new("/w"), &[]);
        assert!(
            !alone.contains("split_clients") && !alone.contains("302"),
            "{alone}"
        );
    }
}
