//! `cargo xtask faults`: what a plain client has in the end when an origin behind a relay fails.
//!
//! Ours relays, and so do nginx, HAProxy and Caddy, each before two origins: through a proxy that
//! cuts, stalls and lies, and with origins that are killed under load. Every byte that was downloaded
//! is compared. It must never count a download that met no fault.

mod config;
mod contender;
mod download;
mod fault;
mod kills;
mod rounds;
mod tally;
mod way;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::value_parser;

pub(crate) use self::config::{Care, Ways, haproxy, nginx};
use self::{
    contender::{Before, Contender, Setting},
    download::Expected,
    fault::Group,
    kills::Outcome,
    rounds::Row,
    tally::Tally,
};
use crate::bench::{
    machine::{self, is_installed},
    markdown, print, release,
};

/// How much is tried.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Places in the body at which each kind of fault is tried
    #[arg(long, default_value_t = 12, value_parser = value_parser!(u32).range(1..=1000))]
    offsets: u32,
    /// How often each relay has an origin killed under load; 0 leaves it out
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(..=10_000))]
    kills: u32,
    /// Seconds after which a user gives up on a download
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=80))]
    patience: u32,
    /// Where files are put and removed again [default: the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What came of one relay; without faults if none were wanted.
struct Trial {
    contender: Contender,
    rows: Vec<Row>,
    kills: Option<Outcome>,
}

/// One pass over all relays: either kind of trial, on a site that was started for it.
#[derive(Clone, Copy)]
enum Pass {
    Faults,
    Kills,
}

/// What is downloaded through the faulty way.
const CUT_BYTES: u64 = 3 << 20;
/// What is downloaded while origins are killed: more than the sockets on the way hold.
const KILLED_BYTES: u64 = 16 << 20;

/// Runs it on the checkout at `root`. What keeps it from running is one line on stderr; a miss does
/// not, so that it is for people to judge.
pub(crate) fn run(args: &Args, root: &Path) -> ExitCode {
    let ran = release::build(root).and_then(|overspill| try_run(args, &overspill));
    match ran.and_then(|tables| print(&tables)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Tries all relays that are here; the tables.
fn try_run(args: &Args, overspill: &Path) -> Result<String> {
    for client in rounds::CLIENTS {
        let name = client.name();
        if !is_installed(name) {
            bail!("{name} not found; install with: apt-get install {name}");
        }
    }
    let folder = tempfile::Builder::new()
        .prefix("overspill-faults-")
        .tempdir_in(args.dir.clone().unwrap_or_else(std::env::temp_dir))
        .context("cannot make a folder; choose another with --dir")?;
    let (tree, work) = (&folder.path().join("tree"), folder.path());
    std::fs::create_dir(tree)?;
    let cut = &Expected::write(tree, "/cut", CUT_BYTES)?;
    let killed = &Expected::write(tree, "/killed", KILLED_BYTES)?;
    let setting = Setting {
        overspill,
        tree,
        work,
    };
    let groups = &fault::groups(args.offsets as usize, cut.bytes);
    let present = present();
    note(&machine::describe()?);
    let pass = |pass| {
        side_by_side(&present, |contender| {
            try_one(args, contender, setting, groups, (cut, killed), pass)
        })
    };
    note("breaking answers");
    let mut trials = pass(Pass::Faults)?;
    if args.kills > 0 {
        note("killing origins");
        for (trial, killed) in trials.iter_mut().zip(pass(Pass::Kills)?) {
            trial.kills = killed.kills;
        }
    }
    note(&machine::describe()?);
    Ok(report(groups, &trials))
}

/// The relays that are on this machine; says which are not.
fn present() -> Vec<Contender> {
    let mut all = Contender::ALL.to_vec();
    all.retain(|contender| match contender.absence() {
        None => true,
        Some(reason) => {
            note(&format!("{}: {reason}", contender.name()));
            false
        }
    });
    all
}

/// Tries all at once: most of the time of each is waiting, and none is timed.
fn side_by_side(
    contenders: &[Contender],
    work: impl Fn(Contender) -> Result<Trial> + Sync,
) -> Result<Vec<Trial>> {
    thread::scope(|scope| {
        let work = &work;
        let trials: Vec<_> = contenders
            .iter()
            .map(|&contender| scope.spawn(move || work(contender)))
            .collect();
        let trials = trials.into_iter().map(|trial| {
            let joined = trial.join();
            joined.map_err(|_| anyhow!("a trial's thread panicked"))?
        });
        trials.collect()
    })
}

fn try_one(
    args: &Args,
    contender: Contender,
    setting: Setting<'_>,
    groups: &[Group],
    (cut, killed): (&Expected, &Expected),
    pass: Pass,
) -> Result<Trial> {
    let folder = tempfile::tempdir_in(setting.work)?;
    let patience = Duration::from_secs(args.patience.into());
    let (mut rows, mut kills) = (Vec::new(), None);
    match pass {
        Pass::Faults => {
            let site = contender.start(setting, Before::Way)?;
            let ran = rounds::run(&site, groups, cut, folder.path(), patience);
            rows = ran.with_context(|| contender.name().to_owned())?;
        }
        Pass::Kills => {
            let mut site = contender.start(setting, Before::Nothing)?;
            let ran = kills::run(&mut site, args.kills, killed, folder.path(), patience);
            kills = Some(ran.with_context(|| contender.name().to_owned())?);
        }
    }
    note(&format!("{}: done", contender.name()));
    Ok(Trial {
        contender,
        rows,
        kills,
    })
}

/// The tables, in Markdown.
fn report(groups: &[Group], trials: &[Trial]) -> String {
    let mut text = String::from(
        "Downloads that met a fault: right / failed / silently wrong (exit code 0, other bytes)\n\n",
    );
    let titles = groups.iter().map(|group| group.title);
    let header: Vec<_> = ["client", "relay"]
        .into_iter()
        .chain(titles)
        .chain(["all"])
        .collect();
    let mut table = markdown(&header, 2);
    for at in 0..rounds::CLIENTS.len() {
        for trial in trials {
            let Some(row) = trial.rows.get(at) else {
                continue;
            };
            let mut all = Tally::default();
            row.cells.iter().for_each(|cell| all.add(*cell));
            let names = [row.client.name(), trial.contender.name()].map(str::to_owned);
            let cells = row.cells.iter().chain([&all]).map(Tally::to_string);
            table.add_row(names.into_iter().chain(cells));
        }
    }
    text += &format!("{table}\n");
    if trials.iter().any(|trial| trial.kills.is_some()) {
        text += &format!(
            "\nOrigins killed with `kill -9` while they fed bodies, eight paced downloads by curl going \
             on\n\n{}\n",
            kills_table(trials)
        );
    }
    text
}

fn kills_table(trials: &[Trial]) -> comfy_table::Table {
    let header = [
        "relay",
        "kills",
        "bodies they fed",
        "right",
        "failed",
        "wrong",
    ];
    let mut table = markdown(&header, 1);
    for trial in trials {
        let Some(Outcome {
            kills,
            struck,
            tally,
        }) = trial.kills
        else {
            continue;
        };
        let figures = [kills, struck, tally.right, tally.failed, tally.wrong];
        let name = trial.contender.name().to_owned();
        table.add_row(
            [name]
                .into_iter()
                .chain(figures.map(|figure| figure.to_string())),
        );
    }
    table
}

/// Says on stderr what goes on, so that stdout holds nothing but results.
fn note(text: &str) {
    // Nobody may be reading; the trials go on all the same.
    let _ = writeln!(io::stderr().lock(), "faults: {text}");
}

#[cfg(test)]
mod tests;
