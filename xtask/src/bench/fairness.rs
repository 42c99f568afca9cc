//! `cargo xtask bench fairness`: what clients wait for others.
//!
//! The same small requests alone, beside connections that do nothing, beside many that read a large
//! file slowly, and beside one that reads it as fast as it comes; ours and nginx in the same run, one
//! serving thread each. It must never be a test: a shared machine has pauses of its own.

pub(super) mod company;

use std::{path::Path, time::Duration};

use anyhow::{Result, bail, ensure};

use self::company::{Company, Crowd};
use super::{
    cold,
    contender::{Contender, DoorKind, Setting, Site},
    idle,
    latency::{Latencies, Pulse},
    machine::{self, Pinning},
    markdown, note, pair, print, release, tree,
};

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds of each row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Connections that do nothing; fewer where fewer files may be open
    #[arg(long, default_value_t = 10_000)]
    idle_connections: u32,
    /// Slow readers
    #[arg(long, default_value_t = 1000)]
    slow_readers: u32,
    /// Size of the large file in MiB
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(64..))]
    large_mib: u64,
}

const SMALL: &str = "/small";
const LARGE: &str = "/large";
/// Connections that are measured.
const CONNECTIONS: u32 = 64;
/// Descriptors for everything but those of the crowd, here and in the servers.
const SPARE_DESCRIPTORS: u64 = 512;

/// Runs the benchmark and prints its table.
pub(super) fn run(args: &Args, root: &Path) -> Result<()> {
    if let Some(status) = release::again(root)? {
        ensure!(status.success(), "the benchmark failed");
        return Ok(());
    }
    let overspill = &release::build(root)?;
    let folder = tempfile::Builder::new()
        .prefix("overspill-bench-")
        .tempdir()?;
    let (tree, work) = &tree::small_and_large(folder.path(), args.large_mib)?;
    let pinning = Pinning::detect();
    let setting = Setting {
        overspill,
        tree,
        work,
        pair: &pair::write(work)?,
        pinning,
    };
    print(&format!("{}; {}", machine::describe()?, pinning.describe()))?;
    compare(args, &setting)?;
    print(&format!("\n{}", machine::describe()?))
}

fn compare(args: &Args, setting: &Setting<'_>) -> Result<()> {
    let companies = companies(args)?;
    print(&format!(
        "\n{CONNECTIONS} connections ask for 1 KiB 50 times a second each, for {} s\n",
        args.seconds
    ))?;
    let titles = [
        &["server", "beside"],
        &Latencies::TITLES[..],
        &["its MiB/s"],
    ]
    .concat();
    let mut table = markdown(&titles, 2);
    for contender in [Contender::Overspill, Contender::Nginx] {
        if let Some(why) = contender.absence(setting, DoorKind::Plain) {
            note(&format!("{}: {why}", contender.name()));
            continue;
        }
        for company in &companies {
            note(&format!("{} beside {}", contender.name(), company.name()));
            let site = contender.start(setting, DoorKind::Plain, SMALL)?;
            cold::wait_until_hashed(&site)?;
            let (latencies, mib_per_s) = measure(args, &site, *company, setting)?;
            let name = [contender.name().to_owned(), company.name()];
            table.add_row(name.into_iter().chain(latencies.cells()).chain([mib_per_s]));
            site.process.stop()?;
        }
    }
    print(&table.to_string())
}

/// What is beside the requests, row by row.
fn companies(args: &Args) -> Result<[Company; 4]> {
    // Ours keeps half of its descriptors for files.
    let most = idle::raise_descriptors()? / 2;
    let Some(most) = most.checked_sub(SPARE_DESCRIPTORS).filter(|&most| most > 0) else {
        bail!("too few open files are allowed; raise the limit with ulimit -n");
    };
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    Ok([
        Company::Nobody,
        Company::Idle(args.idle_connections.min(most)),
        Company::Slow(args.slow_readers.min(most)),
        Company::Fast,
    ])
}

fn measure(
    args: &Args,
    site: &Site,
    company: Company,
    setting: &Setting<'_>,
) -> Result<(Latencies, String)> {
    let address = site.doors.plain;
    let crowd = Crowd::gather(company, address, LARGE, setting.pinning)?;
    let pulse = Pulse {
        address,
        path: SMALL,
        connections: CONNECTIONS,
        lasting: Duration::from_secs(args.seconds.into()),
    };
    let latencies = pulse.measure(setting.pinning)?;
    Ok((latencies, crowd.leave()?))
}
