//! `overspill status`: a fleet at a glance.
//!
//! It shows what one node says and judges nothing itself.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use comfy_table::{CellAlignment, Table, presets};
use overspill_client::{HttpClient, HttpUrl, fleet_status};
use overspill_core::units::{counted, display_size};
use overspill_wire::status::{CatalogStatus, FleetStatus, MemberStatus, NodeStatus};

use crate::{
    asking::AskingArgs,
    terminal::{self, CommandError, printable},
};

/// Show a server, its catalog and its fleet
///
/// Any node of the fleet may be asked; a mirror tells only about itself. Exit codes: 0 ok, 1 usage
/// or no Overspill server, 4 network, 8 refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// URL of a node, such as `http://host:8080`
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    asking: AskingArgs,
}

/// How to show it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Print the node's answer as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    terminal::conclude(show(&args).await)
}

async fn show(args: &Args) -> Result<(), CommandError> {
    let url = HttpUrl::parse(&args.url)?;
    args.options.print(&args.asking.client()?, &url).await
}

impl Options {
    /// Prints what the node at `url` says of itself and its fleet.
    pub(crate) async fn print(
        &self,
        client: &HttpClient,
        url: &HttpUrl,
    ) -> Result<(), CommandError> {
        let status = fleet_status(client, url).await?;
        let text = if self.json {
            serde_json::to_string(&status).map_err(io::Error::from)? + "\n"
        } else {
            render(&status)
        };
        Ok(io::stdout().write_all(text.as_bytes())?)
    }
}

fn render(status: &FleetStatus) -> String {
    let mut lines = vec![
        node_line(&status.node),
        catalog_line(&status.node, &status.catalog),
    ];
    if let Some(policy) = &status.policy {
        let decisions = status.decisions.unwrap_or_default();
        lines.push(format!(
            "policy   {policy}: {} served here, {} redirected, {} relayed, {} came back, {} switched",
            decisions.serve,
            decisions.redirect,
            decisions.relay,
            decisions.avoided,
            decisions.switch
        ));
    }
    if !status.members.is_empty() {
        lines.push(String::new());
        lines.extend(member_table(&status.members).lines().map(str::to_owned));
    }
    let problems = status.problems.iter();
    lines.extend(problems.map(|problem| format!("problem  {problem}")));
    lines.iter().map(|line| printable(line) + "\n").collect()
}

fn node_line(node: &NodeStatus) -> String {
    let mut line = format!(
        "{:<8} {} {}, up {}: {} flows, {}; served {} flows, {}",
        node.role,
        node.name,
        node.version,
        humantime::format_duration(Duration::from_secs(node.uptime_s)),
        node.flows,
        rate(node.egress_bytes_per_s, node.capacity_bytes_per_s),
        node.flows_served,
        display_size(node.bytes_served),
    );
    if let Some(server) = &node.server {
        // Writing to a string cannot fail.
        let _ = write!(line, "; server {server}");
    }
    line
}

fn catalog_line(node: &NodeStatus, catalog: &CatalogStatus) -> String {
    let mut line = format!(
        "catalog  revision {}: {} in {}, {}",
        catalog.revision,
        counted(catalog.files, "file"),
        counted(catalog.folders, "folder"),
        display_size(catalog.bytes)
    );
    if catalog.unhashed > 0 {
        let _ = write!(line, ", {} not hashed yet", catalog.unhashed);
    }
    if node.role == "mirror" {
        let missing = display_size(catalog.missing_bytes);
        let objects = catalog.missing_objects;
        let _ = write!(
            line,
            "; complete to {}, {objects} objects ({missing}) to fetch",
            catalog.complete
        );
    }
    line
}

fn member_table(members: &[MemberStatus]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    for member in members {
        table.add_row(member_row(member));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index >= FIRST_NUMBER {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn member_row(member: &MemberStatus) -> [String; 8] {
    let lag = match (member.lag_revisions, member.missing_bytes) {
        (0, 0) => "-".to_owned(),
        (revisions, bytes) => format!("{revisions} revisions, {}", display_size(bytes)),
    };
    // A row is one line: what a member says of itself must not break the table.
    let condition = member.condition.as_deref().unwrap_or("-");
    [
        printable(&member.name),
        printable(&member.state),
        printable(condition),
        lag,
        member.flows.to_string(),
        rate(member.egress_bytes_per_s, member.capacity_bytes_per_s),
        format!(
            "{} flows, {}",
            member.flows_served,
            display_size(member.bytes_served)
        ),
        format!("{:.2}", member.error_ratio),
    ]
}

fn rate(egress_bytes_per_s: u64, capacity_bytes_per_s: u64) -> String {
    let (egress, capacity) = (egress_bytes_per_s, capacity_bytes_per_s);
    format!("{}/s of {}/s", display_size(egress), display_size(capacity))
}

const HEADER: [&str; 8] = [
    "member",
    "state",
    "condition",
    "lag",
    "flows",
    "rate of capacity",
    "served",
    "errors",
];
/// Columns from here on are numbers: aligned to the right.
const FIRST_NUMBER: usize = 3;

#[cfg(test)]
mod tests {
    use overspill_wire::status::DecisionCounts;

    use super::*;

    fn node(role: &str) -> NodeStatus {
        NodeStatus {
            role: role.to_owned(),
            name: role.to_owned(),
            zone: None,
            version: "0.1.0".to_owned(),
            uptime_s: 3661,
            flows: 2,
            egress_bytes_per_s: 1 << 20,
            capacity_bytes_per_s: 10 << 20,
            flows_served: 9,
            bytes_served: 3 << 30,
            server: (role == "mirror").then(|| "connected".to_owned()),
        }
    }

    fn status(role: &str) -> FleetStatus {
        FleetStatus {
            node: node(role),
            instance: "1".to_owned(),
            catalog: CatalogStatus {
                revision: 7,
                files: 3,
                folders: 1,
                bytes: 2048,
                unhashed: 1,
                complete: 6,
                ..CatalogStatus::default()
            },
            policy: None,
            decisions: None,
            members: Vec::new(),
            told: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn member(name: &str, condition: Option<&str>, missing_bytes: u64) -> MemberStatus {
        MemberStatus {
            name: name.to_owned(),
            url: "http://m".to_owned(),
            state: "ready".to_owned(),
            condition: condition.map(str::to_owned),
            version: "0.1.0".to_owned(),
            lag_revisions: missing_bytes,
            missing_bytes,
            flows: 4,
            egress_bytes_per_s: 512,
            capacity_bytes_per_s: 1024,
            flows_served: 5,
            bytes_served: 6,
            error_ratio: 0.125,
            ..MemberStatus::default()
        }
    }

    #[test]
    fn a_server_shows_itself_its_catalog_and_its_members() {
        let mut status = status("server");
        status.policy = Some("marginal-cost".to_owned());
        status.decisions = Some(DecisionCounts {
            serve: 1,
            redirect: 2,
            relay: 0,
            stripe: 0,
            switch: 0,
            wait: 0,
            reject: 0,
            avoided: 3,
        });
        status.members = vec![
            member("berlin", None, 0),
            member("oslo", Some("disk\x1bfull"), 3),
        ];
        status.problems = vec!["oslo cannot write".to_owned()];
        let expected = "\
server   server 0.1.0, up 1h 1m 1s: 2 flows, 1.0 MiB/s of 10.0 MiB/s; served 9 flows, 3.0 GiB
catalog  revision 7: 3 files in 1 folder, 2.0 KiB, 1 not hashed yet
policy   marginal-cost: 1 served here, 2 redirected, 0 relayed, 3 came back, 0 switched

member  state  condition               lag  flows      rate of capacity        served  errors
berlin  ready  -                         -      4  512 B/s of 1.0 KiB/s  5 flows, 6 B    0.12
oslo    ready  disk\u{fffd}full  3 revisions, 3 B      4  512 B/s of 1.0 KiB/s  5 flows, 6 B    0.12
problem  oslo cannot write
";
        assert_eq!(render(&status), expected);
    }

    #[test]
    fn a_mirror_shows_what_it_lacks() {
        let expected = "\
mirror   mirror 0.1.0, up 1h 1m 1s: 2 flows, 1.0 MiB/s of 10.0 MiB/s; served 9 flows, 3.0 GiB; server connected
catalog  revision 7: 3 files in 1 folder, 2.0 KiB, 1 not hashed yet; complete to 6, 0 objects (0 B) to fetch
";
        assert_eq!(render(&status("mirror")), expected);
    }
}
