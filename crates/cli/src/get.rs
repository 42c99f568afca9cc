//! `overspill get`: downloads, one after the other.
//!
//! The work is in `overspill-client`; this turns options into a [`Download`] and what happens into
//! lines, a bar, or JSON. It must never print to standard output but JSON or the file itself.

mod tree;
mod view;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, IsTerminal, Read},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use overspill_client::{
    Download, DownloadError, Exit, HttpClient, HttpUrl, METALINK_BYTES_MAX, Metalink, OnChange,
    OnExisting, Persistence, UrlError,
};
use overspill_core::units::Rate;
use tokio::signal::unix::{SignalKind, signal};

use self::view::{Style, View};
use crate::{asking::AskingArgs, selection::SelectionArgs, terminal::complain};

/// Download files from a server, or from any HTTP server
///
/// Files of 4 MiB and more come in pieces, from every node that has them; sources that are slow,
/// fail or lie are left, without losing what came. Every piece is checked against the file's BLAKE3
/// root before it counts, and a file gets its name only when all are there; until then it is
/// NAME.part, with NAME.part.json beside it, and running the same command again continues it. From
/// servers that tell no digest only the length is checked.
///
/// The URL of a Metalink (.meta4) brings the file that it describes, from the URLs that it names.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_CODES)]
pub(crate) struct Args {
    /// URLs of files, downloaded one after the other; with -r or --archive, of folders
    #[arg(required_unless_present_any = ["metalink", "input"], value_name = "URL")]
    urls: Vec<String>,
    /// Read URLs from this file, one a line, or from standard input if it is -
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["urls", "metalink"])]
    input: Option<PathBuf>,
    /// Take no more than this from all nodes together, such as 10MB/s
    #[arg(long, value_name = "RATE")]
    limit_rate: Option<Rate>,
    /// Download what this Metalink file describes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["urls", "recursive", "archive"])]
    metalink: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    asking: AskingArgs,
}

/// What is to become of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Download folders, with all below them or what meets the conditions
    ///
    /// The tree is made again in --output, or in a folder of the same name. Files that are there, by
    /// size and time or by their root, are not downloaded again; files that differ need --force.
    #[arg(short, long, conflicts_with = "archive")]
    recursive: bool,
    /// Download a folder, or what of it meets the conditions, as one archive
    #[arg(long, value_name = "FORMAT",
          value_parser = ["tar", "tar.gz", "tar.zst", "zip"])]
    archive: Option<String>,
    #[command(flatten, next_help_heading = "Conditions, for -r and --archive")]
    selection: SelectionArgs,
    /// Files at once, with -r
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=256))]
    files: usize,
    /// Where to: a file, an existing folder, or - for standard output
    ///
    /// Without it files go to the working directory, named after the last segment of their URL.
    /// What goes to standard output in pieces was verified before. A small file cannot be taken back:
    /// it is verified when all of it is out, so look at the exit code (3 on a mismatch) before you use
    /// it.
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
    /// Connections at once, at most; as many are used as make it faster
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=64))]
    connections: u32,
    /// Connections to one host at once, at most
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    per_host: u32,
    /// Give up (exit code 4) when nothing came from anybody for this long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    stall_timeout: Duration,
}

/// One thing to download.
#[derive(Debug)]
pub(crate) enum Item {
    Archive(HttpUrl, OsString),
    Metalink(Metalink),
    Tree(HttpUrl),
    Url(HttpUrl),
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    let (items, client) = match args.check() {
        Ok(checked) => checked,
        Err(message) => {
            complain(message);
            return ExitCode::from(Exit::Usage.code());
        }
    };
    ExitCode::from(args.options.bring_all(&client, items).await.code())
}

impl Args {
    /// Everything that can be found wrong before the first byte.
    fn check(&self) -> Result<(Vec<Item>, HttpClient), String> {
        let items = self.items()?;
        let client = self.asking.client_at(self.limit_rate);
        let client = client.map_err(|error| error.to_string())?;
        self.options.check(&items)?;
        Ok((items, client))
    }

    fn items(&self) -> Result<Vec<Item>, String> {
        if let Some(path) = &self.metalink {
            let metalink = read_metalink(path);
            let metalink = metalink.map_err(|error| format!("{}: {error}", path.display()))?;
            return Ok(vec![Item::Metalink(metalink)]);
        }
        let texts = match &self.input {
            Some(path) => {
                read_urls(path).map_err(|error| format!("{}: {error}", path.display()))?
            }
            None => self.urls.clone(),
        };
        let urls: Result<Vec<_>, UrlError> =
            texts.iter().map(|text| HttpUrl::parse(text)).collect();
        self.options.items(urls.map_err(|error| error.to_string())?)
    }
}

impl Options {
    /// What these URLs stand for.
    pub(crate) fn items(&self, urls: Vec<HttpUrl>) -> Result<Vec<Item>, String> {
        let conditions = self.selection.conditions();
        let conditions = conditions.map_err(|error| error.to_string())?;
        let takes_conditions = self.recursive || self.archive.is_some();
        if !conditions.is_empty() && !takes_conditions {
            return Err("conditions choose files of a folder; add -r or --archive".to_owned());
        }
        let item = |url: HttpUrl| match &self.archive {
            _ if self.recursive => Ok(Item::Tree(url)),
            Some(format) => archive(&url, format, &conditions),
            None => Ok(Item::Url(url)),
        };
        let items: Result<Vec<_>, UrlError> = urls.into_iter().map(item).collect();
        items.map_err(|error| error.to_string())
    }

    /// What cannot go together.
    pub(crate) fn check(&self, items: &[Item]) -> Result<(), String> {
        if self.stall_timeout.is_zero() {
            return Err("--stall-timeout needs a duration above 0".to_owned());
        }
        let Some(output) = &self.output else {
            return Ok(());
        };
        if self.recursive {
            return match is_stdout(output) {
                true => Err(TREE_TO_STDOUT.to_owned()),
                false => Ok(()),
            };
        }
        if self.json && is_stdout(output) {
            return Err(
                "--json and --output - both need standard output; leave out one".to_owned(),
            );
        }
        if items.len() > 1 && !is_stdout(output) && !output.is_dir() {
            return Err(format!(
                "{} is no folder, and several files need one; create it first",
                output.display()
            ));
        }
        Ok(())
    }

    /// Brings one after the other, until the user has enough.
    pub(crate) async fn bring_all(&self, client: &HttpClient, items: Vec<Item>) -> Exit {
        let mut exit = Exit::Ok;
        for item in items {
            exit = exit.worse(self.bring(client, item).await);
            if exit == Exit::Interrupted {
                break;
            }
        }
        exit
    }

    /// Brings a file, or the one that a Metalink describes.
    async fn bring(&self, client: &HttpClient, item: Item) -> Exit {
        let metalink = match item {
            Item::Tree(url) => return self.bring_tree(client, url).await,
            Item::Archive(url, name) => {
                let view = View::new(self.style(), url.to_string(), name.clone());
                let download = Download::new(url).named(name);
                return self.download(client, download, view).await;
            }
            Item::Metalink(metalink) => metalink,
            Item::Url(url) if !url.names_metalink() => {
                let name = url.file_name().unwrap_or_else(|_| OsString::from("file"));
                let view = View::new(self.style(), url.to_string(), name);
                return self.download(client, Download::new(url), view).await;
            }
            Item::Url(url) => match Metalink::fetch(client, &url).await {
                Ok(metalink) => metalink,
                Err(error) => {
                    let view = View::new(self.style(), url.to_string(), OsString::from("metalink"));
                    view.failed(&error.to_string(), error.exit());
                    return error.exit();
                }
            },
        };
        let view = View::new(self.style(), metalink.url().to_string(), metalink.name());
        self.download(client, Download::from_metalink(metalink), view)
            .await
    }

    async fn download(&self, client: &HttpClient, download: Download, mut view: View) -> Exit {
        let download = match self.prepare(download) {
            Ok(download) => download,
            Err(error) => {
                complain(format_args!("cannot use standard output: {error}"));
                return Exit::LocalFile;
            }
        };
        // Both arms may be dropped at any time: a dropped download keeps its part and state.
        let result = tokio::select! {
            result = download.run(client, &mut view) => Some(result),
            () = asked_to_end() => None,
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

    fn prepare(&self, download: Download) -> io::Result<Download> {
        let persistence = Persistence {
            silence_max: self.stall_timeout,
            ..Persistence::default()
        };
        let download = download
            .persistence(persistence)
            .connections(self.connections)
            .per_host(self.per_host)
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

/// Waits for SIGINT or SIGTERM. Without handlers the default action ends the process, and the next
/// run finds out what is there.
async fn asked_to_end() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// The URLs in a file, one a line; empty lines and those that begin with `#` are none.
fn read_urls(path: &Path) -> Result<Vec<String>, String> {
    let mut text = String::new();
    let read = match is_stdout(path) {
        true => io::stdin()
            .take(INPUT_BYTES_MAX + 1)
            .read_to_string(&mut text),
        false => File::open(path)
            .and_then(|file| file.take(INPUT_BYTES_MAX + 1).read_to_string(&mut text)),
    };
    if read.map_err(|error| error.to_string())? as u64 > INPUT_BYTES_MAX {
        return Err(format!("longer than {INPUT_BYTES_MAX} bytes; divide it"));
    }
    let lines = text.lines().map(str::trim);
    let urls = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(urls.map(str::to_owned).collect())
}

/// The archive of what in the folder at `url` meets the conditions, and its name.
fn archive(url: &HttpUrl, format: &str, conditions: &[(&str, &str)]) -> Result<Item, UrlError> {
    let mut name = url.folder_name();
    name.push(format!(".{format}"));
    let mut url = url.as_folder()?.with_parameter("archive", format)?;
    for (condition, value) in conditions {
        url = url.with_parameter(condition, value)?;
    }
    Ok(Item::Archive(url, name))
}

fn read_metalink(path: &Path) -> Result<Metalink, String> {
    let mut text = Vec::new();
    let most = METALINK_BYTES_MAX as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut text));
    read.map_err(|error| error.to_string())?;
    Metalink::parse(&text).map_err(|error| error.to_string())
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
        DownloadError::AllWrong { .. } => {
            Some("what was right is kept; tell the server's operator, and try again later")
        }
        DownloadError::DigestMismatch { .. } => {
            Some("nothing was kept; tell the server's operator")
        }
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

const TREE_TO_STDOUT: &str = "-r makes a tree of files, which standard output cannot hold; use \
                              --archive tar";

/// Most bytes of a list of URLs.
const INPUT_BYTES_MAX: u64 = 64 << 20;

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
