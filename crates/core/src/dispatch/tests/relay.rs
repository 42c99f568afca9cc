//! What goes through the deciding node instead of around it.

use super::*;
use crate::fleet::Standing;

/// A member that costs next to nothing beside the node that decides.
fn cheap(settings: Settings, url: &str) -> Dispatcher {
    dispatcher_at(Instant::now(), 1e4, &[1e12], url, settings)
}

fn relaying() -> Settings {
    Settings {
        way: Way::Relay,
        ..unlimited()
    }
}

/// By what a flow leaves; `None` if it stays.
fn by(dispatcher: &mut Dispatcher, flow: &Flow<'_>) -> Option<By> {
    match dispatcher.decide(Instant::now(), flow) {
        Decision::Serve => None,
        Decision::Redirect { slot: 0, .. } => Some(By::Redirect),
        Decision::Relay { slot: 0, .. } => Some(By::Relay),
        other => panic!("{other:?}"),
    }
}

fn elsewhere(flow: Flow<'_>) -> Flow<'_> {
    Flow {
        holding: Holding::Elsewhere,
        ..flow
    }
}

#[test]
fn what_is_set_is_what_is_done() {
    for (way, expected) in [
        (Way::Redirect, By::Redirect),
        (Way::Relay, By::Relay),
        (Way::Suited, By::Redirect),
    ] {
        let settings = Settings { way, ..unlimited() };
        let mut dispatcher = cheap(settings, "http://m");
        assert_eq!(
            by(&mut dispatcher, &flow(MIB, &[])),
            Some(expected),
            "{way:?}"
        );
    }
}

#[test]
fn a_relay_stands_in_where_a_redirect_cannot_work() {
    let plain = elsewhere(flow(MIB, &[]));
    let https = Flow {
        scheme: Scheme::Https,
        ..plain
    };
    let ipv6 = Flow {
        client: "2001:db8::1".parse().unwrap(),
        ..plain
    };
    let unled = Flow {
        manner: Manner::NotByRedirect,
        ..plain
    };
    for (url, asked, expected) in [
        ("http://m", plain, Ok(By::Redirect)),
        ("http://m", https, Err(Exclusion::Scheme)),
        ("https://m", https, Ok(By::Redirect)),
        ("http://192.0.2.7", ipv6, Err(Exclusion::Family)),
        ("http://192.0.2.7", plain, Ok(By::Redirect)),
        ("http://[2001:db8::7]", ipv6, Ok(By::Redirect)),
        ("http://m", unled, Err(Exclusion::NoRedirect)),
    ] {
        let relayed = Some(expected.unwrap_or(By::Relay));
        let mut dispatcher = cheap(unlimited(), url);
        assert_eq!(by(&mut dispatcher, &asked), relayed, "{url} {asked:?}");
        let mut dispatcher = cheap(redirecting(), url);
        match expected {
            Ok(_) => assert_eq!(by(&mut dispatcher, &asked), Some(By::Redirect)),
            Err(why) => {
                let explanation = dispatcher.explain(Instant::now(), &asked);
                assert_eq!(explanation.excluded[1].why, why, "{url}");
            }
        }
    }
}

#[test]
fn who_came_by_ipv4_is_relayed_to_rather_than_sent_to_an_ipv6_address() {
    let asked = elsewhere(flow(MIB, &[]));
    let url = "http://[2001:db8::7]";
    assert_eq!(by(&mut cheap(unlimited(), url), &asked), Some(By::Relay));
    assert_eq!(
        by(&mut cheap(redirecting(), url), &asked),
        Some(By::Redirect)
    );
    let local = Flow {
        client: IpAddr::from([127, 0, 0, 1]),
        ..asked
    };
    assert_eq!(by(&mut cheap(unlimited(), url), &local), Some(By::Redirect));
}

#[test]
fn nobody_is_sent_to_a_private_member() {
    let now = Instant::now();
    for (settings, expected) in [
        (
            unlimited(),
            Decision::Relay {
                slot: 0,
                dispatch: DispatchId(1 << 40 | 1),
            },
        ),
        (redirecting(), Decision::Nowhere),
    ] {
        let mut dispatcher = Dispatcher::new(now, settings, Orders::default(), 1);
        let hello = Hello {
            member: id(0),
            url: "http://10.0.0.7".into(),
            epoch: 1,
            version: String::new(),
            zone: None,
            reach: Reach::Private,
        };
        let report = Report {
            complete: Revision(5),
            ..Report::idle(1, 1, Rate::GIGABIT)
        };
        for input in [
            Input::Joined(&hello),
            Input::StreamOpened(&id(0)),
            Input::Reported(&id(0), &report),
        ] {
            dispatcher.handle(now, &input).unwrap();
        }
        let asked = elsewhere(flow(MIB, &[]));
        assert_eq!(dispatcher.decide(now, &asked), expected);
    }
}

#[test]
fn a_relay_in_place_of_a_redirect_pays_for_both_nodes() {
    let asked = Flow {
        scheme: Scheme::Https,
        ..flow(MIB, &[])
    };
    let mut dispatcher = cheap(unlimited(), "http://m");
    assert_eq!(
        by(&mut dispatcher, &asked),
        None,
        "it would be sent from here anyhow"
    );
    let explanation = dispatcher.explain(Instant::now(), &asked);
    let [here, member] = &explanation.considered[..] else {
        panic!("{explanation:?}");
    };
    assert_eq!(member.by, Some(By::Relay));
    assert!(member.terms.net_s >= here.terms.total_s());
}

#[test]
fn who_asks_for_a_relay_gets_one_though_it_is_dearer() {
    let now = Instant::now();
    let asked = Flow {
        manner: Manner::ByRelay,
        ..flow(MIB, &[])
    };
    let mut dispatcher = dispatcher(now, 1e12, &[1e4]);
    assert_eq!(by(&mut dispatcher, &asked), Some(By::Relay));
    dispatcher
        .handle(now, &Input::StreamClosed(&id(0)))
        .unwrap();
    assert_eq!(by(&mut dispatcher, &asked), None, "there is nobody else");
}

#[test]
fn a_relayed_flow_counts_on_both_nodes_at_once() {
    let mut dispatcher = cheap(relaying(), "http://m");
    assert_eq!(by(&mut dispatcher, &flow(MIB, &[])), Some(By::Relay));
    let fleet = dispatcher.fleet();
    assert_eq!(fleet.here().load.bytes(), MIB);
    assert_eq!(fleet.members()[0].load().bytes(), MIB);
}

#[test]
fn a_member_on_probation_is_relayed_from_like_any_other() {
    let mut now = Instant::now();
    let mut dispatcher = dispatcher_at(now, 1e12, &[1e4], "http://m", relaying());
    for _ in 0..5 {
        let failure = Input::Weighed(&id(0), Evidence::Failure);
        dispatcher.handle(now, &failure).unwrap();
    }
    let report = Report {
        complete: Revision(5),
        ..Report::idle(1, 2, Rate::from_bytes_per_s(1e4))
    };
    while dispatcher.fleet().members()[0].standing() != Standing::Probation {
        now += Duration::from_secs(1);
        assert!(
            now < Instant::now() + Duration::from_secs(60),
            "out for good"
        );
        let report = Report {
            seq: report.seq + now.duration_since(Instant::now()).as_secs(),
            ..report.clone()
        };
        dispatcher
            .handle(now, &Input::Reported(&id(0), &report))
            .unwrap();
        dispatcher.handle(now, &Input::Tick).unwrap();
    }
    let asked = elsewhere(flow(MIB, &[]));
    let decision = dispatcher.decide(now, &asked);
    assert!(matches!(decision, Decision::Relay { .. }), "{decision:?}");
    assert_eq!(
        dispatcher.decide(now, &asked),
        Decision::Nowhere,
        "one at a time"
    );
}

#[test]
fn a_body_under_way_goes_on_wherever_it_can() {
    let now = Instant::now();
    let settings = Settings {
        min_flow_rate: Rate::GIGABIT,
        ..redirecting()
    };
    let mut dispatcher = dispatcher_at(now, 1e6, &[1e6, 1e6], "http://m", settings);
    let failed = [id(0)];
    let rest = Flow {
        turn: Turn::Underway,
        part: Part::Rest(7),
        ..elsewhere(flow(MIB, &failed))
    };
    for _ in 0..3 {
        let next = dispatcher.go_on(now, &rest);
        assert!(
            matches!(next, Decision::Relay { slot: 1, .. }),
            "however full: {next:?}"
        );
    }
    let noted = dispatcher.journal().newest_first().next().unwrap();
    assert_eq!(noted.choice, Choice::Relay(id(1)));
    assert_eq!(noted.instead_of, Some(id(0)));
    let here = Flow {
        holding: Holding::Here,
        avoid: &[id(0), id(1)],
        ..rest
    };
    assert_eq!(dispatcher.go_on(now, &here), Decision::Serve);
    assert_eq!(dispatcher.go_on(now, &elsewhere(here)), Decision::Nowhere);
}

#[test]
fn the_return_of_a_client_that_was_relayed_to_blames_nobody() {
    let now = Instant::now();
    let mut dispatcher = cheap(relaying(), "http://m");
    let _ = dispatcher.decide(now, &flow(MIB, &[]));
    let later = now + Duration::from_secs(4);
    let back = Flow {
        part: Part::Rest(9),
        ..flow(MIB, &[])
    };
    let again = dispatcher.decide(later, &back);
    assert!(matches!(again, Decision::Relay { .. }), "{again:?}");
    assert_eq!(dispatcher.fleet().members()[0].error_ratio(later), 0.0);
    assert!(
        dispatcher
            .poll_output()
            .is_none_or(|out| !matches!(out, Output::Unreachable(..)))
    );
}
