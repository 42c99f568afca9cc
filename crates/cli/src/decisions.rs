//! `overspill decisions`: what a node decided lately.
//!
//! It shows what one node says and judges nothing itself.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use comfy_table::{CellAlignment, Table, presets};
use overspill_client::{HttpUrl, decisions};
use overspill_core::units::display_size;
use overspill_wire::explain::{DecisionEntry, DecisionsReply};

use crate::{
    asking::AskingArgs,
    terminal::{self, CommandError, printable},
};

/// Show the last decisions of a node, newest first
///
/// Of clients only the network is told; bodies below 64 KiB are not decided about. Up to 10,000 are
/// remembered. Exit codes: 0 ok, 1 usage or no Overspill server, 4 network, 8 refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// URL of a node, such as `http://host:8080`
    #[arg(value_name = "URL")]
    url: String,
    /// How many to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: AskingArgs,
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    terminal::conclude(show(&args).await)
}

async fn show(args: &Args) -> Result<(), CommandError> {
    let url = HttpUrl::parse(&args.url)?;
    let client = args.asking.client()?;
    let reply = decisions(&client, &url, args.limit).await?;
    let text = match args.json {
        true => json_lines(&reply)?,
        false => render(&reply),
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn json_lines(reply: &DecisionsReply) -> io::Result<String> {
    let lines = reply.decisions.iter().map(|entry| {
        let line = serde_json::to_string(entry)?;
        Ok(line + "\n")
    });
    lines.collect()
}

fn render(reply: &DecisionsReply) -> String {
    if reply.decisions.is_empty() {
        return format!("{} has not decided anything yet\n", printable(&reply.node));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    for entry in &reply.decisions {
        table.add_row(row(entry));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index >= FIRST_NUMBER {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.trim_fmt();
    text.lines().map(|line| printable(line) + "\n").collect()
}

fn row(entry: &DecisionEntry) -> [String; 10] {
    let age = Duration::from_millis(entry.age_ms);
    [
        entry.decision.as_str().to_owned(),
        printable(&node(entry)),
        printable(&entry.client),
        printable(entry.root.get(..ROOT_CHARS).unwrap_or(&entry.root)),
        entry.part.as_str().to_owned(),
        entry.number.to_string(),
        format!("{} ago", humantime::format_duration(age)),
        display_size(entry.bytes),
        format!("{:.4}", entry.cost_s),
        entry.candidates.to_string(),
    ]
}

/// Who serves, and instead of whom.
fn node(entry: &DecisionEntry) -> String {
    let choice = entry.choice.as_deref().unwrap_or("-");
    match &entry.instead_of {
        None => choice.to_owned(),
        Some(failed) => format!("{choice} (for {failed})"),
    }
}

const HEADER: [&str; 10] = [
    "decision",
    "node",
    "client",
    "root",
    "part",
    "number",
    "when",
    "size",
    "cost",
    "candidates",
];
/// Columns from here on are numbers: aligned to the right.
const FIRST_NUMBER: usize = 5;
/// As many characters of a root as tell it from any other.
const ROOT_CHARS: usize = 12;

#[cfg(test)]
mod tests {
    use overspill_wire::explain::{DecisionName, PartName};

    use super::*;

    fn reply(decisions: Vec<DecisionEntry>) -> DecisionsReply {
        DecisionsReply {
            node: "server".to_owned(),
            decisions,
        }
    }

    fn entry() -> DecisionEntry {
        DecisionEntry {
            path: None,
            number: 7,
            age_ms: 61_250,
            client: "192.0.2.0/24".to_owned(),
            root: "ab".repeat(32),
            bytes: 1536,
            part: PartName::Whole,
            decision: DecisionName::Redirect,
            choice: Some("oslo".to_owned()),
            instead_of: None,
            cost_s: 0.25,
            candidates: 3,
        }
    }

    #[test]
    fn decisions_line_up() {
        let rejected = DecisionEntry {
            decision: DecisionName::Reject,
            choice: None,
            ..entry()
        };
        let expected = "\
decision  node  client        root          part   number             when     size    cost  candidates
redirect  oslo  192.0.2.0/24  abababababab  whole       7  1m 1s 250ms ago  1.5 KiB  0.2500           3
reject    -     192.0.2.0/24  abababababab  whole       7  1m 1s 250ms ago  1.5 KiB  0.2500           3
";
        assert_eq!(render(&reply(vec![entry(), rejected])), expected);
        let nothing = "server has not decided anything yet\n";
        assert_eq!(render(&reply(Vec::new())), nothing);
    }

    #[test]
    fn json_is_one_object_per_line() {
        let text = json_lines(&reply(vec![entry(), entry()])).unwrap();
        assert_eq!(text.lines().count(), 2);
        for line in text.lines() {
            let read: DecisionEntry = serde_json::from_str(line).unwrap();
            assert_eq!(read, entry());
        }
    }
}
