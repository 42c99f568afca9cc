//! The reference of all keys as Markdown, for the documentation.
//!
//! It must never say what the options do not say: it is made from them, and a test holds the page
//! against it.

use std::fmt::Write;

use super::{
    registry::{Key, Kind, Reload, Role, registry},
    tables::{RULE_KEYS, ZONES_EXAMPLE, ZONES_SUMMARY},
};

/// Between these lines the page is made from the options.
#[cfg(test)]
pub(crate) const MARKERS: (&str, &str) = (
    "<!-- made from the options; OVERSPILL_BLESS=1 cargo test -p overspill-cli config makes it anew -->\n",
    "<!-- end of what is made from the options -->\n",
);

/// The tables as Markdown.
#[cfg_attr(not(test), expect(dead_code, reason = "the page is made by a test"))]
pub(crate) fn reference() -> String {
    let mut out = String::new();
    for table in registry().tables() {
        // Writing to a String cannot fail.
        let _ = write!(out, "### `[{table}]`\n\n{}\n\n", about_table(table));
        out.push_str("| key | takes | default | option | environment | reloaded |\n");
        out.push_str("|---|---|---|---|---|---|\n");
        for key in registry().in_table(table) {
            row(&mut out, key);
        }
        out.push('\n');
        for key in registry().in_table(table) {
            let _ = writeln!(out, "- **`{}`**: {}.", key.name, escaped(&long_text(key)));
        }
        out.push('\n');
    }
    let secrets = registry().keys.iter().filter(|key| key.is_secret());
    for key in secrets {
        let _ = write!(
            out,
            "`{}` is a secret: set it by `{}` or put it into a file of its own (`{}_file`). It is \
             shown by no command.\n\n",
            key.name,
            key.variable(),
            key.name
        );
    }
    zones_and_rules(&mut out);
    out
}

/// One sentence about a table.
pub(crate) fn about_table(table: &str) -> String {
    match table {
        "serve" => "What only `overspill serve` knows, or is set for it alone.".to_owned(),
        "mirror" => "What only `overspill mirror` knows, or is set for it alone.".to_owned(),
        _ => {
            let keys = registry().in_table(table);
            let both = keys
                .into_iter()
                .any(|key| key.roles.len() == Role::ALL.len());
            let who = if both {
                "Both services"
            } else {
                "One of the services"
            };
            format!("{who}: the options under \"{}\".", table.replace('_', " "))
        }
    }
}

/// The words a key takes, if it takes words.
pub(crate) fn takes(key: &Key) -> String {
    let values = key.arg.get_possible_values();
    if key.kind() == Kind::Flag || values.is_empty() {
        return String::new();
    }
    let names: Vec<_> = values.iter().map(|value| value.get_name()).collect();
    format!(": {}", names.join(", "))
}

fn row(out: &mut String, key: &Key) {
    let value = match key.kind() {
        Kind::Flag => "true or false".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Quantity | Kind::Text | Kind::Either => format!("\"{}\"", key.value_name()),
    };
    let lives = key.roles.iter().map(|role| key.reload(*role));
    let lives: Vec<_> = lives.map(|reload| reload == Reload::Live).collect();
    let reloaded = match (lives.contains(&true), lives.contains(&false)) {
        (true, false) => "yes",
        (true, true) => "on a server",
        (false, _) => "needs a restart",
    };
    let default = key
        .default_text()
        .unwrap_or_else(|| match key.is_required() {
            true => "none: required".to_owned(),
            false => "none".to_owned(),
        });
    let _ = writeln!(
        out,
        "| `{}` | {} | {} | `{}` | `{}` | {reloaded} |",
        key.name,
        escaped(&value),
        escaped(&default),
        escaped(&key.option()),
        key.variable()
    );
}

fn zones_and_rules(out: &mut String) {
    let _ = write!(
        out,
        "### `[zones]`\n\n{ZONES_SUMMARY}. Reloaded.\n\n    [zones]\n    {ZONES_EXAMPLE}\n\n\
         ### `[[rule]]`\n\nFields of answers by path; as many as 256. Where several match, the last \
         has the last word on each point. The server tells its mirrors; those in a mirror's own file \
         hold until then. Reloaded on a server.\n\n| key | example | |\n|---|---|---|\n"
    );
    for key in RULE_KEYS {
        let _ = writeln!(
            out,
            "| `{}` | `{}` | {} |",
            key.name, key.example, key.summary
        );
    }
}

/// All of the help, as one paragraph without the default.
fn long_text(key: &Key) -> String {
    let long = key.arg.get_long_help().map(ToString::to_string);
    let text = match long {
        Some(long) => match long.split_once(" [default: ") {
            Some((before, after)) => {
                let rest = after.split_once(']').map_or("", |(_, rest)| rest);
                let before = before.replacen("\n\n", ". ", 1);
                format!("{before}. {}", rest.trim())
            }
            None => long.replacen("\n\n", ". ", 1),
        },
        None => key.summary(),
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.trim_end_matches(['.', ' ']).to_owned();
    text + &takes(key)
}

/// Without what Markdown would take for a table or a tag.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}
