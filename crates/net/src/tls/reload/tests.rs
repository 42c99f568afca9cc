//! Looks at files that change under them, with the time given.

use std::{fs, time::Instant};

use super::{super::tests::Pair, *};

#[test]
fn a_change_is_read_once_it_has_come_to_rest() {
    let pair = Pair::new();
    let tls = ServerTls::from_files(pair.files()).unwrap();
    let mut looks = Looks::new(&tls);
    let mut look = || looks.look(&tls, SystemTime::now());
    assert_eq!(look(), Look::Same);
    pair.write(&["second.example"]);
    assert_eq!(look(), Look::Changing);
    // Still being written.
    pair.write(&["third.example"]);
    assert_eq!(look(), Look::Changing);
    assert_eq!(tls.describe().names, ["h.example"]);
    assert_eq!(look(), Look::Read(None));
    assert_eq!(tls.describe().names, ["third.example"]);
    assert_eq!(look(), Look::Same);
}

#[test]
fn a_bad_pair_is_tried_once_and_mended_by_the_next_change() {
    let pair = Pair::new();
    let tls = ServerTls::from_files(pair.files()).unwrap();
    let mut looks = Looks::new(&tls);
    let mut look = || looks.look(&tls, SystemTime::now());
    let key = fs::read(pair.files().key).unwrap();
    fs::remove_file(pair.files().key).unwrap();
    assert_eq!(look(), Look::Changing);
    let Look::Read(Some(problem)) = look() else {
        panic!("a missing key was taken");
    };
    assert!(problem.starts_with("cannot read "), "{problem}");
    assert_eq!(look(), Look::Same);
    assert_eq!(tls.describe().names, ["h.example"]);
    fs::write(pair.files().key, key).unwrap();
    assert_eq!(look(), Look::Changing);
    assert_eq!(look(), Look::Read(None));
    assert!(tls.problem().is_none());
}

#[test]
fn a_renewal_behind_a_symbolic_link_is_seen() {
    let (live, next) = (Pair::new(), Pair::new());
    next.write(&["renewed.example"]);
    let archive = live.path().join("archive");
    fs::create_dir(&archive).unwrap();
    let PemFiles { cert, key } = live.files();
    for (file, name) in [(&cert, "cert.pem"), (&key, "key.pem")] {
        fs::rename(file, archive.join(name)).unwrap();
        std::os::unix::fs::symlink(archive.join(name), file).unwrap();
    }
    let tls = ServerTls::from_files(live.files()).unwrap();
    let mut looks = Looks::new(&tls);
    let renewed = next.files();
    for (file, renewed) in [(&cert, &renewed.cert), (&key, &renewed.key)] {
        fs::remove_file(file).unwrap();
        std::os::unix::fs::symlink(renewed, file).unwrap();
    }
    assert_eq!(looks.look(&tls, SystemTime::now()), Look::Changing);
    assert_eq!(looks.look(&tls, SystemTime::now()), Look::Read(None));
    assert_eq!(tls.describe().names, ["renewed.example"]);
}

#[test]
fn the_thread_reads_on_request_and_ends_with_its_handle() {
    let pair = Pair::new();
    let tls = Arc::new(ServerTls::from_files(pair.files()).unwrap());
    let watcher = Watcher::start(Arc::clone(&tls)).unwrap();
    pair.write(&["asked.example"]);
    watcher.read_now();
    let begun = Instant::now();
    while tls.describe().names != ["asked.example"] {
        assert!(begun.elapsed() < Duration::from_secs(30), "never read");
        thread::yield_now();
    }
    drop(watcher);
    assert_eq!(Arc::strong_count(&tls), 1);
}
