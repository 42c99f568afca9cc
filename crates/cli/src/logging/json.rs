//! A line as one flat JSON object.
//!
//! What terminals obey is escaped even where JSON would let it pass: lines of programs are looked at
//! by people, too.

use std::fmt::Write as _;

use overspill_node::events::{Line, RESERVED_FIELDS};
use serde_json::Value;

use super::level_name;

/// The line with its line feed.
pub(super) fn line(line: &Line) -> String {
    let at = humantime::format_rfc3339_millis(line.at).to_string();
    let mut out = String::from("{");
    member("at", &Value::String(at), &mut out);
    member("level", &Value::String(level_name(line)), &mut out);
    match &line.event {
        Some(event) => member("event", &Value::String(event.clone()), &mut out),
        None => member("target", &Value::String(line.target.to_owned()), &mut out),
    }
    member("text", &Value::String(line.text.clone()), &mut out);
    for (name, value) in &line.fields {
        match RESERVED_FIELDS.contains(name) {
            // Ours never are; a library's may be.
            true => member(&format!("field_{name}"), value, &mut out),
            false => member(name, value, &mut out),
        }
    }
    out.push_str("}\n");
    out
}

fn member(name: &str, value: &Value, out: &mut String) {
    if out.len() > 1 {
        out.push(',');
    }
    string(name, out);
    out.push(':');
    match value {
        Value::String(text) => string(text, out),
        // A number or a truth value; its JSON has nothing to escape.
        other => out.push_str(&other.to_string()),
    }
}

/// A JSON string (RFC 8259 section 7) of printable characters only.
fn string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            _ if is_harmless(character) => out.push(character),
            // All of those that do harm have four digits at most; writing to a string cannot fail.
            _ => drop(write!(out, "\\u{:04x}", u32::from(character))),
        }
    }
    out.push('"');
}

/// Whether a terminal only shows it: no control character, no line separator, nothing that reorders
/// the text around it.
pub(super) fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
