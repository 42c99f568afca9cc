//! The panes below the table: what happened, and what was decided.
//!
//! Newest first, one line each, cut where the pane ends.

use overspill_core::units::display_size;
use overspill_wire::{events::EventEntry, explain::DecisionEntry};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier},
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph, Widget},
};

use super::{Palette, View};
use crate::terminal::printable;

/// As many characters of a root as tell it from others.
const ROOT_CHARS: usize = 10;

/// Draws the last events.
pub(super) fn render_events(view: &View<'_>, area: Rect, buffer: &mut Buffer) {
    let room = usize::from(area.height);
    let events = view.model.events.iter().take(room);
    let lines = events
        .map(|event| event_line(event, view.palette))
        .collect();
    render(" events ", lines, area, buffer);
}

/// Draws the last decisions.
pub(super) fn render_decisions(view: &View<'_>, area: Rect, buffer: &mut Buffer) {
    let room = usize::from(area.height);
    let decisions = view.model.decisions.iter().take(room);
    render(
        " decisions ",
        decisions.map(decision_line).collect(),
        area,
        buffer,
    );
}

fn render(title: &'static str, lines: Vec<Line<'_>>, area: Rect, buffer: &mut Buffer) {
    let block = Block::new().borders(Borders::TOP).title(title);
    Paragraph::new(lines).block(block).render(area, buffer);
}

fn event_line(event: &EventEntry, palette: Palette) -> Line<'static> {
    let colour = match event.level.as_str() {
        "error" => Color::Red,
        "warn" => Color::Yellow,
        _ => Color::Green,
    };
    // The day is known to whoever looks; the fraction of a second helps nobody here.
    let time = event.at.get(11..19).unwrap_or_default();
    let member = event.fields.get("member").and_then(|name| name.as_str());
    let member = member.map_or_else(String::new, |name| format!("{} ", printable(name)));
    Line::from(vec![
        Span::styled(format!("{} ", printable(time)), Modifier::DIM),
        Span::styled(
            format!("{:<5} ", printable(&event.level)),
            palette.fg(colour),
        ),
        Span::raw(format!("{member}{}", printable(&event.text))),
    ])
}

fn decision_line(decision: &DecisionEntry) -> Line<'static> {
    let root = decision.root.get(..ROOT_CHARS).unwrap_or(&decision.root);
    let choice = decision.choice.as_deref().unwrap_or("-");
    Line::from(format!(
        "{:>4} s ago {:<8} {:<14} {:>9} of {} for {} in {:.3} s",
        decision.age_ms / 1000,
        decision.decision.as_str(),
        printable(choice),
        display_size(decision.bytes),
        printable(root),
        printable(&decision.client),
        decision.cost_s,
    ))
}
