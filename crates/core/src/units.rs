//! Sizes, rates and dates as people write them.
//!
//! Sizes are bytes and rates bytes per second everywhere inside; only this module knows the other
//! spellings. It must never guess: a text it cannot read is an error that shows the right form.

use std::{fmt, str::FromStr, time::Duration};

use bytesize::ByteSize;
use thiserror::Error;

/// A data rate in bytes per second; never zero.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(f64);

/// Text that is no size, rate or date.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum UnitError {
    /// Not a date.
    #[error("{0:?} is not a date; write 2026-01-31 or 2026-01-31T12:00:00Z")]
    Date(String),
    /// Not a rate.
    #[error("{0:?} is not a rate; write for example 100MiB/s or 1Gbit/s")]
    Rate(String),
    /// Not a size.
    #[error("{0:?} is not a size; write for example 500, 10MiB or 4.7GB")]
    Size(String),
}

impl Rate {
    /// One gigabit per second, the commonest link: what is assumed until something is known.
    pub const GIGABIT: Self = Self(125_000_000.0);

    /// A rate of so many bytes per second; anything below one, or not a number, becomes one.
    pub fn from_bytes_per_s(bytes_per_s: f64) -> Self {
        Self(if bytes_per_s >= 1.0 { bytes_per_s } else { 1.0 })
    }

    /// Bytes per second, at least one.
    pub fn bytes_per_s(self) -> f64 {
        self.0
    }

    /// How long `bytes` take at this rate, in seconds.
    pub fn seconds_for(self, bytes: f64) -> f64 {
        bytes / self.0
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    /// Reads `100MiB/s`, `50MB`, `1Gbit/s`, `800Mbit`, `2.5Gbps`; bits only where the text says bit.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::Rate(text.to_owned());
        let bare = text.trim();
        let (amount, bits) = match bare.strip_suffix("bps") {
            Some(amount) => (amount, 8.0),
            None => {
                let amount = bare.strip_suffix("/s").unwrap_or(bare);
                match amount.strip_suffix("bit") {
                    Some(amount) => (amount, 8.0),
                    None => (amount, 1.0),
                }
            }
        };
        // Mb, or a bare M, is a byte to some and a bit to others.
        let is_clear = bits > 1.0
            || amount.ends_with('B')
            || !amount.ends_with(|c: char| c.is_ascii_alphabetic());
        if !is_clear {
            return Err(error());
        }
        let amount = if bits > 1.0 && amount.ends_with(|c: char| c.is_ascii_alphabetic()) {
            parse_size(&format!("{amount}B"))
        } else {
            parse_size(amount)
        };
        let bytes_per_s = amount.map_err(|_| error())? as f64 / bits;
        if bytes_per_s < 1.0 {
            return Err(error());
        }
        Ok(Self(bytes_per_s))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", display_size(self.0 as u64))
    }
}

/// Reads a size: `500`, `10MiB`, `10M` (decimal), `4.7GB`.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    text.trim()
        .parse::<ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| UnitError::Size(text.to_owned()))
}

/// Writes a size for people, in powers of 1024: `1.5 MiB`.
pub fn display_size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

/// Writes a number of things: `1 file`, `2 files`.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Reads a UTC date or time, ISO 8601: nanoseconds since 1970.
pub fn parse_date_ns(text: &str) -> Result<i64, UnitError> {
    let error = || UnitError::Date(text.to_owned());
    let bare = text.trim();
    let full = match bare.len() {
        10 => format!("{bare}T00:00:00Z"),
        _ => bare.to_owned(),
    };
    let time = humantime::parse_rfc3339_weak(&full).map_err(|_| error())?;
    let since_epoch = time
        .duration_since(std::time::UNIX_EPOCH)
        .map_err(|_| error())?;
    i64::try_from(since_epoch.as_nanos()).map_err(|_| error())
}

/// Writes nanoseconds since 1970 as `2026-01-31T12:00:00Z`; times before 1970 show as 1970.
pub fn display_date(unix_ns: i64) -> String {
    let since_epoch = Duration::from_secs(u64::try_from(unix_ns).unwrap_or(0) / 1_000_000_000);
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + since_epoch).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_parse() {
        for (text, bytes_per_s) in [
            ("1000", 1000.0),
            ("100MiB/s", 104_857_600.0),
            ("50MB", 50e6),
            ("1Gbit/s", 125e6),
            ("800Mbit", 100e6),
            ("2.5Gbps", 312.5e6),
            ("8000bit/s", 1000.0),
        ] {
            assert_eq!(
                text.parse::<Rate>().unwrap().bytes_per_s(),
                bytes_per_s,
                "{text}"
            );
        }
        for text in [
            "",
            "fast",
            "0",
            "-1",
            "10 parsecs",
            "1/s/s",
            "0bit/s",
            "1G",
            "9Mb/s",
        ] {
            assert_eq!(
                text.parse::<Rate>(),
                Err(UnitError::Rate(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn sizes_parse_and_print() {
        for (text, bytes) in [
            ("0", 0),
            ("500", 500),
            ("10MiB", 10 << 20),
            ("4.7GB", 4_700_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        assert!(parse_size("ten").is_err());
        assert_eq!(display_size(1536), "1.5 KiB");
        assert_eq!(
            [0, 1, 2].map(|count| counted(count, "file")),
            ["0 files", "1 file", "2 files"]
        );
    }

    #[test]
    fn dates_parse_and_print() {
        let noon = 1_769_860_800_000_000_000;
        for text in ["2026-01-31T12:00:00Z", "2026-01-31 12:00:00"] {
            assert_eq!(parse_date_ns(text), Ok(noon), "{text}");
        }
        assert_eq!(parse_date_ns("2026-01-31"), Ok(noon - 43_200_000_000_000));
        assert_eq!(display_date(noon), "2026-01-31T12:00:00Z");
        assert_eq!(display_date(-5), "1970-01-01T00:00:00Z");
        for text in ["", "yesterday", "2026-13-01", "31.01.2026"] {
            assert!(parse_date_ns(text).is_err(), "{text}");
        }
    }
}
