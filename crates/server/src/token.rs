//! The fleet token in its file.
//!
//! It must never be made anew while there is a file, whatever that holds.

use std::{
    io,
    path::{Path, PathBuf},
};

use overspill_core::secret::{FleetToken, TokenError};
use thiserror::Error;

use crate::secret_file;

/// Why the token file is of no use. The operator's to mend.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenFileError {
    /// It holds something else.
    #[error("{path} holds no fleet token ({source}); remove the file to have a new one made")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TokenError,
    },
    /// It cannot be read or made.
    #[error("cannot read or make the token file {path}: {source}")]
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

/// Reads the token of a state folder, making it at the first start.
pub(crate) fn token_of(state: &Path) -> Result<FleetToken, TokenFileError> {
    let path = state.join("token");
    match read_token(&path) {
        Err(TokenFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            make(&path)
        }
        other => other,
    }
}

/// Reads a token file.
pub fn read_token(path: &Path) -> Result<FleetToken, TokenFileError> {
    let io_error = |source| TokenFileError::Io {
        path: path.to_owned(),
        source,
    };
    let text = secret_file::read(path, "the fleet token").map_err(io_error)?;
    text.parse().map_err(|source| TokenFileError::Content {
        path: path.to_owned(),
        source,
    })
}

fn make(path: &Path) -> Result<FleetToken, TokenFileError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| TokenFileError::NoRandomness)?;
    let token = FleetToken::from_random(bytes);
    secret_file::make(path, &token.reveal()).map_err(|source| TokenFileError::Io {
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
    fn a_token_is_made_once_and_only_for_its_owner() {
        let state = tempfile::tempdir().unwrap();
        let first = token_of(state.path()).unwrap();
        assert_eq!(token_of(state.path()).unwrap(), first);
        let mode = fs::metadata(state.path().join("token"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_spoilt_token_file_is_named_and_kept() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("token");
        fs::write(&path, "hello").unwrap();
        let error = token_of(state.path()).unwrap_err().to_string();
        assert!(
            error.contains("remove the file to have a new one made"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "hello");
    }
}
