//! The text that a scrape gets, written family by family.
//!
//! Two dialects: OpenMetrics 1.0 for those who ask for it, and the older text of Prometheus (0.0.4)
//! for everybody else. They differ in the names above counters, in units and in the end. A sheet must
//! never hold a family twice: a scraper would refuse all of it.

use std::{
    collections::HashSet,
    fmt::{self, Write},
};

use axum::http::HeaderValue;
use overspill_net::Distribution;

use super::family::{Family, Kind};

/// A dialect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus 0.0.4.
    Prometheus,
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A real one.
    Real(f64),
    /// A whole one, exact beyond 2^53.
    Whole(u64),
}

/// Metrics as text.
#[derive(Debug)]
pub struct Sheet {
    format: Format,
    text: String,
    written: HashSet<&'static str>,
}

/// The samples of one family, while they are added.
#[derive(Debug)]
pub struct Samples<'a> {
    family: Family,
    name: String,
    text: &'a mut String,
}

/// Room for the metrics of a server with some mirrors.
const USUAL_BYTES: usize = 32 << 10;

impl Format {
    /// What is wanted by someone who accepts this: OpenMetrics only if it is named, for any other
    /// program is used to the older form.
    pub(super) fn accepted<'a>(accept: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        let names_it = |line: &HeaderValue| {
            let line = line.as_bytes().to_ascii_lowercase();
            let mut ranges = line.split(|&byte| byte == b',');
            ranges.any(|range| {
                range
                    .trim_ascii()
                    .starts_with(b"application/openmetrics-text")
            })
        };
        if accept.into_iter().any(names_it) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The media type.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Sheet {
    /// An empty sheet.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            text: String::with_capacity(USUAL_BYTES),
            written: HashSet::new(),
        }
    }

    /// Begins a family.
    ///
    /// # Panics
    /// When it stands on the sheet already: that is a mistake in the program.
    pub fn family(&mut self, family: Family) -> Samples<'_> {
        assert!(
            self.written.insert(family.name),
            "{} stands on the sheet already",
            family.name
        );
        self.head(&family);
        Samples {
            name: family.sample_name(),
            family,
            text: &mut self.text,
        }
    }

    /// A family of one sample without labels.
    pub fn one(&mut self, family: Family, value: impl Into<Number>) {
        self.family(family).add(&[], value);
    }

    /// The text.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn head(&mut self, family: &Family) {
        let sample_name = family.sample_name();
        let (name, kind) = match (self.format, family.kind) {
            (Format::OpenMetrics, kind) => (family.name, kind.word()),
            (Format::Prometheus, Kind::Info) => (&*sample_name, Kind::Gauge.word()),
            (Format::Prometheus, kind) => (&*sample_name, kind.word()),
        };
        let mut line = |keyword: &str, text: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(self.text, "# {keyword} {name} {text}");
        };
        line("TYPE", kind);
        if let (Format::OpenMetrics, Some(unit)) = (self.format, family.unit.word()) {
            line("UNIT", unit);
        }
        line("HELP", family.help);
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

impl Samples<'_> {
    /// Adds a sample. No two of a family may have the same labels.
    pub fn add(&mut self, labels: &[(&str, &str)], value: impl Into<Number>) -> &mut Self {
        self.line("", labels, None, value.into());
        self
    }

    /// Adds a distribution.
    pub fn distribution(&mut self, distribution: &Distribution) {
        debug_assert_eq!(self.family.kind, Kind::Histogram, "{}", self.name);
        for &(bound, count) in &distribution.buckets {
            self.line("_bucket", &[], Some(bound), count.into());
        }
        self.line("_sum", &[], None, distribution.sum.into());
        self.line("_count", &[], None, distribution.count().into());
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], bound: Option<f64>, value: Number) {
        self.text.push_str(&self.name);
        self.text.push_str(suffix);
        let bound = bound.map(|bound| Number::Real(bound).to_string());
        let bound = bound.iter().map(|bound| ("le", &**bound));
        let mut opening = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            self.text.push(opening);
            opening = ',';
            // Writing to a String cannot fail.
            let _ = write!(self.text, "{name}=\"{}\"", Escaped(value));
        }
        if opening == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// A label's value as it is written between quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real(real) if *real == f64::INFINITY => f.write_str("+Inf"),
            Self::Real(real) if *real == f64::NEG_INFINITY => f.write_str("-Inf"),
            // With a point, as OpenMetrics wants the bounds of buckets.
            Self::Real(real) if real.fract() == 0.0 => write!(f, "{real:.1}"),
            Self::Real(real) => write!(f, "{real}"),
            Self::Whole(whole) => write!(f, "{whole}"),
        }
    }
}

impl From<f64> for Number {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<u64> for Number {
    fn from(whole: u64) -> Self {
        Self::Whole(whole)
    }
}

impl From<usize> for Number {
    fn from(whole: usize) -> Self {
        Self::Whole(whole as u64)
    }
}

impl From<bool> for Number {
    fn from(flag: bool) -> Self {
        Self::Whole(flag.into())
    }
}

#[cfg(test)]
mod tests;
