//! A configuration file to begin with: every key with its default, all of them comments.
//!
//! It must never change anything by being there: whoever takes away a `#` changes that one thing.

use std::fmt::Write;

use super::{
    reference::{about_table, takes},
    registry::{Key, registry},
    tables::{RULE_KEYS, ZONES_EXAMPLE, ZONES_SUMMARY},
    value,
};

/// What stands at the top.
const INTRODUCTION: &str = "\
# Configuration of Overspill, for `overspill serve` and `overspill mirror`.
#
# Take away a # to set a key; the values shown are the defaults, or examples where the default is
# none. The command line wins over the environment, and that over this file.
#
#     overspill config check FILE     is all of it right?
#     overspill config show serve     what is in force, and where does it come from?
#
# A running service takes over changes within seconds, as on SIGHUP, and names in its log what
# needs a restart.
";

/// The whole file.
pub(crate) fn template() -> String {
    let mut out = INTRODUCTION.to_owned();
    for table in registry().tables() {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n# {}\n[{table}]\n", about_table(table));
        for (at, key) in registry().in_table(table).enumerate() {
            if at > 0 {
                out.push('\n');
            }
            describe(&mut out, key);
        }
    }
    let _ = write!(out, "\n# {ZONES_SUMMARY}.\n[zones]\n# {ZONES_EXAMPLE}\n");
    let _ = write!(
        out,
        "\n# Fields of answers, by path; the last rule has the last word.\n"
    );
    let _ = writeln!(out, "# [[rule]]");
    for key in RULE_KEYS {
        let _ = writeln!(out, "# {} = {}", key.name, key.example);
    }
    out
}

/// A line of its own for each key that may be set: `name = value`.
pub(crate) fn assignment(key: &Key) -> String {
    format!("{} = {}", key.name, value::example(key))
}

fn describe(out: &mut String, key: &Key) {
    let default = match key.default_text() {
        Some(default) => format!(" [default: {default}]"),
        None => String::new(),
    };
    let text = format!("{}{}.{default}", key.summary(), takes(key));
    for line in wrapped(&text, 97) {
        let _ = writeln!(out, "# {line}");
    }
    let _ = writeln!(out, "# {}", assignment(key));
}

/// The text in lines of at most so many characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut();
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
