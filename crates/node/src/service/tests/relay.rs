//! Who is relayed to, and how dispatch is asked about it.

use super::*;

const LARGE_BYTES: u64 = 300 << 10;

#[test]
fn how_a_client_may_be_led_elsewhere() {
    for (head, expected) in [
        ("GET /large.bin HTTP/1.1", Some(Manner::AsSet)),
        ("GET /large.bin?relay HTTP/1.1", Some(Manner::ByRelay)),
        ("GET /large.bin HTTP/1.0", Some(Manner::NotByRedirect)),
        ("GET /large.bin?direct&relay HTTP/1.1", None),
        ("GET /large.bin?relay&direct HTTP/1.1", None),
        ("HEAD /large.bin?relay HTTP/1.1", None),
        ("GET /large.bin?direct&ticket=good HTTP/1.1", None),
    ] {
        let scene = scene(|_| {});
        assert_eq!(scene.status(head), 200, "{head}");
        let led = scene.asked().led.first().copied();
        assert_eq!(
            led,
            expected.map(|manner| (Holding::Here, manner)),
            "{head}"
        );
    }
}

#[test]
fn what_is_known_to_be_bad_comes_from_a_member_under_the_same_head() {
    let sound = scene(|_| {});
    let bad = scene(|script| {
        script.damage();
        script.offloads_to = Some("m-1".parse().unwrap());
    });
    for (head, bytes) in [
        ("GET /large.bin HTTP/1.1", LARGE_BYTES),
        ("GET /large.bin HTTP/1.1\nRange: bytes=10-19", 10),
        ("GET /small.txt HTTP/1.1", 5),
    ] {
        let (expected, _) = sound.ask(head);
        let (text, body) = bad.ask(head);
        // A small body stands behind its head where it is good.
        assert!(expected.starts_with(&text), "{head}: {text}");
        assert!(
            matches!(&body, Body::Relay(relay) if relay.rest_bytes() == bytes),
            "{head}"
        );
    }
    let (_, body) = bad.ask("GET /large.bin HTTP/1.1\nRange: bytes=0-9,100000-100009");
    let Body::Parts { mut parts, .. } = body else {
        panic!("{body:?}");
    };
    let mut relayed_bytes = 0;
    while let Some(part) = parts.next_part().unwrap() {
        match part {
            Part::Bytes(_) => {}
            Part::Relay(relay) => relayed_bytes += relay.rest_bytes(),
            Part::File { .. } => panic!("from the bad file"),
        }
    }
    assert_eq!(relayed_bytes, 20);
    let not_by_redirect = (Holding::Elsewhere, Manner::NotByRedirect);
    assert!(bad.asked().led.iter().all(|led| *led == not_by_redirect));
    assert_eq!(bad.status("HEAD /large.bin HTTP/1.1"), 200);
}

#[test]
fn a_relay_that_asks_for_another_version_is_told_so_and_not_led_on() {
    let scene = scene(|script| {
        script.away_to = Some(("http://s".to_owned(), "m-1".parse().unwrap()));
    });
    let other = "GET /large.bin?direct&ticket=good HTTP/1.1\nIf-Match: \"b3-other\"";
    assert_eq!(scene.status(other), 412);
    let lost = "GET /elsewhere?direct&ticket=good HTTP/1.1\nIf-Match: \"b3-other\"";
    assert_eq!(scene.status(lost), 412);
    assert_eq!(scene.status("GET /elsewhere HTTP/1.1"), 307);
}
