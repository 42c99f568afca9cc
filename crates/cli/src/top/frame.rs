//! One frame as plain text, for scripts and tests.
//!
//! The same view as on the screen, without what only a screen has: colours and trailing blanks.

use std::time::Instant;

use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget};

use super::{
    model::Model,
    view::{Palette, View},
};

/// Columns when nobody says how many.
const COLUMNS: u16 = 120;
/// Widest frame.
const COLUMNS_MAX: u16 = 500;
/// Most lines: a thousand members and what is around them.
const LINES_MAX: usize = 1100;

/// A frame that is as high as it has to be to show all members.
pub(super) fn plain(model: &Model, now: Instant, columns: Option<u16>) -> String {
    let columns = columns.unwrap_or(COLUMNS).clamp(1, COLUMNS_MAX);
    let lines = View::lines(model, columns).min(LINES_MAX);
    // Bounded by LINES_MAX.
    let area = Rect::new(0, 0, columns, u16::try_from(lines).unwrap_or(u16::MAX));
    let mut buffer = Buffer::empty(area);
    let view = View {
        model,
        now,
        palette: Palette::Plain,
    };
    view.render(area, &mut buffer);
    text(&buffer)
}

/// What a buffer shows, line by line.
pub(super) fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width.max(1));
    let lines = buffer.content.chunks(width).map(|cells| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned() + "\n"
    });
    lines.collect()
}
