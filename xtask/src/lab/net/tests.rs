//! The lab's hosts for real: two of them, and a link between.

use std::{
    collections::HashSet,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::lab::needs::can_make_hosts;

const BYTES: usize = 2 << 20;
const LINK_MBIT: f64 = 40.0;
/// The first of it goes out without waiting.
const BURST_BYTES: usize = 128 << 10;

fn names() -> HashSet<String> {
    let listed = ip("netns list").unwrap();
    let names = listed.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

/// Sends [`BYTES`] from one host to the other; how long it took.
fn transfer(from: &Host, to: &Host) -> Result<Duration> {
    let listener = from.within(|| Ok(TcpListener::bind((from.address, 0))?))?;
    let there: SocketAddr = listener.local_addr()?;
    let sender = thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.write_all(&vec![7; BYTES])
    });
    let begun = Instant::now();
    let mut received = Vec::new();
    let mut stream = to.within(|| Ok(TcpStream::connect(there)?))?;
    stream.read_to_end(&mut received)?;
    let elapsed = begun.elapsed();
    sender.join().unwrap()?;
    assert_eq!(received, vec![7; BYTES]);
    Ok(elapsed)
}

#[test]
fn hosts_reach_each_other_at_the_speed_of_the_link_and_leave_nothing() {
    if !can_make_hosts("hosts_reach_each_other_at_the_speed_of_the_link_and_leave_nothing") {
        return;
    }
    let mut net = Net::new().unwrap();
    let (from, to) = (net.add_host("m1").unwrap(), net.add_host("c1").unwrap());
    let link = Link::mbit(LINK_MBIT);
    from.limit(link).unwrap();
    let elapsed = transfer(&from, &to).unwrap();
    let least = (BYTES - BURST_BYTES) as f64 / link.bytes_per_s();
    assert!(
        elapsed.as_secs_f64() > 0.9 * least,
        "{elapsed:?}, not {least} s"
    );
    let sent = net.sent_bytes().unwrap();
    assert!(
        sent["m1"] > BYTES as u64 && sent["c1"] < sent["m1"],
        "{sent:?}"
    );

    to.refuse(&from).unwrap();
    let refused = to.within(|| Ok(TcpStream::connect((from.address, 1)).map_err(|e| e.kind())));
    assert_eq!(
        refused.unwrap().unwrap_err(),
        io::ErrorKind::HostUnreachable
    );

    let ours: HashSet<_> = net.namespaces.iter().cloned().collect();
    assert_eq!(ours.len(), 3);
    assert!(names().is_superset(&ours));
    drop(net);
    assert!(names().is_disjoint(&ours));
}

#[test]
fn counters_are_what_came_to_the_bridge() {
    let text = r#"[{"ifname":"m1","stats64":{"rx":{"bytes":7},"tx":{"bytes":9}}}]"#;
    let counters = parse_counters(text).unwrap();
    assert_eq!(counters, BTreeMap::from([("m1".to_owned(), 7)]));
    assert_eq!(parse_counters("[{}]"), None);
}

#[test]
fn a_link_is_called_by_what_it_carries() {
    // 1514 bytes of frame for 1448 of a file.
    let words = Link::mbit(100.0).queueing();
    assert!(
        words.starts_with("tbf rate 104558011bit burst 128kb"),
        "{words}"
    );
}
