//! A line as a person reads it at a terminal.
//!
//! Local time, the event first, what it is about last. It must never let the value of a field
//! look like another field, nor anything like another line.

use std::{fmt::Write as _, time::SystemTime};

use anstyle::{AnsiColor, Style};
use jiff::{Timestamp, tz::TimeZone};
use overspill_node::events::Line;
use serde_json::Value;
use tracing::Level;

use super::json::is_harmless;

/// Whether a line has colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// It has.
    Coloured,
    /// It has not.
    Plain,
}

/// Width of the column of events: most ids are shorter.
const EVENT_CHARS: usize = 18;

/// The line with its line feed, in the time of this machine.
pub(super) fn line(line: &Line, look: Look) -> String {
    line_in(line, look, &TimeZone::system())
}

/// The line in the time of `zone`.
pub(super) fn line_in(line: &Line, look: Look, zone: &TimeZone) -> String {
    let event = line.event.as_deref().unwrap_or(line.target);
    let mut out = String::new();
    styled(dim(look), &local_time(line.at, zone), &mut out);
    out.push(' ');
    let level = format!("{:<5}", line.level.as_str());
    styled(level_style(line.level, look), &level, &mut out);
    out.push(' ');
    let event = format!("{:<EVENT_CHARS$}", printable(event));
    styled(dim(look), &event, &mut out);
    out.push(' ');
    out.push_str(&printable(&line.text));
    for (name, value) in &line.fields {
        styled(dim(look), &format!(" {name}="), &mut out);
        out.push_str(&shown(value));
    }
    out.push('\n');
    out
}

fn local_time(at: SystemTime, zone: &TimeZone) -> String {
    // A clock beyond what a calendar has is shown as its beginning.
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = at.to_zoned_datetime(zone.clone());
    at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// A value; in quotes if it could be taken for more than one.
fn shown(value: &Value) -> String {
    let Value::String(text) = value else {
        return value.to_string();
    };
    let is_plain = |c: char| is_harmless(c) && !c.is_whitespace() && !matches!(c, '"' | '=' | '\\');
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.clone(),
        false => format!(
            "\"{}\"",
            printable(&text.replace('\\', "\\\\").replace('"', "\\\""))
        ),
    }
}

/// The text with everything a terminal would obey written out.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match is_harmless(character) {
            true => out.push(character),
            // Writing to a string cannot fail.
            false => drop(write!(out, "\\u{{{:x}}}", u32::from(character))),
        }
    }
    out
}

fn styled(style: Style, text: &str, out: &mut String) {
    let _ = write!(out, "{style}{text}{style:#}");
}

fn dim(look: Look) -> Style {
    match look {
        Look::Coloured => Style::new().dimmed(),
        Look::Plain => Style::new(),
    }
}

fn level_style(level: Level, look: Look) -> Style {
    let colour = match level {
        _ if look == Look::Plain => return Style::new(),
        Level::ERROR => AnsiColor::Red,
        Level::WARN => AnsiColor::Yellow,
        Level::INFO => AnsiColor::Green,
        _ => AnsiColor::Blue,
    };
    Style::new().fg_color(Some(colour.into())).bold()
}
