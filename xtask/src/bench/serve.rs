//! `cargo xtask bench serve`: what a request costs our server, and what it costs others.
//!
//! The servers stand side by side and are loaded in turn, A B C A B C, so that whatever else the
//! machine does meets all of them. What is compared is CPU time, not throughput: the load generator
//! is as likely as the server to be the slower of the two. It must never compare across runs.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, bail, ensure};
use comfy_table::Table;

use super::{
    contender::{self, Contender, Setting, Site},
    fetch, idle,
    load::{Load, Target, Wrk},
    machine::{self, Pinning},
    note, pace, print, release,
    sample::{Spread, figure},
    table, tree,
};

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds per file size
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of load per server and round
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Idle connections to weigh the memory of; 0 leaves it out
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(..=15_000))]
    idle_connections: u32,
}

/// A file that is asked for.
struct Case {
    label: &'static str,
    path: &'static str,
    bytes: u64,
    connections: u32,
    /// The most we want to cost, as a share of what nginx costs.
    nginx_target: Option<f64>,
    lighttpd_target: Option<f64>,
}

/// One turn of one contender.
struct Turn {
    cpu_us: f64,
    requests_per_s: f64,
    errors: u64,
}

const CASES: [Case; 4] = [
    Case {
        label: "1 KiB",
        path: "/1k",
        bytes: 1 << 10,
        connections: 64,
        nginx_target: Some(0.65),
        lighttpd_target: Some(0.90),
    },
    Case {
        label: "64 KiB",
        path: "/64k",
        bytes: 64 << 10,
        connections: 64,
        nginx_target: None,
        lighttpd_target: None,
    },
    Case {
        label: "1 MiB",
        path: "/1m",
        bytes: 1 << 20,
        connections: 64,
        nginx_target: Some(1.0),
        lighttpd_target: Some(1.0),
    },
    Case {
        label: "100 MiB",
        path: "/100m",
        bytes: 100 << 20,
        connections: 1,
        nginx_target: None,
        lighttpd_target: Some(1.0),
    },
];

/// Ours comes first: the others are compared with it.
const CONTENDERS: [Contender; 3] = [Contender::Overspill, Contender::Nginx, Contender::Lighttpd];
/// How long our server may take to hash the files.
const HASH_PATIENCE: Duration = Duration::from_secs(60);

/// Runs it and prints the tables.
pub(super) fn run(args: &Args, root: &Path) -> Result<()> {
    ensure_installed()?;
    let overspill = &release::build(root)?;
    let folder = tempfile::Builder::new()
        .prefix("overspill-bench-")
        .tempdir()?;
    let (tree, work) = (&folder.path().join("tree"), &folder.path().join("work"));
    make_tree(tree)?;
    fs::create_dir(work)?;
    let pinning = Pinning::detect();
    let setting = Setting {
        overspill,
        tree,
        work,
        pinning,
    };
    print(&format!("{}; {}", machine::describe()?, pinning.describe()))?;
    compare(args, &setting)?;
    if args.idle_connections > 0 {
        idle::compare(args.idle_connections, &setting, CASES[0].path)?;
    }
    print(&format!("\n{}", machine::describe()?))
}

fn ensure_installed() -> Result<()> {
    let missing = contender::missing_programs(machine::is_installed);
    if !missing.is_empty() {
        let missing = missing.join(" and ");
        bail!("{missing} not found; install with: apt-get install nginx-light lighttpd wrk");
    }
    Ok(())
}

fn make_tree(tree: &Path) -> Result<()> {
    fs::create_dir(tree)?;
    for case in &CASES {
        tree::write_file(&tree.join(&case.path[1..]), case.bytes)?;
    }
    note("waiting until the files are old enough to be served like any other");
    CASES
        .iter()
        .try_for_each(|case| tree::wait_until_at_rest(&tree.join(&case.path[1..])))
}

/// Measures all cases and prints one table.
fn compare(args: &Args, setting: &Setting<'_>) -> Result<()> {
    let start = |contender: Contender| contender.start(setting, CASES[0].path);
    let sites = CONTENDERS.map(start);
    let sites = sites.into_iter().collect::<Result<Vec<_>>>()?;
    let wrk = Wrk::new(setting.work, setting.pinning)?;
    let (rounds, seconds) = (args.rounds, args.seconds);
    print(&format!(
        "\nCPU time of the server per request, user and system, in us: {rounds} rounds of \
         {seconds} s each, in turn\n"
    ))?;
    let mut table = table(&HEADER, 3);
    for case in &CASES {
        let turns = measure(case, &sites, &wrk, args, setting)?;
        add_rows(&mut table, case, &sites, &turns);
    }
    print(&table.trim_fmt())?;
    print("\nratio: our median through that of the server in the row")
}

const HEADER: [&str; 10] = [
    "file", "conns", "server", "min", "median", "max", "req/s", "ratio", "target", "errors",
];

/// The turns of each site, in the order of the sites.
fn measure(
    case: &Case,
    sites: &[Site],
    wrk: &Wrk,
    args: &Args,
    setting: &Setting<'_>,
) -> Result<Vec<Vec<Turn>>> {
    note(&format!("loading with {}", case.label));
    let expected = fs::read(setting.tree.join(&case.path[1..]))?;
    let mut answers_bytes = Vec::new();
    for site in sites {
        answers_bytes.push(verify(site, case, &expected)?);
        // A first second that does not count: caches fill, buffers grow.
        wrk.run(target(site, case), 1)?;
    }
    let mut turns: Vec<_> = sites.iter().map(|_| Vec::new()).collect();
    for _ in 0..args.rounds {
        for ((site, answer_bytes), turns) in sites.iter().zip(&answers_bytes).zip(&mut turns) {
            let before = site.process.cpu()?;
            let load = wrk.run(target(site, case), args.seconds)?;
            turns.push(Turn::new(load, site.process.cpu()? - before, *answer_bytes));
        }
    }
    Ok(turns)
}

fn target<'a>(site: &Site, case: &Case) -> Target<'a> {
    Target {
        address: site.address,
        path: case.path,
        connections: case.connections,
    }
}

/// Checks that the site sends the file, and ours with the tag of hashed content. Returns the bytes
/// of the whole answer.
fn verify(site: &Site, case: &Case, expected: &[u8]) -> Result<u64> {
    let name = site.contender.name();
    let what = format!("{name} to serve {}", case.path);
    let answer = pace::until(&what, pace::COARSE, HASH_PATIENCE, || {
        let answer = fetch::get(site.address, case.path)?;
        let etag = answer.etag.as_deref().unwrap_or_default();
        let is_final = site.contender != Contender::Overspill || etag.starts_with("\"b3-");
        Ok(is_final.then_some(answer))
    })?;
    ensure!(answer.status == 200, "{what}: status {}", answer.status);
    ensure!(answer.body == expected, "{what}: the bytes are wrong");
    Ok((answer.head_bytes + answer.body.len()) as u64)
}

impl Turn {
    /// Counted by bytes: at the end of a run most connections are within an answer, which with
    /// large files is a good part of the work.
    fn new(load: Load, cpu: Duration, answer_bytes: u64) -> Self {
        let requests = load.bytes as f64 / answer_bytes as f64;
        Self {
            cpu_us: cpu.as_secs_f64() * 1e6 / requests,
            requests_per_s: requests * 1e6 / load.duration_us as f64,
            errors: load.errors,
        }
    }
}

fn add_rows(table: &mut Table, case: &Case, sites: &[Site], turns: &[Vec<Turn>]) {
    let cpu = |turns: &Vec<Turn>| Spread::of(turns.iter().map(|turn| turn.cpu_us).collect());
    let Some(ours) = turns.first().and_then(cpu) else {
        return;
    };
    for (site, turns) in sites.iter().zip(turns) {
        let rates = turns.iter().map(|turn| turn.requests_per_s);
        let (Some(cpu), Some(rate)) = (cpu(turns), Spread::of(rates.collect())) else {
            continue;
        };
        let (ratio, target) = match site.contender {
            Contender::Overspill => Default::default(),
            rival => (figure(ours.median / cpu.median), case.target(rival)),
        };
        table.add_row([
            case.label,
            &case.connections.to_string(),
            site.contender.name(),
            &figure(cpu.min),
            &figure(cpu.median),
            &figure(cpu.max),
            &figure(rate.median),
            &ratio,
            &target,
            &turns
                .iter()
                .map(|turn| turn.errors)
                .sum::<u64>()
                .to_string(),
        ]);
    }
}

impl Case {
    fn target(&self, rival: Contender) -> String {
        let target = match rival {
            Contender::Lighttpd => self.lighttpd_target,
            Contender::Nginx => self.nginx_target,
            Contender::Overspill => None,
        };
        target.map_or_else(|| "-".to_owned(), |most| format!("<= {most:.2}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_bytes_and_time_shared_among_them() {
        let load = Load {
            bytes: 2_500,
            duration_us: 500_000,
            errors: 1,
        };
        let turn = Turn::new(load, Duration::from_micros(50), 1_000);
        assert_eq!(turn.cpu_us, 20.0);
        assert_eq!(turn.requests_per_s, 5.0);
        assert_eq!(turn.errors, 1);
    }

    #[test]
    fn targets_are_those_of_the_design() {
        let targets = CASES.map(|case| {
            let [nginx, lighttpd] = [Contender::Nginx, Contender::Lighttpd];
            (case.label, case.target(nginx), case.target(lighttpd))
        });
        let expected = [
            ("1 KiB", "<= 0.65", "<= 0.90"),
            ("64 KiB", "-", "-"),
            ("1 MiB", "<= 1.00", "<= 1.00"),
            ("100 MiB", "-", "<= 1.00"),
        ];
        let expected = expected.map(|(case, a, b)| (case, a.to_owned(), b.to_owned()));
        assert_eq!(targets, expected);
    }
}
