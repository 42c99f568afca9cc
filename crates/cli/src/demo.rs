//! `overspill demo`: a whole fleet on this machine, under load, to look at.
//!
//! Everything is real but the network: the nodes are processes of this binary, the clients download
//! over TCP, one mirror is really killed. It must never leave a process or a file behind, nor write
//! into a folder of the user's.

mod curl;
mod display;
mod fetch;
mod fleet;
mod load;
mod nodes;
mod outage;
mod sample;
mod scene;
mod screen;
mod show;
mod subjects;
mod summary;
mod tally;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use overspill_client::Exit;
use overspill_core::units::display_size;
use tempfile::TempDir;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use self::{
    curl::Presence,
    display::Display,
    fleet::{Fleet, MIRROR_CAPACITIES, SERVER_CAPACITY},
    load::Load,
    subjects::Survey,
    summary::Summary,
};
use crate::terminal::{complain, printable};

/// Watch a whole fleet at work on this machine
///
/// Starts a server and mirrors on the loopback interface, lets two dozen clients download from them
/// and check every byte, kills one mirror in the middle and brings it back. Then the fleet stays up
/// for you to try, until Ctrl-C. Nothing is left behind. Exit codes: 0 if every download was
/// byte-exact and the mirror came back, 1 if not or on an error, 130 when interrupted before that.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to publish [default: a sample tree of about 400 MiB]
    ///
    /// It is only read. Nothing should write to it meanwhile, for what changes is no more what the
    /// demo checks downloads against.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// How many mirrors
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=8))]
    mirrors: u8,
    /// Load the fleet for so long, then end it [default: 12 seconds, then it stays up]
    #[arg(long, value_name = "N", value_parser = parse_seconds)]
    seconds: Option<u64>,
    /// Port of the server; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> ExitCode {
    match args.begin_and_end().await {
        Ok(ended) => ended.code(),
        Err(error) => {
            complain(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

impl Args {
    /// The demo with everything it leaves no trace of. Nodes and files are owned here, so that they
    /// go in order whatever ends the rest.
    async fn begin_and_end(&self) -> Result<Ended> {
        let mut interrupts = Interrupts::listen()?;
        let temporary = tempfile::Builder::new().prefix(PREFIX).tempdir();
        let temporary = temporary.map_err(|error| {
            anyhow!("cannot make a temporary folder: {error}; set TMPDIR to one you may write to")
        })?;
        let (mut fleet, mut display) = (Fleet::new(), Display::new());
        let stop = CancellationToken::new();
        // Either may be dropped.
        let mut ended = tokio::select! {
            ended = self.play(&mut fleet, &mut display, temporary.path(), &stop) => ended,
            () = interrupts.next() => Ok(Ended::Interrupted),
        };
        stop.cancel();
        display.clear();
        if let (None, Ok(Ended::Bad | Ended::Good)) = (self.seconds, &ended) {
            // Both only wait. To be interrupted is what this is waiting for.
            tokio::select! {
                died = fleet.until_one_dies() => ended = Err(died),
                () = interrupts.next() => {}
            }
        }
        fleet.stop().await;
        let removed = remove(temporary).await;
        ended.and_then(|ended| removed.map(|()| ended))
    }

    /// From the tree to the summary.
    async fn play(
        &self,
        fleet: &mut Fleet,
        display: &mut Display,
        temporary: &Path,
        stop: &CancellationToken,
    ) -> Result<Ended> {
        let curl = curl::look().await;
        let tree = self.tree(display, temporary, stop).await?;
        let survey = in_background(stop, {
            let tree = tree.clone();
            move |stop| subjects::survey(&tree, SEED, stop)
        });
        let survey = survey.await?;
        self.ensure_room(temporary, &survey)?;
        display.say(&self.introduction(&tree, &survey, curl));
        let mirrors = usize::from(self.mirrors);
        fleet.start(&tree, temporary, self.port, mirrors).await?;
        fleet.until_ready(display).await?;

        let load = Load {
            server: fleet.server()?.url.clone(),
            subjects: survey.subjects,
            scratch: scratch(temporary)?,
            tally: tally::SharedTally::default(),
            curl,
            enough: CancellationToken::new(),
        };
        let largest = load.subjects.iter().max_by_key(|subject| subject.bytes);
        let example = largest.map_or_else(String::new, |subject| subject.path.to_url());
        let length = Duration::from_secs(self.seconds.unwrap_or(SECONDS));
        let summary = show::run(fleet, display, load, length).await?;
        print(&format!("\n{}", summary.text()));
        if self.seconds.is_none() {
            print(&invitation(fleet, &example)?);
        }
        Ok(Ended::of(&summary))
    }

    /// The folder to publish, made first if none was given.
    async fn tree(
        &self,
        display: &mut Display,
        temporary: &Path,
        stop: &CancellationToken,
    ) -> Result<PathBuf> {
        if let Some(folder) = &self.folder {
            let shown = folder.display();
            let remedy = "name a folder, or none for a sample tree";
            let facts = folder.metadata();
            let facts =
                facts.map_err(|error| anyhow!("cannot publish {shown}: {error}; {remedy}"))?;
            ensure!(facts.is_dir(), "{shown} is no folder; {remedy}");
            return Ok(folder.clone());
        }
        display.step("making a sample tree");
        let plan = sample::plan(SEED);
        let bytes: u64 = plan.iter().map(|file| file.bytes).sum();
        ensure_free(temporary, bytes * (1 + u64::from(self.mirrors)))?;
        let tree = temporary.join("tree");
        let into = tree.clone();
        let made = in_background(stop, move |stop| Ok(sample::make(&into, &plan, stop)?));
        made.await
            .map_err(|error| anyhow!("cannot make a sample tree: {error}; {OTHER_TMPDIR}"))?;
        Ok(tree)
    }

    /// Every mirror will hold a copy.
    fn ensure_room(&self, temporary: &Path, survey: &Survey) -> Result<()> {
        ensure_free(temporary, survey.bytes * u64::from(self.mirrors))
    }

    fn introduction(&self, tree: &Path, survey: &Survey, curl: Presence) -> String {
        let what = match &self.folder {
            Some(_) => printable(&tree.to_string_lossy()),
            None => "a sample tree".to_owned(),
        };
        let curl = match curl {
            Presence::Installed => "",
            Presence::Missing => {
                "\nNo curl of 2020 or later is installed, so all clients are our own."
            }
        };
        let mirrors = usize::from(self.mirrors).min(MIRROR_CAPACITIES.len());
        format!(
            "{what}: {} files, {}; {} clients\nThe network limits nothing here, capacities only \
             steer: server {SERVER_CAPACITY},\nmirrors {}{}.{curl}",
            survey.files,
            display_size(survey.bytes),
            load::CLIENTS,
            MIRROR_CAPACITIES[..mirrors].join(" and "),
            if mirrors > 1 { " by turns" } else { "" },
        )
    }
}

/// How the demo ended, unless by an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ended {
    Bad,
    Good,
    Interrupted,
}

impl Ended {
    fn of(summary: &Summary) -> Self {
        match summary.failures().is_empty() {
            true => Self::Good,
            false => Self::Bad,
        }
    }

    fn code(self) -> ExitCode {
        match self {
            Self::Bad => ExitCode::FAILURE,
            Self::Good => ExitCode::SUCCESS,
            Self::Interrupted => ExitCode::from(Exit::Interrupted.code()),
        }
    }
}

fn invitation(fleet: &Fleet, example: &str) -> Result<String> {
    let url = &fleet.server()?.url;
    let mut text = format!(
        "The fleet stays up. Look at {url}/ with a browser, or try\n\n    \
         curl -sSL -o /dev/null -w 'from %{{url_effective}}\\n' \\\n      '{url}{example}'\n    \
         overspill status {url}\n\n"
    );
    for mirror in &fleet.mirrors {
        let url = mirror.node.as_ref().map_or("dead", |node| &node.url);
        text.push_str(&format!(
            "{:<10} {url}  (member {})\n",
            mirror.label, mirror.name
        ));
    }
    text.push_str("\nCtrl-C ends it and removes all of its files.\n");
    Ok(text)
}

/// Ctrl-C, a request to end, the terminal closed; listened to all the time, so that none is lost.
#[derive(Debug)]
struct Interrupts([Signal; 3]);

impl Interrupts {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        // All three only wait.
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Runs work that blocks and looks at the token now and then.
async fn in_background<T: Send + 'static>(
    stop: &CancellationToken,
    work: impl FnOnce(&CancellationToken) -> Result<T> + Send + 'static,
) -> Result<T> {
    let stop = stop.clone();
    tokio::task::spawn_blocking(move || work(&stop)).await?
}

fn ensure_free(temporary: &Path, bytes: u64) -> Result<()> {
    let shown = temporary.display();
    let facts = rustix::fs::statvfs(temporary);
    let facts = facts.with_context(|| format!("cannot tell the free space at {shown}"))?;
    let free = facts.f_bavail.saturating_mul(facts.f_frsize);
    ensure!(
        free >= bytes.saturating_add(SPARE_BYTES),
        "the copies need {} at {shown}, where {} are free; {OTHER_TMPDIR}, or ask for fewer \
         --mirrors",
        display_size(bytes.saturating_add(SPARE_BYTES)),
        display_size(free)
    );
    Ok(())
}

/// The folder for downloads on their way.
fn scratch(temporary: &Path) -> Result<PathBuf> {
    let scratch = temporary.join("scratch");
    let made = std::fs::create_dir(&scratch);
    made.map_err(|error| anyhow!("cannot make {}: {error}; {OTHER_TMPDIR}", scratch.display()))?;
    Ok(scratch)
}

/// Removes the temporary folder. A download that was broken off may still be writing its last
/// bytes, and a file made while its folder is being emptied keeps the folder; so it is tried a few
/// times.
async fn remove(temporary: TempDir) -> Result<()> {
    let path = temporary.keep();
    let mut tries = 1;
    loop {
        match std::fs::remove_dir_all(&path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if tries < REMOVALS_MAX => {
                tries += 1;
                sleep(REMOVAL_PAUSE).await;
            }
            Err(error) => {
                return Err(anyhow!(
                    "cannot remove {}: {error}; remove it",
                    path.display()
                ));
            }
        }
    }
}

/// Text of ours on standard output. Nobody may be reading; the fleet goes on all the same.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn parse_seconds(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(seconds) if seconds >= SECONDS_MIN => Ok(seconds),
        _ => Err(format!(
            "expected a whole number of seconds, at least {SECONDS_MIN}: within them a mirror dies \
             and comes back"
        )),
    }
}

/// A dotfile, so that a demo that publishes the folder of temporary files does not publish itself.
const PREFIX: &str = ".overspill-demo-";
const OTHER_TMPDIR: &str = "set TMPDIR to a folder with more room";
/// Of the load, if not told otherwise.
const SECONDS: u64 = 12;
const SECONDS_MIN: u64 = 5;
/// Everything random comes from here: each demo is like the last.
const SEED: u64 = 20_260_101;
/// For indexes, logs and the downloads that go to files: 24 clients, 1 GiB at the very most, but
/// few of them at once.
const SPARE_BYTES: u64 = 512 << 20;
const REMOVALS_MAX: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_short_a_load_is_refused_with_the_reason() {
        assert_eq!(parse_seconds("5"), Ok(5));
        for text in ["4", "0", "-1", "6.5", "six", ""] {
            let error = parse_seconds(text).unwrap_err();
            assert!(error.contains("at least 5"), "{text}: {error}");
        }
    }

    #[test]
    fn too_full_a_disk_is_told_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        assert!(ensure_free(folder.path(), 0).is_ok());
        let error = ensure_free(folder.path(), u64::MAX)
            .unwrap_err()
            .to_string();
        assert!(error.contains("set TMPDIR"), "{error}");
    }

    #[tokio::test]
    async fn the_temporary_folder_is_removed_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        std::fs::create_dir_all(path.join("a/b")).unwrap();
        std::fs::write(path.join("a/b/c"), "x").unwrap();
        remove(folder).await.unwrap();
        assert!(!path.exists());
    }
}
