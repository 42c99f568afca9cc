//! `overspill doctor`: looks for what is wrong, and says what to do.
//!
//! Readings are taken first, then judged by pure functions, so that each verdict has its test. It
//! must never change anything, on this machine or elsewhere.

mod finding;
mod fleet;
mod machine;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use overspill_client::{AskError, Exit, HttpUrl};

use self::finding::{Finding, Verdict, json, lines, worst};
use crate::{
    asking::AskingArgs,
    terminal::{self, CommandError},
};

/// Look for what is wrong, and say what to do
///
/// Without a URL it looks at this machine: clock, limits, disk, kernel, files of a node. With one it
/// looks at that node and its fleet from here: names, connections, certificate, clock, health,
/// versions, every member. One line for each check: ok, warn or FAIL, and what helps. It changes
/// nothing. Exit codes: 0 if nothing failed, warnings included; 1 if something did, or usage.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// URL of a node, such as `http://host:8080`
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// The folder that is, or will be, published here
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// State folder of a server, or store of a mirror, on this machine
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Print all findings as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: AskingArgs,
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    match examine(&args).await {
        Ok(Verdict::Ok | Verdict::Warn) => ExitCode::SUCCESS,
        Ok(Verdict::Fail) => ExitCode::FAILURE,
        Err(error) => match terminal::report(&Err(error)) {
            // Whoever was reading had enough.
            Exit::Ok => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        },
    }
}

async fn examine(args: &Args) -> Result<Verdict, CommandError> {
    let mut findings = Vec::new();
    if args.url.is_none() || args.folder.is_some() || args.state.is_some() {
        findings.extend(examine_machine(args).await?);
    }
    if let Some(url) = &args.url {
        let url = HttpUrl::parse(url).map_err(AskError::from)?;
        let readings = fleet::read(&args.asking.client()?, &url).await;
        findings.extend(fleet::judge(&readings));
    }
    let text = match args.json {
        true => json(&findings).map_err(io::Error::from)?,
        false => lines(&findings),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(worst(&findings))
}

async fn examine_machine(args: &Args) -> Result<Vec<Finding>, CommandError> {
    let (folder, state) = (args.folder.clone(), args.state.clone());
    // Counting folders may take a while, and asks the disk.
    let read = move || machine::read(folder.as_deref(), state.as_deref());
    let readings = tokio::task::spawn_blocking(read).await;
    Ok(machine::judge(&readings.map_err(io::Error::other)?))
}
