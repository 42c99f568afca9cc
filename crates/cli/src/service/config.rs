//! The configuration file: `--config FILE`, TOML.
//!
//! What the command line says has the last word. A key that is not known is an error, with its line:
//! a limit that was meant and not set is worse than a node that does not start.

use std::{
    fs,
    path::{Path, PathBuf},
};

use overspill_core::fleet::{ZoneError, Zones};
use overspill_node::{RuleError, RuleText, Rules};
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::{dispatch::ZoneTable, limits::LimitArgs};

/// What a configuration file says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FileConfig {
    /// Options that bound what clients may take.
    pub(crate) limits: LimitArgs,
    /// Which networks are in which zone.
    zones: ZoneTable,
    /// What is added to the answers for some paths.
    rule: Vec<Spanned<RuleText>>,
}

/// Why a configuration file is of no use.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}; give a readable file with --config")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{path}:{line}: {message}")]
    Parse {
        path: PathBuf,
        line: usize,
        message: String,
    },
    /// A zone or network is none.
    #[error("{path}: [zones]: {source}")]
    Zone { path: PathBuf, source: ZoneError },
    /// A rule is none.
    #[error("{path}:{line}: rule {number}: {source}")]
    Rule {
        path: PathBuf,
        line: usize,
        number: usize,
        source: RuleError,
    },
}

impl FileConfig {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config: Self = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            line: line_of(&text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        // One by one first, to say which.
        for (at, rule) in config.rule.iter().enumerate() {
            let alone = vec![rule.get_ref().clone()];
            Rules::compile(alone).map_err(|source| ConfigError::Rule {
                path: path.to_owned(),
                line: line_of(&text, rule.span().start),
                number: at + 1,
                source,
            })?;
        }
        config.zones.zones().map_err(|source| ConfigError::Zone {
            path: path.to_owned(),
            source,
        })?;
        Ok(config)
    }

    /// Which networks are in which zone.
    pub(crate) fn zones(&self) -> Result<Zones, ZoneError> {
        self.zones.zones()
    }

    /// The rules, compiled.
    pub(crate) fn rules(&self) -> Result<Rules, RuleError> {
        Rules::compile(
            self.rule
                .iter()
                .map(|rule| rule.get_ref().clone())
                .collect(),
        )
    }
}

/// The line, from 1, that holds the byte at `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|&&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FileConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("overspill.toml");
        fs::write(&path, text).unwrap();
        let folder = format!("{}/", folder.path().display());
        FileConfig::read(&path).map_err(|error| error.to_string().replace(&folder, ""))
    }

    #[test]
    fn limits_and_rules_are_read() {
        let config = read(
            "[limits]\nmax_connections = 100\nidle_timeout = \"90s\"\nmin_rate = \"1KiB/s\"\n\
             max_head_size = \"32KiB\"\n\n\
             [[rule]]\nmatch = [\"*.iso\"]\ncache_control = \"immutable\"\n\
             headers = { X-A = \"b\" }\ncors = [\"*\"]\nlinks = 1\nprecompressed = false\n",
        );
        let config = config.unwrap();
        let limits = config.limits.limits().unwrap();
        assert_eq!(limits.connections, 100);
        assert_eq!(limits.idle.as_secs(), 90);
        assert_eq!(limits.head.head_bytes, 32 << 10);
        assert_eq!(config.rule.len(), 1);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, message) in [
            (
                "[limits]\n\nmax_conections = 1\n",
                "overspill.toml:3: unknown field `max_conections`",
            ),
            ("[limit]\n", "overspill.toml:1: unknown field `limit`"),
            (
                "[limits]\nmin_rate = \"fast\"\n",
                "overspill.toml:2: \"fast\" is not a rate; write for example 100MiB/s or 1Gbit/s",
            ),
            (
                "[limits]\nidle_timeout = \"0s\"\n",
                "overspill.toml:2: expected a time of up to a day",
            ),
            (
                "[[rule]]\nmatch = [\"a\"]\n[[rule]]\nmatch = []\n",
                "overspill.toml:3: rule 2: a rule needs match = [\"GLOB\", …]",
            ),
            ("a = [", "overspill.toml:1: "),
            (
                "[zones]\nnorth = [\"10.0.0.0/33\"]\n",
                "overspill.toml: [zones]: \"10.0.0.0/33\" is not a network",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
        let missing = FileConfig::read(Path::new("/nowhere/x.toml")).unwrap_err();
        assert!(
            missing
                .to_string()
                .ends_with("give a readable file with --config")
        );
    }
}
