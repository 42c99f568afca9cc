//! `cargo xtask bench relay`: what a relayed byte costs our server, and what it costs others.
//!
//! One mirror of ours is the origin of all, and only who relays is measured. They stand side by side
//! and are loaded in turn, as in `bench serve`. It must never measure bytes that ours sent from its
//! own file.

mod rig;

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, bail, ensure};

use self::rig::{Relay, Rig};
use super::{
    contender::Setting,
    fairness::company::{Company, Crowd},
    idle,
    load::{Load, Target, Wrk},
    machine::{self, Pinning},
    markdown, note, pace, pair, print, release,
    sample::{Spread, figure, mebibytes},
    tree,
};

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds per row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of load per relay and round
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Slow readers to weigh the memory of; 0 leaves it out
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(..=3000))]
    slow_readers: u32,
}

/// A kind of load.
struct Row {
    label: &'static str,
    path: &'static str,
    connections: u32,
}

const LARGE: &str = "/large";
const SMALLER: &str = "/1m";
const ROWS: [Row; 3] = [
    Row {
        label: "256 MiB, 1 connection",
        path: LARGE,
        connections: 1,
    },
    Row {
        label: "256 MiB, 8 connections",
        path: LARGE,
        connections: 8,
    },
    Row {
        label: "1 MiB, 8 connections",
        path: SMALLER,
        connections: 8,
    },
];
const LARGE_MIB: u64 = 256;
/// The most we want to cost, as a share of what HAProxy costs.
const TARGET: f64 = 1.0;
/// Descriptors of a relayed flow: two connections and a pipe; here one more.
const DESCRIPTORS_EACH: u64 = 5;
/// For everything else.
const SPARE_DESCRIPTORS: u64 = 512;
/// How long slow flows go on before they are weighed: buffers that grow have grown.
const SETTLING: Duration = Duration::from_secs(5);
const HEADER: [&str; 7] = [
    "load",
    "relay",
    "CPU ms/GiB",
    "min..max",
    "ours / its",
    "min..max",
    "errors",
];

/// Runs it and prints the tables.
pub(super) fn run(args: &Args, root: &Path) -> Result<()> {
    if let Some(status) = release::again(root)? {
        ensure!(status.success(), "the benchmark failed");
        return Ok(());
    }
    if !machine::is_installed("wrk") {
        bail!("wrk not found; install with: apt-get install wrk");
    }
    let overspill = &release::build(root)?;
    let folder = tempfile::Builder::new()
        .prefix("overspill-bench-")
        .tempdir()?;
    let (tree, work) = (&folder.path().join("tree"), &folder.path().join("work"));
    fs::create_dir(tree)?;
    fs::create_dir(work)?;
    tree::write_file(&tree.join(&LARGE[1..]), LARGE_MIB << 20)?;
    tree::write_file(&tree.join(&SMALLER[1..]), 1 << 20)?;
    tree::wait_until_at_rest(&tree.join(&SMALLER[1..]))?;
    let setting = Setting {
        overspill,
        tree,
        work,
        pair: &pair::write(work)?,
        pinning: Pinning::detect(),
    };
    let pinned = setting.pinning.describe();
    print(&format!("{}; {pinned}", machine::describe()?))?;
    compare(args, &setting)?;
    if args.slow_readers > 0 {
        weigh_all(args.slow_readers, &setting)?;
    }
    print(&format!("\n{}", machine::describe()?))
}

/// Measures all rows and prints one table.
fn compare(args: &Args, setting: &Setting<'_>) -> Result<()> {
    let wrk = Wrk::new(setting.work, setting.pinning)?;
    let rig = Rig::start(setting, &Relay::present())?;
    let mut table = markdown(&HEADER, 2);
    for row in &ROWS {
        note(&format!("loading with {}", row.label));
        let turns = measure(args, row, &rig, &wrk)?;
        for (relay, turn) in rig.relays().zip(&turns) {
            table.add_row(line(row, relay, turn, &turns[0]));
        }
    }
    print(&format!(
        "\nCPU time of the relay, user and system, one thread each: medians of {} rounds of {} s, the \
         relays in turn\n\n{table}\n\nours / its: round by round; below 1 ours is cheaper; target for \
         HAProxy: <= {TARGET:.2}",
        args.rounds, args.seconds
    ))
}

/// What one relay cost, round by round, and what went wrong.
#[derive(Default)]
struct Turns {
    cpu_ms: Vec<f64>,
    errors: u64,
}

fn measure(args: &Args, row: &Row, rig: &Rig, wrk: &Wrk) -> Result<Vec<Turns>> {
    let load = |relay, seconds| -> Result<(f64, Load)> {
        let target = Target {
            address: rig.door(relay),
            path: rig.path(relay, row.path),
            connections: row.connections,
        };
        let before = rig.cpu(relay)?;
        let load = wrk.run(target, seconds)?;
        let cpu = rig.cpu(relay)? - before;
        let gib = load.bytes as f64 / f64::from(1 << 30);
        ensure!(gib > 0.0, "{} sent nothing", relay.name());
        Ok((cpu.as_secs_f64() * 1e3 / gib, load))
    };
    let relays: Vec<_> = rig.relays().collect();
    for relay in &relays {
        // A first second that does not count: caches fill, buffers grow.
        load(*relay, 1)?;
    }
    let served = rig.served_by_ours()?;
    let mut turns: Vec<_> = relays.iter().map(|_| Turns::default()).collect();
    for _ in 0..args.rounds {
        for (relay, turns) in relays.iter().zip(&mut turns) {
            let (cpu_ms, load) = load(*relay, args.seconds)?;
            turns.cpu_ms.push(cpu_ms);
            turns.errors += load.errors;
        }
    }
    ensure!(
        rig.served_by_ours()? == served,
        "our server sent files itself when it should have relayed"
    );
    Ok(turns)
}

fn line(row: &Row, relay: Relay, turns: &Turns, ours: &Turns) -> Vec<String> {
    let ratios = ours.cpu_ms.iter().zip(&turns.cpu_ms);
    let ratios = match relay {
        Relay::Overspill => Vec::new(),
        _ => ratios.map(|(ours, its)| ours / its).collect(),
    };
    let mut line = vec![row.label.to_owned(), relay.name().to_owned()];
    line.extend(cells(Spread::of(turns.cpu_ms.clone())));
    line.extend(cells(Spread::of(ratios)));
    line.push(turns.errors.to_string());
    line
}

/// The median and the range; dashes if there are none.
fn cells(spread: Option<Spread>) -> [String; 2] {
    spread.map_or_else(
        || ["-", "-"].map(str::to_owned),
        |spread| {
            let range = format!("{}..{}", figure(spread.min), figure(spread.max));
            [figure(spread.median), range]
        },
    )
}

/// Prints what slow flows hold of each relay's memory, or a line on why that is not known.
fn weigh_all(readers: u32, setting: &Setting<'_>) -> Result<()> {
    let allowed = idle::raise_descriptors()?;
    let needed = u64::from(readers) * DESCRIPTORS_EACH + SPARE_DESCRIPTORS;
    if allowed < needed {
        return print(&format!(
            "\nmemory of slow flows left out: {needed} descriptors needed, {allowed} allowed"
        ));
    }
    print(&format!(
        "\nResident memory with {readers} relayed flows whose clients take some KiB/s; what the kernel \
         holds in sockets and pipes is in no figure\n"
    ))?;
    let mut table = markdown(&["relay", "before", "with them", "KiB each"], 1);
    for relay in Relay::present() {
        note(&format!("{readers} slow readers of {}", relay.name()));
        let cells = match weigh(relay, readers, setting) {
            Ok((before, after)) => {
                let each = after.saturating_sub(before) as f64 / f64::from(readers) / 1024.0;
                [mebibytes(before), mebibytes(after), figure(each)]
            }
            // The others are weighed all the same.
            Err(error) => [format!("{error:#}"), "-".to_owned(), "-".to_owned()],
        };
        table.add_row([relay.name().to_owned()].into_iter().chain(cells));
    }
    print(&table.to_string())
}

/// Resident bytes without and with them, of a relay that has done nothing else.
fn weigh(relay: Relay, readers: u32, setting: &Setting<'_>) -> Result<(u64, u64)> {
    let rig = Rig::start(setting, &[relay])?;
    let before = rig.resident_bytes(relay)?;
    let (company, path) = (Company::Slow(readers), rig.path(relay, LARGE));
    let crowd = Crowd::gather(company, rig.door(relay), path, setting.pinning)?;
    pace::pause(SETTLING);
    let after = rig.resident_bytes(relay)?;
    crowd.leave()?;
    Ok((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round_and_of_others_only() {
        let turns = |cpu_ms: &[f64]| Turns {
            cpu_ms: cpu_ms.to_vec(),
            errors: 2,
        };
        let (ours, its) = (turns(&[5.0, 10.0, 20.0]), turns(&[10.0, 40.0, 25.0]));
        let line = |relay, turns| line(&ROWS[0], relay, turns, &ours)[2..].join(" | ");
        let expected = "25.0 | 10.0..40.0 | 0.50 | 0.25..0.80 | 2";
        assert_eq!(line(Relay::HaproxySplice, &its), expected);
        let expected = "10.0 | 5.00..20.0 | - | - | 2";
        assert_eq!(line(Relay::Overspill, &ours), expected);
    }
}
