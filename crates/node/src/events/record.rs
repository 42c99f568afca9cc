//! One line of the log as data, read out of what `tracing` hands over.
//!
//! Lengths are bounded here, once for all outputs. It must never escape anything: how text is made
//! harmless depends on where it goes.

use std::{fmt, time::SystemTime};

use serde_json::Value;
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When.
    pub at: SystemTime,
    /// How grave.
    pub level: Level,
    /// The id; `None` for what no operator has to know, and for lines of libraries.
    pub event: Option<String>,
    /// The module it comes from.
    pub target: &'static str,
    /// What happened, in words.
    pub text: String,
    /// What it is about, in the order in which it was written.
    pub fields: Vec<(&'static str, Value)>,
}

/// Names that a field must not have: a flat line of JSON has them already.
pub const RESERVED_FIELDS: [&str; 6] = ["at", "level", "seq", "target", "text", "fields"];
/// Longest text or value, in bytes; a longer one is cut. As much as the longest path of a tree.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Most fields of a line.
const FIELDS_MAX: usize = 16;
/// Under this name `tracing` hands over the text.
const MESSAGE: &str = "message";
/// And under this one our macros the id.
const EVENT: &str = "event";

impl Line {
    /// Reads a line out of an event of `tracing`.
    pub fn read(event: &Event<'_>, at: SystemTime) -> Self {
        let metadata = event.metadata();
        let mut line = Self {
            at,
            level: *metadata.level(),
            event: None,
            target: metadata.target(),
            text: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        line
    }

    /// The value of a field as text, if it is one.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| *field == name)?;
        field.1.as_str()
    }

    fn put(&mut self, field: &Field, value: Value) {
        if self.fields.len() < FIELDS_MAX {
            self.fields.push((field.name(), value));
        }
    }

    fn put_text(&mut self, field: &Field, mut text: String) {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        match field.name() {
            MESSAGE => self.text = text,
            EVENT => self.event = Some(text),
            _ => self.put(field, Value::String(text)),
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value.to_owned());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
}
