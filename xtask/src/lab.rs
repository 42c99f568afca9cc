//! `cargo xtask lab`: the release build on hosts of its own, with links that are narrow and faults
//! that are real, beside nginx doing the same.
//!
//! Hosts are network namespaces; nodes and clients are processes. Every byte that was downloaded is
//! compared. It must never leave anything behind, touch the machine's own network, or call a miss
//! anything else.

mod cutter;
mod download;
mod interrupt;
mod load;
mod needs;
mod net;
mod outcome;
mod plot;
mod processor;
mod redirects;
mod report;
mod scenario;
mod site;
mod stock;
mod trial;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use clap::{builder::PossibleValuesParser, value_parser};

use self::{
    interrupt::Interrupt,
    needs::missing,
    outcome::Outcome,
    report::Report,
    scenario::Scenario,
    site::{Contender, Setting},
    stock::Stock,
    trial::{Runner, Trial},
};
use crate::bench::{machine, print, release};

/// What is tried, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// What to try [default: all of them]
    #[arg(value_name = "SCENARIO", value_parser = PossibleValuesParser::new(names()))]
    scenarios: Vec<String>,
    /// Seconds for which each trial is measured
    #[arg(long, default_value_t = 7, value_parser = value_parser!(u32).range(2..=600))]
    seconds: u32,
    /// Hosts with clients; four kinds of client take turns on them
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(4..=200))]
    clients: u32,
    /// File for all figures, JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run nothing: print a picture, SVG, of the figures in this file that --json wrote
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Where files are put and removed again [default: memory, if there is a file system in it]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Option to add to `overspill serve`; may be given again
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    serve_option: Vec<String>,
    /// Option to add to `overspill mirror`; may be given again
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    mirror_option: Vec<String>,
}

/// Files here cost no disk, whose pace would be measured, too.
const MEMORY: &str = "/dev/shm";

/// Runs the lab on the checkout at `root`. What keeps it from running is one line on stderr; a miss
/// does not, so that it is for people to judge.
pub(crate) fn run(args: &Args, root: &Path) -> ExitCode {
    match try_run(args, root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn try_run(args: &Args, root: &Path) -> Result<()> {
    if let Some(path) = &args.plot {
        return print(&picture(path)?);
    }
    if let Some(reason) = missing(&needs::ALL) {
        bail!("the lab cannot run: {reason}");
    }
    let overspill = release::build(root)?;
    let folder = tempfile::Builder::new()
        .prefix("overspill-lab-")
        .tempdir_in(args.folder())
        .context("cannot make a folder for the lab; choose another with --dir")?;
    print(&machine::describe()?)?;
    let report = Runner::prepare(args, overspill, folder.path())?.run_all(args)?;
    print(&report.text())?;
    print(&machine::describe()?)?;
    if let Some(path) = &args.json {
        let text = format!("{:#}\n", report.json());
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The picture of the figures in a file.
fn picture(path: &Path) -> Result<String> {
    let figures = fs::read_to_string(path);
    let figures = figures.with_context(|| format!("cannot read {}", path.display()))?;
    plot::svg(&serde_json::from_str(&figures)?)
}

impl Args {
    fn folder(&self) -> PathBuf {
        let memory = PathBuf::from(MEMORY);
        let default = || {
            if memory.is_dir() {
                memory
            } else {
                std::env::temp_dir()
            }
        };
        self.dir.clone().unwrap_or_else(default)
    }

    fn chosen(&self) -> impl Iterator<Item = &'static dyn Scenario> {
        let is_chosen =
            |name| self.scenarios.is_empty() || self.scenarios.iter().any(|s| s == name);
        scenario::ALL
            .into_iter()
            .filter(move |scenario| is_chosen(scenario.name()))
    }
}

impl Runner {
    /// Writes the files, and has mirrors copy them.
    fn prepare(args: &Args, overspill: PathBuf, folder: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let setting = Setting {
            overspill,
            stock: Stock::write(&folder.join("stock"))?,
            serve_options: args.serve_option.clone(),
            mirror_options: args.mirror_option.clone(),
            interrupt: Interrupt::catch(&runtime)?,
        };
        let runner = Self {
            setting: Arc::new(setting),
            runtime,
            folder: folder.to_owned(),
            clients: args.clients as usize,
        };
        note("copying the files to the mirrors");
        runner.fill_mirrors().context("cannot fill the mirrors")?;
        Ok(runner)
    }

    fn run_all(&self, args: &Args) -> Result<Report> {
        let mut report = Report::default();
        let mut alone = Vec::new();
        for scenario in args.chosen() {
            let outcomes = self.run_scenario(scenario, args.seconds, &mut alone)?;
            report.add(scenario, outcomes, args.seconds);
        }
        Ok(report)
    }

    /// Runs its trials; one without mirrors or fault is run once for all scenarios, in `alone`.
    fn run_scenario(
        &self,
        scenario: &'static dyn Scenario,
        seconds: u32,
        alone: &mut Vec<(String, Outcome)>,
    ) -> Result<Vec<Outcome>> {
        let name = scenario.name();
        let mut outcomes = Vec::new();
        for trial in scenario.trials(seconds) {
            let key = key(&trial);
            let known = alone.iter().find(|(known, _)| Some(known) == key.as_ref());
            if let Some((_, outcome)) = known {
                outcomes.push(outcome.clone().seen_in(name, &trial));
                continue;
            }
            note(&format!(
                "{name} {}: {}",
                trial.variant,
                trial.contender.name()
            ));
            let run = self.run(&trial);
            let run = run.with_context(|| format!("{name}, {}", trial.contender.name()))?;
            let outcome = Outcome::of(name, &trial, run);
            note(&report::line(&outcome));
            alone.extend(key.map(|key| (key, outcome.clone())));
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }
}

/// What makes two trials without mirrors or fault the same; `None` for others.
fn key(trial: &Trial) -> Option<String> {
    let is_alone = trial.contender == Contender::NginxAlone && trial.fault.is_none();
    let (load, time) = (&trial.load, (trial.start, trial.end));
    is_alone.then(|| format!("{} {load:?} {time:?}", trial.server))
}

fn names() -> Vec<&'static str> {
    scenario::ALL
        .iter()
        .map(|scenario| scenario.name())
        .collect()
}

/// Says on stderr what goes on, so that stdout holds nothing but results.
fn note(text: &str) {
    // Nobody may be reading; the lab goes on all the same.
    let _ = writeln!(io::stderr().lock(), "lab: {text}");
}
