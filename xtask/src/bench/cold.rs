//! `cargo xtask bench cold`: what hot files wait for a cold one.
//!
//! A large file is downloaded that is not in memory, while small ones that are get asked for on the
//! same serving thread. A thread that waits for the disk itself lets all its connections wait. nginx
//! is measured as it comes, and with its pool of threads. It must never drop more from memory than
//! the file it wrote itself.

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use overspill_wire::{paths::FLEET, status::FleetStatus};
use rustix::fs::{Advice, fadvise};

use super::{
    contender::{Contender, DoorKind, Setting, Site},
    fetch,
    latency::{Latencies, Pulse},
    machine::{self, Pinning, Side},
    markdown, note, pace, pair, print, release,
    sample::figure,
    tree,
};

/// How much is measured, and where.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds of each row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Size of the cold file in MiB
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u64).range(64..))]
    large_mib: u64,
    /// A folder on the disk to measure [default: that for temporary files]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

const SMALL: &str = "/small";
const LARGE: &str = "/large";
/// Connections that ask for what is hot.
const CONNECTIONS: u32 = 64;
/// What the download takes at a time.
const GULP_BYTES: usize = 256 << 10;
/// How long the download may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long hashing may take.
const HASH_PATIENCE: Duration = Duration::from_secs(300);

/// Runs the benchmark and prints its table.
pub(super) fn run(args: &Args, root: &Path) -> Result<()> {
    if let Some(status) = release::again(root)? {
        ensure!(status.success(), "the benchmark failed");
        return Ok(());
    }
    let overspill = &release::build(root)?;
    let base = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new()
        .prefix("overspill-bench-")
        .tempdir_in(base)?;
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
    print(&format!(
        "\n{CONNECTIONS} connections ask for a hot 1 KiB 50 times a second each, for {} s\n",
        args.seconds
    ))?;
    let titles = [
        &["server", "beside"],
        &Latencies::TITLES[..],
        &["its MiB/s"],
    ]
    .concat();
    let mut table = markdown(&titles, 2);
    for contender in [
        Contender::Overspill,
        Contender::Nginx,
        Contender::NginxThreads,
    ] {
        if let Some(why) = contender.absence(setting, DoorKind::Plain) {
            note(&format!("{}: {why}", contender.name()));
            continue;
        }
        note(&format!("measuring {}", contender.name()));
        let site = contender.start(setting, DoorKind::Plain, SMALL)?;
        wait_until_hashed(&site)?;
        let alone = pulse(args, &site).measure(setting.pinning)?;
        let (beside, mib_per_s) = beside_download(args, &site, setting)?;
        for (what, latencies, rate) in [
            ("nothing", alone, "-".to_owned()),
            ("a cold download", beside, mib_per_s),
        ] {
            let name = [contender.name().to_owned(), what.to_owned()];
            table.add_row(name.into_iter().chain(latencies.cells()).chain([rate]));
        }
        site.process.stop()?;
    }
    print(&table.to_string())
}

/// Ours reads every file once at its start, which is not what is measured.
pub(super) fn wait_until_hashed(site: &Site) -> Result<()> {
    if site.contender != Contender::Overspill {
        return Ok(());
    }
    pace::until("the hashes", pace::COARSE, HASH_PATIENCE, || {
        let body = fetch::get(site.doors.plain, FLEET)?.body;
        let status: FleetStatus = serde_json::from_slice(&body)?;
        Ok((status.catalog.unhashed == 0).then_some(()))
    })
}

fn pulse(args: &Args, site: &Site) -> Pulse<'static> {
    Pulse {
        address: site.doors.plain,
        path: SMALL,
        connections: CONNECTIONS,
        lasting: Duration::from_secs(args.seconds.into()),
    }
}

/// The latencies beside a download that meets the disk all the time, and its rate.
fn beside_download(args: &Args, site: &Site, setting: &Setting<'_>) -> Result<(Latencies, String)> {
    let is_over = Arc::new(AtomicBool::new(false));
    let (theirs, pinning) = (Arc::clone(&is_over), setting.pinning);
    let (address, large) = (site.doors.plain, setting.tree.join("large"));
    let download = thread::spawn(move || {
        pinning.bind_thread(Side::Load)?;
        download_cold(address, &large, &theirs)
    });
    let latencies = pulse(args, site).measure(setting.pinning);
    is_over.store(true, Relaxed);
    let rate = download
        .join()
        .map_err(|_| anyhow!("the download panicked"))??;
    Ok((latencies?, figure(rate / f64::from(1 << 20))))
}

/// Downloads the large file, cold each time, until it is over; bytes per second.
fn download_cold(address: SocketAddr, large: &Path, is_over: &AtomicBool) -> Result<f64> {
    let mut gulp = vec![0; GULP_BYTES];
    let (mut taken_bytes, mut took) = (0, Duration::ZERO);
    while !is_over.load(Relaxed) {
        drop_from_memory(large)?;
        let begun = Instant::now();
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(SILENCE))?;
        write!(
            stream,
            "GET {LARGE} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        while !is_over.load(Relaxed) {
            match stream.read(&mut gulp)? {
                0 => break,
                bytes => taken_bytes += bytes,
            }
        }
        took += begun.elapsed();
    }
    Ok(taken_bytes as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE))
}

/// Has the kernel forget the file, which is written to the disk first: it keeps what is not.
fn drop_from_memory(path: &Path) -> Result<()> {
    let file = File::open(path)?;
    file.sync_data()?;
    fadvise(&file, 0, None, Advice::DontNeed).context("cannot drop the file from memory")
}
