//! Who is listed, and in which order.

use std::{collections::HashSet, time::Instant};

use overspill_core::{
    catalog::Revision,
    dispatch::{Flow, Holding, Manner, Part, Settings, Turn},
    fleet::{Hello, Input, Orders, Reach, Report, Scheme, Zones},
    root::Root,
    units::Rate,
};

use super::*;

/// A member's name, its zone, and its capacity in bytes per second.
type Stand<'a> = (&'a str, Option<&'a str>, f64);

/// What a client sees of a fleet in which everybody has everything.
fn listed(fleet: &[Stand<'_>], settings: Settings, client: [u8; 4]) -> Vec<(String, Rank)> {
    let now = Instant::now();
    let mut dispatcher = Dispatcher::new(now, settings, Orders::default(), 1);
    for (name, zone, capacity) in fleet {
        let hello = Hello {
            reach: Reach::default(),
            member: name.parse().unwrap(),
            url: format!("http://{name}"),
            epoch: 1,
            version: String::new(),
            zone: zone.map(|zone| zone.parse().unwrap()),
        };
        let report = Report {
            complete: Revision(5),
            ..Report::idle(1, 1, Rate::from_bytes_per_s(*capacity))
        };
        let id = &hello.member;
        for input in [
            Input::Joined(&hello),
            Input::StreamOpened(id),
            Input::Reported(id, &report),
        ] {
            dispatcher.handle(now, &input).unwrap();
        }
    }
    let client = IpAddr::from(client);
    let flow = Flow {
        manner: Manner::AsSet,
        revision: Revision(5),
        root: Root([1; 32]),
        bytes: 100 << 20,
        part: Part::Whole,
        holding: Holding::Here,
        client,
        avoid: &[],
        scheme: Scheme::Http,
        turn: Turn::First,
    };
    let explanation = dispatcher.explain(now, &flow);
    let ranked = members(&explanation, &dispatcher, client);
    ranked
        .into_iter()
        .map(|ranked| (ranked.holder.url.replace("http://", ""), ranked.rank))
        .collect()
}

const CLIENT: [u8; 4] = [192, 0, 2, 7];

fn ranks(fleet: &[Stand<'_>], settings: Settings) -> Vec<(String, Rank)> {
    let mut ranks = listed(fleet, settings, CLIENT);
    ranks.sort();
    ranks
}

#[test]
fn far_and_busy_members_come_after_the_others_and_the_server_last() {
    let near = Some("north");
    let fleet = [
        ("m-1", near, 1e9),
        ("m-2", near, 0.9e9),
        ("m-3", near, 1e8),
        ("m-4", Some("south"), 1e9),
        (SERVER, near, 1e9),
    ];
    let zones = Zones::parse([("192.0.2.0/24", "north")]).unwrap();
    let settings = |zones| Settings {
        zones,
        ..Settings::default()
    };
    let named = |ranks: &[(&str, Rank)]| -> Vec<_> {
        let ranks = ranks.iter();
        ranks
            .map(|(name, rank)| ((*name).to_owned(), *rank))
            .collect()
    };
    let [best, good, last] = [Rank::Best, Rank::Good, Rank::Last];
    let expected = |of_4| {
        [
            ("m-1", best),
            ("m-2", best),
            ("m-3", good),
            ("m-4", of_4),
            (SERVER, last),
        ]
    };
    assert_eq!(ranks(&fleet, settings(zones)), named(&expected(good)));
    let nowhere = settings(Zones::default());
    assert_eq!(ranks(&fleet, nowhere.clone()), named(&expected(best)));
    let in_order = listed(&fleet, nowhere, CLIENT);
    assert!(in_order.is_sorted_by_key(|(_, rank)| *rank), "{in_order:?}");
}

#[test]
fn where_nothing_is_offloaded_nobody_is_named() {
    let settings = Settings {
        offload: Offload::Never,
        ..Settings::default()
    };
    assert!(listed(&[("m-1", None, 1e9)], settings, CLIENT).is_empty());
}

#[test]
fn clients_find_equals_in_orders_of_their_own() {
    let fleet = [("m-1", None, 1e9), ("m-2", None, 1e9), ("m-3", None, 1e9)];
    let first_of = |client| listed(&fleet, Settings::default(), client)[0].0.clone();
    assert_eq!(first_of(CLIENT), first_of(CLIENT));
    let firsts: HashSet<_> = (0..50).map(|last| first_of([192, 0, 2, last])).collect();
    assert_eq!(firsts.len(), fleet.len(), "{firsts:?}");
}

#[test]
fn a_list_is_short_and_ends_with_the_server() {
    let names: Vec<String> = (0..40).map(|at| format!("m-{at}")).collect();
    let mut fleet: Vec<Stand<'_>> = names.iter().map(|name| (&**name, None, 1e9)).collect();
    fleet.push((SERVER, None, 1e9));
    let listed = listed(&fleet, Settings::default(), CLIENT);
    assert_eq!(listed.len(), MAX_MEMBERS + 1);
    assert_eq!(listed.last(), Some(&(SERVER.to_owned(), Rank::Last)));
}
