//! `overspill get`: downloads, one after the other.
//!
//! The work is in `overspill-client`; this turns options into a [`Download`] and what happens into
//! lines, a bar, or JSON. It must never print to standard output but JSON or the file itself.

mod view;

use std::{
    fs::File,
    io::{self, IsTerminal},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::ExitCode,
};

use overspill_client::{
    Download, DownloadError, Exit, HttpClient, HttpUrl, OnChange, OnExisting, UrlError,
};
use tokio::signal::ctrl_c;

use self::view::{Style, View};
use crate::{asking::AskingArgs, terminal::complain};

/// Download files from a server, or from any HTTP server
///
/// Follows redirects to mirrors and leaves a mirror that fails, without losing what came. A file
/// gets its name only when its BLAKE3 root was checked; until then it is NAME.part, with
/// NAME.part.json beside it, and running the same command again continues it. From servers that tell no root only
/// the length is checked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_CODES)]
pub(crate) struct Args {
    /// URLs of files, downloaded one after the other
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// Where to: a file, an existing folder, or - for standard output
    ///
    /// Without it files go to the working directory, named after the last segment of their URL.
    /// Standard output cannot be taken back: it is verified only when all of it is out, so look at
    /// the exit code (3 on a mismatch) before you use it.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Print no progress and no summary, only errors
    #[arg(short, long)]
    quiet: bool,
    /// Print one JSON object per line and event on standard output
    #[arg(long)]
    json: bool,
    /// Replace a file that is there already and differs
    #[arg(short, long)]
    force: bool,
    /// Fail (exit code 5) when a file changes on the server, instead of starting over
    #[arg(long)]
    no_restart: bool,
    #[command(flatten)]
    asking: AskingArgs,
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    let (urls, client) = match args.check() {
        Ok(checked) => checked,
        Err(message) => {
            complain(message);
            return ExitCode::from(Exit::Usage.code());
        }
    };
    let mut exit = Exit::Ok;
    for url in urls {
        exit = exit.worse(args.download(&client, url).await);
        if exit == Exit::Interrupted {
            break;
        }
    }
    ExitCode::from(exit.code())
}

impl Args {
    /// Everything that can be found wrong before the first byte.
    fn check(&self) -> Result<(Vec<HttpUrl>, HttpClient), String> {
        let urls: Result<Vec<_>, UrlError> =
            self.urls.iter().map(|url| HttpUrl::parse(url)).collect();
        let urls = urls.map_err(|error| error.to_string())?;
        let client = self.asking.client().map_err(|error| error.to_string())?;
        let Some(output) = &self.output else {
            return Ok((urls, client));
        };
        if self.json && is_stdout(output) {
            return Err(
                "--json and --output - both need standard output; leave out one".to_owned(),
            );
        }
        if urls.len() > 1 && !is_stdout(output) && !output.is_dir() {
            return Err(format!(
                "{} is no folder, and several files need one; create it first",
                output.display()
            ));
        }
        Ok((urls, client))
    }

    async fn download(&self, client: &HttpClient, url: HttpUrl) -> Exit {
        let mut view = View::new(self.style(), &url);
        let download = match self.prepare(url) {
            Ok(download) => download,
            Err(error) => {
                complain(format_args!("cannot use standard output: {error}"));
                return Exit::LocalFile;
            }
        };
        // Both arms may be dropped at any time: a dropped download keeps its part and state.
        let result = tokio::select! {
            result = download.run(client, &mut view) => Some(result),
            Ok(()) = ctrl_c() => None,
        };
        match result {
            Some(Ok(outcome)) => {
                view.succeeded(&outcome);
                Exit::Ok
            }
            Some(Err(error)) => {
                view.failed(&message(&error), error.exit());
                error.exit()
            }
            None => {
                view.failed(INTERRUPTED, Exit::Interrupted);
                Exit::Interrupted
            }
        }
    }

    fn prepare(&self, url: HttpUrl) -> io::Result<Download> {
        let download = Download::new(url)
            .on_existing(match self.force {
                true => OnExisting::Replace,
                false => OnExisting::Refuse,
            })
            .on_change(match self.no_restart {
                true => OnChange::Fail,
                false => OnChange::Restart,
            });
        Ok(match &self.output {
            None => download,
            Some(output) if is_stdout(output) => {
                // Past the line buffer of `io::stdout`, which would only copy everything once more.
                let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
                download.to_stream(Box::new(stdout))
            }
            Some(output) => download.to(output),
        })
    }

    fn style(&self) -> Style {
        if self.json {
            Style::Json
        } else if self.quiet {
            Style::Quiet
        } else if io::stderr().is_terminal() {
            Style::Bar
        } else {
            Style::Lines
        }
    }
}

fn is_stdout(output: &Path) -> bool {
    output == Path::new("-")
}

/// The error and what to do about it.
pub(crate) fn message(error: &DownloadError) -> String {
    match remedy(error) {
        Some(remedy) => format!("{error}; {remedy}"),
        None => error.to_string(),
    }
}

fn remedy(error: &DownloadError) -> Option<&'static str> {
    match error {
        DownloadError::Changed { .. } => Some("run the command again for the new version"),
        DownloadError::Exists { .. } => Some("use --force to replace it, or --output"),
        DownloadError::Locked { .. } => Some("wait for it, or use --output"),
        DownloadError::Mismatch { .. } => Some("nothing was kept; tell the server's operator"),
        DownloadError::Name(_) => Some("name the file with --output"),
        DownloadError::NotFound { .. } => Some("list its folder with `overspill ls`"),
        DownloadError::Unreachable { .. } => {
            Some("check the server, then run the command again to continue")
        }
        DownloadError::Local { .. } if error.exit() == Exit::DiskFull => {
            Some("make room, then run the command again to continue")
        }
        _ => None,
    }
}

const INTERRUPTED: &str = "interrupted; run the command again to continue";

const EXIT_CODES: &str = "\
Exit codes:
  0    all files are there, downloaded or up to date
  1    wrong usage: options, URLs, or a file that cannot be named
  2    not found on the server, or gone (404, 410)
  3    verification failed: the bytes are not what the server promised
  4    network error or time-out; run the command again to continue
  5    the file changed on the server (--no-restart, or too often)
  6    local file: exists, is locked, or is not permitted
  7    the disk or a quota is full; run the command again to continue
  8    refused by the server (401, 403)
  130  interrupted; run the command again to continue
Of several files' codes the most severe counts: 130, 7, 6, 3, 8, 5, 2, 1, 4, 0.";

#[cfg(test)]
mod tests;
