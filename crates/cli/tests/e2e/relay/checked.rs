//! With `--check-relayed` no wrong byte of a mirror gets to a client.

use super::*;

#[test]
fn a_flipped_bit_is_never_passed_on() {
    let test = "a_flipped_bit_is_never_passed_on";
    if !has(test, &[Need::Program("curl"), Need::Program("wget")]) {
        return;
    }
    let last = SIZE_BYTES as u64 - 1;
    for (client, at) in [
        (curl as fn(&str, &Path) -> Command, 0),
        (wget, 1_500_000),
        (curl, last),
    ] {
        // The server has the mirror's copy looked at, and meets the same proxy: one fault for each.
        let scene = Scene::new(&["--check-relayed"]);
        scene.download(client, Fault::Flips(at));
        let log = scene.fleet.server.log();
        assert!(log.contains("it sent wrong bytes"), "{log}");
        // What came before it was good.
        let offset = at / (64 << 10) * (64 << 10);
        assert!(log.contains(&format!("offset={offset}")), "{log}");
    }
}

#[test]
fn whatever_is_asked_for_is_checked() {
    let scene = Scene::new(&["--check-relayed"]);
    let small = content(12, 300_000);
    scene.fleet.stage.write("small", &small);
    scene.fleet.converge();
    for fault in [Fault::None, Fault::Truncates(70_000), Fault::Resets(10)] {
        scene.way.set(fault);
        for (path, bytes) in [("/file", &scene.bytes), ("/small", &small)] {
            let range = "Range: bytes=70001-290000\r\n";
            for _ in 0..2 {
                let address = scene.fleet.server.address;
                let reply = http::get(address, &format!("{path}?relay"), range);
                assert_eq!(reply.status, 206, "{}", reply.head);
                assert!(reply.body == bytes[70_001..290_001], "{path} {fault:?}");
                let reply = http::get(address, &format!("{path}?relay"), "");
                assert!(reply.body == **bytes, "{path} {fault:?}");
            }
        }
    }
    assert!(scene.way.struck() > 0);
    assert!(scene.switches() > 0);
}

#[test]
fn without_it_bytes_are_the_mirrors_own_affair() {
    let scene = Scene::new(&[]);
    scene.way.set(Fault::Flips(5));
    let got = scene.fleet.server.get("/file?relay").body;
    assert_eq!(got.len(), scene.bytes.len());
    assert!(got != scene.bytes, "the proxy flips nothing");
}
