//! `overspill explain`: why a file would be served from where.
//!
//! It shows what one node says and judges nothing itself.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::IpAddr,
    process::ExitCode,
};

use comfy_table::{CellAlignment, Table, presets};
use overspill_client::{HttpClient, HttpUrl, explain};
use overspill_core::units::display_size;
use overspill_wire::explain::{ByName, ExplainReply, ExplainedCandidate, OffloadName};

use crate::{
    asking::AskingArgs,
    terminal::{self, CommandError, printable},
};

/// Show who would serve a file, what it would cost everywhere, and who cannot
///
/// Costs are in seconds: (net + max(send + share, client) x penalty) x bias; the chosen node is
/// marked with *. Asking counts for nothing. Exit codes: 0 ok, 1 usage or no Overspill server, 2 not
/// found, 4 network or not hashed yet, 8 refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// URL of a file, such as `http://host:8080/big.iso`
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    asking: AskingArgs,
}

/// For whom, and how to show it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Judge for a client of this address instead of this machine
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
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
    let client = args.asking.client()?;
    args.options.print(&client, &url).await
}

impl Options {
    /// Prints who would serve the file at `url`, and why.
    pub(crate) async fn print(
        &self,
        client: &HttpClient,
        url: &HttpUrl,
    ) -> Result<(), CommandError> {
        let reply = explain(client, url, self.from).await?;
        let text = if self.json {
            serde_json::to_string(&reply).map_err(io::Error::from)? + "\n"
        } else {
            render(&reply)
        };
        Ok(io::stdout().write_all(text.as_bytes())?)
    }
}

fn render(reply: &ExplainReply) -> String {
    let client_zone = zone_text(reply.client_zone.as_deref());
    let mut lines = vec![
        format!("file    {}, {}", reply.path, display_size(reply.bytes)),
        format!("root    {}", reply.root),
        format!("client  {}{client_zone}", reply.client),
        node_line(reply),
        choice_line(reply),
    ];
    if !reply.candidates.is_empty() {
        lines.push(String::new());
        lines.extend(candidate_table(reply).lines().map(str::to_owned));
    }
    if !reply.excluded.is_empty() {
        lines.push(String::new());
    }
    let excluded = reply.excluded.iter();
    lines.extend(excluded.map(|one| format!("not {}: {}", one.node, one.reason)));
    lines.iter().map(|line| printable(line) + "\n").collect()
}

fn zone_text(zone: Option<&str>) -> String {
    zone.map_or_else(String::new, |zone| format!(" in zone {zone}"))
}

fn node_line(reply: &ExplainReply) -> String {
    let offload = match (reply.offload, reply.is_offloading) {
        (OffloadName::Never, _) => "offloads nothing",
        (_, true) => "busy and offloading",
        (_, false) => "not busy",
    };
    let mut line = format!("node    {}, policy {}, {offload}", reply.node, reply.policy);
    if reply.is_browned_out {
        line.push_str(", letting in at half the least rate");
    }
    if reply.waiting > 0 {
        // Writing to a string cannot fail.
        let _ = write!(line, ", {} waiting", reply.waiting);
    }
    line
}

fn choice_line(reply: &ExplainReply) -> String {
    let choice = reply.choice.as_deref().unwrap_or("nobody");
    format!("choice  {choice}: {}", reply.ground.as_text())
}

fn candidate_table(reply: &ExplainReply) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    for candidate in &reply.candidates {
        let is_chosen = reply.choice.as_deref() == Some(&candidate.node);
        table.add_row(candidate_row(candidate, if is_chosen { "*" } else { "" }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index >= FIRST_NUMBER {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn candidate_row(candidate: &ExplainedCandidate, mark: &str) -> [String; 12] {
    let cost = &candidate.cost;
    let note = match (candidate.is_weighed, candidate.by) {
        (true, Some(ByName::Relay)) => " (relayed)",
        (false, Some(ByName::Relay)) => " (relayed, not weighed)",
        (true, _) => "",
        (false, _) => " (not weighed)",
    };
    [
        mark.to_owned(),
        printable(&candidate.node) + note,
        printable(candidate.zone.as_deref().unwrap_or("-")),
        seconds(cost.total_s),
        seconds(cost.net_s),
        seconds(cost.send_s),
        seconds(cost.share_s),
        seconds(cost.client_s),
        format!("{:.2}", cost.penalty),
        format!("{:.2}", cost.bias),
        candidate.flows.to_string(),
        format!("{}/s", display_size(candidate.capacity_bytes_per_s)),
    ]
}

/// Seconds to a tenth of a millisecond; large ones without it.
fn seconds(seconds: f64) -> String {
    match seconds {
        0.0 => "-".to_owned(),
        long if long >= 1000.0 => format!("{long:.0}"),
        short => format!("{short:.4}"),
    }
}

const HEADER: [&str; 12] = [
    "", "node", "zone", "cost", "net", "send", "share", "client", "penalty", "bias", "flows",
    "capacity",
];
/// Columns from here on are numbers: aligned to the right.
const FIRST_NUMBER: usize = 3;

#[cfg(test)]
mod tests {
    use overspill_wire::explain::{CostParts, ExplainedExclusion, GroundName};

    use super::*;

    fn candidate(node: &str, total_s: f64) -> ExplainedCandidate {
        ExplainedCandidate {
            node: node.to_owned(),
            by: (node != "server").then_some(ByName::Redirect),
            zone: (node != "server").then(|| "north".to_owned()),
            is_weighed: node != "far",
            flows: 2,
            capacity_bytes_per_s: 1 << 20,
            cost: CostParts {
                net_s: 0.0125,
                send_s: 1.0,
                share_s: 0.5,
                client_s: 0.0,
                penalty: 1.0,
                bias: 1.5,
                total_s,
            },
        }
    }

    fn reply() -> ExplainReply {
        ExplainReply {
            path: "/a%20b".to_owned(),
            root: "ab".repeat(32),
            bytes: 1 << 20,
            client: IpAddr::from([192, 0, 2, 1]),
            client_zone: Some("north".to_owned()),
            node: "server".to_owned(),
            policy: "marginal-cost".to_owned(),
            offload: OffloadName::Share,
            is_offloading: true,
            is_browned_out: true,
            waiting: 3,
            choice: Some("oslo".to_owned()),
            ground: GroundName::Cost,
            candidates: vec![candidate("oslo", 1.5), candidate("far", 2345.6)],
            excluded: vec![ExplainedExclusion {
                node: "rome".to_owned(),
                reason: "draining\x1b".to_owned(),
            }],
        }
    }

    #[test]
    fn the_cheapest_come_first_and_the_chosen_is_marked() {
        let expected = format!(
            "\
file    /a%20b, 1.0 MiB
root    {}
client  192.0.2.1 in zone north
node    server, policy marginal-cost, busy and offloading, letting in at half the least rate, 3 waiting
choice  oslo: chosen by the policy

   node               zone     cost     net    send   share  client  penalty  bias  flows   capacity
*  oslo               north  1.5000  0.0125  1.0000  0.5000       -     1.00  1.50      2  1.0 MiB/s
   far (not weighed)  north    2346  0.0125  1.0000  0.5000       -     1.00  1.50      2  1.0 MiB/s

not rome: draining\u{fffd}
",
            "ab".repeat(32)
        );
        assert_eq!(render(&reply()), expected);
    }

    #[test]
    fn nobody_is_a_choice_too() {
        let reply = ExplainReply {
            choice: None,
            ground: GroundName::Full,
            candidates: Vec::new(),
            offload: OffloadName::Never,
            waiting: 0,
            is_browned_out: false,
            client_zone: None,
            ..reply()
        };
        let text = render(&reply);
        for line in [
            "client  192.0.2.1\n",
            "node    server, policy marginal-cost, offloads nothing\n",
            "choice  nobody: nobody able has a slot free; it would wait, or be refused\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
