//! `overspill config show`: each value and where it comes from, as TOML or JSON.
//!
//! What it prints as TOML is a configuration file that means the same; defaults are comments in it. It
//! must never print a secret.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Service, ShowArgs, say};
use crate::config::{
    problem::{Problem, Source},
    registry::{Kind, Role, registry},
    settle::{Entry, Environment, Gathered, Given, ServiceArgs},
    tables::RULE_KEYS,
    value::{in_toml, quoted},
};

impl ShowArgs {
    /// Prints what would be in force.
    pub(super) fn show(&self, environment: &Environment) -> Result<(), Vec<Problem>> {
        let (role, gathered) = match &self.service {
            Service::Mirror(given) => (Role::Mirror, gathered(given, environment)),
            Service::Serve(given) => (Role::Serve, gathered(given, environment)),
        };
        if !gathered.problems.is_empty() {
            return Err(gathered.problems);
        }
        match self.json {
            true => say(&format!("{:#}\n", as_json(role, &gathered))),
            false => say(&as_toml(role, &gathered)),
        }
    }
}

fn gathered<T: ServiceArgs>(given: &Given<T>, environment: &Environment) -> Gathered {
    let path = given.config(environment);
    given.gather(environment, path.as_deref())
}

fn as_toml(role: Role, gathered: &Gathered) -> String {
    let mut out = format!(
        "# What is in force for `overspill {}`, and its sources.\n",
        role.name()
    );
    for table in registry().tables() {
        let of_table = |entry: &&Entry| entry.key.table == table;
        let mut entries = gathered.entries.iter().filter(of_table).peekable();
        if entries.peek().is_none() {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = write!(out, "\n[{table}]\n");
        for entry in entries {
            let _ = writeln!(out, "{}", line(entry));
        }
    }
    zones_and_rules(&mut out, gathered);
    out
}

fn line(entry: &Entry) -> String {
    let (name, source) = (&entry.key.name, &entry.source);
    match &entry.text {
        _ if entry.key.is_secret() => match source {
            Source::Default => format!("# {name} is not set"),
            source => format!("# {name} is a secret  # {source}"),
        },
        Some(text) => {
            let value = in_toml(entry.key, &flag_word(entry, &text.to_string_lossy()));
            let is_default = if *source == Source::Default { "# " } else { "" };
            format!("{is_default}{name} = {value}  # {source}")
        }
        None if entry.key.kind() == Kind::Flag => format!("# {name} = false  # {source}"),
        None => format!("# {name}: {}  # {source}", entry.shown()),
    }
}

/// A flag as TOML writes it, whatever word the environment used.
fn flag_word(entry: &Entry, text: &str) -> String {
    match entry.key.kind() {
        Kind::Flag => entry.is_set().to_string(),
        _ => text.to_owned(),
    }
}

fn zones_and_rules(out: &mut String, gathered: &Gathered) {
    if !gathered.document.zone_texts.is_empty() {
        out.push_str("\n[zones]\n");
    }
    for (zone, networks) in &gathered.document.zone_texts {
        let networks = networks.iter().map(|network| quoted(network));
        let networks = networks.collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "{} = [{networks}]", quoted(zone));
    }
    for rule in gathered.document.rules.texts() {
        out.push_str("\n[[rule]]\n");
        let rule = serde_json::to_value(rule).unwrap_or_default();
        for key in RULE_KEYS {
            if let Some(value) = rule.get(key.name) {
                let _ = writeln!(out, "{} = {}", key.name, toml_of(value));
            }
        }
    }
}

/// JSON as TOML.
fn toml_of(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(toml_of).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("{} = {}", quoted(name), toml_of(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn as_json(role: Role, gathered: &Gathered) -> Value {
    let settings = gathered.entries.iter().map(|entry| {
        let mut setting = json!({
            "table": entry.key.table,
            "key": entry.key.name,
            "value": json_value(entry),
            "source": source(&entry.source),
        });
        if entry.key.is_secret() {
            setting["secret"] = true.into();
        }
        setting
    });
    json!({
        "service": role.name(),
        "settings": settings.collect::<Vec<_>>(),
        "zones": gathered.document.zone_texts,
        "rules": gathered.document.rules.texts(),
    })
}

fn json_value(entry: &Entry) -> Value {
    let Some(text) = entry.text.as_ref().filter(|_| !entry.key.is_secret()) else {
        return match entry.key.kind() {
            Kind::Flag => false.into(),
            _ => Value::Null,
        };
    };
    let text = text.to_string_lossy();
    match entry.key.kind() {
        Kind::Flag => entry.is_set().into(),
        Kind::Number => text.parse::<u64>().map_or(Value::Null, Value::from),
        Kind::Either | Kind::Quantity | Kind::Text => text.into(),
    }
}

fn source(source: &Source) -> Value {
    match source {
        Source::CommandLine => json!({ "from": "command-line" }),
        Source::Environment(variable) => json!({ "from": "environment", "variable": variable }),
        Source::File(place) => json!({
            "from": "file",
            "file": place.file.display().to_string(),
            "line": place.line,
            "column": place.column,
        }),
        Source::Default => json!({ "from": "default" }),
    }
}
