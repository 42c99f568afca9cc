//! One value of one key: whether it can be meant, and what to write if not.
//!
//! The judge is the option's own parser; here is only what TOML adds: types. It must never accept
//! what the command line would refuse.

use std::{
    any::TypeId,
    ffi::{OsStr, OsString},
};

use clap::{Command, error::ErrorKind};
use overspill_core::policy::PolicyKind;
use overspill_node::AccessLogFormat;
use toml::de::DeValue;

use super::{
    nearest::nearest,
    registry::{Key, Kind, alone},
};

/// The value as text for the option's parser.
pub(crate) fn text_of(key: &Key, value: &DeValue<'_>) -> Result<String, String> {
    let text = match (key.kind(), value) {
        (Kind::Flag, DeValue::Boolean(flag)) => return Ok(flag.to_string()),
        (Kind::Number, DeValue::Integer(number)) => in_decimal(number.as_str(), number.radix()),
        (Kind::Either, DeValue::Integer(number)) => {
            let text = in_decimal(number.as_str(), number.radix());
            return check(key, OsStr::new(&text)).map(|()| text);
        }
        (Kind::Quantity, DeValue::Integer(number)) => {
            return Err(without_unit(key, number.as_str()));
        }
        (Kind::Quantity, DeValue::Float(number)) => return Err(without_unit(key, number.as_str())),
        (Kind::Text | Kind::Quantity | Kind::Either, DeValue::String(text)) => text.to_string(),
        _ => return Err(wrong_type(key, value)),
    };
    check(key, OsStr::new(&text)).map(|()| text)
}

/// Whether the option's parser takes the text; otherwise what is wrong and what to write.
pub(crate) fn check(key: &Key, text: &OsStr) -> Result<(), String> {
    if key.kind() == Kind::Flag {
        let is_word = flag(text).is_some();
        return is_word
            .then_some(())
            .ok_or_else(|| format!("{} is {text:?}; write true or false", key.name));
    }
    parse(key, text).map_err(|error| refusal(key, text, &error))
}

/// Has the option's own parser read the text.
fn parse(key: &Key, text: &OsStr) -> Result<(), clap::Error> {
    let command = Command::new("value")
        .no_binary_name(true)
        .disable_help_flag(true)
        .arg(alone(key.arg.clone()));
    command
        .try_get_matches_from(arguments(key, text))
        .map(|_| ())
}

/// The command line that gives `text` to the option.
pub(crate) fn arguments(key: &Key, text: &OsStr) -> Vec<OsString> {
    match key.arg.get_long() {
        Some(long) => {
            let mut argument = OsString::from(format!("--{long}="));
            argument.push(text);
            vec![argument]
        }
        None => vec![OsString::from("--"), text.to_owned()],
    }
}

/// What a word says of a flag.
pub(crate) fn flag(text: &OsStr) -> Option<bool> {
    match text.to_str()?.to_ascii_lowercase().as_str() {
        "1" | "on" | "true" | "yes" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A value that can be meant, in TOML: the default where it is one.
pub(crate) fn example(key: &Key) -> String {
    let text = match key.id() {
        "folder" => "/srv/pub".to_owned(),
        "server" => "http://files.example:8080".to_owned(),
        "state" | "store" => "/var/lib/overspill".to_owned(),
        "zone" => "north".to_owned(),
        "public_url" => "https://mirror.example".to_owned(),
        "log" => "info".to_owned(),
        _ if key.kind() == Kind::Text => "/etc/overspill/file".to_owned(),
        _ if key.kind() == Kind::Flag => "false".to_owned(),
        _ => fitting(key),
    };
    in_toml(key, &text)
}

/// The default, its first word, or an example that the option's parser takes.
fn fitting(key: &Key) -> String {
    let default = key.default_text().unwrap_or_default();
    let first = default.split([',', ' ']).next().unwrap_or_default();
    let examples: &[&str] = match key.kind() {
        Kind::Number => &["4", "100"],
        Kind::Quantity => &["100MiB/s", "365days"],
        Kind::Flag | Kind::Text | Kind::Either => &["8080", "16KiB", "127.0.0.1:8081"],
    };
    let candidates = [default.as_str(), first].into_iter();
    let candidates = candidates.chain(examples.iter().copied());
    let mut fitting = candidates.filter(|text| parse(key, OsStr::new(text)).is_ok());
    fitting.next().unwrap_or_default().to_owned()
}

/// A text that the option's parser takes, as TOML.
pub(crate) fn in_toml(key: &Key, text: &str) -> String {
    match key.kind() {
        Kind::Flag | Kind::Number => text.to_owned(),
        Kind::Either if text.parse::<u64>().is_ok() => text.to_owned(),
        Kind::Either | Kind::Quantity | Kind::Text => quoted(text),
    }
}

/// A basic string of TOML.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The words the option takes, if it takes words.
fn words(key: &Key) -> Vec<String> {
    let parsed = key.arg.get_value_parser().type_id();
    if parsed == TypeId::of::<PolicyKind>() {
        let names = PolicyKind::ALL.iter().map(|kind| kind.name().to_owned());
        return names.collect();
    }
    if parsed == TypeId::of::<AccessLogFormat>() {
        let formats = [AccessLogFormat::Json, AccessLogFormat::Combined];
        return formats.map(|format| format.name().to_owned()).into();
    }
    if key.kind() == Kind::Flag {
        return Vec::new();
    }
    let values = key.arg.get_possible_values();
    values
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect()
}

/// Why the parser refused, and the nearest word.
fn refusal(key: &Key, text: &OsStr, error: &clap::Error) -> String {
    let words = words(key);
    let given = text.to_string_lossy();
    if !words.is_empty() {
        let remedy = match nearest(&given, words.iter().map(String::as_str)) {
            Some(word) => format!("write {}", quoted(word)),
            None => format!("write one of {}", words.join(", ")),
        };
        return format!("{} cannot be {text:?}; {remedy}", key.name);
    }
    let given = match key.kind() {
        Kind::Number => given.into_owned(),
        _ => quoted(&given),
    };
    let reason = std::error::Error::source(error).map(ToString::to_string);
    let reason = reason.filter(|_| error.kind() == ErrorKind::ValueValidation);
    match reason {
        // It says itself what to write.
        Some(reason) if reason.contains("; ") => format!("{}: {reason}", key.name),
        Some(reason) => format!(
            "{} cannot be {given}: {reason}; write for example {}",
            key.name,
            example(key)
        ),
        None => format!(
            "{} cannot be {given}; write for example {}",
            key.name,
            example(key)
        ),
    }
}

/// A number where a unit is needed, with the commonest one.
fn without_unit(key: &Key, number: &str) -> String {
    let units = ["s", "MiB/s"];
    let written = units.map(|unit| format!("{number}{unit}"));
    let fits = |text: &&String| check(key, OsStr::new(text)).is_ok();
    let remedy = match written.iter().find(fits) {
        Some(text) => quoted(text),
        None => example(key),
    };
    format!(
        "{} is {number} without a unit; write for example {remedy}",
        key.name
    )
}

fn wrong_type(key: &Key, value: &DeValue<'_>) -> String {
    let takes = match key.kind() {
        Kind::Flag => "true or false",
        Kind::Number => "a number",
        Kind::Quantity | Kind::Text | Kind::Either => "a string",
    };
    let given = match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        _ => None,
    };
    // What was meant, if only the quotes are wrong.
    let meant =
        given.filter(|text| key.kind() != Kind::Flag && check(key, OsStr::new(text)).is_ok());
    let meant = match (key.kind(), value) {
        (Kind::Flag, DeValue::String(text)) => {
            flag(OsStr::new(&**text)).map(|flag| flag.to_string())
        }
        _ => meant.map(|text| in_toml(key, &text)),
    };
    let remedy = meant.unwrap_or_else(|| example(key));
    format!(
        "{} takes {takes}, not {}; write for example {} = {remedy}",
        key.name,
        article(value),
        key.name
    )
}

/// The type of a value with its article.
pub(crate) fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// TOML may write numbers by 2, 8 and 16; the command line does not.
fn in_decimal(digits: &str, radix: u32) -> String {
    match i64::from_str_radix(digits, radix) {
        Ok(number) => number.to_string(),
        Err(_) => digits.to_owned(),
    }
}
