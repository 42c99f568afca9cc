//! The fleet token, as the commands take it that prove to know it.
//!
//! It must never be printed, nor be a value that other users see unless the user insists.

use std::path::PathBuf;

use overspill_core::secret::FleetToken;
use overspill_server::read_token;

/// Where the fleet token comes from.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TokenArgs {
    /// The fleet token; better in the environment or a file than here, where others see it
    #[arg(
        long,
        env = "OVERSPILL_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<String>,
    /// File that holds the fleet token; it wins over OVERSPILL_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenArgs {
    /// What is wrong with the token's file, if one was given.
    pub(crate) fn disk_problem(&self) -> Option<String> {
        let read = self.token_file.as_deref().map(read_token)?;
        read.err().map(|error| error.to_string())
    }

    /// The token, or `without` where none was given.
    pub(crate) fn token(&self, without: &str) -> Result<FleetToken, String> {
        if let Some(path) = &self.token_file {
            return read_token(path).map_err(|error| error.to_string());
        }
        let text = self.token.as_deref().ok_or(without)?;
        text.parse()
            .map_err(|error| format!("OVERSPILL_TOKEN or --token: {error}"))
    }
}
