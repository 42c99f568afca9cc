//! What a line of the access log costs, in CPU time of the serving thread: `cargo xtask bench log`.
//!
//! The lines go to the null device, buffers handed over and all. Beside it stands the obvious way, a
//! `write!` of the same fields without any escaping, in the same run. It must never judge: times
//! mean nothing on a shared machine, the ratio means something.

use std::{
    error::Error,
    hint::black_box,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

use overspill_net::{AskedVersion, Outcome};
use overspill_node::{AccessLog, AccessLogFormat, CoreLog, LoggedDecision, Record};

/// Lines in a round: enough to make the clock's own cost vanish.
const LINES: u64 = 50_000;
/// Rounds, of which the fastest counts: the others were disturbed.
const ROUNDS: usize = 15;
/// What we want a line to cost.
const TARGET: &str = "<= 400 ns";

fn main() -> Result<(), Box<dyn Error>> {
    let obvious_ns = fastest(
        |buffer: &mut Vec<u8>, record| {
            if buffer.len() > 32 << 10 {
                buffer.clear();
            }
            obvious(record, buffer)
        },
        &mut Vec::new(),
    )?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "access log, one line           ns  of write!    target"
    )?;
    writeln!(out, "write! without escaping   {obvious_ns:7.0}      1.00")?;
    for format in [AccessLogFormat::Json, AccessLogFormat::Combined] {
        let log = AccessLog::open(PathBuf::from("/dev/null").into(), format)?;
        let mut core_log = log.core_log("mirror-1");
        let write = |log: &mut CoreLog, record: &Record<'_>| {
            log.write(record);
            Ok(())
        };
        let ns = fastest(write, &mut core_log)?;
        drop(core_log);
        let totals = log.close();
        let (name, ratio) = (format.name(), ns / obvious_ns);
        writeln!(out, "{name:24}  {ns:7.0}      {ratio:.2}  {TARGET:>10}")?;
        if totals.dropped_lines > 0 {
            writeln!(
                out,
                "  {} lines dropped: too few cores",
                totals.dropped_lines
            )?;
        }
    }
    Ok(())
}

/// Nanoseconds per line in the fastest round.
fn fastest<L>(
    mut write: impl FnMut(&mut L, &Record<'_>) -> io::Result<()>,
    log: &mut L,
) -> io::Result<f64> {
    let mut best_ns = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begun = cpu_time();
        for line in 0..LINES {
            write(log, black_box(&record(line)))?;
        }
        best_ns = best_ns.min((cpu_time() - begun).as_nanos() as f64 / LINES as f64);
    }
    Ok(best_ns)
}

/// CPU time of this thread so far: what others do on the machine does not count.
fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec as u32)
}

/// A line like most: a resumed download by a browser.
fn record(line: u64) -> Record<'static> {
    Record {
        at_unix_us: 1_769_860_800_000_000 + line * 20,
        client: [198, 51, 100, (line % 256) as u8].into(),
        method: b"GET",
        target: b"/releases/24.04/images/installer-amd64.iso?ticket=AAECAwQFBgcICQoLDA0ODw",
        version: AskedVersion::Http11,
        status: 206,
        planned_bytes: 4_294_967_296 - line,
        sent_bytes: 4_294_967_296 - line,
        outcome: Outcome::Complete,
        duration_us: 1_000_000 + line,
        decision: LoggedDecision::Serve,
        offset: Some(line << 20),
        host: b"files.example.org",
        referer: b"https://www.example.org/downloads/",
        user_agent: b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        tls: Some("TLSv1.3"),
    }
}

/// The same fields, as one would write them at first.
fn obvious(record: &Record<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    let text = String::from_utf8_lossy;
    writeln!(
        line,
        "{{\"time\":{},\"client\":\"{}\",\"method\":\"{}\",\"target\":\"{}\",\"version\":\"{:?}\",\
         \"status\":{},\"planned_bytes\":{},\"sent_bytes\":{},\"outcome\":\"{}\",\
         \"duration_us\":{},\"node\":\"mirror-1\",\"decision\":\"{}\",\"offset\":{:?},\
         \"host\":\"{}\",\"referer\":\"{}\",\"user_agent\":\"{}\",\"tls\":{:?}}}",
        record.at_unix_us,
        record.client,
        text(record.method),
        text(record.target),
        record.version,
        record.status,
        record.planned_bytes,
        record.sent_bytes,
        record.outcome.word(),
        record.duration_us,
        record.decision.word(),
        record.offset,
        text(record.host),
        text(record.referer),
        text(record.user_agent),
        record.tls,
    )
}
