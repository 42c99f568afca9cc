//! A configuration file as it was read: values with their places, and everything wrong with it.
//!
//! A mistake never hides another one: reading goes on behind it. A document must never be put in
//! force while it has problems; that is for whoever reads it to see to.

use std::{
    collections::BTreeSet, fs, io::Read, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc,
};

use overspill_core::fleet::Zones;
use overspill_node::Rules;
use rustix::fs::OFlags;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    nearest::nearest,
    problem::{Place, Problem},
    registry::{Key, Role, registry},
    tables::{self, RULE, RuleAt, ZONES, ZoneTexts},
    value,
};

/// A file, read as far as that goes.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) values: Vec<FileValue>,
    pub(crate) zones: Zones,
    /// The zones as they were written.
    pub(crate) zone_texts: ZoneTexts,
    pub(crate) rules: Rules,
    /// The services that have a table.
    pub(crate) roles: Vec<Role>,
    /// Everything wrong, in the order of the file.
    pub(crate) problems: Vec<Problem>,
}

/// A value that its option takes.
#[derive(Clone, Debug)]
pub(crate) struct FileValue {
    pub(crate) key: &'static Key,
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// A file's text while it is read.
pub(super) struct Reading<'a> {
    file: Arc<Path>,
    text: &'a str,
    pub(super) problems: Vec<Problem>,
}

/// The largest file that is read: 256 rules of 64 fields are far smaller.
const MAX_FILE_BYTES: u64 = 4 << 20;

impl Document {
    /// Reads a file; one that cannot be read is a document with that problem.
    pub(crate) fn read(path: &Path) -> Self {
        match read_text(path) {
            Ok(text) => Self::parse(path, &text),
            Err(problem) => Self {
                problems: vec![problem],
                ..Self::default()
            },
        }
    }

    /// Reads the text of the file `path`.
    pub(crate) fn parse(path: &Path, text: &str) -> Self {
        let mut reading = Reading {
            file: path.into(),
            text,
            problems: Vec::new(),
        };
        let (tables, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            reading.not_toml(error);
        }
        // What is left of a line that is no TOML says nothing.
        let broken = reading.broken_lines();
        let mut document = Self::default();
        let mut found = Reading {
            file: Arc::clone(&reading.file),
            text,
            problems: Vec::new(),
        };
        for (name, value) in tables.get_ref() {
            document.take(&mut found, name, value);
        }
        let is_whole = |place: &Place| !broken.contains(&place.line);
        let told = found.problems.into_iter();
        document.problems = reading.problems;
        document
            .problems
            .extend(told.filter(|problem| problem.place.as_ref().is_none_or(is_whole)));
        document.values.retain(|value| is_whole(&value.place));
        document.problems.sort();
        document.problems.dedup();
        document
    }

    /// Takes what stands at the top of the file: tables, and whatever got there by mistake.
    fn take(&mut self, reading: &mut Reading<'_>, name: &Name<'_>, value: &Value<'_>) {
        let at = name.span().start;
        let word: &str = name.get_ref();
        match (word, value.get_ref()) {
            (ZONES, DeValue::Table(table)) => {
                (self.zones, self.zone_texts) = tables::zones(reading, table);
            }
            (ZONES, _) => reading.complain(at, "zones is a table; write [zones]"),
            (RULE, DeValue::Array(rules)) => {
                let rules = rules.iter().map(|rule| RuleAt::read(reading, rule, at));
                let rules: Vec<_> = rules.collect();
                self.rules = tables::rules(reading, rules);
            }
            (RULE, _) => reading.complain(at, "rules are a list of tables; write [[rule]]"),
            (table, DeValue::Table(keys)) if registry().tables().contains(&table) => {
                let role = Role::ALL.into_iter().find(|role| role.name() == table);
                self.roles.extend(role);
                for (name, value) in keys {
                    self.take_key(reading, table, name, value);
                }
            }
            (table, _) if registry().tables().contains(&table) => {
                let text = format!("{table} is one table; write [{table}]");
                reading.complain(at, text);
            }
            (word, DeValue::Table(_) | DeValue::Array(_)) if !is_key(word) => {
                reading.complain(at, unknown_table(word));
            }
            (word, _) => reading.complain(at, unknown_key(word, None)),
        }
    }

    fn take_key(
        &mut self,
        reading: &mut Reading<'_>,
        table: &str,
        name: &Name<'_>,
        value: &Value<'_>,
    ) {
        let word: &str = name.get_ref();
        let key = registry()
            .keys
            .iter()
            .find(|key| key.table == table && key.name == word);
        let Some(key) = key else {
            reading.complain(name.span().start, unknown_key(word, Some(table)));
            return;
        };
        if key.is_secret() {
            let text = format!(
                "{word} is a secret and does not go into this file; set {}, or write {word}_file \
                 with the path of a file of its own",
                key.variable()
            );
            reading.complain(name.span().start, text);
            return;
        }
        match value::text_of(key, value.get_ref()) {
            Ok(text) => self.values.push(FileValue {
                key,
                text,
                place: reading.place(name.span().start),
            }),
            Err(message) => reading.complain(value.span().start, message),
        }
    }
}

/// A key with its place.
pub(super) type Name<'a> = Spanned<DeString<'a>>;
/// A value with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

impl<'a> Reading<'a> {
    /// Notes what is wrong at a byte of the text.
    pub(super) fn complain(&mut self, offset: usize, message: impl Into<String>) {
        let place = Some(self.place(offset));
        let message = message.into();
        self.problems.push(Problem { place, message });
    }

    /// The place of a byte of the text.
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            file: Arc::clone(&self.file),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// Lines that are no TOML; behind a broken heading, all lines up to the next one.
    fn broken_lines(&self) -> BTreeSet<usize> {
        let lines: Vec<&str> = self.text.lines().collect();
        let is_heading = |line: usize| {
            let text = lines.get(line - 1).map(|text| text.trim_start());
            text.is_none_or(|text| text.starts_with('['))
        };
        let mut broken = BTreeSet::new();
        for place in self.problems.iter().filter_map(|one| one.place.as_ref()) {
            broken.insert(place.line);
            if is_heading(place.line) {
                broken.extend((place.line + 1..).take_while(|line| !is_heading(*line)));
            }
        }
        broken
    }

    fn not_toml(&mut self, error: &toml::de::Error) {
        let at = error.span().map_or(0, |span| span.start);
        let reason = error.message().lines().collect::<Vec<_>>().join(", ");
        let message = match reason.as_str() {
            "duplicate key" => {
                let rest = self.text.get(at..).unwrap_or_default();
                let word = rest.split(|c: char| c.is_whitespace() || "=].".contains(c));
                let word = word.into_iter().find(|word| !word.is_empty());
                format!(
                    "{} stands here twice; keep one of them",
                    word.unwrap_or("a key")
                )
            }
            _ => format!("not TOML: {reason}; write KEY = VALUE, with strings in double quotes"),
        };
        self.complain(at, message);
    }
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let told = |reason: String| {
        let path = path.display();
        Problem::elsewhere(format!(
            "cannot read {path}: {reason}; give a readable file with --config"
        ))
    };
    // Neither opening nor reading may wait for somebody: a running service reads this, too.
    let file = fs::File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|error| told(error.to_string()))?;
    let facts = file.metadata().map_err(|error| told(error.to_string()))?;
    if !facts.is_file() {
        return Err(told("it is not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| told(error.to_string()))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(told(format!(
            "it is longer than {} MiB",
            MAX_FILE_BYTES >> 20
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let text = String::from_utf8_lossy(good);
        let reading = Reading {
            file: path.into(),
            text: &text,
            problems: Vec::new(),
        };
        Problem {
            place: Some(reading.place(text.len())),
            message: "this is not UTF-8; save the file as UTF-8".to_owned(),
        }
    })
}

/// Whether some table has such a key.
fn is_key(word: &str) -> bool {
    registry().keys.iter().any(|key| key.name == word)
}

fn unknown_table(word: &str) -> String {
    let tables = registry().tables().into_iter().chain([ZONES, RULE]);
    match nearest(word, tables.clone()) {
        Some(RULE) => format!("there is no table {word}; write [[rule]]"),
        Some(table) => format!("there is no table {word}; write [{table}]"),
        None => {
            let all: Vec<_> = registry()
                .tables()
                .iter()
                .map(|table| format!("[{table}]"))
                .collect();
            let all = all.join(", ");
            format!("there is no table {word}; write one of {all}, [{ZONES}], [[{RULE}]]")
        }
    }
}

/// What to write for a word that is no key of `table`, or stands outside of all tables.
fn unknown_key(word: &str, table: Option<&str>) -> String {
    let keys = || registry().keys.iter().filter(|key| !key.is_secret());
    let belonging = |name: &str| {
        let tables = keys().filter(|key| key.name == name);
        let tables: Vec<_> = tables.map(|key| format!("[{}]", key.table)).collect();
        tables.join(" or ")
    };
    if is_key(word) {
        return format!("{word} belongs in {}; write it there", belonging(word));
    }
    let here = table.map_or_else(
        || "outside of the tables".to_owned(),
        |table| format!("in [{table}]"),
    );
    let of_table = keys().filter(|key| Some(&*key.table) == table);
    if let Some(name) = nearest(word, of_table.map(|key| &*key.name)) {
        return format!("there is no key {word} {here}; write {name}");
    }
    match nearest(word, keys().map(|key| &*key.name)) {
        Some(name) => {
            let tables = belonging(name);
            format!("there is no key {word} {here}; write {name}, in {tables}")
        }
        None => {
            format!("there is no key {word} {here}; `overspill config init -` shows all there are")
        }
    }
}
