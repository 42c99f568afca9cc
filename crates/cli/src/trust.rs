//! `--ca-file`, which the commands share that ask other nodes.

use std::path::PathBuf;

use overspill_client::{TlsError, Trust};

/// Whom to believe that they are who they say.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TrustArgs {
    /// PEM file of the authorities that vouch for https:// servers, instead of the system's
    ///
    /// The certificate of a server that signs for itself is its own authority: copy the file
    /// from the server, or compare the fingerprint it printed.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl TrustArgs {
    /// Reads the file, if one was given.
    pub(crate) fn trust(&self) -> Result<Trust, TlsError> {
        match &self.ca_file {
            Some(path) => Trust::ca_file(path),
            None => Ok(Trust::system()),
        }
    }
}
