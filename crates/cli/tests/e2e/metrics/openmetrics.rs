//! A reader of OpenMetrics 1.0 that forgives nothing: what it takes, every scraper takes.
//!
//! It must never share code with what writes the text.

use std::collections::{BTreeMap, HashSet};

/// Metrics of one name.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) unit: Option<String>,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
}

/// One line with a value.
#[derive(Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

impl Family {
    /// Names of its samples with the suffixes of its kind.
    pub(super) fn sample_names(&self) -> Vec<String> {
        let suffixes: &[&str] = match self.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            other => panic!("{}: unknown type {other}", self.name),
        };
        let named = suffixes
            .iter()
            .map(|suffix| format!("{}{suffix}", self.name));
        named.collect()
    }

    /// The names of its labels, without the bounds of buckets.
    pub(super) fn labels(&self) -> Vec<&str> {
        let labels = self.samples.iter().flat_map(|sample| sample.labels.keys());
        let mut labels: Vec<&str> = labels
            .map(String::as_str)
            .filter(|name| *name != "le")
            .collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    /// The value of the only sample with these labels, or of the only one.
    pub(super) fn value(&self, labels: &[(&str, &str)]) -> Option<f64> {
        let has_all = |sample: &&Sample| {
            let mut labels = labels.iter();
            labels.all(|(name, value)| sample.labels.get(*name).is_some_and(|is| is == value))
        };
        self.samples.iter().find(has_all).map(|sample| sample.value)
    }
}

/// Reads a whole exposition.
///
/// # Panics
/// With the line, where anything is not as the standard wants it.
pub(super) fn read(text: &str) -> Vec<Family> {
    let body = text
        .strip_suffix("# EOF\n")
        .expect("an exposition ends with # EOF");
    let mut families: Vec<Family> = Vec::new();
    for line in body.lines() {
        match line.strip_prefix("# ") {
            Some(comment) => take_comment(comment, &mut families),
            None => {
                let family = families
                    .last_mut()
                    .unwrap_or_else(|| panic!("no family: {line}"));
                family.samples.push(sample(line));
            }
        }
    }
    let names: HashSet<&str> = families.iter().map(|family| family.name.as_str()).collect();
    assert_eq!(names.len(), families.len(), "a family stands there twice");
    families.iter().for_each(check);
    families
}

/// Takes in `TYPE`, `UNIT` or `HELP`; the first of them begins a family.
fn take_comment(comment: &str, families: &mut Vec<Family>) {
    let mut words = comment.splitn(3, ' ');
    let mut word = || {
        words
            .next()
            .unwrap_or_else(|| panic!("cut short: {comment}"))
    };
    let (keyword, name, text) = (word(), word(), word().to_owned());
    if families.last().is_none_or(|last| last.name != name) {
        families.push(Family {
            name: name.to_owned(),
            ..Family::default()
        });
    }
    let family = families.last_mut().expect("there is one");
    assert!(family.samples.is_empty(), "after its samples: {comment}");
    let slot = match keyword {
        "TYPE" => &mut family.kind,
        "UNIT" => family.unit.get_or_insert_default(),
        "HELP" => &mut family.help,
        other => panic!("{other}: {comment}"),
    };
    assert!(slot.is_empty(), "twice: {comment}");
    *slot = text;
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = match series.split_once('{') {
        None => (series, BTreeMap::new()),
        Some((name, rest)) => {
            let labels = rest
                .strip_suffix('}')
                .unwrap_or_else(|| panic!("no }}: {line}"));
            (name, read_labels(labels, line))
        }
    };
    assert!(is_name(name), "no name: {line}");
    let value = match value {
        "+Inf" => f64::INFINITY,
        value => value
            .parse()
            .unwrap_or_else(|_| panic!("no number: {line}")),
    };
    Sample {
        name: name.to_owned(),
        labels,
        value,
    }
}

/// Reads `name="value",...`, with the escapes `\\`, `\"` and `\n` in a value.
fn read_labels(mut text: &str, line: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text
            .split_once("=\"")
            .unwrap_or_else(|| panic!("no =: {line}"));
        assert!(is_name(name), "no label: {line}");
        let (mut value, mut letters, mut end) = (String::new(), rest.char_indices(), None);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = Some(at + 1);
                    break;
                }
                '\\' => match letters.next().map(|(_, escaped)| escaped) {
                    Some('n') => value.push('\n'),
                    Some(escaped @ ('"' | '\\')) => value.push(escaped),
                    other => panic!("escaped {other:?}: {line}"),
                },
                letter => value.push(letter),
            }
        }
        let rest = &rest[end.unwrap_or_else(|| panic!("no end: {line}"))..];
        text = rest.strip_prefix(',').unwrap_or(rest);
        assert!(
            rest.is_empty() || rest.len() > text.len(),
            "no comma: {line}"
        );
        let before = labels.insert(name.to_owned(), value);
        assert_eq!(before, None, "{name} twice: {line}");
    }
    labels
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let mut bytes = text.bytes();
    bytes.next().is_some_and(is_letter)
        && bytes.all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

/// What has to hold within a family.
fn check(family: &Family) {
    let name = &family.name;
    assert!(is_name(name), "{name}");
    let is_ours = name.starts_with("overspill_") || name.starts_with("process_");
    assert!(is_ours, "{name} says not whose it is");
    assert!(family.help.len() > 10, "{name} has no help");
    assert!(!family.help.ends_with('.'), "{name}: {}", family.help);
    assert!(
        !family.help.contains(['\\', '"', '|']),
        "{name}: {}",
        family.help
    );
    for suffix in ["_total", "_count", "_sum", "_bucket", "_info", "_created"] {
        assert!(!name.ends_with(suffix), "{name} ends in {suffix} already");
    }
    if let Some(unit) = &family.unit {
        assert!(
            name.ends_with(&format!("_{unit}")),
            "{name} is not in {unit}"
        );
    }
    for unit in ["seconds", "bytes", "ratio", "bytes_per_second"] {
        let says_so = name.ends_with(&format!("_{unit}"));
        assert!(!says_so || family.unit.is_some(), "{name} has no UNIT");
    }
    let names = family.sample_names();
    let mut seen = HashSet::new();
    for sample in &family.samples {
        assert!(names.contains(&sample.name), "{} in {name}", sample.name);
        let series = format!("{}{:?}", sample.name, sample.labels);
        assert!(seen.insert(series), "{sample:?} twice");
        assert!(sample.value >= 0.0, "{sample:?}");
    }
    if family.kind == "histogram" {
        check_histogram(family);
    }
}

/// Buckets rise to one without bound, which holds all.
fn check_histogram(family: &Family) {
    let of = |suffix: &str| {
        let name = format!("{}{suffix}", family.name);
        let samples = family.samples.iter();
        samples.filter(move |sample| sample.name == name)
    };
    let buckets: Vec<(f64, f64)> = of("_bucket")
        .map(|sample| {
            let bound = match sample.labels["le"].as_str() {
                "+Inf" => f64::INFINITY,
                bound => bound.parse().expect("a bound"),
            };
            (bound, sample.value)
        })
        .collect();
    assert!(
        buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
        "{buckets:?}"
    );
    let all = buckets.last().expect("a bucket");
    assert_eq!(all.0, f64::INFINITY, "{}", family.name);
    assert_eq!(of("_count").map(|sample| sample.value).sum::<f64>(), all.1);
    assert_eq!(of("_sum").count(), 1, "{}", family.name);
}
