//! The admin token in its file.
//!
//! It must never be shown anywhere but in that file, nor be made anew while there is one.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::constant_time;
use thiserror::Error;

use crate::secret_file;

/// The token's file in the state folder.
pub const ADMIN_TOKEN_FILE: &str = "admin-token";

/// 32 random bytes, written as 64 hexadecimal digits.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct AdminToken(String);

/// Why the admin token's file is of no use. The operator's to mend.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdminTokenError {
    /// It holds something else.
    #[error("{path} holds no admin token; remove the file to have a new one made")]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or made.
    #[error("cannot read or make the admin token's file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no randomness to give.
    #[error("the system's random source failed")]
    NoRandomness,
}

const TOKEN_CHARS: usize = 64;

impl AdminToken {
    /// Whether `shown` is this token; takes as long whatever it is.
    pub(super) fn is(&self, shown: &str) -> bool {
        let (own, shown) = (self.0.as_bytes(), shown.trim().as_bytes());
        constant_time::verify_slices_are_equal(own, shown).is_ok()
    }

    /// A token of these bytes.
    pub(crate) fn from_random(bytes: [u8; 32]) -> Self {
        Self(hex(&bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_token =
            text.len() == TOKEN_CHARS && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_token.then(|| Self(text.to_owned()))
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

/// The digits of some bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the admin token of a state folder, making it at the first start.
pub(crate) fn admin_token_of(state: &Path) -> Result<AdminToken, AdminTokenError> {
    let path = state.join(ADMIN_TOKEN_FILE);
    match read(&path) {
        Err(AdminTokenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            make(&path)
        }
        other => other,
    }
}

fn read(path: &Path) -> Result<AdminToken, AdminTokenError> {
    let io_error = |source| AdminTokenError::Io {
        path: path.to_owned(),
        source,
    };
    let text = secret_file::read(path, "the admin token").map_err(io_error)?;
    AdminToken::parse(&text).ok_or_else(|| AdminTokenError::Content {
        path: path.to_owned(),
    })
}

fn make(path: &Path) -> Result<AdminToken, AdminTokenError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| AdminTokenError::NoRandomness)?;
    let token = AdminToken::from_random(bytes);
    secret_file::make(path, &token.0).map_err(|source| AdminTokenError::Io {
        path: path.to_owned(),
        source,
    })?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_token_is_made_once_only_for_its_owner_and_never_printed() {
        let state = tempfile::tempdir().unwrap();
        let first = admin_token_of(state.path()).unwrap();
        assert_eq!(admin_token_of(state.path()).unwrap(), first);
        let path = state.path().join(ADMIN_TOKEN_FILE);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim().len(), TOKEN_CHARS);
        assert!(first.is(&text) && !first.is("") && !first.is(&text[1..]));
        assert_eq!(format!("{first:?}"), "AdminToken(..)");
    }

    #[test]
    fn a_spoilt_file_is_named_and_kept() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(ADMIN_TOKEN_FILE);
        for text in ["hello", "", &"g".repeat(64), &"a".repeat(63)] {
            fs::write(&path, text).unwrap();
            let error = admin_token_of(state.path()).unwrap_err().to_string();
            assert!(
                error.contains("admin-token holds no admin token"),
                "{error}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
