//! What the commands share that ask nodes over HTTP: whom to believe, what to say to whom.
//!
//! Proxies are the environment's business, as with curl. It must never print a password.

use std::path::PathBuf;

use overspill_client::{
    ClientSettings, Credentials, CredentialsError, HttpClient, Patience, Proxies, TlsError,
};
use overspill_core::units::Rate;
use thiserror::Error;

use crate::trust::TrustArgs;

/// How a command asks.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct AskingArgs {
    #[command(flatten)]
    trust: TrustArgs,
    /// Names and passwords for servers that ask for them; without it the file that NETRC names, or
    /// ~/.netrc, if there is one
    #[arg(long, value_name = "FILE")]
    netrc_file: Option<PathBuf>,
    /// Say no name and password to anyone
    #[arg(long, conflicts_with = "netrc_file")]
    no_netrc: bool,
}

/// Why nobody can be asked.
#[derive(Debug, Error)]
pub(crate) enum AskingError {
    /// The file given with --ca-file is of no use.
    #[error("--ca-file: {0}")]
    Trust(#[from] TlsError),
    /// So is that with the passwords.
    #[error("{0}; to go on without it use --no-netrc")]
    Netrc(#[from] CredentialsError),
}

impl AskingArgs {
    /// An HTTP client for one command.
    pub(crate) fn client(&self) -> Result<HttpClient, AskingError> {
        self.client_at(None)
    }

    /// The same, which takes no more than `rate` of all its bodies together.
    pub(crate) fn client_at(&self, rate: Option<Rate>) -> Result<HttpClient, AskingError> {
        Ok(HttpClient::with_settings(ClientSettings {
            patience: Patience::default(),
            trust: self.trust.trust()?,
            proxies: Proxies::from_environment(),
            credentials: self.credentials()?,
            rate,
        }))
    }

    fn credentials(&self) -> Result<Credentials, CredentialsError> {
        match &self.netrc_file {
            Some(path) => Credentials::from_file(path),
            None if self.no_netrc => Ok(Credentials::none()),
            None => Credentials::of_user(),
        }
    }
}
