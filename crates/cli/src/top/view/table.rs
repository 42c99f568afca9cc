//! The table of members.
//!
//! On a narrow screen the columns that matter least go first; a name and a state are always there.

use overspill_core::units::display_size;
use overspill_wire::status::MemberStatus;
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Rect},
    style::{Color, Modifier},
    text::Span,
    widgets::{Cell, Row, Table, Widget},
};

use super::{Palette, View};
use crate::terminal::printable;

/// A column: its title, its width, and the least width of the table at which it is shown.
struct Column {
    title: &'static str,
    columns: u16,
    from_columns: u16,
    cell: fn(&MemberStatus, Palette) -> Cell<'static>,
}

const COLUMNS: [Column; 9] = [
    Column {
        title: "MEMBER",
        columns: 16,
        from_columns: 0,
        cell: |member, _| Cell::from(printable(&member.name)),
    },
    Column {
        title: "STATE",
        columns: 9,
        from_columns: 0,
        cell: state,
    },
    Column {
        title: "OF CAPACITY",
        columns: 12,
        from_columns: 44,
        cell: gauge,
    },
    Column {
        title: "EGRESS",
        columns: 11,
        from_columns: 60,
        cell: |member, _| Cell::from(format!("{}/s", display_size(member.egress_bytes_per_s))),
    },
    Column {
        title: "FLOWS",
        columns: 6,
        from_columns: 36,
        cell: |member, _| Cell::from(format!("{:>5}", member.flows)),
    },
    Column {
        title: "LAG",
        columns: 10,
        from_columns: 70,
        cell: lag,
    },
    Column {
        title: "ERRORS",
        columns: 6,
        from_columns: 78,
        cell: errors,
    },
    Column {
        title: "VERSION",
        columns: 8,
        from_columns: 100,
        cell: |member, _| Cell::from(printable(&member.version)),
    },
    Column {
        title: "URL",
        columns: 40,
        from_columns: 130,
        cell: |member, _| Cell::from(printable(&member.url)),
    },
];
/// Characters of a gauge.
const GAUGE_CHARS: u64 = 12;

/// Draws as many members as there is room for.
pub(super) fn render(view: &View<'_>, area: Rect, buffer: &mut Buffer) {
    let members = view.model.members();
    let room = usize::from(area.height.saturating_sub(1));
    let last = members.len().saturating_sub(room);
    let shown = members
        .iter()
        .skip(view.model.scrolled.min(last))
        .take(room);
    let columns: Vec<_> = COLUMNS
        .iter()
        .filter(|column| column.from_columns <= area.width)
        .collect();
    let rows = shown.map(|member| {
        let cells = columns
            .iter()
            .map(|column| (column.cell)(member, view.palette));
        Row::new(cells)
    });
    let titles = columns.iter().map(|column| column.title);
    let widths = columns
        .iter()
        .map(|column| Constraint::Length(column.columns));
    Table::new(rows, widths)
        .header(Row::new(titles).style(Modifier::REVERSED))
        .column_spacing(1)
        .render(area, buffer);
    if members.is_empty() && area.height > 1 {
        let below = Rect {
            y: area.y + 1,
            height: 1,
            ..area
        };
        Span::raw(empty_text(view)).render(below, buffer);
    }
}

fn empty_text(view: &View<'_>) -> &'static str {
    match &view.model.fleet {
        None => "",
        Some(fleet) if fleet.node.role == "mirror" && fleet.told.is_empty() => {
            "the server has not told this mirror of the others yet"
        }
        Some(fleet) if fleet.members.is_empty() && fleet.told.is_empty() => {
            "no member has joined yet"
        }
        Some(_) => "no member matches the filter; Esc clears it",
    }
}

fn state(member: &MemberStatus, palette: Palette) -> Cell<'static> {
    let colour = match member.state.as_str() {
        "ready" if member.condition.is_some() => Color::Yellow,
        "ready" => Color::Green,
        "joining" | "draining" => Color::Cyan,
        "suspect" => Color::Yellow,
        _ => Color::Red,
    };
    let mark = if member.condition.is_some() { "!" } else { "" };
    let text = format!("{}{mark}", printable(&member.state));
    Cell::from(Span::styled(text, palette.fg(colour)))
}

/// What is sent, of what could be.
fn gauge(member: &MemberStatus, palette: Palette) -> Cell<'static> {
    let (egress, capacity) = (
        member.egress_bytes_per_s,
        member.capacity_bytes_per_s.max(1),
    );
    let filled = u128::from(egress) * u128::from(GAUGE_CHARS) / u128::from(capacity);
    // A trickle is not nothing.
    let filled = filled
        .max(u128::from(egress > 0))
        .min(u128::from(GAUGE_CHARS)) as usize;
    let empty = GAUGE_CHARS as usize - filled;
    let colour = match filled * 5 / GAUGE_CHARS as usize {
        0..4 => Color::Green,
        4 => Color::Yellow,
        _ => Color::Red,
    };
    let bar = "█".repeat(filled) + &"░".repeat(empty);
    Cell::from(Span::styled(bar, palette.fg(colour)))
}

fn lag(member: &MemberStatus, palette: Palette) -> Cell<'static> {
    let text = match (member.missing_bytes, member.lag_revisions) {
        (0, 0) => return Cell::from("-"),
        (0, revisions) => format!("{revisions} rev"),
        (bytes, _) => display_size(bytes),
    };
    Cell::from(Span::styled(text, palette.fg(Color::Yellow)))
}

fn errors(member: &MemberStatus, palette: Palette) -> Cell<'static> {
    if member.error_ratio < 0.005 {
        return Cell::from("-");
    }
    let text = format!("{:.0} %", member.error_ratio * 100.0);
    Cell::from(Span::styled(text, palette.fg(Color::Red)))
}
