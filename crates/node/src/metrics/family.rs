//! A metric's name, kind, unit and meaning: what stands above its samples.
//!
//! The rules for names are those of Prometheus and OpenMetrics: base units, the unit last, and
//! `_total` for what only grows. A family that breaks them must never reach a sheet; tests look.

/// Metrics of one name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Family {
    /// The name without the suffix that its kind adds.
    pub name: &'static str,
    /// What its samples are.
    pub kind: Kind,
    /// In what they are counted.
    pub unit: Unit,
    /// What it means, in a sentence without full stop.
    pub help: &'static str,
}

/// What the samples of a family are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Sums since the start of the process; sampled as `NAME_total`.
    Counter,
    /// Values of now.
    Gauge,
    /// Distributions since the start of the process.
    Histogram,
    /// Texts, as labels of a sample that is 1; sampled as `NAME_info`.
    Info,
}

/// Units of OpenMetrics that we use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Things, or flags that are 0 or 1.
    None,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// A share or a multiple of one.
    Ratio,
    /// Seconds.
    Seconds,
}

impl Family {
    /// Something that only grows.
    pub const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self::of(Kind::Counter, name, unit, help)
    }

    /// Something that goes up and down.
    pub const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self::of(Kind::Gauge, name, unit, help)
    }

    /// A distribution.
    pub const fn histogram(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self::of(Kind::Histogram, name, unit, help)
    }

    /// Texts.
    pub const fn info(name: &'static str, help: &'static str) -> Self {
        Self::of(Kind::Info, name, Unit::None, help)
    }

    const fn of(kind: Kind, name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self {
            name,
            kind,
            unit,
            help,
        }
    }

    /// The name of its plain samples.
    pub(super) fn sample_name(&self) -> String {
        format!("{}{}", self.name, self.kind.suffix())
    }
}

impl Kind {
    /// What is added to the name of a sample.
    fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

impl Unit {
    /// As it stands at the end of a name and in `# UNIT`; `None` if there is none.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Bytes => Some("bytes"),
            Self::BytesPerSecond => Some("bytes_per_second"),
            Self::Ratio => Some("ratio"),
            Self::Seconds => Some("seconds"),
        }
    }
}
