//! The tables: known results, and ours beside them.
//!
//! Each is a function from a seed and a size to a [`Sheet`]; the tests run the same functions at
//! reduced size. A table must never be loosened to pass: where it fails, the simulator is wrong.

mod farm;
mod insensitivity;
mod prequal;
mod queues;
mod stale;
mod supermarket;
mod targets;

use std::{fmt, str::FromStr};

use crate::{parallel::each_cell, random::Seed, sheet::Sheet};

/// One of the tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Table {
    /// The supermarket model.
    R1,
    /// Exact queueing results.
    R2,
    /// A stale bulletin board.
    R3,
    /// Sharing, by law of size.
    R4,
    /// Prequal's testbed.
    R5,
    /// The reference farm.
    R6,
    /// What is claimed of the product.
    Targets,
}

/// How large a run is, as a multiple of full size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale(f64);

/// Text that is no scale or table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TableError {
    /// Not a scale.
    Scale(String),
    /// Not a table.
    Table(String),
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::R1,
        Self::R2,
        Self::R3,
        Self::R4,
        Self::R5,
        Self::R6,
        Self::Targets,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::R1 => "R1",
            Self::R2 => "R2",
            Self::R3 => "R3",
            Self::R4 => "R4",
            Self::R5 => "R5",
            Self::R6 => "R6",
            Self::Targets => "targets",
        }
    }

    /// What it is about.
    pub fn title(self) -> &'static str {
        match self {
            Self::R1 => "supermarket model (Mitzenmacher, TPDS 12(10), 2001): mean time",
            Self::R2 => "exact results for queues and shared links",
            Self::R3 => "stale bulletin board (after Mitzenmacher, TPDS 11(1), 2000): mean time",
            Self::R4 => "sharing is nearly insensitive to sizes under JSQ (Gupta et al., 2007)",
            Self::R5 => "Prequal's testbed (NSDI 2024): order and collapse of rules",
            Self::R6 => "the reference farm, by policy and age of reports: slowdown",
            Self::Targets => "what is claimed of marginal-cost with reports of 1 s",
        }
    }

    /// Runs it.
    pub fn run(self, seed: Seed, scale: Scale) -> Sheet {
        let mut sheet = Sheet::new(format!("{}: {}", self.name(), self.title()));
        let fill = match self {
            Self::R1 => supermarket::fill,
            Self::R2 => queues::fill,
            Self::R3 => stale::fill,
            Self::R4 => insensitivity::fill,
            Self::R5 => prequal::fill,
            Self::R6 => farm::fill,
            Self::Targets => targets::fill,
        };
        fill(&mut sheet, seed, scale);
        sheet
    }
}

impl Scale {
    /// The size at which results are quoted.
    pub const FULL: Self = Self(1.0);

    /// A multiple of full size; `None` for what is no positive number up to 1000.
    pub fn new(ratio: f64) -> Option<Self> {
        (ratio > 0.0 && ratio <= 1000.0).then_some(Self(ratio))
    }

    /// Whether the run is so large; what needs more is left out, with a note.
    pub fn reaches(self, ratio: f64) -> bool {
        self.0 >= ratio
    }

    /// A duration, where `full_s` is full size.
    pub fn of(self, full_s: f64) -> f64 {
        full_s * self.0
    }

    /// How many flows, where `full` are full size; at least a thousand.
    pub fn flows(self, full: u64) -> u64 {
        ((full as f64 * self.0) as u64).max(1_000)
    }
}

impl FromStr for Scale {
    type Err = TableError;

    fn from_str(text: &str) -> Result<Self, TableError> {
        let ratio = text.parse().ok();
        let error = || TableError::Scale(text.to_owned());
        ratio.and_then(Self::new).ok_or_else(error)
    }
}

impl FromStr for Table {
    type Err = TableError;

    fn from_str(text: &str) -> Result<Self, TableError> {
        let is_named = |table: &Self| table.name().eq_ignore_ascii_case(text);
        let error = || TableError::Table(text.to_owned());
        Self::ALL.into_iter().find(is_named).ok_or_else(error)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scale(text) => write!(f, "{text:?} is no scale; write for example 0.1"),
            Self::Table(text) => {
                let names = Table::ALL.map(Table::name).join(", ");
                write!(f, "{text:?} is no table; use one of {names}")
            }
        }
    }
}

impl std::error::Error for TableError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_scales_are_read() {
        assert_eq!("r3".parse(), Ok(Table::R3));
        for text in ["R9", ""] {
            let error = text.parse::<Table>().unwrap_err().to_string();
            assert!(error.ends_with("is no table; use one of R1, R2, R3, R4, R5, R6, targets"));
        }
        assert_eq!("1".parse(), Ok(Scale::FULL));
        for text in ["0", "-1", "x", "NaN", "inf"] {
            let error = text.parse::<Scale>().unwrap_err().to_string();
            assert!(error.ends_with("is no scale; write for example 0.1"));
        }
    }
}
