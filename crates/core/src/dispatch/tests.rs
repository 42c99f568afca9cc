//! Decisions over small fleets.

use std::time::Duration;

use super::*;
use crate::{
    fleet::{Condition, Held, Hello, Input, Report},
    load::LoadHistogram,
    policy::PolicyKind,
    units::Rate,
};

const ROOT: Root = Root([1; 32]);
const MIB: u64 = 1 << 20;

fn id(at: usize) -> MemberId {
    format!("m-{at}").parse().unwrap()
}

fn fleet(now: Instant, capacities: &[f64]) -> Fleet {
    fleet_at(now, capacities, "http://m")
}

/// A fleet all of whose members are reached at `url`.
fn fleet_at(now: Instant, capacities: &[f64], url: &str) -> Fleet {
    let mut fleet = Fleet::new();
    for (at, &capacity) in capacities.iter().enumerate() {
        let hello = Hello {
            member: id(at),
            url: url.to_owned(),
            epoch: 1,
            version: String::new(),
        };
        let report = Report {
            epoch: 1,
            seq: 1,
            condition: Condition::Normal,
            load: LoadHistogram::empty(),
            egress_bytes_per_s: 0.0,
            capacity: Rate::from_bytes_per_s(capacity),
            complete: Revision(5),
            catalog: Revision(5),
            held: Held::Add(Vec::new()),
            acknowledged: Vec::new(),
            missing_objects: 0,
            missing_bytes: 0,
            flows_served: 0,
            bytes_served: 0,
        };
        fleet.handle(now, &Input::Joined(&hello)).unwrap();
        fleet.handle(now, &Input::StreamOpened(&id(at))).unwrap();
        fleet
            .handle(now, &Input::Reported(&id(at), &report))
            .unwrap();
    }
    fleet
}

/// Dispatches `count` flows and says how many each node got, the server first.
fn spread(fleet: &mut Fleet, now: Instant, count: usize, flow: &Flow<'_>) -> Vec<usize> {
    let mut policy = PolicyKind::MarginalCost.build();
    let mut random = fastrand::Rng::with_seed(1);
    let mut scratch = Scratch::default();
    let mut shares = vec![0; fleet.members().len() + 1];
    for _ in 0..count {
        match decide(fleet, policy.as_mut(), flow, now, &mut random, &mut scratch) {
            Decision::Serve => shares[0] += 1,
            Decision::Redirect { slot, .. } => shares[slot + 1] += 1,
        }
    }
    shares
}

fn flow(bytes: u64, avoid: &[MemberId]) -> Flow<'_> {
    Flow {
        revision: Revision(5),
        root: ROOT,
        bytes,
        avoid,
        scheme: Scheme::Http,
    }
}

#[test]
fn an_idle_server_serves_and_a_busy_one_shares_by_capacity() {
    let now = Instant::now();
    let mut fleet = fleet(now, &[50e6, 25e6]);
    fleet.server_measured(LoadHistogram::empty(), Rate::from_bytes_per_s(100e6));
    let shares = spread(&mut fleet, now, 20, &flow(200 * MIB, &[]));
    assert_eq!(shares[0] + shares[1] + shares[2], 20);
    for (share, ideal) in shares.iter().zip([80.0 / 7.0, 40.0 / 7.0, 20.0 / 7.0]) {
        assert!((*share as f64 / ideal - 1.0).abs() <= 0.25, "{shares:?}");
    }
}

#[test]
fn small_bodies_never_leave() {
    let now = Instant::now();
    let mut fleet = fleet(now, &[1e12]);
    fleet.server_measured(LoadHistogram::empty(), Rate::from_bytes_per_s(1.0));
    assert_eq!(
        spread(&mut fleet, now, 10, &flow(MIN_OFFLOAD_BYTES - 1, &[])),
        [10, 0]
    );
    assert_eq!(
        spread(&mut fleet, now, 10, &flow(MIN_OFFLOAD_BYTES, &[])),
        [0, 10]
    );
}

#[test]
fn one_mebibyte_stays_on_an_idle_gigabit_server() {
    let now = Instant::now();
    let mut fleet = fleet(now, &[125e6]);
    assert_eq!(spread(&mut fleet, now, 1, &flow(MIB, &[])), [1, 0]);
    assert_eq!(
        spread(&mut fleet, now, 1, &flow(MIB, &[])),
        [0, 1],
        "the second would wait"
    );
}

#[test]
fn avoided_and_unproved_members_get_nothing() {
    let now = Instant::now();
    let mut fleet = fleet(now, &[1e12, 1e12]);
    assert_eq!(
        spread(&mut fleet, now, 10, &flow(MIB, &[id(0)])),
        [0, 0, 10]
    );
    assert_eq!(
        spread(&mut fleet, now, 10, &flow(MIB, &[id(0), id(1)])),
        [10, 0, 0]
    );
    let unproved = Flow {
        revision: Revision(6),
        ..flow(MIB, &[])
    };
    assert_eq!(spread(&mut fleet, now, 10, &unproved), [10, 0, 0]);
}

#[test]
fn a_client_is_not_led_from_https_to_http() {
    let now = Instant::now();
    for (url, scheme, expected) in [
        ("http://m", Scheme::Http, [0, 10]),
        ("http://m", Scheme::Https, [10, 0]),
        ("https://m", Scheme::Http, [0, 10]),
        ("https://m", Scheme::Https, [0, 10]),
    ] {
        let mut fleet = fleet_at(now, &[1e12], url);
        let asked = Flow {
            scheme,
            ..flow(MIB, &[])
        };
        fleet.server_measured(LoadHistogram::empty(), Rate::from_bytes_per_s(1.0));
        let shares = spread(&mut fleet, now, 10, &asked);
        assert_eq!(shares, expected, "{scheme} client, {url}");
    }
}

#[test]
fn nothing_goes_to_a_member_whose_stream_dropped() {
    let now = Instant::now();
    let mut fleet = fleet(now, &[1e12]);
    fleet.handle(now, &Input::StreamClosed(&id(0))).unwrap();
    assert_eq!(spread(&mut fleet, now, 10, &flow(MIB, &[])), [10, 0]);
}

#[test]
fn failing_members_are_dearer() {
    let now = Instant::now();
    let mut fleet = fleet(now, &[1e9, 1e9]);
    for _ in 0..50 {
        fleet.handle(now, &Input::Failed(&id(0))).unwrap();
    }
    fleet.server_measured(LoadHistogram::empty(), Rate::from_bytes_per_s(1e6));
    let shares = spread(
        &mut fleet,
        now + Duration::from_secs(1),
        30,
        &flow(10 * MIB, &[]),
    );
    assert!(shares[2] > shares[1] * 2, "{shares:?}");
}
