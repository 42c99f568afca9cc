//! One record, one line: JSON or the combined format.
//!
//! A [`LineFormat`] belongs to one core and keeps the text of the current second. It must never
//! allocate for a record, and never write more than one line feed for it.

mod combined;
mod json;

use std::str::FromStr;

use overspill_core::units::display_date;
use overspill_http1::date::{IMF_FIXDATE_BYTES, UnixSeconds, write_imf_fixdate};
use thiserror::Error;

use super::{record::Record, text};

/// The forms a line can have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AccessLogFormat {
    /// What Apache and nginx call combined, with our own fields behind it as `name=value`. A reader
    /// of the standard format takes the first nine fields and ignores the rest.
    Combined,
    /// One JSON object per line, named as in the lexicon. A key without a value is left out.
    #[default]
    Json,
}

/// Text that is no format.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0:?} is not a format of the access log; write json or combined")]
pub struct AccessLogFormatError(String);

/// The lines of one core.
#[derive(Debug)]
pub(super) struct LineFormat {
    format: AccessLogFormat,
    /// This node's name, escaped.
    node: Vec<u8>,
    second: Second,
}

/// A second as text, made when it is new.
#[derive(Debug)]
struct Second {
    unix_s: u64,
    /// `2026-01-31T12:00:00` or `31/Jan/2026:12:00:00`.
    text: Vec<u8>,
}

impl AccessLogFormat {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Combined => "combined",
            Self::Json => "json",
        }
    }
}

impl FromStr for AccessLogFormat {
    type Err = AccessLogFormatError;

    fn from_str(text: &str) -> Result<Self, AccessLogFormatError> {
        [Self::Combined, Self::Json]
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| AccessLogFormatError(text.to_owned()))
    }
}

impl LineFormat {
    pub(super) fn new(format: AccessLogFormat, node: &str) -> Self {
        let mut escaped = Vec::new();
        match format {
            AccessLogFormat::Combined => text::combined(node.as_bytes(), &mut escaped),
            AccessLogFormat::Json => text::json(node.as_bytes(), &mut escaped),
        }
        Self {
            format,
            node: escaped,
            second: Second {
                unix_s: u64::MAX,
                text: Vec::new(),
            },
        }
    }

    /// Appends the line of `record`.
    pub(super) fn append(&mut self, record: &Record<'_>, line: &mut Vec<u8>) {
        self.tell_time(record.at_unix_us);
        match self.format {
            AccessLogFormat::Combined => {
                combined::append(record, &self.second.text, &self.node, line);
            }
            AccessLogFormat::Json => json::append(record, &self.second.text, &self.node, line),
        }
    }

    /// Appends the line that says that so many before it are missing.
    pub(super) fn append_dropped(
        &mut self,
        at_unix_us: u64,
        dropped_lines: u64,
        line: &mut Vec<u8>,
    ) {
        self.tell_time(at_unix_us);
        let (second, node) = (&self.second.text, &self.node);
        match self.format {
            AccessLogFormat::Combined => {
                combined::append_dropped(dropped_lines, second, node, line);
            }
            AccessLogFormat::Json => {
                json::append_dropped(dropped_lines, at_unix_us, second, node, line);
            }
        }
    }

    fn tell_time(&mut self, at_unix_us: u64) {
        let unix_s = at_unix_us / 1_000_000;
        if self.second.unix_s != unix_s {
            self.second = Second {
                unix_s,
                text: second_text(self.format, unix_s),
            };
        }
    }
}

fn second_text(format: AccessLogFormat, unix_s: u64) -> Vec<u8> {
    match format {
        AccessLogFormat::Combined => {
            let mut date = [0; IMF_FIXDATE_BYTES];
            write_imf_fixdate(UnixSeconds(unix_s), &mut date);
            // Sat, 31 Jan 2026 12:00:00 GMT
            let [day, month, year, time] =
                [&date[5..7], &date[8..11], &date[12..16], &date[17..25]];
            [day, b"/", month, b"/", year, b":", time].concat()
        }
        AccessLogFormat::Json => {
            let unix_ns = i64::try_from(unix_s)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000_000);
            let mut text = display_date(unix_ns).into_bytes();
            // Without its Z, which comes behind the microseconds.
            text.pop();
            text
        }
    }
}

#[cfg(test)]
mod tests;
