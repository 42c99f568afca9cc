//! `overspill demo`: placeholder until the module is written.
use std::process::ExitCode;
/// demo
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}
pub(crate) async fn run(_args: Args) -> ExitCode {
    ExitCode::FAILURE
}
