//! Tests of the gate: what passes, what comes back, and what threads do to it together.

use std::{sync::Barrier, thread};

use super::*;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn gate(limits: ClientLimits, now: Instant) -> Arc<Gate> {
    Gate::new(&limits, now).expect("something is limited")
}

fn rate(bytes_per_s: f64) -> Option<Rate> {
    Some(Rate::from_bytes_per_s(bytes_per_s))
}

/// Sends for `span` of virtual time over each permit in turn of readiness; bytes of each.
fn send(permits: &[ConnectionPermit], start: Instant, span: Duration) -> Vec<u64> {
    let mut sent = vec![0; permits.len()];
    let mut ready = vec![start; permits.len()];
    for _ in 0..1_000_000 {
        let next = (0..permits.len())
            .min_by_key(|at| ready[*at])
            .expect("there are permits");
        if ready[next] > start + span {
            return sent;
        }
        match permits[next].pace(ready[next], 1 << 40) {
            Pace::Go(bytes) => {
                assert!(bytes > 0);
                sent[next] += bytes;
            }
            Pace::Wait(wait) => {
                assert!(wait > Duration::ZERO);
                ready[next] += wait;
            }
        }
    }
    panic!("pacing never waits");
}

#[test]
fn without_limits_there_is_no_gate() {
    let now = Instant::now();
    assert!(Gate::new(&ClientLimits::default(), now).is_none());
    let only_prefix = ClientLimits {
        ipv6_prefix_bits: Some(48),
        ..ClientLimits::default()
    };
    assert!(Gate::new(&only_prefix, now).is_none());
}

#[test]
fn a_client_has_so_many_connections_and_gets_them_back() {
    let now = Instant::now();
    let limits = ClientLimits {
        connections: NonZeroU32::new(2),
        ..ClientLimits::default()
    };
    let gate = gate(limits, now);
    let first = gate.connect(CLIENT, now).unwrap();
    let mapped = "::ffff:192.0.2.1".parse().unwrap();
    let _second = gate.connect(mapped, now).unwrap();
    let refusal = gate.connect(CLIENT, now).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "this client has 2 connections open, which is the most it may have"
    );
    let other = "192.0.2.2".parse().unwrap();
    drop(gate.connect(other, now).unwrap());
    drop(first);
    assert!(gate.connect(CLIENT, now).is_ok());
    assert_eq!(gate.totals().refused_connections, 1);
    assert_eq!(gate.clients(), 1, "the other has gone");
}

#[test]
fn requests_beyond_the_rate_are_told_when_to_come_back() {
    let now = Instant::now();
    let limits = ClientLimits {
        requests_per_s: NonZeroU32::new(5),
        ..ClientLimits::default()
    };
    let gate = gate(limits, now);
    // The client's rate, over whichever of its connections.
    let permits = [0, 1].map(|_| gate.connect(CLIENT, now).unwrap());
    for request in 0..5 {
        assert_eq!(permits[request % 2].request(now), Ok(()));
    }
    let refused = permits[0].request(now).unwrap_err();
    assert_eq!(refused, RetryAfter(Duration::from_millis(200)));
    assert_eq!(
        refused.to_string(),
        "too many requests from this client; try again in 1 s"
    );
    assert_eq!(permits[1].request(now + refused.0), Ok(()));
    assert_eq!(gate.totals().refused_requests, 1);
    for (ms, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
        assert_eq!(
            RetryAfter(Duration::from_millis(ms)).seconds(),
            seconds,
            "{ms}"
        );
    }
}

#[test]
fn connections_of_a_client_share_its_rate_and_clients_do_not_meet() {
    let now = Instant::now();
    let limits = ClientLimits {
        bytes_per_s: rate(1e6),
        ..ClientLimits::default()
    };
    let gate = gate(limits, now);
    let other = "192.0.2.2".parse().unwrap();
    let permits = [CLIENT, CLIENT, CLIENT, other].map(|ip| gate.connect(ip, now).unwrap());
    let sent = send(&permits, now, Duration::from_secs(10));
    let (quantum, burst) = (20_000, 250_000);
    let own: u64 = sent[..3].iter().sum();
    let expected = 10_000_000 + burst;
    for bytes in [own, sent[3]] {
        assert!(bytes <= expected, "{sent:?}");
        assert!(bytes >= expected - 3 * quantum, "{sent:?}");
    }
    let spread = sent[..3].iter().max().unwrap() - sent[..3].iter().min().unwrap();
    assert!(spread <= quantum + burst, "{sent:?}");
}

#[test]
fn all_clients_share_the_total() {
    let now = Instant::now();
    let limits = ClientLimits {
        bytes_per_s: rate(1e6),
        total_bytes_per_s: rate(2e6),
        ..ClientLimits::default()
    };
    let gate = gate(limits, now);
    let permits: Vec<_> = (0..5)
        .map(|at| gate.connect([192, 0, 2, at].into(), now).unwrap())
        .collect();
    let sent = send(&permits, now, Duration::from_secs(10));
    let all: u64 = sent.iter().sum();
    assert!(all <= 20_500_000, "{sent:?}");
    assert!(all >= 20_300_000, "{sent:?}");
    let least = *sent.iter().min().unwrap();
    assert!(least >= 3_900_000, "an equal part each: {sent:?}");
}

#[test]
fn what_is_granted_never_exceeds_what_is_wanted() {
    let now = Instant::now();
    let limits = ClientLimits {
        total_bytes_per_s: rate(1000.0),
        ..ClientLimits::default()
    };
    let gate = gate(limits, now);
    let permit = gate.connect(CLIENT, now).unwrap();
    assert_eq!(permit.pace(now, 10), Pace::Go(10));
    assert_eq!(permit.pace(now, 0), Pace::Go(0));
    for _ in 0..15 {
        assert_eq!(permit.pace(now, 4096), Pace::Go(4096));
    }
    let Pace::Wait(wait) = permit.pace(now, 1 << 20) else {
        panic!("the burst is spent");
    };
    // The body before was cut; this one is shorter than what was reserved.
    assert_eq!(permit.pace(now + wait, 100), Pace::Go(100));
    assert!(matches!(permit.pace(now + wait, 1), Pace::Wait(_)));
}

#[test]
fn a_table_full_of_busy_clients_fails_open() {
    let now = Instant::now();
    let limits = ClientLimits {
        connections: NonZeroU32::new(1),
        ..ClientLimits::default()
    };
    let gate = Gate::with_clients_max(&limits, SHARDS, now).unwrap();
    let permits: Vec<_> = (0..=255_u8)
        .map(|at| gate.connect([192, 0, 2, at].into(), now).unwrap())
        .collect();
    let uncounted = gate.totals().uncounted_connections;
    assert_eq!(gate.clients() as u64 + uncounted, 256);
    assert!(gate.clients() <= SHARDS);
    drop(permits);
    assert_eq!(gate.clients(), 0);
}

#[test]
fn threads_together_keep_every_limit() {
    const THREADS: usize = 4;
    const ROUNDS: u64 = 2000;
    let now = Instant::now();
    let limits = ClientLimits {
        connections: NonZeroU32::new(3),
        requests_per_s: NonZeroU32::new(500),
        total_bytes_per_s: rate(1e6),
        ..ClientLimits::default()
    };
    let gate = gate(limits, now);
    let (answered, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let (open, open_max) = (AtomicU64::new(0), AtomicU64::new(0));
    let begin = Barrier::new(THREADS);
    let work = || {
        begin.wait();
        for _ in 0..ROUNDS {
            // Closing takes the time from the clock, so opening must, too: a client that is forgotten
            // late and met again early would be given the time between twice.
            let at = Instant::now();
            let Ok(permit) = gate.connect(CLIENT, at) else {
                continue;
            };
            open_max.fetch_max(open.fetch_add(1, Relaxed) + 1, Relaxed);
            answered.fetch_add(u64::from(permit.request(at).is_ok()), Relaxed);
            // All at one virtual instant: only the burst is to be had.
            if let Pace::Go(granted) = permit.pace(now, 1000) {
                bytes.fetch_add(granted, Relaxed);
            }
            open.fetch_sub(1, Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    assert!(open_max.load(Relaxed) <= 3);
    assert!(answered.load(Relaxed) >= 500, "the burst is given out");
    // Real time passes while permits close, but a client at rest is only forgotten when its bucket
    // is full again, so it gains at most what its rate allows.
    let elapsed_s = now.elapsed().as_secs_f64();
    assert!(answered.load(Relaxed) as f64 <= 500.0 + 500.0 * elapsed_s + 1.0);
    assert_eq!(bytes.load(Relaxed), 250_000);
}
