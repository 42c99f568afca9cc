//! `cargo xtask bench catalog`: what a large tree costs our server, and what a restart costs.
//!
//! Times run from the start of the process to an event that a client can see. It must never take a
//! figure of the server's on trust that can be had from outside.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::value_parser;
use comfy_table::Table;
use overspill_wire::{
    paths::{FLEET, READY},
    status::FleetStatus,
};

use super::{
    contender::{free_address, serve_arguments},
    fetch, machine, note, pace, print,
    process::{Process, Usage},
    release,
    sample::{figure, mebibytes},
    table, tree,
};

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Files in the tree
    #[arg(
        long,
        default_value_t = 1_000_000,
        value_parser = value_parser!(u64).range(1..10_000_000)
    )]
    files: u64,
    /// Where the tree is made and removed again [default: the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// One start of the server, up to the point where it has nothing more to do.
struct Start {
    first_file: Duration,
    scanned: Duration,
    hashed: Duration,
    /// Most files without a hash in any of its answers.
    unhashed_max: u64,
    /// What the server calls this state of the tree: it changes with every entry that does.
    version: (String, u64),
    rest: Usage,
    index_bytes: u64,
}

/// A server being watched from its start on.
struct Watched {
    begun: Instant,
    address: SocketAddr,
    process: Process,
    unhashed_max: u64,
}

/// The most resident memory per entry we want.
const ENTRY_TARGET: &str = "<= 400 B";
/// Even a slow disk gives this many files a second.
const FILES_PER_S_MIN: u64 = 500;
/// For whatever takes long without there being many files.
const PATIENCE: Duration = Duration::from_secs(120);
/// A server at rest uses less than this share of a core.
const REST_RATIO: f64 = 0.03;
/// How long it is watched for that.
const REST_WINDOW: Duration = Duration::from_secs(1);

/// Runs it and prints the table.
pub(super) fn run(args: &Args, root: &Path) -> Result<()> {
    let overspill = &release::build(root)?;
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new()
        .prefix("overspill-bench-")
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
    let measured = measure(args.files, overspill, folder.path());
    note("removing the tree");
    folder.close().context("cannot remove the tree")?;
    measured
}

fn measure(files: u64, overspill: &Path, folder: &Path) -> Result<()> {
    let (tree, empty) = (&folder.join("tree"), &folder.join("empty"));
    fs::create_dir(tree)?;
    fs::create_dir(empty)?;
    note(&format!("writing {files} files"));
    tree::write_many(tree, files)?;
    tree::wait_until_at_rest(&tree.join(&tree::path_of(files - 1)[1..]))?;
    print(&machine::describe()?)?;
    note("starting on an empty tree, for comparison");
    let baseline = start(overspill, empty, &folder.join("empty-state"), 0)?;
    let state = &folder.join("state");
    note("starting on the tree for the first time");
    let first = start(overspill, tree, state, files)?;
    note("starting on it again");
    let again = start(overspill, tree, state, files)?;
    print(&format!(
        "\n{}",
        report(files, &baseline, &first, &again).trim_fmt()
    ))?;
    print(&format!("\n{}", machine::describe()?))
}

/// Starts the server, watches it until it rests, and ends it.
fn start(overspill: &Path, tree: &Path, state: &Path, files: u64) -> Result<Start> {
    let mut watched = Watched::launch(overspill, tree, state)?;
    let first_file = watched.until_first_file(files)?;
    let scanned = watched.until_scanned(files)?;
    let (hashed, _) = watched.until_hashed(files)?;
    let rest = watched.until_at_rest()?;
    // Looked at once more: resting may have brought something to light.
    let (_, version) = watched.until_hashed(files)?;
    watched.process.stop()?;
    Ok(Start {
        first_file,
        scanned,
        hashed,
        unhashed_max: watched.unhashed_max,
        version,
        rest,
        index_bytes: fs::metadata(state.join("index.redb"))?.len(),
    })
}

impl Watched {
    fn launch(overspill: &Path, tree: &Path, state: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(overspill);
        serve_arguments(&mut command, tree, state, address);
        let begun = Instant::now();
        let process = Process::start(&mut command, &state.with_extension("log"))?;
        Ok(Self {
            begun,
            address,
            process,
            unhashed_max: 0,
        })
    }

    /// Until the last file of the tree is served whole; in an empty tree, until anything is.
    fn until_first_file(&mut self, files: u64) -> Result<Duration> {
        let number = files.checked_sub(1);
        let path = number.map_or_else(|| "/".to_owned(), tree::path_of);
        let answer = pace::until("the first file", pace::FINE, patience(files), || {
            self.process.check()?;
            // Refused until it listens.
            Ok(fetch::get(self.address, &path).ok())
        })?;
        let elapsed = self.begun.elapsed();
        ensure!(answer.status == 200, "{path}: status {}", answer.status);
        let expected = number.map(tree::content_of);
        let is_right = expected.is_none_or(|expected| expected == answer.body);
        ensure!(is_right, "{path}: the bytes are wrong");
        Ok(elapsed)
    }

    /// Until it says that the whole tree is in its catalog.
    fn until_scanned(&mut self, files: u64) -> Result<Duration> {
        pace::until("the end of the scan", pace::COARSE, patience(files), || {
            self.look()?;
            let is_ready = fetch::get(self.address, READY)?.status == 200;
            Ok(is_ready.then(|| self.begun.elapsed()))
        })
    }

    /// Until the catalog holds all files with their hashes. Also says which state that is.
    fn until_hashed(&mut self, files: u64) -> Result<(Duration, (String, u64))> {
        pace::until("all hashes", pace::COARSE, patience(files), || {
            let FleetStatus {
                catalog, instance, ..
            } = self.look()?;
            let is_done = catalog.unhashed == 0 && catalog.files == files;
            Ok(is_done.then(|| (self.begun.elapsed(), (instance, catalog.revision))))
        })
    }

    fn look(&mut self) -> Result<FleetStatus> {
        self.process.check()?;
        let body = fetch::get(self.address, FLEET)?.body;
        let status: FleetStatus =
            serde_json::from_slice(&body).context("the status makes no sense")?;
        self.unhashed_max = self.unhashed_max.max(status.catalog.unhashed);
        Ok(status)
    }

    /// Until it uses next to no CPU time; what it then holds.
    fn until_at_rest(&mut self) -> Result<Usage> {
        pace::until("the server to rest", Duration::ZERO, PATIENCE, || {
            let (at, before) = (Instant::now(), self.process.cpu()?);
            pace::pause(REST_WINDOW);
            let used = self.process.cpu()? - before;
            let ratio = used.as_secs_f64() / at.elapsed().as_secs_f64();
            Ok((ratio < REST_RATIO).then_some(()))
        })?;
        self.process.usage()
    }
}

fn patience(files: u64) -> Duration {
    PATIENCE + Duration::from_secs(files / FILES_PER_S_MIN)
}

/// One row per figure: its name, both starts, the target.
fn report(files: u64, baseline: &Start, first: &Start, again: &Start) -> Table {
    let title = format!("{files} files");
    let mut table = table(&[&title, "first start", "restart", "target"], 1);
    let mut row = |name: &str, [first, again]: [String; 2], target: &str| {
        table.add_row([name, &first, &again, target]);
    };
    let both = |figure: &dyn Fn(&Start) -> String| [figure(first), figure(again)];
    let each = |bytes: u64| format!("{} B", figure(bytes as f64 / files as f64));
    let resident = |start: &Start| start.rest.resident_bytes;
    let more = |start: &Start| resident(start).saturating_sub(resident(baseline));
    let rate = files as f64 / first.hashed.as_secs_f64();
    row(
        "to first file served",
        both(&|start| seconds(start.first_file)),
        "",
    );
    row("to scan done", both(&|start| seconds(start.scanned)), "");
    row("to all hashed", both(&|start| seconds(start.hashed)), "");
    row(
        "files hashed",
        [files.to_string(), hashed_again(first, again)],
        "again: 0",
    );
    row("hashed per second", [figure(rate), String::new()], "");
    row(
        "resident memory",
        both(&|start| mebibytes(resident(start))),
        "",
    );
    row(
        "  of an empty tree",
        both(&|_| mebibytes(resident(baseline))),
        "",
    );
    row(
        "  beyond that, per entry",
        both(&|start| each(more(start))),
        ENTRY_TARGET,
    );
    row(
        "  at its peak",
        both(&|start| mebibytes(start.rest.peak_bytes)),
        "",
    );
    row(
        "index on disk",
        both(&|start| mebibytes(start.index_bytes)),
        "",
    );
    row("  per entry", both(&|start| each(start.index_bytes)), "");
    table
}

/// How many files the second start hashed again, as far as can be seen from outside.
///
/// A hash changes an entry and an entry changes the revision, so an unchanged revision is proof of
/// none; should it have changed, the most files seen without a hash are a lower bound.
fn hashed_again(first: &Start, again: &Start) -> String {
    match again.unhashed_max {
        0 if first.version == again.version => "0".to_owned(),
        0 => format!("some: {:?} became {:?}", first.version, again.version),
        seen => format!("{seen} or more"),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", figure(duration.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(revision: u64, unhashed_max: u64, resident_bytes: u64) -> Start {
        Start {
            first_file: Duration::from_millis(12),
            scanned: Duration::from_secs(3),
            hashed: Duration::from_secs(4),
            unhashed_max,
            version: ("a".to_owned(), revision),
            rest: Usage {
                cpu: Duration::ZERO,
                resident_bytes,
                peak_bytes: 8 << 20,
            },
            index_bytes: 100_000,
        }
    }

    #[test]
    fn none_hashed_again_needs_the_same_revision_and_no_sighting() {
        let first = start(7, 1000, 0);
        for (again, expected) in [
            (start(7, 0, 0), "0"),
            (start(8, 0, 0), "some: (\"a\", 7) became (\"a\", 8)"),
            (start(7, 3, 0), "3 or more"),
        ] {
            assert_eq!(hashed_again(&first, &again), expected);
        }
    }

    #[test]
    fn memory_is_counted_beyond_that_of_an_empty_tree() {
        let (baseline, first) = (start(0, 0, 1 << 20), start(7, 1000, (1 << 20) + 300_000));
        let text = report(1000, &baseline, &first, &start(7, 0, 1 << 20)).trim_fmt();
        let words = |name: &str| {
            let line = text.lines().find(|line| line.trim().starts_with(name));
            let line = line.unwrap().split_whitespace();
            line.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            words("beyond"),
            "beyond that, per entry 300 B 0.00 B <= 400 B"
        );
        assert_eq!(words("files hashed"), "files hashed 1000 0 again: 0");
        assert_eq!(words("hashed per"), "hashed per second 250");
        assert_eq!(words("per entry"), "per entry 100 B 100 B");
    }
}
