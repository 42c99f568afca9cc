//! The model as a picture.
//!
//! A pure function of model, time and room. Nothing a node says may get here but through
//! [`printable`], nor may any size of the window, however small, be too small.

mod panes;
mod table;

use std::time::{Duration, Instant};

use overspill_core::units::{counted, display_size};
use overspill_wire::status::FleetStatus;
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph, Sparkline, Widget},
};

use super::model::{Mode, Model};
use crate::terminal::printable;

/// The model, seen now.
pub(super) struct View<'a> {
    /// What is shown.
    pub(super) model: &'a Model,
    /// When.
    pub(super) now: Instant,
    /// In which colours.
    pub(super) palette: Palette,
}

/// Whether there are colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Palette {
    /// There are.
    Coloured,
    /// There are none.
    Plain,
}

/// Lines of the header.
const HEADER_LINES: u16 = 3;
/// Lines of both panes on a high screen.
const PANES_LINES: u16 = 9;
/// Least lines of the table before the panes give way.
const TABLE_LINES_MIN: u16 = 7;
/// From this width on the panes stand side by side.
const SIDE_BY_SIDE_COLUMNS: u16 = 120;
/// Width of the figures left of the sparkline.
const FIGURE_COLUMNS: u16 = 44;

const HELP: &str = "\
q, Ctrl-C   end
up, down    scroll by a line; PgUp, PgDn by ten, Home, End
s           sort by name, state, egress, flows, lag, errors
r           reverse the order
/           filter by name, state or URL; Enter keeps, Esc clears
?           this; any key closes it

egress is what a member sends, beside its capacity
lag is what it has still to fetch
errors is the share of requests that failed lately";

impl Palette {
    /// Colours unless `NO_COLOR` says otherwise (<https://no-color.org>).
    pub(super) fn of_environment() -> Self {
        match std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            true => Self::Plain,
            false => Self::Coloured,
        }
    }

    /// Text in a colour, if there are colours.
    pub(super) fn fg(self, colour: Color) -> Style {
        match self {
            Self::Coloured => Style::new().fg(colour),
            Self::Plain => Style::new(),
        }
    }
}

impl View<'_> {
    /// Lines it takes on so many columns to show all members.
    pub(super) fn lines(model: &Model, columns: u16) -> usize {
        let fixed = HEADER_LINES + panes_lines_wanted(columns) + 1;
        model.members().len() + 1 + usize::from(fixed)
    }
}

impl Widget for View<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let panes = panes_lines(area);
        let [header, table, panes, footer] = Layout::vertical([
            Constraint::Length(HEADER_LINES),
            Constraint::Min(1),
            Constraint::Length(panes),
            Constraint::Length(1),
        ])
        .areas(area);
        self.render_header(header, buffer);
        table::render(&self, table, buffer);
        self.render_panes(panes, buffer);
        Paragraph::new(self.footer()).render(footer, buffer);
        if self.model.mode == Mode::Help {
            render_help(area, buffer);
        }
    }
}

impl View<'_> {
    fn render_header(&self, area: Rect, buffer: &mut Buffer) {
        let [first, second, third] = Layout::vertical([Constraint::Length(1); 3]).areas(area);
        let [figures, spark] =
            Layout::horizontal([Constraint::Length(FIGURE_COLUMNS), Constraint::Min(0)])
                .areas(third);
        Paragraph::new(self.node_line()).render(first, buffer);
        Paragraph::new(self.catalog_line()).render(second, buffer);
        Paragraph::new(self.throughput_line()).render(figures, buffer);
        let values = &self.model.throughput;
        let skipped = values.len().saturating_sub(usize::from(spark.width));
        Sparkline::default()
            .data(values.iter().skip(skipped).copied())
            .style(self.palette.fg(Color::Cyan))
            .render(spark, buffer);
    }

    /// The node, or for how long it has been away.
    fn node_line(&self) -> Line<'_> {
        let url = printable(&self.model.url);
        let node = self.model.fleet.as_ref().map(|fleet| &fleet.node);
        let name = node.map_or_else(
            || url.clone(),
            |node| {
                let (role, name) = (printable(&node.role), printable(&node.name));
                let name = if role == name {
                    role
                } else {
                    format!("{role} {name}")
                };
                let up = humantime::format_duration(Duration::from_secs(node.uptime_s));
                format!("{name} {} at {url}, up {up}", printable(&node.version))
            },
        );
        let mut line = vec![Span::styled(name, Modifier::BOLD)];
        if let (Some(away), Some((_, why))) = (self.model.away_for(self.now), &self.model.away) {
            let text = format!("  AWAY for {} s: {}", away.as_secs(), printable(why));
            line.insert(0, Span::styled(text + "  ", self.palette.fg(Color::Red)));
        }
        Line::from(line)
    }

    fn catalog_line(&self) -> Line<'_> {
        let Some(fleet) = &self.model.fleet else {
            return Line::from("nothing heard yet");
        };
        let catalog = &fleet.catalog;
        let mut text = format!(
            "revision {}: {}, {}",
            catalog.revision,
            counted(catalog.files, "file"),
            display_size(catalog.bytes)
        );
        for (number, what) in [
            (catalog.unhashed, "not hashed"),
            (catalog.damaged, "damaged"),
        ] {
            if number > 0 {
                text.push_str(&format!(", {number} {what}"));
            }
        }
        if let Some(policy) = &fleet.policy {
            text.push_str(&format!("; policy {}", printable(policy)));
        }
        let mut line = vec![Span::raw(text)];
        line.extend(problems(fleet).map(|text| Span::styled(text, self.palette.fg(Color::Red))));
        Line::from(line)
    }

    fn throughput_line(&self) -> Line<'_> {
        let bytes_per_s = self.model.throughput.back().copied().unwrap_or(0);
        let flows = self.model.fleet.as_ref().map_or(0, |fleet| {
            let members = fleet.members.iter().map(|member| member.flows);
            members.sum::<u64>() + fleet.node.flows
        });
        let decisions = self.model.decisions_per_s;
        let decisions = decisions.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
        Line::from(format!(
            "{}/s, {}, {decisions} decisions/s ",
            display_size(bytes_per_s),
            counted(flows, "flow")
        ))
    }

    fn render_panes(&self, area: Rect, buffer: &mut Buffer) {
        let halves = [Constraint::Fill(1), Constraint::Fill(1)];
        let [events, decisions] = match area.width >= SIDE_BY_SIDE_COLUMNS {
            true => Layout::horizontal(halves).areas(area),
            false => Layout::vertical(halves).areas(area),
        };
        panes::render_events(self, events, buffer);
        panes::render_decisions(self, decisions, buffer);
    }

    fn footer(&self) -> Line<'_> {
        let filter = printable(&self.model.filter);
        if self.model.mode == Mode::Filter {
            return Line::from(format!("/{filter}_  Enter keeps, Esc clears"));
        }
        let order = if self.model.is_reversed {
            " reversed"
        } else {
            ""
        };
        let mut text = format!(
            "q end  s sort: {}{order}  / filter",
            self.model.sort.as_str()
        );
        if !filter.is_empty() {
            text.push_str(&format!(": {filter}"));
        }
        text.push_str("  ? help");
        Line::styled(text, Modifier::DIM)
    }
}

/// Lines for the panes: what the table can spare, and none at all on a very low screen.
fn panes_lines(area: Rect) -> u16 {
    let wanted = panes_lines_wanted(area.width);
    let spare = area
        .height
        .saturating_sub(HEADER_LINES + TABLE_LINES_MIN + 1);
    // On a screen of middling height table and panes share.
    let half = area.height.saturating_sub(HEADER_LINES + 1) * 3 / 5;
    let lines = wanted.min(spare).min(half.max(2));
    if lines < 4 { 0 } else { lines }
}

fn panes_lines_wanted(columns: u16) -> u16 {
    match columns >= SIDE_BY_SIDE_COLUMNS {
        true => PANES_LINES,
        false => PANES_LINES * 2,
    }
}

/// How many problems the node has, if it has any.
fn problems(fleet: &FleetStatus) -> impl Iterator<Item = String> {
    let number = fleet.problems.len() as u64;
    let text = format!("; {}, see `overspill status`", counted(number, "problem"));
    (number > 0).then_some(text).into_iter()
}

fn render_help(area: Rect, buffer: &mut Buffer) {
    let lines = HELP.lines().count() as u16 + 2;
    let columns = HELP.lines().map(str::len).max().unwrap_or(0) as u16 + 4;
    let (width, height) = (columns.min(area.width), lines.min(area.height));
    let popup = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(popup, buffer);
    let block = Block::bordered().title(" keys ");
    Paragraph::new(HELP).block(block).render(popup, buffer);
}
