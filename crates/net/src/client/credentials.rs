//! Names and passwords for servers that ask for them, from a netrc file.
//!
//! They belong to a host: a redirect to another host gets that one's, or none. They must never show
//! up in a message, nor be sent to a host the file does not name, unless it has a `default`.

mod netrc;

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderValue, Uri};
use thiserror::Error;

use self::netrc::{BadLine, Login, Netrc};

/// What to say to whom. Cheap to clone.
#[derive(Clone, Default)]
pub struct Credentials(Option<Arc<Netrc>>);

/// Why a netrc file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// It is not written as netrc files are.
    #[error(
        "{}:{line} is not as in a netrc file; write lines such as `machine HOST login NAME password \
         PASSWORD`, with quotes around words that hold a space",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// It is much longer than any such file.
    #[error("{} is longer than {NETRC_BYTES_MAX} bytes and was not read", .0.display())]
    TooLong(PathBuf),
    /// The system says no.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl Credentials {
    /// Nothing for nobody.
    pub fn none() -> Self {
        Self(None)
    }

    /// What the user's own file says, the one that `NETRC` names or `~/.netrc`; nothing if there is
    /// none.
    ///
    /// # Errors
    /// When it is there and cannot be used.
    pub fn of_user() -> Result<Self, CredentialsError> {
        let path = match env::var_os("NETRC") {
            Some(path) => return Self::from_file(Path::new(&path)),
            None => env::home_dir().map(|home| home.join(".netrc")),
        };
        match path.map(|path| Self::from_file(&path)) {
            Some(Err(CredentialsError::Unreadable { source, .. }))
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(Self::none())
            }
            read => read.unwrap_or_else(|| Ok(Self::none())),
        }
    }

    /// What this file says.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn from_file(path: &Path) -> Result<Self, CredentialsError> {
        let unreadable = |source| {
            let path = path.to_owned();
            CredentialsError::Unreadable { path, source }
        };
        if fs::metadata(path).map_err(unreadable)?.len() > NETRC_BYTES_MAX {
            return Err(CredentialsError::TooLong(path.to_owned()));
        }
        let text = fs::read(path).map_err(unreadable)?;
        match Netrc::parse(&String::from_utf8_lossy(&text)) {
            Ok(netrc) => Ok(Self(Some(Arc::new(netrc)))),
            Err(BadLine(line)) => {
                let path = path.to_owned();
                Err(CredentialsError::Malformed { path, line })
            }
        }
    }

    /// The `Authorization` for the host of `url` (RFC 7617), if there is one.
    pub(super) fn authorization(&self, url: &Uri) -> Option<HeaderValue> {
        // An IPv6 address has brackets in a URL only.
        let host = url.host()?.trim_matches(['[', ']']);
        basic(self.0.as_ref()?.login(host)?)
    }
}

fn basic(login: &Login) -> Option<HeaderValue> {
    let pair = format!("{}:{}", login.name, login.password);
    let text = format!("Basic {}", BASE64_STANDARD.encode(pair));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Most bytes of a netrc file.
const NETRC_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests;
