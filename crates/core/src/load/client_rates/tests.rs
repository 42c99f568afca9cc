//! Rates and round trips by client, with a small table.

use std::{collections::VecDeque, net::Ipv4Addr};

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn address(prefix: u32) -> IpAddr {
    let [_, _, high, low] = prefix.to_be_bytes();
    Ipv4Addr::new(10, high, low, 7).into()
}

fn sample(prefix: u32, bytes_per_s: f64, rtt_ms: u32, limited_by: Limit) -> ClientSample {
    ClientSample {
        address: address(prefix),
        bytes_per_s,
        rtt: MS * rtt_ms,
        limited_by,
    }
}

fn about(rates: &ClientRates, prefix: u32) -> &[MemberRate] {
    rates.about(ClientRates::prefix_of(address(prefix)))
}

#[test]
fn neighbours_share_what_is_known_and_strangers_do_not() {
    let mut rates = ClientRates::new(1);
    let now = Instant::now();
    rates.observe(now, 3, &sample(1, 5e6, 20, Limit::Client));
    for (text, known) in [
        ("10.0.1.200", 1),
        ("::ffff:10.0.1.1", 1),
        ("10.0.2.7", 0),
        ("2001:db8::1", 0),
    ] {
        let prefix = ClientRates::prefix_of(text.parse().unwrap());
        assert_eq!(rates.about(prefix).len(), known, "{text}");
    }
    let of = |text: &str| ClientRates::prefix_of(text.parse().unwrap());
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:2:2::1"));
}

#[test]
fn only_what_the_client_held_back_counts_for_its_rate() {
    let (mut rates, now) = (ClientRates::new(1), Instant::now());
    rates.observe(now, 0, &sample(1, 1e5, 20, Limit::Here));
    assert_eq!(about(&rates, 1)[0].rate, None);
    rates.observe(now + S, 0, &sample(1, 8e6, 20, Limit::Client));
    rates.observe(now + 2 * S, 0, &sample(1, 1.0, 20, Limit::Here));
    assert_eq!(
        about(&rates, 1)[0].rate,
        Some(Rate::from_bytes_per_s(8e6)),
        "the first counts whole, the other two not"
    );
    for second in 3..60 {
        rates.observe(now + second * S, 0, &sample(1, 2e6, 20, Limit::Client));
    }
    let rate = about(&rates, 1)[0].rate.unwrap().bytes_per_s();
    assert!((2e6..2.1e6).contains(&rate), "{rate}");
    // After a long silence the old rate hardly matters.
    rates.observe(now + 3600 * S, 0, &sample(1, 9e6, 20, Limit::Client));
    let rate = about(&rates, 1)[0].rate.unwrap().bytes_per_s();
    assert!(rate > 8.9e6, "{rate}");
}

#[test]
fn a_queue_does_not_lengthen_the_round_trip_and_a_new_route_does() {
    let (mut rates, now) = (ClientRates::new(1), Instant::now());
    let rtt_ms = |rates: &ClientRates| about(rates, 1)[0].rtt.as_secs_f64() * 1e3;
    rates.observe(now, 0, &sample(1, 1e6, 80, Limit::Here));
    rates.observe(now + S, 0, &sample(1, 1e6, 20, Limit::Here));
    assert_eq!(rtt_ms(&rates), 20.0, "shorter counts at once");
    for second in 2..12 {
        rates.observe(now + second * S, 0, &sample(1, 1e6, 200, Limit::Here));
    }
    assert!(rtt_ms(&rates) < 27.0, "{}", rtt_ms(&rates));
    for second in 12..1500 {
        rates.observe(now + second * S, 0, &sample(1, 1e6, 200, Limit::Here));
    }
    assert!(rtt_ms(&rates) > 190.0, "{}", rtt_ms(&rates));
}

#[test]
fn of_too_many_members_the_one_unheard_of_for_longest_goes() {
    let (mut rates, now) = (ClientRates::new(1), Instant::now());
    let most = ClientRates::MAX_MEMBERS as u32;
    for member in 0..most {
        let at = now + S * member;
        rates.observe(at, member, &sample(1, 1e6, 20, Limit::Client));
    }
    rates.observe(now + S * 100, 0, &sample(1, 1e6, 20, Limit::Client));
    rates.observe(now + S * 101, most, &sample(1, 1e6, 20, Limit::Client));
    let knows = |rates: &ClientRates, member| {
        let known = about(rates, 1).iter();
        known.filter(|known| known.member == member).count()
    };
    assert_eq!(about(&rates, 1).len(), ClientRates::MAX_MEMBERS);
    assert_eq!([0, 1, most].map(|member| knows(&rates, member)), [1, 0, 1]);
}

#[test]
fn the_cap_holds_at_its_real_size() {
    let (mut rates, now) = (ClientRates::new(1), Instant::now());
    for prefix in 0..ClientRates::MAX_PREFIXES as u32 + 100 {
        rates.observe(now, 0, &sample(prefix, 1e6, 20, Limit::Client));
    }
    assert_eq!(rates.slots.len(), ClientRates::MAX_PREFIXES);
    assert_eq!(rates.slots_by_prefix.len(), ClientRates::MAX_PREFIXES);
    assert_eq!([99, 100].map(|old| about(&rates, old).len()), [0, 1]);
}

proptest! {
    #[test]
    fn the_prefix_unseen_for_longest_makes_room(
        room in 1_usize..6,
        seen in proptest::collection::vec(0_u32..10, 0..200),
    ) {
        let (mut rates, now) = (ClientRates::with_room(1, room), Instant::now());
        let mut model = VecDeque::new();
        for prefix in seen {
            rates.observe(now, 0, &sample(prefix, 1e6, 20, Limit::Client));
            model.retain(|&known| known != prefix);
            model.push_back(prefix);
            if model.len() > room {
                model.pop_front();
            }
            let known: Vec<u32> = (0..10).filter(|&at| !about(&rates, at).is_empty()).collect();
            let mut expected: Vec<u32> = model.iter().copied().collect();
            expected.sort_unstable();
            prop_assert_eq!(known, expected);
        }
    }
}
