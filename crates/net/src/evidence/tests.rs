//! From two looks of the kernel's to what held a connection back.

use std::net::Ipv4Addr;

use super::*;

const MS: Duration = Duration::from_millis(1);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn info(acked_bytes: u64, busy_ms: u64, client_limited_ms: u64) -> TcpInfo {
    TcpInfo {
        acked_bytes,
        busy_us: busy_ms * 1000,
        window_limited_us: client_limited_ms * 1000,
        rtt_us: 20_000,
        delivery_bytes_per_s: 1000,
        ..TcpInfo::default()
    }
}

#[test]
fn what_holds_a_connection_back_is_what_did_for_most_of_the_time() {
    let at = Instant::now();
    let first = Look {
        at,
        info: info(1000, 5000, 1000),
    };
    for (busy_ms, client_limited_ms, expected) in [
        (1000, 0, HeldBackBy::Network),
        (1000, 499, HeldBackBy::Network),
        (1000, 500, HeldBackBy::Client),
        (600, 400, HeldBackBy::Client),
        (500, 100, HeldBackBy::Network),
        (499, 0, HeldBackBy::Nothing),
        (499, 499, HeldBackBy::Nothing),
        (0, 0, HeldBackBy::Nothing),
    ] {
        let second = Look {
            at: at + MS * 1000,
            info: info(9000, 5000 + busy_ms, 1000 + client_limited_ms),
        };
        let span = first.until(&second);
        assert_eq!(
            span.held_back_by(),
            expected,
            "{busy_ms} {client_limited_ms}"
        );
        assert_eq!(span.bytes_per_s(), Some(8000.0));
    }
}

#[test]
fn a_first_look_goes_by_what_the_connection_waits_for() {
    let resting = Span::of_life(&info(1000, 900, 0));
    assert_eq!(resting.held_back_by(), HeldBackBy::Nothing);
    let waiting = TcpInfo {
        unacked_segments: 3,
        ..info(1000, 900, 0)
    };
    assert_eq!(Span::of_life(&waiting).held_back_by(), HeldBackBy::Network);
}

#[test]
fn a_short_body_is_as_fast_as_its_last_round_trip() {
    let at = Instant::now();
    let began = Look {
        at,
        info: info(1, 0, 0),
    };
    let ended = |acked_bytes, delivery_bytes_per_s| Look {
        at: at + MS * 500,
        info: TcpInfo {
            delivery_bytes_per_s,
            ..info(acked_bytes, 500, 500)
        },
    };
    let learned =
        |acked_bytes, delivered| of_short_body(&began, &ended(acked_bytes, delivered), CLIENT);
    assert_eq!(
        learned(JUDGED_BYTES, 9_000_000),
        None,
        "too little to judge by"
    );
    let sample = learned(500_001, 9_000_000).unwrap();
    assert_eq!(sample.bytes_per_s, 9e6);
    assert_eq!(sample.limited_by, Limit::Client);
    assert_eq!(sample.rtt, MS * 20);
    assert_eq!(learned(500_001, 10).unwrap().bytes_per_s, 1e6);
}

#[test]
fn of_too_many_samples_the_latest_stay() {
    let mut samples = ClientSamples::default();
    for bytes_per_s in 0..MAX_CLIENT_SAMPLES + 3 {
        samples.push(ClientSample {
            address: CLIENT,
            bytes_per_s: bytes_per_s as f64,
            rtt: MS,
            limited_by: Limit::Here,
        });
    }
    let taken = samples.take();
    assert_eq!(taken.len(), MAX_CLIENT_SAMPLES);
    assert_eq!(taken[0].bytes_per_s, 3.0);
    assert!(samples.take().is_empty());
}

#[test]
fn samples_of_cores_add_up() {
    let sample = SendingSample {
        flows: 3,
        flows_limited_here: 2,
        acked_bytes: 100,
        same_flows: SameFlows {
            flows: 1,
            before_bytes_per_s: 10.0,
            now_bytes_per_s: 5.0,
        },
    };
    let both = sample.plus(&sample);
    assert_eq!((both.flows, both.flows_limited_here), (6, 4));
    assert_eq!((both.acked_bytes, both.same_flows.flows), (200, 2));
    assert_eq!(both.same_flows.before_bytes_per_s, 20.0);
    assert_eq!(both.same_flows.now_bytes_per_s, 10.0);
}
