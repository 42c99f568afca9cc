//! Tests of the whole log: files, rotation, pipes nobody reads, several cores.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Instant,
};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use serde_json::Value;

use overspill_net::{AskedVersion, Outcome};

use super::{queue::QUEUE_BYTES_MAX, *};

fn record(target: &[u8]) -> Record<'_> {
    Record {
        at_unix_us: 1_769_860_800_000_000,
        client: [192, 0, 2, 1].into(),
        method: b"GET",
        target,
        version: AskedVersion::Http11,
        status: 200,
        planned_bytes: 5,
        sent_bytes: 5,
        outcome: Outcome::Complete,
        duration_us: 7,
        decision: LoggedDecision::Serve,
        offset: None,
        host: b"files.example",
        referer: b"",
        user_agent: b"test",
        tls: None,
    }
}

fn open(path: &Path) -> AccessLog {
    let target = AccessLogTarget::from(path.to_owned());
    AccessLog::open(target, AccessLogFormat::Json).expect("the log opens")
}

fn write(log: &mut CoreLog, numbers: std::ops::Range<u64>) {
    for number in numbers {
        log.write(&record(format!("/{number}").as_bytes()));
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// The numbers in the targets of a log's lines, all of which must be whole.
fn numbers(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).expect("the log can be read");
    assert!(text.is_empty() || text.ends_with('\n'));
    let number = |line| {
        parse(line)["target"].as_str().unwrap()[1..]
            .parse()
            .unwrap()
    };
    text.lines().map(number).collect()
}

/// Looks until `found` finds something, for ten seconds at most.
fn eventually<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if let Some(found) = found() {
            return found;
        }
        thread::yield_now();
    }
    panic!("it did not happen within ten seconds");
}

fn make_fifo(path: &Path) {
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, path, FileType::Fifo, mode, 0).expect("a FIFO can be made");
}

#[test]
fn all_lines_of_several_cores_are_written_whole() {
    const CORES: u64 = 4;
    const LINES: u64 = 5000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = open(&path);
    thread::scope(|scope| {
        for core in 0..CORES {
            let mut core_log = log.core_log("m-1");
            scope.spawn(move || write(&mut core_log, core * LINES..(core + 1) * LINES));
        }
    });
    let totals = log.close();
    assert_eq!(
        totals,
        LogTotals {
            written_lines: CORES * LINES,
            dropped_lines: 0
        }
    );
    let numbers = numbers(&path);
    assert_eq!(numbers.len() as u64, CORES * LINES);
    let distinct: BTreeSet<_> = numbers.into_iter().collect();
    assert!(distinct.into_iter().eq(0..CORES * LINES));
}

#[test]
fn a_log_is_appended_to_and_others_may_not_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    for run in 0..2 {
        let log = open(&path);
        write(&mut log.core_log("m-1"), run..run + 1);
        drop(log);
    }
    assert_eq!(numbers(&path), [0, 1]);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o007, 0);
}

#[test]
fn rotation_loses_no_line() {
    const ROUNDS: u64 = 20;
    const LINES: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = open(&path);
    let mut core_log = log.core_log("m-1");
    let old = |round: u64| folder.path().join(format!("access.log.{round}"));
    for round in 0..ROUNDS {
        write(&mut core_log, round * LINES..(round + 1) * LINES);
        // Whether before or behind what is still on its way: no line may be lost.
        fs::rename(&path, old(round)).unwrap();
        log.reopen();
        eventually(|| path.exists().then_some(()));
    }
    drop(core_log);
    log.close();
    let mut all: Vec<u64> = (0..ROUNDS).flat_map(|round| numbers(&old(round))).collect();
    all.extend(numbers(&path));
    assert!(all.into_iter().eq(0..ROUNDS * LINES));
}

#[test]
fn a_folder_that_is_gone_leaves_the_old_file_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let log = open(&logs.join("access.log"));
    let mut core_log = log.core_log("m-1");
    let moved = folder.path().join("moved");
    fs::rename(&logs, &moved).unwrap();
    log.reopen();
    write(&mut core_log, 0..3);
    drop(core_log);
    log.close();
    assert_eq!(numbers(&moved.join("access.log")), [0, 1, 2]);
}

#[test]
fn lines_leave_the_buffer_of_an_idle_core_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = open(&path);
    let mut core_log = log.core_log("m-1");
    let now = Instant::now();
    core_log.flush_if_due(now);
    write(&mut core_log, 0..1);
    core_log.flush_if_due(now + Duration::from_millis(999));
    assert_eq!(log.totals().written_lines, 0);
    core_log.flush_if_due(now + Duration::from_secs(1));
    eventually(|| (log.totals().written_lines == 1).then_some(()));
    assert_eq!(numbers(&path), [0]);
}

#[test]
fn a_fifo_nobody_reads_blocks_nobody_and_loses_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    make_fifo(&path);
    let log = open(&path);
    let mut core_log = log.core_log("m-1");
    let line_bytes = 200;
    let enough = QUEUE_BYTES_MAX as u64 / line_bytes * 2;
    write(&mut core_log, 0..enough);
    let dropped = log.totals().dropped_lines;
    assert!(dropped > 0 && dropped < enough, "{dropped} of {enough}");

    // Somebody reads: first comes what had waited, then how much is missing, then what is new.
    // Opening waits for the writer's next try.
    let fifo = path.clone();
    let reading = thread::spawn(move || read_until_new(File::open(fifo).unwrap(), enough));
    // Room is made by reading, so in the end a chunk gets through.
    eventually(|| {
        core_log.write(&record(b"/new"));
        core_log.flush();
        reading.is_finished().then_some(())
    });
    let (told, old) = reading.join().expect("the reader found it");
    drop(core_log);
    let totals = log.close();
    assert!(told >= dropped && told <= totals.dropped_lines);
    // What waited is there, but for what was still in the core's buffer: a chunk at most.
    let missing = enough - dropped - old;
    assert!(missing < 300, "{missing}");
}

/// Reads until a line tells of lost ones; how many, and how many old lines came before.
fn read_until_new(reader: File, enough: u64) -> (u64, u64) {
    let mut old = 0;
    for line in BufReader::new(reader).lines() {
        let line = parse(&line.expect("lines are UTF-8"));
        if let Some(told) = line["dropped_lines"].as_u64() {
            return (told, old);
        }
        let target = line["target"].as_str().unwrap();
        old += u64::from(target != "/new");
        assert!(old <= enough);
    }
    panic!("the log ended without telling of what was lost");
}

#[test]
fn closing_does_not_wait_for_a_pipe_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    make_fifo(&path);
    // Open for reading, and never read: the pipe itself takes 64 KiB and then nothing.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let reader = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&path);
    let log = open(&path);
    let mut core_log = log.core_log("m-1");
    write(&mut core_log, 0..5000);
    drop(core_log);
    let begun = Instant::now();
    let totals = log.close();
    assert!(begun.elapsed() < CLOSE_PATIENCE, "{:?}", begun.elapsed());
    assert!(totals.dropped_lines > 0);
    assert_eq!(totals.dropped_lines + totals.written_lines, 5000);
    drop(reader);
}

#[test]
fn a_full_disk_is_survived() {
    // What /dev/full stands for is met by the same code: an error that a later try may not meet.
    let log = open(Path::new("/dev/full"));
    let mut core_log = log.core_log("m-1");
    write(&mut core_log, 0..10);
    core_log.flush();
    write(&mut core_log, 10..20);
    drop(core_log);
    let totals = log.close();
    assert_eq!(
        totals,
        LogTotals {
            written_lines: 0,
            dropped_lines: 20
        }
    );
}

#[test]
fn what_cannot_be_opened_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing/access.log");
    for (path, expected) in [
        (missing.as_path(), io::ErrorKind::NotFound),
        (folder.path(), io::ErrorKind::IsADirectory),
    ] {
        let target = AccessLogTarget::File(path.to_owned());
        let refused = AccessLog::open(target, AccessLogFormat::Json).unwrap_err();
        let text = format!(
            "cannot write the access log {}; give another file with --access-log",
            path.display()
        );
        assert_eq!(refused.to_string(), text);
        let AccessLogError::Open { source, .. } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(source.kind(), expected);
    }
    assert_eq!(
        AccessLogTarget::from(PathBuf::from("-")),
        AccessLogTarget::Stdout
    );
}
