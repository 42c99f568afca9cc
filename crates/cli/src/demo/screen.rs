//! The demo as text: the live table, the line of a log.
//!
//! Pure, and never wider than [`COLUMNS`], whatever the numbers and names are.

use std::time::Duration;

use overspill_core::units::display_size;

use super::scene::{Row, Scene};
use crate::terminal::printable;

/// Width of the narrowest terminal the table is made for, less one column: some wrap at the last.
pub(super) const COLUMNS: usize = 79;

/// The table, without a line feed at the end.
pub(super) fn table(scene: &Scene) -> String {
    let total = scene.tally.received_bytes();
    let mut lines = vec![clock(scene), String::new(), heading()];
    lines.extend(scene.rows.iter().map(|row| node_line(row, total)));
    lines.push(String::new());
    lines.push(format!("decisions  {}", decisions(scene)));
    lines.push(format!("downloads  {}", downloads(scene)));
    lines.push(String::new());
    lines.extend(scene.events.iter().cloned());
    let lines: Vec<_> = lines.iter().map(|line| fit(line)).collect();
    lines.join("\n")
}

/// One line for a log, as long as it has to be.
pub(super) fn line(scene: &Scene) -> String {
    let total = scene.tally.received_bytes();
    let node = |row: &Row| format!("{} {} {}", row.label, row.state, share(row.bytes, total));
    let nodes: Vec<_> = scene.rows.iter().map(node).collect();
    format!(
        "{:>6}  {} | {}/s | {} | {}",
        moment(scene.elapsed),
        nodes.join(", "),
        display_size(scene.bytes_per_s),
        downloads(scene),
        decisions(scene),
    )
}

/// A moment of the load, such as `4.2 s`.
pub(super) fn moment(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}

/// A part of a whole in per cent, for people.
pub(super) fn share(bytes: u64, total_bytes: u64) -> String {
    let rounded = u128::from(bytes) * 100 + u128::from(total_bytes) / 2;
    match rounded.checked_div(u128::from(total_bytes)) {
        Some(percent) => format!("{percent} %"),
        None => "-".to_owned(),
    }
}

/// The text in one line of the screen, cut where it would not fit.
pub(super) fn fit(text: &str) -> String {
    let text = printable(text);
    if text.chars().count() <= COLUMNS {
        return text;
    }
    let cut: String = text.chars().take(COLUMNS - 3).collect();
    cut + "..."
}

fn clock(scene: &Scene) -> String {
    let (elapsed_s, length_s) = (scene.elapsed.as_secs_f64(), scene.length.as_secs_f64());
    let done = (elapsed_s / length_s.max(0.1)).min(1.0);
    let head = format!("overspill demo  {elapsed_s:>4.1} s of {length_s:.0} s  ");
    format!("{head}{}", bar(done, COLUMNS.saturating_sub(head.len())))
}

fn heading() -> String {
    format!(
        "{:<9} {:<8} {:>5} {:<16} {:>12} {:>5} {:>4} {:>11}",
        "node", "state", "share", "", "now", "flows", "lag", "sent"
    )
}

fn node_line(row: &Row, total_bytes: u64) -> String {
    let ratio = row.bytes as f64 / total_bytes.max(1) as f64;
    let lag = match row.lag_revisions {
        0 => "-".to_owned(),
        revisions => revisions.to_string(),
    };
    format!(
        "{:<9} {:<8} {:>5} {:<16} {:>12} {:>5} {:>4} {:>11}",
        row.label,
        row.state,
        share(row.bytes, total_bytes),
        bar(ratio, 16),
        format!("{}/s", display_size(row.bytes_per_s)),
        row.flows,
        lag,
        display_size(row.bytes),
    )
}

fn decisions(scene: &Scene) -> String {
    let decisions = &scene.decisions;
    format!(
        "{} served here, {} redirected, {} came back",
        decisions.serve, decisions.redirect, decisions.avoided
    )
}

fn downloads(scene: &Scene) -> String {
    let tally = &scene.tally;
    format!(
        "{} byte-exact, {} failed, {} retried, {} running",
        tally.exact,
        tally.failed,
        tally.retries,
        tally.running()
    )
}

fn bar(ratio: f64, columns: usize) -> String {
    let filled = ((ratio * columns as f64).round() as usize).min(columns);
    format!("{}{}", "█".repeat(filled), "░".repeat(columns - filled))
}

#[cfg(test)]
mod tests;
