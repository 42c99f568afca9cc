//! The server's rules, kept with the copies: a mirror that starts while its server is away answers as
//! it did before.
//!
//! It must never keep rules that do not compile, nor believe ones that the session did not sign.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use overspill_node::{RuleError, RuleText, Rules, SharedRules};
use thiserror::Error;

/// The rules in force, and where they are kept.
#[derive(Clone, Debug)]
pub(crate) struct KeptRules {
    path: PathBuf,
    rules: SharedRules,
}

/// Why rules were not taken.
#[derive(Debug, Error)]
pub(crate) enum KeepError {
    #[error("the rules are no JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error("the rules cannot be kept in {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
}

impl KeptRules {
    /// The rules that lie in `store`, put in force in `rules`; none if there are none.
    pub(crate) fn open(store: &Path, rules: &SharedRules) -> Self {
        let kept = Self {
            path: store.join("rules.json"),
            rules: Arc::clone(rules),
        };
        match fs::read_to_string(&kept.path) {
            Ok(text) => {
                if let Err(error) = kept.apply(&text) {
                    tracing::warn!(
                        event = "rules-refused", %error,
                        "the kept rules are left out until the server tells its own"
                    );
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(
                event = "rules-refused", %error,
                "the kept rules cannot be read; there are none until the server tells its own"
            ),
        }
        kept
    }

    /// Puts the server's rules in force, and keeps them if they are new.
    pub(crate) fn take(&self, text: &str) -> Result<(), KeepError> {
        self.apply(text)?;
        if fs::read_to_string(&self.path).is_ok_and(|kept| kept == text) {
            return Ok(());
        }
        let write = || {
            let new = self.path.with_extension("json.new");
            fs::write(&new, text)?;
            fs::rename(&new, &self.path)
        };
        write().map_err(|source| KeepError::Write {
            path: self.path.clone(),
            source,
        })
    }

    fn apply(&self, text: &str) -> Result<(), KeepError> {
        let texts: Vec<RuleText> = serde_json::from_str(text)?;
        // The same rules are left as they are: what was made by them stays good.
        if texts != self.rules.load().texts() {
            self.rules.store(Arc::new(Rules::compile(texts)?));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_outlive_the_process_and_bad_ones_change_nothing() {
        let store = tempfile::tempdir().unwrap();
        let rules = SharedRules::default();
        let kept = KeptRules::open(store.path(), &rules);
        assert!(rules.load().texts().is_empty());
        kept.take(r#"[{"match":["*.iso"],"cache_control":"immutable"}]"#)
            .unwrap();
        for bad in ["{", r#"[{"match":[]}]"#, r#"[{"match":["a"],"unknown":1}]"#] {
            assert!(kept.take(bad).is_err(), "{bad}");
        }
        assert_eq!(rules.load().texts().len(), 1);
        let after = SharedRules::default();
        KeptRules::open(store.path(), &after);
        assert_eq!(after.load().texts(), rules.load().texts());
        kept.take("[]").unwrap();
        assert!(rules.load().texts().is_empty());
    }
}
