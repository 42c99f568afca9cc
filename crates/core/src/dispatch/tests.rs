//! Decisions over small fleets.

use std::{net::IpAddr, time::Duration};

use super::*;
use crate::{
    catalog::Revision,
    fleet::{Exclusion, Hello, Reach, Scheme, Zones},
    load::{Limit, Pressure},
    root::Root,
};

mod relay;
mod settings;

const ROOT: Root = Root([1; 32]);
const MIB: u64 = 1 << 20;

pub(super) fn id(at: usize) -> MemberId {
    format!("m-{at}").parse().unwrap()
}

pub(super) fn flow(bytes: u64, avoid: &[MemberId]) -> Flow<'_> {
    Flow {
        revision: Revision(5),
        root: ROOT,
        bytes,
        part: Part::Whole,
        holding: Holding::Here,
        client: IpAddr::from([192, 0, 2, 1]),
        avoid,
        scheme: Scheme::Http,
        turn: Turn::First,
        manner: Manner::AsSet,
    }
}

/// Lets `fleet` have a member of each capacity, reached at `url`.
fn join_all(
    capacities: &[f64],
    url: &str,
    mut handle: impl FnMut(&Input<'_>) -> Result<(), FleetError>,
) {
    for (at, &capacity) in capacities.iter().enumerate() {
        let hello = Hello {
            member: id(at),
            url: url.to_owned(),
            epoch: 1,
            version: String::new(),
            zone: None,
            reach: Reach::default(),
        };
        let report = Report {
            complete: Revision(5),
            ..Report::idle(1, 1, Rate::from_bytes_per_s(capacity))
        };
        handle(&Input::Joined(&hello)).unwrap();
        handle(&Input::StreamOpened(&id(at))).unwrap();
        handle(&Input::Reported(&id(at), &report)).unwrap();
    }
}

pub(super) fn fleet(now: Instant, capacities: &[f64]) -> Fleet {
    let mut fleet = Fleet::new(now, Orders::default(), 1);
    join_all(capacities, "http://m", |input| fleet.handle(now, input));
    fleet
}

/// The member in `slot` reports that everybody has arrived.
pub(super) fn acknowledge_all(fleet: &mut Fleet, now: Instant, slot: usize) {
    let report = Report {
        acknowledged: (0..1000)
            .map(|count| DispatchId((1 << 40) + count))
            .collect(),
        complete: Revision(5),
        ..Report::idle(1, 2, fleet.members()[slot].told_capacity())
    };
    fleet
        .handle(now, &Input::Reported(&id(slot), &report))
        .unwrap();
}

/// A dispatcher whose own capacity is `here`, with a member of each capacity.
fn dispatcher_at(
    now: Instant,
    here: f64,
    capacities: &[f64],
    url: &str,
    settings: Settings,
) -> Dispatcher {
    let mut dispatcher = Dispatcher::new(now, settings, Orders::default(), 1);
    join_all(capacities, url, |input| dispatcher.handle(now, input));
    dispatcher.measured(now, here_of(here));
    dispatcher
}

fn here_of(capacity: f64) -> HereLoad {
    HereLoad {
        capacity: Rate::from_bytes_per_s(capacity),
        ..HereLoad::default()
    }
}

fn dispatcher(now: Instant, here: f64, capacities: &[f64]) -> Dispatcher {
    dispatcher_at(now, here, capacities, "http://m", unlimited())
}

/// Settings under which nobody is ever full.
fn unlimited() -> Settings {
    Settings {
        min_flow_rate: Rate::from_bytes_per_s(1.0),
        ..Settings::default()
    }
}

/// The same, where nothing is relayed.
fn redirecting() -> Settings {
    Settings {
        way: Way::Redirect,
        ..unlimited()
    }
}

/// Dispatches `count` flows and says how many each node got, the deciding one first.
fn spread(dispatcher: &mut Dispatcher, now: Instant, count: usize, flow: &Flow<'_>) -> Vec<usize> {
    let mut shares = vec![0; dispatcher.fleet().members().len() + 1];
    for _ in 0..count {
        match dispatcher.decide(now, flow) {
            Decision::Serve => shares[0] += 1,
            Decision::Redirect { slot, .. } => shares[slot + 1] += 1,
            other => panic!("{other:?}"),
        }
    }
    shares
}

#[test]
fn an_idle_server_serves_and_a_busy_one_shares_by_capacity() {
    let now = Instant::now();
    let mut fleet = dispatcher(now, 100e6, &[50e6, 25e6]);
    let shares = spread(&mut fleet, now, 20, &flow(200 * MIB, &[]));
    assert_eq!(shares[0] + shares[1] + shares[2], 20);
    for (share, ideal) in shares.iter().zip([80.0 / 7.0, 40.0 / 7.0, 20.0 / 7.0]) {
        assert!((*share as f64 / ideal - 1.0).abs() <= 0.25, "{shares:?}");
    }
}

#[test]
fn small_bodies_never_leave() {
    let now = Instant::now();
    let mut fleet = dispatcher(now, 1.0, &[1e12]);
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
    let mut fleet = dispatcher(now, 125e6, &[125e6]);
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
    let mut fleet = dispatcher(now, 125e6, &[1e12, 1e12]);
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
        let mut fleet = dispatcher_at(now, 1e4, &[1e12], url, redirecting());
        let asked = Flow {
            scheme,
            ..flow(MIB, &[])
        };
        let shares = spread(&mut fleet, now, 10, &asked);
        assert_eq!(shares, expected, "{scheme} client, {url}");
    }
}

#[test]
fn nothing_goes_to_a_member_whose_stream_dropped() {
    let now = Instant::now();
    let mut fleet = dispatcher(now, 125e6, &[1e12]);
    fleet.handle(now, &Input::StreamClosed(&id(0))).unwrap();
    assert_eq!(spread(&mut fleet, now, 10, &flow(MIB, &[])), [10, 0]);
}

#[test]
fn failing_members_are_dearer() {
    let now = Instant::now();
    let mut fleet = dispatcher(now, 1e6, &[1e9, 1e9]);
    for _ in 0..4 {
        fleet
            .handle(now, &Input::Weighed(&id(0), Evidence::Failure))
            .unwrap();
    }
    let shares = spread(&mut fleet, now, 30, &flow(10 * MIB, &[]));
    assert!(shares[2] > shares[1] * 2, "{shares:?}");
}

#[test]
fn a_node_that_is_one_among_many_serves_until_it_is_busy() {
    let now = Instant::now();
    let settings = Settings {
        offload: Offload::WhenBusy,
        ..unlimited()
    };
    let mut fleet = dispatcher_at(now, 1e6, &[1e9], "http://m", settings);
    assert_eq!(spread(&mut fleet, now, 5, &flow(10 * MIB, &[])), [5, 0]);
    let busy = || HereLoad {
        pressure: Pressure::new(0.9, 0.0, 0.0),
        ..here_of(1e6)
    };
    fleet.measured(now, busy());
    let later = now + Duration::from_secs(2);
    fleet.measured(later, busy());
    assert!(fleet.is_offloading());
    assert_eq!(spread(&mut fleet, later, 5, &flow(10 * MIB, &[])), [0, 5]);
    let lacking = Flow {
        holding: Holding::Elsewhere,
        ..flow(100, &[])
    };
    assert_eq!(
        spread(&mut fleet, later, 1, &lacking),
        [0, 1],
        "however small"
    );
    fleet.handle(later, &Input::StreamClosed(&id(0))).unwrap();
    assert_eq!(fleet.decide(later, &lacking), Decision::Nowhere);
}

#[test]
fn near_is_first_and_far_when_near_costs_twice_as_much() {
    let now = Instant::now();
    let zones = Zones::parse([("192.0.2.0/24", "north")]).unwrap();
    let mut fleet = Dispatcher::new(
        now,
        Settings {
            zones,
            ..unlimited()
        },
        Orders::default(),
        1,
    );
    for (at, zone) in ["south", "north"].into_iter().enumerate() {
        let hello = Hello {
            member: id(at),
            url: "http://m".into(),
            epoch: 1,
            version: String::new(),
            zone: Some(zone.parse().unwrap()),
            reach: Reach::default(),
        };
        let capacity = Rate::from_bytes_per_s(if at == 0 { 150e6 } else { 100e6 });
        let report = Report {
            complete: Revision(5),
            ..Report::idle(1, 1, capacity)
        };
        fleet.handle(now, &Input::Joined(&hello)).unwrap();
        fleet.handle(now, &Input::StreamOpened(&id(at))).unwrap();
        fleet
            .handle(now, &Input::Reported(&id(at), &report))
            .unwrap();
    }
    fleet.measured(now, here_of(1.0));
    let shares = spread(&mut fleet, now, 1, &flow(100 * MIB, &[]));
    assert_eq!(shares, [0, 0, 1], "the near one, though it is slower");
    let shares = spread(&mut fleet, now, 1, &flow(100 * MIB, &[]));
    assert_eq!(
        shares,
        [0, 1, 0],
        "now it has work for more than twice as long"
    );
    let elsewhere = Flow {
        client: IpAddr::from([198, 51, 100, 1]),
        ..flow(MIB, &[])
    };
    let explanation = fleet.explain(now, &elsewhere);
    assert_eq!(
        (explanation.client_zone, explanation.considered.len()),
        (None, 3)
    );
}

/// A dispatcher and one member that carry two and four large flows.
fn crowded(now: Instant) -> Dispatcher {
    let settings = Settings {
        min_flow_rate: Rate::from_bytes_per_s(1e6),
        ..Settings::default()
    };
    dispatcher_at(now, 2e6, &[4e6], "http://m", settings)
}

#[test]
fn beyond_the_slots_there_is_a_brown_out_then_a_queue_then_503() {
    let now = Instant::now();
    let mut fleet = crowded(now);
    let flow = flow(MIB, &[]);
    let admitted = (0..100)
        .take_while(|_| {
            matches!(
                fleet.decide(now, &flow),
                Decision::Serve | Decision::Redirect { .. }
            )
        })
        .count();
    assert!(fleet.is_browned_out());
    // Nine tenths of twice two and of twice four slots, the fraction rounded down; and one flow has
    // found the end.
    assert_eq!(admitted, 3 + 7);
    let mut waiting = 1;
    let rejected = loop {
        match fleet.decide(now, &flow) {
            Decision::Wait(_) => waiting += 1,
            other => break other,
        }
        assert!(waiting < 100);
    };
    assert!(
        matches!(
            rejected,
            Decision::Reject {
                retry_after_s: 2..=4
            }
        ),
        "{rejected:?}"
    );
    assert_eq!(fleet.waiting(), waiting);
    let resumed = Flow {
        part: Part::Rest(1),
        ..flow
    };
    assert!(
        matches!(
            fleet.decide(now, &resumed),
            Decision::Serve | Decision::Redirect { .. }
        ),
        "a download that goes on has slots of its own"
    );
}

#[test]
fn who_waits_is_let_in_when_a_slot_is_free_or_refused_in_time() {
    let now = Instant::now();
    let mut fleet = crowded(now);
    let flow = flow(MIB, &[]);
    let waiters: Vec<_> = (0..14)
        .filter_map(|_| match fleet.decide(now, &flow) {
            Decision::Wait(waiter) => Some(waiter),
            _ => None,
        })
        .collect();
    assert!(waiters.len() >= 3, "{waiters:?}");
    acknowledge_by(&mut fleet, now);
    fleet.handle(now, &Input::Tick).unwrap();
    let outputs: Vec<_> = std::iter::from_fn(|| fleet.poll_output())
        .filter(|output| !matches!(output, Output::Fleet(_)))
        .collect();
    assert_eq!(
        outputs[..2],
        [Output::Released(waiters[0]), Output::Released(waiters[1])]
    );
    let turn = Flow {
        turn: Turn::Waited,
        ..flow
    };
    assert!(matches!(
        fleet.decide(now, &turn),
        Decision::Redirect { .. }
    ));
    let mut late = crowded(now);
    let waiter = (0..20).find_map(|_| match late.decide(now, &flow) {
        Decision::Wait(waiter) => Some(waiter),
        _ => None,
    });
    late.handle(now + MAX_WAIT, &Input::Tick).unwrap();
    let refused = std::iter::from_fn(|| late.poll_output())
        .find(|output| matches!(output, Output::Refused(..)));
    assert!(
        matches!(refused, Some(Output::Refused(id, 1..)) if Some(id) == waiter),
        "{refused:?}"
    );
}

/// The only member reports that it is idle, and that everybody arrived.
fn acknowledge_by(fleet: &mut Dispatcher, now: Instant) {
    let report = Report {
        acknowledged: (0..1000)
            .map(|count| DispatchId((1 << 40) + count))
            .collect(),
        complete: Revision(5),
        ..Report::idle(1, 2, Rate::from_bytes_per_s(4e6))
    };
    fleet
        .handle(now, &Input::Reported(&id(0), &report))
        .unwrap();
}

#[test]
fn flows_that_clients_slow_down_take_no_slot() {
    let now = Instant::now();
    let mut fleet = crowded(now);
    let mut here = here_of(2e6);
    here.load.extend([MIB; 50]);
    fleet.measured(now, here.clone());
    assert!(fleet.is_full());
    here.flows_limited_by_client = 50;
    fleet.measured(now, here);
    assert!(!fleet.is_full());
}

#[test]
fn a_client_that_could_not_get_there_is_sent_elsewhere() {
    let now = Instant::now();
    let mut fleet = dispatcher_at(now, 1.0, &[1e9, 1e8], "http://m", redirecting());
    let asked = flow(MIB, &[]);
    assert_eq!(spread(&mut fleet, now, 1, &asked), [0, 1, 0]);
    let later = now + Duration::from_secs(4);
    assert_eq!(spread(&mut fleet, later, 3, &asked), [0, 0, 3]);
    let explanation = fleet.explain(later, &asked);
    let excluded = &explanation.excluded[0];
    assert_eq!(
        (excluded.member.clone(), excluded.why),
        (Some(id(0)), Exclusion::Unreachable)
    );
    let elsewhere = Flow {
        client: IpAddr::from([203, 0, 113, 9]),
        ..asked
    };
    assert_eq!(
        spread(&mut fleet, later, 1, &elsewhere),
        [0, 1, 0],
        "others still may"
    );
}

#[test]
fn pieces_of_a_file_stay_where_they_began() {
    let now = Instant::now();
    let mut fleet = dispatcher(now, 1.0, &[1e9, 1e9]);
    let piece = Flow {
        part: Part::Span,
        ..flow(MIB, &[])
    };
    let shares = spread(&mut fleet, now, 6, &piece);
    assert!(
        shares == [0, 6, 0] || shares == [0, 0, 6] || shares.contains(&2),
        "{shares:?}"
    );
    let stays = shares.iter().max().copied().unwrap_or_default();
    assert!(stays >= 2, "{shares:?}");
}

#[test]
fn a_slow_client_costs_its_own_time_everywhere() {
    let now = Instant::now();
    let mut fleet = dispatcher(now, 1e6, &[1e9, 1e9]);
    let sample = ClientSample {
        address: flow(1, &[]).client,
        bytes_per_s: 1e5,
        rtt: Duration::from_millis(200),
        limited_by: Limit::Client,
    };
    let report = Report {
        complete: Revision(5),
        clients: vec![sample],
        ..Report::idle(1, 2, Rate::from_bytes_per_s(1e9))
    };
    fleet
        .handle(now, &Input::Reported(&id(0), &report))
        .unwrap();
    let explanation = fleet.explain(now, &flow(10 * MIB, &[]));
    let terms = |at: usize| explanation.considered[at].terms;
    assert!(
        (terms(1).client_s - 104.8576).abs() < 1e-6,
        "{:?}",
        terms(1)
    );
    assert!(terms(1).net_s > 0.6 && terms(2).net_s < 0.1);
    assert_eq!(
        terms(2).client_s,
        terms(1).client_s,
        "slow for all, until another shows more"
    );
    assert_eq!(terms(0).client_s, terms(1).client_s);
}

#[test]
fn complaints_count_against_whom_the_client_was_sent_to() {
    let now = Instant::now();
    let mut fleet = dispatcher(now, 1.0, &[1e9]);
    let asked = flow(MIB, &[]);
    fleet.returned_from(now, &asked, &id(0));
    assert_eq!(
        fleet.fleet().members()[0].error_ratio(now),
        0.0,
        "never sent there"
    );
    spread(&mut fleet, now, 1, &asked);
    fleet.returned_from(now, &asked, &id(0));
    assert!(fleet.fleet().members()[0].error_ratio(now) > 0.0);
}

#[test]
fn the_journal_tells_what_was_decided() {
    let now = Instant::now();
    let mut fleet = dispatcher(now, 1.0, &[1e9]);
    spread(&mut fleet, now, 2, &flow(MIB, &[]));
    let last = fleet.journal().newest_first().next().unwrap();
    assert_eq!((last.number, &last.choice), (2, &Choice::Member(id(0))));
    assert_eq!((last.bytes, last.candidates), (MIB, 2));
}

#[test]
fn an_explanation_is_the_next_decision_and_changes_nothing() {
    let now = Instant::now();
    for policy in PolicyKind::ALL {
        let settings = Settings {
            policy,
            ..unlimited()
        };
        let mut fleet = dispatcher_at(now, 1e6, &[1e6, 2e6, 1e6], "http://m", settings);
        for _ in 0..40 {
            let asked = flow(MIB, &[]);
            let foreseen = fleet.explain(now, &asked);
            assert_eq!(fleet.explain(now, &asked), foreseen, "{policy:?}");
            let decided = match fleet.decide(now, &asked) {
                Decision::Serve => Place::Here,
                Decision::Redirect { slot, .. } => Place::Member(slot),
                other => panic!("{other:?}"),
            };
            assert_eq!(foreseen.chosen, Some(decided), "{policy:?}");
            assert_eq!(foreseen.ground, Ground::Cost);
        }
    }
}

#[test]
fn an_explanation_names_what_was_decided_by() {
    let now = Instant::now();
    let stays = Settings {
        offload: Offload::Never,
        ..unlimited()
    };
    let mut home = dispatcher_at(now, 1.0, &[1e9], "http://m", stays);
    let mut fleet = dispatcher(now, 1.0, &[1e9]);
    let elsewhere = Flow {
        holding: Holding::Elsewhere,
        revision: Revision(6),
        ..flow(MIB, &[])
    };
    let here = Some(Place::Here);
    for (explanation, ground, chosen, weighed) in [
        (home.explain(now, &flow(MIB, &[])), Ground::Stays, here, 1),
        (fleet.explain(now, &flow(9, &[])), Ground::TooSmall, here, 2),
        (fleet.explain(now, &elsewhere), Ground::Nowhere, None, 0),
    ] {
        assert_eq!((explanation.ground, explanation.chosen), (ground, chosen));
        let is_weighed = explanation.considered.iter().filter(|one| one.is_weighed);
        assert_eq!(is_weighed.count(), weighed, "{ground:?}");
    }
}
