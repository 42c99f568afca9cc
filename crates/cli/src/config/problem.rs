//! What is wrong with a configuration, and where it stands.
//!
//! Everything wrong is told at once, in the order of the file. It must never name a thing without
//! its remedy.

use std::{fmt, path::Path, sync::Arc};

/// A place in a file.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Place {
    pub(crate) file: Arc<Path>,
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
}

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// An option.
    CommandLine,
    /// An environment variable, by name.
    Environment(String),
    /// The configuration file.
    File(Place),
    /// Nobody said anything.
    Default,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Problem {
    pub(crate) place: Option<Place>,
    /// What is wrong; what to write.
    pub(crate) message: String,
}

impl Problem {
    /// Something that stands nowhere in a file.
    pub(crate) fn elsewhere(message: impl Into<String>) -> Self {
        Self {
            place: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment(variable) => f.write_str(variable),
            Self::File(place) => place.fmt(f),
            Self::Default => f.write_str("default"),
        }
    }
}
