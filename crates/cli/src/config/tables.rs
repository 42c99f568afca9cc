//! The tables that no option stands for: `[zones]` and `[[rule]]`.
//!
//! What they mean is judged where it is used, in `core` and `node`; here is what TOML has to hold,
//! and at which place a judgement applies. They must never be read in part: one bad rule is a
//! problem of the whole file.

use std::collections::BTreeMap;

use overspill_core::fleet::{Zone, ZoneError, Zones};
use overspill_node::{RuleError, RuleText, Rules};
use toml::de::{DeTable, DeValue};

use super::{
    document::{Reading, Value},
    nearest::nearest,
    value::{article, quoted},
};

/// The table of zones.
pub(crate) const ZONES: &str = "zones";
/// The list of rules.
pub(crate) const RULE: &str = "rule";

/// What a key of a rule takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    Count,
    Fields,
    Flag,
    Text,
    Texts,
}

/// A key of a rule.
#[derive(Debug)]
pub(crate) struct RuleKey {
    pub(crate) name: &'static str,
    shape: Shape,
    pub(crate) example: &'static str,
    pub(crate) summary: &'static str,
}

/// What a zone is, for the reference.
pub(crate) const ZONES_SUMMARY: &str = "Networks by the name of the zone they are in; clients there \
     are served by the nodes whose zone has that name";
/// A zone, for the reference.
pub(crate) const ZONES_EXAMPLE: &str = "north = [\"10.1.0.0/16\", \"2001:db8::/32\"]";

/// Networks by zone, as they were written.
pub(crate) type ZoneTexts = BTreeMap<String, Vec<String>>;

/// The keys of a rule, in the order of the reference.
pub(crate) const RULE_KEYS: [RuleKey; 7] = [
    RuleKey {
        name: "match",
        shape: Shape::Texts,
        example: "[\"*.iso\", \"dists/**\"]",
        summary: "Globs of the paths it is about: without a slash for the name, with one for the \
                  whole path; required",
    },
    RuleKey {
        name: "cache_control",
        shape: Shape::Text,
        example: "\"public, max-age=3600\"",
        summary: "Value of Cache-Control",
    },
    RuleKey {
        name: "content_type",
        shape: Shape::Text,
        example: "\"application/octet-stream\"",
        summary: "Value of Content-Type",
    },
    RuleKey {
        name: "precompressed",
        shape: Shape::Flag,
        example: "true",
        summary: "Whether compressed files beside it (.zst, .br, .gz) are sent for it; without a \
                  word, for what browsers show or run",
    },
    RuleKey {
        name: "cors",
        shape: Shape::Texts,
        example: "[\"https://app.example\"]",
        summary: "Origins whose scripts may read it, or \"*\"",
    },
    RuleKey {
        name: "links",
        shape: Shape::Count,
        example: "1",
        summary: "Most mirrors named in Link fields of a redirect, 0 to 3; without a word, 3",
    },
    RuleKey {
        name: "headers",
        shape: Shape::Fields,
        example: "{ X-Robots-Tag = \"noindex\" }",
        summary: "Any other fields of the answer",
    },
];

/// A rule and where its parts stand.
pub(super) struct RuleAt {
    text: RuleText,
    at: usize,
    keys: BTreeMap<&'static str, usize>,
    is_sound: bool,
}

/// Reads `[zones]`.
pub(super) fn zones(reading: &mut Reading<'_>, table: &DeTable<'_>) -> (Zones, ZoneTexts) {
    let mut pairs = Vec::new();
    for (name, networks) in table {
        let zone: &str = name.get_ref();
        if let Err(error) = zone.parse::<Zone>() {
            reading.complain(name.span().start, error.to_string());
            continue;
        }
        let Some(networks) = texts(reading, zone, networks) else {
            continue;
        };
        for (network, at) in networks {
            match Zones::parse([(&*network, zone)]) {
                Ok(_) => pairs.push((network, zone)),
                Err(error) => reading.complain(at, error.to_string()),
            }
        }
    }
    let all = pairs.iter().map(|(network, zone)| (&**network, *zone));
    let zones = match Zones::parse(all) {
        Ok(zones) => zones,
        Err(error @ ZoneError::TooMany(_)) => {
            let first = table.iter().next().map_or(0, |(name, _)| name.span().start);
            reading.complain(first, format!("{error}; write wider ones"));
            Zones::default()
        }
        // Each was read by itself just now.
        Err(_) => Zones::default(),
    };
    let mut texts = ZoneTexts::new();
    for (network, zone) in pairs {
        texts.entry(zone.to_owned()).or_default().push(network);
    }
    (zones, texts)
}

/// Compiles the rules.
pub(super) fn rules(reading: &mut Reading<'_>, rules: Vec<RuleAt>) -> Rules {
    for rule in rules.iter().filter(|rule| rule.is_sound) {
        if let Err(error) = Rules::compile(vec![rule.text.clone()]) {
            reading.complain(rule.place_of(&error), with_remedy(&error));
        }
    }
    let first = rules.first().map_or(0, |rule| rule.at);
    let texts = rules.into_iter().map(|rule| rule.text).collect();
    match Rules::compile(texts) {
        Ok(rules) => rules,
        Err(error @ (RuleError::TooLong | RuleError::TooMany("rules"))) => {
            reading.complain(first, format!("{error}; write fewer, with more globs each"));
            Rules::default()
        }
        // Told above.
        Err(_) => Rules::default(),
    }
}

impl RuleAt {
    /// Reads one `[[rule]]`; `list_at` is where the list begins.
    pub(super) fn read(reading: &mut Reading<'_>, rule: &Value<'_>, list_at: usize) -> Self {
        let mut read = Self {
            text: RuleText::default(),
            at: match rule.span().start {
                0 => list_at,
                start => start,
            },
            keys: BTreeMap::new(),
            is_sound: true,
        };
        let before = reading.problems.len();
        match rule.get_ref() {
            DeValue::Table(table) => {
                for (name, value) in table {
                    read.take(reading, name.get_ref(), name.span().start, value);
                }
            }
            other => {
                let text = format!("a rule is a table, not {}; write [[rule]]", article(other));
                reading.complain(read.at, text);
            }
        }
        read.is_sound = reading.problems.len() == before;
        read
    }

    fn take(&mut self, reading: &mut Reading<'_>, name: &str, at: usize, value: &Value<'_>) {
        let Some(key) = RULE_KEYS.iter().find(|key| key.name == name) else {
            let names = RULE_KEYS.iter().map(|key| key.name);
            let remedy = match nearest(name, names.clone()) {
                Some(meant) => meant.to_owned(),
                None => format!("one of {}", names.collect::<Vec<_>>().join(", ")),
            };
            reading.complain(
                at,
                format!("there is no key {name} in [[rule]]; write {remedy}"),
            );
            return;
        };
        self.keys.insert(key.name, value.span().start);
        match key.shape {
            Shape::Texts => self.take_texts(reading, key, value),
            Shape::Fields => self.text.headers = fields(reading, value),
            Shape::Text | Shape::Flag | Shape::Count => self.take_single(reading, key, value),
        }
    }

    fn take_texts(&mut self, reading: &mut Reading<'_>, key: &RuleKey, value: &Value<'_>) {
        let texts = texts(reading, key.name, value).unwrap_or_default();
        let texts = texts.into_iter().map(|(text, _)| text).collect();
        match key.name {
            "match" => self.text.paths = texts,
            _ => self.text.cors = texts,
        }
    }

    fn take_single(&mut self, reading: &mut Reading<'_>, key: &RuleKey, value: &Value<'_>) {
        let count = |digits: &str| digits.parse().ok();
        match (key.name, value.get_ref()) {
            ("cache_control", DeValue::String(text)) => {
                self.text.cache_control = Some(text.to_string());
            }
            ("content_type", DeValue::String(text)) => {
                self.text.content_type = Some(text.to_string());
            }
            ("precompressed", DeValue::Boolean(flag)) => self.text.precompressed = Some(*flag),
            ("links", DeValue::Integer(number)) if count(number.as_str()).is_some() => {
                self.text.links = count(number.as_str());
            }
            (name, other) => {
                let takes = match key.shape {
                    Shape::Flag => "true or false",
                    Shape::Count => "a number",
                    Shape::Text | Shape::Texts | Shape::Fields => "a string",
                };
                let text = format!(
                    "{name} takes {takes}, not {}; write for example {name} = {}",
                    article(other),
                    key.example
                );
                reading.complain(value.span().start, text);
            }
        }
    }

    /// Where in the rule an error belongs.
    fn place_of(&self, error: &RuleError) -> usize {
        let key = match error {
            RuleError::Glob { .. } | RuleError::NoPaths => "match",
            RuleError::FieldName(_) | RuleError::Ours(_) => "headers",
            RuleError::Origin(_) => "cors",
            RuleError::Links(_) => "links",
            RuleError::Control(field) => match field.to_ascii_lowercase().as_str() {
                "cache-control" | "cache_control" => "cache_control",
                "content-type" | "content_type" => "content_type",
                _ => "headers",
            },
            _ => "",
        };
        self.keys.get(key).copied().unwrap_or(self.at)
    }
}

/// The error, and what to write where it does not say so itself.
fn with_remedy(error: &RuleError) -> String {
    let text = error.to_string();
    let remedy = match error {
        RuleError::Control(_) => "take it out",
        RuleError::Glob { .. } => "write for example *.iso or dists/**",
        RuleError::Links(_) => "write 0 to 3",
        RuleError::NoPaths => "write the paths it is about",
        RuleError::Ours(_) if !text.contains("; ") => "leave it out",
        RuleError::TooMany(_) => "write several rules",
        _ => return text,
    };
    format!("{text}; {remedy}")
}

/// A list of strings, each with its place.
fn texts(reading: &mut Reading<'_>, name: &str, value: &Value<'_>) -> Option<Vec<(String, usize)>> {
    let DeValue::Array(items) = value.get_ref() else {
        let example = match value.get_ref() {
            DeValue::String(text) => quoted(text),
            _ => "\"…\"".to_owned(),
        };
        let text = format!(
            "{name} takes a list of strings, not {}; write {name} = [{example}]",
            article(value.get_ref())
        );
        reading.complain(value.span().start, text);
        return None;
    };
    let mut texts = Vec::new();
    for item in items.iter() {
        match item.get_ref() {
            DeValue::String(text) => texts.push((text.to_string(), item.span().start)),
            other => {
                let text = format!(
                    "{name} takes strings, not {}; put it into double quotes",
                    article(other)
                );
                reading.complain(item.span().start, text);
            }
        }
    }
    Some(texts)
}

/// Fields by name.
fn fields(reading: &mut Reading<'_>, value: &Value<'_>) -> BTreeMap<String, String> {
    let DeValue::Table(table) = value.get_ref() else {
        let text = format!(
            "headers takes a table, not {}; write headers = {{ Name = \"value\" }}",
            article(value.get_ref())
        );
        reading.complain(value.span().start, text);
        return BTreeMap::new();
    };
    let mut fields = BTreeMap::new();
    for (name, value) in table {
        match value.get_ref() {
            DeValue::String(text) => {
                fields.insert(name.get_ref().to_string(), text.to_string());
            }
            other => {
                let name: &str = name.get_ref();
                let text = format!(
                    "{name} takes a string, not {}; put it into double quotes",
                    article(other)
                );
                reading.complain(value.span().start, text);
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_rule_is_described() {
        let full = RuleText {
            paths: vec!["a".to_owned()],
            cache_control: Some("a".to_owned()),
            content_type: Some("a".to_owned()),
            precompressed: Some(true),
            cors: vec!["*".to_owned()],
            links: Some(1),
            headers: [("A".to_owned(), "b".to_owned())].into(),
        };
        let json = serde_json::to_value(&full).unwrap();
        let mut known: Vec<_> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut described: Vec<_> = RULE_KEYS.iter().map(|key| key.name).collect();
        known.sort_unstable();
        described.sort_unstable();
        assert_eq!(known, described);
    }
}
